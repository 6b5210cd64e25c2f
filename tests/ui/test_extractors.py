"""The extractors page: what the editor is sent and takes from the browser, which files it shows, what jobs tell."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.errors import NotFound, SpecError, UnknownFormat
from codetracer_core.extractors.generator import Progress
from codetracer_core.extractors.registry import save
from codetracer_core.extractors.spec import read_spec
from codetracer_core.extractors.trying import try_spec
from codetracer_core.store import Store
from codetracer_core.ui.extractor_editor import Asked, Draft, asked_of, editor_data
from codetracer_core.ui.extractor_jobs import TeachingJob
from codetracer_core.ui.extractor_new import TEMPLATE, job_data
from codetracer_core.ui.extractor_preview import (
    LONGEST_TEXT,
    WINDOW,
    Reading,
    natural,
    problem_data,
    raw_data,
    raw_files,
    read_folder,
    share_words,
)
from codetracer_core.ui.extractors import refuse_taken, tried_row
from tests.conftest import REPOSITORY, SAMPLE_DATA
from tests.store.factory import NOON, decide, make_run
from tests.ui.test_pages import sent

SPEC = (SAMPLE_DATA / "extractors" / "relay.yaml").read_text()
RELAY = SAMPLE_DATA / "unfamiliar" / "relay"


@pytest.fixture
def relay(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RELAY, tmp_path / "relay"))


def draft(folder: Path | None = RELAY, text: str = SPEC) -> Draft:
    return Draft("relay v1", text, folder)


def test_the_editor_is_sent_steps_with_their_places_and_the_raw_file_with_what_became_of_its_lines() -> None:
    data = editor_data(draft(), Asked(SPEC, run=1, path="turn-2/request.json", sequence=7))
    assert (data["problem"], data["answered"], data["runs"]) == (None, 7, ["duplicate-invoices", "expired-tokens"])
    second = data["preview"]["steps"][1]
    path, first, last = second["action"]["place"]
    assert path == "turn-2/request.json"
    spans = data["raw"]["spans"]
    assert [span["step"] for span in spans if span["part"] == "action"] == [2]
    assert all(first <= span["first"] <= span["last"] <= last for span in spans if span["part"] == "action")
    assert data["raw"]["lines"][0] == {"text": "{", "hidden": 0}
    assert {"path": "turn-2/request.json", "words": ""} in data["files"]


def test_while_the_text_cannot_be_used_the_last_good_one_stays_and_the_wrong_line_is_named() -> None:
    wrong = SPEC.replace("sources:", "sorces:")
    data = editor_data(draft(), Asked(wrong, good=SPEC))
    assert data["problem"]["line"] == SPEC.split("\n").index("sources:") + 1
    assert "sorces" in data["problem"]["words"]
    assert data["preview"]["stepCount"] > 0
    assert not data["isGood"]


def test_a_run_that_cannot_be_read_is_told_at_its_line_and_the_others_stay_to_be_chosen(tmp_path: Path) -> None:
    good, cut = '{"do": "ls the folder", "got": "a.py"}\n', '{"do": "ls'
    (tmp_path / "a.jsonl").write_text(f"{good}{cut}\n{good}")
    (tmp_path / "b.jsonl").write_text(good * 2)
    spec = """name: acme
title: Acme
find: {run: file, files: '*.jsonl'}
sources: [{kind: jsonl}]
rules: [{name: steps, step: {action: do, observation: got}}]
"""
    data = editor_data(draft(tmp_path), Asked(spec, good=spec))
    assert "a.jsonl, line 2: no valid JSON" in data["problem"]["words"]
    assert (data["problem"]["isOfRun"], data["problem"]["line"]) == (True, 0), "no line of the spec is to blame"
    assert data["problem"]["place"] == ("a.jsonl", 2)
    assert (data["runs"], data["preview"], data["raw"]["path"]) == (["a.jsonl", "b.jsonl"], None, "a.jsonl")
    assert [line["text"] for line in data["raw"]["lines"]][1] == cut
    other = editor_data(draft(tmp_path), Asked(spec, run=1))
    assert (other["problem"], other["preview"]["stepCount"]) == (None, 2)


def test_a_folder_that_is_not_there_or_not_named_is_told_and_shows_no_file(tmp_path: Path) -> None:
    for folder, words in ((None, "Name a folder"), (tmp_path / "nowhere", "nothing here")):
        data = editor_data(draft(folder), Asked(SPEC))
        assert words in data["problem"]["words"]
        assert (data["preview"], data["raw"], data["files"]) == (None, None, [])


def test_without_a_run_the_files_of_the_folder_can_be_looked_at(relay: Path) -> None:
    data = editor_data(draft(relay), Asked(SPEC.replace("files: relay.json", "files: other.json", 1)))
    assert "recognises no run" in data["problem"]["words"]
    assert data["raw"]["path"] == "duplicate-invoices/relay.json"
    assert "expired-tokens/turn-9/plan.txt" in [file["path"] for file in data["files"]]


@pytest.mark.parametrize(
    "message",
    [
        None,
        "text",
        {"draft": "another", "text": "x"},
        {"draft": "relay v1", "text": 3, "run": "1", "path": None, "line": -4, "sequence": []},
    ],
)
def test_whatever_the_browser_says_is_taken_or_passed_over(message: Any) -> None:
    assert asked_of(draft(), message) == Asked(SPEC)


def test_only_files_of_the_run_are_shown_and_links_out_of_it_are_refused(relay: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("planted-secret")
    run = relay / "expired-tokens"
    (run / "link.txt").symlink_to(tmp_path / "secret.txt")
    reading = read_folder(SPEC, run)
    assert isinstance(reading, Reading)
    files = raw_files(run, reading)
    for path in ("../../secret.txt", str(tmp_path / "secret.txt"), "turn-1/../../../secret.txt"):
        with pytest.raises(NotFound):
            raw_data(files, reading, path, 1)
    shown = raw_data(files, reading, "link.txt", 1)
    assert shown is not None
    assert (shown["lines"], "outside" in shown["problem"]) == ([], True)


def test_long_files_come_in_windows_around_the_line_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("".join(f"line {number} {'x' * 2_000}\n" for number in range(1, 2_001)))
    files = raw_files(tmp_path / "log.txt", None)
    for line, first in ((1, 1), (1_000, 1_000 - WINDOW // 4), (2_000, 2_001 - WINDOW)):
        shown = raw_data(files, None, "", line)
        assert shown is not None
        assert (shown["from"], shown["total"], len(shown["lines"])) == (first, 2_000, WINDOW)
        assert shown["lines"][0]["text"].startswith(f"line {first} ")
        assert shown["lines"][0]["hidden"] > 0


def test_long_texts_of_steps_are_cut_and_how_much_is_hidden_is_told(relay: Path) -> None:
    (relay / "expired-tokens" / "turn-1" / "shell.txt").write_text("y" * 5_000)
    data = editor_data(draft(relay / "expired-tokens"), Asked(SPEC))
    observation = data["preview"]["steps"][0]["observation"]
    assert (len(observation["text"]), observation["hidden"]) == (LONGEST_TEXT, 5_000 - LONGEST_TEXT)


def test_a_spec_does_not_take_the_place_of_another_extractor_by_its_name(tmp_path: Path) -> None:
    version = save(tmp_path, read_spec(SPEC), made_by="ana")
    taken = ["relay", "tern"]
    for new in (draft(), Draft("proposal", SPEC, RELAY, made_by="openai/x"), Draft("relay v1", SPEC, None, version)):
        refuse_taken(new, "heron", taken)
        with pytest.raises(SpecError, match="there is an extractor 'tern' already"):
            refuse_taken(new, "tern", taken)
    with pytest.raises(SpecError, match="another name"):
        refuse_taken(draft(), "relay", taken)
    refuse_taken(Draft("relay v1", SPEC, RELAY, version=version), "relay", taken)  # its next version
    refuse_taken(Draft("proposal", SPEC, RELAY, made_by="openai/x", repairs="relay"), "relay", taken)


def test_problems_name_the_line_of_the_spec() -> None:
    assert problem_data(SpecError("no", place="line 12, column 3"))["line"] == 12
    assert problem_data(UnknownFormat("no", path="line 4"))["line"] == 0


def test_shares_are_rounded_down_and_names_in_natural_order() -> None:
    assert [share_words(share) for share in (1.0, 0.99999, 0.5, 0.0)] == ["100 %", "99.9 %", "50 %", "0 %"]
    assert sorted(["turn-10", "turn-2", "a", "2"], key=natural) == ["2", "a", "turn-2", "turn-10"]


def test_the_template_is_a_spec() -> None:
    assert read_spec(TEMPLATE.read_text()).name == "my-agent"


def test_a_spec_on_folders_says_what_it_reads_and_what_not() -> None:
    spec = read_spec(SPEC)
    good, bad = (tried_row(str(place), try_spec(spec, [place])) for place in (RELAY, RELAY.with_name("tern")))
    assert (good.cells["found"].text, good.cells["read"].text, good.tone) == ("2", "2", "")
    assert good.cells["problems"].text == ""
    assert (bad.cells["found"].text, bad.tone) == ("0", "bad")
    assert "recognises no run" in bad.cells["problems"].text


def test_a_job_tells_what_the_model_does_and_what_went_wrong() -> None:
    job = TeachingJob(who="Ada", folder=Path("runs"), model="openai/scripted")
    for kind, text in (
        ("asked", "1 call"),
        ("looked", "a.json from line 1"),
        ("proposed", ""),
        ("judged", "reads no run"),
    ):
        job.hear(Progress(NOON, kind, text, 1, CallUsage(calls=1)))  # type: ignore[arg-type]
    job.problem = "the model could not be asked"
    job.settle()
    job.ended_at = job.started_at
    told = job_data(job, has_log=True)
    assert [line["said"] for line in told["log"]] == [
        "looks at a.json from line 1",
        "proposal 1: reads no run",
        job.problem,
    ]
    assert (told["isOver"], told["mayCancel"], told["runs"]) == (True, False, [])
    assert job_data(job, has_log=False)["log"] == []


def test_the_page_offers_what_can_be_done_with_a_folder_and_only_to_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = tmp_path / "workspace"
    monkeypatch.setenv("CODETRACER_WORKSPACE", str(workspace))
    st.cache_resource.clear()
    with Store.open(workspace) as store:
        run = make_run("seeded", 1)
        store.add_runs([run], decisions=[decide(run)])
    save(workspace, read_spec(SPEC), made_by="Ada", folder=RELAY)

    def visited(name: str) -> AppTest:
        app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
        app.session_state["annotator"] = name
        app.switch_page(str(REPOSITORY / "pages" / "extractors.py"))
        app.query_params["folder"] = str(RELAY)
        return app.run()

    app = visited("Ana")
    assert not app.exception
    (row,) = sent(app)["extractors_table"]["rows"]
    assert row["cells"]["name"] == {"text": "relay", "href": "/extractors?extractor=relay"}
    assert row["cells"]["version"]["text"] == "v1"
    buttons = {button.label: button.disabled for button in app.button}
    assert (buttons["Propose a spec"], buttons["Find run folders"], buttons["Write one by hand"]) == (True, True, False)

    (workspace / "people.toml").write_text('[people]\nada = ["lead"]\nrita = ["reader"]\n')
    for name, is_offered in (("rita", False), ("ada", True)):
        app = visited(name)
        assert ("extractors_table" in sent(app)) == is_offered
        assert bool(app.exception or app.error) != is_offered
    st.cache_resource.clear()
