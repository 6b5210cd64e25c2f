"""From stored labels to the Agreement page: 1,000 and 4,000 made-up runs of the benchmark's length, three people.

Every step has a label of each person, which is the most that a project can hold. A page counts as drawn when its
headline and its first table are visible.
"""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from codetracer_core.agreement import agreement
from codetracer_core.models import RunRecord, Step, Trajectory
from codetracer_core.projects import Project
from codetracer_core.store import Store
from tests.bench.agreement import made_up
from tests.browser.conftest import CHROMIUM, FLAGS, Dashboard

PEOPLE = ("ann", "bob", "cora")
_STEP = [Step(step_id=number, action="ls") for number in range(1, 1_000)]
_LABELS = """
    INSERT INTO label_event
    SELECT row_number() OVER (), now()::TIMESTAMP, run_id, step_id, 'verdict',
        CASE WHEN bad < 0.04 AND random() < 0.7 OR random() < 0.01 THEN '"incorrect"'
            WHEN random() < 0.005 THEN '"unuseful"' ELSE '"correct"' END,
        'human', annotator, 1, 'none', 'bench', row_number() OVER (), now()::TIMESTAMP
    FROM (SELECT run_id, step_id, random() AS bad FROM step) CROSS JOIN (SELECT unnest(?) AS annotator)"""


def main() -> None:
    for runs in (1_000, 4_000):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "workspace"
            steps = _fill(place, runs)
            print(f"  {runs:,} runs, {steps:,} steps, {len(PEOPLE)} people, {len(PEOPLE) * steps:,} labels")
            _numbers(place)
            _page(place)


def _fill(place: Path, runs: int) -> int:
    """A project whose runs everybody has submitted; returns its number of steps."""
    lengths = made_up(runs, 1).lengths.tolist()
    with Store.open(place) as store:
        for first in range(0, runs, 500):
            records = [_run(number, lengths[number]) for number in range(first, min(first + 500, runs))]
            decisions = [[("explore", "reads only")] * record.trajectory.step_count for record in records]
            store.add_runs(records, decisions=decisions)
        project = Project(project_id="all", annotators=PEOPLE, annotators_per_run=3, created_at=datetime.now(UTC))
        store.create_project(project, [f"run-{number:05}" for number in range(runs)])
        store.assign("all", PEOPLE)
        with store._transaction() as cursor:  # as if they had done it: by the verbs it would take minutes
            cursor.execute(_LABELS, [list(PEOPLE)])
            cursor.execute("UPDATE assignment SET submitted_at = now()::TIMESTAMP")
    return sum(lengths)


def _run(number: int, steps: int) -> RunRecord:
    trajectory = Trajectory(format="normalised", view="steps.json", task=f"task {number // 3}", steps=_STEP[:steps])
    return RunRecord(
        run_id=f"run-{number:05}", trajectory=trajectory, origin=f"runs/{number}", evidence_hash=f"{number:064x}"
    )


def _numbers(place: Path) -> None:
    with Store.open(place) as store:
        for what in ("first", "again"):
            started = time.perf_counter()
            ratings = store.ratings(project_id="all")
            read = time.perf_counter()
            agreement(ratings)
            done = time.perf_counter()
            words = f"ratings {1000 * (read - started):.0f} ms, agreement {1000 * (done - read):.0f} ms"
            print(f"    from the store to numbers, {what}: {words}")


def _page(place: Path) -> None:
    if CHROMIUM is None:
        print("    no Chromium on this machine")
        return
    dashboard = Dashboard(place)
    dashboard.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            context.add_cookies([{"name": "codetracer_annotator", "value": "lea", "url": dashboard.url}])
            page = context.new_page()
            page.set_default_timeout(60_000)
            page.goto(f"{dashboard.url}/settings")
            page.get_by_text("Settings").first.wait_for()
            for what, query in (
                ("numbers to be computed", ""),
                ("numbers known", ""),
                ("another question", "?agreement_unlabelled=missing"),
                ("blind beside revised", "?agreement_reading=blind+beside+revised"),
                ("disagreements", "?agreement_tab=Disagreements"),
            ):
                print(f"    page, {what}: {_drawn(page, f'{dashboard.url}/agreement{query}'):.2f} s")
            browser.close()
    finally:
        dashboard.kill()


def _drawn(page: Page, address: str) -> float:
    """Seconds from the address to the headline and the first table."""
    started = time.perf_counter()
    page.goto(address)
    page.get_by_text("Alpha (Krippendorff)").first.wait_for()
    page.get_by_text("incorrect").nth(3).wait_for()
    page.locator("[role=grid], [role=table]").first.wait_for()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
