"""Tabs, runs and connections come and go; no label is lost, and none turns up where it does not belong."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from codetracer_core.store import Store
from tests.browser.conftest import LONG, WAIT, Dashboard, cli, write_run
from tests.browser.steps import (
    comes_to,
    import_folder,
    name_annotator,
    open_run,
    press,
    see_saved,
    see_standing,
    see_step,
)
from tests.browser.test_viewer import wait_for_verdicts

pytestmark = pytest.mark.browser


@pytest.fixture
def context(browser: Browser, dashboard: Dashboard, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """The browser of one person, who has a name of their own in each test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(WAIT)
    context.add_cookies([{"name": "codetracer_annotator", "value": request.node.name, "url": dashboard.url}])
    yield context
    context.close()


@pytest.fixture
def who(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


# --- back and forth -------------------------------------------------------------------------------------------


def test_nothing_is_sent_as_a_reference_that_the_browser_may_have_forgotten(
    context: BrowserContext, dashboard: Dashboard
) -> None:
    """Else, going back on a busy machine, a page may show Streamlit's "Cached ForwardMsg MISS" and nothing else."""
    page = context.new_page()
    kinds: list[tuple[str | None, int]] = []

    def hear(frame: bytes | str) -> None:
        assert isinstance(frame, bytes)
        kinds.append((ForwardMsg.FromString(frame).WhichOneof("type"), len(frame)))

    page.on("websocket", lambda socket: socket.on("framereceived", hear))
    page.goto(dashboard.url)
    library = page.locator(".row").first
    expect(library).to_be_visible()
    page.get_by_role("link", name="Agreement").first.click()
    agreement = page.get_by_role("radiogroup", name="Reading")
    expect(agreement).to_be_visible()
    for _ in range(2):
        page.go_back()
        expect(library).to_be_visible()
        page.go_forward()
        expect(agreement).to_be_visible()
    assert max(size for _, size in kinds) > 10_000  # what Streamlit would keep of its own accord
    assert "delta" in {kind for kind, _ in kinds}
    assert "ref_hash" not in {kind for kind, _ in kinds}


def test_what_a_page_asks_after_it_was_left_does_not_empty_the_next_one(
    context: BrowserContext, dashboard: Dashboard
) -> None:
    """On a busy machine a page stands for seconds after the press that leaves it, and its parts go on asking."""
    page = context.new_page()
    open_run(page, dashboard, dashboard.runs["long"], step=60)
    see_standing(page)
    run = dashboard.runs["long"]
    for name, words in (("Library", "runs"), ("Agreement", "Text in task or run")):
        page.get_by_role("link", name=name).first.evaluate(
            """(link, run) => {
              link.click();
              for (let request = 1; request < 4; request++)
                window.codetracerPipes.text.send({ run, request: 1000 + request, steps: [200 + request] });
            }""",
            run,
        )
        see_standing(page)
        expect(page.locator(".stMain")).to_contain_text(words)
        open_run(page, dashboard, run, step=60)
        see_standing(page)


# --- two tabs -------------------------------------------------------------------------------------------------


def test_two_tabs_of_one_person_share_their_labels(context: BrowserContext, dashboard: Dashboard, who: str) -> None:
    run = dashboard.runs["long"]
    first, second = context.new_page(), context.new_page()
    open_run(first, dashboard, run, step=10)
    open_run(second, dashboard, run, step=10)
    press(first, "1", "j", "2", "j", "3")
    see_saved(first)
    press(second, "End", "4", "k", "2", "Home", "g")
    second.keyboard.type("10")
    press(second, "Enter")
    see_step(second, 10)
    press(second, "3")
    see_saved(second)
    # The second tab was last on step 10, and by now it has heard of what the first one did.
    for step, verdict in {10: "unuseful", 11: "incorrect", 12: "unuseful"}.items():
        expect(second.locator(f"#step-{step} .dot.{verdict}")).to_be_visible()
    press(first, "j", "1")
    see_saved(first)
    expect(first.locator("#step-10 .dot.unuseful")).to_be_visible()
    expected = {
        10: "unuseful",
        11: "incorrect",
        12: "unuseful",
        13: "correct",
        LONG - 1: "incorrect",
        LONG: "uncertain",
    }
    assert wait_for_verdicts(first, dashboard, "long", who, 6) == expected


def test_a_tab_delivers_what_a_closed_tab_left_behind(context: BrowserContext, dashboard: Dashboard, who: str) -> None:
    first = context.new_page()
    open_run(first, dashboard, dashboard.runs["long"], step=20)
    waiting = """{"sequence": 1, "run": "%s", "step": 21, "field": "verdict", "value": "incorrect", "annotator": "%s",
                  "at": "2026-01-01T00:00:00.000Z"}""" % (dashboard.runs["long"], who)  # noqa: UP031
    first.evaluate("ops => localStorage.setItem('codetracer.outbox.closed-tab', `[${ops}]`)", waiting)
    first.close()
    second = context.new_page()
    open_run(second, dashboard, dashboard.runs["long"], step=20)
    see_saved(second)
    expect(second.locator("#step-21 .dot.incorrect")).to_be_visible()
    left = "Object.keys(localStorage).filter((name) => name.includes('outbox'))"
    comes_to(second, lambda: second.evaluate(left), [])
    assert wait_for_verdicts(second, dashboard, "long", who, 1) == {21: "incorrect"}


def test_a_tab_does_not_throw_away_what_another_tab_has_not_sent_yet(
    context: BrowserContext, dashboard: Dashboard, who: str
) -> None:
    """A tab finds one waiting label of another tab and delivers it; meanwhile the other tab has a second one."""
    page = context.new_page()
    held: list[tuple[WebSocketRoute, str | bytes]] = []
    holding = True

    def through(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def on_message(message: str | bytes) -> None:
            if isinstance(message, bytes) and b"other-tab" in message and holding:
                held.append((server, message))
            else:
                server.send(message)

        socket.on_message(on_message)

    page.route_web_socket("**/_stcore/stream", through)
    op = {"run": dashboard.runs["long"], "field": "verdict", "value": "correct", "annotator": who}
    op["at"] = "2026-01-01T00:00:00.000Z"
    first, second = op | {"sequence": 1, "step": 30}, op | {"sequence": 2, "step": 31}
    save = "ops => localStorage.setItem('codetracer.outbox.other-tab', JSON.stringify(ops))"
    page.goto(f"{dashboard.url}/_stcore/health")
    page.evaluate(save, [first])
    page.goto(f"{dashboard.url}/trajectory?traj={dashboard.runs['long']}&step=20")
    while not held:
        page.wait_for_timeout(50)
    page.evaluate(save, [first, second])
    holding = False
    for server, message in held:
        server.send(message)
    see_step(page, 20)
    see_saved(page)
    comes_to(page, lambda: json.loads(page.evaluate("localStorage.getItem('codetracer.outbox.other-tab')")), [second])


# --- from run to run ------------------------------------------------------------------------------------------


def test_nothing_of_one_run_shows_up_in_the_next(
    context: BrowserContext, dashboard: Dashboard, tmp_path: Path, who: str
) -> None:
    for name in ("alpha", "bravo"):
        write_run(tmp_path / who / name, 40, 2_000, name=name)
        steps = tmp_path / who / name / "steps.json"
        steps.write_text(steps.read_text().replace("observation of step", f"{name} observation of step"))
    page = context.new_page()
    import_folder(page, dashboard, tmp_path / who)
    expect(page.get_by_text("2 imported")).to_be_visible()
    for round_ in range(3):
        for name, other in (("alpha", "bravo"), ("bravo", "alpha")):
            page.locator(".query").fill(f"{name} ")
            expect(page.locator(".row")).to_have_count(1)
            page.locator(".row").click()
            page.wait_for_selector(".row.step")  # the viewer is there to be pressed
            press(page, "Home", *["j"] * 4)  # long before the text is there
            see_step(page, 5)
            expect(page.locator(".part.observation")).to_contain_text(f"{name} observation of step 5")
            assert other not in page.locator(".viewer").inner_text()
            if round_ == 0:
                expect(page.locator(".row .dot")).to_have_count(0)
                press(page, "1" if name == "alpha" else "2")
            else:
                mine, theirs = ("correct", "incorrect") if name == "alpha" else ("incorrect", "correct")
                expect(page.locator(f"#step-5 .dot.{mine}")).to_be_visible()
                expect(page.locator(f".row .dot.{theirs}")).to_have_count(0)
            if round_ == 1:
                press(page, "/")
                page.keyboard.type(name)  # a search on its way when the run is left
            page.get_by_role("link", name="Library").click()
            expect(page.locator(".table")).to_be_visible()


def test_a_label_pressed_right_before_leaving_the_run_is_stored(
    context: BrowserContext, dashboard: Dashboard, who: str
) -> None:
    page = context.new_page()
    open_run(page, dashboard, dashboard.runs["long"], step=70)
    press(page, "2", "j", "3")
    page.get_by_role("link", name="Library").click()
    expect(page.locator(".table")).to_be_visible()
    assert wait_for_verdicts(page, dashboard, "long", who, 2) == {70: "incorrect", 71: "unuseful"}


def test_keys_do_nothing_where_no_step_is_shown(context: BrowserContext, dashboard: Dashboard, who: str) -> None:
    page = context.new_page()
    open_run(page, dashboard, dashboard.runs["long"], step=80)
    page.get_by_role("link", name="Library").click()
    expect(page.locator(".table")).to_be_visible()
    press(page, "1", "2", "j", "3", "4", "0")
    open_run(page, dashboard, dashboard.runs["long"], step=80)
    page.get_by_role("tab", name="Overview").click()
    expect(page.locator(".scatterlayer .points path").first).to_be_visible()
    press(page, "1", "j", "2")
    page.get_by_role("tab", name="Steps").click()
    see_step(page, 80)
    expect(page.locator(".title")).to_have_text(f"Step 80 of {LONG}")
    expect(page.locator(".row .dot")).to_have_count(0)
    press(page, "4")
    see_saved(page)
    assert wait_for_verdicts(page, dashboard, "long", who, 1) == {80: "uncertain"}


# --- reload, connection, server -------------------------------------------------------------------------------


def test_a_label_pressed_right_before_reload_is_not_lost(
    context: BrowserContext, dashboard: Dashboard, who: str
) -> None:
    page = context.new_page()
    open_run(page, dashboard, dashboard.runs["long"], step=90)
    press(page, "1", "j", "2", "j", "3")
    page.reload()
    see_step(page, 92)
    see_saved(page)
    assert wait_for_verdicts(page, dashboard, "long", who, 3) == {90: "correct", 91: "incorrect", 92: "unuseful"}


def test_labels_pressed_without_a_connection_arrive_when_it_is_back(
    context: BrowserContext, dashboard: Dashboard, who: str
) -> None:
    page = context.new_page()
    down = False
    sockets: list[WebSocketRoute] = []

    def through(socket: WebSocketRoute) -> None:
        if down:
            socket.close()
            return
        socket.connect_to_server()
        sockets.append(socket)

    page.route_web_socket("**/_stcore/stream", through)
    open_run(page, dashboard, dashboard.runs["long"], step=100)
    see_saved(page)
    down = True
    context.set_offline(True)
    for socket in sockets:
        socket.close()
    press(page, "1", "j", "2", "j", "3")
    expect(page.locator(".saved")).to_have_text("saving 3 …")
    see_step(page, 102)
    page.wait_for_timeout(1_500)
    press(page, "j", "4")
    expect(page.locator(".saved")).to_have_text("saving 4 …")
    down = False
    context.set_offline(False)
    see_saved(page)
    expected = {100: "correct", 101: "incorrect", 102: "unuseful", 103: "uncertain"}
    assert wait_for_verdicts(page, dashboard, "long", who, 4) == expected
    press(page, *["j"] * 60)
    see_step(page, 163)


def test_an_import_outlives_its_page_and_can_be_cancelled(page: Page, tmp_path: Path) -> None:
    for number in range(200):
        write_run(tmp_path / "first" / f"first-{number}", 30, 100, name=str(number))
        steps = tmp_path / "first" / f"first-{number}" / "steps.json"
        steps.write_text(steps.read_text().replace("observation of", f"{number}: observation of"))
    write_run(tmp_path / "second" / "0", 300, 4_000, name="large")
    for number in range(1, 1_500):  # one run again and again: it takes its time to be read, and nothing to be stored
        (tmp_path / "second" / str(number)).mkdir()
        (tmp_path / "second" / str(number) / "steps.json").hardlink_to(tmp_path / "second" / "0" / "steps.json")
    own = Dashboard(tmp_path / "workspace")
    own.start()
    whole = "200 imported · 0 skipped · 0 misaligned · 0 failed"
    try:
        import_folder(page, own, tmp_path / "first")
        expect(page.locator(".progress").or_(page.get_by_text(whole))).to_be_visible()  # on a fast machine it is over
        page.reload()
        expect(page.get_by_text(whole)).to_be_visible()
        page.locator(".query").fill("first-")
        expect(page.locator(".count")).to_contain_text("200 of")

        page.get_by_label("Folder, file or archive on this machine").fill(str(tmp_path / "second"))
        page.get_by_role("button", name="Import from path").click()
        expect(page.locator(".job").first).to_contain_text("of 1,500 read")
        page.get_by_role("button", name="Cancel").hover()
        page.mouse.down()
        page.wait_for_timeout(1_500)  # long enough for the list to be told anew, under the hand
        page.mouse.up()
        expect(page.get_by_text("runs were read. The first that was not is")).to_be_visible()
        expect(page.get_by_text(whole)).to_have_count(0)
        stopped = page.url
        page.get_by_role("button", name=str(tmp_path / "first")).click()
        expect(page.get_by_text(whole)).to_be_visible()

        assert own.process is not None
        own.process.send_signal(signal.SIGINT)
        assert own.process.wait(timeout=120) == 0
        own.start()
        page.goto(stopped)
        expect(page.get_by_text("runs were read. The first that was not is")).to_be_visible()
    finally:
        own.kill()


def test_a_dashboard_that_is_stopped_leaves_its_workspace_whole_and_may_come_back(
    browser: Browser, tmp_path: Path
) -> None:
    write_run(tmp_path / "runs" / "short", 60, 30_000, name="short")
    own = Dashboard(tmp_path / "workspace")
    assert cli("import", str(tmp_path / "runs"), workspace=own.workspace).returncode == 0
    own.start()
    page = browser.new_page()
    try:
        page.goto(own.url)
        page.locator(".row").click()
        see_step(page, 1)
        press(page, "2")
        name_annotator(page, "Last words")
        see_saved(page)
        assert own.process is not None
        own.process.send_signal(signal.SIGINT)
        assert own.process.wait(timeout=120) == 0
        assert (tmp_path / "dashboard.log").read_text().endswith("The dashboard is closed; everything is saved.\n")
        assert not (own.workspace / "owner.json").exists()
        assert not list(own.workspace.glob("*.wal"))
        with Store.open(own.workspace) as store:
            assert [(label.step_id, label.value) for label in store.labels(source="human")] == [(1, "incorrect")]
        # Streamlit tells it after some tries, in a dialog that takes the keyboard.
        expect(page.get_by_role("dialog")).to_contain_text("Connection error", timeout=60_000)
        press(page, "Escape")
        page.locator("#step-2").click()
        press(page, "3")
        expect(page.locator(".saved")).to_have_text("saving 1 …")
        # The same page goes on with the new server, where nobody remembers its session.
        own.start()
        see_saved(page)
        press(page, "End")
        see_step(page, 60)
        press(page, "1")
        see_saved(page)
        own.process.send_signal(signal.SIGTERM)
        own.process.wait(timeout=120)
        with Store.open(own.workspace) as store:
            labels = {label.step_id: label.value for label in store.labels(source="human")}
        assert labels == {1: "incorrect", 2: "unuseful", 60: "correct"}
    finally:
        page.close()
        own.kill()
