"""What the browser tests say again and again, as sentences."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from playwright.sync_api import Browser, BrowserContext, Page, WebSocket, expect

from codetracer_core.store import Store
from tests.browser.conftest import WAIT, Dashboard

Found = TypeVar("Found")


def person(browser: Browser, dashboard: Dashboard, name: str) -> BrowserContext:
    """The browser of somebody who has said who they are."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(WAIT)
    context.add_cookies([{"name": "codetracer_annotator", "value": name, "url": dashboard.url}])
    return context


def received(page: Page) -> bytearray:
    """All that the server sends to this page from now on."""
    heard = bytearray()

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: heard.extend(frame if isinstance(frame, bytes) else frame.encode()))

    page.on("websocket", listen)
    return heard


def see_in_store(page: Page, read: Callable[[], Found], holds: Callable[[Found], object]) -> Found:
    """What another program reads of the workspace, once it ``holds``: the snapshot follows within a second or two.

    On a busy machine it follows later: where the copy is slow it is made less often (``store.keep``).
    """
    for _ in range(600):
        if holds(found := read()):
            return found
        page.wait_for_timeout(100)
    raise AssertionError(found)


def see_taken_in(page: Page, dashboard: Dashboard, name: str) -> None:
    """The running dashboard has what the command line left: a run from a folder of this name."""

    def read() -> list[str]:
        with Store.open_for_reading(dashboard.workspace) as store:
            return [run.origin for run in store.runs()]

    see_in_store(page, read, lambda found: any(name in origin for origin in found))


def comes_to(page: Page, read: Callable[[], Found], value: Found) -> None:
    """What is ``read`` of the page is this in the end: for what ``expect`` has no words for."""
    for _ in range(WAIT // 50):
        if (found := read()) == value:
            return
        page.wait_for_timeout(50)
    assert found == value


def see_standing(page: Page) -> None:
    """The server is through with the page: nothing of it is put in its place any more, under a hand that presses it.

    Right after a press the page may not have heard yet that it is made anew: look for what the press changes first.
    """
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_visible()


def see_model_known(page: Page) -> None:
    """What an order would cost is told: the model was looked up, for which a server loads much at the first time."""
    expect(page.get_by_text("calls ·").first).to_be_visible(timeout=120_000)


def open_import_panel(page: Page, dashboard: Dashboard) -> None:
    """The library with its panel for import and export opened."""
    page.goto(dashboard.url)
    expect(page.locator(".count")).to_contain_text("runs")
    see_standing(page)
    page.get_by_text("Import and export").click()


def import_folder(page: Page, dashboard: Dashboard, folder: Path) -> None:
    """Import by path, as a person does, and leave the library open."""
    open_import_panel(page, dashboard)
    page.get_by_label("Folder, file or archive on this machine").fill(str(folder))
    page.get_by_role("button", name="Import from path").click()


def open_run(page: Page, dashboard: Dashboard, run_id: str, step: int = 1) -> None:
    page.goto(f"{dashboard.url}/trajectory?traj={run_id}&step={step}")
    see_step(page, step)


def see_step(page: Page, step: int) -> None:
    """The step's text is in the page."""
    page.wait_for_selector(f'.viewer[data-shown="{step}"]')


RELOADS = """
(last) => {
  let keys = 0;
  addEventListener("keyup", () => ++keys === last && location.reload(), true);
}
"""


def press_and_reload(page: Page, *keys: str) -> None:
    """A hand faster than the address, which follows a moment later: the page reloads as the last key goes up."""
    page.evaluate(RELOADS, len(keys))
    with page.expect_event("load"):
        press(page, *keys)


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
