"""Drawing stages: the functions from list to list over all small cases, and the keys and the mouse in the viewer."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, takewhile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from codetracer_core.store import Store
from codetracer_core.viewer_data import frontend_text
from tests.browser.conftest import LONG, Dashboard, cli
from tests.browser.steps import name_annotator, open_run, press, see_in_store, see_saved, see_step
from tests.store.factory import decide, make_label, make_run

pytestmark = pytest.mark.browser

# --- from list to list ----------------------------------------------------------------------------------------

STEPS = 6

# Every way to draw stages over STEPS steps, covering all of them or not, and what each function makes of it.
EVERY_CASE = """
(count) => {
  const lists = [[]];
  const grow = (stages, from) => {
    for (let start = from; start <= count; start++)
      for (let end = start; end <= count; end++) {
        const more = [...stages, { stage_id: stages.length + 1, start_step_id: start, end_step_id: end, name: "" }];
        lists.push(more.map((stage) => ({ ...stage, name: stage.stage_id % 2 ? `n${stage.stage_id}` : "" })));
        grow(more, end + 1);
      }
  };
  grow([], 1);
  const cases = [];
  const note = (name, before, args, after) => cases.push({ name, before, args, after });
  for (const stages of lists) {
    const frozen = Object.freeze(stages.map(Object.freeze));
    note("tidied", stages, [], tidied(frozen, count));
    for (let step = 1; step <= count; step++) {
      note("begin", stages, [step], withStageAt(frozen, step, count));
      note("join", stages, [step], withStageJoined(frozen, step));
    }
    for (const at of stages.keys()) {
      for (let to = -1; to <= count + 2; to++) note("move", stages, [at, to], withStageMoved(frozen, at, to));
      note("name", stages, [at, "another"], withStageNamed(frozen, at, " another "));
      note("take_away", stages, [at], withoutStage(frozen, at));
    }
  }
  return cases;
}
"""


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.add_script_tag(content=frontend_text("stages.js"))
    yield page
    context.close()


@pytest.fixture(scope="module")
def cases(blank: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = blank.evaluate(EVERY_CASE, STEPS)
    assert len(found) > 5_000
    return found


@dataclass(frozen=True)
class Drawn:
    """The same stages said otherwise: which steps are in one, and where each begins, with its name."""

    covered: frozenset[int]
    names: dict[int, str]

    @classmethod
    def of(cls, stages: list[dict[str, Any]]) -> "Drawn":
        steps = (range(stage["start_step_id"], stage["end_step_id"] + 1) for stage in stages)
        return cls(frozenset(chain(*steps)), {stage["start_step_id"]: stage["name"] for stage in stages})

    def steps(self, start: int) -> set[int]:
        """The steps of the stage that begins at this one."""
        after = (step for step in range(start + 1, STEPS + 2) if step in self.names or step not in self.covered)
        return set(range(start, next(after)))


def begin(drawn: Drawn, step: int) -> Drawn | None:
    if step in drawn.names:
        return None
    free = takewhile(lambda one: one not in drawn.covered, range(step, STEPS + 1))
    return Drawn(drawn.covered | set(free), drawn.names | {step: ""})


def join(drawn: Drawn, step: int) -> Drawn | None:
    if step not in drawn.names or step - 1 not in drawn.covered:
        return None
    before = max(start for start in drawn.names if start < step)
    names = drawn.names | {before: drawn.names[before] or drawn.names[step]}
    return Drawn(drawn.covered, {start: name for start, name in names.items() if start != step})


def move(drawn: Drawn, at: int, to: int) -> Drawn | None:
    starts = sorted(drawn.names)
    start = starts[at]
    steps = drawn.steps(start)
    adjoins = start - 1 in drawn.covered
    free = set() if adjoins else set(range(max({0, *drawn.covered} & set(range(start))) + 1, start))
    possible = steps | free | (drawn.steps(starts[at - 1]) - {starts[at - 1]} if adjoins else set())
    if start == 1:
        possible = {1}
    near = min(possible, key=lambda step: abs(step - to))
    if near == start:
        return None
    names = {near if one == start else one: name for one, name in drawn.names.items()}
    if adjoins:
        return Drawn(drawn.covered, names)
    return Drawn((drawn.covered - steps) | set(range(near, max(steps) + 1)), names)


def name(drawn: Drawn, at: int, text: str) -> Drawn:
    return Drawn(drawn.covered, drawn.names | {sorted(drawn.names)[at]: text})


def take_away(drawn: Drawn, at: int) -> Drawn:
    start = sorted(drawn.names)[at]
    left = {one: text for one, text in drawn.names.items() if one != start}
    return Drawn(drawn.covered - drawn.steps(start), left)


@pytest.mark.parametrize("wanted", [begin, join, move, name, take_away], ids=lambda wanted: wanted.__name__)
def test_each_function_does_in_every_case_what_it_is_for(
    cases: list[dict[str, Any]], wanted: Callable[..., Drawn | None]
) -> None:
    mine = [case for case in cases if case["name"] == wanted.__name__]
    assert len(mine) > 500
    for case in mine:
        after = None if case["after"] is None else Drawn.of(case["after"])
        assert after == wanted(Drawn.of(case["before"]), *case["args"]), case
        if len(Drawn.of(case["before"]).covered) == STEPS and after and wanted is not take_away:
            assert len(after.covered) == STEPS, f"a gap: {case}"


def test_whatever_is_drawn_can_be_stored(cases: list[dict[str, Any]], tmp_path: Path) -> None:
    lists = {json.dumps(case["after"]): case["after"] for case in cases if case["after"] is not None}
    assert len(lists) > 500
    run = make_run("run-1", STEPS)
    with Store.open(tmp_path / "workspace") as store:
        store.add_runs([run], decisions=[decide(run)])
        events = [
            make_label(number, stages, step_id=None, field="stages")
            for number, stages in enumerate(lists.values(), start=1)
        ]
        assert store.add_label_events(events).refused == ()


def test_stages_of_a_benchmark_are_tidied_before_one_draws_on(blank: Page) -> None:
    untidy = [(7, 4, 9, " two "), (3, 1, 4, "one" * 60), (9, 5, 6, "within"), (1, 12, 99, "\ud800"), (2, 200, 300, "")]
    given = [
        {"stage_id": number, "start_step_id": start, "end_step_id": end, "name": text}
        for number, start, end, text in untidy
    ]
    tidy = blank.evaluate("(json) => tidied(JSON.parse(json), 20)", json.dumps(given))
    assert [tuple(stage.values()) for stage in tidy] == [
        (1, 1, 4, "one" * 40),
        (2, 5, 9, "two"),
        (3, 12, 20, "\ufffd"),
    ]


# --- in the viewer --------------------------------------------------------------------------------------------


def stored(page: Page, dashboard: Dashboard, annotator: str, wanted: list[tuple[int, int, str]] | None) -> None:
    """These stages of "long" are in DuckDB, for a second process to read."""

    def drawn() -> list[tuple[int, int, str]] | None:
        with Store.open_for_reading(dashboard.workspace) as store:
            labels = store.labels(dashboard.runs["long"], source="human", annotator=annotator)
        stages = next((label.value for label in labels if label.field == "stages"), None)
        return stages and [(stage["start_step_id"], stage["end_step_id"], stage["name"]) for stage in stages]

    see_saved(page)
    see_in_store(page, drawn, lambda found: found == wanted)


def heads(page: Page) -> Locator:
    return page.locator(".row.stage .range")


def from_nothing(page: Page, dashboard: Dashboard, annotator: str, step: int = 10) -> None:
    """Someone in front of the long run, with one stage for all of it."""
    open_run(page, dashboard, dashboard.runs["long"], step=step)
    press(page, "Z")
    expect(page.get_by_role("dialog", name="Draw stages anew")).to_be_visible()
    press(page, "2")
    name_annotator(page, annotator)
    press(page, "Home")
    expect(heads(page)).to_have_text([f"1–{LONG}"])
    expect(page.locator(".stagesfrom")).to_have_text("Stages: yours")
    page.keyboard.press("g")
    page.keyboard.type(str(step))
    page.keyboard.press("Enter")
    see_step(page, step)


def test_stages_are_begun_moved_named_joined_and_taken_away_by_key(page: Page, dashboard: Dashboard) -> None:
    from_nothing(page, dashboard, "Drawer")
    said = page.locator(".saved")
    press(page, "T")
    expect(said).to_have_text("stage 2 begins at step 10")
    expect(heads(page)).to_have_text(["1–9", f"10–{LONG}"])
    press(page, "W")
    name = page.get_by_label("Name of stage 2")
    expect(name).to_be_focused()
    page.keyboard.type("Write it, T and all")
    press(page, "Enter")
    expect(page.locator(".row.stage").last).to_contain_text("Stage 2 · Write it, T and all")
    press(page, ")", ")", ")")
    expect(said).to_have_text("stage 2 begins at step 13")
    see_step(page, 13)
    press(page, "(")
    expect(heads(page)).to_have_text(["1–11", f"12–{LONG}"])
    see_step(page, 12)
    press(page, "j", "j", "T", "j", "T")
    expect(heads(page)).to_have_text(["1–11", "12–13", "14", f"15–{LONG}"])
    press(page, "H")
    expect(said).to_have_text(f"steps 15–{LONG} are in no stage now")
    expect(page.locator(".facts")).to_contain_text("in no stage")
    press(page, "k", "T")
    expect(heads(page)).to_have_text(["1–11", "12–14"])
    stored(page, dashboard, "Drawer", [(1, 11, ""), (12, 14, "Write it, T and all")])
    page.wait_for_url("**step=14*")
    page.reload()
    see_step(page, 14)
    expect(heads(page)).to_have_text(["1–11", "12–14"])
    expect(page.locator(".facts")).to_contain_text("stage 2 of 2")


def test_every_change_of_stages_is_one_act(page: Page, dashboard: Dashboard) -> None:
    from_nothing(page, dashboard, "Undoer")
    press(page, "T", "W")
    page.keyboard.type("second")
    press(page, "Enter", "j", "j", "T", "(", "H")
    expect(heads(page)).to_have_text(["1–9", "10"])
    press(page, "Control+z")
    expect(heads(page)).to_have_text(["1–9", "10", f"11–{LONG}"])
    press(page, "Control+z", "Control+z")
    expect(heads(page)).to_have_text(["1–9", f"10–{LONG}"])
    press(page, "Control+z", "Control+z")
    expect(heads(page)).to_have_text([f"1–{LONG}"])
    press(page, "Control+z")
    expect(page.locator(".stagesfrom")).to_have_text("Stages: split offline")
    stored(page, dashboard, "Undoer", None)
    press(page, *["Control+y"] * 6)
    stored(page, dashboard, "Undoer", [(1, 9, ""), (10, 10, "second")])
    expect(heads(page)).to_have_text(["1–9", "10"])


def test_what_cannot_be_drawn_says_so_and_changes_nothing(page: Page, dashboard: Dashboard) -> None:
    from_nothing(page, dashboard, "Refused", step=2)
    said = page.locator(".saved")
    press(page, "k", "T")
    expect(said).to_have_text("no stage right before this one to join it with")
    press(page, ")")
    expect(said).to_have_text("the run begins with this stage")
    press(page, "j", "T", "(")
    expect(said).to_have_text("a stage keeps one step at least")
    press(page, "H", "W")
    expect(said).to_have_text("this step is in no stage (T begins one)")
    press(page, "(")
    expect(said).to_have_text("this step is in no stage (T begins one)")
    press(page, "W", "Escape", "k", "W")
    page.keyboard.type("never mind")
    press(page, "Escape")
    stored(page, dashboard, "Refused", [(1, 1, "")])


def test_one_draws_on_from_the_split_and_may_go_back_to_it(page: Page, dashboard: Dashboard) -> None:
    run = dashboard.runs["long"]
    open_run(page, dashboard, run)
    expect(page.locator(".stagesfrom")).to_have_text("Stages: split offline")
    press(page, "S")
    expect(page.locator(".title")).not_to_have_text(f"Step 1 of {LONG}")
    first = int(page.locator(".row.step.current .number").inner_text())
    press(page, "Home", "T")
    expect(page.locator(".sheet.name")).to_be_visible()
    name_annotator(page, "Splitter")
    expect(page.locator(".saved")).to_have_text("no stage right before this one to join it with")
    press(page, "j", "T", "Z", "1")
    expect(heads(page).first).to_have_text(f"1–{first - 1}")
    expect(page.locator(".stagesfrom")).to_have_text("Stages: yours")
    page.locator(".stagesfrom").click()
    page.get_by_role("button", name="Back to the stages as given (split offline)").click()
    expect(page.locator(".stagesfrom")).to_have_text("Stages: split offline")
    stored(page, dashboard, "Splitter", None)


def test_the_first_press_under_a_known_name_draws_on_what_was_drawn_before(page: Page, dashboard: Dashboard) -> None:
    from_nothing(page, dashboard, "Returning")
    press(page, "T")
    stored(page, dashboard, "Returning", [(1, 9, ""), (10, LONG, "")])
    page.context.clear_cookies()
    open_run(page, dashboard, dashboard.runs["long"], step=20)
    expect(page.locator(".stagesfrom")).to_have_text("Stages: split offline")
    press(page, "T")
    name_annotator(page, "Returning")
    stored(page, dashboard, "Returning", [(1, 9, ""), (10, 19, ""), (20, LONG, "")])


def test_a_head_is_dragged_named_and_joined_with_the_mouse(page: Page, dashboard: Dashboard) -> None:
    from_nothing(page, dashboard, "Mouse")
    page.locator("#step-10").hover()
    page.locator("#step-10 .begin").click()
    expect(heads(page)).to_have_text(["1–9", f"10–{LONG}"])
    head = page.locator(".row.stage").last
    head.hover()
    page.mouse.down()
    box = page.locator("#step-6").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 12, steps=4)
    expect(page.locator("#step-6.drop")).to_be_visible()
    expect(heads(page)).to_have_text(["1–9", f"10–{LONG}"])
    page.mouse.up()
    expect(heads(page)).to_have_text(["1–5", f"6–{LONG}"])
    expect(page.locator(".row.drop")).to_have_count(0)
    press(page, "k", "k", "i")
    page.keyboard.type("look first")
    press(page, "Escape")
    expect(page.locator(".row.left-out")).to_be_visible()
    see_saved(page)  # nothing is drawn anew from here on
    omission = page.locator(".row.left-out").bounding_box()
    assert omission is not None
    head.hover()
    page.mouse.down()
    page.mouse.move(omission["x"] + 60, omission["y"] + 12, steps=4)
    expect(page.locator("#step-9.drop")).to_be_visible()
    press(page, "Escape")
    page.mouse.up()
    expect(heads(page)).to_have_text(["1–5", f"6–{LONG}"])
    head.dblclick()
    expect(page.get_by_label("Name of stage 2")).to_be_focused()
    page.keyboard.type("by mouse")
    page.locator(".body").click()  # left, not closed: it is kept
    expect(head).to_contain_text("by mouse")
    page.locator("#step-6").hover()
    page.locator("#step-6 .begin").click()
    expect(heads(page)).to_have_text([f"1–{LONG}"])
    stored(page, dashboard, "Mouse", [(1, LONG, "by mouse")])


def test_drawn_stages_are_told_to_a_screen_reader(page: Page, dashboard: Dashboard) -> None:
    from_nothing(page, dashboard, "Listener")
    press(page, "T", "W")
    page.keyboard.type("<b>fix</b>")
    press(page, "Enter")
    item = page.get_by_role("treeitem", selected=True)
    expect(item).to_have_attribute("aria-label", re.compile("^Step 10, .*, stage 2 begins: <b>fix</b>$"))
    expect(page.locator(".saved")).to_have_attribute("aria-live", "polite")
    press(page, "Z")
    expect(page.get_by_role("button", name="From the offline split")).to_be_focused()
    press(page, "2")
    expect(heads(page)).to_have_text([f"1–{LONG}"])


def test_the_overview_and_the_exports_have_the_drawn_stages(page: Page, dashboard: Dashboard, tmp_path: Path) -> None:
    from_nothing(page, dashboard, "Exporter")
    press(page, "T", "2")
    stored(page, dashboard, "Exporter", [(1, 9, ""), (10, LONG, "")])
    run = dashboard.runs["long"]
    exported = cli(
        *("export", run, "--to", "codetracebench", "--source", "human", "--annotator", "Exporter"),
        workspace=dashboard.workspace,
    )
    row = json.loads(exported.stdout)
    assert [tuple(stage.values()) for stage in row["stages"]] == [(1, 1, 9), (2, 10, LONG)]
    assert [stage["stage_id"] for stage in row["incorrect_stages"]] == [2]
    page.get_by_role("tab", name="Overview").click()
    page.get_by_role("radio", name="stage").click()
    expect(page.locator(".legend .legendtext")).to_have_text(["stage 1", "stage 2"])
    expect(page.get_by_text("your own")).to_be_visible()
