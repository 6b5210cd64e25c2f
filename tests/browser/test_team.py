"""A team at work: two annotators and an adjudicator at once, through a project of runs as agents left them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from codetracer_core.models import LabelEvent
from codetracer_core.store import Store
from tests.browser.conftest import WAIT, Dashboard, cli
from tests.browser.steps import person, press, received, see_in_store, see_saved, see_step
from tests.conftest import SAMPLE_DATA, real_data
from tests.store.factory import NOON

pytestmark = pytest.mark.browser

REAL_RUNS = "swe-agent"
ANN, BOB, CORA = "ann-of-the-team", "bob-of-the-team", "cora-of-the-team"
ANN_SAYS, BOB_SAYS, CORA_SAYS = "only Ann says this", "only Bob says this", "Cora weighs it otherwise"
TRUTH = "a stage that only the benchmark names"
LABEL = ("run_id", "step_id", "field", "value", "source", "annotator", "pass_number", "exposure", "client", "sequence")


@pytest.fixture
def office(tmp_path: Path, browser: Browser) -> Iterator[Dashboard]:
    """A dashboard on real runs where there are some, else the samples, with roles, a project and some ground truth."""
    running = Dashboard(tmp_path / "workspace")
    root = real / "trajectories" / REAL_RUNS if (real := real_data()) else SAMPLE_DATA / REAL_RUNS
    assert cli("import", str(root), workspace=running.workspace).returncode == 0
    (running.workspace / "people.toml").write_text(
        f'[people]\n"{ANN}" = ["annotator"]\n"{BOB}" = ["annotator"]\n"{CORA}" = ["adjudicator"]\n'
    )
    with Store.open(running.workspace) as store:
        runs = [run.run_id for run in store.runs() if run.step_count >= 4][:2]
        store.add_label_events([truth(run_id, at) for at, run_id in enumerate(runs, start=1)])
    assert len(runs) == 2
    chosen = [word for run_id in runs for word in ("--runs", run_id)]
    made = cli("project", "create", "pilot", *chosen, "--annotators", f"{ANN},{BOB}", workspace=running.workspace)
    assert made.returncode == 0, made.stderr
    running.runs = dict(zip(("first", "second"), runs, strict=True))
    running.start()
    yield running
    running.kill()


def truth(run_id: str, sequence: int) -> LabelEvent:
    stage = {"stage_id": 1, "start_step_id": 1, "end_step_id": 3, "name": TRUTH}
    return LabelEvent(
        run_id=run_id,
        field="stages",
        value=[stage],
        source="ground_truth",
        annotator="benchmark",
        client="truth",
        sequence=sequence,
        occurred_at=NOON,
    )


class Seat:
    """One person's browser, and all that the server sent to it."""

    def __init__(self, browser: Browser, office: Dashboard, name: str) -> None:
        self.context = person(browser, office, name)
        self.context.set_default_timeout(WAIT)
        self.page = self.context.new_page()
        self.heard = received(self.page)

    def has_heard(self, text: str) -> bool:
        return text.encode() in self.heard


def give_reason(page: Page, text: str) -> None:
    press(page, "c")
    page.keyboard.type(text)
    press(page, "Escape")


def see_opened(page: Page, run_id: str) -> None:
    page.wait_for_url(f"**traj={run_id}*")
    page.wait_for_selector(".viewer[data-shown]")


def wait_for_states(page: Page, office: Dashboard, states: dict[tuple[str, str], str]) -> None:

    def read() -> dict[tuple[str, str], str]:
        with Store.open_for_reading(office.workspace) as store:
            return {(one.run_id, one.annotator): one.state for one in store.assignments("pilot")}

    see_in_store(page, read, lambda found: found == states)


def labels_of(workspace: Path, *fields: str) -> dict[tuple[Any, ...], Any]:
    """What people say and decided, without what they were shown: reading is no labelling."""
    with Store.open_for_reading(workspace) as store:
        labels = [one for one in store.labels() if one.source in ("human", "adjudicated") and one.field != "shown"]
    return {
        (one.run_id, one.step_id, one.field, one.annotator, one.pass_number): [getattr(one, name) for name in LABEL]
        for one in labels
        if not fields or one.field in fields
    }


def test_two_annotators_and_an_adjudicator_at_once(browser: Browser, office: Dashboard, tmp_path: Path) -> None:
    first, second = office.runs["first"], office.runs["second"]
    ann, bob, cora = (Seat(browser, office, name) for name in (ANN, BOB, CORA))
    cora.page.goto(f"{office.url}/adjudicate")
    expect(cora.page.locator(".case")).to_have_count(2)
    for seat in (ann, bob):
        seat.page.goto(f"{office.url}/annotate")
    for seat in (ann, bob):
        see_opened(seat.page, first)
        see_step(seat.page, 1)

    # Both label the same run at the same time, and differ on step 2 and on where it began to go wrong.
    press(ann.page, "1", "j", "2", "!")
    press(bob.page, "1", "j", "1", "j", "3", "!")
    give_reason(ann.page, ANN_SAYS)
    give_reason(bob.page, BOB_SAYS)
    for seat in (ann, bob):
        see_saved(seat.page)
    bob.page.reload()
    see_step(bob.page, 3)
    expect(bob.page.locator("#step-3 .dot.unuseful")).to_be_visible()
    expect(bob.page.locator("#step-2 .dot.incorrect")).to_have_count(0)
    bob.page.goto(office.url)
    expect(bob.page.locator(".row").first).to_be_visible()
    bob.page.goto(f"{office.url}/trajectory?traj={first}")
    see_step(bob.page, 3)
    press(bob.page, "r")
    bob.page.goto(f"{office.url}/annotate")
    see_opened(bob.page, first)
    assert ann.has_heard(ANN_SAYS), "what the check would find if it were sent"
    assert bob.has_heard(BOB_SAYS)
    for seat, secrets in (
        (ann, (BOB_SAYS, TRUTH, BOB)),
        (bob, (ANN_SAYS, TRUTH, ANN)),
        (cora, (ANN_SAYS, BOB_SAYS)),
    ):
        assert [secret for secret in secrets if seat.has_heard(secret)] == []

    # Submission: the rest is correct; the next run opens by itself.
    for seat in (ann, bob):
        press(seat.page, "Control+Enter", "Tab", "Enter")
    for seat in (ann, bob):
        see_opened(seat.page, second)
    submitted = {(first, who): "submitted" for who in (ANN, BOB)}
    wait_for_states(ann.page, office, submitted | {(second, who): "assigned" for who in (ANN, BOB)})

    # Adjudication, by keyboard; the annotators go on with their second run meanwhile.
    press(ann.page, "1", "Control+Enter", "Tab", "Enter")
    cora.page.reload()
    expect(cora.page.locator(".case").first).to_contain_text("2 submitted")
    cora.page.locator(".case").first.focus()
    press(cora.page, "Enter")
    see_step(cora.page, 2)
    expect(cora.page.locator("#step-1 .dot.correct")).to_be_visible()
    assert cora.has_heard(ANN_SAYS)
    assert cora.has_heard(BOB_SAYS)
    assert not cora.has_heard(ANN), "names are told when they are asked for"
    press(cora.page, "2")
    give_reason(cora.page, CORA_SAYS)
    press(cora.page, "j", "A", "!")
    see_saved(cora.page)
    press(cora.page, "Control+Enter", "Control+Enter")
    states = {(first, who): "adjudicated" for who in (ANN, BOB)}
    wait_for_states(cora.page, office, states | {(second, ANN): "submitted", (second, BOB): "assigned"})

    # What came of it, and out and in again.
    decided = {key[1]: row[3] for key, row in labels_of(office.workspace, "verdict").items() if row[4] == "adjudicated"}
    with Store.open_for_reading(office.workspace) as store:
        ((steps),) = [run.step_count for run in store.runs(ids=[first])]
    assert set(decided) == set(range(1, steps + 1))
    assert (decided[1], decided[2]) == ("correct", "incorrect")
    assert decided[3] in ("correct", "unuseful"), "whoever is A"
    out = tmp_path / "events.jsonl"
    exported = cli("project", "export", "pilot", "--to", "jsonl", "--unsubmitted", str(out), workspace=office.workspace)
    assert exported.returncode == 0, exported.stderr
    decisions = tmp_path / "decided.jsonl"
    exported = cli(
        *("project", "export", "pilot", "--to", "jsonl", "--source", "adjudicated", str(decisions)),
        workspace=office.workspace,
    )
    assert exported.returncode == 0, exported.stderr
    elsewhere = tmp_path / "elsewhere"
    root = real / "trajectories" / REAL_RUNS if (real := real_data()) else SAMPLE_DATA / REAL_RUNS
    assert cli("import", str(root), workspace=elsewhere).returncode == 0
    for file in (out, decisions):
        taken = cli("labels", "import", str(file), "--json", workspace=elsewhere)
        assert taken.returncode == 0, taken.stderr
        assert json.loads(taken.stdout)["counts"]["refused"] == 0
    here, there = labels_of(office.workspace), labels_of(elsewhere)
    assert len(here) > 2 * steps
    assert there == here
    for seat in (ann, bob, cora):
        seat.context.close()
