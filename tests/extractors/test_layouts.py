"""The language is strong enough: built-in layouts as specs read the same runs as their parsers, sample and real ones.

Whole trajectories are compared; only these fields may differ: ``format`` and ``view`` name the reader, ``notes`` are
its own words on what it passed over.
"""

from pathlib import Path

import pytest

from codetracer_core.extractors.checks import judge
from codetracer_core.extractors.engine import as_format, extract, recognise
from codetracer_core.extractors.spec import ExtractorSpec, read_spec, spec_text
from codetracer_core.parsers import RunLocation, claims_in
from codetracer_core.parsers._artifacts import Artifacts
from tests.conftest import SAMPLE_DATA
from tests.parsers import test_contract as contract

SPECS = Path(__file__).parent / "specs"
OWN_WORDS = {"format", "view", "notes"}

LAYOUTS = {
    ("swe-agent", "traj"): "swe-agent",
    ("normalised", "steps.json"): "normalised",
    ("normalised", "step_N.jsonl"): "normalised",
    ("openhands-sdk", "events"): "openhands-sdk",
    ("openhands-sdk", "events.jsonl"): "openhands-sdk",
    ("openhands-completions", "completion logs"): "openhands-completions",
    ("mini-swe-agent", "traj.json"): "mini-swe-agent-v1",
    ("terminus2", "episodes"): "terminus2",
}


def _is_left_out(location: RunLocation) -> bool:
    """Version 2 of mini-SWE-agent is another layout (it lists its actions). A Terminus reply whose JSON is cut off is
    mended by Terminus, and so by its parser: a spec takes nothing that is not written."""
    if location.format == "mini-swe-agent":
        data = (location.folder / location.claim.files[0]).read_bytes()
        return b'"actions"' in data or b'"tool_calls"' in data
    return location.format == "terminus2" and location.folder.name.startswith("lost-updates")


RUNS = [
    location
    for location in contract.LOCATIONS
    if (location.format, location.claim.view) in LAYOUTS and not location.claim.member and not _is_left_out(location)
]


def _spec(location: RunLocation) -> ExtractorSpec:
    text = (SPECS / f"{LAYOUTS[location.format, location.claim.view]}.yaml").read_text(encoding="utf-8")
    if location.claim.view == "events.jsonl":  # the same records, one per line
        files = "['event-*-*.json', 'events/event-*-*.json']"
        text = text.replace(f"kind: json, files: {files}", "kind: jsonl")
        text = text.replace("files: [base_state.json, 'event-*-*.json', 'events/event-*-*.json']", "files: '*.jsonl'")
        text = text.replace("find:\n", "find:\n  run: file\n")
    return read_spec(text)


def _id(location: RunLocation) -> str:
    return f"{location.format}:{'/'.join(location.path.split('/')[-2:])}"


@pytest.mark.parametrize("location", RUNS, ids=_id)
def test_a_spec_reads_the_same_run_as_the_parser(location: RunLocation) -> None:
    spec = _spec(location)
    artifacts = Artifacts(location.folder)
    (claim,) = [claim for claim in recognise(spec, artifacts) if claim.unit == location.claim.unit]
    expected = location.parser.parse(Artifacts(location.folder), location.claim, None)
    found = extract(spec, artifacts, claim)
    assert found.trajectory.steps == expected.steps
    assert found.trajectory.model_dump(exclude=OWN_WORDS) == expected.model_dump(exclude=OWN_WORDS)
    contract.test_step_ids_are_consecutive_from_one(found.trajectory)
    contract.test_references_point_at_the_text(location, found.trajectory)
    contract.test_parallel_groups_are_whole(found.trajectory)
    references = next(check for check in judge([found]).checks if check.name == "references")
    assert references.passed is not False, references.words
    assert {fate.step_id for fate in found.fates if fate.became == "step"} == {step.step_id for step in expected.steps}


def test_every_layout_has_a_sample() -> None:
    samples = {LAYOUTS[run.format, run.claim.view] for run in RUNS if run.folder.is_relative_to(SAMPLE_DATA)}
    assert samples == {path.stem for path in SPECS.glob("*.yaml")}


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_spec_survives_being_written(path: Path) -> None:
    spec = read_spec(path.read_text(encoding="utf-8"))
    assert read_spec(spec_text(spec)) == spec
    assert spec_text(read_spec(spec_text(spec))) == spec_text(spec)


def test_a_taught_format_is_asked_last_and_read_like_any_other(tmp_path: Path) -> None:
    spec = read_spec((SPECS / "swe-agent.yaml").read_text(encoding="utf-8"))
    sample = next(run for run in RUNS if run.format == "swe-agent" and run.folder.is_relative_to(SAMPLE_DATA))
    (known,) = claims_in(sample.folder, formats=(as_format(spec), sample.parser))
    assert known.format == "swe-agent"
    (taught,) = claims_in(sample.folder, formats=(as_format(spec),))
    assert (taught.format, taught.claim.view) == ("swe-agent-spec", "v1")
