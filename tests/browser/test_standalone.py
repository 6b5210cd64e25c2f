"""The self-contained page of a run, opened from disk in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from codetracer_core.discovery import locate
from codetracer_core.exporting import export_page
from codetracer_core.models import hash_of_quote
from codetracer_core.parsers import read_run
from codetracer_core.standalone import standalone_page
from codetracer_core.tree import build_tree
from codetracer_core.viewer_data import Said
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


def test_a_page_shows_the_stages_that_its_annotator_drew_and_lets_nobody_draw(page: Page, tmp_path: Path) -> None:
    run = read_run(locate(SAMPLE_DATA / "mini-swe-agent" / "hostile-text")).trajectory
    drawn = [
        {"stage_id": 1, "start_step_id": 1, "end_step_id": 2, "name": "<img src=x onerror=alert(1)>"},
        {"stage_id": 2, "start_step_id": 4, "end_step_id": 5, "name": ""},
    ]
    file = tmp_path / "run.html"
    own = Said(of_run={"stages": drawn})
    file.write_text(standalone_page(run, build_tree(run), (), name="run", said=own), encoding="utf-8")
    page.goto(file.as_uri())
    see_step(page, 1)
    heads = page.locator(".row.stage")
    expect(heads).to_have_text(["Stage 1 · <img src=x onerror=alert(1)>1–2", "Stage 24–5"])
    expect(page.locator(".stagesfrom")).to_have_text("Stages: the annotator's")
    expect(page.locator(".stagesfrom")).to_be_disabled()
    for key in ("T", "(", "W", "H", "Z"):
        press(page, "j", key)
        expect(page.locator(".saved")).to_have_text("this copy is for reading")
    expect(page.locator(".begin, .sheet:not([hidden])")).to_have_count(0)
    heads.first.dblclick()
    heads.last.hover()
    page.mouse.down()
    page.mouse.move(100, 500, steps=3)
    page.mouse.up()
    expect(page.locator(".sheet:not([hidden])")).to_have_count(0)
    expect(heads).to_have_count(2)


def test_a_page_shows_reasons_and_the_evidence_for_them(page: Page, tmp_path: Path) -> None:
    run = read_run(locate(SAMPLE_DATA / "mini-swe-agent" / "hostile-text")).trajectory
    action = run.steps[1].action
    taken, gone = (
        {"step_id": 2, "field": "action", "start": 0, "end": len(text), "text": text, "sha256": hash_of_quote(text)}
        for text in (action[:6], "<b>never said</b>")
    )
    details = {"reason": "<i>it</i> says so", "impact_severity": "minor", "quotes": [taken, gone]}
    file = tmp_path / "run.html"
    own = Said(of_steps={"details": {1: details}})
    file.write_text(standalone_page(run, build_tree(run), (), name="run", said=own), encoding="utf-8")
    page.goto(file.as_uri())
    see_step(page, 1)
    reason = page.get_by_role("form", name="Why this verdict").get_by_label("Reason")
    expect(reason).to_have_value("<i>it</i> says so")
    expect(reason).not_to_be_editable()
    evidence = page.get_by_role("region", name="Evidence")
    expect(evidence.locator("q")).to_have_text([action[:6], "<b>never said</b>"])
    expect(evidence.locator("li.lost q")).to_have_text("<b>never said</b>")
    expect(evidence.locator(".drop")).to_have_count(0)
    evidence.locator(".go").first.click()
    see_step(page, 2)
    assert page.evaluate("[...CSS.highlights.get('codetracer-quote-now')].map(String)") == [action[:6]]
    expect(reason).to_be_hidden()
    press(page, '"')
    expect(page.locator(".saved")).to_have_text("this copy is for reading")
