"""One contract for every parser, checked on every sample run and, where they are present, on the real runs."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from codetracer_core.discovery import discover
from codetracer_core.errors import CodeTracerError
from codetracer_core.models import SourceRef, Trajectory
from codetracer_core.parsers import RunLocation, read_run, resolve
from codetracer_core.parsers._artifacts import strip_ansi
from tests.conftest import SAMPLE_DATA, real_data


def _locations() -> list[RunLocation]:
    roots = [SAMPLE_DATA] + ([real / "trajectories"] if (real := real_data()) else [])
    return [location for root in roots for location in discover(root).locations]


LOCATIONS = _locations()

# Real files that no reader can take for a run: each fails with a named error (see the tests of its format).
UNREADABLE = ("/fixtures/subagent_trajectories.json",)


_ESCAPE = re.compile(r'(?:\\u[0-9a-fA-F]{4})+|\\["\\/bfnrt]')


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", strip_ansi(text))


def _is_quoted(text: str, source: str) -> bool:
    """Every line of ``text`` stands in ``source`` (which may be the JSON of the object that holds the text)."""
    unescaped = _ESCAPE.sub(lambda found: str(json.loads(f'"{found[0]}"')), source)
    haystack = _squeezed(source) + "\0" + _squeezed(unescaped) + "\0" + _squeezed(_plain_json(source))
    return _squeezed(text) in haystack or all(_squeezed(line) in haystack for line in text.splitlines())


def _plain_json(source: str) -> str:
    """JSON text with its letters as they are (agents also write ``\\u00e9``); "" if ``source`` is no JSON."""
    try:
        return json.dumps(json.loads(source), ensure_ascii=False)
    except ValueError:
        return ""


def _hashes(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=LOCATIONS, ids=lambda location: f"{location.format}:{'/'.join(location.path.split('/')[-3:])}")
def location(request: pytest.FixtureRequest) -> RunLocation:
    found: RunLocation = request.param
    return found


@pytest.fixture
def trajectory(location: RunLocation) -> Trajectory:
    return _read(location)


def _read(location: RunLocation) -> Trajectory:
    try:
        return read_run(location).trajectory
    except CodeTracerError as error:
        if not location.path.endswith(UNREADABLE):
            raise
        pytest.skip(str(error))


def test_step_ids_are_consecutive_from_one(trajectory: Trajectory) -> None:
    assert [step.step_id for step in trajectory.steps] == list(range(1, trajectory.step_count + 1))


def test_references_point_at_the_text(location: RunLocation, trajectory: Trajectory) -> None:
    for step in trajectory.steps:
        parts: list[tuple[str, str | None, SourceRef | None]] = [
            ("action", step.action, step.action_ref),
            ("observation", step.observation, step.observation_ref),
            ("thought", step.thought, step.thought_ref),
        ]
        for name, text, ref in parts:
            if text is None or (not text.strip() and ref is None):
                continue
            assert ref is not None, f"step {step.step_id} has a {name} without a reference"
            assert _is_quoted(text, resolve(location.folder, ref)), f"step {step.step_id}, {name}: {ref}"


def test_parallel_groups_are_whole(trajectory: Trajectory) -> None:
    groups: dict[int, list[int]] = {}
    for step in trajectory.steps:
        if step.parallel_group is not None:
            groups.setdefault(step.parallel_group, []).append(step.step_id)
    for first, members in groups.items():
        assert members[0] == first
        assert len(members) > 1


def test_branches_are_declared(trajectory: Trajectory) -> None:
    declared = {branch.branch_id for branch in trajectory.branches}
    assert {step.branch for step in trajectory.steps} - {None} <= declared
    for branch in trajectory.branches:
        assert branch.parent_step_id is None or 1 <= branch.parent_step_id <= trajectory.step_count


def test_outcome_says_where_it_was_read(location: RunLocation, trajectory: Trajectory) -> None:
    outcome = trajectory.outcome
    assert outcome.reason
    if outcome.solved is not None:
        assert outcome.source is not None
        assert resolve(location.folder, outcome.source)


def test_reading_leaves_the_evidence_alone_and_is_repeatable(location: RunLocation) -> None:
    before = _hashes(location.folder)
    first, second = _read(location), _read(location)
    assert first == second
    assert _hashes(location.folder) == before
