"""The compare page in a real browser: rows, keys, differences, links, and labels that are sent when asked for."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from codetracer_core.models import Outcome, Step
from codetracer_core.projects import Project
from codetracer_core.store import Store
from codetracer_core.viewer_data import frontend_text
from tests.browser.conftest import Dashboard
from tests.browser.steps import comes_to, person, press, press_and_reload, received, see_in_store, see_step
from tests.browser.test_hostile import BEACON, HOSTILE
from tests.store.factory import NOON, decide, make_label, make_run
from tests.ui.diagnoses import finding, make_diagnosis, quote

pytestmark = pytest.mark.browser

SOLVED, FAILED = "solved-run", "failed-run"
LINES = [f"line {number} of app.py" for number in range(40)]
OTHER_LINES = [line.replace("line 20 of", "line 20 from") for line in LINES]
ACTIONS = {
    SOLVED: ("ls", "cat app.py", "pip install numpy", "sed -i s/a/b/ app.py", "pytest -q", "submit"),
    FAILED: ("ls", "cat app.py", "sed -i s/x/y/ app.py", "echo looking at logs", "pytest -q", "rm -r build", "submit"),
}


def steps(run_id: str, lines: list[str]) -> list[Step]:
    return [
        Step(step_id=n, action=action, observation="\n".join(lines) if n == 2 else f"saw {n}", thought=f"{run_id} {n}")
        for n, action in enumerate(ACTIONS[run_id], start=1)
    ]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Dashboard]:
    """Two runs of one task with labels, one of which dan labels blind; two diagnoses; two runs that are hostile."""
    running = Dashboard(tmp_path_factory.mktemp("compare") / "workspace")
    hostile = [Step(step_id=n, action=HOSTILE, observation=HOSTILE, thought=HOSTILE) for n in (1, 2)]
    runs = [
        make_run(SOLVED, steps(SOLVED, LINES), task="fix-it", outcome=Outcome(solved=True, reason="passed")),
        make_run(FAILED, steps(FAILED, OTHER_LINES), task="fix-it", model="other-model"),
        make_run("hostile", hostile, task=HOSTILE, agent=HOSTILE, model=HOSTILE, trial=HOSTILE),
        make_run("hostile-too", hostile, task=HOSTILE, agent=HOSTILE),
    ]
    labels = [
        make_label(1, "incorrect", run_id=SOLVED, step_id=4, source="ground_truth", annotator="planted-benchmark"),
        make_label(2, "unuseful", run_id=FAILED, step_id=4, source="model", annotator="planted-model"),
    ]
    with Store.open(running.workspace) as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        store.create_project(Project(project_id="pilot", annotators=("dan",), created_at=NOON), [SOLVED])
        assert store.add_label_events(labels).refused == ()
        trajectory = runs[1].trajectory
        for step in (3, 6):
            cited = quote(trajectory, step, trajectory.steps[step - 1].action[:4], "action")
            found = (finding(step, [cited], reasoning=f"{HOSTILE} planted-reason {step}"),)
            told = make_diagnosis(trajectory, FAILED, findings=found, onset=(), error_chain=(), decision_points=())
            store.add_diagnosis(told, ())
    running.start()
    yield running
    running.kill()


@pytest.fixture
def cora(browser: Browser, office: Dashboard) -> Iterator[BrowserContext]:
    context = person(browser, office, "cora")
    yield context
    context.close()


BOTH = f"{SOLVED},{FAILED}"


def compare(context: BrowserContext, office: Dashboard, query: str = f"runs={BOTH}") -> Page:
    page = context.new_page()
    page.goto(f"{office.url}/compare?{query}")
    expect(page.locator(".comparison .row").first).to_be_visible()
    return page


def see_row(page: Page, *steps: int | None) -> None:
    """The current row holds these steps."""
    numbers = [str(step) for step in steps if step is not None]
    expect(page.locator(".row.current .number")).to_have_text(numbers)
    cells = [re.compile(r"\bempty\b") if step is None else re.compile(r"^(?!.*empty)") for step in steps]
    expect(page.locator(".row.current .cell")).to_have_class(cells)


def test_from_a_task_to_the_place_where_its_runs_part(cora: BrowserContext, office: Dashboard) -> None:
    page = cora.new_page()
    page.goto(f"{office.url}/compare")
    page.get_by_role("link", name="fix-it").click()
    page.get_by_role("button", name="solved, 6 steps").click()
    expect(page.locator(".comparison .row")).to_have_count(8)
    expect(page.locator(".facts .outcome")).to_have_text(["solved", "not solved"])
    expect(page.locator(".share")).to_contain_text("in common: 4 by the same command, 1 alike · only A 1, only B 2")
    expect(page.locator(".between.part")).to_have_text("A and B part here: only A makes this change")
    expect(page.locator(".between.meet")).to_have_text("A and B do the same again")
    see_row(page, 1, 1)
    press(page, "v")
    see_row(page, 3, None)
    press(page, "j")
    see_row(page, 4, 3)
    press(page, "n")
    see_row(page, None, 6)
    press(page, "p")
    see_row(page, 3, None)
    press(page, "k")
    see_row(page, 2, 2)
    press(page, "End")
    see_row(page, 6, 7)
    page.get_by_role("link", name="Choose other runs").focus()  # a link takes Enter, it has no use for Home
    press(page, "Home")
    see_row(page, 1, 1)
    page.locator(".stMain").evaluate("main => (main.tabIndex = -1, main.focus())")
    press(page, "ArrowDown")
    see_row(page, 2, 2)


def test_a_reload_right_after_a_key_shows_what_the_key_led_to(cora: BrowserContext, office: Dashboard) -> None:
    page = compare(cora, office)
    see_row(page, 1, 1)
    page.wait_for_function("location.search.includes('step=A1')")
    press_and_reload(page, "o", "j")
    expect(page.locator(".comparison .row")).to_have_count(4)
    page.wait_for_function("location.search.includes('only=1')")
    see_row(page, 4, 3)


def test_the_texts_of_a_row_show_what_differs_and_a_link_brings_them_back(
    cora: BrowserContext, office: Dashboard
) -> None:
    page = compare(cora, office)
    press(page, "j", "Enter")
    page.wait_for_selector('.comparison[data-texts="2,2"]')
    parts = page.locator(".texts .part", has_text="Observation")
    expect(parts.nth(0).locator(".line.differs")).to_have_text("line 20 of app.py")
    expect(parts.nth(0).locator("mark")).to_have_text("of")
    expect(parts.nth(1).locator("mark")).to_have_text("from")
    expect(parts.nth(0).locator(".fold summary")).to_have_text(["14 equal lines", "16 equal lines"])
    expect(page.locator(".texts .part", has_text="Action").nth(1)).to_contain_text("equal")
    expect(parts.locator(".equal")).to_have_count(0)
    expect(page.locator(".texts .part", has_text="Thought")).to_have_count(0)
    press(page, "t", "e")
    expect(page.locator(".texts .part", has_text="Thought").nth(1)).to_contain_text(f"{FAILED} 2")
    expect(page.locator(".fold")).to_have_count(0)
    press(page, "o")
    expect(page.locator(".comparison .row")).to_have_count(4)
    see_row(page, 3, None)
    page.wait_for_function("location.search.includes('step=A3')")
    page.goto(page.url)
    expect(page.locator(".comparison .row")).to_have_count(4)
    see_row(page, 3, None)
    page.wait_for_selector('.comparison[data-texts="3,"]')
    expect(page.locator(".texts .head").nth(1)).to_contain_text("no step here")


def test_texts_are_open_where_there_is_room_for_them_unless_somebody_closed_them(
    cora: BrowserContext, office: Dashboard
) -> None:
    page = cora.new_page()
    page.set_viewport_size({"width": 1280, "height": 1100})
    page.goto(f"{office.url}/compare?runs={BOTH}")
    page.wait_for_selector('.comparison.whole[data-texts="1,1"]')
    rows = page.locator(".comparison .list")
    comes_to(page, lambda: rows.evaluate("list => list.scrollHeight <= list.clientHeight"), True)
    press(page, "Enter")
    expect(page.locator(".comparison .texts")).to_be_hidden()
    page.wait_for_function("location.search.includes('texts=0')")
    page.reload()
    see_row(page, 1, 1)
    expect(page.locator(".comparison .texts")).to_be_hidden()


def test_the_key_list_holds_every_key_and_a_step_opens_in_the_viewer(cora: BrowserContext, office: Dashboard) -> None:
    page = compare(cora, office, f"runs={BOTH}&step=B6")
    see_row(page, None, 6)
    press(page, "?")
    expect(page.locator(".sheet.help .shortcut")).to_have_count(frontend_text("compare.js").count("{ keys: ["))
    press(page, "Escape")
    expect(page.locator(".sheet.help")).to_be_hidden()
    press(page, "1")
    expect(page.locator(".flash")).to_have_text("that run has no step here")
    press(page, "2")
    page.wait_for_url(f"**traj={FAILED}*")
    see_step(page, 6)


def test_labels_leave_the_server_when_asked_for_and_never_of_a_run_labelled_blind(
    browser: Browser, cora: BrowserContext, office: Dashboard
) -> None:
    page = cora.new_page()
    heard = received(page)
    page.goto(f"{office.url}/compare?runs={BOTH}")
    expect(page.locator(".comparison .row").first).to_be_visible()
    expect(page.locator(".dot")).to_have_count(0)
    assert b"planted-" not in heard
    press(page, "r")
    expect(page.locator(".dot")).to_have_count(3)  # ground truth, planted-model, and the diagnoses' model
    expect(page.locator(".dot.truth")).to_have_attribute("title", "ground truth: incorrect")
    press(page, "r")
    expect(page.locator(".dot")).to_have_count(0)

    def shown(name: str) -> set[tuple[str, str]]:
        with Store.open_for_reading(office.workspace) as store:
            acts = [act for run_id in (SOLVED, FAILED) for act in store.label_history(run_id)]
        return {(act.run_id, str(act.value)) for act in acts if act.field == "shown" and act.annotator == name}

    see_in_store(page, lambda: shown("cora"), lambda told: told == {(SOLVED, "ground_truth"), (FAILED, "model")})
    dan = person(browser, office, "dan")
    other = dan.new_page()
    heard = received(other)
    other.goto(f"{office.url}/compare?runs={BOTH}")
    expect(other.locator(".comparison .row").first).to_be_visible()
    press(other, "r")
    expect(other.locator(".dot.model")).to_have_count(2)
    expect(other.locator(".dot.truth")).to_have_count(0)
    expect(other.locator(".doubt")).to_have_text("you label it blind: only your labels")
    assert b"ground truth: incorrect" not in heard
    see_in_store(other, lambda: shown("dan"), lambda told: told == {(FAILED, "model")})
    dan.close()


def test_runs_that_are_marked_in_the_library_are_compared(cora: BrowserContext, office: Dashboard) -> None:
    page = cora.new_page()
    page.goto(office.url)
    page.locator(".query").fill("fix-it")
    expect(page.locator(".row")).to_have_count(2)
    press(page, "Enter", "c")
    expect(page.locator(".compare")).to_be_disabled()
    press(page, "j", "c")
    page.get_by_role("button", name="Compare 2 runs").click()
    expect(page.locator(".comparison .row")).to_have_count(8)


def test_diagnoses_of_one_run_stand_side_by_side(cora: BrowserContext, office: Dashboard) -> None:
    page = cora.new_page()
    page.goto(f"{office.url}/diagnose?traj={FAILED}")
    page.get_by_role("link", name="Compare diagnoses side by side").click()
    page.get_by_role("button", name="openai/scripted (agent), twice").click()
    expect(page.locator(".finding")).to_have_count(2)
    expect(page.locator(".chip.who")).to_have_text([re.compile("only [AB]")] * 2)
    expect(page.locator(".agreement")).to_contain_text("self-agreement: same on 0 of 2 labelled steps")
    expect(page.locator(".finding img, .finding script, .finding svg")).to_have_count(0)
    page.locator(".finding").nth(1).locator("a.quote").click()
    page.wait_for_url("**quote=action*")
    see_step(page, 6)


def test_hostile_runs_are_text_here_too(cora: BrowserContext, office: Dashboard) -> None:
    requests: list[str] = []
    page = cora.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
    page.goto(f"{office.url}/compare?runs=hostile,hostile-too")
    expect(page.locator(".comparison .row").first).to_be_visible()
    press(page, "Enter", "t")
    page.wait_for_selector('.comparison[data-texts="1,1"]')
    expect(page.locator(".texts")).to_contain_text("<script>window.hacked=2</script>")
    press(page, "j")
    page.wait_for_selector('.comparison[data-texts="2,2"]')
    assert page.locator(".comparison :is(img, script, svg, iframe, style)").count() == 0
    assert page.evaluate("window.hacked") is None
    assert not [url for url in requests if url.startswith(BEACON)]


def test_a_run_leads_to_the_other_runs_of_its_task(cora: BrowserContext, office: Dashboard) -> None:
    page = cora.new_page()
    page.goto(f"{office.url}/trajectory?traj={FAILED}")
    page.get_by_role("tab", name="Overview").click()
    page.get_by_role("link", name="Compare with the other run of this task").click()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(1)
    page.get_by_role("checkbox", checked=False).check()
    page.get_by_role("button", name="Compare 2").click()
    expect(page.locator(".comparison .row")).to_have_count(8)


def test_what_cannot_be_compared_is_said_in_words(cora: BrowserContext, office: Dashboard) -> None:
    page = cora.new_page()
    page.goto(f"{office.url}/compare?runs={SOLVED},no-such-run")
    expect(page.get_by_text("there is no run 'no-such-run'")).to_be_visible()
    page.goto(f"{office.url}/compare?runs=a,b,c,d,e")
    expect(page.get_by_text("5 runs do not fit side by side")).to_be_visible()
