"""What every format does with a damaged main file: an error with the path and a remedy, never a run of no steps."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from codetracer_core.discovery import discover
from codetracer_core.errors import CodeTracerError, UnreadableFile
from codetracer_core.parsers import RunLocation, read_run
from codetracer_core.parsers._artifacts import LFS_MARK, decode_json
from codetracer_core.parsers._fields import call_arguments
from tests.conftest import SAMPLE_DATA

RUNS = [run for run in discover(SAMPLE_DATA).locations if read_run(run).trajectory.step_count]

DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "zero bytes": (lambda data: b"", "0 bytes"),
    "git-LFS pointer": (lambda data: LFS_MARK + b"v1\noid sha256:0\nsize 9\n", "git lfs pull"),
    "UTF-16": (lambda data: data.decode().encode("utf-16"), "not UTF-8"),
    "cut off": (lambda data: data[: len(data) * 2 // 3], ""),
    "another encoding": (lambda data: b"\n".join(_spoilt(data.split(b"\n"))), ""),
    "nested too deeply": (lambda data: b"[" * 100_000, ""),
}
# Names that say nothing: without their content these files are not known to be runs.
NAMELESS = ("delegated-audit.json", "parallel-checks.json", "checkpoint-retry.json", "slugify-accents.json")
# Terminal output can hold any byte and end anywhere. Part 1 of the format contract: a log without the headings of the
# agent is a run of no steps, whatever else it says.
TERMINAL = ("prompt.txt", "agent.log")


def _spoilt(lines: list[bytes]) -> list[bytes]:
    """The lines with a byte that is no UTF-8 in the middle of each."""
    return [line[: len(line) // 2] + b"\xe9 " + line[len(line) // 2 :] for line in lines]


def _tail(location: RunLocation) -> str:
    return "/".join(location.path.split("/")[-2:])


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("run", RUNS, ids=_tail)
def test_damage_is_never_a_run_of_no_steps(tmp_path: Path, run: RunLocation, kind: str) -> None:
    spoil, words = DAMAGE[kind]
    origin = run.folder.relative_to(SAMPLE_DATA)
    shutil.copytree(SAMPLE_DATA / origin.parts[0], tmp_path / origin.parts[0])
    folder = tmp_path / origin
    broken = folder / run.claim.files[0]
    broken.write_bytes(spoil(broken.read_bytes()))
    errors = []
    for location in (found := discover(folder)).locations:
        if broken not in [folder / file for file in location.claim.files]:
            continue
        try:
            trajectory = read_run(location).trajectory
        except CodeTracerError as error:
            errors.append(error)
        else:
            assert trajectory.step_count or broken.name in TERMINAL
            assert trajectory.notes or broken.name in TERMINAL or run.claim.member
    for error in (*errors, *found.problems):
        assert error.path == str(broken)
        assert error.remedy
        assert words in str(error)
    if words and broken.name not in NAMELESS and not run.other_views:
        assert errors or (kind == "UTF-16" and found.problems)


@pytest.mark.parametrize("name", ["delegated-audit.json", "parallel-checks.json"])
def test_a_broken_neighbour_costs_only_itself(tmp_path: Path, name: str) -> None:
    shutil.copytree(SAMPLE_DATA / "atif", tmp_path / "atif")
    (tmp_path / "atif" / name).write_bytes(b"[" * 100_000)
    assert len(discover(tmp_path).locations) == 2


def test_half_a_surrogate_pair_in_written_arguments_is_replaced() -> None:
    assert call_arguments('{"command": "echo \\ud83d"}') == {"command": "echo \ufffd"}


def test_a_number_of_thousands_of_digits_is_told_with_its_file() -> None:
    with pytest.raises(UnreadableFile, match="too many digits"):
        decode_json(b'{"a": ' + b"9" * 5_000 + b"}", "run.json")
