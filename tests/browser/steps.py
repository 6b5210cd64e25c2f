"""What the browser tests say again and again, as sentences."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import Dashboard


def open_run(page: Page, dashboard: Dashboard, run_id: str, step: int = 1) -> None:
    page.goto(f"{dashboard.url}/trajectory?traj={run_id}&step={step}")
    see_step(page, step)


def see_step(page: Page, step: int) -> None:
    """The step's text is in the page."""
    page.wait_for_selector(f'.viewer[data-shown="{step}"]')


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def name_annotator(page: Page, name: str) -> None:
    """Answer the question that the first verdict asks."""
    expect(page.get_by_label("Your name").locator("input")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Enter")


def see_saved(page: Page) -> None:
    page.wait_for_selector('.viewer[data-waiting="0"]')
    expect(page.locator(".saved")).to_have_text("saved")
