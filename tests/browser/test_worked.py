"""Time on task: counted while somebody works, and only then. Minutes pass on the page's clock, not on the wall's."""

from typing import Any

import pytest
from playwright.sync_api import Page

from codetracer_core.store import Store
from tests.browser.conftest import Dashboard
from tests.browser.steps import name_annotator, open_run, press, see_in_store, see_saved, see_step

pytestmark = pytest.mark.browser

PAUSE = 1_000
"""Seconds away in each of these tests: if any of them were counted, it would show."""


def worked(dashboard: Dashboard, run: str, annotator: str) -> int:
    with Store.open_for_reading(dashboard.workspace) as store:
        return store.time_on_task(dashboard.runs[run], annotator)


def wait_for_work(page: Page, dashboard: Dashboard, run: str, annotator: str, at_least: int) -> int:
    return see_in_store(page, lambda: worked(dashboard, run, annotator), lambda seconds: seconds >= at_least)


def open_as(page: Page, dashboard: Dashboard, run: str, annotator: str) -> None:
    cookie: Any = {"name": "codetracer_annotator", "value": annotator, "url": dashboard.url}
    page.context.add_cookies([cookie])
    page.clock.install()
    open_run(page, dashboard, dashboard.runs[run])


def after(page: Page, seconds: int, key: str = "j") -> None:
    page.clock.fast_forward(seconds * 1000)
    press(page, key)


def test_time_between_signs_counts_and_pauses_do_not(page: Page, dashboard: Dashboard) -> None:
    open_as(page, dashboard, "long", "Worker")
    press(page, "j")
    after(page, 20)
    after(page, PAUSE)
    after(page, 55)
    assert 75 <= wait_for_work(page, dashboard, "long", "Worker", 75) < PAUSE
    page.clock.fast_forward(PAUSE * 1000)  # the page stays open and nobody is there
    page.mouse.move(200, 200)
    page.mouse.move(300, 300)
    after(page, 40)
    assert 115 <= wait_for_work(page, dashboard, "long", "Worker", 115) < PAUSE


def test_a_hidden_page_and_a_window_without_focus_do_not_count(page: Page, dashboard: Dashboard) -> None:
    open_as(page, dashboard, "long", "Absent")
    press(page, "j")
    after(page, 31)
    for away in (
        "window.dispatchEvent(new Event('blur'))",
        "Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange')); delete document.visibilityState",
    ):
        page.evaluate(away)
        after(page, 50)
    after(page, 31)
    total = wait_for_work(page, dashboard, "long", "Absent", 62)
    assert 62 <= total < 62 + 50


def test_what_was_worked_is_told_when_the_run_is_left_and_under_the_run_it_was_for(
    page: Page, dashboard: Dashboard
) -> None:
    open_as(page, dashboard, "long", "Leaver")
    press(page, "j")
    after(page, 15)
    page.goto(f"{dashboard.url}/trajectory?traj={dashboard.runs['huge']}&step=2")
    see_step(page, 2)
    press(page, "j")
    after(page, 35)
    assert 35 <= wait_for_work(page, dashboard, "huge", "Leaver", 35) < 90
    assert 15 <= wait_for_work(page, dashboard, "long", "Leaver", 15) < 35


def test_nobody_s_time_is_not_counted_and_a_name_begins_it(page: Page, dashboard: Dashboard) -> None:
    page.clock.install()
    open_run(page, dashboard, dashboard.runs["long"])
    press(page, "j")
    after(page, 50)
    after(page, 50, "2")
    name_annotator(page, "Newcomer")
    see_saved(page)
    press(page, "j")
    after(page, 32)
    assert 32 <= wait_for_work(page, dashboard, "long", "Newcomer", 32) < 80
    press(page, "Control+z")
    see_saved(page)  # time is no act of labelling: what is undone is the verdict
    assert page.locator(".row .dot").count() == 0
    assert worked(dashboard, "long", "Newcomer") >= 32
