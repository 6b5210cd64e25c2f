"""Jobs as people see them: one list that follows what is under way, and in which it is cancelled and opened."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.ui import components
from codetracer_core.ui.diagnosis_report import duration_words, usage_words
from codetracer_core.ui.jobs import J, Job, cancel, may_cancel

Entry = dict[str, Any]
"""A job as ``frontend/jobs.js`` shows it."""


def job_list(key: str, entries: Callable[[], Sequence[Entry]], go_to: Callable[[Mapping[str, Any]], None]) -> None:
    """The jobs that ``entries`` tells of, asked anew each second while one of them is under way.

    Once one is over (or gone) the whole page is drawn again: what came of it stands around the list. ``go_to`` hears
    ``run`` and ``diagnosis`` of the row, or ``run`` and ``step`` of the line of a log, that was pressed. The browser
    asks how far they are, not a timer of Streamlit's: see ``frontend/jobs.js``.
    """
    _draw(key, entries, go_to, set())


@st.fragment
def _draw(
    key: str,
    entries: Callable[[], Sequence[Entry]],
    go_to: Callable[[Mapping[str, Any]], None],
    under_way: set[str],
) -> None:
    """``under_way`` are those that were when this was drawn last: the same set each time, until the page is drawn."""
    found = entries()
    now = {entry["id"] for entry in found if not entry["isOver"]}
    if not now.issuperset(under_way):
        st.rerun()
    under_way.update(now)
    if not found:
        return
    result = components.jobs()(
        key=key,
        data={"jobs": list(found)},
        default={"tick": 0, "cancel": []},
        on_tick_change=components.nothing,
        on_cancel_change=components.nothing,
        on_open_change=components.nothing,
    )
    # All that were pressed, each time: what is told only once is lost if a question how far they are comes right after.
    pressed = result.cancel if isinstance(result.cancel, list) else []
    wanted = [one for one in found if one["id"] in pressed and one["mayCancel"] and not one["isStopping"]]
    for entry in wanted:
        cancel(entry["id"])
    if wanted:
        st.rerun(scope="fragment")
    if isinstance(result.open, Mapping):
        go_to(result.open)


def with_last(found: Sequence[J], most_over: int) -> list[J]:
    """All that are under way, and the first few that are over; in their order."""
    over = [job for job in found if job.ended_at is not None][:most_over]
    return [job for job in found if job.ended_at is None or job in over]


def job_entry(
    job: Job,
    made_with: str,
    words: Sequence[str],
    *,
    usage: Sequence[CallUsage] = (),
    share: float | None = None,
    rows: Sequence[Mapping[str, str]] = (),
    hidden: int = 0,
    log_of: str = "",
    log: Sequence[Mapping[str, Any]] = (),
    is_over: bool | None = None,
) -> Entry:
    """One job: what it is, ``words`` on how it stands (empty ones are left out), what its parts have cost so far.

    ``share`` (0 to 1, both inclusive) is drawn as a bar; None: none. ``hidden`` counts runs that are not told of
    because this person labels them blind. ``log_of`` is the run whose steps the log links. It ``is_over`` when it has
    ended, unless told otherwise: it may be over for one of its runs.
    """
    over = job.ended_at is not None if is_over is None else is_over
    total = sum(usage[1:], start=usage[0]) if usage else CallUsage(calls=0)
    return {
        "id": job.job_id,
        "madeWith": made_with,
        "words": " · ".join(filter(None, words)),
        "usage": usage_words(total) if total.calls else "",
        "isOver": over,
        "isStopping": job.is_cancelled(),
        "isBatch": share is not None,
        "mayCancel": not over and may_cancel(job),
        "share": share or 0,
        "runs": list(rows),
        "hidden": f"{hidden} more that you label blind" if hidden else "",
        "logOf": log_of,
        "log": list(log),
    }


def by_whom(job: Job) -> str:
    """Who ordered it, if they have a name, and how long it has taken."""
    return f"by {job.who} · {duration_words(job.seconds)}" if job.who else duration_words(job.seconds)


def job_row(
    run: str, task: str, state: str = "", words: str = "", *, usage: CallUsage | None = None, opens: str = ""
) -> dict[str, str]:
    """One thing that a job is at or has made, which can be opened: ``run`` and ``opens`` are what ``go_to`` hears."""
    used = usage_words(usage) if usage is not None and usage.calls else ""
    return {"run": run, "task": task, "state": state, "words": words, "usage": used, "diagnosis": opens}
