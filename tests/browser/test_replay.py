"""The replay page in a real browser: real commands in a throw-away copy, a real model server, a real test."""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from codetracer_core.importing import import_runs
from codetracer_core.projects import Project
from codetracer_core.replaying import listed_replays, scratch_of
from codetracer_core.store import Replay, Store
from codetracer_core.store.workspace import workspace_at
from tests.browser.conftest import Dashboard
from tests.browser.steps import person, received, see_in_store, see_step
from tests.conftest import SAMPLE_DATA
from tests.model_server import Asked, Behaviour, Call, ModelServer, Say
from tests.ui.diagnoses import make_diagnosis

pytestmark = pytest.mark.browser

REPLAYABLE = SAMPLE_DATA / "replayable"
FIXES = "sed -i 's/weight < limit/weight <= limit/' parcels/quote.py"
WAITS = "sleep 987654.25"
PLANTED = ("planted-summary", "planted-strategy", "planted-reason")


class Agent:
    """A model that does what the test has it do, one command after the other, and then says that it is done."""

    commands: tuple[str, ...] = (FIXES,)

    def __call__(self, asked: Asked) -> Behaviour:
        done = sum(message["role"] == "assistant" for message in asked.messages)
        if done < len(self.commands):
            return Say("I see what is wrong.", calls=(Call("run", {"command": self.commands[done]}),))
        return Say(calls=(Call("finish", {"summary": "The limit belongs to its band now."}),))


@pytest.fixture(scope="module")
def agent() -> Agent:
    return Agent()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, browser: Browser, agent: Agent) -> Iterator[Dashboard]:
    """The replayable samples; the one of SWE-agent is diagnosed, and labelled blind by Blinda."""
    running = Dashboard(tmp_path_factory.mktemp("replay") / "workspace")
    with Store.open(running.workspace) as store:
        report = import_runs([REPLAYABLE / "mini-swe-agent", REPLAYABLE / "swe-agent"], store=store)
        running.runs = {str(item.format): str(item.run_id) for item in report.items}
        run_id = running.runs["swe-agent"]
        trajectory = store.load_run(run_id).trajectory
        told = dict(zip(("summary", "correct_strategy"), PLANTED, strict=False))
        store.add_diagnosis(make_diagnosis(trajectory, run_id, **told), ())
        project = Project(project_id="pilot", annotators=("Blinda",), created_at=datetime.now(UTC))
        store.create_project(project, [run_id])
    with ModelServer(agent) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODETRACER_MODEL", "openai/scripted")
        patch.setenv("CODETRACER_API_BASE", server.url)
        patch.setenv("CODETRACER_API_KEY", "sk-planted-key-of-the-server")
        running.start()
        yield running
        running.kill()


@pytest.fixture
def ada(browser: Browser, office: Dashboard) -> Iterator[BrowserContext]:
    context = person(browser, office, "Ada")
    yield context
    context.close()


def order_locally(page: Page) -> None:
    """Fill in a throw-away copy of the project and its tests; start."""
    page.get_by_text("Local copy", exact=True).first.click()
    start = page.get_by_role("button", name="Replay", exact=True)
    expect(start).to_be_disabled(timeout=120_000)  # the model is looked up first
    folder = page.get_by_label("Folder", exact=True)
    folder.fill(str(REPLAYABLE / "project"))
    folder.press("Enter")
    expect(page.get_by_text("Tick that commands may run on this machine")).to_be_visible()
    tests = page.get_by_label("Test command")
    tests.fill("python3 -m unittest -q")
    tests.press("Enter")
    page.get_by_text("Commands of this run may run on this machine").click()
    expect(start).to_be_enabled()
    start.click()


def replays(office: Dashboard, run_id: str) -> list[Replay]:
    with Store.open_for_reading(office.workspace) as reader:
        return reader.replays([run_id])


def commands_running(words: str) -> list[str]:
    """Command lines of processes of this machine that hold these words."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has just ended
        found += [line] if words in line else []
    return found


def test_a_failed_run_is_replayed_until_a_real_test_passes_and_lies_beside_the_original(
    office: Dashboard, ada: BrowserContext, agent: Agent
) -> None:
    agent.commands = (FIXES,)
    page, run_id = ada.new_page(), office.runs["mini-swe-agent"]
    page.goto(f"{office.url}/trajectory?traj={run_id}&step=6")
    see_step(page, 6)
    page.get_by_role("link", name="Replay from here").click()
    plan = page.get_by_label("What will run")
    expect(page.get_by_role("button", name="5 commands")).to_be_visible(timeout=120_000)
    expect(plan.locator("li")).to_have_count(5)
    expect(plan).to_contain_text("cat README.md")
    order_locally(page)

    earlier = page.get_by_label("Earlier steps, run again")
    expect(earlier.locator("li.same")).to_have_count(5, timeout=120_000)
    outcome = page.locator(".card", has_text="Outcome")
    expect(outcome).to_contain_text("solved", timeout=120_000)
    expect(page.locator(".card", has_text="Tests")).to_contain_text("failed → passed")
    expect(page.get_by_label("The model's steps")).to_contain_text(FIXES)
    earlier.get_by_role("button").nth(2).click()
    expect(earlier.get_by_role("heading", name="Recorded")).to_be_visible()
    expect(earlier.get_by_role("heading", name="This time")).to_be_visible()

    (made,) = see_in_store(page, lambda: replays(office, run_id), len)
    assert (made.step_id, made.outcome, made.original_outcome) == (6, "solved", "failed")
    page.get_by_role("link", name="Compare with the original").click()
    page.wait_for_url(re.compile(rf"/compare\?runs={run_id}(,|%2C){made.run_id}"))
    expect(page.get_by_text("codetracer-replay").first).to_be_visible()
    page.goto(f"{office.url}/trajectory?traj={made.run_id}&step=6")
    see_step(page, 6)
    expect(page.get_by_role("link", name="Replay from step 6")).to_be_visible()
    page.get_by_role("link", name="Original").click()
    page.wait_for_url(f"**/trajectory?traj={run_id}**")
    assert scratch_of(workspace_at(office.workspace)).exists()
    assert "<= limit" not in (REPLAYABLE / "project" / "parcels" / "quote.py").read_text()


def test_a_replay_that_is_cancelled_leaves_no_process_and_no_copy(
    browser: Browser, office: Dashboard, ada: BrowserContext, agent: Agent
) -> None:
    agent.commands = (FIXES, WAITS)
    page, run_id = ada.new_page(), office.runs["mini-swe-agent"]
    page.goto(f"{office.url}/replay?traj={run_id}&step=3")
    page.get_by_label("What will run").wait_for(timeout=120_000)
    order_locally(page)
    steps = page.get_by_label("The model's steps")
    expect(steps).to_contain_text(FIXES, timeout=120_000)
    ben = person(browser, office, "Ben")
    other = ben.new_page()
    other.goto(page.url)
    expect(other.get_by_label("The model's steps")).to_contain_text(FIXES)
    page.reload()
    expect(steps).to_contain_text(FIXES)
    see_in_store(page, lambda: commands_running(WAITS), bool)

    page.get_by_role("button", name="Cancel").click()
    for watching in (page, other):
        expect(watching.locator(".status").first).to_have_text("cancelled", timeout=120_000)
    assert commands_running(WAITS) == []
    workspace = workspace_at(office.workspace)
    assert [path.name for path in scratch_of(workspace).iterdir() if path.is_dir()] == []
    assert {one.started.status for one in listed_replays(workspace, [run_id])} <= {"cancelled", "finished"}
    ben.close()


def test_whoever_labels_a_run_blind_gets_nothing_of_what_others_say_of_it(browser: Browser, office: Dashboard) -> None:
    context = person(browser, office, "Blinda")
    page, run_id = context.new_page(), office.runs["swe-agent"]
    heard = received(page)
    page.goto(f"{office.url}/replay?traj={run_id}")
    page.get_by_text("you label this run blind").wait_for()
    expect(page.get_by_label("From step", exact=True)).to_have_value("")
    expect(page.get_by_text("Choose the step to replay from.")).to_be_visible()
    expect(page.get_by_role("switch", name="Give it the diagnosis")).to_be_disabled()
    for words in (*PLANTED, "openai/scripted (agent)", "Suggested"):
        assert words.encode() not in bytes(heard)
    context.close()
    lead = person(browser, office, "Ada")
    seen = lead.new_page()
    seen.goto(f"{office.url}/replay?traj={run_id}")
    expect(seen.get_by_label("From step", exact=True)).to_have_value("2")
    expect(seen.get_by_text("Suggested: the diagnosis by openai/scripted (agent)")).to_be_visible()
    lead.close()


def test_the_runs_of_the_table_are_replayed_together_each_from_its_own_onset(
    office: Dashboard, ada: BrowserContext, agent: Agent, tmp_path: Path
) -> None:
    agent.commands = (FIXES,)
    shutil.copytree(REPLAYABLE / "project", tmp_path / "parcels__parcels-31")
    page, run_id = ada.new_page(), office.runs["swe-agent"]
    page.goto(f"{office.url}/replay")
    page.get_by_text("Replay many runs").click()
    page.get_by_text("Local copy", exact=True).click()
    for label, words in (("Folder", str(tmp_path / "{task}")), ("Test command", "python3 -m unittest -q")):
        field = page.get_by_label(label, exact=True)
        field.fill(words)
        field.press("Enter")
    expect(page.get_by_text("1 run left out: nobody has said yet")).to_be_visible()
    start = page.get_by_role("button", name="Replay 1 run")
    expect(page.get_by_text("Tick that commands may run on this machine")).to_be_visible(timeout=60_000)
    expect(start).to_be_disabled()
    page.get_by_text("Commands of these runs may run on this machine").click()
    expect(start).to_be_enabled(timeout=60_000)
    page.get_by_role("button", name="Preview").click()
    foreseen = page.locator(".st-key-replay_foreseen .row")
    expect(foreseen).to_have_count(1)
    expect(foreseen).to_contain_text("the diagnosis by openai/scripted")
    expect(page.get_by_text("1 run would be replayed. Nothing has run yet.")).to_be_visible()
    assert replays(office, run_id) == []
    start.click()
    job = page.locator(".job").first
    expect(job).to_contain_text("local copy of", timeout=60_000)
    expect(job.locator(".state")).to_have_text("finished", timeout=60_000)
    expect(job).to_contain_text("solved")
    expect(page.get_by_text("pass@1 of the runs of the last batch")).to_be_visible()
    expect(page.get_by_text("0.0% of 1 pair of a run and its replay").first).to_be_visible()
    (made,) = see_in_store(page, lambda: replays(office, run_id), len)
    assert (made.step_id, made.outcome, made.original_outcome, made.matched) == (2, "solved", "failed", True)
    job.locator("button.open").click()
    page.wait_for_url(re.compile(rf"/replay\?traj={run_id}&replay={made.replay_id}"))
    expect(page.get_by_text("Replay from step 2")).to_be_visible()
