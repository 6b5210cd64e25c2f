"""The verbs of evaluation that the command line and the dashboard share: where truth and predictions come from."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np

from codetracer_core.benchmark import BenchmarkRow, read_manifest, wave_of
from codetracer_core.diagnosis_models import DIAGNOSIS_CLIENT, HEURISTIC, Diagnosis
from codetracer_core.errors import CodeTracerError
from codetracer_core.evaluation import Prediction, System, Truth
from codetracer_core.predictions import read_predictions
from codetracer_core.ratings import INCORRECT, UNCERTAIN, UNUSEFUL, Ratings
from codetracer_core.store import DiagnosisSummary, Reader, RunSummary
from codetracer_core.words import left_out_as_blind, number_of

TruthSource = Literal["ground_truth", "adjudicated"]
_DONE = ("complete", "partial")
"""A diagnosis that says something, if only as far as its limits let it."""


@dataclass(frozen=True)
class TruthRead:
    """What is true of runs, and what there was to say while it was read."""

    truth: tuple[Truth, ...]
    problems: tuple[CodeTracerError, ...] = ()
    """Rows that cannot be understood; the others count."""
    notes: tuple[str, ...] = ()
    excerpts: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """Text of labelled steps by (``traj_id``, step), as the manifest has it: text of a run, never markup."""


@dataclass(frozen=True)
class SystemsRead:
    """Systems with what they said, and what there was to say while it was read."""

    systems: tuple[System, ...]
    problems: tuple[CodeTracerError, ...] = ()
    notes: tuple[str, ...] = ()


# --- truth --------------------------------------------------------------------------------------------------


def truth_from_manifest(path: Path, reader: Reader | None = None, *, blind: Collection[str] = ()) -> TruthRead:
    """The ground truth of a manifest. Raises as ``read_manifest`` does.

    A workspace (``reader``) knows which of the runs are there, and which are misaligned. Of runs in ``blind`` (ids of
    the workspace) nothing is told.
    """
    manifest = read_manifest(path)
    stored = reader.runs() if reader else []
    known = {run.traj_id: run for run in stored}
    hidden = {run.traj_id for run in stored if run.run_id in blind}  # several runs may go by one name
    rows = [row for row in manifest.rows if row.traj_id not in hidden]
    excerpts = {
        (row.traj_id, step["step_id"]): text
        for row in rows
        for stage in row.incorrect_stages
        for step in stage.steps
        if type(step.get("step_id")) is int and (text := _excerpt(step))
    }
    truth = tuple(_truth_of_row(row, known.get(row.traj_id)) for row in rows)
    return TruthRead(truth, manifest.problems, _left_blind(len(manifest.rows) - len(rows)), excerpts)


def _truth_of_row(row: BenchmarkRow, run: RunSummary | None) -> Truth:
    return Truth(
        traj_id=row.traj_id,
        step_count=row.step_count,
        incorrect=frozenset(step for stage in row.incorrect_stages for step in stage.incorrect_step_ids),
        unuseful=frozenset(step for stage in row.incorrect_stages for step in stage.unuseful_step_ids),
        stages=row.stages,
        task=row.task_name,
        agent=row.agent,
        model=row.model,
        category=row.category,
        difficulty=row.difficulty,
        solved=row.solved,
        wave=wave_of(row.model_dump(include={"annotation_relpath", "source_relpath", "artifact_path"})),
        misaligned=_misaligned(row.step_count, run.step_count) if run else "",
        run_id=run.run_id if run else "",
    )


def _misaligned(declared: int, real: int) -> str:
    return "" if declared == real else f"the ground truth counts {declared} steps, the run has {real}"


def _excerpt(step: Mapping[str, object]) -> str:
    parts = (step.get("action_ref"), step.get("observation_ref"))
    texts = (part.get("content") for part in parts if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str) and text)


def _left_blind(count: int) -> tuple[str, ...]:
    return (left_out_as_blind(count),) if count else ()


def truth_from_store(
    reader: Reader,
    run_ids: Sequence[str] | None = None,
    *,
    source: TruthSource = "ground_truth",
    blind: Collection[str] = (),
) -> TruthRead:
    """What the benchmark, or adjudication, says of stored runs; None: of all runs.

    Runs of which it says nothing, and those in ``blind``, are left out; adjudication says something of decided runs.
    Misaligned runs are in it, named as such: the ground truth counts other steps than they have. A run goes by the
    benchmark's name, if it has one of its own.
    """
    ratings = reader.ratings(run_ids, sources=(source,), blind=blind)
    runs = {run.run_id: run for run in reader.runs(ids=run_ids)}
    names = _names(runs.values())
    rows = reader.benchmark_rows(list(runs))
    truth = [
        _truth_of_run(runs[run_id], names[run_id], ratings, at, wave_of(rows.get(run_id, {})))
        for at, run_id in enumerate(ratings.run_ids)
        if len(ratings.raters) and ratings.finished[at, 0]
    ]
    if source == "ground_truth":
        truth += [
            _truth_of_misaligned(run, names[run.run_id])
            for run in runs.values()
            if run.misaligned and run.run_id not in blind
        ]
    uncertain = int((ratings.codes == UNCERTAIN).sum())
    notes = _left_blind(sum(run_id in blind for run_id in runs))
    if uncertain:
        notes += (f"{number_of(uncertain, 'step')} labelled uncertain: not counted as incorrect",)
    return TruthRead(tuple(truth), notes=notes)


def _names(runs: Collection[RunSummary]) -> dict[str, str]:
    """The name of each run: the benchmark's, unless several runs share it."""
    taken = Counter(name for run in runs for name in {run.run_id, run.traj_id})
    return {run.run_id: run.traj_id if run.traj_id and taken[run.traj_id] == 1 else run.run_id for run in runs}


def _truth_of_run(run: RunSummary, name: str, ratings: Ratings, at: int, wave: str) -> Truth:
    codes = ratings.codes[ratings.run_of == at, 0]
    return Truth(
        traj_id=name,
        step_count=run.step_count,
        incorrect=frozenset((np.flatnonzero(codes == INCORRECT) + 1).tolist()),
        unuseful=frozenset((np.flatnonzero(codes == UNUSEFUL) + 1).tolist()),
        stages=ratings.stages.get((at, 0), ()),
        task=run.task,
        agent=run.agent,
        model=run.model,
        category=run.category,
        difficulty=run.difficulty,
        solved=_solved(run),
        wave=wave,
        onset=int(ratings.onsets[at, 0]) or None,
        run_id=run.run_id,
    )


def _truth_of_misaligned(run: RunSummary, name: str) -> Truth:
    reason = _misaligned(run.declared_step_count or 0, run.step_count)
    return Truth(name, run.step_count, frozenset(), misaligned=reason, run_id=run.run_id)


def _solved(run: RunSummary) -> bool | None:
    return {"solved": True, "failed": False}.get(run.outcome)


class StepTexts(Mapping[str, Sequence[str]]):
    """What each step of a stored run with errors shows without the agent's thought, by ``traj_id``.

    For ``evaluation.warnings``. A run is read when it is asked for, and not kept: together they may be gigabytes.
    """

    def __init__(self, reader: Reader, truth: Sequence[Truth]) -> None:
        self._reader = reader
        self._runs = {run.traj_id: run.run_id for run in truth if run.run_id and run.incorrect and not run.misaligned}

    def __getitem__(self, traj_id: str) -> Sequence[str]:
        try:
            steps = self._reader.load_run(self._runs[traj_id]).trajectory.steps
        except CodeTracerError:
            return ()  # its file is damaged: nothing can be said of its text
        return [f"{step.action}\0{step.observation or ''}" for step in steps]

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)


# --- systems ------------------------------------------------------------------------------------------------


def systems_from_files(
    named: Mapping[str, Sequence[Path]], truth: Sequence[Truth] = (), *, blind: Collection[str] = ()
) -> SystemsRead:
    """Systems by name, each from its files or folders, which are its repetitions. Raises as ``read_predictions`` does.

    ``truth`` tells which runs go by two names: an answer may name a run as the workspace does.
    """
    of_run = {run.run_id: run.traj_id for run in truth if run.run_id}
    systems, problems = [], []
    for name, paths in named.items():
        files = [read_predictions(path) for path in paths]
        problems += [problem for file in files for problem in file.problems]
        repetitions = tuple(
            {of_run.get(traj_id, traj_id): answer for traj_id, answer in said.items()}
            for file in files
            for said in file.repetitions
        )
        systems.append(System(name, repetitions))
    return SystemsRead(tuple(systems), tuple(problems))


def systems_from_store(
    reader: Reader,
    truth: Sequence[Truth],
    authors: Sequence[str] | None = None,
    *,
    blind: Collection[str] = (),
) -> SystemsRead:
    """What stored diagnoses say of the runs of ``truth``: each author a system, each diagnosis of a run a repetition.

    None: every author. Diagnoses that failed or were cancelled are failed answers, unless the same question was
    answered later; those of other evidence than the run now has are left out. Labels of models that came from files are
    in it, too: a run without any is not answered there, since nothing says whether that model looked at it. The offline
    rules are a baseline.
    """
    names = {run.run_id: run.traj_id for run in truth if run.run_id and run.run_id not in blind}
    everywhere = reader.diagnoses(None, authors, blind=blind)
    listed = [one for one in reversed(everywhere) if one.run_id in names]
    answered = {(one.run_id, one.author, one.request): one.finished_at for one in listed if one.status in _DONE}
    counted = [one for one in listed if not one.outdated and not _was_made_good(one, answered)]
    whole = reader.whole_diagnoses([one.diagnosis_id for one in counted if one.status in _DONE])
    said: dict[str, dict[str, list[Prediction]]] = {}
    for one in counted:
        answers = said.setdefault(one.author, {}).setdefault(names[one.run_id], [])
        answers.append(_answer(one, whole.get(one.diagnosis_id), names[one.run_id], len(answers)))
    for author, of_author in _imported(reader, names, authors).items():
        for name, answers_of_run in of_author.items():
            said.setdefault(author, {}).setdefault(name, []).extend(answers_of_run)
    systems = [_system(author, answers) for author, answers in sorted(said.items())]
    notes = (*_judged_by_nothing(everywhere, names, said), *_store_notes(listed, counted))
    return SystemsRead(tuple(systems), notes=notes)


def _judged_by_nothing(
    listed: Sequence[DiagnosisSummary], judged: Collection[str], answers: Collection[str]
) -> Iterator[str]:
    """Of each author, the runs that are not in ``judged``; who has no ``answers`` is in no table."""
    diagnosed: dict[str, set[str]] = {}
    for one in listed:
        diagnosed.setdefault(one.author, set()).add(one.run_id)
    for author, run_ids in sorted(diagnosed.items()):
        outside = len(run_ids.difference(judged))
        if outside:
            what = f"{outside:,} of the {len(run_ids):,} runs that it diagnosed have no such ground truth here"
            yield f"{author}: {what}" + ("" if author in answers else ", so there is nothing of it to judge")


def _imported(
    reader: Reader, names: Mapping[str, str], authors: Sequence[str] | None
) -> dict[str, dict[str, list[Prediction]]]:
    """Labels of models that came from files: by author and run, each pass an answer."""
    steps: dict[tuple[str, str, int], dict[str, list[int]]] = {}
    for event in reader.labels(source="model"):
        ours = event.run_id in names and (authors is None or event.annotator in authors)
        if ours and event.field == "verdict" and event.step_id and not event.client.startswith(DIAGNOSIS_CLIENT):
            key = (event.annotator, names[event.run_id], event.pass_number)
            steps.setdefault(key, {}).setdefault(event.value, []).append(event.step_id)
    found: dict[str, dict[str, list[Prediction]]] = {}
    for (author, name, _), said in sorted(steps.items()):
        answers = found.setdefault(author, {}).setdefault(name, [])
        incorrect, unuseful = tuple(said.get("incorrect", ())), tuple(said.get("unuseful", ()))
        answers.append(Prediction(name, len(answers), incorrect=incorrect, unuseful=unuseful))
    return found


def _was_made_good(one: DiagnosisSummary, answered: Mapping[tuple[str, str, str], datetime]) -> bool:
    later = answered.get((one.run_id, one.author, one.request))
    return one.status not in _DONE and one.request != "" and later is not None and later > one.finished_at


def _answer(one: DiagnosisSummary, diagnosis: Diagnosis | None, name: str, repetition: int) -> Prediction:
    if diagnosis is None or one.status not in _DONE:
        return Prediction(name, repetition, "failed", one.status_reason or one.status)
    accepted = diagnosis.accepted
    incorrect = tuple(finding.step_id for finding in accepted if finding.verdict == "incorrect")
    blamed = (
        stage for stage in diagnosis.stages if any(stage.start_step_id <= s <= stage.end_step_id for s in incorrect)
    )
    return Prediction(
        traj_id=name,
        repetition=repetition,
        incorrect=incorrect,
        unuseful=tuple(finding.step_id for finding in accepted if finding.verdict == "unuseful"),
        onsets=tuple(candidate.step_id for candidate in diagnosis.accepted_onsets),
        stage_ids=tuple(stage.stage_id for stage in blamed),
    )


def _system(author: str, answers: Mapping[str, Sequence[Prediction]]) -> System:
    most = max(map(len, answers.values()))
    repetitions = tuple(
        {name: said[number] for name, said in answers.items() if number < len(said)} for number in range(most)
    )
    return System(author, repetitions, is_baseline=author == HEURISTIC, is_ragged=True)


def _store_notes(listed: Sequence[DiagnosisSummary], counted: Sequence[DiagnosisSummary]) -> tuple[str, ...]:
    outdated = sum(one.outdated for one in listed)
    again = len(listed) - len(counted) - outdated
    notes = (
        f"{outdated} left out: diagnoses of other evidence than the run now has" if outdated else "",
        f"{again} left out: failed, and the same question was answered later" if again else "",
    )
    return tuple(note for note in notes if note)
