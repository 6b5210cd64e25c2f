"""What became of the runs of a batch, and the file that tells it."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from codetracer_core.diagnosing.outputs import make_folder
from codetracer_core.diagnosis_models import CallUsage, Conclusion
from codetracer_core.durable import sync_folder, write_durably
from codetracer_core.errors import CodeTracerError
from codetracer_core.models import Frozen
from codetracer_core.store.files import to_json

STATE_FILE = "batch.jsonl"
"""In the output folder: a row per run."""

RowStatus = Literal["complete", "partial", "cancelled", "failed", "not started"]
DONE: tuple[RowStatus, ...] = ("complete", "partial")
"""What is not done again when a batch is resumed."""


class BatchRow(Frozen):
    """What became of one run of a batch."""

    run_id: str
    traj_id: str | None = None
    """The benchmark's name for the run."""
    folder: str | None = None
    """Its folder in the output folder; None: it has no files there."""
    status: RowStatus
    was_done: bool = False
    """It had been diagnosed so before; nothing was asked this time."""
    reason: str = ""
    """Why it is not complete, in words."""
    conclusion: Conclusion | None = None
    diagnosis_id: str | None = None
    request: str = ""
    goes_on: bool = False
    """It was cancelled or cut off: its replies are in a journal, and asked for again it goes on where it was left."""
    usage: CallUsage = CallUsage()
    """Of this diagnosis, replies from the journal of an earlier try included."""
    paid_usd: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    """What this batch paid for the run so far, over all tries, as far as prices are known."""
    seconds: float = Field(default=0.0, ge=0.0)


class State:
    """The state file of a batch, if it has one: a row is appended when a run is finished, the last of a run counts."""

    def __init__(self, output: Path | None, *, anew: bool) -> None:
        self._path = output / STATE_FILE if output is not None else None
        self._rows: dict[str, BatchRow] = {}
        if self._path is not None:
            make_folder(self._path.parent)
            if not anew and self._path.exists():
                self._rows = {row.run_id: row for row in read_state(self._path)}
            self._write(self._rows.values())

    @property
    def paid(self) -> dict[str, float]:
        """What this batch paid for each run."""
        return {row.run_id: row.paid_usd for row in self._rows.values()}

    def done(self, run_id: str, request: str) -> BatchRow | None:
        row = self._rows.get(run_id)
        is_done = row is not None and row.request == request and row.status in DONE and not row.goes_on
        return row if is_done else None

    def in_journal(self, run_id: str, request: str) -> float:
        """What the replies cost, in US dollars, with which this question will go on: they are paid for."""
        row = self._rows.get(run_id)
        goes_on = row is not None and row.goes_on and row.request == request
        return (row.usage.cost_usd or 0.0) if row is not None and goes_on else 0.0

    def put(self, row: BatchRow) -> None:
        before = self._rows.get(row.run_id)
        if before and (row.status == "not started" or (row.was_done and before.diagnosis_id == row.diagnosis_id)):
            return  # it tells more
        self._rows[row.run_id] = row
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(_line(row))
                file.flush()
                os.fsync(file.fileno())

    def tidy(self, order: Sequence[str]) -> None:
        """One row per run, in this order; runs of earlier calls follow."""
        if self._path is not None:
            self._write([*(self._rows[one] for one in order if one in self._rows), *self._others(order)])

    def _others(self, order: Sequence[str]) -> list[BatchRow]:
        named = set(order)
        return [row for run_id, row in self._rows.items() if run_id not in named]

    def _write(self, rows: Iterable[BatchRow]) -> None:
        assert self._path is not None
        written = b"".join(map(_line, rows))
        write_durably(self._path, lambda file: file.write(written))
        sync_folder(self._path.parent)


def read_state(path: Path) -> list[BatchRow]:
    """The rows of a state file as they were written: of a run the last one counts.

    A last line that was only half written is dropped. Raises CodeTracerError for any other that is no row.
    """
    rows = []
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(BatchRow.model_validate_json(line))
        except ValidationError as error:
            if number == len(lines) and not line.endswith(b"\n"):
                break
            remedy = "Name another output folder, or move this file away."
            raise CodeTracerError(
                "this is no row of a batch", path=path, place=f"line {number}", remedy=remedy
            ) from error
    return rows


def _line(row: BatchRow) -> bytes:
    return to_json(row.model_dump(mode="json")).encode() + b"\n"
