"""What comes back when a run is opened again: the step, how far its text was scrolled, what was typed."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Dashboard
from tests.browser.steps import comes_to, name_annotator, open_run, press, press_and_reload, see_saved, see_step

pytestmark = pytest.mark.browser

AT_THE_TOP = """
(body) => {
  const { left, top } = body.getBoundingClientRect();
  const shadowRoots = [body.getRootNode()];
  const { offsetNode, offset } = document.caretPositionFromPoint(left + 60, top + 10, { shadowRoots });
  return [[...body.querySelectorAll(".block")].indexOf(offsetNode.parentElement), offset];
}
"""
"""Which block, and which of its characters, stands at the top of the step's text."""


def test_a_run_opens_where_it_was_left_and_the_address_wins(page: Page, dashboard: Dashboard) -> None:
    long, huge = dashboard.runs["long"], dashboard.runs["huge"]
    open_run(page, dashboard, long, step=150)
    press(page, "j", "j")
    page.wait_for_url("**step=152*")
    open_run(page, dashboard, huge, step=3)
    page.wait_for_url("**step=3*")
    page.goto(f"{dashboard.url}/trajectory?traj={long}")
    see_step(page, 152)
    page.goto(f"{dashboard.url}/trajectory?traj={huge}")
    see_step(page, 3)
    open_run(page, dashboard, long, step=7)
    page.get_by_role("link", name="Library").click()
    expect(page.locator(".table")).to_be_visible()
    page.locator(".query").fill("long-")
    expect(page.locator(".row")).to_have_count(1)
    page.locator(".row").click()
    see_step(page, 7)


def test_a_reload_right_after_a_key_opens_the_step_that_the_key_led_to(page: Page, dashboard: Dashboard) -> None:
    long = dashboard.runs["long"]
    open_run(page, dashboard, long, step=150)
    page.wait_for_url("**step=150*")
    press_and_reload(page, "j", "j")
    see_step(page, 152)
    page.wait_for_url("**step=152*")
    page.goto(f"{dashboard.url}/trajectory?traj={long}&step=150")  # that was for the reload: a link opens what it names
    see_step(page, 150)


def test_text_is_where_it_was_scrolled_to(page: Page, dashboard: Dashboard) -> None:
    page.set_viewport_size({"width": 760, "height": 700})  # narrow: lines wrap, and heights cannot be guessed
    body = page.locator(".body")
    open_run(page, dashboard, dashboard.runs["huge"], step=2)
    press(page, *[" "] * 12)
    page.wait_for_function(
        "run => JSON.parse(localStorage['codetracer.places'] ?? '{}')[run]?.scroll?.first > 4",
        arg=dashboard.runs["huge"],
    )

    def place() -> tuple[Any, Any]:
        kept = page.evaluate("run => JSON.parse(localStorage['codetracer.places'])[run]", dashboard.runs["huge"])
        return body.evaluate(AT_THE_TOP), kept

    for _ in range(100):  # until the text has come to rest, and what is kept of it
        before = place()
        page.wait_for_timeout(400)
        if place() == before:
            break
    seen = before[0]
    assert seen[0] > 0
    page.reload()
    see_step(page, 2)
    comes_to(page, lambda: body.evaluate(AT_THE_TOP), seen)
    press(page, "j")
    see_step(page, 3)
    expect(body).to_have_js_property("scrollTop", 0)
    press(page, "k")
    see_step(page, 2)
    expect(body).to_have_js_property("scrollTop", 0)


def test_a_draft_belongs_to_who_typed_it(page: Page, dashboard: Dashboard) -> None:
    cookie: Any = {"name": "codetracer_annotator", "value": "Drafter", "url": dashboard.url}
    page.context.add_cookies([cookie])
    open_run(page, dashboard, dashboard.runs["long"], step=160)
    press(page, "c")
    page.keyboard.type("half a thought")
    page.reload()
    see_step(page, 160)
    reason = page.locator(".why [name=reason]")
    expect(reason).to_have_value("half a thought")
    page.get_by_role("button", name="Annotator").click()
    page.get_by_label("Your name").locator("input").fill("")
    name_annotator(page, "Somebody else")
    expect(reason).to_have_value("")
    press(page, "2")
    see_saved(page)
    page.reload()
    see_step(page, 160)
    expect(reason).to_have_value("")
