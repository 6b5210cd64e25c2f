"""What the browser of a blind person receives, on every page: nothing of ground truth, models or other people."""

import json
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
from tests.browser.conftest import WAIT, Dashboard
from tests.browser.steps import press, see_in_store, see_saved, see_step
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
        project = Project(
            project_id="pilot",
            annotators_per_run=2,
            annotators=("Blinda", "planted-peer-name"),
            created_at=datetime.now(UTC),
        )
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
    context.set_default_timeout(WAIT)
    context.add_cookies([{"name": "codetracer_annotator", "value": "Blinda", "url": office.url}])
    page = context.new_page()
    received = Received(page)
    secrets = (*GROUND_TRUTH, *MODELS, *PEERS, *NAMES)

    page.goto(office.url)
    page.get_by_role("row", name="task of secret-run").wait_for()
    expect(page.get_by_role("row", name="task of secret-run")).to_contain_text("hidden")
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

    def read() -> list[Any]:
        with Store.open_for_reading(office.workspace) as store:
            return [label for label in store.label_history(RUN) if label.annotator == "Blinda"]

    return see_in_store(
        page, read, lambda found: any((label.field, label.step_id) == ("verdict", 3) for label in found)
    )


TAMPERED = """
const parse = JSON.parse;
JSON.parse = (text, ...more) => {
  const found = parse(text, ...more);
  if (found && typeof found === "object" && "isBlind" in found)
    Object.assign(found, { isBlind: false, hasTruth: true, hasOthers: true });
  return found;
};
"""
"""A browser that believes whoever sits there need not be blind."""

WRONG: list[Any] = [
    *(None, 5, "text", [], [1], {}, {"run": RUN}, {"run": [RUN]}, {"run": "\ud800"}),
    *({"run": RUN, "steps": steps} for steps in (5, "all", [None, "x", 1.5, 1e300, -1, 10**30], {"1": 2})),
    *({"run": RUN, "full": full} for full in ("x", [1], -1, 10**30, True)),
    *({"run": RUN, "query": query} for query in (5, ["a"], "\ud800", {"a": 1})),
    *({"run": RUN, "annotator": "Blinda", "batches": batches} for batches in (5, "b", [5])),
    ANSWERED := {"run": RUN, "annotator": "Blinda", "batches": [{}]},
    {"run": RUN, "annotator": "Blinda", "batches": [{"client": "c"}]},
    {"run": RUN, "annotator": "Blinda", "batches": [{"client": "\ud800", "ops": [5, None, {}, {"sequence": 1e300}]}]},
    *({"project": "pilot", "act": f"act {kind}", "kind": kind} for kind in ("open", "submit", "skip", "dance")),
    *({"project": "pilot", "act": f"a {n}", "kind": "submit", "target": t} for n, t in enumerate([5, "\ud800", "no"])),
    {"project": "pilot", "act": "b", "kind": "skip", "target": RUN, "reason": "\ud800"},
    {"project": "pilot", "act": ["c"], "kind": "submit", "target": RUN},
    {"project": "no-such-project", "act": "d", "kind": "submit", "target": RUN},
    {"project": "pilot", "act": "e", "kind": "open", "target": "somebody-else-s-run"},
]


def test_a_browser_that_was_tampered_with_learns_nothing_and_stops_nothing(browser: Browser, office: Dashboard) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(WAIT)
    context.add_cookies([{"name": "codetracer_annotator", "value": "Blinda", "url": office.url}])
    context.add_init_script(TAMPERED)
    page = context.new_page()
    received = Received(page)
    page.goto(f"{office.url}/annotate")
    see_step(page, 1)
    press(page, "r", "M")
    for channel in ("text", "find", "outbox", "queue"):
        for message in WRONG:
            script = "([channel, text]) => window.codetracerPipes[channel]?.send?.(JSON.parse(text))"
            page.evaluate(script, [channel, json.dumps(message)])
            page.wait_for_timeout(60)  # each on its own: later ones would replace it on its way
            if channel == "outbox" and message == ANSWERED:
                expect(page.locator(".saved")).to_contain_text("refused: ")
    expect(page.locator(".queuebar .place")).to_contain_text("Run 1 of 1 in pilot")
    expect(page.locator(".saved")).to_contain_text("refused: ")
    press(page, "j", "2", "j", "2")
    page.wait_for_selector('.viewer[data-waiting="0"]')
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert received.holds(*GROUND_TRUTH, *MODELS, *PEERS, *NAMES) == set()
    history = _history(page, office)
    context.close()
    assert {(label.step_id, label.exposure) for label in history if label.field == "verdict"} >= {(3, "none")}
    assert not [label for label in history if label.field == "shown"]
    with Store.open_for_reading(office.workspace) as store:
        assert [one.state for one in store.assignments("pilot", annotator="Blinda")] == ["in_progress"]


def test_who_takes_a_blind_person_s_name_in_front_of_the_ground_truth_is_known_to_have_seen_it(
    browser: Browser, office: Dashboard
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(WAIT)
    context.add_cookies([{"name": "codetracer_annotator", "value": "Onlooker", "url": office.url}])
    page = context.new_page()
    page.goto(f"{office.url}/trajectory?traj={RUN}&step=3")
    see_step(page, 3)
    expect(page.locator(".stagesfrom")).to_have_text("Stages: split offline")
    press(page, "r")
    expect(page.locator(".stagesfrom")).to_have_text("Stages: ground truth")
    page.get_by_role("button", name="Annotator").click()
    page.get_by_label("Your name").locator("input").fill("Blinda")
    press(page, "Enter")
    expect(page.locator(".stagesfrom")).to_have_text("Stages: split offline")
    press(page, "2")
    see_saved(page)
    history = _history(page, office)
    context.close()
    assert [(label.field, label.value, label.exposure) for label in history if label.field in ("shown", "verdict")] == [
        ("shown", "ground_truth", "none"),
        ("verdict", "incorrect", "ground_truth"),
    ]
