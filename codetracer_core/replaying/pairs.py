"""Runs and their replays: pass@1 before and after."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from codetracer_core.store import Reader, Replay
from codetracer_core.store.replays import first_attempts


def pairs(reader: Reader, run_ids: Sequence[str] | None = None, *, blind: Collection[str] = ()) -> list[Replay]:
    """The replays that count for pass@1, of these runs or of all: one per run and model, the first whose outcome is
    known; see ``Replay.outcome`` and ``original_outcome``."""
    return first_attempts(reader.replays(run_ids, blind=blind))


@dataclass(frozen=True)
class BeforeAndAfter:
    """How many runs had solved their task, and how many of their replays did."""

    pairs: int
    """Of which both outcomes are known."""
    left_out: int
    """Of which they are not."""
    before: float | None
    """Share that solved its task, 0 … 1; None: there are no pairs. ``after`` likewise."""
    after: float | None
    difference: float | None
    """after − before, paired …"""
    low: float | None
    """… with its interval, where there are enough tasks for one."""
    high: float | None
    why: str
    """Why there is no interval, in words."""
    matched: int
    """Pairs in which the model was allowed as many steps as the original took from there."""


def before_and_after(
    reader: Reader, run_ids: Sequence[str] | None = None, *, blind: Collection[str] = ()
) -> BeforeAndAfter:
    """pass@1 of runs (these, or all that were replayed) and of their replays: the figure "replay" in numbers."""
    from dataclasses import replace

    from codetracer_core.analytics import data_of, figure_named
    from codetracer_core.analytics.frames import Labels

    chosen = pairs(reader, run_ids, blind=blind)
    ids = [*dict.fromkeys(one for pair in chosen for one in (pair.original, pair.run_id))]
    frames = replace(
        reader.frames(Labels(), run_ids=ids, blind=blind),
        replays=tuple((one.original, one.run_id, bool(one.matched)) for one in chosen),
    )
    known = [one for one in chosen if one.outcome != "unknown" and one.original_outcome in ("solved", "failed")]
    data = data_of(figure_named("replay"), frames, "all")
    rows = {row["when"]: row for row in data.rows.to_dict("records")} if len(data.rows) else {}
    difference = rows.get("difference", {})
    return BeforeAndAfter(
        pairs=len(known),
        left_out=len(chosen) - len(known),
        before=_number(rows.get("before", {}).get("value")),
        after=_number(rows.get("after", {}).get("value")),
        difference=_number(difference.get("value")),
        low=_number(difference.get("low")),
        high=_number(difference.get("high")),
        why=data.why or str(difference.get("why") or ""),
        matched=sum(bool(one.matched) for one in known),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value == value else None
