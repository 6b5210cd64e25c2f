"""The analytics page in a real browser: figures, choices, selections that list runs, files, and who may see what."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from codetracer_core.analytics import FIGURES, data_of, figure_named
from codetracer_core.figures import as_html, draw
from codetracer_core.models import GroundTruth, Outcome
from codetracer_core.projects import Project
from codetracer_core.store import Store
from tests.browser.conftest import Dashboard
from tests.browser.steps import person, received, see_in_store, see_standing, see_step
from tests.store.factory import NOON, decide, make_run
from tests.test_analytics import invented

pytestmark = pytest.mark.browser

RUNS, BLIND = 24, "run-blind"
HOSTILE = '<img src="http://127.0.0.1:9/x">**agent**'


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Dashboard]:
    """Runs of two agents, every second solved, each with ground truth at step 3; Blinda labels one of them blind."""
    running = Dashboard(tmp_path_factory.mktemp("analytics") / "workspace")
    names = [f"run-{number:02d}" for number in range(RUNS)] + [BLIND]
    runs = [
        make_run(
            name,
            5 + number % 7,
            task=f"task {number // 2}",
            agent=(HOSTILE, "plain-agent")[number % 3 == 0],
            outcome=Outcome(solved=number % 2 == 0),
            record={"benchmark": {"category": ("games", "security")[number % 2]}},
        )
        for number, name in enumerate(names)
    ]
    truth = GroundTruth(annotator="CodeTraceBench", said_at=NOON, verdicts={3: "incorrect", 4: "unuseful"})
    with Store.open(running.workspace) as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs], ground_truth=[truth] * len(runs))
        project = Project(project_id="pilot", created_at=datetime.now(UTC), annotators=("Blinda",))
        store.create_project(project, [BLIND])
        assert store.claim_next("pilot", "Blinda") is not None
    running.start()
    yield running
    running.kill()


@pytest.fixture
def reader(browser: Browser, house: Dashboard) -> Iterator[Page]:
    context = person(browser, house, "Rea")
    page = context.new_page()
    yield page
    context.close()


def open_figure(page: Page, house: Dashboard, name: str) -> Locator:
    page.goto(f"{house.url}/analytics?figure={name}")
    drawn = page.locator(".js-plotly-plot .main-svg").first
    expect(drawn).to_be_visible()
    see_standing(page)
    return drawn


def rows(page: Page) -> Locator:
    return page.locator(".numbers .row")


def select(page: Page, panel: str = "xy", part: float = 1.0) -> None:
    """Drag a box over the upper ``part`` of a panel."""
    box: Any = page.locator(f".js-plotly-plot .draglayer .{panel} .nsewdrag").bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + part * box["height"] - 2, steps=8)
    page.mouse.up()


def test_a_selection_lists_its_runs_which_open_where_they_are_labelled(reader: Page, house: Dashboard) -> None:
    open_figure(reader, house, "error_position")
    expect(reader.get_by_text(f"{RUNS + 1} runs. Click marks")).to_be_visible()
    select(reader)  # the panel of the solved runs
    expect(reader.get_by_text(re.compile(r"^13 runs behind \d+ selected marks?$"))).to_be_visible()
    expect(rows(reader)).to_have_count(13)
    expect(rows(reader).first).to_contain_text("run-00")
    rows(reader).first.get_by_text("run-00").click()
    reader.wait_for_url("**traj=run-00*")
    see_step(reader, 3)

    def exposed() -> set[str]:
        with Store.open_for_reading(house.workspace) as store:
            return {one.run_id for one in store.labels(source="human", annotator="Rea") if one.field == "shown"}

    seen = see_in_store(reader, exposed, lambda found: len(found) >= 13)
    assert seen == {f"run-{number:02d}" for number in range(0, RUNS, 2)} | {BLIND}


def test_what_is_selected_becomes_a_library_and_a_batch(reader: Page, house: Dashboard) -> None:
    open_figure(reader, house, "solved_rate")
    select(reader, part=0.5)  # the upper of two agents
    expect(reader.get_by_text("behind 1 selected mark")).to_be_visible()
    count = int(reader.get_by_text("behind 1 selected mark").inner_text().split()[0])
    reader.get_by_role("button", name="Open in the library").click()
    expect(reader.get_by_text(f"Only {count} runs, chosen in the figure “Solved runs”.")).to_be_visible()
    expect(reader.locator(".count")).to_contain_text(f"{count} of {count} runs")
    reader.get_by_role("button", name="Show all runs").click()
    expect(reader.locator(".count")).to_contain_text(f"{RUNS + 1} of {RUNS + 1} runs")
    open_figure(reader, house, "solved_rate")
    reader.get_by_role("button", name="Diagnose").click()
    expect(reader.get_by_text(f"{RUNS + 1} runs of the table below")).to_be_visible()


def test_names_of_runs_are_text_and_nothing_is_fetched(reader: Page, house: Dashboard) -> None:
    fetched: list[str] = []

    def note(route: Route) -> None:
        fetched.append(route.request.url)
        route.abort()

    reader.route(lambda url: not url.startswith((house.url, "data:", "blob:")), note)
    for name in ("solved_rate", "strips_by_kind", "cost"):
        open_figure(reader, house, name)
        reader.locator(".js-plotly-plot .points path").first.hover(force=True)
    open_figure(reader, house, "solved_rate")
    ticks = reader.locator(".js-plotly-plot .ytick text")
    expect(ticks.filter(has_text="<img src=").first).to_be_visible()
    assert fetched == []


def test_labels_of_single_runs_are_shown_after_a_warning_and_on_record(browser: Browser, house: Dashboard) -> None:
    context = person(browser, house, "Cara")
    page = context.new_page()
    page.goto(f"{house.url}/analytics?figure=strips_by_verdict")
    expect(page.get_by_text(f"It goes on record that you have seen those of {RUNS + 1} runs")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(0)
    page.get_by_role("button", name="Show it").click()
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()

    def shown() -> set[Any]:
        with Store.open_for_reading(house.workspace) as store:
            said = store.labels(source="human", annotator="Cara")
            return {(one.run_id, one.value) for one in said if one.field == "shown"}

    seen = see_in_store(page, shown, lambda found: len(found) > RUNS)
    assert seen == {(run_id, "ground_truth") for run_id in [f"run-{n:02d}" for n in range(RUNS)] + [BLIND]}
    context.close()


def test_who_labels_a_run_blind_learns_nothing_of_it(browser: Browser, house: Dashboard) -> None:
    context = person(browser, house, "Blinda")
    page = context.new_page()
    heard = received(page)
    for figure in FIGURES:
        page.goto(f"{house.url}/analytics?figure={figure.name}")
        expect(page.get_by_text("1 run is left out: you label it blind.")).to_be_visible()
        drawn = page.locator(".js-plotly-plot .main-svg, [data-testid=stAlert]")
        expect(drawn.or_(page.get_by_role("button", name="Show it")).first).to_be_visible()
    open_figure(page, house, "cost")
    with page.expect_download() as download:
        page.get_by_role("button", name="Data as CSV").click()
    assert BLIND not in Path(download.value.path()).read_text()
    assert b"run-00" in heard
    assert BLIND.encode() not in heard
    context.close()


def test_a_figure_is_downloaded_as_a_page_and_as_a_picture(reader: Page, house: Dashboard, tmp_path: Path) -> None:
    open_figure(reader, house, "step_budget")
    with reader.expect_download() as download:
        reader.get_by_role("button", name="Figure as HTML").click()
    saved = tmp_path / "figure.html"
    download.value.save_as(saved)
    reader.locator(".js-plotly-plot").hover()
    with reader.expect_download() as download:
        reader.locator('[data-title^="Download plot"]').click()
    assert download.value.suggested_filename == "step_budget.svg"
    assert "steps per run" in Path(download.value.path()).read_text()
    offline = reader.context.new_page()
    offline.context.set_offline(True)
    offline.goto(saved.as_uri())
    expect(offline.get_by_text("What steps are spent on")).to_be_visible()
    offline.context.set_offline(False)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_of_a_figure_draws_itself(page: Page, dark: bool) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.context.set_offline(True)
    frames = invented(7)
    for figure in FIGURES:
        data = data_of(figure, frames)
        page.set_content(as_html(draw(figure_named(figure.name), data, dark=dark, alone=True), figure.name))
        expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
        expect(page.get_by_text(figure.title, exact=True).first).to_be_visible()
        assert page.locator(".js-plotly-plot").evaluate("plot => plot.data.length") == len(draw(figure, data).data)
    assert problems == []
