"""``codetracer extractors``: from an unknown folder to labelled steps, over a real model server; sharing and repair."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.extracting import used
from codetracer_core.extractors.fit_log import fits_of
from codetracer_core.extractors.registry import registered
from codetracer_core.store import Store
from tests.extractors.unfamiliar import (
    BLIND_RELAY,
    BOTH_VERSIONS,
    NO_SPEC,
    RELAY,
    SPECS,
    UNFAMILIAR,
    drifted,
    relay_runs,
)
from tests.model_server import Fail, ModelServer, calling

Servers = Callable[..., ModelServer]


def asking(server: ModelServer) -> list[str]:
    return ["--model", "openai/scripted", "--api-base", server.url]


@pytest.mark.parametrize("refuses", [(), ("tools", "response_format")], ids=["native calls", "text only"])
def test_an_unknown_format_becomes_labelled_steps_and_is_repaired_when_it_drifts(
    codetracer: Any, model_server: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CODETRACER_API_KEY", "sk-test-0123456789")
    first = relay_runs(tmp_path / "first", "duplicate-invoices") / "duplicate-invoices"
    unknown = codetracer("import", first)
    assert unknown.code == 1
    assert f"codetracer extractors new {first}" in unknown.out

    server = model_server(
        [
            calling("look", path="relay.json"),
            calling("propose_extractor", spec=NO_SPEC),
            calling("propose_extractor", spec=BLIND_RELAY),
            calling("propose_extractor", spec=RELAY),
        ],
        refuses=refuses,
    )
    made = codetracer("extractors", "new", first, *asking(server), "--yes")
    assert made.code == 0, made.out + made.err
    assert "kept: relay, version 1" in made.out
    assert "1 imported" in made.out
    assert "judged: cannot be used" in made.err
    assert "checks not passed: coverage, observations" in made.err
    assert "sk-test" not in made.out + made.err
    (run,) = codetracer("list", "--json").json
    assert (run["format"], run["step_count"], run["outcome"]) == ("relay", 11, "failed")

    label = codetracer("label", run["run_id"], "--step", "4", "--verdict", "incorrect", "--annotator", "ana")
    assert label.code == 0, label.err
    assert codetracer("list", "--json").json[0]["labels"] == 1

    asked = len(server.requests)
    second = relay_runs(tmp_path / "second", "expired-tokens")
    again = codetracer("import", second, "--json").json
    assert [(item["status"], item["step_count"], item["to_do"]) for item in again["items"]] == [("imported", 9, "")]
    assert len(server.requests) == asked, "no model is needed any more"

    third = drifted(relay_runs(tmp_path / "third", "expired-tokens") / "expired-tokens")
    noticed = codetracer("import", third, "--json").json
    (item,) = noticed["items"]
    assert (item["status"], item["to_do"], item["format"]) == ("imported", "repair", "relay")
    assert "fits worse than before" in item["reason"]
    assert f"codetracer extractors repair relay {third}" in item["remedy"]
    shown = codetracer("inspect", item["run_id"]).out
    assert "fits worse" in shown
    assert "1" in next(line for line in codetracer("extractors", "list").out.splitlines() if line.startswith("relay"))

    healing = model_server([calling("propose_extractor", spec=BOTH_VERSIONS)])
    healed = codetracer("extractors", "repair", "relay", third, *asking(healing), "--yes", "--json").json
    assert (healed["accepted"], healed["version"]) == (True, 2)
    assert [one["step_count"] for one in healed["import"]["items"]] == [9]
    assert "fits worse" not in codetracer("inspect", healed["import"]["items"][0]["run_id"]).out
    assert codetracer("import", tmp_path / "first", "--json").json["items"][0]["view"] == "v2"
    (run,) = (one for one in codetracer("list", "--json").json if one["step_count"] == 11)
    assert run["labels"] == 1, "labels stay when a better reading replaces a run"
    assert server.requests[-1].tools == ([] if refuses else ["propose_extractor", "look", "give_up"])


def test_a_run_of_which_nothing_is_understood_fails_loudly_and_stops_no_other(codetracer: Any, tmp_path: Path) -> None:
    assert codetracer("extractors", "import", SPECS / "relay.yaml").code == 0
    root = relay_runs(tmp_path / "runs")
    for turn in (root / "expired-tokens").glob("turn-*"):
        for file in turn.iterdir():
            if file.name != "exit.json":
                file.unlink()
    (root / "expired-tokens" / "turn-1" / "plan.txt").touch()
    items = {Path(item["path"]).name: item for item in codetracer("import", root, "--json").json["items"]}
    assert items["duplicate-invoices"]["status"] == "imported"
    broken = items["expired-tokens"]
    assert (broken["status"], broken["to_do"], broken["format"]) == ("failed", "repair", "relay")
    assert "makes no step of it" in broken["reason"]
    assert "codetracer extractors repair relay" in broken["remedy"]
    workspace = Path(os.environ["CODETRACER_WORKSPACE"])
    assert [entry.fit.steps for entry in fits_of(workspace, "relay")] == [11, 0]
    with Store.open_for_reading(workspace) as reader:
        (one,) = used(reader, workspace)
    assert (len(one.runs), len(one.drifted), len(one.runs_of(1))) == (1, 1, 1)


def test_importing_again_adds_nothing_to_the_log_of_fits(codetracer: Any, tmp_path: Path) -> None:
    codetracer("extractors", "import", SPECS / "tern.yaml")
    for _ in range(2):
        codetracer("import", UNFAMILIAR / "tern")
    workspace = Path(os.environ["CODETRACER_WORKSPACE"])
    assert [entry.fit.steps for entry in fits_of(workspace, "tern")] == [11, 11]
    assert all(entry.run_id and not entry.drift for entry in fits_of(workspace, "tern"))


def test_what_is_not_accepted_is_not_kept_but_not_lost(codetracer: Any, model_server: Servers, tmp_path: Path) -> None:
    server = model_server([calling("propose_extractor", spec=BLIND_RELAY)])
    words = ("extractors", "new", UNFAMILIAR / "relay", *asking(server), "--attempts", "1")
    refused = codetracer(*words, "--yes", "--out", tmp_path / "mine.yaml")
    assert refused.code == 1
    assert "not every check passed" in refused.err
    assert "name: relay" in (tmp_path / "mine.yaml").read_text()
    assert registered(Path(os.environ["CODETRACER_WORKSPACE"])) == ()
    taken = codetracer("extractors", "new", UNFAMILIAR / "relay", "--spec", tmp_path / "mine.yaml", "--yes")
    assert taken.code == 0
    assert "2 imported" in taken.out
    unasked = codetracer("extractors", "new", UNFAMILIAR / "relay", "--spec", SPECS / "relay.yaml")
    assert unasked.code == 1
    assert "nobody said yes" in unasked.err
    assert "sources:" in unasked.out


def test_a_model_that_cannot_be_asked_or_gives_up_is_told(codetracer: Any, model_server: Servers) -> None:
    failing = codetracer("extractors", "new", UNFAMILIAR / "tern", *asking(model_server([Fail(401, "bad key")])))
    assert failing.code == 1
    assert "no extractor came of it" in failing.err
    server = model_server([calling("give_up", reason="there is \x1b[2Jno run")])
    ended = codetracer("extractors", "new", UNFAMILIAR / "tern", *asking(server))
    assert "the model gave up: there is \\x1b[2Jno run" in ended.err
    assert "offline rules" in codetracer("extractors", "new", UNFAMILIAR / "tern", "--model", "heuristic").err


@pytest.mark.parametrize("words", [("new", UNFAMILIAR / "tern"), ("find", UNFAMILIAR)], ids=["new", "find"])
def test_whoever_names_no_model_is_not_sent_to_the_rules_that_cannot_do_it(codetracer: Any, words: Any) -> None:
    unnamed = codetracer("extractors", *words)
    assert (unnamed.code, "no model is chosen. Name a language model with --model" in unnamed.err) == (1, True)
    assert "heuristic" not in unnamed.err
    assert ("--spec" in unnamed.err) == (words[0] == "new")


def test_a_spec_is_tried_on_folders_and_explains_itself(codetracer: Any, tmp_path: Path) -> None:
    tried = codetracer("extractors", "test", SPECS / "tern.yaml", UNFAMILIAR / "tern", "--explain")
    assert tried.code == 0
    assert "2 runs recognised, 2 of 2 tried can be read" in tried.out
    assert "rule 'a call'" in tried.out
    assert "observation (step 1)" in tried.out
    plain = codetracer("extractors", "test", SPECS / "tern.yaml", UNFAMILIAR, "--json").json
    assert (plain["found"], plain["good"], plain["score"]) == (2, True, pytest.approx(1.0, abs=0.05))
    worse = tmp_path / "worse.yaml"
    worse.write_text(BLIND_RELAY)
    failed = codetracer("extractors", "test", worse, UNFAMILIAR / "relay")
    assert failed.code == 1
    assert "NOT PASSED" in failed.out
    assert "in no step:" in failed.out
    nothing = codetracer("extractors", "test", worse, UNFAMILIAR / "tern")
    assert "recognises no run here" in nothing.out
    assert "neither a file nor an extractor" in codetracer("extractors", "test", "none", UNFAMILIAR).err
    worse.write_text("name: [")
    assert "line 1" in codetracer("extractors", "test", worse, UNFAMILIAR).err


def test_extractors_are_listed_shown_shared_switched_and_removed(codetracer: Any, tmp_path: Path) -> None:
    assert codetracer("extractors", "list").out == "no extractors yet\n"
    assert codetracer("extractors", "import", SPECS / "relay.yaml", SPECS / "tern.yaml", "--json").json == [
        {"name": name, "version": 1, "became": "new"} for name in ("relay", "tern")
    ]
    assert codetracer("extractors", "import", SPECS / "relay.yaml", "--json").json[0]["became"] == "unchanged"
    codetracer("import", UNFAMILIAR)
    listed = {one["name"]: one for one in codetracer("extractors", "list", "--json").json}
    assert [len(listed[name]["runs"]) for name in ("relay", "tern")] == [2, 2]
    shown = codetracer("extractors", "show", "relay")
    assert "2 imported runs read with it" in shown.out
    assert codetracer("extractors", "show", "relay", "--json").json["active"] is True
    assert codetracer("extractors", "show", "relay", "--text").out.startswith("name: relay\n")
    assert codetracer("extractors", "export", "relay", "--out", tmp_path / "shared.yaml").code == 0
    assert (tmp_path / "shared.yaml").read_text().startswith("# CodeTracer extractor 'relay', version 1")
    assert "switched off" in codetracer("extractors", "use", "relay", "off").out
    shutil.copytree(UNFAMILIAR / "relay" / "expired-tokens", tmp_path / "run")
    assert codetracer("import", tmp_path / "run").code == 1
    assert codetracer("extractors", "use", "relay", "v1").code == 0
    assert codetracer("import", tmp_path / "run").code == 0
    assert codetracer("extractors", "use", "relay", "9").code == 1
    assert codetracer("extractors", "remove", "relay").code == 1
    assert codetracer("extractors", "remove", "relay", "--yes").code == 0
    assert [one["name"] for one in codetracer("extractors", "list", "--json").json] == ["tern"]
    assert len(codetracer("list", "--json").json) == 4, "runs stay"
    assert "There are: tern" in codetracer("extractors", "show", "relay").err


_EDITOR = """
import sys
from pathlib import Path
file = Path(sys.argv[-1])
file.write_text(file.read_text().replace(sys.argv[1], sys.argv[2]))
"""


def test_an_extractor_is_edited_in_the_persons_editor(
    codetracer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codetracer("extractors", "import", SPECS / "relay.yaml")
    script = tmp_path / "editor.py"
    script.write_text(_EDITOR)

    def edit(before: str, after: str) -> Any:
        monkeypatch.setenv("VISUAL", f"{sys.executable} {script} '{before}' '{after}'")
        return codetracer("extractors", "edit", "relay", "--on", UNFAMILIAR / "relay", "--yes")

    assert "nothing was changed" in edit("nowhere", "else").out
    edited = edit("title: Relay", "title: My relay")
    assert "kept: relay, version 2" in edited.out
    assert "observations" in edited.out
    broken = edit("sources:", "source:")
    assert broken.code == 1
    kept = next(word for word in broken.err.split() if word.startswith("/")).rstrip(",:")
    assert "source:" in Path(kept).read_text()
    shutil.rmtree(Path(kept).parent)
    monkeypatch.setenv("VISUAL", str(tmp_path / "no-such-editor"))
    assert "cannot be started" in codetracer("extractors", "edit", "relay").err


def test_a_model_names_folders_that_may_hold_runs(codetracer: Any, model_server: Servers) -> None:
    folders = [{"path": "relay", "why": "a folder per turn"}, {"path": "../.."}]
    server = model_server([calling("name_candidates", folders=folders)])
    found = codetracer("extractors", "find", UNFAMILIAR, *asking(server))
    assert f"{UNFAMILIAR / 'relay'}: a folder per turn" in found.out
    assert "refused: ../..: lies outside the root" in found.out
