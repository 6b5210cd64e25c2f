"""The page Evaluate: what is read, what is left out and for whom, and that its numbers are those of the files."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codetracer_core.evaluation import CONVENTIONS, Prediction, System, Truth, evaluate, slices
from codetracer_core.evaluation_files import keep_files, kept_files
from codetracer_core.intervals import SEED, Estimate
from codetracer_core.models import LabelEvent, Stage
from codetracer_core.projects import Project
from codetracer_core.store import Store, Workspace
from codetracer_core.ui import shell
from codetracer_core.ui.evaluation_data import Asked, State, judged, read_sources
from codetracer_core.ui.evaluation_downloads import leaderboard_csv, numbers_as_json
from codetracer_core.ui.evaluation_pair import in_words
from codetracer_core.ui.evaluation_parts import slices_csv
from codetracer_core.ui.evaluation_places import mean_by_task
from codetracer_core.ui.evaluation_sources import Sources, system_sources, truth_sources
from codetracer_core.ui.workspace import open_store
from tests.conftest import REPOSITORY
from tests.store.factory import NOON, decide, make_diagnosis, make_label, make_run
from tests.ui.test_pages import sent, texts

RUNS = [f"run-{number}" for number in range(1, 7)]
PEOPLE = '[people]\neve = ["lead"]\nrita = ["reader"]\ndan = ["annotator", "reader"]\nann = ["annotator"]\n'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Six runs of five steps with ground truth; step 2 of each odd one is incorrect. dan labels two of them blind."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(folder))
    st.cache_resource.clear()
    (folder / "people.toml").write_text(PEOPLE)
    stages = [Stage(stage_id=1, start_step_id=1, end_step_id=5).model_dump()]
    with Store.open(folder) as store:
        runs = [make_run(run_id, 5, record={"benchmark": {"traj_id": f"bench-{run_id}"}}) for run_id in RUNS]
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        store.add_label_events([_truth(run_id, number, stages) for number, run_id in enumerate(RUNS, start=1)])
        store.add_label_events(
            [_truth(run_id, number, "incorrect") for number, run_id in enumerate(RUNS[::2], start=7)]
        )
        store.create_project(Project(project_id="pilot", annotators=("dan",), created_at=NOON), RUNS[:2])
    yield folder
    st.cache_resource.clear()


def _truth(run_id: str, sequence: int, value: Any) -> LabelEvent:
    step, field = (2, "verdict") if isinstance(value, str) else (None, "stages")
    label = make_label(sequence, run_id=run_id, source="ground_truth", annotator="CodeTraceBench")
    return label.model_copy(update={"step_id": step, "field": field, "value": value})


def answers(path: Path, said: dict[str, Sequence[int]]) -> Path:
    """A file with predictions: the incorrect steps by run."""
    lines = [
        {"traj_id": run, "labels": [{"stage_id": 1, "incorrect_step_ids": list(steps)}]} for run, steps in said.items()
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def keep(place: Path, name: str, *paths: Path, kind: Any = "predictions") -> None:
    keep_files(Workspace(place), kind, name, paths, titles=[path.name for path in paths], by="eve")


def evaluate_page(who: str, **query: str | list[str]) -> AppTest:
    # As the server runs it: beside app.py lie the pages, and Streamlit's runner would skip the frame for them.
    app = AppTest.from_file(shell.__file__, default_timeout=60)
    app.session_state["annotator"] = who
    app.run().switch_page(str(REPOSITORY / "pages" / "evaluate.py"))
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def rows(app: AppTest, table: str) -> dict[str, dict[str, str]]:
    """The cells of a table by the id of the row, as text."""
    shown = sent(app)[table]["rows"]
    return {row["id"]: {key: cell.get("text", "") for key, cell in row["cells"].items()} for row in shown}


LOADED = "{} (loaded, 1 repetition)"


def test_what_a_lead_loads_is_there_for_everybody_who_may_see_the_page(place: Path, tmp_path: Path) -> None:
    file = answers(tmp_path / "a.jsonl", {f"bench-{run_id}": [2] for run_id in RUNS})
    app = evaluate_page("eve")
    app.session_state["loading"] = True
    app.run()
    assert not app.exception
    app.text_input(key="name of predictions 0").set_value("my model")
    app.text_area[0].set_value(f"{file}\n")
    next(button for button in app.button if button.label == "Load" and button.form_id.startswith("load pred")).click()
    app.run()
    assert not app.exception
    assert "my model (predictions, 1 repetition) can be chosen above" in texts(app)
    (made,) = kept_files(Workspace(place), "predictions")
    assert (made.name, made.titles, made.kept_by) == ("my model", ("a.jsonl",), "eve")
    assert app.multiselect(key="systems").value == [LOADED.format("my model")], "what was loaded is chosen"
    assert app.text_input(key="name of predictions 1").value == "", "the next form is empty"

    reader = evaluate_page("rita", systems=[LOADED.format("my model")])
    assert not reader.exception
    assert not [one for one in reader.expander if one.label.startswith("Load")]
    found = rows(reader, "leaderboard")
    assert found["my model"]["f1"] == "1.000"  # three runs of three tasks: too few for an interval
    assert found["my model"]["answers"] == "3"
    assert found["my model"]["accused"] == "3 of 3 · 100 %"
    assert found["all_steps"]["f1"] == "0.333"  # precision 1/5, recall 1


def test_a_system_without_a_run_to_be_judged_is_said_to_be_in_no_table(place: Path) -> None:
    with Store.open(place) as store:
        run = make_run("elsewhere", 5)
        store.add_runs([run], decisions=[decide(run)])
        store.add_diagnosis(make_diagnosis(run_id="elsewhere"), [])
    app = evaluate_page("rita")
    assert len(app.multiselect(key="systems").value) == 1
    said = "1 of the 1 runs that it diagnosed have no such ground truth here, so there is nothing of it to judge."
    assert said in texts(app)
    assert "Try it with the sample predictions" not in [button.label for button in app.button]


def test_samples_are_one_press_away_where_there_is_nothing_to_judge_by(place: Path) -> None:
    app = evaluate_page("rita", truth="Adjudicated labels")
    (offer,) = [button for button in app.button if button.label == "Try it with the sample predictions"]
    offer.click().run()
    assert not app.exception
    assert {"careful (sample)", "eager (sample)"} < rows(app, "leaderboard").keys()


@pytest.mark.parametrize("part", ["Two systems", "Slices", "Onset", "Near hits", "Clean runs", "Repetitions"])
def test_each_part_says_where_its_intervals_come_from(place: Path, part: str) -> None:
    app = evaluate_page(
        "rita", truth="Sample manifest", systems=[f"{n} (sample predictions)" for n in ("careful", "eager")], part=part
    )
    said = [one.value for one in app.caption if one.value.startswith("Intervals: 95 %, from 2,000 samples of whole")]
    assert len(said) == 1
    assert f"seed {SEED}; ≈ marks those of fewer than 30" in said[0]


def test_a_file_without_answers_is_not_kept(place: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("{}\nnot JSON\n")
    app = evaluate_page("eve")
    app.session_state["loading"] = True
    app.run()
    app.text_input(key="name of predictions 0").set_value("bad")
    app.text_area[0].set_value(str(tmp_path / "bad.jsonl"))
    next(button for button in app.button if button.label == "Load" and button.form_id.startswith("load pred")).click()
    app.run()
    assert not app.exception
    assert "Nothing was loaded." in texts(app)
    assert "bad.jsonl" in texts(app)
    assert str(tmp_path) not in texts(app)
    assert kept_files(Workspace(place), "predictions") == []


def test_bad_lines_are_listed_with_their_place_and_the_rest_counts(place: Path, tmp_path: Path) -> None:
    file = answers(tmp_path / "a.jsonl", {"bench-run-1": [2], "bench-run-3": [2]})
    file.write_text(
        file.read_text() + '{"traj_id": ""}\n{"traj_id": "bench-run-5", "labels": [{"incorrect_step_ids": "two"}]}\n'
    )
    keep(place, "mine", file)
    app = evaluate_page("rita", systems=[LOADED.format("mine")])
    assert not app.exception
    assert app.expander[0].label == "2 lines or rows are left out; the rest counts"
    assert app.dataframe[0].value["Where"].tolist() == ["mine, 1 of 1"] * 2
    assert app.dataframe[0].value["Place"].tolist() == ["line 3", "line 4"]
    found = rows(app, "leaderboard")
    assert found["mine"]["answers"] == "3, 1 missing"
    assert found["mine"]["f1"] == "0.667"
    left_out = evaluate_page("rita", systems=[LOADED.format("mine")], missing="is left out")
    assert rows(left_out, "leaderboard")["mine"]["answers"] == "2"
    assert rows(left_out, "leaderboard")["mine"]["f1"] == "1.000"


def test_runs_that_somebody_labels_blind_are_in_no_number_of_theirs(place: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    lines = [
        {"traj_id": f"bench-{run}", "step_count": 5, "incorrect_stages": [{"stage_id": 1, "incorrect_step_ids": [2]}]}
        for run in RUNS
    ]
    manifest.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    keep(place, "all", manifest, kind="manifest")
    keep(place, "mine", answers(tmp_path / "a.jsonl", {"bench-run-1": [2], "bench-run-3": [3]}))
    for truth, runs, positive in [("Ground truth of this workspace", 6, 3), ("Manifest all", 6, 6)]:
        asked: dict[str, Any] = {"truth": truth, "systems": [LOADED.format("mine")]}
        before = evaluate_page("rita", **asked)
        blind = evaluate_page("dan", **asked)
        after = evaluate_page("rita", **asked)
        assert not blind.exception
        assert rows(before, "leaderboard") == rows(after, "leaderboard")
        assert rows(before, "leaderboard")["mine"]["answers"].startswith(f"{positive}, ")
        blind_positive = positive - (1 if positive == 3 else 2)
        assert rows(blind, "leaderboard")["mine"]["answers"].startswith(f"{blind_positive}, ")
        assert rows(blind, "leaderboard")["mine"]["f1"] == "0.000"
        assert "2 runs are left out: you label them blind." in texts(blind)
        assert "label them blind" not in texts(before)
        assert any(caption.value.startswith(f"{runs} runs · ") for caption in before.caption)


def test_a_run_that_came_without_its_row_is_left_out_of_a_manifest_by_task_and_length(
    place: Path, tmp_path: Path
) -> None:
    with Store.open(place) as store:
        run = make_run("unjoined", 7, task="fix-the-parser")
        store.add_runs([run], decisions=[decide(run)])
        store.create_project(Project(project_id="second", annotators=("dan",), created_at=NOON), ["unjoined"])
    manifest = tmp_path / "manifest.jsonl"
    lines = [{"traj_id": f"t{steps}", "task_name": "fix-the-parser", "step_count": steps} for steps in (6, 7)]
    manifest.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    keep(place, "two", manifest, kind="manifest")
    app = evaluate_page("dan", truth="Manifest two")
    assert not app.exception
    assert "1 more left out: they may be runs that you label blind." in texts(app)
    assert any(caption.value.startswith("1 run · 6 steps") for caption in app.caption)


@pytest.mark.parametrize("who", ["ann", "nobody"])
def test_who_only_labels_does_not_see_the_page(place: Path, who: str) -> None:
    app = evaluate_page(who)
    assert not app.exception
    assert "lead or adjudicator or reader" in texts(app)
    assert "leaderboard" not in sent(app)


def test_without_a_system_the_baselines_stand_alone(place: Path) -> None:
    app = evaluate_page("rita")
    assert not app.exception
    assert "No system is chosen." in texts(app)
    assert set(rows(app, "leaderboard")) == {
        "last_step",
        "last_but_one",
        "second_half",
        "all_steps",
        "step_2",
        "random_step",
    }


def test_without_ground_truth_the_page_says_so(place: Path) -> None:
    app = evaluate_page("rita", truth="Adjudicated labels")
    assert not app.exception
    assert "There is no run with such ground truth here" in texts(app)


def test_the_numbers_are_the_published_ones(place: Path, real: Path) -> None:
    data = real / "codetracebench"
    expected = json.loads((data / "expected.json").read_text())
    keep(place, "verified", data / "manifest.jsonl", kind="manifest")
    names = ["codetracer_glm-5.2", "direct_glm-5.2"]
    for name in names:
        keep(place, name, *sorted((data / "predictions").glob(f"{name}.*")))
    asked: dict[str, Any] = {
        "truth": "Manifest verified",
        "systems": [f"{name} (loaded, 2 repetitions)" for name in names],
    }
    shown = evaluate_page("rita", **asked)
    assert not shown.exception
    table = rows(shown, "leaderboard")
    for name in names:
        for part in ("precision", "recall", "f1"):
            assert table[name][part].split()[0] == f"{expected[name]['positive_only'][part]:.3f}"
    published = rows(
        evaluate_page("rita", convention="Mean over all runs (published)", **asked),
        "leaderboard",
    )
    assert published["all_steps"]["f1"].split()[0] == f"{expected['constant_rules']['all_steps']['all_row_f1']:.3f}"
    for name in names:
        assert published[name]["f1"].split()[0] == f"{expected[name]['all_row_f1']:.3f}"
        assert published[name]["answers"].split(",")[0] == str(expected[name]["observations"])
    told = everything_as_json("Manifest verified", asked["systems"])
    for name in names:
        block = told["systems"][name]
        assert block["all_row_f1"] == pytest.approx(expected[name]["all_row_f1"], abs=1e-12)
        for convention in ("scored", "positive_only"):
            assert block[convention] == pytest.approx(expected[name][convention], abs=1e-12)
        assert block["clean_solved_runs_accused"] == expected[name]["clean_solved_runs_accused"]
    clean = rows(evaluate_page("rita", part="Clean runs", **asked), "clean_runs")
    for name in names:
        solved = clean[f"{name} solved"]
        accused, answered = expected[name]["clean_solved_runs_accused"]
        assert (solved["accused"], solved["answered"].split(",")[0]) == (str(accused), str(answered))


def everything_as_json(truth: str, systems: Sequence[str]) -> Any:
    """The file that the page offers for these sources, read."""
    store = open_store()
    offered = system_sources(store, {})
    sources = Sources(truth_sources(store)[truth], tuple(offered[label] for label in systems))
    asked = Asked(sources, State((0, 0), 0, frozenset()), "miss", SEED)
    read = read_sources(asked.sources, asked.state)
    return json.loads(numbers_as_json(store, asked, read, judged(asked)))


# --- what is behind the numbers -------------------------------------------------------------------------------


PARTS = (
    *("Leaderboard", "Two systems", "Slices", "Place in the run", "Onset", "Near hits", "Clean runs", "Repetitions"),
    *("Cost", "Misses and false accusations", "Files"),
)
SAMPLES: dict[str, Any] = {
    "truth": "Sample manifest",
    "systems": ["careful (sample predictions)", "eager (sample predictions)"],
}


@pytest.mark.parametrize("asked", [SAMPLES, {}], ids=["with systems", "without"])
def test_every_part_is_drawn(place: Path, asked: dict[str, Any]) -> None:
    app = evaluate_page("rita", **asked)
    for part in PARTS:
        app.session_state["part"] = part
        app.run()
        assert not app.exception
        assert "That is not possible." not in texts(app)


def test_the_samples_are_one_press_away(place: Path) -> None:
    app = evaluate_page("rita")
    next(button for button in app.button if button.label == "Try it with the sample predictions").click()
    app.run()
    assert not app.exception
    found = rows(app, "leaderboard")
    assert {"careful (sample)", "eager (sample)", "second_half"} <= set(found)
    assert "failed" in found["careful (sample)"]["answers"]


def said_of_runs(place: Path, tmp_path: Path) -> dict[str, Any]:
    """Predictions that miss one incorrect step and accuse two others wrongly."""
    file = answers(tmp_path / "said.jsonl", {"bench-run-1": [2], "bench-run-3": [4], "bench-run-4": [5]})
    keep(place, "mine", file)
    return {"systems": [LOADED.format("mine")]}


def test_lists_hold_the_steps_with_their_text_and_lead_there(place: Path, tmp_path: Path) -> None:
    asked = said_of_runs(place, tmp_path)
    listed = "Misses and false accusations"
    missed = sent(evaluate_page("rita", part=listed, **asked))["steps_behind"]["rows"]
    assert [row["cells"]["step"]["text"] for row in missed] == ["2 of 5", "2 of 5"]
    wrong, silent = sorted(missed, key=lambda row: row["cells"]["run"]["text"])
    assert wrong["cells"]["run"]["text"] == "task of run-3 · bench-run-3"
    assert wrong["cells"]["nearest"]["text"] == "4 (2 later)"
    assert wrong["cells"]["text"]["text"] == "cat file_2.py"
    assert wrong["cells"]["step"]["href"].startswith("trajectory?traj=run-3&step=2&show=labels&list=")
    assert silent["cells"]["answers"]["text"] == "no answer"
    accused = sent(evaluate_page("rita", part=listed, errors="False accusations", **asked))["steps_behind"]["rows"]
    assert [(row["cells"]["run"]["text"], row["cells"]["step"]["text"]) for row in accused] == [
        ("task of run-3 · bench-run-3", "4 of 5"),
        ("task of run-4 · bench-run-4", "5 of 5"),
    ]


def test_who_is_shown_steps_is_on_record_once_and_aggregates_expose_nobody(place: Path, tmp_path: Path) -> None:
    asked = said_of_runs(place, tmp_path)
    app = evaluate_page("rita", **asked)
    for part in PARTS:
        if part not in ("Two systems", "Misses and false accusations"):
            app.session_state["part"] = part
            app.run()
    assert open_store().shown_to("rita") == set()
    evaluate_page("rita", part="Misses and false accusations", **asked)
    seen = {(run, what) for run in ("run-3", "run-5") for what in ("ground_truth", "model")}
    assert open_store().shown_to("rita") == seen
    revision = open_store().revision()
    evaluate_page("rita", part="Misses and false accusations", **asked)
    assert open_store().revision() == revision
    evaluate_page("rita", part="Two systems", **asked)
    assert open_store().shown_to("rita") > seen


def test_numbers_of_one_or_two_runs_are_labels_of_them_and_go_on_record(place: Path, tmp_path: Path) -> None:
    words = "Numbers of so few runs tell what is said of each"
    asked = said_of_runs(place, tmp_path)
    assert words not in texts(evaluate_page("rita", part="Leaderboard", **asked))
    assert open_store().shown_to("rita") == set()
    row = {"traj_id": "bench-run-3", "step_count": 5}
    (tmp_path / "one.jsonl").write_text(json.dumps(row))
    keep(place, "one", tmp_path / "one.jsonl", kind="manifest")
    assert words in texts(evaluate_page("rita", truth="Manifest one", systems=[]))
    assert open_store().shown_to("rita") == {("run-3", "ground_truth")}


def test_lists_never_name_a_run_that_is_labelled_blind(place: Path, tmp_path: Path) -> None:
    keep(place, "mine", answers(tmp_path / "a.jsonl", {f"bench-{run}": [1, 3] for run in RUNS}))
    asked: dict[str, Any] = {"systems": [LOADED.format("mine")]}
    for part, errors in [
        ("Misses and false accusations", "Misses"),
        ("Misses and false accusations", "False accusations"),
        ("Two systems", "Misses"),
        ("Slices", "Misses"),
    ]:
        told = json.dumps(sent(evaluate_page("dan", part=part, errors=errors, by="task", **asked)))
        assert "run-3" in told
        assert "run-1" not in told
        assert "run-2" not in told
    assert {run for run, _ in open_store().shown_to("dan")}.isdisjoint(RUNS[:2])


def test_lists_as_files_go_on_record_before_they_are_written(place: Path, tmp_path: Path) -> None:
    asked = said_of_runs(place, tmp_path)
    app = evaluate_page("rita", part="Files", **asked)
    assert open_store().shown_to("rita") == set()
    next(button for button in app.button if button.label == "Write its lists of steps").click()
    app.run()
    assert not app.exception
    assert {run for run, _ in open_store().shown_to("rita")} == {"run-3", "run-4", "run-5"}
    (_, files) = app.session_state["lists_written"]
    lines = list(csv.DictReader(io.StringIO(files["Misses"])))
    assert [(line["run_id"], line["step_id"], line["text"]) for line in lines] == [
        ("run-3", "2", "cat file_2.py"),
        ("run-5", "2", "cat file_2.py"),
    ]


def test_stored_diagnoses_are_systems_and_hostile_names_stay_text(place: Path) -> None:
    hostile = "openai/<img src=x onerror=alert(1)>![b](http://127.0.0.1:9/b.png)"
    with Store.open(place) as store:
        for run_id in RUNS:
            store.add_diagnosis(make_diagnosis(run_id=run_id, model=hostile), [])
    app = evaluate_page("rita")
    found = rows(app, "leaderboard")
    (name,) = (name for name in found if name.startswith("openai/"))
    assert found[name]["answers"] == "3"
    shown = [*app.markdown, *app.caption, *app.info, *app.warning]
    assert not [one for one in shown if "<img" in one.value or "![b]" in one.value]
    costs = rows(evaluate_page("rita", part="Cost"), "costs")
    assert costs[name]["calls"] == "5.0"
    assert costs[name]["total"] == "0.18"


def test_a_system_that_is_called_like_a_rule_is_told_apart_from_it(place: Path, tmp_path: Path) -> None:
    keep(place, "all_steps", answers(tmp_path / "a.jsonl", {"bench-run-1": [2]}))
    found = rows(evaluate_page("rita", systems=[LOADED.format("all_steps")]), "leaderboard")
    assert {"all_steps", LOADED.format("all_steps")} <= set(found)


def test_ground_truth_that_is_stored_while_the_page_is_open_counts_at_once(place: Path) -> None:
    app = evaluate_page("rita")
    assert rows(app, "leaderboard")["all_steps"]["answers"] == "3"
    open_store().add_label_events([_truth("run-2", 50, "incorrect")])
    app.run()
    assert rows(app, "leaderboard")["all_steps"]["answers"] == "4"


# --- numbers and words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (Estimate(0.2, low=0.1, high=0.3, clusters=40), "A is better than B"),
        (Estimate(-0.2, low=-0.3, high=-0.1, clusters=40), "B is better than A"),
        (Estimate(0.2, low=-0.1, high=0.3, clusters=40), "do not tell A and B apart"),
        (Estimate(0.2, clusters=4, why_no_interval="4 clusters: too few"), "cannot be told: 4 clusters: too few"),
        (Estimate(None, why="no run counts"), "cannot be compared: no run counts"),
    ],
)
def test_two_systems_in_words(difference: Estimate, words: str) -> None:
    assert words in in_words("A", "B", difference)


def test_the_mean_cost_is_the_mean_over_diagnoses_not_over_tasks() -> None:
    found = mean_by_task(["a", "a", "b", None], [1.0, 2.0, 6.0, 3.0], seed=1)
    assert found.value == 3.0
    assert found.clusters == 3
    assert mean_by_task([], [], seed=1).value is None


def test_the_leaderboard_as_csv_says_why_a_number_is_missing() -> None:
    evaluation = evaluate([Truth("a", 4, frozenset({2}))], [System("=1+1", ({"a": Prediction("a", incorrect=(2,))},))])
    lines = list(csv.DictReader(io.StringIO(leaderboard_csv(evaluation))))
    (line,) = (one for one in lines if one["name"] == "'=1+1" and one["convention"] == "all_row_f1")
    assert (line["f1"], line["f1_low"]) == ("1.0", "")
    assert line["f1_why"].startswith("1 cluster")
    assert (line["precision"], line["precision_why"]) == ("", "the convention has none")
    assert len(lines) == len(CONVENTIONS) * len(evaluation.entries)
    sliced = list(csv.DictReader(io.StringIO(slices_csv(["agent"], slices(evaluation, ["agent"], names=("=1+1",))))))
    assert [(one["agent"], one["name"], one["f1"], one["runs_in_slice"]) for one in sliced] == [
        ("not known", "'=1+1", "1.0", "1")
    ]
