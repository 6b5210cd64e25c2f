"""The steps behind the numbers: what a system missed, what it accused wrongly, with their text and a way there.

Who is shown such a list is shown labels of these runs: only a page of it at a time, and that goes on record.
"""

import re
from collections.abc import Iterable, Sequence

import streamlit as st

from codetracer_core.errors import CodeTracerError
from codetracer_core.evaluation import Entry, Evaluation, Finding, false_accusations, misses
from codetracer_core.models import Exposure
from codetracer_core.store import Store
from codetracer_core.ui.evaluation_data import Asked, Read, computed
from codetracer_core.ui.identity import person
from codetracer_core.ui.links import step_address
from codetracer_core.ui.step_lists import keep_list
from codetracer_core.ui.tables import Cell, Column, Row, show_table
from codetracer_core.ui.viewer import FEWEST_RUNS, note_exposures
from codetracer_core.ui.workspace import open_store
from codetracer_core.words import number_of

ON_A_PAGE = 50
LONGEST_TEXT = 300
"""Characters of a step that the list shows."""
_BEFORE_THE_WORDS = re.compile(r'\A[\s{\[]*("role": "\w+",\s*)?"content": "')
"""An excerpt in a manifest is lines of the raw file: often of a JSON record, whose beginning says nothing."""
KINDS = {"Misses": misses, "False accusations": false_accusations}


def seen_of(run_ids: Iterable[str], judged: Sequence[Entry]) -> set[tuple[str, Exposure]]:
    """(run, exposure) for whoever is shown the ground truth of these runs beside what these entries say."""
    exposures: list[Exposure] = ["ground_truth"]
    if any(entry.seen.answers is not None for entry in judged):
        exposures.append("model")
    return {(run_id, exposure) for run_id in run_ids if run_id for exposure in exposures}


def note_few(store: Store, evaluation: Evaluation) -> None:
    """Numbers of one or two runs tell what is said of each of them: that is said, and goes on record."""
    judged = evaluation.rows.truth
    told = seen_of([run.run_id for run in judged], evaluation.given) if len(judged) < FEWEST_RUNS else set()
    if told:
        st.text("Numbers of so few runs tell what is said of each: it goes on record that you have seen it.")
        note_exposures(store, person(), told)


def run_title(evaluation: Evaluation, traj_id: str) -> str:
    """What a run is about, then its name."""
    task = evaluation.rows.truth[evaluation.rows.index[traj_id]].task
    return f"{task} · {traj_id}" if task else traj_id


def walked(title: str, steps: Iterable[tuple[str, int | None]]) -> str:
    """The name of a list to be walked in the viewer, of those steps whose run is in the workspace."""
    return keep_list(title, [step for step in steps if step[0]])


def steps_behind(store: Store, asked: Asked, read: Read, evaluation: Evaluation) -> None:
    """Choose a system and a kind of error; then the steps, a page at a time."""
    answering = [entry.name for entry in evaluation.entries if entry.seen.answers is not None]
    if not answering:
        st.info("No system is chosen.")
        return
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    name = left.selectbox("System", answering, key="system", bind="query-params")
    kind = middle.segmented_control(
        "Steps",
        [*KINDS],
        default=None if "errors" in st.session_state else "Misses",
        required=True,
        key="errors",
        bind="query-params",
    )
    found = computed(asked, KINDS[kind or "Misses"], name)
    pages = max(1, -(-len(found) // ON_A_PAGE))
    page = int(right.number_input("Page", 1, pages, key=f"page {kind} {name} {len(found)}")) if pages > 1 else 1
    first = (page - 1) * ON_A_PAGE
    shown = found[first : first + ON_A_PAGE]
    _say(kind or "Misses", found, first, len(shown))
    if not shown:
        return
    note_exposures(store, person(), seen_of([one.run_id for one in shown], [evaluation.entry(name)]))
    list_id = walked(f"{kind} of {name}", [(one.run_id, one.step_id) for one in found])
    show_table(
        "steps_behind",
        _columns(kind or "Misses"),
        [_row(one, read, evaluation, list_id, first + at) for at, one in enumerate(shown)],
    )


def _say(kind: str, found: Sequence[Finding], first: int, shown: int) -> None:
    runs = len({one.traj_id for one in found})
    elsewhere = len({one.traj_id for one in found if not one.run_id})
    what = (
        "incorrect steps that it did not name" if kind == "Misses" else "steps that it names and that are not incorrect"
    )
    words = [
        f"{len(found):,} {what} in at least one answer, of {number_of(runs, 'run')}"
        + (f"; {first + 1:,} to {first + shown:,} are shown." if len(found) > shown else "."),
        f"{number_of(elsewhere, 'run')} of these {'is' if elsewhere == 1 else 'are'} not in this workspace: there is "
        "no link, and only the text that the manifest has."
        if elsewhere
        else "",
        "Links open the step with the labels that the workspace has, and lead on to the next one of the list.",
    ]
    st.caption(" ".join(word for word in words if word))


def _columns(kind: str) -> list[Column]:
    other = "Nearest step that it names" if kind == "Misses" else "Nearest incorrect step"
    return [
        Column("run", "Run"),
        Column("step", "Step", "number", help="Its number, and how many steps the run has."),
        Column("answers", "Answers", "number", help="In how many of the answers on the run that is so."),
        Column("nearest", other, "number"),
        Column("text", "What was done"),
    ]


def _row(one: Finding, read: Read, evaluation: Evaluation, list_id: str, at: int) -> Row:
    href = step_address(one.run_id, one.step_id, show_labels=True, list_id=list_id) if one.run_id else ""
    text = step_text(one, read)
    return Row(
        str(at),
        {
            "run": Cell(run_title(evaluation, one.traj_id)),
            "step": Cell(f"{one.step_id} of {one.step_count}", value=one.step_id, href=href),
            "answers": Cell(
                f"{one.repetitions} of {one.of}" if one.of else "no answer",
                value=one.repetitions if one.of else None,
                tone="" if one.of else "weak",
            ),
            "nearest": _nearest(one),
            "text": Cell(text or "no text here", tone="" if text else "weak"),
        },
    )


def _nearest(one: Finding) -> Cell:
    note = "The other side calls this step unuseful." if one.unuseful else ""
    if one.nearest is None or one.distance is None:
        return Cell("none", note=note, tone="weak")
    far = abs(one.distance)
    where = "earlier" if one.distance > 0 else "later"
    return Cell(f"{one.nearest} ({far} {where})" if far else str(one.nearest), note=note, value=far)


def step_text(one: Finding, read: Read) -> str:
    """What was done in the step, in one line: from the stored run, else as the manifest has it."""
    stored = _actions(one.run_id, open_store().revision()[1]) if one.run_id else ()
    if one.step_id <= len(stored):
        return stored[one.step_id - 1]
    return _line(_BEFORE_THE_WORDS.sub("", read.excerpts.get((one.traj_id, one.step_id), "")).replace("\\n", " "))


@st.cache_resource(max_entries=512, show_spinner=False)
def _actions(run_id: str, imports: int) -> tuple[str, ...]:
    """The action of each step of a stored run, shortened; empty: its file cannot be read."""
    try:
        return tuple(_line(step.action) for step in open_store().load_run(run_id).trajectory.steps)
    except CodeTracerError:
        return ()


def _line(text: str) -> str:
    return " ".join(text[: 4 * LONGEST_TEXT].split())[:LONGEST_TEXT]
