"""Runs that are replays of others."""

from collections.abc import Collection, Iterable

import duckdb

from codetracer_core.store.results import Replay

_OUTCOME = "CASE WHEN {0}.solved THEN 'solved' WHEN NOT {0}.solved THEN 'failed' ELSE 'unknown' END"


def replays_in(
    cursor: duckdb.DuckDBPyConnection, originals: Collection[str] | None = None, blind: Collection[str] = ()
) -> list[Replay]:
    """Replays of these runs (None: of all), the oldest first; neither those in ``blind`` nor those of runs in it: where
    a replay begins tells where somebody saw the failure onset."""
    rows = cursor.execute(
        f"""
        SELECT run.run_id, run.replay_of, run.replay_step, json_extract_string(run.header, '$.replay_of.replay_id'),
            coalesce(json_extract_string(run.header, '$.replay_of.diagnosis_id'), ''),
            CAST(json_extract_string(run.header, '$.replay_of.matched') AS BOOLEAN), run.model,
            {_OUTCOME.format("run")}, run.exit_status, run.step_count, run.cost_usd, run.started_at,
            CASE WHEN original.run_id IS NOT NULL THEN {_OUTCOME.format("original")} END
        FROM run LEFT JOIN run AS original ON original.run_id = run.replay_of
        WHERE run.replay_of IS NOT NULL
            AND ($originals::VARCHAR[] IS NULL OR list_contains($originals::VARCHAR[], run.replay_of))
            AND NOT list_contains($blind::VARCHAR[], run.replay_of) AND NOT list_contains($blind::VARCHAR[], run.run_id)
        ORDER BY run.started_at, run.run_id""",  # noqa: S608 - this code's own words
        {"originals": None if originals is None else list(originals), "blind": sorted(blind)},
    ).fetchall()
    return [Replay._make(row) for row in rows]


def first_attempts(replays: Iterable[Replay]) -> list[Replay]:
    """Of replays in the order in which they were made: those that count for pass@1.

    One per original and model: the first whose outcome is known (else the first), so that nobody gets a second try.
    Replays without a model are none."""
    chosen: dict[tuple[str, str | None], Replay] = {}
    for one in replays:
        key = (one.original, one.model)
        if one.matched is not None and (key not in chosen or chosen[key].outcome == "unknown" != one.outcome):
            chosen[key] = one
    return list(chosen.values())
