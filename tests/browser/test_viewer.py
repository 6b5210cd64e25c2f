"""Reading and labelling a run in a real browser."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from codetracer_core.models import LabelEvent
from codetracer_core.store import Store
from tests.browser.conftest import HUGE, LONG, Dashboard, cli
from tests.browser.steps import name_annotator, open_run, press, see_in_store, see_saved, see_step

pytestmark = pytest.mark.browser


def verdicts(dashboard: Dashboard, run: str, annotator: str) -> dict[int, str]:
    """What is in DuckDB, read by a second process as any other program would."""
    with Store.open_for_reading(dashboard.workspace) as store:
        labels = store.labels(dashboard.runs[run], source="human", annotator=annotator)
    return {label.step_id: label.value for label in labels if label.step_id is not None}


def wait_for_verdicts(page: Page, dashboard: Dashboard, run: str, annotator: str, count: int) -> dict[int, str]:
    return see_in_store(page, lambda: verdicts(dashboard, run, annotator), lambda found: len(found) >= count)


def test_150_fast_presses_move_150_steps(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"])
    press(page, *["j"] * 150)
    see_step(page, 151)
    press(page, *["k"] * 50)
    see_step(page, 101)
    expect(page.locator(".title")).to_have_text(f"Step 101 of {LONG}")
    expect(page.locator(".part.observation")).to_contain_text("observation of step 101")


def test_a_burst_of_30_labels_is_stored_whole(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"])
    press(page, "1")
    name_annotator(page, "Burst")
    press(page, "j", *["2", "j"] * 14, *["3", "j"] * 15)
    see_saved(page)
    expected = {1: "correct"} | dict.fromkeys(range(2, 16), "incorrect") | dict.fromkeys(range(16, 31), "unuseful")
    assert wait_for_verdicts(page, dashboard, "long", "Burst", 30) == expected


def test_labels_survive_kill_9_and_reload(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=40)
    press(page, "2")
    name_annotator(page, "Survivor")
    press(page, "j", "3", "j", "4")
    see_saved(page)
    dashboard.kill()
    # The server is gone: what is pressed now waits in the browser.
    press(page, "j", "1")
    page.wait_for_selector('.viewer[data-waiting="1"]')
    dashboard.start()
    page.reload()
    see_step(page, 43)
    see_saved(page)
    labelled = {40: "incorrect", 41: "unuseful", 42: "uncertain", 43: "correct"}
    for step, verdict in labelled.items():
        expect(page.locator(f"#step-{step} .dot.{verdict}")).to_be_visible()
    assert wait_for_verdicts(page, dashboard, "long", "Survivor", 4) == labelled


def test_a_verdict_can_be_taken_back(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=3)
    press(page, "2")
    name_annotator(page, "Undecided")
    see_saved(page)
    press(page, "0")
    see_saved(page)
    expect(page.locator("#step-3 .dot")).to_have_count(0)
    page.reload()
    see_step(page, 3)
    expect(page.locator("#step-3 .dot")).to_have_count(0)


def test_a_range_is_labelled_undone_and_redone_as_one(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=100)
    press(page, "2")
    name_annotator(page, "Ranger")
    press(page, "j", "d", "j", "j", "j")
    expect(page.locator(".row.ranged")).to_have_count(4)
    expect(page.locator(".chip.ranging")).to_contain_text("range 101–104: a verdict labels 4")
    press(page, "3")
    see_saved(page)
    ranged = dict.fromkeys(range(101, 105), "unuseful")
    assert wait_for_verdicts(page, dashboard, "long", "Ranger", 5) == {100: "incorrect"} | ranged
    press(page, "Control+z")
    expect(page.locator(".dot.unuseful")).to_have_count(0)
    expect(page.locator("#step-100 .dot.incorrect")).to_be_visible()
    press(page, "Control+y")
    expect(page.locator(".dot.unuseful")).to_have_count(4)
    press(page, "d", "j", "Escape")
    expect(page.locator(".row.ranged")).to_have_count(0)


def test_everything_from_here_on_is_one_act(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=LONG - 4)
    press(page, "D", "4")
    name_annotator(page, "Cascade")
    see_saved(page)
    expected = dict.fromkeys(range(LONG - 4, LONG + 1), "uncertain")
    assert wait_for_verdicts(page, dashboard, "long", "Cascade", 5) == expected


def test_the_failure_onset_is_a_mark_of_its_own(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=70)
    press(page, "!")
    name_annotator(page, "Onset marker")
    expect(page.locator("#step-70 .onset")).to_be_visible()
    press(page, "k", "k", "2")
    see_saved(page)
    expect(page.locator(".facts")).to_contain_text("onset at step 70")
    expect(page.locator(".facts")).to_contain_text("first incorrect: step 68")
    page.wait_for_url("**step=68*")
    page.reload()
    see_step(page, 68)
    expect(page.locator("#step-70 .onset")).to_be_visible()
    press(page, "j", "j", "!")
    expect(page.locator(".onset")).to_have_count(0)


def test_a_reason_is_offered_kept_as_a_draft_saved_copied_and_undone(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=200)
    press(page, "2")
    name_annotator(page, "Explainer")
    see_saved(page)
    press(page, "c")
    reason = page.get_by_role("form", name="Why this verdict").get_by_label("Reason")
    expect(reason).to_be_focused()
    page.keyboard.type("edits the wrong module")
    page.reload()  # typed, not left: a draft
    see_step(page, 200)
    expect(reason).to_have_value("edits the wrong module")
    press(page, "c")
    page.keyboard.type(", 1 of them")  # keys are text here, no verdicts
    press(page, "Escape")
    page.get_by_label("Deviation type").select_option("wrong target")
    see_saved(page)
    expect(page.locator("#step-200 .noted")).to_be_visible()
    expect(page.locator("#step-200 .dot.incorrect")).to_be_visible()
    page.locator(".list").focus()
    press(page, "j", "j", "C")
    see_saved(page)
    expect(reason).to_have_value("edits the wrong module, 1 of them")
    press(page, "Control+z")
    expect(page.locator("#step-202 .noted")).to_have_count(0)
    expect(reason).to_be_hidden()  # it takes no room where there is none
    page.reload()
    see_step(page, 202)
    press(page, "k", "k")
    see_step(page, 200)
    expect(page.get_by_label("Deviation type")).to_have_value("wrong_target")


def test_a_reason_that_was_never_left_is_a_draft_of_its_author(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=210)
    press(page, "2")
    name_annotator(page, "First")
    see_saved(page)
    reason = page.get_by_label("Reason", exact=True)
    press(page, "c")
    page.keyboard.type("half a thou")
    page.reload()
    see_step(page, 210)
    expect(reason).to_have_value("half a thou")
    page.get_by_role("button", name="Annotator").click()
    page.get_by_label("Your name").locator("input").fill("Second")
    press(page, "Enter")
    expect(reason).to_have_value("")
    see_saved(page)
    page.get_by_role("button", name="Annotator").click()
    page.get_by_label("Your name").locator("input").fill("First")
    press(page, "Enter")
    expect(reason).to_have_value("half a thou")
    expect(page.locator("#step-210 .noted")).to_have_count(0)


def test_people_see_only_their_own_labels(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=60)
    press(page, "2")
    name_annotator(page, "First person")
    see_saved(page)
    page.get_by_role("button", name="Annotator").click()
    page.get_by_label("Your name").locator("input").fill("Second person")
    press(page, "Enter")
    expect(page.locator(".who")).to_have_text("as Second person")
    expect(page.locator("#step-60 .dot")).to_have_count(0)


def test_an_observation_over_a_megabyte_is_cut_and_opens_on_demand(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["huge"])
    observation = page.locator(".part.observation")
    expect(observation.locator(".openall")).to_contain_text("first 40,000 characters")
    press(page, "j")
    see_step(page, 2)
    press(page, "x")
    expect(observation.locator(".openall")).to_have_count(0)
    assert len(observation.locator(".pre").evaluate("node => node.textContent")) > HUGE * 0.99
    press(page, "j")
    see_step(page, 3)


def test_a_link_opens_its_step_and_the_address_follows(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=77)
    expect(page.locator(".row.current .number")).to_have_text("77")
    press(page, "j", "j")
    see_step(page, 79)
    page.wait_for_url("**step=79*")
    page.reload()
    see_step(page, 79)


def test_moving_by_state_node_stage_and_number(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"])
    press(page, "J")
    see_step(page, 3)
    press(page, "J")
    see_step(page, 6)
    press(page, "K")
    see_step(page, 3)
    press(page, "S")
    expect(page.locator(".row.stage + .row.current")).to_be_visible()
    press(page, "g")
    page.keyboard.type("123")
    press(page, "Enter")
    see_step(page, 123)
    press(page, "End")
    see_step(page, LONG)
    press(page, "Home")
    see_step(page, 1)


def test_folding_hides_what_was_explored_in_a_state(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=4)
    press(page, "ArrowLeft")
    see_step(page, 3)
    expect(page.locator("#step-4")).to_have_count(0)
    press(page, "j")
    see_step(page, 6)
    press(page, "k", "ArrowRight", "j")
    see_step(page, 4)


def test_find_counts_marks_and_moves_also_where_the_text_is_not_loaded(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"])
    press(page, "/")
    page.keyboard.type("Observation of step 25")
    expect(page.locator(".hits")).to_have_text("1 of 11 steps · 11 matches")
    see_step(page, 25)
    press(page, "Escape", "n")
    see_step(page, 250)
    assert page.evaluate("CSS.highlights.get('codetracer-find').size") == 1


def test_toggles_are_remembered(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"])
    expect(page.locator(".part.thought .pre")).to_be_visible()
    press(page, "t", "m")
    expect(page.locator(".part.thought .pre")).to_have_count(0)
    expect(page.locator(".part.metadata")).to_contain_text("steps.json, line")
    page.reload()
    see_step(page, 1)
    expect(page.locator(".part.thought .pre")).to_have_count(0)
    expect(page.locator(".part.metadata")).to_be_visible()


# So fast that the page is painted once between them.
AT_ONCE = """
keys => keys.forEach((key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })))
"""


def test_the_task_and_how_the_run_ended_are_read_beside_the_steps(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["fetchlib__fetchlib-58.traj.json"])
    panel = page.get_by_role("complementary", name="Task")
    expect(panel).to_be_hidden()
    press(page, "O")
    expect(panel).to_contain_text("Retry-After header is ignored")
    expect(panel.locator(".outcome")).to_have_text("not solved")
    expect(panel).to_contain_text("1 of 3 tests passed")
    expect(panel.locator("li").first).to_have_text("failed: tests/test_retry.py::test_retry_after_seconds")
    expect(panel).to_be_focused()
    press(page, "End")  # its own keys scroll it; the others are those of the viewer
    page.wait_for_function("panel => panel.scrollTop > 0", arg=panel.element_handle())
    expect(page.locator(".title")).to_have_text("Step 1 of 8")
    press(page, "-")
    see_step(page, 4)
    press(page, "-")
    see_step(page, 7)
    press(page, "-")
    expect(page.locator(".saved")).to_have_text("none further on")
    press(page, "_")
    see_step(page, 4)
    page.wait_for_url("**&step=4*")
    page.reload()
    see_step(page, 4)
    expect(panel).to_be_visible()
    press(page, "O", "O", "O")
    expect(panel).to_be_hidden()
    expect(page.get_by_role("tree", name="Trace tree")).to_be_focused()
    page.evaluate(AT_ONCE, ["j", "O"])
    expect(panel).to_be_focused()


def test_a_run_without_steps_tells_why_and_offers_no_verdict(page: Page, dashboard: Dashboard) -> None:
    page.goto(f"{dashboard.url}/trajectory?traj={dashboard.runs['merge-calendars.1-of-1.2026-01-22__10-05-40']}")
    expect(page.locator(".title")).to_have_text("This run has no steps")
    expect(page.get_by_role("group", name="Verdict")).to_be_hidden()
    press(page, "O")
    expect(page.get_by_role("complementary", name="Task")).to_contain_text("The agent never started")


def test_keyboard_and_screen_reader_can_use_the_tree(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=5)
    tree = page.get_by_role("tree", name="Trace tree")
    expect(tree).to_have_attribute("aria-activedescendant", "step-5")
    item = tree.get_by_role("treeitem", selected=True)
    expect(item).to_have_attribute("aria-posinset", "5")
    expect(item).to_have_attribute("aria-setsize", str(LONG))
    expect(item).to_have_attribute("aria-label", re.compile("^Step 5, explore, "))
    expect(page.get_by_role("group", name="Verdict").get_by_role("button")).to_have_count(4)


def test_ground_truth_reaches_the_browser_only_when_asked_for(page: Page, dashboard: Dashboard) -> None:
    listed: list[dict[str, Any]] = json.loads(cli("list", "--json", workspace=dashboard.workspace).stdout)
    with_truth = next(run for run in listed if run["labels_by_source"]["ground_truth"])
    with Store.open_for_reading(dashboard.workspace) as store:
        labels = store.labels(with_truth["run_id"], source="ground_truth")
    labelled = next(label for label in labels if label.field == "verdict")
    open_run(page, dashboard, with_truth["run_id"])
    sent = "() => JSON.stringify(window.codetracerPipes)"
    assert labelled.annotator not in page.evaluate(sent)
    expect(page.locator(".dot.truth")).to_have_count(0)
    expect(page.locator(".stagesfrom")).to_have_text("Stages: split offline")
    press(page, "r")
    name_annotator(page, "Peeker")  # what one is shown goes on record under a name
    expect(page.locator(".reveal")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".stagesfrom")).to_have_text("Stages: ground truth")
    press(page, "f")
    see_step(page, labelled.step_id or 0)
    expect(page.locator(".chip.truth")).to_have_text(f"ground truth: {labelled.value}")
    press(page, "1")
    see_saved(page)

    def read() -> list[LabelEvent]:
        with Store.open_for_reading(dashboard.workspace) as store:
            return [label for label in store.labels(with_truth["run_id"], annotator="Peeker") if label.step_id]

    assert [label.exposure for label in see_in_store(page, read, bool)] == ["ground_truth"]


def test_the_overview_shows_the_run_and_a_click_jumps(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=9)
    page.get_by_role("tab", name="Overview").click()
    points = page.locator(".scatterlayer .points path")
    expect(points).to_have_count(LONG)
    expect(page.locator("dl")).to_contain_text("no result file")
    points.nth(30).click(force=True)
    expect(page.get_by_role("tab", name="Steps")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".title")).not_to_have_text(f"Step 9 of {LONG}")
