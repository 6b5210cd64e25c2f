"""What raters say of runs, as arrays: labels by the ten thousand, read without a model object for each."""
# ruff: noqa: S608 - SQL is put together from this code's own names of columns; values are always parameters

from collections.abc import Collection, Sequence
from typing import Any, Literal

import duckdb
import numpy as np
from pydantic import TypeAdapter

from codetracer_core.intervals import Array
from codetracer_core.models import LabelSource, Stage
from codetracer_core.ratings import CATEGORIES, MISSING, UNCERTAIN, Rater, Ratings
from codetracer_core.store.database import one_number, state_of, transaction
from codetracer_core.store.rows import NO_JUDGEMENT
from codetracer_core.store.work import runs_of_project

Reading = Literal["blind", "revised", "repeats"]
"""Which of people's labels are read: those of the last blind pass that they submitted, those that they stand by since,
or every blind pass of whoever submitted a run several times, as raters of their own."""

TRUTH, DECIDED = "ground truth", "adjudicated"
"""Names of the two raters that speak with one voice, whoever gave the label."""

_STAGES = TypeAdapter(tuple[Stage, ...])
_CODES = {f'"{word}"': code for code, word in enumerate(CATEGORIES)} | {
    '"uncertain"': UNCERTAIN,
    '"no_error"': 0,
    '"has_error"': 1,
}
"""Verdicts on steps and on runs as they are stored, to their codes."""

# Labels in force on the runs that are wanted. One voice per run: the latest of several is in force.
_SAID = f"""
    CREATE TEMP TABLE said AS
    SELECT place, source, pass_number, step_id, field, arrival,
        CASE source WHEN 'ground_truth' THEN '{TRUTH}' WHEN 'adjudicated' THEN '{DECIDED}' ELSE annotator END AS name,
        CASE WHEN field = 'onset' THEN CAST(value AS INTEGER)
            {" ".join(f"WHEN value = '{word}' THEN {code}" for word, code in _CODES.items())} END AS number,
        CASE WHEN field = 'stages' THEN value END AS text
    FROM label JOIN wanted USING (run_id)
    WHERE field IN ('verdict', 'onset', 'run_verdict', 'stages') AND coalesce(step_id, 0) <= step_count
        AND NOT (field = 'onset' AND TRY_CAST(value AS INTEGER) > step_count)
        AND list_contains($sources, source) AND NOT (source = 'ground_truth' AND misaligned)"""

# Who has said something of which run, and in which passes. ``turn`` tells passes of one person apart.
_SUBMITTED = """
    passes AS (
        SELECT DISTINCT place, run_id, annotator AS name, pass_number AS first_pass
        FROM assignment JOIN wanted USING (run_id)
        WHERE submitted_at IS NOT NULL AND list_contains($sources, 'human')
            AND ($project_id::VARCHAR IS NULL OR project_id = $project_id::VARCHAR)),
    last_passes AS (SELECT place, run_id, name, max(first_pass) AS first_pass FROM passes GROUP BY ALL),"""
_HUMAN: dict[Reading, str] = {
    "blind": """
        SELECT place, 'human' AS source, name, NULL AS turn, first_pass, first_pass AS pass_number, true AS finished
        FROM last_passes""",
    "revised": f"""
        SELECT place, 'human' AS source, name, NULL AS turn, first_pass,
            coalesce(max(pass_number), first_pass) AS pass_number, true AS finished
        FROM last_passes LEFT JOIN (
            SELECT run_id, annotator AS name, pass_number, pass_number - 1 AS first_pass FROM label_event
            WHERE source = 'human' AND field NOT IN {NO_JUDGEMENT})
        USING (run_id, name, first_pass) GROUP BY place, name, first_pass""",
    "repeats": """
        SELECT place, 'human' AS source, name, row_number() OVER (PARTITION BY place, name ORDER BY first_pass) AS turn,
            first_pass, first_pass AS pass_number, true AS finished
        FROM passes QUALIFY count(*) OVER (PARTITION BY place, name) > 1""",
}
_UNASSIGNED = """
    SELECT place, source, name, NULL AS turn, max(pass_number) AS first_pass, max(pass_number) AS pass_number,
        false AS finished
    FROM said JOIN wanted USING (place)
    WHERE source = 'human' AND (run_id, name) NOT IN (SELECT (run_id, annotator) FROM assignment)
    GROUP BY ALL"""
_OTHERS = f"""
    SELECT place, 'model' AS source, name, NULL AS turn, coalesce(max(pass_number), 0) AS first_pass,
        coalesce(max(pass_number), 0) AS pass_number, max(pass_number) IS NOT NULL AS finished
    FROM (
        SELECT place, name, pass_number FROM said WHERE source = 'model'
        UNION ALL SELECT place, author, pass_number FROM diagnosis JOIN wanted USING (run_id)
        WHERE list_contains($sources, 'model'))
    GROUP BY place, name
    UNION ALL BY NAME
    SELECT place, 'ground_truth' AS source, '{TRUTH}' AS name, true AS finished
    FROM wanted WHERE list_contains($sources, 'ground_truth') AND NOT misaligned
        AND (has_row OR place IN (SELECT place FROM said WHERE source = 'ground_truth'))
    UNION ALL BY NAME
    SELECT place, 'adjudicated' AS source, '{DECIDED}' AS name, run_id IN (SELECT run_id FROM decided) AS finished
    FROM wanted WHERE list_contains($sources, 'adjudicated')
        AND (run_id IN (SELECT run_id FROM decided)
            OR place IN (SELECT place FROM said WHERE source = 'adjudicated')
                AND run_id NOT IN (SELECT run_id FROM project_run))"""
_ORDER = " ".join(
    f"WHEN '{source}' THEN {at}" for at, source in enumerate(("human", "model", "ground_truth", "adjudicated"))
)
_SAID_BY_RATERS = """
    said JOIN counted ON said.place = counted.place AND said.source = counted.source AND said.name = counted.name
    AND (counted.pass_number IS NULL OR said.pass_number = counted.pass_number)"""


def ratings_state(cursor: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
    """See ``Reader.ratings_state``."""
    counted = one_number(
        cursor,
        "SELECT coalesce(max(arrival), 0) FROM label_event "
        "ANTI JOIN (SELECT 'human' AS source, run_id, annotator, pass_number FROM assignment "
        "WHERE submitted_at IS NULL) USING (source, run_id, annotator, pass_number) "
        "WHERE field NOT IN ('shown', 'reply')",
    )
    return (counted, *state_of(cursor)[1:])


def ratings_in(
    cursor: duckdb.DuckDBPyConnection,
    run_ids: Sequence[str] | None,
    *,
    project_id: str | None,
    reading: Reading,
    sources: Sequence[LabelSource],
    blind: Collection[str],
) -> Ratings:
    """See ``Reader.ratings``. The cursor is used up: it keeps its temporary tables."""
    with transaction(cursor):  # one state of the store, though it is asked several times
        runs = _runs(cursor, run_ids, project_id, frozenset(blind))
        asked = {"sources": list(sources)}
        cursor.execute(
            "CREATE TEMP TABLE wanted AS SELECT * FROM (SELECT unnest($ids::VARCHAR[]) AS run_id, "
            "unnest(range($count)) AS place) JOIN (SELECT run_id, step_count, benchmark IS NOT NULL AS has_row, "
            "coalesce(declared_step_count <> step_count, false) AS misaligned FROM run) USING (run_id)",
            {"ids": [run_id for run_id, *_ in runs], "count": len(runs)},
        )
        cursor.execute(_SAID, asked)
        unassigned = f"UNION ALL BY NAME {_UNASSIGNED}" if project_id is None and reading != "repeats" else ""
        cursor.execute(
            f"""
            CREATE TEMP TABLE counted AS
            WITH {_SUBMITTED}
                decided AS (SELECT DISTINCT run_id FROM adjudication
                    WHERE $project_id::VARCHAR IS NULL OR project_id = $project_id::VARCHAR),
                one AS ({_HUMAN[reading]} {unassigned} UNION ALL BY NAME {_OTHERS})
            SELECT *, dense_rank() OVER (ORDER BY CASE source {_ORDER} END, name, turn) - 1 AS who FROM one""",
            asked | {"project_id": project_id},
        )
        return _read(cursor, runs)


def _runs(
    cursor: duckdb.DuckDBPyConnection, run_ids: Sequence[str] | None, project_id: str | None, blind: Collection[str]
) -> list[tuple[str, str | None, int]]:
    """(id, task, steps) of the runs that are wanted, in their order."""
    found = cursor.execute("SELECT run_id, task, step_count FROM run ORDER BY run_id").fetchall()
    facts: dict[str, tuple[str, str | None, int]] = {row[0]: row for row in found}
    of_project = None if project_id is None else runs_of_project(cursor, project_id)
    listed: Sequence[str] = list(facts) if of_project is None else of_project
    if run_ids is not None:
        among = set(listed)
        listed = [run_id for run_id in dict.fromkeys(run_ids) if run_id in among]
    return [facts[run_id] for run_id in listed if run_id in facts and run_id not in blind]


def _read(cursor: duckdb.DuckDBPyConnection, runs: Sequence[tuple[str, str | None, int]]) -> Ratings:
    raters = tuple(
        Rater(*row)
        for row in cursor.execute("SELECT DISTINCT ON (who) source, name, turn FROM counted ORDER BY who").fetchall()
    )
    lengths = np.array([length for *_, length in runs], dtype=np.int64)
    shape = (len(runs), len(raters))
    finished = np.zeros(shape, dtype=bool)
    told = _columns(cursor, "SELECT place, who, finished FROM counted")
    finished[told["place"], told["who"]] = told["finished"]

    starts = np.concatenate([[0], np.cumsum(lengths)])
    codes = np.full((int(starts[-1]), len(raters)), MISSING, dtype=np.int8)
    # Of several labels on one place the last one written stays: that is the latest.
    verdicts = _columns(
        cursor,
        f"SELECT said.place, who, step_id, number FROM {_SAID_BY_RATERS} WHERE field = 'verdict' ORDER BY arrival",
    )
    codes[starts[verdicts["place"]] + verdicts["step_id"] - 1, verdicts["who"]] = verdicts["number"]

    of_runs: dict[str, Array] = {
        "onset": np.zeros(shape, dtype=np.int64),
        "run_verdict": np.full(shape, MISSING, dtype=np.int8),
    }
    for field, values in of_runs.items():
        of_run = _columns(
            cursor,
            f"SELECT said.place, who, number FROM {_SAID_BY_RATERS} WHERE field = $field ORDER BY arrival",
            {"field": field},
        )
        values[of_run["place"], of_run["who"]] = of_run["number"]

    seconds = np.full(shape, np.nan)
    worked = _columns(
        cursor,
        "SELECT place, who, CAST(sum(CAST(value AS BIGINT)) AS DOUBLE) AS seconds "
        "FROM label_event AS event JOIN wanted USING (run_id) JOIN counted USING (place) "
        "WHERE field = 'worked' AND event.source = 'human' AND counted.source = 'human' AND annotator = name "
        "AND event.pass_number BETWEEN first_pass AND counted.pass_number GROUP BY place, who",
    )
    seconds[worked["place"], worked["who"]] = worked["seconds"]

    drawn = cursor.execute(
        f"SELECT said.place, who, text FROM {_SAID_BY_RATERS} WHERE field = 'stages' ORDER BY arrival"
    ).fetchall()
    return Ratings(
        tuple(run_id for run_id, *_ in runs),
        tuple(task for _, task, _ in runs),
        lengths,
        raters,
        codes,
        finished,
        of_runs["onset"],
        of_runs["run_verdict"],
        seconds,
        {
            (at, who): stages
            for at, who, stages in ((at, who, _STAGES.validate_json(text)) for at, who, text in drawn)
            if all(stage.end_step_id <= lengths[at] for stage in stages)
        },
    )


def _columns(cursor: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any] | None = None) -> dict[str, Array]:
    return {name: np.asarray(column) for name, column in cursor.execute(query, values).fetchnumpy().items()}
