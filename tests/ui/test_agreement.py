"""The Agreement page in Streamlit's own test runner, on a real workspace: numbers, empty states, who sees what."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import streamlit as st
from sklearn.metrics import f1_score
from streamlit.testing.v1 import AppTest

from codetracer_core.agreement import Selection, agreement, steps_behind
from codetracer_core.agreement.selection import Differ, OnsetsApart, Said, Split, Together, Voted
from codetracer_core.agreement.told import ALL, scopes
from codetracer_core.projects import Project
from codetracer_core.ratings import INCORRECT, Rater
from codetracer_core.store import Store
from codetracer_core.ui.agreement import Answer, Question
from codetracer_core.ui.agreement_onsets import (
    borders_table,
    detection,
    distances_table,
    ranges_table,
    within_table,
)
from codetracer_core.ui.agreement_sections import files_of
from codetracer_core.ui.agreement_tables import as_pick, as_selection, pair_matrix, questions_table
from tests.agreement.rated import drawn_ratings
from tests.conftest import REPOSITORY
from tests.store.factory import decide, make_label, make_run
from tests.ui.test_pages import sent, texts

STEPS, RUNS = 6, [f"run-{n}" for n in range(1, 5)]
ANN: dict[str, dict[int, str]] = {"run-1": {2: "incorrect", 3: "incorrect"}, "run-2": {5: "incorrect"}, "run-3": {}}
BOB: dict[str, dict[int, str]] = {"run-1": {2: "incorrect", 4: "unuseful"}, "run-2": {}, "run-3": {1: "uncertain"}}
TABS = ("Measures", "Pairs", "Labels", "Onset", "Ranges and stages", "Runs", "Raters", "Disagreements", "Download")
HOSTILE = "<b>bob</b> [x](javascript:1)"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Ann and somebody with a hostile name have submitted three of four runs; Eve labels and may get all of them."""
    place = tmp_path / "workspace"
    place.mkdir()
    (place / "people.toml").write_text(
        f'[people]\nlea = ["lead"]\nann = ["annotator"]\n"{HOSTILE}" = ["annotator"]\neve = ["annotator"]\n'
    )
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(place))
    st.cache_resource.clear()
    with Store.open(place) as opened:
        runs = [make_run(run, STEPS) for run in RUNS]
        opened.add_runs(runs, decisions=[decide(run) for run in runs])
        people = ("ann", HOSTILE, "eve")
        pilot = Project(project_id="pilot", annotators=people, annotators_per_run=3, created_at=datetime.now(UTC))
        opened.create_project(pilot, RUNS)
        for who, of_runs in (("ann", ANN), (HOSTILE, BOB)):
            submit(opened, who, of_runs)
        opened.add_label_events(
            [make_label(1, run_id="run-1", step_id=6, source="model", annotator="a model", client="model")]
        )
    yield place
    st.cache_resource.clear()


def submit(opened: Store, who: str, of_runs: Mapping[str, Mapping[int, str]]) -> None:
    for at, (run, verdicts) in enumerate(of_runs.items()):
        claimed = opened.claim_next("pilot", who)
        assert claimed is not None
        assert claimed.run_id == run
        labels = [
            make_label(100 * at + step, word, run_id=run, step_id=step, annotator=who, client=who)
            for step, word in verdicts.items()
        ]
        assert opened.add_human_labels(labels).refused == ()
        opened.submit("pilot", run, who)


def page(who: str = "lea", **query: str | list[str]) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    app.switch_page(str(REPOSITORY / "pages" / "agreement.py"))
    app.session_state["annotator"] = who
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    assert [error.value for error in app.error] == []
    return app


def shown_to(place: Path, who: str) -> set[tuple[str, str]]:
    st.cache_resource.clear()  # the dashboard gives the workspace free
    with Store.open(place) as opened:
        return {(run, str(what)) for run, what in opened.shown_to(who)}


def rows(app: AppTest, table: str) -> dict[str, Any]:
    return {row["id"]: row["cells"] for row in sent(app)[table]["rows"]}


def in_dialog(app: AppTest) -> dict[str, Any]:
    """As ``sent``, also of what lies over the page."""
    components = [element for element in app if element.type == "bidi_component"]
    return {
        element.proto.id.rpartition("-")[2]: json.loads(element.proto.json)
        for element in components
        if element.proto.WhichOneof("data")
    }


def tabs(app: AppTest) -> Iterator[AppTest]:
    """The page with each of its tabs open, one after the other."""
    for tab in TABS:
        app.session_state["agreement_tab"] = tab
        app.run()
        assert not app.exception
        yield app


@pytest.mark.parametrize("reading", ["blind", "blind beside revised"])
def test_every_part_is_drawn(store: Path, reading: str) -> None:
    app = page(agreement_reading=reading, agreement_with=["models", "ground truth", "adjudicated"])
    assert len([sent(drawn) for drawn in tabs(app)]) == len(TABS)


def test_numbers_are_those_of_the_labels(store: Path) -> None:
    app = page()
    pairs = [(run, step) for run in ANN for step in range(1, STEPS + 1) if BOB[run].get(step) != "uncertain"]
    ann, bob = ([said[run].get(step) == "incorrect" for run, step in pairs] for said in (ANN, BOB))
    psa = rows(app, "agreement_measures")["PSA: agreement on “incorrect”"]["of0"]
    assert psa["value"] == pytest.approx(f1_score(ann, bob), abs=1e-12)
    assert psa["note"].startswith("No interval: 2 clusters")  # of three, those in which somebody says so
    captions = " ".join(caption.value for caption in app.caption)
    assert "4 runs with 24 steps" in captions
    assert "seed 20260401" in captions


def test_numbers_of_three_raters_together_open_steps() -> None:
    ratings = drawn_ratings(11, raters=3, runs=60)
    found = agreement(ratings)
    scope = scopes(found)[ALL]
    tables = [questions_table(scope), within_table(scope), distances_table(scope), ranges_table(scope)]
    cells = [(row.id, name, cell) for _, rows in tables for row in rows for name, cell in row.cells.items()]
    cells += [(f"detection {at}", "", cell) for at, row in enumerate(detection(scope)) for cell in row]
    cells += [(row.id, name, cell) for row in borders_table(scope)[1] for name, cell in row.cells.items()]
    counts = {"both", "one", "runs", "matched", "overlapping", "only", ""}
    opened: set[str] = set()
    for row, name, cell in cells:
        if name in counts:
            assert bool(cell.pick) == bool(cell.value), (row, name)
        if cell.pick:
            selection = as_selection(cell.pick, found.raters)
            assert selection is not None, (row, name)
            assert as_pick(selection) == cell.pick
            assert steps_behind(ratings, selection), (row, name)
            opened.add(type(selection).__name__)
    assert opened == {"AnyPair", "Together", "Split"}


def test_counts_of_a_question_open_the_steps_that_they_count(store: Path) -> None:
    cells = rows(page(), "agreement_questionsValue")["Steps: incorrect"]
    one = {(run, step) for run in ANN for step in range(1, STEPS + 1) if BOB[run].get(step) != "uncertain"}
    one = {at for at in one if (ANN[at[0]].get(at[1]) == "incorrect") != (BOB[at[0]].get(at[1]) == "incorrect")}
    assert cells["one"]["text"] == str(len(one))
    assert cells["one"]["pick"] == as_pick(Split((0, 1), INCORRECT))
    app = page(steps=cells["one"]["pick"])
    opened = next(table for name, table in in_dialog(app).items() if name.startswith("agreement_list"))
    assert {tuple(row["id"].rsplit(" ", 1)) for row in opened["rows"]} == {(run, str(step)) for run, step in one}
    assert cells["both"]["pick"] == as_pick(Together((0, 1), INCORRECT, INCORRECT))


def test_three_raters_stand_in_a_square(store: Path) -> None:
    with Store.open_for_reading(store) as reader:
        found = agreement(reader.ratings(project_id="pilot", sources=("human", "model")))
    cells = pair_matrix(found)
    assert len(cells) == len(found.raters) == 3
    people = next(pair for pair in found.pairs if {pair.first, pair.second} == set(found.over))
    low, high = sorted(found.over)
    assert cells[low][high].value == people.incorrect.alpha.value
    assert cells[high][low].value == people.incorrect.psa.value
    assert cells[high][low].pick == cells[low][high].pick == as_pick(Differ((people.first, people.second)))
    assert all(cells[at][at].text == "–" and not cells[at][at].pick for at in range(3))


def test_no_name_of_a_person_is_read_as_markdown(store: Path) -> None:
    for app in tabs(page()):
        told = [*app.caption, *app.markdown, *app.info, *app.button, *app.expander, *app.tabs]
        assert not any("javascript" in str(getattr(one, "value", "") or getattr(one, "label", "")) for one in told)


def test_who_labels_a_run_blind_sees_nothing_of_it(store: Path) -> None:
    eve = page("eve")
    assert "4 runs are left out: you label them blind." in texts(eve)
    assert "Nobody has submitted" in texts(eve)
    everything = json.dumps([sent(eve), texts(eve), [caption.value for caption in eve.caption]])
    assert "ann" not in json.loads(everything)[1]
    assert "agreement_measures" not in sent(eve)
    ann = page("ann", agreement_tab="Disagreements")
    assert "1 run is left out: you label it blind." in texts(ann)
    listed = {row["cells"]["run"]["text"] for row in sent(ann)["agreement_list_all"]["rows"]}
    assert listed == {"run-1", "run-2"}


def test_an_annotator_is_not_told_who_the_others_are(store: Path) -> None:
    for app in tabs(page("ann")):
        assert "bob" not in json.dumps(sent(app))
    assert "person A" in json.dumps(sent(page("ann", agreement_tab="Pairs")))
    assert "bob" in json.dumps(sent(page("lea", agreement_tab="Pairs")))


def test_what_is_shown_of_a_run_goes_on_record_and_numbers_expose_nobody(store: Path) -> None:
    page("lea", agreement_tab="Measures")
    assert shown_to(store, "lea") == set()
    opened = page("lea", steps=as_pick(Said(((0, (INCORRECT,)), (1, (INCORRECT,))))))
    assert [row["cells"]["step"]["text"] for row in in_dialog(opened)["agreement_list_steps"]["rows"]] == ["2"]
    assert shown_to(store, "lea") == {("run-1", "peers")}
    page("lea", agreement_tab="Disagreements", agreement_with="models", agreement_scope="ann · a model (model)")
    assert shown_to(store, "lea") == {("run-1", "peers"), ("run-1", "model")}


def test_numbers_of_one_run_are_labels_of_it_and_go_on_record(store: Path) -> None:
    alone = page("lea", agreement_project="all runs", agreement_text="task of run-2")
    assert "Numbers of so few runs tell what is said of each" in texts(alone)
    assert shown_to(store, "lea") == {("run-2", "peers")}
    assert "Numbers of so few runs" not in texts(page("lea"))


@pytest.mark.parametrize("name", ["All numbers as JSON", "Runs as CSV"])
def test_a_file_that_tells_of_single_runs_goes_on_record_when_it_is_written(store: Path, name: str) -> None:
    page("lea", agreement_tab="Download")
    assert shown_to(store, "lea") == set()
    with Store.open(store) as opened:
        question = Question("pilot", None, "blind", ("human",), "correct")
        ratings = opened.ratings(project_id="pilot", blind=["run-3"])
        answer = Answer(question, ratings, agreement(ratings), 1)
        assert "run-1" in files_of(opened, answer, "lea")[name][1]()
        assert opened.shown_to("lea") == {("run-1", "peers"), ("run-2", "peers")}


def test_numbers_as_a_file_expose_nobody(store: Path) -> None:
    with Store.open(store) as opened:
        ratings = opened.ratings(project_id="pilot")
        answer = Answer(Question("pilot", None, "blind", ("human",), "correct"), ratings, agreement(ratings), 0)
        assert "alpha" in files_of(opened, answer, "lea")["Numbers as CSV"][1]()
        assert opened.shown_to("lea") == set()


def test_a_list_opens_the_viewer_with_labels_shown(store: Path) -> None:
    listed = sent(page(agreement_tab="Disagreements"))["agreement_list_all"]["rows"]
    assert [(row["cells"]["run"]["text"], row["cells"]["step"]["text"]) for row in listed] == [
        ("run-2", "5"),
        ("run-1", "3"),
        ("run-1", "4"),
    ]
    first = listed[0]["cells"]
    assert first["step"]["href"].startswith("trajectory?traj=run-2&step=5&show=labels&list=")
    assert (first["said1"]["text"], first["said0"]["text"]) == ("incorrect", "correct (unlabelled)")


def test_where_there_is_nothing_to_compare_the_page_says_what_to_do(store: Path) -> None:
    assert "Nobody has submitted a run twice" in texts(page(agreement_reading="repeats"))
    st.cache_resource.clear()
    with Store.open(store) as opened:
        opened.create_project(Project(project_id="new", created_at=datetime.now(UTC)), RUNS[:1])
        opened.create_project(Project(project_id="alone", annotators=("ann",), created_at=datetime.now(UTC)), RUNS[3:])
        opened.claim_next("alone", "ann")
        opened.submit("alone", "run-4", "ann")
    new = page(agreement_project="new")
    assert "Nobody has submitted a run of this project yet" in texts(new)
    assert not [caption.value for caption in new.caption if "intervals" in caption.value]
    assert "Only one rater is here" in texts(page(agreement_project="alone"))


def test_filters_choose_among_all_runs(store: Path) -> None:
    app = page(agreement_project="all runs", agreement_text="task of run-2", agreement_tab="Runs")
    assert list(rows(app, "agreement_runs")) == ["run-2"]


def test_a_pick_is_read_back_and_anything_else_is_none() -> None:
    raters = [Rater("human", "ann"), Rater("human", "bob")]
    selections: list[Selection] = [
        Said(((0, (INCORRECT,)), (1, (0, -1)))),
        Differ((0, 1), "run-1"),
        Split((0, 1), INCORRECT),
        OnsetsApart(0, 1, -3, 3),
    ]
    for selection in selections:
        assert as_selection(as_pick(selection), raters) == selection
    nobody: list[Selection] = [Differ((0, 2)), Voted((0, 2), 2, 1), Together((0, 2), 0, 1), Split((0, 2), INCORRECT)]
    for selection in nobody:
        assert as_selection(as_pick(selection), raters) is None
    broken = [
        "",
        "{}",
        "[]",
        "null",
        '["Said"]',
        '["Said", {"by": 1}]',
        '["os.system", {}]',
        '["Said", {"by": [[-9, [1]]]}]',
    ]
    for pick in broken:
        assert as_selection(pick, raters) is None
    assert len(get_args(Selection)) >= 9
