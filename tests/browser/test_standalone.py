"""The self-contained page of a run, opened from disk in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from codetracer_core.workflow import export_page
from tests.browser.steps import press, see_step
from tests.conftest import SAMPLE_DATA

pytestmark = pytest.mark.browser


def test_a_page_is_read_offline_with_the_same_keys_and_its_text_is_inert(page: Page, tmp_path: Path) -> None:
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
    file = tmp_path / "run.html"
    file.write_text(export_page(str(SAMPLE_DATA / "mini-swe-agent" / "hostile-text"), tmp_path), encoding="utf-8")
    page.goto(file.as_uri())
    see_step(page, 1)
    for step in range(2, 9):
        press(page, "j")
        see_step(page, step)
    press(page, "2")
    expect(page.locator(".saved")).to_have_text("this copy is for reading")
    expect(page.locator(".row .dot")).to_have_count(0)
    press(page, "/")
    page.keyboard.type("<script>")
    expect(page.locator(".hits")).to_contain_text("matches")
    expect(page.locator(".body")).to_contain_text("<script>")
    assert requests == [file.as_uri()]
    assert complaints == []
