"""From a number to the steps behind it and back, in a real browser; and nothing for whoever labels the runs blind."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from codetracer_core.projects import Project
from codetracer_core.store import Store
from tests.browser.conftest import Dashboard
from tests.browser.steps import person, press, received, see_in_store, see_step
from tests.store.factory import decide, make_label, make_run

pytestmark = pytest.mark.browser

ANN, BOB = "ann-secret-name", "bob <img src=x onerror=\"document.title='run'\">"
SAID: dict[str, dict[str, dict[int, str]]] = {
    ANN: {"one": {2: "incorrect", 5: "incorrect"}, "two": {3: "incorrect"}, "three": {}},
    BOB: {"one": {2: "incorrect", 5: "unuseful"}, "two": {4: "incorrect", 3: "correct"}, "three": {6: "incorrect"}},
}


@pytest.fixture
def office(tmp_path: Path, browser: Browser) -> Iterator[Dashboard]:
    """A project of three runs that Ann and Bob have submitted and Eve labels, too."""
    running = Dashboard(tmp_path / "workspace")
    runs = [make_run(name, 6) for name in SAID[ANN]]
    with Store.open(running.workspace) as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        pilot = Project(
            project_id="pilot", annotators=(ANN, BOB, "eve"), annotators_per_run=3, created_at=datetime.now(UTC)
        )
        store.create_project(pilot, list(SAID[ANN]))
        for who, of_runs in SAID.items():
            for run, verdicts in of_runs.items():
                store.claim_next("pilot", who)
                events = [
                    make_label(step, word, run_id=run, step_id=step, annotator=who, client=f"{who} {run}")
                    for step, word in verdicts.items()
                ]
                assert store.add_human_labels(events).refused == ()
                store.submit("pilot", run, who)
    running.start()
    yield running
    running.kill()


def test_a_cell_leads_to_its_steps_with_both_labels_shown_and_back(browser: Browser, office: Dashboard) -> None:
    context = person(browser, office, "lea")
    page = context.new_page()
    page.goto(f"{office.url}/agreement")
    expect(page.get_by_text("PSA: agreement on “incorrect”").first).to_be_visible()
    page.get_by_role("tab", name="Labels", exact=True).click()
    table = page.get_by_role("grid").or_(page.get_by_role("table")).first
    expect(table).to_contain_text("ann-secret-name")
    table.get_by_role("button", name="2", exact=True).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("ann-secret-name: correct")
    expect(dialog).to_contain_text("2 steps in 2 runs")
    dialog.get_by_role("link", name="task of three").click()
    see_step(page, 6)
    page.go_back()  # to the page as it was left, past the history's entry half-way
    expect(dialog).to_contain_text("2 steps in 2 runs")
    dialog.get_by_role("link", name="task of three").click()
    see_step(page, 6)
    expect(page.get_by_role("toolbar", name="List of steps")).to_contain_text("2 of 2")
    others = page.get_by_role("region", name="What others say")
    expect(others).to_contain_text("They differ")
    for who, verdict in ((ANN, "unlabelled"), (BOB, "incorrect")):
        expect(page.locator(".position.human", has_text=who)).to_contain_text(verdict)
    press(page, "<")
    see_step(page, 4)
    expect(page.locator(".runline .task")).to_have_text("task of two")
    assert page.title() != "run"

    def shown() -> set[str]:
        with Store.open_for_reading(office.workspace) as store:
            return {run for run, what in store.shown_to("lea") if what == "peers"}

    see_in_store(page, shown, lambda found: found == {"two", "three"})
    page.get_by_text("Back to Agreement").click()
    expect(page.get_by_role("dialog")).to_contain_text("2 steps in 2 runs")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("tab", name="Labels", exact=True)).to_have_attribute("aria-selected", "true")
    context.close()


def test_who_labels_them_blind_is_sent_nothing_of_these_runs(browser: Browser, office: Dashboard) -> None:
    context = person(browser, office, "eve")
    page = context.new_page()
    heard = received(page)
    page.goto(f"{office.url}/agreement?agreement_tab=Disagreements")
    expect(page.locator(".stMain")).to_contain_text("3 runs are left out: you label them blind.")
    page.goto(f"{office.url}/agreement?agreement_project=all+runs&agreement_tab=Runs")
    expect(page.locator(".stMain")).to_contain_text("3 runs are left out: you label them blind.")
    for words in (ANN, "bob", "unuseful", "agreement_list"):
        assert words.encode() not in heard
    context.close()
