"""What the browser of a blind person receives, on every page: nothing of ground truth, models or other people."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, Request, WebSocket, expect

from codetracer_core.models import Stage
from codetracer_core.projects import Project
from codetracer_core.store import Store
from tests.browser.conftest import Dashboard
from tests.browser.steps import press, see_saved, see_step
from tests.store.factory import decide, make_label, make_run

pytestmark = pytest.mark.browser

RUN, OTHER = "secret-run", "other-run"
GROUND_TRUTH = ("planted-stage", "planted-benchmark", '"truth":{"2":"incorrect"')
MODELS = ("planted-model", "planted-model-reason")
PEERS = ("planted-peer-reason", "planted-outcome")
NAMES = ("planted-peer-name", "planted-adjudicator")
"""Planted in the workspace; names of people stay hidden for good."""


@pytest.fixture
def office(tmp_path: Path, browser: Browser) -> Iterator[Dashboard]:
    """A project in which a peer has submitted both runs, with labels of everybody that there can be."""
    running = Dashboard(tmp_path / "workspace")
    runs = [make_run(name, 4, record={"benchmark": {"difficulty": "easy"}}) for name in (RUN, OTHER)]
    with Store.open(running.workspace) as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        project = Project(project_id="pilot", annotators_per_run=2, created_at=datetime.now(UTC))
        store.create_project(project, [RUN, OTHER])
        for run_id in (RUN, OTHER):
            store.claim_next("pilot", "planted-peer-name")
            _plant(store, run_id)
            store.submit("pilot", run_id, "planted-peer-name")
    running.start()
    yield running
    running.kill()


def _plant(store: Store, run_id: str) -> None:
    stages = [Stage(stage_id=1, start_step_id=1, end_step_id=4, name="planted-stage").model_dump()]
    said: list[tuple[str, str, int | None, str, Any]] = [
        ("ground_truth", "planted-benchmark", None, "stages", stages),
        ("ground_truth", "planted-benchmark", 2, "verdict", "incorrect"),
        ("model", "planted-model", 3, "verdict", "incorrect"),
        ("model", "planted-model", 3, "details", {"reason": "planted-model-reason"}),
        ("adjudicated", "planted-adjudicator", 3, "verdict", "unuseful"),
        ("adjudicated", "planted-adjudicator", 3, "details", {"reason": "planted-outcome"}),
    ]
    planted = [
        make_label(n, value, run_id=run_id, source=source, annotator=who, step_id=step, field=field, client=run_id)
        for n, (source, who, step, field, value) in enumerate(said, start=1)
    ]
    assert store.add_label_events(planted).refused == ()
    peer = [
        make_label(1, "unuseful", run_id=run_id, annotator="planted-peer-name", step_id=3, client=f"peer {run_id}"),
        make_label(
            2,
            {"reason": "planted-peer-reason"},
            run_id=run_id,
            annotator="planted-peer-name",
            step_id=3,
            field="details",
            client=f"peer {run_id}",
        ),
    ]
    assert store.add_human_labels(peer).refused == ()


class Received:
    """All that a page's browser gets from the server: frames of the websocket, bodies of answers, downloads."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frames: list[bytes] = []
        self.bodies: list[bytes] = []
        page.on("websocket", self._listen)
        page.on("requestfinished", self._keep)

    def _listen(self, socket: WebSocket) -> None:
        socket.on(
            "framereceived", lambda frame: self.frames.append(frame if isinstance(frame, bytes) else frame.encode())
        )

    def _keep(self, request: Request) -> None:
        answer = request.response()
        if answer is not None and answer.status == 200 and "/static/" not in request.url:
            with suppress(Error):  # the page was left before its body could be read
                self.bodies.append(answer.body())

    def holds(self, *words: str) -> set[str]:
        """Which of these words arrived; white space aside."""
        everything = b"".join([*self.frames, *self.bodies]).replace(b" ", b"")
        assert len(everything) > 10_000
        return {word for word in words if word.encode() in everything}


def _download(page: Page, name: str) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_nothing_leaks_to_a_blind_person_on_any_page(browser: Browser, office: Dashboard) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    context.add_cookies([{"name": "codetracer_annotator", "value": "Blinda", "url": office.url}])
    page = context.new_page()
    received = Received(page)
    secrets = (*GROUND_TRUTH, *MODELS, *PEERS, *NAMES)

    page.goto(f"{office.url}/library")
    page.get_by_role("row", name="task of secret-run").wait_for()
    expect(page.get_by_role("row", name="task of secret-run")).to_contain_text("unknown")
    page.goto(f"{office.url}/trajectory?traj={RUN}&step=3")
    see_step(page, 3)
    press(page, "r")
    expect(page.locator(".saved")).to_have_text("ground truth is hidden from you until you have submitted this run")
    press(page, "M")
    expect(page.locator(".saved")).to_have_text("what others say is hidden from you until you have submitted this run")
    page.get_by_role("tab", name="Overview").click()
    page.get_by_text("Stages from").wait_for()
    offline = _download(page, "This run as one HTML file")
    assert not [word for word in secrets if word in offline.replace(" ", "")]
    page.goto(f"{office.url}/adjudicate?project=pilot&traj={RUN}")
    page.wait_for_timeout(1500)
    page.goto(f"{office.url}/settings")
    page.get_by_text("Projects").first.wait_for()
    page.goto(f"{office.url}/annotate")
    see_step(page, 3)
    press(page, "r", "M", "k", "2")
    see_saved(page)
    assert received.holds(*GROUND_TRUTH, *MODELS, *PEERS, "planted-adjudicator") == set()

    press(page, "Control+Enter", "Control+Enter")
    page.wait_for_url(f"**traj={OTHER}*")
    see_step(page, 1)
    press(page, "<")
    page.wait_for_url(f"**traj={RUN}*")
    see_step(page, 2)
    assert received.holds('"truth":{"2":"incorrect"', *MODELS, *PEERS) == set(), "not asked for yet"
    press(page, "r")
    expect(page.locator(".facts")).to_contain_text("ground truth: incorrect")
    press(page, "M", "j")
    positions = page.get_by_label("What others say")
    expect(positions).to_contain_text("planted-peer-reason")
    expect(positions).to_contain_text("planted-model-reason")
    expect(positions).to_contain_text("planted-outcome")
    assert received.holds("planted-stage", '"truth":{"2":"incorrect"', *MODELS, *PEERS) == {
        "planted-stage",
        '"truth":{"2":"incorrect"',
        *MODELS,
        *PEERS,
    }
    press(page, ";")
    page.keyboard.type("the file was read before")
    press(page, "Enter")
    see_saved(page)
    press(page, "1")
    see_saved(page)
    page.reload()
    see_step(page, 3)
    assert received.holds("planted-adjudicator") == set()
    history = _history(page, office)
    context.close()
    shown = [label.value for label in history if label.field == "shown"]
    assert shown == ["ground_truth", "model", "peers"]
    exposures = {(label.field, label.step_id, label.pass_number): label.exposure for label in history}
    assert exposures["verdict", 2, 1] == "none"
    assert exposures["reply", 3, 2] == "ground_truth"
    assert exposures["verdict", 3, 2] == "ground_truth"


def _history(page: Page, office: Dashboard) -> list[Any]:
    """What this person did on the run, up to the last verdict, as another program reads it after a moment."""
    for _ in range(100):
        with Store.open_for_reading(office.workspace) as store:
            found = [label for label in store.label_history(RUN) if label.annotator == "Blinda"]
        if any((label.field, label.step_id) == ("verdict", 3) for label in found):
            break
        page.wait_for_timeout(100)
    return found
