"""``python -m tests.pictures [NAME …]``: the pictures of the README, taken anew of the sample runs.

Three invented people label, and a scripted model on loopback diagnoses and replays: the same pictures each time, but
for times. Look at what came of it before it goes into a commit.
"""

import itertools
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page, expect, sync_playwright

from codetracer_core.projects import Project
from codetracer_core.store import Store
from tests.browser.conftest import CHROMIUM, FLAGS, WAIT, Dashboard, cli
from tests.browser.steps import person, press, see_saved, see_standing, see_step
from tests.conftest import REPOSITORY, SAMPLE_DATA
from tests.model_server import Asked, Behaviour, Call, ModelServer, Say
from tests.store.factory import NOON, make_label

PEOPLE = ("Ada", "Ben", "Cleo")
BEGINNER, READER = "Dina", "Rita"
RETRY, PARCELS, SLUGS = "fetchlib__fetchlib-58", "parcels__parcels-31", "textkit__textkit-214"
PRICES = "llm:\n  prices:\n    openai/scripted: {prompt: 1.5, completion: 6.0}\n"
PROJECT = SAMPLE_DATA / "replayable" / "project"


# --- what the model says --------------------------------------------------------------------------------------------


def _quoting(step_id: int, *quotes: str) -> list[dict[str, Any]]:
    return [{"step_id": step_id, "quote": quote} for quote in quotes]


_HEADER, _DATE, _RARE = "float(response.headers.get('Retry-After', WAIT))", "ValueError: could not", "Dates are rare"
_FIRST = {
    "step_id": 3,
    "reasoning": "The task asks for seconds or a date. float() takes only seconds, and the standard parser for dates "
    "was imported at the top of the file that step 1 shows.",
    "evidence": [*_quoting(3, _HEADER), *_quoting(1, "from email.utils import parsedate_to_datetime")],
}
_LATE = {
    "step_id": 8,
    "reasoning": "Until the date form failed before its eyes, the edit was a first attempt like any other.",
    "evidence": _quoting(8, _RARE),
}
DIAGNOSIS = {
    "case_for_clean_run": "Seconds work, and the tests of the module pass.",
    "conclusion": "error_found",
    "summary": "The agent made the client read Retry-After as a number of seconds only. It then tried the date form "
    "itself, saw the ValueError in step 7, and handed in regardless. The task names both forms.",
    "onset": [_FIRST],
    "findings": [
        {
            **_FIRST,
            "verdict": "incorrect",
            "deviation_type": "missing_exploration",
            "impact_severity": "critical",
            "correct_alternative": "Try float(), and read the value with parsedate_to_datetime() if that fails.",
            "confidence": "high",
        },
        {**_LATE, "verdict": "incorrect", "correct_alternative": "Go back to step 3.", "confidence": "medium"},
    ],
    "error_chain": [
        {"step_id": 3, "what": "The header is read with float().", "evidence": _quoting(3, _HEADER)},
        {"step_id": 7, "what": "The date form raises.", "follows_from": [3], "evidence": _quoting(7, _DATE)},
        {"step_id": 8, "what": "It is handed in so.", "follows_from": [3, 7], "evidence": _quoting(8, "good enough")},
    ],
    "decision_points": [
        {
            "step_id": 7,
            "decision": "Saw that dates fail, and took it for rare.",
            "should_have": "gone back to step 3 and handled dates: the task asks for them.",
            "evidence": _quoting(8, _RARE),
        }
    ],
    "correct_strategy": "Read both forms of the header: a number of seconds, else a date through the standard parser.",
}
AGENT = (
    ("The limit of a band is compared with <; first I want to see the line again.", "grep -n limit parcels/quote.py"),
    (
        "A parcel of exactly the limit belongs to the cheaper band: the comparison has to include it.",
        "sed -i 's/weight < limit/weight <= limit/' parcels/quote.py",
    ),
    ("Now the tests.", "python3 -m unittest 2>&1 | tail -3"),
)


class ScriptedModel:
    """Diagnoses ``RETRY``, each third time with a second candidate, and mends ``PARCELS``."""

    def __init__(self) -> None:
        self._samples = itertools.count(1)

    def __call__(self, asked: Asked) -> Behaviour:
        said = sum(message["role"] == "assistant" for message in asked.messages)
        if "run" in asked.tools:
            if said < len(AGENT):
                thought, command = AGENT[said]
                return Say(thought, calls=(Call("run", {"command": command}),))
            return Say(calls=(Call("finish", {"summary": "A weight on the limit is in its band now."}),))
        if said == 0:
            return Say(calls=(Call("read_steps", {"steps": list(range(1, 9))}),), usage=(6_500, 60))
        onset = [_FIRST, _LATE] if next(self._samples) % 3 == 0 else [_FIRST]
        return Say(calls=(Call("submit_diagnosis", DIAGNOSIS | {"onset": onset}),), usage=(7_700, 740))


# --- the workspace --------------------------------------------------------------------------------------------------


@contextmanager
def office(folder: Path) -> Iterator[Dashboard]:
    """A dashboard on the sample runs, labelled by three people, with a diagnosis, a replay and an extractor."""
    shutil.copytree(SAMPLE_DATA / "unfamiliar" / "relay", folder / "relay")
    shutil.copytree(PROJECT, folder / "parcels")
    served = Dashboard(folder / "workspace")

    def do(*words: str) -> None:
        done = cli(*words, workspace=served.workspace)
        assert done.returncode == 0, done.stderr

    do("import", str(SAMPLE_DATA))
    (served.workspace / "codetracer.yaml").write_text(PRICES)
    do("extractors", "import", str(SAMPLE_DATA / "extractors" / "relay.yaml"))
    do("import", str(folder / "relay"))
    with Store.open(served.workspace) as store:
        served.runs = {f"{run.task}/{run.model}": run.run_id for run in store.runs()}
        _label(store, list(served.runs.values()))
    do("analyze", _run(served, RETRY, "mini-coder-5"), "--samples", "3")
    where = ("--env", "local", "--folder", str(folder / "parcels"), "--allow-local")
    do("replay", _run(served, PARCELS, "mini-coder-4"), "--step", "6", *where, "--test", "python3 -m unittest -q")
    served.start()
    try:
        yield served
    finally:
        served.kill()


def _label(store: Store, runs: list[str]) -> None:
    """Ada, Ben and Cleo have submitted all runs: each of them misses some incorrect steps and accuses some others."""
    everybody = Project(project_id="pilot", annotators=PEOPLE, annotators_per_run=len(PEOPLE), created_at=NOON)
    store.create_project(everybody, runs)
    beginner = Project(project_id="first-runs", annotators=(BEGINNER,), created_at=NOON)
    store.create_project(beginner, [run for run in runs if "fetchlib-58" in run])
    chance = random.Random(7)  # the same labels each time
    steps = {run.run_id: range(1, run.step_count + 1) for run in store.runs()}
    wrong = {(run, step) for run, of_run in steps.items() for step in of_run if chance.random() < 0.11}
    for who in PEOPLE:
        while (claimed := store.claim_next("pilot", who)) is not None:
            run = claimed.run_id
            labels = []
            for step in steps[run]:
                is_wrong = ((run, step) in wrong and chance.random() < 0.9) or chance.random() < 0.01
                verdict = "incorrect" if is_wrong else "unuseful" if chance.random() < 0.04 else "correct"
                labels.append(make_label(step, verdict, run_id=run, step_id=step, annotator=who, client=f"{who} {run}"))
            assert store.add_human_labels(labels).refused == ()
            store.submit("pilot", run, who)


def _run(served: Dashboard, task: str, model: str = "") -> str:
    return next(run for name, run in served.runs.items() if name.startswith(task) and model in name)


# --- the pictures ---------------------------------------------------------------------------------------------------


def step_viewer(page: Page, served: Dashboard) -> None:
    page.goto(f"{served.url}/annotate?project=first-runs")
    see_step(page, 1)
    for step, keys in {1: "1", 2: "1", 4: "F", 5: "1E", 6: "1E", 3: "2!"}.items():
        press(page, "g", str(step), "Enter")
        see_step(page, step)
        for key in keys:
            press(page, "g", str(step), "Enter", key)
    press(page, "g", "3", "Enter", "i")
    page.keyboard.type("read what the header may hold")
    press(page, "Enter", "g", "3", "Enter", "c")
    page.keyboard.type("Retry-After may be a date: float() raises then")
    press(page, "Escape")
    see_step(page, 3)
    see_saved(page)


def diagnosis(page: Page, served: Dashboard) -> None:
    _open(page, served, "diagnose", traj=_run(served, RETRY, "mini-coder-5"))
    expect(page.get_by_text("Error found: off track at step 3")).to_be_visible()


def agreement(page: Page, served: Dashboard) -> None:
    _open(page, served, "agreement", agreement_project="pilot")
    expect(page.get_by_text("Gwet's AC1").first).to_be_visible()


def evaluate(page: Page, served: Dashboard) -> None:
    systems = ["careful (sample predictions)", "eager (sample predictions)"]
    _open(page, served, "evaluate", truth="Sample manifest", systems=systems)
    expect(page.get_by_text("careful (sample)", exact=True).first).to_be_visible()


def analytics(page: Page, served: Dashboard) -> None:
    _open(page, served, "analytics", figure="error_position")
    page.get_by_label("Labels").click()
    page.get_by_role("option", name="labels of Ada").click()
    expect(page.get_by_text("runs with labels of Ada.").first).to_be_visible()


def compare(page: Page, served: Dashboard) -> None:
    runs = [run for name, run in served.runs.items() if name.startswith(SLUGS)]
    _open(page, served, "compare", runs=",".join(runs))
    expect(page.get_by_text("part here").first).to_be_visible()


def extractors(page: Page, served: Dashboard) -> None:
    _open(page, served, "extractors", extractor="relay", folder=str(served.workspace.parent / "relay"))
    expect(page.locator(".bar .state")).to_contain_text("11 steps · 100 % covered")
    page.get_by_text("python -m pytest -q tests", exact=True).first.click()
    expect(page.get_by_text("Line 5: action of step 5")).to_be_visible()


def replay(page: Page, served: Dashboard) -> None:
    _open(page, served, "replay", traj=_run(served, PARCELS, "mini-coder-4"))
    expect(page.locator(".card", has_text="Tests")).to_contain_text("failed → passed")


def _open(page: Page, served: Dashboard, name: str, **asked: str | list[str]) -> None:
    page.goto(f"{served.url}/{name}?{urlencode(asked, doseq=True)}")
    see_standing(page)


PICTURES: Mapping[str, tuple[Callable[[Page, Dashboard], None], str, int]] = {
    "step-viewer": (step_viewer, BEGINNER, 720),
    "diagnosis": (diagnosis, READER, 860),
    "agreement": (agreement, READER, 960),
    "evaluate": (evaluate, READER, 960),
    "analytics": (analytics, READER, 860),
    "compare": (compare, READER, 780),
    "extractors": (extractors, READER, 1010),
    "replay": (replay, READER, 1000),
}
"""How each is taken, who looks, and its height in pixels."""


def main() -> None:
    chosen = sys.argv[1:] or list(PICTURES)
    folder = Path(tempfile.gettempdir(), "codetracer-pictures")  # it can be read in some of them
    shutil.rmtree(folder, ignore_errors=True)
    with ModelServer(ScriptedModel()) as server:
        os.environ |= {
            "LOGNAME": "ada",
            "CODETRACER_MODEL": "openai/scripted",
            "CODETRACER_API_BASE": server.url,
            "CODETRACER_API_KEY": "sk-of-nobody",
        }
        expect.set_options(timeout=WAIT)
        with office(folder) as served, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for name in chosen:
                take, who, height = PICTURES[name]
                context = person(browser, served, who)
                page = context.new_page()
                page.set_viewport_size({"width": 1280, "height": height})
                take(page, served)
                page.wait_for_timeout(1_500)  # whatever still moves
                page.screenshot(path=REPOSITORY / "docs" / f"{name}.png")
                context.close()
                print(name)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
