"""Marks beyond the verdict, with real key presses: error chain, flags, omissions, and what is said of the whole run."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from codetracer_core.exporting import export_page
from codetracer_core.store import Store
from tests.browser.conftest import LONG, Dashboard
from tests.browser.steps import name_annotator, open_run, press, see_in_store, see_saved, see_step
from tests.browser.test_hostile import HOSTILE

pytestmark = pytest.mark.browser


def in_force(dashboard: Dashboard, annotator: str, field: str) -> dict[int | None, Any]:
    with Store.open_for_reading(dashboard.workspace) as store:
        labels = store.labels(dashboard.runs["long"], source="human", annotator=annotator)
    return {label.step_id: label.value for label in labels if label.field == field}


def see_stored(page: Page, dashboard: Dashboard, annotator: str, field: str, expected: dict[int | None, Any]) -> None:
    see_in_store(page, lambda: in_force(dashboard, annotator, field), lambda found: found == expected)


def standing(page: Page, text: str) -> None:
    expect(page.locator(".standing")).to_have_text(text)


def test_a_range_joins_the_error_chain_and_leaves_it_in_one_act(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=120)
    press(page, "E")
    name_annotator(page, "Chainer")
    expect(page.locator("#step-120 .chained")).to_be_visible()
    press(page, "j", "d", "j", "j", "j", "E")
    see_saved(page)
    chain: dict[int | None, Any] = dict.fromkeys(range(120, 125), True)
    see_stored(page, dashboard, "Chainer", "chain", chain)
    expect(page.locator(".row.ranged")).to_have_count(0)
    expect(page.locator(".row .chained")).to_have_count(5)
    expect(page.locator("#step-123")).to_have_attribute("aria-label", re.compile(", in the error chain$"))
    standing(page, f"0 of {LONG} labelled · chain of 5")
    press(page, "Control+z")
    expect(page.locator(".row .chained")).to_have_count(1)
    press(page, "Control+y")
    expect(page.locator(".row .chained")).to_have_count(5)
    # A range that is in part in the chain joins it; one that is in it as a whole leaves it.
    press(page, "j", "j", "j", "d", "j", "E")
    expect(page.locator(".row .chained")).to_have_count(6)
    press(page, "d", "k", "E")
    expect(page.locator(".row .chained")).to_have_count(4)
    see_saved(page)
    page.wait_for_url("**step=124*")
    page.reload()
    see_step(page, 124)
    expect(page.locator(".row .chained")).to_have_count(4)
    expect(page.locator("#step-124 .chained")).to_have_count(0)


def test_onset_and_first_incorrect_step_are_both_shown_where_they_differ(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=80)
    press(page, "!")
    name_annotator(page, "Both")
    press(page, "2")
    standing(page, f"1 of {LONG} labelled · onset 80")
    expect(page.locator(".row .first")).to_have_count(0)
    press(page, "k", "k", "2", "E")
    standing(page, f"2 of {LONG} labelled · onset 80, first incorrect 78 · chain of 1")
    expect(page.locator("#step-80")).to_have_attribute("aria-label", re.compile(", failure onset$"))
    expect(page.locator("#step-78 .first")).to_be_visible()
    first = re.compile(", your verdict incorrect, in the error chain, first incorrect step$")
    expect(page.locator("#step-78")).to_have_attribute("aria-label", first)
    see_saved(page)


def test_a_flag_asks_for_discussion_and_is_counted(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=130)
    press(page, "F")
    name_annotator(page, "Flagger")
    press(page, "j", "j", "F", "1")
    see_saved(page)
    standing(page, f"1 of {LONG} labelled, 2 flagged")
    expect(page.locator(".facts")).to_contain_text("for discussion")
    expect(page.locator("#step-130")).to_have_attribute("aria-label", re.compile(", flagged for discussion$"))
    press(page, "F")
    standing(page, f"1 of {LONG} labelled, 1 flagged")
    press(page, ",")
    standing(page, f"1 of {LONG} labelled, 2 flagged")
    see_saved(page)
    page.wait_for_url("**step=132*")
    page.reload()
    see_step(page, 132)
    standing(page, f"1 of {LONG} labelled, 2 flagged")
    see_stored(page, dashboard, "Flagger", "flag", {130: True, 132: True})


def test_an_omission_is_typed_drafted_shown_after_its_step_and_undone(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=140)
    field = page.get_by_label("After step")
    press(page, "i")
    expect(field).to_be_focused()
    page.keyboard.type("run the tests 1")
    press(page, "Enter")
    name_annotator(page, "Omitter")
    see_saved(page)
    see_stored(page, dashboard, "Omitter", "omission", {140: "run the tests 1"})
    expect(page.locator("#step-140 + .left-out")).to_have_text(re.compile("should have run the tests 1"))
    expect(page.locator("#step-140")).to_have_attribute("aria-label", re.compile(", should have run the tests 1$"))
    expect(page.locator(".row .dot")).to_have_count(0)  # the 1 that was typed is no verdict
    press(page, "i", "End")
    page.keyboard.type(", all of them")
    page.reload()  # typed, not left: a draft
    see_step(page, 140)
    expect(field).to_have_value("run the tests 1, all of them")
    see_stored(page, dashboard, "Omitter", "omission", {140: "run the tests 1"})
    press(page, "i", "Escape")  # left at last
    expect(page.locator(".list")).to_be_focused()
    see_saved(page)
    see_stored(page, dashboard, "Omitter", "omission", {140: "run the tests 1, all of them"})
    press(page, "j")
    expect(field).to_be_hidden()
    page.locator(".row.left-out").click()
    see_step(page, 140)
    press(page, "Control+z")
    expect(page.locator(".row.left-out")).to_have_text(re.compile("should have run the tests 1$"))
    expect(field).to_have_value("run the tests 1")
    press(page, "i", "Control+a", "Delete", "Enter")
    expect(page.locator(".row.left-out")).to_have_count(0)
    expect(field).to_be_hidden()
    see_saved(page)
    see_stored(page, dashboard, "Omitter", "omission", {})


def test_the_whole_run_is_told_without_the_mouse(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=150)
    panel = page.get_by_role("form", name="The whole run")
    press(page, "R", "2")
    name_annotator(page, "Judge")
    standing(page, f"0 of {LONG} labelled · run: has an error")
    press(page, "j")  # the panel is open and in nobody's way
    see_step(page, 151)
    press(page, "R")
    expect(panel).to_be_hidden()
    press(page, "R")
    expect(panel.get_by_label("has an error")).to_be_checked()
    expect(panel.get_by_label("has an error")).to_be_focused()
    press(page, "F", "Tab", "Tab")
    expect(panel.get_by_label("Note on the whole run")).to_be_focused()
    page.keyboard.type("never ran the tests\nand said it did")
    press(page, "Tab")
    page.keyboard.type("loop, no tests,, loop ,")
    press(page, "Enter")
    expect(panel).to_be_hidden()
    see_saved(page)
    standing(page, f"0 of {LONG} labelled · run: has an error · run flagged")
    stored: dict[str, Any] = {
        "run_verdict": "has_error",
        "flag": True,
        "note": "never ran the tests\nand said it did",
        "tags": ["loop", "no tests"],
    }
    for name, value in stored.items():
        see_stored(page, dashboard, "Judge", name, {None: value})
    press(page, "Control+z", "Control+z")
    page.wait_for_url("**step=151*")
    see_saved(page)
    page.reload()
    see_step(page, 151)
    press(page, "R")
    expect(panel.get_by_label("Note on the whole run")).to_have_value("")
    expect(panel.get_by_label("Tags")).to_have_value("")
    expect(panel.get_by_label("for discussion")).to_be_checked()
    press(page, "0")
    expect(panel.get_by_label("not said")).to_be_checked()
    press(page, "Escape", ",")
    standing(page, f"0 of {LONG} labelled · run: has an error · run flagged")


def test_a_note_that_was_never_left_is_a_draft_of_its_author(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=160)
    press(page, "F")
    name_annotator(page, "Drafter")
    note = page.get_by_label("Note on the whole run")
    press(page, "R", "Tab", "Tab")
    page.keyboard.type("half a thou")
    see_saved(page)
    page.reload()
    see_step(page, 160)
    expect(note).to_have_value("half a thou")
    page.get_by_role("button", name="Annotator").click()
    page.get_by_label("Your name").locator("input").fill("Somebody else")
    press(page, "Enter", "R")
    expect(note).to_have_value("")
    see_stored(page, dashboard, "Drafter", "note", {})


def test_tags_that_cannot_be_stored_are_told_and_kept(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"], step=161)
    press(page, "F")
    name_annotator(page, "Tagger")
    tags = page.get_by_label("Tags")
    press(page, "R")
    tags.fill(f"fine, {'x' * 61}")
    press(page, "Tab")
    expect(page.get_by_text("a tag has at most 60 characters")).to_be_visible()
    tags.fill("fine, 2")
    press(page, "Tab")
    see_stored(page, dashboard, "Tagger", "tags", {None: ["fine", "2"]})
    expect(page.get_by_text("a tag has at most 60 characters")).to_be_hidden()


def test_what_people_write_is_only_text_also_in_the_page_that_is_sent_on(
    page: Page, dashboard: Dashboard, tmp_path: Path
) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
    line = HOSTILE.replace("\n", " ")
    open_run(page, dashboard, dashboard.runs["long"], step=170)
    press(page, "!")
    name_annotator(page, "<img src=x onerror=window.hacked=6>")
    press(page, "j", "E", "F", "i")
    page.get_by_label("After step").fill(line)
    press(page, "Enter", "R", "1")
    page.get_by_label("Note on the whole run").fill(HOSTILE)
    page.get_by_label("Tags").fill("<svg onload=window.hacked=7>, {run_id}, =1+1")
    press(page, "Enter")
    see_saved(page)

    def looks_right() -> None:
        see_step(page, 171)
        left_out = page.locator("#step-171 + .left-out")
        expect(left_out).to_contain_text("<script>window.hacked=2</script>")
        expect(left_out.locator(".control").first).to_be_visible()
        expect(page.locator("#step-171 .chained")).to_be_visible()
        expect(page.locator("#step-171 .flagged")).to_be_visible()
        expect(page.locator("#step-170 .onset")).to_be_visible()
        standing(page, f"0 of {LONG} labelled, 1 flagged · onset 170 · chain of 1 · run: no error")
        press(page, "R")
        expect(page.get_by_label("Note on the whole run")).to_have_value(HOSTILE)
        expect(page.get_by_label("Tags")).to_have_value("<svg onload=window.hacked=7>, {run_id}, =1+1")
        assert page.evaluate("window.hacked") is None
        for tag in ("svg[onload]", "iframe", "img[src='x']"):
            assert page.locator(tag).count() == 0

    page.wait_for_url("**step=171*")
    page.reload()
    looks_right()
    assert [url for url in requests if not url.startswith((dashboard.url, "data:", "blob:"))] == []

    who = "<img src=x onerror=window.hacked=6>"
    see_stored(page, dashboard, who, "tags", {None: ["<svg onload=window.hacked=7>", "{run_id}", "=1+1"]})
    file = tmp_path / "run.html"
    file.write_text(export_page(dashboard.runs["long"], dashboard.workspace, annotator=who), encoding="utf-8")
    page.goto(file.as_uri())
    see_step(page, 1)
    press(page, "g")
    page.keyboard.type("171")
    press(page, "Enter")
    looks_right()
    expect(page.get_by_label("Note on the whole run")).to_have_attribute("readonly", "")
    expect(page.get_by_label("no error")).to_be_disabled()
    press(page, "Escape", "E", "F", "i")
    expect(page.locator(".saved")).to_have_text("this copy is for reading")
    expect(page.locator("#step-171 .chained")).to_be_visible()
    expect(page.get_by_label("After step")).to_have_attribute("readonly", "")
