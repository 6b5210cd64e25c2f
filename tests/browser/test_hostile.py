"""Text from a run is shown, never obeyed: no request leaves the page, no script runs, nothing is drawn as HTML."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Dashboard
from tests.browser.steps import import_folder, open_run, press, see_step

pytestmark = pytest.mark.browser

BEACON = "http://127.0.0.1:9/beacon"
HOSTILE = "\n".join(
    [
        f"<img src=x onerror=\"window.hacked=1;fetch('{BEACON}')\"><script>window.hacked=2</script>",
        f"<svg onload=window.hacked=3><iframe src='{BEACON}'></iframe><style>*{{color:red}}</style>",
        f"![picture]({BEACON}.png) [link](javascript:window.hacked=4) :material/bolt: $x^2$ {BEACON}",
        "\x1b]8;;javascript:window.hacked=5\x07click\x1b]8;;\x07 \u202egnp.exe\u202c {run_id} %s",
    ]
)


@pytest.fixture
def run(dashboard: Dashboard, tmp_path: Path) -> Path:
    """A run that is hostile everywhere: in its texts, its tool names and arguments, its task."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    steps = [
        {"step_id": 1, "action": HOSTILE, "observation": HOSTILE, "thinking": HOSTILE, "tool_type": HOSTILE},
        {"step_id": 2, "action": f"cat > '{HOSTILE}'", "observation": HOSTILE * 50},
    ]
    (folder / "steps.json").write_text(json.dumps(steps))
    (folder / "task.md").write_text(f"# {HOSTILE}\n\n{HOSTILE}\n")
    return folder


def test_hostile_text_is_only_text(page: Page, dashboard: Dashboard, run: Path) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
    import_folder(page, dashboard, run)
    expect(page.get_by_text("1 imported")).to_be_visible()
    page.locator(".query").fill("hostile")
    expect(page.locator(".row")).to_have_count(1)
    page.locator(".row").click()
    see_step(page, 1)
    for part in ("thought", "action", "observation"):
        expect(page.locator(f".part.{part}")).to_contain_text("<script>window.hacked=2</script>")
    expect(page.locator(".part.observation .control").first).to_have_text("U+202E")
    press(page, "w", "m", "j")
    see_step(page, 2)
    page.get_by_role("tab", name="Overview").click()
    expect(page.locator(".scatterlayer .points path")).to_have_count(2)
    page.locator(".scatterlayer .points path").first.hover(force=True)
    page.wait_for_timeout(500)
    assert page.evaluate("window.hacked") is None
    elsewhere = [url for url in requests if not url.startswith((dashboard.url, "data:", "blob:"))]
    assert elsewhere == []
    for tag in ("svg[onload]", "iframe", "img[src='x']"):
        assert page.locator(tag).count() == 0


def test_the_hostile_sample_run_is_only_text(page: Page, dashboard: Dashboard) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    run_id = next(run_id for name, run_id in dashboard.runs.items() if "guestbook" in name)
    open_run(page, dashboard, run_id)
    total = int(page.locator(".total").inner_text())
    for step in range(2, total + 1):
        press(page, "j")
        see_step(page, step)
    assert [url for url in requests if not url.startswith((dashboard.url, "data:", "blob:"))] == []
