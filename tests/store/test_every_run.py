"""Every sample run, and every real one where they are present, comes out of the store as it was read."""

from pathlib import Path

import pytest

from codetracer_core.discovery import discover
from codetracer_core.errors import CodeTracerError
from codetracer_core.models import Kind, RunRecord
from codetracer_core.parsers import read_run
from codetracer_core.store import Store
from tests.conftest import SAMPLE_DATA, real_data


@pytest.mark.parametrize(
    "root", [SAMPLE_DATA, *([real / "trajectories"] if (real := real_data()) else [])], ids=lambda root: root.name
)
def test_every_run_comes_back_as_it_was_read(root: Path, tmp_path: Path) -> None:
    records = []
    for number, location in enumerate(discover(root).locations):
        try:
            run = read_run(location)
        except CodeTracerError:
            continue  # what cannot be read is the parsers' matter
        records.append(
            RunRecord(
                run_id=f"run-{number}",
                trajectory=run.trajectory,
                origin=location.path,
                evidence_hash=run.evidence_hash,
            )
        )
    change: tuple[Kind, str] = ("change", "not asked here")
    decisions = [[change] * record.trajectory.step_count for record in records]
    assert records
    with Store.open(tmp_path) as store:
        added = store.add_runs(records, decisions=decisions)
        assert added.statuses == ("added",) * len(records)
        for record in records:
            assert store.load_run(record.run_id) == record
        assert len(store.steps()) == sum(record.trajectory.step_count for record in records)
