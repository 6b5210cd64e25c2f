"""Labels in and out by a browser: an uploaded table mapped, previewed, imported, seen on its step; and exported."""

import csv
import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Dashboard, cli, write_run
from tests.browser.steps import open_import_panel, see_step, see_taken_in

pytestmark = pytest.mark.browser

HOSTILE = '![x](http://127.0.0.1:9/x.png) <img src=x onerror="document.title=1"> :material/x: $a$'


def open_tab(page: Page, dashboard: Dashboard, tab: str) -> None:
    open_import_panel(page, dashboard)
    page.get_by_role("tab", name=tab).click()


def test_a_sheet_is_mapped_previewed_imported_and_seen(page: Page, dashboard: Dashboard, tmp_path: Path) -> None:
    write_run(tmp_path / "sheet-labelled", 5, 50, name="labelled in a sheet")
    imported = cli("import", str(tmp_path), "--json", workspace=dashboard.workspace)
    run = str(json.loads(imported.stdout)["items"][0]["run_id"])
    sheet = tmp_path / "sheet.csv"
    with sheet.open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("trajectory", "step", "opinion", HOSTILE),
                (run, 2, "incorrect", HOSTILE),
                (run, 4, "wrong", HOSTILE),
                (HOSTILE, 1, "correct", ""),
            ]
        )
    elsewhere: list[str] = []
    page.on("request", lambda request: None if dashboard.url in request.url else elsewhere.append(request.url))
    see_taken_in(page, dashboard, "sheet-labelled")
    open_tab(page, dashboard, "Import labels")
    page.get_by_label("Manifest rows").locator("input[type=file]").set_input_files(sheet)
    page.get_by_text("Still to say: verdict, annotator.").wait_for()
    page.get_by_role("combobox", name="Verdict").click()
    page.get_by_role("option", name="opinion").click()
    page.get_by_text("Still to say: annotator.").wait_for()
    page.get_by_label("Whose labels?").fill("Ana")
    page.get_by_label("Whose labels?").press("Enter")
    expect(page.get_by_text("table: 1 new · 0 known · 2 refused")).to_be_visible()
    expect(page.get_by_text("1 of 2 runs are not in this workspace")).to_contain_text(HOSTILE)
    page.get_by_role("button", name="Import 1 label").click()
    expect(page.get_by_text("Imported.")).to_be_visible()
    assert [url for url in elsewhere if not url.startswith(("blob:", "data:"))] == []

    page.context.add_cookies([{"name": "codetracer_annotator", "value": "Ana", "url": dashboard.url}])
    page.goto(f"{dashboard.url}/trajectory?traj={run}&step=2")
    see_step(page, 2)
    expect(page.locator("#step-2 .dot.incorrect")).to_be_visible()
    exported = cli("export", run, "--to", "csv", "--annotator", "Ana", workspace=dashboard.workspace)
    assert [line.split(",")[4:6] for line in exported.stdout.splitlines()[1:]] == [["2", "incorrect"]]


def test_what_passes_the_filters_is_exported(page: Page, dashboard: Dashboard) -> None:
    listed = json.loads(cli("list", "--json", workspace=dashboard.workspace).stdout)
    known = [run["run_id"] for run in listed if run["labels_by_source"]["ground_truth"] and run["outcome"] == "failed"]
    assert 0 < len(known) < len(listed)
    open_tab(page, dashboard, "Export labels")
    page.get_by_role("combobox", name="Labels by").click()
    page.get_by_role("option", name="the benchmark (ground truth)").click()
    page.locator("summary", has_text="Outcome").click()
    page.locator("label", has_text="not solved").click()
    failed = sum(run["outcome"] == "failed" for run in listed)
    expect(page.get_by_text(f"of the {failed} that pass the filters below")).to_be_visible()
    page.get_by_role("button", name="Write the file").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download manifest.jsonl").click()
    rows = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert {row["traj_id"] for row in rows} >= set(known)
    assert all(row["solved"] is False for row in rows)
