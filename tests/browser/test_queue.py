"""The annotate page: a queue of one's own runs by keyboard alone, and what a blind person's browser receives."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from codetracer_core.projects import Assignment, Project
from codetracer_core.store import Store
from tests.browser.conftest import Dashboard
from tests.browser.steps import person, press, see_in_store, see_saved, see_step
from tests.store.factory import decide, make_run

pytestmark = pytest.mark.browser

RUNS = [f"queued-{n}" for n in range(1, 5)]
GUIDELINES = "# Look at the tests first\n\n* [paper](https://example.org/) <img src=x onerror=alert(1)>\n"


@pytest.fixture
def office(tmp_path: Any, browser: Browser) -> Iterator[Dashboard]:
    """A dashboard on a workspace with a project of four runs of six steps."""
    running = Dashboard(tmp_path / "workspace")
    runs = [make_run(name, 6) for name in RUNS]
    with Store.open(running.workspace) as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        store.create_project(
            Project(
                project_id="pilot",
                guidelines=GUIDELINES,
                details_wanted=True,
                verdicts=("correct", "incorrect", "unuseful"),
                created_at=datetime.now(UTC),
            ),
            RUNS,
        )
    running.start()
    yield running
    running.kill()


def see_run(page: Page, words: str) -> None:
    expect(page.locator(".queuebar .place")).to_contain_text(words)


def see_opened(page: Page, run: str, step: int = 1) -> None:
    page.wait_for_url(f"**traj={run}&step={step}*")
    see_step(page, step)


def wait_for(page: Page, office: Dashboard, name: str, *states: str) -> list[Assignment]:
    """A person's assignments once they have these states, as another program reads them."""

    def read() -> list[Assignment]:
        with Store.open_for_reading(office.workspace) as store:
            return store.assignments("pilot", annotator=name)

    return see_in_store(page, read, lambda found: [one.state for one in found] == list(states))


def said(office: Dashboard, run: str, name: str, pass_number: int) -> dict[int | None, Any]:
    with Store.open_for_reading(office.workspace) as store:
        labels = store.labels(run, source="human", annotator=name, pass_number=pass_number)
    return {one.step_id: one.value for one in labels if one.field == "verdict"}


def test_a_queue_is_worked_through_without_the_mouse(browser: Browser, office: Dashboard) -> None:
    context = person(browser, office, "Ann")
    page = context.new_page()
    page.goto(f"{office.url}/annotate")
    see_opened(page, "queued-1")
    see_run(page, "Run 1 of 1 in pilot · 0 of 6 steps labelled · 0 flagged · assigned · 3 more to come")
    press(page, *["1", "j"] * 3, "2")
    see_saved(page)
    see_run(page, "4 of 6 steps labelled · 0 flagged · in progress")
    press(page, "4")
    expect(page.locator(".saved")).to_have_text("this project does not use uncertain")
    press(page, "Control+Enter")
    sheet = page.get_by_role("dialog", name="Submit")
    expect(sheet).to_contain_text("2 steps without a verdict")
    expect(sheet).to_contain_text("1 step incorrect or unuseful without a reason, the first is step 4")
    expect(sheet).to_contain_text("no failure onset")
    press(page, "u")
    expect(sheet).to_be_hidden()
    see_step(page, 5)
    press(page, "3", "Control+Enter", "Tab", "Enter")
    see_opened(page, "queued-2")
    see_run(page, "Run 2 of 2 in pilot · 0 of 6 steps labelled")
    wait_for(page, office, "Ann", "submitted", "assigned")
    assert said(office, "queued-1", "Ann", 1) == {
        **dict.fromkeys((1, 2, 3, 6), "correct"),
        4: "incorrect",
        5: "unuseful",
    }
    press(page, "j", "2", "Control+Enter", "Control+Enter")
    see_opened(page, "queued-3")
    wait_for(page, office, "Ann", "submitted", "submitted", "assigned")
    assert said(office, "queued-2", "Ann", 1) == {2: "incorrect"}
    press(page, "X")
    page.keyboard.type("in a language I cannot read")
    press(page, "Enter")
    see_opened(page, "queued-4")
    skipped = wait_for(page, office, "Ann", "submitted", "submitted", "skipped", "assigned")[2]
    assert skipped.skip_reason == "in a language I cannot read"
    press(page, "<", "<", "<")
    see_opened(page, "queued-1", 5)
    see_run(page, "Run 1 of 4 in pilot · 6 of 6 steps labelled · 0 flagged · submitted")
    press(page, ">")
    see_opened(page, "queued-2", 2)
    press(page, "<", "0", "<")
    context.close()


def test_without_a_name_there_is_no_queue(page: Page, office: Dashboard) -> None:
    page.goto(f"{office.url}/annotate")
    page.get_by_text("Who is labelling?").wait_for()
    expect(page.get_by_label("Your name")).to_be_focused()
    page.keyboard.type("Nell")
    press(page, "Enter")
    see_opened(page, "queued-1")
    page.reload()
    see_opened(page, "queued-1")
    assert [one.state for one in wait_for(page, office, "Nell", "assigned")] == ["assigned"]


def test_labels_pressed_while_a_run_is_on_its_way_land_on_none(browser: Browser, office: Dashboard) -> None:
    context = person(browser, office, "Fast")
    page = context.new_page()
    page.goto(f"{office.url}/annotate")
    see_opened(page, "queued-1")
    press(page, *["1", "j"] * 5, "1", "Control+Enter", "Control+Enter", *["2", "j"] * 5)
    page.wait_for_url("**traj=queued-2*")
    see_run(page, "Run 2 of 2")
    see_saved(page)
    wait_for(page, office, "Fast", "submitted", "assigned")
    assert said(office, "queued-1", "Fast", 1) == dict.fromkeys(range(1, 7), "correct")
    assert said(office, "queued-1", "Fast", 2) == {}
    context.close()


def test_position_filter_and_reason_survive_a_reload(browser: Browser, office: Dashboard) -> None:
    context = person(browser, office, "Rhea")
    page = context.new_page()
    page.goto(f"{office.url}/annotate?project=pilot")
    see_opened(page, "queued-1")
    press(page, "j", "j", "2", "I", "c")
    page.keyboard.type("wrong file")
    page.locator(".queuebar select").select_option("open")
    see_saved(page)
    page.wait_for_url("**project=pilot&traj=queued-1&step=3*")
    page.reload()
    see_step(page, 3)
    expect(page.locator(".guidelines")).to_contain_text("Look at the tests first")
    expect(page.locator(".guidelines h1")).to_have_count(1)
    expect(page.locator(".guidelines img")).to_have_count(0)
    expect(page.locator(".queuebar select")).to_have_value("open")
    expect(page.locator(".why textarea").first).to_have_value("wrong file")
    press(page, ">")
    expect(page.locator(".saved")).to_have_text("no further run in your queue (open runs)")
    press(page, "I")
    expect(page.locator(".guidelines")).to_be_hidden()
    context.close()


def test_what_is_changed_after_submission_lies_beside_it(browser: Browser, office: Dashboard) -> None:
    context = person(browser, office, "Vera")
    page = context.new_page()
    page.goto(f"{office.url}/annotate")
    see_opened(page, "queued-1")
    press(page, "1", "Control+Enter", "Control+Enter")
    see_opened(page, "queued-2")
    press(page, "<")
    see_opened(page, "queued-1")
    expect(page.locator(".queuebar .said")).to_contain_text("a revision, kept beside what you submitted")
    press(page, "Control+Enter")
    expect(page.locator(".saved")).to_contain_text("submitted already")
    press(page, "2", "j", "3")
    see_saved(page)
    page.reload()
    see_opened(page, "queued-1", 2)
    expect(page.locator("#step-1 .dot.incorrect")).to_be_visible()
    wait_for(page, office, "Vera", "submitted", "assigned")
    revised = {1: "incorrect", 2: "unuseful"}
    see_in_store(page, lambda: said(office, "queued-1", "Vera", 2), lambda found: found == revised)
    assert said(office, "queued-1", "Vera", 1) == {1: "correct"}
    context.close()


def test_submitting_in_two_windows_is_told_in_words(browser: Browser, office: Dashboard) -> None:
    context = person(browser, office, "Twin")
    first, second = context.new_page(), context.new_page()
    for page in (first, second):
        page.goto(f"{office.url}/annotate")
        see_opened(page, "queued-1")
    press(first, "1", "Control+Enter", "Control+Enter")
    see_opened(first, "queued-2")
    press(second, "Control+Enter", "Control+Enter")
    expect(second.locator(".queuebar .said")).to_contain_text("not done: run 'queued-1' of project 'pilot' is not on")
    expect(second.locator(".queuebar .said")).to_contain_text("Changes are a revision")
    see_run(second, "Run 1 of 2 in pilot · 1 of 6 steps labelled · 0 flagged · submitted")
    wait_for(first, office, "Twin", "submitted", "assigned")
    context.close()


def test_two_people_never_wait_for_each_other_and_the_queue_ends(browser: Browser, office: Dashboard) -> None:
    people = {name: person(browser, office, name) for name in ("Ada", "Bea")}
    pages = {name: context.new_page() for name, context in people.items()}
    for page in pages.values():
        page.goto(f"{office.url}/annotate")
    for run in RUNS:
        for page in pages.values():
            see_opened(page, run)
            press(page, "1", "Control+Enter", "Tab", "Enter")
    for name, page in pages.items():
        expect(page.locator(".queuebar .said")).to_contain_text("nothing is left for you in pilot")
        see_run(page, "Run 4 of 4 in pilot · 6 of 6 steps labelled · 0 flagged · submitted")
        wait_for(page, office, name, *["submitted"] * 4)
    third = person(browser, office, "Cy")
    late = third.new_page()
    late.goto(f"{office.url}/annotate")
    expect(late.get_by_text("Your queue is empty")).to_be_visible()
    for context in (*people.values(), third):
        context.close()
