"""Finding, importing and opening runs in a real browser."""

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Dashboard, cli, write_run
from tests.browser.steps import import_folder, open_import_panel, press, see_step, see_taken_in

pytestmark = pytest.mark.browser


def test_an_empty_workspace_opens_on_the_sample_runs(page: Page, tmp_path: Path) -> None:
    fresh = Dashboard(tmp_path / "workspace")
    fresh.start()
    try:
        page.goto(fresh.url)
        expect(page.locator(".row").first).to_be_visible()
        page.locator(".row").first.click()
        page.wait_for_url("**/trajectory?traj=*")
        expect(page.locator(".title")).to_be_visible()
    finally:
        fresh.kill()


def test_filters_narrow_the_list_and_say_so(page: Page, dashboard: Dashboard) -> None:
    listed = json.loads(cli("list", "--json", workspace=dashboard.workspace).stdout)
    page.goto(dashboard.url)
    expect(page.locator(".count")).to_contain_text(f"{len(listed)} of {len(listed)} runs")
    page.locator("summary", has_text="Outcome").click()
    page.locator("label", has_text="not solved").click()
    failed = [run for run in listed if run["outcome"] == "failed"]
    expect(page.locator(".count")).to_contain_text(f"{len(failed)} of {len(listed)} runs")
    expect(page.locator(".rows .cell.outcome").first).to_have_text("not solved")
    page.locator(".clear").click()
    expect(page.locator(".count")).to_contain_text(f"{len(listed)} of {len(listed)} runs")
    for words, outcome in (("not solved", "failed"), ("failed", "failed"), ("solved", "solved")):
        page.locator(".query").fill(words)
        passing = sum(run["outcome"] == outcome for run in listed)
        expect(page.locator(".count")).to_contain_text(f"{passing} of {len(listed)} runs")
    page.locator(".query").fill("")


TYPES_AT_ONCE = """
(words) => {
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (...how) {
    const root = attach.apply(this, how);
    new MutationObserver((_, observer) => {
      const field = root.querySelector(".runs .query");
      if (!field) return;
      field.value = words;
      observer.disconnect();
    }).observe(root, { childList: true, subtree: true });
    return root;
  };
}
"""
"""A hand that is faster than the machine: it types as soon as there is a field, before any code of ours runs."""


def test_what_is_typed_before_the_list_is_alive_filters_it(page: Page, dashboard: Dashboard) -> None:
    page.add_init_script(f"({TYPES_AT_ONCE})('long-')")
    page.goto(dashboard.url)
    expect(page.locator(".row")).to_have_count(1)
    expect(page.locator(".query")).to_have_value("long-")


def test_search_reads_the_text_of_steps(page: Page, dashboard: Dashboard) -> None:
    page.goto(dashboard.url)
    page.locator(".deep").fill("observation of step 299")
    page.keyboard.press("Enter")
    expect(page.locator(".row")).to_have_count(1)
    expect(page.locator(".row .hits")).to_have_text("in 1 step")


def test_enter_opens_and_the_list_is_as_it_was_on_return(page: Page, dashboard: Dashboard) -> None:
    page.goto(dashboard.url)
    page.locator(".query").fill("long")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_url("**/trajectory?traj=*")
    page.get_by_role("link", name="Library").click()
    expect(page.locator(".query")).to_have_value("long")


def test_the_whole_table_is_seen_at_1280_with_its_replays(page: Page, dashboard: Dashboard) -> None:
    page.goto(dashboard.url)
    page.locator(".query").fill("replay of")
    expect(page.locator(".row .hits").first).to_have_text("replay")
    expect(page.locator(".row .task").first).to_have_attribute("title", re.compile("^replay of .+, from step 6 on$"))
    assert page.locator(".table").evaluate("table => table.scrollWidth - table.clientWidth") == 0


def test_the_table_takes_its_keys_without_a_click(page: Page, dashboard: Dashboard) -> None:
    page.goto(dashboard.url)
    expect(page.locator(".row.current")).to_have_attribute("data-index", "0")
    press(page, "j", "ArrowDown", "j", "k")
    expect(page.locator(".row.current")).to_have_attribute("data-index", "2")
    chosen = page.locator(".row.current .task").inner_text()
    press(page, "Enter")
    page.wait_for_url("**/trajectory?traj=*")
    expect(page.locator(".runline .task")).to_have_text(chosen)


def test_a_folder_is_imported_by_path_with_its_failures(page: Page, dashboard: Dashboard, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "fine", 4, 100, name="imported by path")
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "steps.json").write_text('[{"step_id": 1, "action": "ls"')
    import_folder(page, dashboard, tmp_path / "runs")
    expect(page.get_by_text("1 imported · 0 skipped · 0 misaligned · 1 failed")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Report as JSON").click()
    report = json.loads(Path(download.value.path()).read_text())
    broken = next(item for item in report["items"] if item["status"] == "failed")
    assert broken["path"].endswith("steps.json") or broken["path"].endswith("broken")
    assert broken["reason"]
    assert broken["remedy"]


def test_an_uploaded_archive_is_imported(page: Page, dashboard: Dashboard, tmp_path: Path) -> None:
    write_run(tmp_path / "uploaded", 3, 50, name="uploaded run")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted((tmp_path / "uploaded").iterdir()):
            archive.write(file, f"uploaded/{file.name}")
    open_import_panel(page, dashboard)
    upload = {"name": "runs.zip", "mimeType": "application/zip", "buffer": packed.getvalue()}
    page.get_by_label("Files or archives").locator("input[type=file]").set_input_files(upload)  # type: ignore[arg-type]
    expect(page.get_by_text("runs.zip", exact=True)).to_be_visible()  # from here on the button waits for the upload
    page.get_by_role("button", name="Import uploads").click()
    expect(page.get_by_text("1 imported · 0 skipped · 0 misaligned · 0 failed")).to_be_visible()
    page.locator(".query").fill("uploaded")
    page.locator(".row").first.click()
    see_step(page, 1)
    expect(page.locator(".total")).to_have_text("3")


def test_the_command_line_hands_runs_to_the_running_dashboard(page: Page, dashboard: Dashboard, tmp_path: Path) -> None:
    write_run(tmp_path / "handed-over", 2, 50, name="handed over")
    imported = cli("import", str(tmp_path), workspace=dashboard.workspace)
    assert imported.returncode == 0, imported.stderr
    see_taken_in(page, dashboard, "handed-over")
    page.goto(dashboard.url)
    page.locator(".query").fill("handed-over")
    page.locator(".row").click()
    see_step(page, 1)
