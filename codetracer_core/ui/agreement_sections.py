"""The parts of the Agreement page: each shows one side of an answer; cells and bars open the steps behind them."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from codetracer_core.agreement import change, why_they_differ
from codetracer_core.agreement.measures import HAS_INCORRECT, RUN_VERDICT, Measures
from codetracer_core.agreement.told import Scope, as_told, number_rows, rater_name
from codetracer_core.export import rows_as_csv
from codetracer_core.intervals import FEW_CLUSTERS, Estimate
from codetracer_core.ratings import CATEGORIES
from codetracer_core.store import Store
from codetracer_core.ui import shell
from codetracer_core.ui.agreement import READINGS, Answer
from codetracer_core.ui.agreement_onsets import (
    borders_table,
    conflicts_table,
    detection,
    distances_table,
    ranges_table,
    stages_table,
    within_table,
)
from codetracer_core.ui.agreement_steps import exposures, note_shown, open_steps, opened_pick
from codetracer_core.ui.agreement_tables import (
    MOST_RUNS,
    Table,
    confusion,
    labels_table,
    measures_table,
    pair_matrix,
    pairs_table,
    questions_table,
    raters_table,
    run_matrix,
    runs_table,
    votes_table,
)
from codetracer_core.ui.identity import person
from codetracer_core.ui.tables import UNDEFINED, matrix, number, show_table
from codetracer_core.ui.viewer import put_on_record
from codetracer_core.words import left_out_as_blind, number_of


def counted_in(answer: Answer) -> None:
    """What the numbers are of, and what they leave out."""
    found = answer.found
    words = [READINGS[answer.question.reading]]
    if found.pairs:  # else there is no number of which to say it
        by = ", ".join(f"{steps:,} with {n}" for n, steps in enumerate(found.steps_by_ratings) if steps)
        words += [
            f"{number_of(found.runs, 'run')} with {number_of(found.steps, 'step')}. Labels per step: {by or 'none'}. "
            f"Numbers of all together are {found.over_words}.",
            f"95 % intervals: {found.replicates:,} draws of {number_of(found.clusters, found.clustered_by)}, seed "
            f"{found.seed}; ≈ marks those of fewer than {FEW_CLUSTERS}, which may be too narrow.",
        ]
        words += [
            f"Left out: {number_of(left.steps, 'step')} in {number_of(left.runs, 'run')}, {left.why}."
            for left in found.left_out
        ]
    st.caption(" ".join(words))
    if answer.left_out:
        st.text(f"{left_out_as_blind(answer.left_out)}.")


def nothing_to_compare(answer: Answer) -> None:
    """Why there is no agreement yet, and what to do about it."""
    found, question = answer.found, answer.question
    raters = [rater_name(rater) for rater in found.raters]
    if question.reading == "repeats":
        st.info("Nobody has submitted a run twice. A project with a share of repetitions hands runs out again, blind.")
    elif not raters:
        what = "a run of this project" if question.project_id else "one of these runs"
        st.info(f"Nobody has submitted {what} yet. Labels count when their run is submitted, on the page Annotate.")
    else:
        st.info("Only one rater is here, and agreement takes two.")
        st.text(f"It is {raters[0]}. Give the runs to a second person, or compare with others: “Beside people”.")
    with st.container(horizontal=True):
        for name, label in (
            ("settings", "Projects and who labels them"),
            ("annotate", "Annotate"),
            ("diagnose", "Have a model diagnose runs"),
        ):
            st.page_link(shell.pages()[name], label=label)


def headline(answers: Sequence[Answer], scopes: Sequence[Scope]) -> None:
    """The numbers to be read first, of each reading of the labels."""
    for answer, scope in zip(answers, scopes, strict=True):
        of = scope.incorrect
        if len(answers) > 1:
            st.text("Blind labels" if answer.question.reading == "blind" else "What people stand by since")
        alpha, psa, counts, prevalence = st.columns(4, border=True)
        with alpha:
            _big("Alpha (Krippendorff) on “incorrect”", of.alpha)
        with psa:
            _big("PSA: agreement on “incorrect”", of.psa)
        with counts:
            st.caption("Two say “incorrect” · only one of two does")
            if of.pairings is not None:
                st.markdown(f"### {of.pairings.both:,} · {of.pairings.one:,}")
            what = f"{of.unit}s" if of.raters == 2 else f"pairs of labels on {of.units:,} {of.unit}s"
            neither = f"neither: {of.pairings.neither:,}" if of.pairings is not None else "no counts"
            st.caption(f"{what} in {of.runs:,} runs; {neither}")
        with prevalence:
            _big("Prevalence of “incorrect”", of.prevalence[1], percent=True)
    st.text(why_they_differ(scopes[0].incorrect))


def _big(label: str, value: Estimate, *, percent: bool = False) -> None:
    st.caption(label)
    if value.value is None:
        st.markdown(f"### {UNDEFINED}")
        st.text(value.why)
        return
    digits = 2 if percent else 3
    st.markdown(f"### {number(value.value, percent=percent, digits=digits)}{' %' if percent else ''}")
    if value.low is None or value.high is None:
        st.caption(f"no interval: {value.why_no_interval}")
        return
    low, high = (number(end, percent=percent, digits=digits) for end in (value.low, value.high))
    rough = ", a rough one" if value.is_rough else ""
    st.caption(f"95 % interval {low} to {high} ({value.clusters:,} clusters{rough})")


def _table(key: str, table: Table, caption: str = "", height: int | None = None) -> None:
    columns, rows = table
    open_steps(show_table(f"agreement_{key}", columns, rows, caption=caption, height=height, selected=opened_pick()))


def measures(answers: Sequence[Answer], scopes: Sequence[Scope]) -> None:
    """Every measure of the headline's question, the other questions, and how many call a step incorrect."""
    names = ["Value"] if len(answers) == 1 else ["Blind", "Revised"]
    of = [(name, scope.incorrect) for name, scope in zip(names, scopes, strict=True)]
    if len(answers) == 2:
        before, after = answers
        asked = before.question
        changed = change(before.ratings, after.ratings, scopes[0].raters, unlabelled=asked.unlabelled, seed=asked.seed)
        of.append(("Change, paired by task", changed))
    first = answers[0].found
    left, right = st.columns([2, 1]) if len(answers) == 1 else (st.container(), st.container())
    with left:
        _table("measures", measures_table(of), "Incorrect against the rest, step by step")
    if scopes[0].raters == first.over and len(first.over) > 2:
        with right:
            _table("votes", votes_table(first), "Of those who rated a step")
    for name, scope in zip(names, scopes, strict=True):
        more = f", {name.lower()}" if len(scopes) > 1 else ""
        _table(f"questions{name}", questions_table(scope), f"All questions{more}")


def pairs(answer: Answer) -> None:
    """Every two raters: as a square where they are more than two, and with all their numbers."""
    names = [rater_name(rater) for rater in answer.found.raters]
    if len(names) > 2:
        open_steps(
            matrix(
                "agreement_pair_matrix",
                names,
                names,
                pair_matrix(answer.found),
                caption="Above the diagonal alpha, below it PSA, on incorrect against the rest; "
                "a press opens the steps on which the two differ",
                selected=opened_pick(),
            )
        )
    _table("pairs", pairs_table(answer.found), "Every two raters, on incorrect against the rest")


def labels(answer: Answer, scope: Scope) -> None:
    """What one says where the other says this: of steps, and of two raters also of runs."""
    found = answer.found
    two = scope.classes.table is not None
    names = [rater_name(found.raters[at]) for at in scope.raters]
    above, beside = st.columns(2)
    with above:
        open_steps(
            matrix(
                "agreement_confusion",
                CATEGORIES,
                CATEGORIES,
                confusion(scope, found),
                rows_are=names[0] if two else "one says",
                columns_are=names[1] if two else "another says",
                caption=f"{scope.classes.units:,} steps by what {'each of the two' if two else 'two raters'} said",
                selected=opened_pick(),
            )
        )
    with beside:
        _table("labels", labels_table(scope), "Each label")
    if not two:
        return
    left, right = st.columns(2)
    with left:
        _two_ways(names, HAS_INCORRECT.names, scope.has_incorrect, scope, "Runs by whether they call a step incorrect")
    with right:
        _two_ways(names, RUN_VERDICT.names, scope.run_verdicts, scope, "Runs by what they said of the whole run")


def _two_ways(names: Sequence[str], answers: Sequence[str], of: Measures, scope: Scope, words: str) -> None:
    open_steps(
        matrix(
            f"agreement_{of.question}",
            answers,
            answers,
            run_matrix(of, scope),
            rows_are=names[0],
            columns_are=names[1],
            caption=f"{words} ({of.units:,} runs)",
            selected=opened_pick(),
        )
    )


def onset(store: Store, answer: Answer, scope: Scope) -> None:
    """Where runs went off track: who sees an onset, and how far apart they are."""
    found, of = answer.found, scope.onset
    two = len(scope.raters) == 2
    names = [rater_name(found.raters[at]) for at in scope.raters] if two else ["one", "another"]
    ways = ["has an onset", "has none"]
    left, right = st.columns([3, 2])
    with left:
        open_steps(
            matrix(
                "agreement_detection",
                ways,
                ways,
                detection(scope),
                rows_are=names[0],
                columns_are=names[1],
                caption=f"Detection: {_finished(scope, of.runs)}",
                selected=opened_pick(),
            )
        )
        if found.onset_conflicts:
            for conflict in found.onset_conflicts[:MOST_RUNS]:
                note_shown(store, answer, [conflict.run_id], [conflict.rater])
            _table("conflicts", conflicts_table(found), _conflicts_in_words(len(found.onset_conflicts)), 280)
    if of.distances:
        with right:
            _table("distances", distances_table(scope), "Onset of the second minus onset of the first, in steps", 480)
    apart = f"Where both have an onset (n = {of.both:,}): how near, beside what guessing reaches"
    _table("within", within_table(scope), apart)


def _conflicts_in_words(n: int) -> str:
    more = f"; the first {MOST_RUNS:,} of {n:,}" if n > MOST_RUNS else ""
    return f"The marked onset, which counts, is not the first incorrect step{more}"


def _counted(scope: Scope, count: int, of_two: str, of_pair: str) -> str:
    """Runs of two raters; of several pairs each counts anew."""
    if len(scope.raters) == 2:
        return f"{count:,} runs {of_two}"
    return f"{count:,} pairs of raters who both {of_pair}"


def _finished(scope: Scope, count: int) -> str:
    return _counted(scope, count, "that both finished", "finished a run")


def ranges_and_stages(scope: Scope) -> None:
    counted = _finished(scope, scope.ranges[0].runs)
    _table("ranges", ranges_table(scope), f"Ranges of equal labels, matched one to one by overlap ({counted})")
    left, right = st.columns([2, 1])
    with left:
        drawn = _counted(scope, scope.stages.runs, "in which both drew stages", "drew stages of a run")
        _table("stages", stages_table(scope), f"Borders between stages ({drawn})")
    if scope.stages.runs:
        with right:
            _table("borders", borders_table(scope), "Where they draw them")


def runs(store: Store, answer: Answer) -> None:
    """Each run, on record as shown: how much each person found in it is told."""
    found = answer.found
    tasks = dict(zip(answer.ratings.run_ids, answer.ratings.tasks, strict=True))
    more = f"; the first {MOST_RUNS:,} of {len(found.by_run):,}" if len(found.by_run) > MOST_RUNS else ""
    nothing = found.nothing_found
    if nothing.value is not None:
        st.caption(
            f"In {number(nothing.value, percent=True)} % of the runs that at least two finished, all found nothing."
        )
    note_shown(store, answer, [run.run_id for run in found.by_run[:MOST_RUNS]], found.over)
    _table("runs", runs_table(found, tasks), f"Where people differ most comes first{more}")


def people(answer: Answer) -> None:
    alone = "" if "adjudicated" in answer.question.sources else "; beside adjudicated labels, also how near they are"
    _table("raters", raters_table(answer.found), f"What each rater did{alone}")


def downloads(store: Store, answers: Sequence[Answer]) -> None:
    """Everything that the page shows, as files; labels of single steps are exported in the library.

    What a file tells of single runs is on record before it is written.
    """
    st.caption("The JSON and the table of runs tell what each rater found in which run: these runs then count as seen.")
    for answer in answers:
        name = f"agreement-{answer.question.project_id or 'all-runs'}-{answer.question.reading}"
        with st.container(horizontal=True):
            st.text(answer.question.reading)
            for label, (ending, write) in files_of(store, answer, person()).items():
                st.download_button(label, write, f"{name}{ending}", on_click="ignore", key=f"{name}{ending}")


def files_of(store: Store, answer: Answer, who: str) -> dict[str, tuple[str, Callable[[], str]]]:
    """The files that ``who`` may have, by what they are: the end of the name, and what writes it."""
    found = answer.found
    seen = exposures(answer, [run.run_id for run in found.by_run], found.over, who)
    for conflict in found.onset_conflicts:
        seen |= exposures(answer, [conflict.run_id], [conflict.rater], who)

    def on_record(write: Callable[[Answer], str]) -> str:
        put_on_record(store, who, seen)
        return write(answer)

    return {
        "All numbers as JSON": (".json", partial(on_record, as_json)),
        "Numbers as CSV": (".csv", partial(_numbers_csv, answer)),
        "Runs as CSV": ("-runs.csv", partial(on_record, _runs_csv)),
    }


def as_json(answer: Answer) -> str:
    """All numbers, with the question that they answer."""
    question = answer.question
    told = as_told(
        answer.found,
        project=question.project_id,
        reading=question.reading,
        sources=question.sources,
        left_out_as_blind=answer.left_out,
    )
    return json.dumps(told, indent=1, allow_nan=False)


def _numbers_csv(answer: Answer) -> str:
    return rows_as_csv(number_rows(answer.found))


def _runs_csv(answer: Answer) -> str:
    return rows_as_csv(run_rows(answer))


def run_rows(answer: Answer) -> list[dict[str, Any]]:
    """The table of runs, all of them."""
    found = answer.found
    rows = []
    for run in found.by_run:
        row: dict[str, Any] = {
            "run": run.run_id,
            "steps": run.steps,
            "psa": run.psa.value,
            "both_incorrect": run.pairings.both,
            "one_of_two": run.pairings.one,
        }
        for at, incorrect, onset_at in zip(found.over, run.incorrect, run.onsets, strict=True):
            name = rater_name(found.raters[at])
            row |= {f"incorrect: {name}": incorrect, f"onset: {name}": onset_at or None}
        rows.append(row)
    return rows
