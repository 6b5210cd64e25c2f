"""How fast real runs are read and imported, against bare JSON decoding of the same bytes."""

import json
import tempfile
import time
from pathlib import Path

import msgspec

from codetracer_core.discovery import discover
from codetracer_core.importing import import_runs
from codetracer_core.parsers import read_run
from codetracer_core.store import Store
from tests.conftest import SAMPLE_DATA, real_data

COPIES_TO_REACH = 76_000_000
"""The target is stated for 76 MB of ``.traj`` files (448 runs); fewer real ones are copied until they weigh as much."""


def main() -> None:
    real = real_data()
    root = real / "trajectories" if real else SAMPLE_DATA
    _read_everything(root)
    with tempfile.TemporaryDirectory() as folder:
        copies = Path(folder) / "runs"
        count = _copy_traj_files(root, copies)
        if count:
            _import(copies, Path(folder) / "workspace", "SWE-agent .traj copies")
        _import(root, Path(folder) / "everything", "all runs as they lie there")


def _read_everything(root: Path) -> None:
    found = discover(root)
    size = steps = runs = 0
    started = time.perf_counter()
    for location in found.locations:
        try:
            trajectory = read_run(location).trajectory
        except Exception as error:  # noqa: BLE001 - a bench goes on and says so
            print(f"  not read: {location.path.removeprefix(str(root))}: {type(error).__name__}")
            continue
        runs += 1
        steps += trajectory.step_count
        size += sum((location.folder / name).stat().st_size for name in location.claim.files)
    seconds = time.perf_counter() - started
    print(f"  read {runs} runs, {steps} steps, {size / 1e6:.1f} MB in {seconds:.2f} s", end=": ")
    print(f"{size / 1e6 / seconds:.0f} MB/s, {steps / seconds:,.0f} steps/s")


def _copy_traj_files(root: Path, target: Path) -> int:
    """Copies of the real .traj files, each with another instance name so that none counts as the same run."""
    originals = [path for path in sorted(root.rglob("*.traj")) if b'"trajectory"' in path.read_bytes()]
    size = count = 0
    while originals and size < COPIES_TO_REACH:
        for path in originals:
            folder = target / f"run-{count:04d}"
            folder.mkdir(parents=True)
            data = path.read_bytes().replace(b'"trajectory"', b'"copy": %d, "trajectory"' % count, 1)
            (folder / f"{path.stem}-{count:04d}.traj").write_bytes(data)
            size += len(data)
            count += 1
    return count


def _import(root: Path, workspace: Path, title: str) -> None:
    files = [path for path in root.rglob("*") if path.suffix in {".traj", ".json", ".jsonl"}]
    blobs = [path.read_bytes() for path in files]
    size = sum(map(len, blobs))
    stdlib = _seconds(lambda: [_decoded(json.loads, blob) for blob in blobs])
    fast = _seconds(lambda: [_decoded(msgspec.json.decode, blob) for blob in blobs])
    with Store.open(workspace) as store:
        started = time.perf_counter()
        report = import_runs([root], store=store)
        seconds = time.perf_counter() - started
    steps = sum(item.step_count or 0 for item in report.items)
    counts = ", ".join(f"{count} {status}" for status, count in report.counts.items())
    print(f"  import of {title}: {counts}; {steps} steps, {size / 1e6:.1f} MB in {seconds:.2f} s", end=" ")
    print(f"({size / 1e6 / seconds:.0f} MB/s, {steps / seconds:,.0f} steps/s)")
    print(f"    decoding the same JSON alone: {stdlib:.2f} s (stdlib), {fast:.2f} s (msgspec)", end=", ")
    print(f"so the import takes {seconds / stdlib:.1f} and {seconds / fast:.1f} times as long")


def _decoded(decode: object, blob: bytes) -> object:
    try:
        return decode(blob)  # type: ignore[operator]
    except ValueError:
        return None  # JSON lines and damaged files: their bytes were looked at all the same


def _seconds(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started
