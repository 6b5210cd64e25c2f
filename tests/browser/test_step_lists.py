"""A link opens a step with all labels shown; a list of steps is walked in the viewer, without what must stay blind."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from codetracer_core.projects import Project
from codetracer_core.store import Store
from tests.browser.conftest import Dashboard
from tests.browser.steps import person, press, received, see_in_store, see_step
from tests.store.factory import decide, make_label, make_run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Dashboard]:
    """Ada and Ben submitted run-a in a project that Blinda is in, and labelled run-free outside of it."""
    served = Dashboard(
        tmp_path_factory.mktemp("lists") / "workspace", app=Path(__file__).with_name("tables_app.py").resolve()
    )
    runs = [make_run(name, 5, record={"benchmark": {"difficulty": "easy"}}) for name in ("run-a", "run-b", "run-free")]
    with Store.open(served.workspace) as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        names = ("Ada", "Ben", "Blinda")
        project = Project(project_id="p", annotators_per_run=3, annotators=names, created_at=datetime.now(UTC))
        store.create_project(project, ["run-a", "run-b"])
        for who, verdict in (("Ada", "incorrect"), ("Ben", "unuseful")):
            store.claim_next("p", who)
            said = [
                make_label(1, verdict, run_id="run-a", step_id=2, annotator=who, client=who),
                make_label(2, {"reason": f"{who} says so"}, run_id="run-a", step_id=2, annotator=who, client=who)
                .model_copy(update={"field": "details"}),
                make_label(3, verdict, run_id="run-free", step_id=3, annotator=who, client=who),
            ]  # fmt: skip
            assert store.add_human_labels(said).refused == ()
            store.submit("p", "run-a", who)
        told = [
            make_label(1, "incorrect", run_id="run-a", step_id=3, annotator="a-model", source="model"),
            make_label(2, "incorrect", run_id="run-a", step_id=2, annotator="the-benchmark", source="ground_truth"),
            make_label(3, "unuseful", run_id="run-a", step_id=2, annotator="Cora", source="adjudicated"),
        ]
        assert store.add_label_events(told).refused == ()
    served.start()
    yield served
    served.kill()


def opened(browser: Browser, office: Dashboard, who: str) -> Page:
    """The page of tables, whose last one links to steps 2 and 3, then 3 and 4, of all runs."""
    page = person(browser, office, who).new_page()
    page.goto(f"{office.url}/tables")
    expect(page.get_by_role("link", name="run-a 2")).to_be_visible()
    return page


def positions(page: Page) -> dict[str, str]:
    """What each column beside the step says, by whose it is."""
    columns = page.locator(".position")
    return {
        one.locator(".whose").inner_text(): one.locator(".saidverdict, .none").first.inner_text().split()[-1]
        for one in columns.all()
    }


def test_a_link_shows_what_everybody_says_of_a_step_and_it_is_on_record(browser: Browser, office: Dashboard) -> None:
    page = opened(browser, office, "Lea")
    page.get_by_role("link", name="run-a 2").click()
    see_step(page, 2)
    expect(page.locator(".position")).to_have_count(5)
    said = positions(page)
    assert {who.partition(" · ")[2]: verdict for who, verdict in said.items() if " · " in who} == {
        "Ada": "incorrect",
        "Ben": "unuseful",
    }
    assert (said["ground truth"], said["adjudicated"], said["a-model"]) == ("incorrect", "unuseful", "unlabelled")
    everything = {("run-a", "peers"), ("run-a", "model"), ("run-a", "ground_truth")}

    def shown() -> set[tuple[str, str]]:
        with Store.open_for_reading(office.workspace) as store:
            return set(store.shown_to("Lea"))

    see_in_store(page, shown, lambda found: found >= everything)

    press(page, "r")
    expect(page.locator(".position")).to_have_count(4)
    expect(page.locator(".reveal")).to_have_attribute("aria-pressed", "false")
    press(page, "M")
    expect(page.locator(".positions")).to_be_hidden()
    press(page, "r", "M")
    expect(page.locator(".position")).to_have_count(5)


def test_labels_of_a_run_outside_of_all_projects_are_shown_too(browser: Browser, office: Dashboard) -> None:
    page = opened(browser, office, "Lea")
    page.get_by_role("link", name="run-free 3").first.click()
    see_step(page, 3)
    expect(page.locator(".position.human")).to_have_count(2)
    assert sorted(list(positions(page).values())[:2]) == ["incorrect", "unuseful"]


def test_a_list_is_walked_by_keys_and_leads_back(browser: Browser, office: Dashboard) -> None:
    page = opened(browser, office, "Lea")
    page.get_by_role("link", name="run-a 2").click()
    see_step(page, 2)
    bar = page.locator(".listbar")
    expect(bar.locator(".place")).to_have_text("1 of 12")
    expect(bar.locator(".listtitle")).to_contain_text("Disagreements <img src=x")
    press(page, "<")
    expect(page.locator(".saved")).to_have_text("this is the first one of the list")
    heard = received(page)
    press(page, ">")
    see_step(page, 3)
    expect(bar.locator(".place")).to_have_text("2 of 12")
    assert b"planted" not in heard
    press(page, "j")
    expect(bar.get_by_role("button", name="Back to the step of the list")).to_have_text("step 3")
    press(page, ">", ">", ">")  # faster than the server answers
    page.wait_for_url("**traj=run-free*")
    see_step(page, 2)
    expect(bar.locator(".place")).to_have_text("5 of 12")
    press(page, "<")
    page.wait_for_url("**traj=run-b*")
    see_step(page, 3)
    page.reload()
    see_step(page, 3)
    expect(bar.locator(".place")).to_have_text("4 of 12")
    press(page, "?")
    expect(page.locator(".sheet.help")).to_contain_text("Next step of the list")
    press(page, "Escape", "U")
    expect(page.locator(".count")).to_contain_text("3 of 3 runs")  # the page of tables is none of the dashboard's


def test_a_list_opens_in_a_new_tab_for_a_person_without_a_name_who_is_asked_for_one(
    browser: Browser, office: Dashboard, page: Page
) -> None:
    address = opened(browser, office, "Lea").get_by_role("link", name="run-a 2").get_attribute("href")
    page.goto(str(address))
    see_step(page, 2)
    expect(page.locator(".listbar .place")).to_have_text("1 of 12")
    expect(page.locator(".position")).to_have_count(0)
    expect(page.get_by_label("Your name").locator("input")).to_be_focused()
    page.keyboard.type("Max")
    page.keyboard.press("Enter")
    expect(page.locator(".position")).to_have_count(5)


def test_who_labels_a_run_blind_walks_past_it(browser: Browser, office: Dashboard) -> None:
    page = opened(browser, office, "Blinda")
    heard = received(page)
    address = page.get_by_role("link", name="run-a 2").get_attribute("href")
    page.goto(str(address))
    see_step(page, 2)
    bar = page.locator(".listbar")
    hidden = "What others say is hidden from you until you have submitted this run."
    expect(page.locator(".positions")).to_have_text(hidden)
    expect(bar).to_contain_text("4 steps, this run is not among them")
    expect(bar).to_contain_text("without the runs that you label blind")
    expect(page.locator(".position, .chip.truth")).to_have_count(0)
    assert not [word for word in (b"Ada says so", b"the-benchmark", b"a-model", b"Disagreements") if word in heard]
    press(page, ">")
    page.wait_for_url("**traj=run-free*")
    expect(bar.locator(".place")).to_have_text("1 of 4")
    expect(page.locator(".position.human")).to_have_count(2)


def test_a_list_that_is_no_longer_kept_is_said(browser: Browser, office: Dashboard) -> None:
    page = person(browser, office, "Lea").new_page()
    page.goto(f"{office.url}/trajectory?traj=run-a&step=1&list=0123456789abcdef")
    see_step(page, 1)
    expect(page.locator(".listbar")).to_contain_text("no longer kept")


def test_a_link_into_a_list_outlives_the_server(browser: Browser, office: Dashboard) -> None:
    page = opened(browser, office, "Lea")
    address = str(page.get_by_role("link", name="run-a 2").get_attribute("href"))
    page.close()
    office.kill()
    office.start()
    page = person(browser, office, "Lea").new_page()
    page.goto(address if "://" in address else f"{office.url}/{address}")
    see_step(page, 2)
    expect(page.locator(".listbar .place")).to_have_text("1 of 12")
    press(page, ">")
    see_step(page, 3)
