"""The diagnose page in a real browser, in front of a real dashboard that asks a real model server on loopback."""

import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from codetracer_core.diagnosis_models import HEURISTIC, ChainLink, Diagnosis
from codetracer_core.models import RunRecord
from codetracer_core.projects import Project
from codetracer_core.store import Store
from tests.browser.conftest import Dashboard
from tests.browser.steps import person, press, received, see_in_store, see_model_known, see_step
from tests.diagnosis.made_up import broken_run
from tests.model_server import UNKNOWN_MODEL, Asked, Behaviour, Call, Hang, ModelServer, Say
from tests.store.factory import NOON, decide, make_run, make_step
from tests.ui.diagnoses import finding, invented, make_diagnosis, quote

pytestmark = pytest.mark.browser

KEY = "sk-planted-key-of-the-server"
MODEL = "openai/scripted"
READS = Say("I look at the edit first.", calls=(Call("read_steps", {"steps": [1, 2]}),), usage=(1_500, 40))
THINKS = Say("planted-thought: the sign is still wrong.", calls=(Call("read_steps", {"steps": [3, 4]}),))
ANSWER = {
    "case_for_clean_run": "Every command ran.",
    "conclusion": "error_found",
    "summary": "It renames the function and leaves the wrong sign as it is.",
    "onset": [{"step_id": 2, "reasoning": "Renames.", "evidence": [{"step_id": 2, "quote": "s/add/plus/"}]}],
    "findings": [
        {
            "step_id": 2,
            "verdict": "incorrect",
            "reasoning": "The sign was wrong, not the name.",
            "evidence": [{"step_id": 2, "quote": "s/add/plus/"}],
            "correct_alternative": "Turn the minus into a plus.",
        }
    ],
    "error_chain": [
        {"step_id": 2, "what": "renamed", "evidence": [{"step_id": 2, "quote": "s/add/plus/"}]},
        {"step_id": 4, "what": "still fails", "follows_from": [2], "evidence": [{"step_id": 4, "quote": "1 failed"}]},
    ],
}
SUBMITS = Say(calls=(Call("submit_diagnosis", ANSWER),), usage=(2_000, 300))


@dataclass
class Gate:
    """A model that waits before its third answer until the test lets it go on."""

    opened: threading.Event = field(default_factory=threading.Event)
    third: Behaviour = SUBMITS

    def __call__(self, asked: Asked) -> Behaviour:
        answers = sum(message["role"] == "assistant" for message in asked.messages)
        if answers < 2:
            return (READS, THINKS)[answers]
        if answers == 2 and not isinstance(self.third, Hang):
            assert self.opened.wait(60)
        return self.third


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def server(gate: Gate) -> Iterator[ModelServer]:
    with ModelServer(gate) as server:
        yield server
        gate.opened.set()


def record(run_id: str = "broken") -> RunRecord:
    return RunRecord(run_id=run_id, trajectory=broken_run(), origin=f"runs/{run_id}", evidence_hash=run_id)


@pytest.fixture
def prepared(
    tmp_path: Path, browser: Browser, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Dashboard]:
    """Two runs in a workspace whose settings name the model server. Not started yet."""
    monkeypatch.setenv("CODETRACER_MODEL", MODEL)
    monkeypatch.setenv("CODETRACER_API_BASE", server.url)
    monkeypatch.setenv("CODETRACER_API_KEY", KEY)
    running = Dashboard(tmp_path / "workspace")
    runs = [record(), record("second")]
    with Store.open(running.workspace) as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs])
    yield running
    running.kill()


@pytest.fixture
def office(prepared: Dashboard) -> Dashboard:
    prepared.start()
    return prepared


@pytest.fixture
def ada(browser: Browser, office: Dashboard) -> Iterator[BrowserContext]:
    context = person(browser, office, "Ada")
    yield context
    context.close()


def diagnose_page(context: BrowserContext, office: Dashboard, run_id: str = "broken", **query: str) -> Page:
    page = context.new_page()
    asked = "".join(f"&{name}={value}" for name, value in query.items())
    page.goto(f"{office.url}/diagnose?traj={run_id}{asked}")
    return page


def order(page: Page) -> None:
    """Have the run diagnosed by the model of the settings."""
    see_model_known(page)
    page.get_by_role("button", name="Diagnose", exact=True).click()


def stored(office: Dashboard, run_id: str = "broken") -> list[Diagnosis]:
    """The diagnoses of a run, newest first, as another process reads them."""
    with Store.open_for_reading(office.workspace) as reader:
        return [reader.diagnosis(one.diagnosis_id) for one in reader.diagnoses([run_id])]


def see_highlighted(page: Page, words: str) -> None:
    """These words, and nothing else, are highlighted in the step; and they are in view."""
    page.wait_for_function(
        """(words) => {
            const [range] = CSS.highlights.get("codetracer-quote-now") ?? [];
            if (!range || range.toString() !== words) return false;
            const { top, bottom } = range.getBoundingClientRect();
            return top >= 0 && bottom <= window.innerHeight;
        }""",
        arg=words,
    )


# --- under way ------------------------------------------------------------------------------------------------


def test_a_diagnosis_is_watched_from_two_sessions_and_survives_reload_and_other_pages(
    browser: Browser, office: Dashboard, ada: BrowserContext, gate: Gate, server: ModelServer
) -> None:
    page = diagnose_page(ada, office)
    heard = received(page)
    page.get_by_text("This run has not been diagnosed yet").wait_for()
    order(page)
    log = page.get_by_label("What it reads and thinks")
    expect(log).to_contain_text("planted-thought: the sign is still wrong.")
    expect(log.get_by_role("link", name="1", exact=True)).to_have_attribute("href", "/trajectory?traj=broken&step=1")
    expect(page.locator(".jobs .line")).to_contain_text("2 calls")

    page.reload()
    expect(log).to_contain_text("planted-thought")
    ben = person(browser, office, "Ben")
    other = diagnose_page(ben, office)
    expect(other.get_by_label("What it reads and thinks")).to_contain_text("planted-thought")
    log.get_by_role("link", name="2", exact=True).click()
    page.wait_for_url("**/trajectory?traj=broken&step=2")
    see_step(page, 2)
    page.get_by_role("link", name="Diagnose").last.click()
    expect(log).to_contain_text("planted-thought")
    page.get_by_role("link", name="Library").click()
    page.get_by_role("row", name="fix-add").first.wait_for()
    page.go_back()
    expect(log).to_contain_text("planted-thought")

    gate.opened.set()
    for watching in (page, other):
        expect(watching.get_by_role("heading", name="Error found: off track at step 2")).to_be_visible()
        expect(watching.locator(".report")).to_contain_text("It renames the function")
    ben.close()
    (diagnosis,) = see_in_store(page, lambda: stored(office), len)
    assert (diagnosis.status, diagnosis.model) == ("complete", MODEL)
    assert {asked.key for asked in server.requests} == {KEY}
    page.get_by_text("How it was made").click()
    page.locator(".transcript").wait_for()
    expect(page.locator(".transcript")).to_contain_text("planted-thought")
    assert KEY.encode() not in heard
    assert KEY not in (office.workspace.parent / "dashboard.log").read_text()


def test_cancelling_a_silent_model_keeps_what_there_is(office: Dashboard, ada: BrowserContext, gate: Gate) -> None:
    gate.third = Hang()
    page = diagnose_page(ada, office)
    order(page)
    expect(page.get_by_label("What it reads and thinks")).to_contain_text("planted-thought")
    page.get_by_role("button", name="Cancel").click()
    status = page.locator(".report .status")
    expect(status).to_have_text("cancelled")
    (diagnosis,) = see_in_store(page, lambda: stored(office), len)
    assert diagnosis.status == "cancelled"
    assert set(diagnosis.read_steps) >= {1, 2, 3, 4}
    assert diagnosis.total_usage.calls == 2


def test_a_server_that_is_stopped_keeps_what_its_diagnoses_have(
    office: Dashboard, ada: BrowserContext, gate: Gate
) -> None:
    gate.third = Hang()
    page = diagnose_page(ada, office)
    order(page)
    expect(page.get_by_label("What it reads and thinks")).to_contain_text("planted-thought")
    assert office.process is not None
    office.process.send_signal(signal.SIGTERM)
    office.process.wait(120)
    assert [one.status for one in stored(office)] == ["cancelled"]


def test_only_who_started_a_job_or_leads_can_cancel_it(
    browser: Browser, office: Dashboard, ada: BrowserContext, gate: Gate
) -> None:
    (office.workspace / "people.toml").write_text(
        '[people]\nAda = ["adjudicator"]\nRita = ["reader"]\nLea = ["lead"]\n'
    )
    page = diagnose_page(ada, office)
    order(page)
    page.get_by_role("button", name="Cancel").wait_for()
    for name, may in (("Rita", False), ("Lea", True)):
        context = person(browser, office, name)
        other = diagnose_page(context, office)
        other.locator(".job").wait_for()
        expect(other.get_by_role("button", name="Cancel")).to_have_count(int(may))
        context.close()
    gate.opened.set()


def test_a_model_that_refuses_is_told_in_words(office: Dashboard, ada: BrowserContext, gate: Gate) -> None:
    gate.third = UNKNOWN_MODEL
    gate.opened.set()
    page = diagnose_page(ada, office)
    order(page)
    expect(page.get_by_text("does not exist").first).to_be_visible()


def test_many_runs_are_diagnosed_as_one_job(office: Dashboard, ada: BrowserContext, gate: Gate) -> None:
    page = ada.new_page()
    page.goto(f"{office.url}/diagnose")
    page.get_by_text("Diagnose many runs").click()
    page.get_by_role("button", name="Diagnose 2 runs").click()
    job = page.locator(".job")
    expect(job).to_contain_text("0 of 2 runs")
    expect(job.get_by_role("button", name="fix-add")).to_have_count(2)
    assert "planted-thought" not in page.locator(".jobs").inner_text(), "what it thinks is told on the run's page"
    gate.opened.set()
    expect(job.locator(".state.complete")).to_have_count(2)
    expect(page.locator(".diagnoses tbody tr")).to_have_count(2)
    page.get_by_text("Diagnose many runs").click()
    expect(page.get_by_text("0 runs of the table")).to_be_visible()
    assert len(see_in_store(page, lambda: [*stored(office), *stored(office, "second")], lambda all: len(all) == 2)) == 2


# --- the report -----------------------------------------------------------------------------------------------

HOSTILE = (
    '<img src="http://127.0.0.1:9/x.png" onerror="window.hacked=1"> **bold** [a](javascript:alert(1)) :material/x:'
)
LONG_ACTION = f"grep -rn {'needle' * 40} src"
FAR = "the one line that matters"


@pytest.fixture
def gallery(tmp_path: Path, browser: Browser) -> Iterator[Dashboard]:
    """Finished diagnoses by hand: one of a run with a long observation, one whose every word is hostile."""
    running = Dashboard(tmp_path / "workspace")
    long = "\n".join(f"{HOSTILE[:40]} line {n}" for n in range(3_000))
    at = long.index("line 2500")
    observation = f"{long[:at]}{FAR} {long[at:]}"
    steps = [make_step(1), make_step(2), make_step(3, action=LONG_ACTION, observation=observation)]
    steps += [make_step(number) for number in range(4, 8)]
    runs = [make_run("long", steps), make_run("hostile", 6, task=HOSTILE)]
    with Store.open(running.workspace) as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        one, other = (run.trajectory for run in runs)
        far = finding(3, [quote(one, 3, FAR)])
        store.add_diagnosis(make_diagnosis(one, "long", findings=(far,)), ())
        said = dict.fromkeys(("summary", "case_for_clean_run", "correct_strategy", "status_reason"), HOSTILE)
        hostile = make_diagnosis(
            other,
            "hostile",
            **said,
            status="partial",
            model=f"openai/{HOSTILE}",
            findings=(
                finding(2, [quote(other, 2, "output")], reasoning=HOSTILE, correct_alternative=HOSTILE),
                finding(3, [invented(3, HOSTILE)], reasoning=HOSTILE),
            ),
            error_chain=(ChainLink(step_id=2, what=HOSTILE), ChainLink(step_id=3, what=HOSTILE, follows_from=(2,))),
        )
        entry = {"sample": 1, "phase": HOSTILE, "kind": "message", "role": HOSTILE, "text": HOSTILE}
        store.add_diagnosis(hostile, [entry])
    running.start()
    yield running
    running.kill()


@pytest.fixture
def reader(browser: Browser, gallery: Dashboard) -> Iterator[BrowserContext]:
    context = person(browser, gallery, "Rita")
    yield context
    context.close()


def test_a_quote_opens_its_step_where_the_words_stand_also_beyond_what_is_fetched_at_first(
    gallery: Dashboard, reader: BrowserContext
) -> None:
    page = diagnose_page(reader, gallery, "long")
    page.locator(".card a.quote").click()
    page.wait_for_url("**/trajectory?traj=long&step=3&quote=observation*")
    see_highlighted(page, FAR)
    page.reload()
    see_step(page, 3)
    see_highlighted(page, FAR)
    press(page, "o")  # the observation is folded away
    page.reload()
    see_highlighted(page, FAR)
    press(page, "j")
    page.wait_for_url("**/trajectory?traj=long&step=4")
    page.go_back()
    page.locator(".report").wait_for()
    assert page.locator(".card a.quote").get_attribute("href") is not None


def test_nothing_that_a_model_says_becomes_a_part_of_the_page(gallery: Dashboard, reader: BrowserContext) -> None:
    page = diagnose_page(reader, gallery, "hostile")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    report = page.locator(".report")
    expect(report).to_contain_text(HOSTILE)
    page.get_by_text("How it was made").click()
    expect(page.locator(".transcript")).to_contain_text(HOSTILE)
    page.get_by_text("New diagnosis").click()
    page.get_by_role("combobox", name="Model").wait_for()
    page.goto(f"{gallery.url}/diagnose")
    page.locator(".diagnoses tbody tr").first.wait_for()
    assert not page.evaluate("window.hacked")
    assert [url for url in asked if ":9/" in url] == []
    assert page.evaluate("document.querySelectorAll('img[src*=\":9/\"]').length") == 0


def test_a_narrow_page_holds_the_whole_report(gallery: Dashboard, reader: BrowserContext) -> None:
    page = diagnose_page(reader, gallery, "long")
    page.locator(".report .card").first.wait_for()
    page.set_viewport_size({"width": 640, "height": 800})  # 1280 pixels at 200 %
    expect(page.locator(".report")).to_have_css("width", re.compile(r"^[1-6]\d\d(\.|px)"))
    beyond = page.locator(".report *").evaluate_all(
        "(all) => all.filter((e) => e.getBoundingClientRect().right > 640.5).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert beyond == []


def test_what_is_not_there_is_told_in_words(gallery: Dashboard, reader: BrowserContext) -> None:
    page = diagnose_page(reader, gallery, "no-such-run")
    page.get_by_text("no-such-run").wait_for()
    page.goto(f"{gallery.url}/diagnose?traj=long&diagnosis={'f' * 32}")
    page.get_by_text("no such diagnosis").wait_for()


def test_the_heuristic_answers_without_a_key_in_one_press(gallery: Dashboard, reader: BrowserContext) -> None:
    page = diagnose_page(reader, gallery, "long")
    page.get_by_text("New diagnosis").click()
    page.get_by_role("button", name="Diagnose", exact=True).click()
    expect(page.locator(".report .made")).to_have_text("heuristic · offline rules, no language model")
    rows = page.locator(".diagnoses tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_have_class("current")
    rows.nth(1).click()
    expect(page.locator(".report .made")).to_contain_text("openai/scripted")
    page.reload()
    expect(page.locator(".report .made")).to_contain_text("openai/scripted")
    both = see_in_store(page, lambda: stored(gallery, "long"), lambda found: len(found) == 2)
    assert [one.model for one in both] == [HEURISTIC, MODEL]


def card(page: Page, step: int) -> Locator:
    return page.locator(".card", has=page.get_by_role("link", name=f"Step {step}", exact=True))


def adjudicated(office: Dashboard, run_id: str) -> dict[tuple[int | None, str], Any]:
    with Store.open_for_reading(office.workspace) as store:
        return {(one.step_id, one.field): one.value for one in store.labels(run_id, source="adjudicated")}


def test_labels_are_accepted_corrected_rejected_and_taken_back_by_keyboard(tmp_path: Path, browser: Browser) -> None:
    office = Dashboard(tmp_path / "workspace")
    run = make_run("run-1", 6)
    with Store.open(office.workspace) as store:
        store.add_runs([run], decisions=[decide(run)])
        several = [finding(step, [quote(run.trajectory, step, "output")]) for step in (1, 2, 3)]
        store.add_diagnosis(make_diagnosis(run.trajectory, "run-1", findings=several), ())
    office.start()
    context = person(browser, office, "Cora")
    page = diagnose_page(context, office, "run-1")
    author = "openai/scripted (agent)"
    card(page, 1).focus()
    press(page, "a")
    expect(card(page, 1)).to_contain_text("Accepted")
    card(page, 2).focus()
    press(page, "x")
    expect(card(page, 2)).to_contain_text("Rejected")
    card(page, 3).focus()
    press(page, "c")
    page.get_by_label("Verdict on step 3", exact=True).select_option("unuseful")
    page.get_by_label("Reason for the verdict on step 3").fill("it had been read before")
    press(page, "Enter")
    expect(card(page, 3)).to_contain_text("Corrected: it had been read before")
    page.get_by_role("button", name="Accept this conclusion").click()
    expect(page.locator(".headline")).to_contain_text("Accepted")
    page.locator(".onsets .best").get_by_role("button", name="Accept").click()
    expect(page.locator(".onsets .best")).to_contain_text("Accepted")

    said = see_in_store(page, lambda: adjudicated(office, "run-1"), lambda said: (None, "onset") in said)
    assert [said[step, "verdict"] for step in (1, 2, 3)] == ["incorrect", "correct", "unuseful"]
    assert [said[step, "basis"] for step in (1, 2, 3)] == [
        {"taken": taken, "positions": {author: "incorrect"}} for taken in (author, "new", "new")
    ]
    assert said[3, "details"] == {"reason": "it had been read before"}
    assert said[1, "details"]["reason"] == "reason of step 1"
    assert (said[None, "run_verdict"], said[None, "onset"]) == ("has_error", 2)
    with Store.open_for_reading(office.workspace) as store:
        assert {one.exposure for one in store.labels("run-1", source="adjudicated")} == {"model"}

    page.reload()
    expect(card(page, 3)).to_contain_text("Corrected: it had been read before")
    card(page, 1).focus()
    press(page, "u")
    expect(card(page, 1).get_by_role("button", name="Accept")).to_be_visible()
    card(page, 2).get_by_role("button", name="Undo").click()
    see_in_store(page, lambda: {step for step, _ in adjudicated(office, "run-1")}, lambda steps: steps == {3, None})
    context.close()
    office.kill()


# --- who must not see it --------------------------------------------------------------------------------------

MARKS = ("planted-thought", "planted-summary", "planted-reason", "off track", "planted-model")


def test_nothing_of_a_diagnosis_reaches_who_labels_the_run_blind(
    browser: Browser, prepared: Dashboard, gate: Gate
) -> None:
    office = prepared
    with Store.open(office.workspace) as store:
        run = store.load_run("broken").trajectory
        planted = finding(2, [quote(run, 2, "sed", "action")], reasoning="planted-reason")
        diagnosis = make_diagnosis(run, "broken", model="planted-model", summary="planted-summary", findings=(planted,))
        store.add_diagnosis(diagnosis, ())
        store.create_project(Project(project_id="pilot", annotators=("Blinda",), created_at=NOON), ["broken", "second"])
    office.start()
    ada = person(browser, office, "Ada")
    page = diagnose_page(ada, office, "second")
    order(page)
    expect(page.get_by_label("What it reads and thinks")).to_contain_text("planted-thought")

    blind = person(browser, office, "Blinda")
    theirs = blind.new_page()
    heard = received(theirs)
    for address in ("traj=broken", f"traj=broken&diagnosis={diagnosis.diagnosis_id}", "traj=second"):
        theirs.goto(f"{office.url}/diagnose?{address}")
        theirs.get_by_text("labels this run blind").wait_for()
    theirs.goto(f"{office.url}/diagnose")
    theirs.get_by_text("No run has been diagnosed yet").wait_for()
    theirs.get_by_text("Diagnose many runs").click()
    theirs.get_by_role("combobox", name="Model").wait_for()
    expect(theirs.locator(".job")).to_have_count(0)
    theirs.goto(f"{office.url}/settings")
    theirs.get_by_text("Memory").click()
    theirs.get_by_text("switched on").wait_for()
    theirs.goto(f"{office.url}/trajectory?traj=broken&step=2")
    see_step(theirs, 2)
    press(theirs, "M")
    expect(theirs.locator(".saved")).to_contain_text("hidden from you until you have submitted")
    expect(theirs.get_by_role("link", name="Diagnose")).to_have_count(1)  # only that of the menu
    # A tampered browser: what the page's own channel would take, through a channel that is there.
    ops = [
        {
            "sequence": 1,
            "run": "broken",
            "step": 2,
            "field": "verdict",
            "value": "incorrect",
            "annotator": "Blinda",
            "diagnosis": diagnosis.diagnosis_id,
            "at": "2026-03-01T12:00:00.000Z",
        }
    ]
    message = {"run": "broken", "annotator": "Blinda", "attempt": 1, "batches": [{"client": "tampered", "ops": ops}]}
    theirs.evaluate("(message) => window.codetracerPipes.outbox.send(message)", message)
    theirs.wait_for_timeout(500)
    assert len(heard) > 10_000
    assert [mark for mark in MARKS if mark.encode() in heard] == []
    assert adjudicated(office, "broken") == {}
    with Store.open_for_reading(office.workspace) as store:
        shown = [act for act in store.label_history("broken") if act.field == "shown" and act.annotator == "Blinda"]
    assert shown == []
    blind.close()
    ada.close()
    gate.opened.set()
