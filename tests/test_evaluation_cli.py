"""``codetracer evaluate``: the published scores to the last digit, the sample predictions, bad input."""

import json
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from codetracer_core.cli.evaluation import name_of
from codetracer_core.evaluation import CONVENTIONS
from codetracer_core.store import Store
from tests.conftest import SAMPLE_DATA
from tests.store.factory import make_diagnosis

EXACT = 1e-12
MANIFEST = SAMPLE_DATA / "manifest.jsonl"
PUBLISHED = ("codetracer_glm-5.2", "direct_glm-5.2")


def predictions(folder: Path, name: str, option: str = "--predictions") -> list[str | Path]:
    return [part for number in (0, 1) for part in (option, folder / "predictions" / f"{name}.rep{number}.jsonl")]


def agree(ours: Any, published: Any, place: str = "") -> None:
    """All that is published is said, to ``EXACT``."""
    if isinstance(published, dict):
        for key, value in published.items():
            agree(ours[key], value, f"{place}/{key}")
    elif isinstance(published, list):
        assert ours == published, place
    else:
        assert ours == pytest.approx(published, abs=EXACT), place


# --- published scores


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_scores_come_out(codetracer: Any, real: Path, name: str) -> None:
    folder = real / "codetracebench"
    published = json.loads((folder / "expected.json").read_text())
    told = codetracer("evaluate", "--manifest", folder / "manifest.jsonl", *predictions(folder, name), "--json").json
    for key in ("rows", "rows_with_incorrect", "incorrect_steps", "steps", "constant_rules"):
        agree(told[key], published[key], key)
    agree(told, published[name], name)
    agree(told["systems"][name], published[name], name)
    assert told["system"] == name


def test_both_systems_at_once_and_beside_each_other(codetracer: Any, real: Path) -> None:
    folder = real / "codetracebench"
    published = json.loads((folder / "expected.json").read_text())
    ours, theirs = PUBLISHED
    words = [
        "--manifest",
        folder / "manifest.jsonl",
        *predictions(folder, ours),
        *predictions(folder, theirs, "--against"),
    ]
    told = codetracer("evaluate", *words, "--by", "agent,model", "--json").json
    for name in PUBLISHED:
        exact = told["systems"][name]["tolerance"]["0"]["all_row_f1"]["f1"]
        assert exact == told["systems"][name]["intervals"]["all_row_f1"]["f1"]
        assert exact["low"] < exact["value"] < exact["high"]
        agree(told["systems"][name], published[name], name)
    (compared,) = told["comparisons"]
    assert (compared["ours"], compared["theirs"], compared["runs"]) == (ours, theirs, 32)
    gap = published[ours]["all_row_f1"] - published[theirs]["all_row_f1"]
    assert compared["differences"]["all_row_f1"]["f1"]["value"] == pytest.approx(gap, abs=EXACT)
    assert sum(part["runs"] for part in told["slices"]) == 32
    read = codetracer("evaluate", *words, "--convention", "all_row_f1")
    assert (read.code, read.err) == (0, "")
    assert "direct_glm-5.2" in read.out
    assert "0.150" in read.out
    assert "! codetracer_glm-5.2 (0.116) does not beat the second half (0.126)" in read.out


# --- the sample predictions


def test_sample_predictions_agree_with_scikit_learn(codetracer: Any) -> None:
    told = codetracer("evaluate", "--manifest", MANIFEST, *predictions(SAMPLE_DATA, "eager"), "--json").json
    rows = [json.loads(line) for line in MANIFEST.read_text().splitlines()]
    gold, said, positive = [], [], []
    for number in (0, 1):
        path = SAMPLE_DATA / "predictions" / f"eager.rep{number}.jsonl"
        answers = {one["traj_id"]: one for one in map(json.loads, path.read_text().splitlines())}
        for row in rows:
            stages = row["incorrect_stages"]
            listed = eval(stages) if isinstance(stages, str) else stages
            true = {step for stage in listed for step in stage["incorrect_step_ids"]}
            named = {step for stage in answers[row["traj_id"]]["labels"] for step in stage["incorrect_step_ids"]}
            vectors = [[step in steps for step in range(1, row["step_count"] + 1)] for steps in (true, named)]
            gold += vectors[0]
            said += vectors[1]
            if true:
                positive.append(
                    [score(*vectors, zero_division=0) for score in (precision_score, recall_score, f1_score)]
                )
    means = [sum(column) / len(positive) for column in zip(*positive, strict=True)]
    agree(told["positive_only"], dict(zip(("precision", "recall", "f1"), means, strict=True)))
    agree(told["micro_all"], {"matched": 12, "predicted": 37, "expected": 14, "f1": f1_score(gold, said)})
    agree(told["class_macro"], f1_score(gold, said, average="macro"))
    assert told["observations"] == 16
    assert told["clean_solved_runs_accused"] == [2, 2]
    assert told["oddities"] == {"repeated": 1, "outside": 1, "in_both": 0, "unknown_runs": 0}


def test_sample_predictions_show_a_failed_answer_and_ranked_onsets(codetracer: Any) -> None:
    told = codetracer("evaluate", "--manifest", MANIFEST, *predictions(SAMPLE_DATA, "careful"), "--json").json
    assert (told["repetitions"], told["failed"], told["missing"]) == (2, 1, 0)
    assert told["clean_solved_runs_accused"] == [0, 2]
    assert told["onset"]["ranked"] == 11
    assert told["repeats"]["spread"]["all_row_f1"]["values"][1] == pytest.approx((1 + 2 / 3 + 1 + 1 + 1 + 1) / 8)
    interval = told["intervals"]["all_row_f1"]["f1"]
    assert interval["why_no_interval"] == "8 clusters: an interval needs at least 10"
    assert interval["low"] is None


def test_json_holds_every_convention_with_what_it_rests_on(codetracer: Any) -> None:
    told = codetracer("evaluate", "--manifest", MANIFEST, *predictions(SAMPLE_DATA, "careful"), "--json").json
    for block in (told, *told["systems"].values(), *told["baselines"].values()):
        assert block["counts"].keys() == block["intervals"].keys() == CONVENTIONS.keys()
        for name in CONVENTIONS:
            assert name in block
            assert block["counts"][name]["runs"] <= told["rows"]
    assert told["systems"]["careful"].items() <= told.items(), "the first system stands at the top, too"
    assert told["constant_rules"].keys() < told["baselines"].keys()
    assert {"last_step", "last_but_one", "second_half", "all_steps", "step_2", "random_step"} < told["baselines"].keys()
    assert "random_steps_of:careful" in told["baselines"]
    assert told["warnings"].keys() == CONVENTIONS.keys()
    assert (told["seed"], told["replicates"], told["missing_answers"]) == (20_260_401, 2_000, "miss")


def test_nothing_undefined_is_a_number(codetracer: Any, tmp_path: Path) -> None:
    row = json.loads(MANIFEST.read_text().splitlines()[1])  # the clean run
    manifest, said = tmp_path / "manifest.jsonl", tmp_path / "p.jsonl"
    manifest.write_text(json.dumps(row) + "\n")
    said.write_text(json.dumps({"traj_id": row["traj_id"], "labels": []}) + "\n")
    told = codetracer("evaluate", "--manifest", manifest, "--predictions", said, "--json")
    assert "NaN" not in told.out
    undefined = told.json["positive_only"]["f1"]
    assert undefined["value"] is None
    assert undefined["why"].startswith("no run has an incorrect step")
    assert "undefined" in codetracer("evaluate", "--manifest", manifest, "--predictions", said).out


# --- choices


def test_missing_answers_are_misses_or_left_out(codetracer: Any, tmp_path: Path) -> None:
    first = (SAMPLE_DATA / "predictions" / "careful.rep1.jsonl").read_text().splitlines()[0]
    said = tmp_path / "one.jsonl"
    said.write_text(first + "\n")
    words = ["evaluate", "--manifest", MANIFEST, "--predictions", said, "--json"]
    miss, excluded = codetracer(*words).json, codetracer(*words, "--missing", "excluded").json
    assert (miss["observations"], miss["missing"], miss["positive_only"]["f1"]) == (8, 7, pytest.approx(1 / 6))
    assert (excluded["observations"], excluded["missing"], excluded["positive_only"]["f1"]) == (1, 0, 1.0)
    assert {"why": "no answer", "runs": 7} in excluded["counts"]["all_row_f1"]["left_out"]


def test_bad_lines_are_told_and_the_rest_counts(codetracer: Any, tmp_path: Path) -> None:
    said = tmp_path / "p.jsonl"
    said.write_text((SAMPLE_DATA / "predictions" / "careful.rep1.jsonl").read_text() + "{half\n")
    found = codetracer("evaluate", "--manifest", MANIFEST, "--predictions", said)
    assert found.code == 0
    assert f"left out: {said}, line 9: no valid JSON" in found.err
    told = codetracer("evaluate", "--manifest", MANIFEST, "--predictions", said, "--json").json
    assert told["observations"] == 8
    assert len(told["problems"]) == 1


def test_only_what_was_asked_for_is_shown(codetracer: Any) -> None:
    words = ["evaluate", "--manifest", MANIFEST, *predictions(SAMPLE_DATA, "careful")]
    shown = codetracer(*words, "--convention", "scored", "--by", "difficulty", "--tolerance", "0,4", "--seed", "7").out
    assert "[scored]" in shown
    assert "[positive_only]" not in shown
    assert "seed 7" in shown
    assert "±4" in shown
    assert "F1 by difficulty" in shown
    every = codetracer(*words, "--convention", "all").out
    assert all(f"[{name}]" in every for name in CONVENTIONS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--manifest", MANIFEST], "nothing to judge"),
        (["--manifest", MANIFEST, "--predictions", "gone.jsonl"], "gone.jsonl"),
        (["--manifest", "gone.jsonl", "--predictions", MANIFEST], "gone.jsonl"),
        (["--manifest", MANIFEST, "--predictions", MANIFEST, "--convention", "f2"], "no convention 'f2'"),
        (["--manifest", MANIFEST, "--predictions", MANIFEST, "--by", "colour"], "no slice 'colour'"),
        (["--manifest", MANIFEST, "--predictions", MANIFEST, "--tolerance", "-1"], "no list of numbers of steps"),
        (["--manifest", MANIFEST, "--predictions", MANIFEST, "--against", MANIFEST], "two systems have the same name"),
        (["--manifest", MANIFEST, "--predictions", MANIFEST, "--system", "a", "--system", "b"], "2 names for 1 system"),
        (["--manifest", MANIFEST, "--adjudicated", "--predictions", MANIFEST], "not both"),
        (["--stored", "all"], "there is no workspace here yet"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_done_is_told_in_one_line(codetracer: Any, words: list[str | Path], said: str) -> None:
    found = codetracer("evaluate", *words)
    assert (found.code, found.out) == (1, "")
    assert said in found.err
    assert found.err.count("\n") == 1


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (["direct_glm-5.2.rep0.jsonl", "direct_glm-5.2.rep1.jsonl"], "direct_glm-5.2"),
        (["careful.rep0.jsonl"], "careful"),
        (["a.jsonl", "b.jsonl"], "a"),
        (["model-1.jsonl", "model-2.jsonl"], "model"),
        (["rep0.jsonl"], "rep0"),
    ],
)
def test_a_system_is_called_like_its_files(names: list[str], name: str) -> None:
    assert name_of([Path(one) for one in names]) == name


# --- a workspace


def test_stored_diagnoses_are_judged_by_the_ground_truth_of_the_workspace(codetracer: Any, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    assert codetracer("import", SAMPLE_DATA, "--manifest", MANIFEST).code == 0
    nobody = codetracer("evaluate", "--stored", "all")
    assert "nobody has diagnosed any of these runs" in nobody.err
    with Store.open(workspace) as store:
        name = "sweagent-open-coder-2-charts-301-d4e5f607"
        run_id = store.find_run(name)
        store.add_diagnosis(make_diagnosis(run_id=run_id, finding=4), [])
        store.add_diagnosis(make_diagnosis(run_id=run_id, model="heuristic"), [])
    told = codetracer("evaluate", "--stored", "openai/some (agent)", "--json").json
    assert (told["system"], told["rows"]) == ("openai/some (agent)", 6)
    assert [one["traj_id"] for one in told["misaligned"]] == ["miniswe-open-coder-2-ledger-77-5c6d7e8f"]
    assert told["positive_only"]["f1"] == pytest.approx(1 / 5)
    assert "heuristic" not in told["baselines"]
    every = codetracer("evaluate", "--stored", "all", "--json").json
    assert "heuristic" in every["baselines"]
    stranger = codetracer("evaluate", "--stored", "stranger")
    assert (
        "'stranger' has diagnosed none of these runs. Who diagnosed runs here: heuristic, openai/some" in stranger.err
    )
    both = codetracer(
        "evaluate", "--workspace", workspace, "--manifest", MANIFEST, *predictions(SAMPLE_DATA, "eager"), "--json"
    )
    assert (both.json["rows"], len(both.json["misaligned"])) == (7, 1)
