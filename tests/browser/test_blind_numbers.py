"""What a person who labels some runs blind receives on the pages of numbers: nothing of these runs, whatever the
address, after a lead has had the same pages of the same server full of them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from codetracer_core.analytics import FIGURES
from codetracer_core.evaluation_files import keep_files
from codetracer_core.models import GroundTruth
from codetracer_core.projects import Project
from codetracer_core.store import Store, Workspace
from tests.browser.conftest import Dashboard
from tests.browser.steps import person, received, see_in_store, see_standing, see_step
from tests.store.factory import NOON, decide, make_diagnosis, make_label, make_run

pytestmark = pytest.mark.browser

SECRET, FREE = ("secret-one", "secret-two"), ("free-one", "free-two", "free-three")
PEER = "planted-peer-name"
MARKERS = (PEER, "planted-model", "planted-summary", "planted-reasoning", "planted-manifest-task")
TABS = ("Measures", "Pairs", "Labels", "Onset", "Ranges and stages", "Runs", "Raters", "Disagreements", "Download")
PARTS = (
    *("Leaderboard", "Two systems", "Slices", "Place in the run", "Onset", "Near hits", "Clean runs", "Repetitions"),
    *("Cost", "Misses and false accusations", "Files"),
)
STORED = {"truth": "Ground truth of this workspace"}
"""Without a choice the systems are those with stored diagnoses."""
LOADED = {"truth": "Manifest all", "systems": ["said (loaded, 1 repetition)"]}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Dashboard]:
    """Ada and Bob have submitted all runs, a third person and a model know only the two that Blinda labels blind."""
    folder = tmp_path_factory.mktemp("blind")
    running = Dashboard(folder / "workspace")
    runs = [make_run(name, 6, record={"benchmark": {"traj_id": f"row-{name}"}}) for name in (*SECRET, *FREE)]
    truth = GroundTruth(annotator="CodeTraceBench", said_at=NOON, verdicts={3: "incorrect"})
    with Store.open(running.workspace) as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs], ground_truth=[truth] * len(runs))
        for name, members, of_it in (
            ("pilot", ("Ada", "Bob", PEER, "Blinda"), SECRET),
            ("open", ("Ada", "Bob"), FREE),
        ):
            project = Project(project_id=name, annotators=members, annotators_per_run=len(members), created_at=NOON)
            store.create_project(project, of_it)
            for who in members[:-1] if name == "pilot" else members:
                _label(store, name, who, of_it)
        for run in SECRET:
            for summary in ("planted-summary", "another"):
                made = make_diagnosis(run_id=run, model="openai/planted-model", summary=summary)
                finding = made.findings[0].model_copy(update={"reasoning": "planted-reasoning"})
                store.add_diagnosis(made.model_copy(update={"findings": (finding,)}), [])
    (running.workspace / "people.toml").write_text(
        '[people]\nLea = ["lead"]\nBlinda = ["annotator", "reader"]\nAda = ["annotator"]\n'
    )
    _load(running.workspace, folder)
    running.start()
    yield running
    running.kill()


def _label(store: Store, project: str, who: str, runs: Sequence[str]) -> None:
    for run in runs:
        store.claim_next(project, who)
        verdicts = {2: "incorrect", 4: "unuseful"} if who == "Ada" else {2: "incorrect", 5: "incorrect"}
        said = [
            make_label(step, word, run_id=run, step_id=step, annotator=who, client=f"{who} {run}")
            for step, word in verdicts.items()
        ]
        assert store.add_human_labels(said).refused == ()
        store.submit(project, run, who)


def _load(place: Path, folder: Path) -> None:
    """A manifest with all runs and predictions on them, as a lead loads them."""
    rows, answers = [], []
    for run in (*SECRET, *FREE):
        mark = "planted-" if run in SECRET else ""
        step = {"step_id": 3, "labels": ["incorrect"], "action_ref": {"content": "excerpt"}}
        stage = {"stage_id": 1, "incorrect_step_ids": [3], "unuseful_step_ids": [], "steps": [step]}
        facts = {"task_name": f"{mark}manifest-task", "step_count": 6}
        rows.append({"traj_id": f"row-{run}", "incorrect_stages": [stage], **facts})
        answers.append({"traj_id": f"row-{run}", "labels": [{"stage_id": 1, "incorrect_step_ids": [4]}]})
    for kind, name, lines in (("manifest", "all", rows), ("predictions", "said", answers)):
        file = folder / f"{name}.jsonl"
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        keep_files(Workspace(place), kind, name, [file], titles=[file.name], by="Lea")  # type: ignore[arg-type]


def visit(page: Page, office: Dashboard, name: str, **asked: Any) -> None:
    """Open a page by its address, and wait until the server is through with it."""
    page.goto(f"{office.url}/{name}?{urlencode(asked, doseq=True)}")
    expect(page.locator(".stMain")).to_be_visible()
    see_standing(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def all_numbers(page: Page, office: Dashboard) -> None:
    """Every part of the pages of numbers, of all runs and with a filter to one run that is labelled blind."""
    everybody = {"agreement_with": ["models", "ground truth", "adjudicated"]}
    for tab in TABS:
        visit(page, office, "agreement", agreement_project="all runs", agreement_tab=tab, **everybody)
    visit(page, office, "agreement", agreement_project="pilot", agreement_tab="Runs", **everybody)
    visit(page, office, "agreement", agreement_project="all runs", agreement_text=SECRET[0], agreement_tab="Runs")
    for chosen in (STORED, LOADED):
        for part in PARTS:
            visit(page, office, "evaluate", part=part, by="task", **chosen)
    for figure in FIGURES:
        visit(page, office, "analytics", figure=figure.name)
    visit(page, office, "analytics", figure="step_budget", analytics_text=SECRET[0])


def saved(page: Page, name: str) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    return Path(download.value.path()).read_text(encoding="utf-8")


def shown_to(office: Dashboard, who: str) -> set[str]:
    with Store.open_for_reading(office.workspace) as store:
        return {run for run, _ in store.shown_to(who)}


def test_no_number_label_or_name_of_a_run_reaches_who_labels_it_blind(browser: Browser, office: Dashboard) -> None:
    lead = person(browser, office, "Lea").new_page()
    heard = received(lead)
    all_numbers(lead, office)
    visit(lead, office, "compare", traj=SECRET[0])
    visit(lead, office, "agreement", agreement_project="pilot", agreement_tab="Disagreements")
    lists = lead.locator(".st-key-agreement_list_all a")
    expect(lists.first).to_be_visible()
    link = str(lists.first.get_attribute("href"))
    step = int(parse_qs(urlsplit(link).query)["step"][0])
    lead.goto(link)
    see_step(lead, step)
    expect(lead.locator(".listtitle")).to_contain_text("Disagreements of")
    with Store.open_for_reading(office.workspace) as store:
        ids = [one.diagnosis_id for one in store.diagnoses([SECRET[0]])]
    visit(lead, office, "compare", diagnoses=",".join(ids))
    expect(lead.get_by_text("planted-summary").first).to_be_visible()
    assert [word for word in (*MARKERS, *SECRET) if word.encode() not in heard] == [], "the lead sees all of it"

    page = person(browser, office, "Blinda").new_page()
    heard = received(page)
    all_numbers(page, office)
    assert [word for word in (*MARKERS, "row-secret") if word.encode() in heard] == []
    expect(page.locator(".stMain")).to_contain_text("1 run is left out: you label it blind.")
    assert b"free-one" in heard
    assert b"2 runs are left out: you label them blind." in heard

    visit(page, office, "agreement", agreement_project="all runs", agreement_tab="Download")
    files = [saved(page, name) for name in ("All numbers as JSON", "Numbers as CSV", "Runs as CSV")]
    visit(page, office, "evaluate", part="Files", **LOADED)
    files += [saved(page, name) for name in ("Everything as JSON", "Leaderboard as CSV")]
    page.get_by_role("button", name="Write its lists of steps").click()
    files += [saved(page, name) for name in ("Misses as CSV", "False accusations as CSV")]
    visit(page, office, "analytics", figure="step_budget")
    files += [saved(page, name) for name in ("Data as CSV", "Figure as HTML")]
    told = "".join(files)
    assert "row-free-one" in told
    assert [word for word in (*MARKERS, *SECRET) if word in told] == []
    assert str(office.workspace) not in told

    heard.clear()
    visit(page, office, "compare", runs=",".join(SECRET), show="labels")
    expect(page.get_by_text(SECRET[1]).first).to_be_visible()
    visit(page, office, "compare", traj=SECRET[0], show="labels")
    expect(page.get_by_text("That is not possible.")).to_be_visible()
    visit(page, office, "compare", diagnoses=",".join(ids))
    expect(page.get_by_text("That is not possible.")).to_be_visible()
    page.goto(link)
    see_step(page, step)
    expect(page.locator(".listbar")).to_contain_text("without the runs that you label blind")
    assert [word for word in (*MARKERS, "Disagreements of", "Ada") if word.encode() in heard] == []

    seen = see_in_store(page, lambda: shown_to(office, "Blinda"), lambda found: set(FREE) <= found)
    assert seen == set(FREE)


def test_an_annotator_learns_from_no_list_who_has_labelled(browser: Browser, office: Dashboard) -> None:
    lead = person(browser, office, "Lea").new_page()
    visit(lead, office, "agreement", agreement_project="open", agreement_tab="Disagreements")
    lists = lead.locator(".st-key-agreement_list_all a")
    expect(lists.first).to_be_visible()
    page = person(browser, office, "Ada").new_page()
    heard = received(page)
    page.goto(str(lists.first.get_attribute("href")))
    page.wait_for_selector(".position")
    expect(page.locator(".listtitle")).to_have_text("A list of steps")
    page.get_by_role("link", name="Back to Agreement").click()
    expect(page.get_by_text("PSA: agreement on “incorrect”").first).to_be_visible()
    for figure in ("step_budget", "effective_runs"):
        visit(page, office, "analytics", figure=figure)
    visit(page, office, "evaluate", **LOADED)
    expect(page.get_by_text("That is not possible.")).to_be_visible()
    assert b"Bob" not in heard
    assert PEER.encode() not in heard
