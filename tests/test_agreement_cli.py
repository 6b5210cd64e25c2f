"""``codetracer agreement``: against coefficients computed elsewhere, and what it says where there is nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

from codetracer_core.cli.agreement import Reading as OfferedReading
from codetracer_core.cli.agreement import Unlabelled as OfferedUnlabelled
from codetracer_core.projects import Project
from codetracer_core.ratings import Unlabelled
from codetracer_core.store import Reading, Store
from tests.store.factory import decide, make_label, make_run

STEPS, RUNS = 8, [f"run-{n}" for n in range(1, 13)]
ANN = {run: {(at % STEPS) + 1: "incorrect"} if at % 3 else {} for at, run in enumerate(RUNS)}
BOB: dict[str, dict[int, str]] = {
    run: {(at % STEPS) + 1 + at // 10: "incorrect", 1: "unuseful"} if at % 4 else {} for at, run in enumerate(RUNS)
}
HOSTILE = "\x1b[31meve"


def submit(store: Store, said: Mapping[str, Mapping[str, Mapping[int, str]]]) -> None:
    for who, of_runs in said.items():
        for at, (run, verdicts) in enumerate(of_runs.items()):
            store.claim_next("pilot", who)
            labels = [
                make_label(100 * at + step, word, run_id=run, step_id=step, annotator=who, client=who)
                for step, word in verdicts.items()
            ]
            assert store.add_human_labels(labels).refused == ()
            store.submit("pilot", run, who)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Twelve runs that two people have submitted; of the last two bob thinks better, and a model has said something."""
    place = tmp_path / "workspace"
    with Store.open(place) as store:
        runs = [make_run(run, STEPS, task=f"task {at // 2}") for at, run in enumerate(RUNS)]
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        store.create_project(Project(project_id="pilot", created_at=datetime.now(UTC)), RUNS)
        submit(store, {"ann": ANN, "bob": BOB})
        change = make_label(9_000, "incorrect", run_id="run-4", step_id=8, annotator="bob", client="later")
        assert store.add_human_labels([change]).refused == ()
        model = make_label(1, "incorrect", run_id="run-2", step_id=2, source="model", annotator=HOSTILE, client="model")
        store.add_label_events([model])
    return place


def codes(said: Mapping[str, Mapping[int, str]]) -> list[str]:
    return [said[run].get(step, "correct") for run in RUNS for step in range(1, STEPS + 1)]


def test_numbers_are_those_of_another_library(codetracer: Any, workspace: Path) -> None:
    told = codetracer("agreement", "--project", "pilot", "--json").json
    ann, bob = ([word == "incorrect" for word in codes(said)] for said in (ANN, BOB))
    assert told["headline"]["kappa"]["value"] == pytest.approx(cohen_kappa_score(ann, bob), abs=1e-12)
    assert told["headline"]["specific"][1]["value"] == pytest.approx(f1_score(ann, bob), abs=1e-12)
    assert told["classes"]["kappa"]["value"] == pytest.approx(cohen_kappa_score(codes(ANN), codes(BOB)), abs=1e-12)
    assert (told["project"], told["reading"], told["rater_names"]) == ("pilot", "blind", ["ann", "bob"])
    assert (told["runs"], told["steps"], told["clusters"]) == (12, 96, 6)
    assert told["headline"]["alpha"]["low"] is None
    assert "6 clusters" in told["headline"]["alpha"]["why_no_interval"]
    assert told["why_they_differ"]


def test_readings_sources_and_filters(codetracer: Any, workspace: Path) -> None:
    blind, revised = (codetracer("agreement", "--reading", one, "--json").json for one in ("blind", "revised"))
    changed = {at for at, run in enumerate(blind["by_run"]) if run not in revised["by_run"]}
    assert {blind["by_run"][at]["run_id"] for at in changed} == {"run-4"}
    beside = codetracer("agreement", "--with", "model, adjudicated", "--json").json
    assert beside["raters"] == [
        {"source": "human", "name": "ann", "pass_number": None},
        {"source": "human", "name": "bob", "pass_number": None},
        {"source": "model", "name": HOSTILE, "pass_number": None},
    ]
    of_two = codetracer("agreement", "--run", "run-2", "--run", "run-5", "--json").json
    assert {run["run_id"] for run in of_two["by_run"]} == {"run-2", "run-5"}
    assert codetracer("agreement", "--task", "task 0", "--json").json["runs"] == 2
    missing = codetracer("agreement", "--unlabelled", "missing", "--seed", "7", "--json").json
    assert (missing["unlabelled"], missing["seed"]) == ("missing", 7)
    assert missing["headline"]["units"] < 96


def test_the_screen_tells_numbers_reasons_and_disagreements(codetracer: Any, workspace: Path) -> None:
    said = codetracer("agreement", "--project", "pilot", "--with", "model")
    assert said.code == 0
    for words in ("12 runs, 96 steps", "Krippendorff's alpha", "Cohen's kappa", "counts: both", "ann · bob", "seed"):
        assert words in said.out
    assert "eve (model)" in said.out
    assert "\x1b" not in said.out
    assert "run-4" in said.out.split("Disagreements")[1]
    assert not {"nan", "None"}.intersection(said.out.split())


def test_what_is_undefined_or_rough_is_explained_where_it_stands(codetracer: Any, workspace: Path) -> None:
    said = codetracer("agreement", "--project", "pilot").out
    assert "~ marks those of fewer than 30 tasks, which may be too narrow" in said
    raters = said.split("\nRaters\n")[1]
    assert "undefined: there are no adjudicated labels" in raters.split("Disagreements")[0]


def test_where_there_is_nothing_to_compare(codetracer: Any, workspace: Path) -> None:
    assert "no two raters" in codetracer("agreement", "--reading", "repeats").out
    empty = codetracer("agreement", "--reading", "repeats", "--json").json
    assert empty["headline"]["alpha"]["value"] is None
    assert empty["headline"]["alpha"]["why"] == "no step has labels of two raters"
    gone = codetracer("agreement", "--project", "gone")
    assert (gone.code, "no project 'gone'" in gone.err) == (1, True)
    unknown = codetracer("agreement", "--run", "nowhere")
    assert (unknown.code, "no run 'nowhere'" in unknown.err) == (1, True)
    assert codetracer("agreement", "--with", "models").code == 2


def test_choices_are_those_of_the_store() -> None:
    assert get_args(OfferedReading) == get_args(Reading)
    assert get_args(OfferedUnlabelled) == get_args(Unlabelled)
