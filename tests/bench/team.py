"""Eight people who label a project at once for minutes: is every press in the store, once, and how does it feel?

Each works through the queue of the annotate page: a verdict and on to the next step, again and again, now and then a
range, a reason or an undo, then submission. What the browsers pressed is counted here and compared with what the store
holds afterwards, verdict by verdict. ``CODETRACER_BENCH_MINUTES`` says for how long (3 by default).
"""

import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from codetracer_core.projects import Project
from codetracer_core.store import Store
from tests.bench.browser import CLOCK, PACE, PEOPLE, PROBE, memory, summary
from tests.browser.conftest import CHROMIUM, FLAGS, Dashboard, cli, write_run

RUNS, STEPS, SIZE = 40, 40, 8_000
MINUTES = float(os.environ.get("CODETRACER_BENCH_MINUTES", "3"))
WORDS = {"1": "correct", "2": "incorrect", "3": "unuseful"}


@dataclass
class Worker:
    """One of the people: what they pressed, and the times in ms that the page took."""

    name: str
    pressed: Counter[str] = field(default_factory=Counter)
    """Acts of labelling, by the verdict that each press gave ("None" for one undone)."""
    submitted: int = 0
    step: list[float] = field(default_factory=list)
    label: list[float] = field(default_factory=list)


def main() -> None:
    if CHROMIUM is None:
        print("  no Chromium on this machine")
        return
    with tempfile.TemporaryDirectory() as folder:
        for number in range(RUNS):
            write_run(Path(folder) / "runs" / f"run-{number}", STEPS, SIZE + 100 * number, name=f"run {number}")
        workspace = Path(folder) / "workspace"
        imported = cli("import", str(Path(folder) / "runs"), workspace=workspace)
        if imported.returncode:
            raise SystemExit(imported.stderr)
        with Store.open(workspace) as store:
            project = Project(project_id="team", annotators_per_run=3, order="shuffled", created_at=datetime.now(UTC))
            store.create_project(project, [run.run_id for run in store.runs()])
        dashboard = Dashboard(workspace)
        dashboard.start()
        workers = [Worker(f"worker {number}") for number in range(PEOPLE)]
        try:
            asyncio.run(_work(dashboard, workers))
            print(f"  memory of the server: {memory(dashboard):.0f} MB")
        finally:
            dashboard.kill()
        _compare(workspace, workers)


async def _work(dashboard: Dashboard, workers: list[Worker]) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        until = time.monotonic() + 60 * MINUTES
        await asyncio.gather(*(_one(browser, dashboard, worker, until) for worker in workers))
        await browser.close()


async def _one(browser: Browser, dashboard: Dashboard, worker: Worker, until: float) -> None:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(60_000)
    await context.add_cookies([{"name": "codetracer_annotator", "value": worker.name, "url": dashboard.url}])
    await context.add_init_script(CLOCK)
    page = await context.new_page()
    await page.goto(f"{dashboard.url}/annotate")
    chance = random.Random(worker.name)
    run = ""
    while time.monotonic() < until:
        await page.wait_for_function(
            "before => { const run = new URL(location.href).searchParams.get('traj'); return run && run !== before; }",
            arg=run,
        )
        await page.wait_for_selector('.viewer[data-shown="1"]')
        run = await page.evaluate("new URL(location.href).searchParams.get('traj')")
        await page.evaluate(PROBE)
        await _label_run(page, worker, chance, until)
        for what in ("step", "label"):
            getattr(worker, what).extend(await page.evaluate(f"window.benchTimes.{what}"))
        for key in ("Control+Enter", "Control+Enter"):
            await page.keyboard.press(key)
        worker.submitted += 1
    await page.wait_for_selector('.viewer[data-waiting="0"]')
    await page.wait_for_timeout(5_000)  # the last submission waits for the last label
    await context.close()


async def _label_run(page: Page, worker: Worker, chance: random.Random, until: float) -> None:
    for _ in range(STEPS - 1):
        key = chance.choice("1123")
        await page.keyboard.press(key)
        worker.pressed[WORDS[key]] += 1
        if chance.random() < 0.05:
            await page.keyboard.press(",")
            worker.pressed["undone"] += 1
        await asyncio.sleep(PACE * chance.random())
        await page.keyboard.press("j")
        await asyncio.sleep(PACE * chance.random())
        if time.monotonic() > until:
            return


def _compare(workspace: Path, workers: list[Worker]) -> None:
    with Store.open(workspace) as store:
        acts = [event for run in store.runs() for event in store.label_history(run.run_id) if event.field == "verdict"]
        assignments = store.assignments("team")
    kept = Counter(event.annotator for event in acts)
    names = Counter((event.client, event.sequence) for event in acts)
    pressed = {worker.name: sum(worker.pressed.values()) for worker in workers}
    print(f"  {PEOPLE} people, {MINUTES:g} minutes, {STEPS} steps a run, {len(acts)} acts of labelling")
    print(f"  step {summary([time for worker in workers for time in worker.step])}")
    print(f"  label {summary([time for worker in workers for time in worker.label])}")
    lost = {name: (count, kept[name]) for name, count in pressed.items() if count != kept[name]}
    print(f"  pressed {sum(pressed.values())}, stored {sum(kept.values())}, twice {sum(n > 1 for n in names.values())}")
    print(f"  people whose presses and labels differ: {lost or 'none'}")
    done = sum(one.submitted_at is not None for one in assignments)
    print(f"  runs submitted: {sum(worker.submitted for worker in workers)} pressed, {done} stored")
    twice = [pair for pair, times in Counter((one.run_id, one.annotator) for one in assignments).items() if times > 1]
    most = max(Counter(one.run_id for one in assignments).values(), default=0)
    print(f"  runs given twice to one person: {len(twice)}; most people on one run: {most} of 3")
