"""Runs, their steps and the labels of one source as frames, for figures over many runs."""
# ruff: noqa: S608 - SQL is put together from this code's own names of columns; values are always parameters

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import duckdb

from codetracer_core.analytics.frames import RUN_COLUMNS, VERDICTS, Frames, Labels, typed
from codetracer_core.store.replays import first_attempts, replays_in

# Per run which pass of a source counts, and whether it is known to say all that it has to say. A person: the last one
# that they submitted, as they revised it since; a model: its last diagnosis. The others have one pass.
_LABELLED = (
    "(SELECT run_id, max(pass_number) AS last FROM label WHERE source = $source AND annotator = $name GROUP BY ALL)"
)
_PASSES = {
    "ground_truth": """
        SELECT DISTINCT run_id, NULL::INTEGER AS pass_number, true AS finished FROM label WHERE source = 'ground_truth'
        UNION SELECT run_id, NULL, true FROM run WHERE benchmark IS NOT NULL""",
    "adjudicated": """
        SELECT run_id, NULL::INTEGER AS pass_number, bool_or(finished) AS finished FROM (
            SELECT run_id, true AS finished FROM adjudication
            UNION SELECT run_id, false FROM label WHERE source = 'adjudicated') GROUP BY ALL""",
    "human": f"""
        SELECT run_id, CASE WHEN blind IS NULL OR last = blind + 1 THEN last ELSE blind END AS pass_number,
            blind IS NOT NULL AS finished
        FROM {_LABELLED} FULL JOIN (
            SELECT run_id, max(pass_number) AS blind FROM assignment
            WHERE annotator = $name AND submitted_at IS NOT NULL GROUP BY ALL) USING (run_id)""",
    "model": f"""
        SELECT run_id, greatest(last, diagnosed) AS pass_number, coalesce(diagnosed >= last, last IS NULL) AS finished
        FROM {_LABELLED} FULL JOIN (
            SELECT run_id, max(pass_number) AS diagnosed FROM diagnosis
            WHERE author = $name AND pass_number IS NOT NULL GROUP BY ALL) USING (run_id)""",
}
_SAID = """
    said AS (
        SELECT label.* FROM label JOIN counted ON label.run_id = counted.run_id
            AND label.pass_number = coalesce(counted.pass_number, label.pass_number)
        WHERE source = $source AND ($name = '' OR annotator = $name))"""


# The benchmark counts other steps than the run has: what it says of a step is said of another one.
_SHIFTED = "($source = 'ground_truth' AND coalesce(declared_step_count <> step_count, false))"


def frames_in(
    cursor: duckdb.DuckDBPyConnection,
    labels: Labels,
    *,
    run_ids: Sequence[str] | None = None,
    blind: Collection[str] = (),
) -> Frames:
    """Runs by id, with all their steps; see ``Frames``. None asks for every run; those in ``blind`` are left out."""
    told = ", ".join(f"run.{column}" for column in RUN_COLUMNS if column not in ("outcome", "labelled", "onset"))
    given: dict[str, Any] = {"source": labels.source, "name": labels.name}
    counted = f"WITH counted AS ({_PASSES[labels.source]}), {_SAID}"
    runs = cursor.execute(
        f"""{counted}, marked AS (
            SELECT run_id, arg_max(CAST(value AS INTEGER), arrival) AS onset FROM said
            WHERE field = 'onset' GROUP BY ALL)
        SELECT {told}, CASE WHEN solved THEN 'solved' WHEN NOT solved THEN 'failed' ELSE 'unknown' END AS outcome,
            CASE WHEN counted.run_id IS NULL THEN 'no' WHEN {_SHIFTED} THEN 'misaligned'
                WHEN finished THEN 'finished' ELSE 'begun' END AS labelled,
            CASE WHEN onset <= step_count AND NOT {_SHIFTED} THEN onset END AS onset
        FROM run LEFT JOIN counted USING (run_id) LEFT JOIN marked USING (run_id)
        WHERE ($ids::VARCHAR[] IS NULL OR list_contains($ids::VARCHAR[], run.run_id))
            AND NOT list_contains($blind::VARCHAR[], run.run_id)
        ORDER BY run.run_id""",
        given | {"ids": None if run_ids is None else list(run_ids), "blind": sorted(blind)},
    ).df()
    verdicts = ", ".join(f"'{verdict}'" for verdict in VERDICTS)
    steps = cursor.execute(
        f"""{counted}, listed AS (SELECT unnest($ids::VARCHAR[]) AS run_id, unnest(range(len($ids::VARCHAR[]))) AS run),
        judged AS (
            SELECT run_id, step_id, arg_max(trim(value, '"'), arrival) AS verdict FROM said
            WHERE field = 'verdict' GROUP BY ALL)
        SELECT run, step.step_id, kind::ENUM('explore', 'change', 'message') AS kind,
            coalesce(verdict, 'unlabelled')::ENUM({verdicts}) AS verdict, exit_code
        FROM step JOIN listed USING (run_id)
            LEFT JOIN (SELECT judged.* FROM judged JOIN run USING (run_id) WHERE NOT {_SHIFTED}) USING (run_id, step_id)
        ORDER BY run, step.step_id""",
        given | {"ids": runs["run_id"].tolist()},
    ).df()
    attempts = first_attempts(replays_in(cursor, blind=blind))
    pairs = tuple((one.original, one.run_id, bool(one.matched)) for one in attempts)
    return replace(typed(runs, steps, labels), replays=pairs)


def sources_in(cursor: duckdb.DuckDBPyConnection, blind: Collection[str] = ()) -> dict[Labels, int]:
    """Whose labels there are, and of how many runs; those in ``blind`` are not counted."""
    rows = cursor.execute(
        """
        SELECT source, name, count(DISTINCT run_id) AS runs FROM (
            SELECT source, CASE WHEN source IN ('human', 'model') THEN annotator ELSE '' END AS name, run_id FROM label
            WHERE field IN ('verdict', 'onset', 'stages')
            UNION SELECT 'ground_truth', '', run_id FROM run WHERE benchmark IS NOT NULL
            UNION SELECT 'adjudicated', '', run_id FROM adjudication
            UNION SELECT 'model', author, run_id FROM diagnosis WHERE pass_number IS NOT NULL
            UNION SELECT 'human', annotator, run_id FROM assignment WHERE submitted_at IS NOT NULL)
        WHERE NOT list_contains($blind::VARCHAR[], run_id)
        GROUP BY source, name
        ORDER BY list_position(['ground_truth', 'adjudicated', 'human', 'model'], source), name""",
        {"blind": sorted(blind)},
    ).fetchall()
    return {Labels(source, name): runs for source, name, runs in rows}
