"""Numbers of the page Evaluate, each computed once for what it depends on: files, the store's revision, the choices,
and the runs that the person before the browser must not see. That set is part of every key: nobody gets what was
computed for somebody with another one.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import streamlit as st

from codetracer_core.benchmark import read_manifest
from codetracer_core.errors import CodeTracerError
from codetracer_core.evaluating import (
    SystemsRead,
    systems_from_files,
    systems_from_store,
    truth_from_manifest,
    truth_from_store,
)
from codetracer_core.evaluating import (
    TruthSource as StoredTruth,
)
from codetracer_core.evaluation import Evaluation, Missing, System, Truth, evaluate
from codetracer_core.evaluation.baselines import RANDOM_STEP, RULES
from codetracer_core.evaluation_files import FileKind
from codetracer_core.predictions import read_predictions
from codetracer_core.store import DiagnosisSummary, Store
from codetracer_core.ui.evaluation_sources import Sources, SystemSource
from codetracer_core.ui.identity import blind_runs
from codetracer_core.ui.workspace import open_store

Given = ParamSpec("Given")
Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class Read:
    """What the chosen sources say."""

    truth: tuple[Truth, ...]
    systems: tuple[System, ...]
    """In the order in which they were chosen."""
    excerpts: Mapping[tuple[str, int], str]
    """Text of labelled steps by (``traj_id``, step), as the manifest has it."""
    problems: tuple[tuple[str, str, str], ...] = ()
    """(source, place, why) of each row and line that is left out."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """What the numbers depend on besides the choices."""

    stored: tuple[int, ...]
    """Of the store's state as much as matters."""
    diagnoses: int
    """A hash over those that are judged."""
    blind: frozenset[str]


def diagnoses_to_judge(store: Store) -> list[DiagnosisSummary]:
    """Stored diagnoses of runs that this person may see."""
    return store.diagnoses(blind=blind_runs(store))


def stored_authors(listed: Sequence[DiagnosisSummary]) -> dict[str, int]:
    """Who made diagnoses → of how many runs."""
    runs: dict[str, set[str]] = {}
    for one in listed:
        runs.setdefault(one.author, set()).add(one.run_id)
    return {author: len(ids) for author, ids in runs.items()}


def state_of(store: Store, sources: Sources, listed: Sequence[DiagnosisSummary]) -> State:
    """Labels of the workspace matter only where they are what systems are judged by; that people label meanwhile, and
    what they are shown, never does."""
    _, imports = store.revision()
    authors = {one.name for one in sources.systems if not one.paths}
    judged_ones = tuple((one.diagnosis_id, one.outdated) for one in listed if one.author in authors)
    labels = store.ratings_state() if sources.truth.kind != "manifest" else ()
    return State((imports, *labels), hash(judged_ones), frozenset(blind_runs(store)))


@st.cache_resource(max_entries=16, show_spinner="Reading ground truth and answers …")
def read_sources(sources: Sources, state: State) -> Read:
    """Ground truth and answers, without the runs that this person must not see. Raises CodeTracerError."""
    store = open_store()
    if sources.truth.path is None:
        kind: StoredTruth = "adjudicated" if sources.truth.kind == "adjudicated" else "ground_truth"
        found = truth_from_store(store, source=kind, blind=state.blind)
    else:
        found = truth_from_manifest(sources.truth.path, store, blind=state.blind)
    hidden = _hidden(store, found.truth, state.blind)
    truth = tuple(run for run in found.truth if run.traj_id not in hidden)
    names = names_of(sources.systems)
    files = systems_from_files(
        {names[one]: one.paths for one in sources.systems if one.paths}, truth, blind=state.blind
    )
    authors = [one.name for one in sources.systems if not one.paths]
    stored = systems_from_store(store, truth, authors, blind=state.blind) if authors else SystemsRead(())
    by_name = {system.name: system for system in (*files.systems, *stored.systems)}
    problems = [(sources.truth.label, error.place, error.reason) for error in found.problems]
    problems += [(_source_of(error, sources, names), error.place, error.reason) for error in files.problems]
    left_out = f"{len(hidden)} more left out: they may be runs that you label blind"
    return Read(
        truth,
        tuple(by_name[name] for one in sources.systems if (name := names[one]) in by_name),
        found.excerpts,
        tuple(problems),
        (*found.notes, *([left_out] if hidden else []), *files.notes, *stored.notes),
    )


def _hidden(store: Store, truth: Collection[Truth], blind: Collection[str]) -> set[str]:
    """Rows of a manifest that may be runs which this person labels blind, and that nothing joins with them: the run
    came without its row, so only its id, or its task and length, can tell."""
    unjoined = [run for run in store.runs(ids=list(blind)) if run.traj_id is None]
    names = {run.run_id for run in unjoined}
    shapes = {(run.task, run.step_count) for run in unjoined if run.task}
    return {
        run.traj_id
        for run in truth
        if not run.run_id and (run.traj_id in names or (run.task, run.step_count) in shapes)
    }


def names_of(systems: Sequence[SystemSource]) -> dict[SystemSource, str]:
    """What each system is called in tables: its name, or its whole label where two, or it and a rule, have one name."""
    taken = Counter([*RULES, RANDOM_STEP, *(one.name for one in systems)])
    return {one: one.name if taken[one.name] == 1 or not one.paths else one.label for one in systems}


def _source_of(error: CodeTracerError, sources: Sources, names: Mapping[SystemSource, str]) -> str:
    """Which repetition of which system a problem is of, as people know it: not the path of the copy."""
    path = Path(error.path)
    for one in sources.systems:
        for number, kept in enumerate(one.paths, start=1):
            if path == kept or path.is_relative_to(kept):
                inside = f", {path.relative_to(kept)}" if path != kept else ""
                return f"{names[one]}, {number} of {len(one.paths)}{inside}"
    return path.name


@dataclass(frozen=True)
class Asked:
    """What an evaluation is of: its key wherever something is computed from it."""

    sources: Sources
    state: State
    missing: Missing
    seed: int


@st.cache_resource(max_entries=16, show_spinner="Comparing systems with the ground truth …")
def judged(asked: Asked) -> Evaluation:
    """The whole evaluation. Raises CodeTracerError if what was chosen cannot be read."""
    read = read_sources(asked.sources, asked.state)
    return evaluate(read.truth, read.systems, missing=asked.missing, seed=asked.seed)


def computed(
    asked: Asked, verb: Callable[Concatenate[Evaluation, Given], Found], *given: Given.args, **named: Given.kwargs
) -> Found:
    """What a function makes of the evaluation, kept like it. ``given`` and ``named`` must be plain values."""
    return cast(Found, _computed(asked, verb.__qualname__, given, tuple(sorted(named.items())), verb))


@st.cache_resource(max_entries=128, show_spinner="Computing …")
def _computed(
    asked: Asked, name: str, given: Any, named: Sequence[tuple[str, Any]], _verb: Callable[..., object]
) -> object:
    return _verb(judged(asked), *given, **dict(named))


def check_readable(kind: FileKind, path: Path) -> None:
    """Raises CodeTracerError if nothing in the file can be used."""
    if kind == "manifest":
        read_manifest(path)
    else:
        read_predictions(path)
