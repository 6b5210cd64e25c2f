"""Discovery's third phase: a model names folders; only what exists inside the root is taken."""

from pathlib import Path

import pytest

from codetracer_core.errors import ModelError, UnreadableFile
from codetracer_core.extractors.candidates import candidate_folders
from codetracer_core.llm import Price, Reply, ScriptedModel, calling
from tests.extractors.unfamiliar import UNFAMILIAR


def naming(*paths: str) -> Reply:
    return calling(("name_candidates", {"folders": [{"path": path, "why": "looks like it"} for path in paths]}))


def test_only_existing_folders_inside_the_root_are_taken(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "runs" / "a").mkdir(parents=True)
    (root / "node_modules" / "x").mkdir(parents=True)
    (root / "file").write_text("x")
    (tmp_path / "outside").mkdir()
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "inner").symlink_to(root / "runs")
    (root / "loop").symlink_to(root / "loop")
    wanted = ("runs/a", "runs/a", ".", "inner", "../outside", "out", str(tmp_path), "none", "file", "node_modules/x")
    found = candidate_folders(root, ScriptedModel([naming(*wanted, "loop", "x" * 400, "a\0b")]))
    assert [path for path, _ in found.folders] == [root / "runs" / "a", root, root / "inner"]
    assert len(found.refused) == 9
    assert found.folders[0][1] == "looks like it"
    assert not found.problem


def test_the_model_sees_names_and_sizes_and_may_list_a_folder() -> None:
    model = ScriptedModel(
        [calling(("list_folder", {"path": "relay"}), ("list_folder", {"path": ".."})), naming("tern")]
    )
    found = candidate_folders(UNFAMILIAR, model)
    assert [path.name for path, _ in found.folders] == ["tern"]
    assert "tern/slow-search.tern.log" in model.asked[0][1].text
    assert "Measure first" not in model.asked[0][1].text
    assert "duplicate-invoices/turn-1/plan.txt" in model.asked[1][-2].text
    assert "outside the root" in model.asked[1][-1].text


def test_whatever_the_model_does_ends_in_words() -> None:
    def problem(model: ScriptedModel) -> str:
        found = candidate_folders(UNFAMILIAR, model, ceiling=0.5)
        assert found.folders == ()
        return found.problem

    assert problem(ScriptedModel([naming()])) == ""
    assert "named no folders" in problem(ScriptedModel(lambda _messages, _tools: Reply(text="Hm.")))
    assert "no credit" in problem(ScriptedModel([ModelError("no credit")]))
    dear = ScriptedModel(lambda _messages, _tools: Reply(text="Hm."), price=Price(prompt=1e6, completion=0.0))
    assert "0.50 USD" in problem(dear)
    assert candidate_folders(UNFAMILIAR, ScriptedModel([naming("tern")]), cancelled=lambda: True).problem == "cancelled"
    with pytest.raises(UnreadableFile):
        candidate_folders(UNFAMILIAR / "none", ScriptedModel([]))
