"""The compare page, on runs: two or more of one task side by side, aligned by what they do.

Steps, stages and outcomes go to everybody. What others say of a run goes only to who asked for it, has a name and does
not stand blind to the run, and it is on record before it leaves the server.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from codetracer_core.adjudication import Voice
from codetracer_core.alignment import Deed, Parting, Row, Share, align, by_stage, deeds, letter, parting, share
from codetracer_core.models import Trajectory
from codetracer_core.store import Store
from codetracer_core.ui import components, identity, shell
from codetracer_core.ui.annotate import ask_name
from codetracer_core.ui.others import told_by_others
from codetracer_core.ui.overview import run_facts
from codetracer_core.ui.viewer import EXPOSES, note_exposure, pipe, said_by, sent_through
from codetracer_core.ui.workspace import open_run
from codetracer_core.viewer_data import outline, step_texts, title, whole_step
from codetracer_core.workflow import RunView

MOST_RUNS = 4
"""Runs side by side: more columns could not be read."""
FACTS = {
    "Steps": "Steps",
    "Cost": "Cost",
    "Prompt tokens": "Tokens in",
    "Completion tokens": "Tokens out",
    "Duration": "Time",
    "Tests passed": "Tests passed",
    "Agent's own ending": "Ended",
}
"""Of ``run_facts``, with the titles of their columns."""
_WANTS_LABELS = "compare_labels"
"""Where the session keeps for which runs labels were asked for."""


def asked_runs() -> list[str]:
    """The runs that the address names, each once, in its order."""
    return list(dict.fromkeys(name for name in st.query_params.get("runs", "").split(",") if name))


def fit(asked: Sequence[str], what: str) -> bool:
    """Whether so many can stand side by side; says so if they are too many."""
    if len(asked) > MOST_RUNS:
        st.warning(f"{len(asked)} {what} do not fit side by side. Choose at most {MOST_RUNS}.")
    return 1 < len(asked) <= MOST_RUNS


def compare_runs(store: Store, names: Sequence[str]) -> None:
    """The runs side by side, the first one as the reference. Raises NotFound."""
    runs = [open_run(name) for name in names]
    key = ",".join(str(run.run_id) for run in runs)
    _, imports = store.revision()
    _heading(runs)
    aligned, done = _aligned(tuple(str(run.run_id) for run in runs), imports, runs)
    wanted = st.session_state.get(_WANTS_LABELS) == key
    if wanted and not identity.person():
        ask_name("Who is reading? Labels are shown to a name: they count as seen when the run is labelled.")
    result = components.comparison()(
        key="comparison",
        data={
            "key": key,
            **alignment_data(runs, aligned, done),
            **_said_of(store, runs, wanted),
            "note": _note(runs),
            "start": start_place(st.query_params.get("step", "")),
            "only": "only" in st.query_params,
            "open": st.query_params.get("texts", ""),
        },
        on_labels_change=lambda: _want_labels(key),
        on_open_change=components.nothing,
    )
    if isinstance(result.open, Mapping):
        _open(result.open, show_labels=wanted)
    _text_pipe(key, [run.trajectory for run in runs])


def _heading(runs: Sequence[RunView]) -> None:
    """What is compared, and the way to another choice."""
    task = runs[0].trajectory.task
    with st.container(horizontal=True, vertical_alignment="center"):
        components.heading()(key="heading", data=[task or str(runs[0].run_id), f"{len(runs)} runs side by side"])
        asked = {"task": task} if task else {}
        st.page_link(shell.pages()["compare"], label="Choose other runs", query_params=asked)


def start_place(asked: str) -> dict[str, int]:
    """Where to begin: "B12" is step 12 of the second run, "12" of the first; else the first row."""
    found = re.fullmatch(r"([A-Z]?)(\d{1,9})", asked)
    if found is None:
        return {"column": 0, "step": 0}
    return {"column": ord(found[1] or "A") - ord("A"), "step": int(found[2])}


def _want_labels(key: str) -> None:
    """Keep the wish: the component forgets it where a name is asked for first."""
    wanted = (st.session_state.get("comparison") or {}).get("labels")
    st.session_state[_WANTS_LABELS] = key if wanted else None


def _open(place: Mapping[str, Any], *, show_labels: bool) -> None:
    """A run or a step of it in the viewer, with labels where they are shown here."""
    step = place.get("step")
    query = {"traj": str(place.get("run", ""))} | ({"step": str(step)} if step else {})
    query |= {"show": "labels"} if show_labels else {}
    st.switch_page(shell.pages()["trajectory"], query_params=query)


@st.cache_resource(max_entries=32, show_spinner="Aligning the runs …")
def _aligned(
    run_ids: tuple[str, ...], imports: int, _runs: Sequence[RunView]
) -> tuple[list[Row], list[tuple[Deed, ...]]]:
    """The alignment rests on actions alone: it is the same for everybody, whatever else they may see of the runs."""
    done = [deeds(run.trajectory, run.tree.decisions) for run in _runs]
    return align(done), done


# --- what goes to the browser ---------------------------------------------------------------------------------


def alignment_data(runs: Sequence[RunView], rows: Sequence[Row], done: Sequence[Sequence[Deed]]) -> dict[str, Any]:
    """What the component needs of the steps: see ``frontend/compare.js``."""
    partings = [parting(rows, done, 0, other) for other in range(1, len(runs))]
    shares = []
    for other in range(1, len(runs)):
        stages = [
            [
                {
                    "name": f"{told.stage.stage_id} {told.stage.name}".strip(),
                    "range": f"steps {told.stage.start_step_id}–{told.stage.end_step_id}",
                    "first": told.stage.start_step_id,
                    "words": f"{told.shared} of {told.steps} steps in common",
                }
                for told in by_stage(rows, one, beside, runs[one].stages)
            ]
            for one, beside in ((0, other), (other, 0))
        ]
        shares.append({"words": share_words(share(rows, 0, other), other), "stages": stages})
    return {
        "facts": [*FACTS.values(), "Verdicts"],
        "rows": [row.steps for row in rows],
        "reasons": [row.reasons for row in rows],
        "strengths": ["".join(strength[0] for strength in row.strengths) for row in rows],
        "partings": [_parting_data(told) for told in partings],
        "shares": shares,
    }


def _parting_data(told: Parting | None) -> dict[str, Any] | None:
    return {"row": told.row, "why": told.why, "meets": told.meets} if told else None


def share_words(told: Share, other: int) -> str:
    """How much the first run and another have in common, in words."""
    if told.value is None:
        return "nothing to compare: neither run has a step"
    ours, theirs = told.only
    parts = [
        f"{told.value:.0%} of their steps in common: {told.same} by the same command, {told.alike} alike",
        *([f"{told.weak} only of the same kind"] if told.weak else []),
        f"only A {ours}, only {letter(other)} {theirs}",
    ]
    return " · ".join(parts)


def _note(runs: Sequence[RunView]) -> str:
    tasks = {run.trajectory.task for run in runs}
    if tasks == {None}:
        return "The files of these runs name no task: whether it is the same one is not known."
    return "These runs are not of one task." if len(tasks) > 1 else ""


def _said_of(store: Store, runs: Sequence[RunView], wanted: bool) -> dict[str, Any]:
    """The runs with what is said of them: one's own labels, and those of others if they were asked for and may be seen.

    Raises nothing for runs to which this person stands blind: of these only their own labels are sent.
    """
    who = identity.person()
    told: list[dict[str, Any]] = []
    has_labels = False
    for run in runs:
        run_id = str(run.run_id)
        voices = told_by_others(store, run_id, who)
        has_labels |= bool(voices)
        marks = _shown(store, run_id, who, voices) if wanted else {}
        own = said_by(store, run_id, who)
        own_marks: dict[int, list[dict[str, Any]]] = {}
        for step, verdict in own.verdicts.items():
            own_marks.setdefault(step, []).append({"who": "you", "source": "human", "verdict": verdict})
        if own.of_run.get("onset"):
            own_marks.setdefault(own.of_run["onset"], []).append({"who": "you", "source": "human", "onset": True})
        told.append(_run_data(run, own_marks, marks) | {"isBlind": identity.standing_of(store, run_id, who).is_blind})
    names = Counter(one["name"] for one in told)
    told = [one if names[one["name"]] == 1 else {**one, "name": f"{one['name']} · {one['run']}"} for one in told]
    return {"runs": told, "hasLabels": has_labels, "labelsShown": wanted}


def _shown(store: Store, run_id: str, who: str, voices: Sequence[Voice]) -> dict[int, list[dict[str, Any]]]:
    """What these say of steps, put on record before it leaves the server."""
    standing = identity.standing_of(store, run_id, who)
    for what in sorted({EXPOSES[voice.source] for voice in voices}):
        note_exposure(store, run_id, who, standing, what)
    marks: dict[int, list[dict[str, Any]]] = {}
    for voice in voices:
        named = {"who": voice.who, "source": voice.source}
        for step in voice.of_steps:
            if verdict := voice.verdict(step):
                marks.setdefault(step, []).append({**named, "verdict": verdict})
        if onset := voice.of_run.get("onset"):
            marks.setdefault(onset, []).append({**named, "onset": True})
    return marks


def _run_data(
    run: RunView, own: Mapping[int, Sequence[Mapping[str, Any]]], marks: Mapping[int, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    known = dict(run_facts(run.trajectory))
    told = title(run.trajectory, name=str(run.run_id), declared_step_count=run.declared_step_count)
    return {
        "run": run.run_id,
        "name": " · ".join(part for part in (told["agent"], run.trajectory.trial) if part) or str(run.run_id),
        "outcome": told["outcome"],
        "misaligned": told["misaligned"],
        "facts": [*(known[name] for name in FACTS), verdict_words([*own.values(), *marks.values()])],
        "outline": outline(run.trajectory, run.tree),
        "stages": [stage.model_dump() for stage in run.stages],
        "stagesFrom": run.stages_from.partition(":")[0],
        "own": own,
        "marks": marks,
    }


def verdict_words(marks: Sequence[Sequence[Mapping[str, Any]]]) -> str:
    """How many steps each calls what, in words."""
    counts = Counter((mark["who"], mark["verdict"]) for of_step in marks for mark in of_step if "verdict" in mark)
    by_name: dict[str, list[str]] = {}
    for (name, verdict), count in sorted(counts.items()):
        by_name.setdefault(name, []).append(f"{count} {verdict}")
    return "; ".join(f"{name}: {', '.join(told)}" for name, told in by_name.items()) or "none shown"


@st.fragment
def _text_pipe(key: str, trajectories: Sequence[Trajectory]) -> None:
    message = sent_through("compare_pipe")
    message = message if message.get("key") == key else {}
    answer = {
        "channel": "compare",
        "key": key,
        "request": message.get("request"),
        "texts": texts(message, trajectories),
    }
    pipe("compare_pipe", answer)


def texts(message: Mapping[str, Any], trajectories: Sequence[Trajectory]) -> dict[str, Any]:
    """The texts that the browser asks for, by "run:step" (0-based run, 1-based step); what there is not is left out.

    ``steps``: pairs of run and step, as many as fit a window; ``full``: one such pair, with nothing cut.
    """
    full = _place(message.get("full"), trajectories)
    if full is not None:
        return {f"{full[0]}:{step}": text for step, text in whole_step(trajectories[full[0]], full[1]).items()}
    wanted: dict[int, list[int]] = {}
    asked = message.get("steps")
    for place in asked if isinstance(asked, list) else ():
        if found := _place(place, trajectories):
            wanted.setdefault(found[0], []).append(found[1])
    return {
        f"{run}:{step}": text
        for run, steps in wanted.items()
        for step, text in step_texts(trajectories[run], steps).items()
    }


def _place(asked: object, trajectories: Sequence[Trajectory]) -> tuple[int, int] | None:
    if not isinstance(asked, list) or len(asked) != 2 or not all(type(one) is int for one in asked):
        return None
    run, step = asked
    return (run, step) if 0 <= run < len(trajectories) else None
