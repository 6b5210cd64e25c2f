"""The whole way in one call: runs that are imported become trees, diagnoses, replays if asked, files, and a summary.

Every verb here is somebody else's; this only leads through them and says what became of each run. What fails for one
run stops no other, and what is there when somebody stops it is kept and told.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from codetracer_core import diagnosing
from codetracer_core.diagnosing import BatchRow
from codetracer_core.diagnosis import Progress
from codetracer_core.diagnosis_models import CallUsage, Citation, Diagnosis, DiagnosisSettings, Profile
from codetracer_core.errors import CodeTracerError
from codetracer_core.export import folder_name
from codetracer_core.exporting import page_of, write_normalised, write_text
from codetracer_core.importing import ImportReport
from codetracer_core.llm import Model
from codetracer_core.memory import MOST_CHARACTERS
from codetracer_core.models import Frozen
from codetracer_core.replay.recording import ReplayEvent
from codetracer_core.replaying import BatchedReplay, replay_all
from codetracer_core.replaying.batches import OrderFor
from codetracer_core.store import OutcomeWord, Reader, RunSummary, Store, lock_holder
from codetracer_core.workflow import stored_run, without_ground_truth

SUMMARY, REPORT = "summary.json", "report.txt"
"""In the output folder: everything as JSON, and the same for people. The report is plain text: it quotes runs."""
PAGE, DIAGNOSIS = "run.html", "codetracer_diagnosis.json"
"""In the folder of a run."""
WAITS_FOR_THE_OWNER = 20.0
"""Seconds for the dashboard to take in the diagnoses that wait in its inbox."""


class Onset(Frozen):
    """Where a run went off track, as its diagnosis says."""

    step_id: int
    why: str = ""
    quote: Citation | None = None
    """Words of the run that show it, with their place."""


class RunStory(Frozen):
    """One run, and what became of it."""

    run_id: str
    format: str
    agent: str | None = None
    model: str | None = None
    task: str | None = None
    outcome: OutcomeWord
    steps: int
    explore: int
    change: int
    misaligned: bool = False
    diagnosis: BatchRow
    summary: str = ""
    onset: Onset | None = None
    """None: the diagnosis names none (or there is no diagnosis)."""
    incorrect: tuple[int, ...] = ()
    unuseful: tuple[int, ...] = ()
    replay: BatchedReplay | None = None
    """None: none was asked for, or there was nothing to prove."""
    files: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def worked(self) -> bool:
        return self.diagnosis.status in diagnosing.DONE


class Story(Frozen):
    """What became of everything at a path."""

    runs: tuple[RunStory, ...]
    imported: Mapping[str, Any]
    """``ImportReport.as_json``."""
    extractor: str = ""
    """The extractor that was made on the way, as NAME vVERSION."""
    not_begun: int = 0
    """Runs beyond the limit that was asked for."""
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def usage(self) -> CallUsage:
        """Of this call, replays included; what had been done before costs nothing now."""
        made = [run.diagnosis.usage for run in self.runs if not run.diagnosis.was_done]
        made += [run.replay.usage for run in self.runs if run.replay is not None and not run.replay.was_done]
        return sum(made, CallUsage())

    def as_json(self) -> dict[str, Any]:
        return {**self.model_dump(mode="json"), "usage": self.usage.model_dump()}


def diagnosed(
    place: Path,
    run_ids: Sequence[str],
    *,
    model: Model | None,
    settings: DiagnosisSettings,
    memory_characters: int = MOST_CHARACTERS,
    parallel: int = 1,
    total_cost_limit: float | None = None,
    again: bool = False,
    profiles: Sequence[Profile] = (),
    output: Path | None = None,
    on_item: Callable[[BatchRow], None] = lambda _: None,
    on_progress: Callable[[str, Progress], None] = lambda _, __: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[tuple[RunStory, ...], tuple[str, ...]]:
    """Diagnose these imported runs; the story of each, in order, and notes on all. Resumed as ``diagnosing.batch`` is:
    what is done is not paid for again."""
    with Store.open_for_reading(place) as reader:
        report = diagnosing.batch(
            reader,
            place,
            run_ids,
            model=model,
            settings=settings,
            memory_characters=memory_characters,
            parallel=parallel,
            total_cost_limit=total_cost_limit,
            again=again,
            output=output,
            profiles=profiles,
            on_item=on_item,
            on_progress=on_progress,
            cancelled=cancelled,
        )
    rows = {row.run_id: row for row in report.rows}
    kept = [row.diagnosis_id for row in report.rows if row.diagnosis_id and row.status in diagnosing.DONE]
    with _with_diagnoses(place, kept) as reader:
        stories = tuple(_story(reader, summary, rows[summary.run_id]) for summary in _in_order(reader, run_ids))
    return stories, report.notes


def replayed(
    place: Path,
    stories: Sequence[RunStory],
    order_for: OrderFor,
    model: Model | None,
    *,
    again: bool = False,
    total_cost_limit: float | None = None,
    on_event: Callable[[str, ReplayEvent], None] = lambda _, __: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[RunStory, ...]:
    """Replay those runs whose diagnosis names an onset, one after the other; resumed as ``replay_all`` is."""
    accused = [story.run_id for story in stories if story.onset is not None]
    with Store.open_for_reading(place) as reader:
        made = replay_all(
            reader,
            place,
            accused,
            order_for,
            model,
            again=again,
            total_cost_limit=total_cost_limit,
            on_event=on_event,
            cancelled=cancelled,
        )
    replays = {row.run_id: row for row in made.rows}
    return tuple(story.model_copy(update={"replay": replays.get(story.run_id)}) for story in stories)


def _in_order(reader: Reader, run_ids: Sequence[str]) -> list[RunSummary]:
    known = {run.run_id: run for run in reader.runs(ids=list(run_ids))}
    return [known[run_id] for run_id in dict.fromkeys(run_ids) if run_id in known]


def _with_diagnoses(place: Path, diagnosis_ids: Sequence[str]) -> Reader:
    """The workspace with these diagnoses: if somebody has it open, once they have taken them in, or after a while."""
    end = time.monotonic() + WAITS_FOR_THE_OWNER
    while True:
        reader = Store.open_for_reading(place)
        are_there = len(reader.whole_diagnoses(diagnosis_ids)) == len(set(diagnosis_ids))
        if are_there or lock_holder(place) is None or time.monotonic() > end:
            return reader
        reader.close()
        time.sleep(0.5)


def _story(reader: Reader, run: RunSummary, row: BatchRow) -> RunStory:
    kinds = [facts.kind for facts in reader.steps(run.run_id)]
    diagnosis = reader.whole_diagnoses([row.diagnosis_id]).get(row.diagnosis_id) if row.diagnosis_id else None
    waits = row.diagnosis_id is not None and diagnosis is None
    labels: Mapping[int, str] = {one.step_id: one.verdict for one in diagnosis.accepted} if diagnosis else {}
    return RunStory(
        run_id=run.run_id,
        format=run.format,
        agent=run.agent,
        model=run.model,
        task=run.task,
        outcome=run.outcome,
        steps=run.step_count,
        explore=kinds.count("explore"),
        change=kinds.count("change"),
        misaligned=run.misaligned,
        diagnosis=row,
        summary=diagnosis.summary if diagnosis else "",
        onset=_onset(diagnosis) if diagnosis else None,
        incorrect=tuple(step for step, verdict in labels.items() if verdict == "incorrect"),
        unuseful=tuple(step for step, verdict in labels.items() if verdict == "unuseful"),
        problems=("the diagnosis waits in the inbox of whoever has the workspace open",) if waits else (),
    )


def _onset(diagnosis: Diagnosis) -> Onset | None:
    """The onset that counts, with the first quote that the run holds: its own, or of the finding on its step."""
    found = diagnosis.accepted_onset
    if found is None:
        return None
    findings = [one for one in diagnosis.accepted if one.step_id == found.step_id]
    cited = [*found.citations, *(citation for finding in findings for citation in finding.citations)]
    why = found.reasoning or next((finding.reasoning for finding in findings), "")
    return Onset(step_id=found.step_id, why=why, quote=next((one for one in cited if one.quote is not None), None))


# --- files ----------------------------------------------------------------------------------------------------


def with_files(stories: Sequence[RunStory], place: Path, output: Path) -> tuple[RunStory, ...]:
    """Write the files of each run into a folder of its own, beside those of its profiles; each is named. They hold what
    the run shows and its diagnosis says: no labels of people, nothing of what a benchmark says. One that cannot be
    written is told, and the others are."""
    with Store.open_for_reading(place) as reader:  # once: opening takes longer than writing the files of a run
        return tuple(_with_files(story, reader, output) for story in stories)


def _with_files(story: RunStory, reader: Reader, output: Path) -> RunStory:
    row = story.diagnosis
    folder = output / (row.folder or folder_name(row.traj_id or story.run_id))
    problems = list(story.problems)

    def written(write: Callable[[], object]) -> None:
        try:
            write()
        except CodeTracerError as error:
            problems.append(str(error))

    view = without_ground_truth(stored_run(reader, story.run_id))
    written(lambda: write_normalised(view, folder))
    written(lambda: write_text(folder / PAGE, page_of(view)))
    if row.diagnosis_id:
        written(lambda: write_text(folder / DIAGNOSIS, _diagnosis_text(reader, str(row.diagnosis_id))))
    files = sorted(str(path) for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    return story.model_copy(update={"files": tuple(files), "problems": tuple(problems)})


def _diagnosis_text(reader: Reader, diagnosis_id: str) -> str:
    return json.dumps(reader.diagnosis(diagnosis_id).model_dump(mode="json"), indent=1) + "\n"


def summed_up(
    stories: Sequence[RunStory],
    imported: ImportReport,
    *,
    extractor: str = "",
    not_begun: int = 0,
    notes: Sequence[str] = (),
    output: Path | None = None,
    report: Callable[[Story], str] = lambda _: "",
) -> Story:
    """Everything together; with ``output`` also written there, the ``report`` as text for people."""
    files = tuple(str(output / name) for name in (SUMMARY, REPORT)) if output is not None else ()
    story = Story(
        runs=tuple(stories),
        imported=imported.as_json(),
        extractor=extractor,
        not_begun=not_begun,
        notes=tuple(notes),
        files=files,
    )
    if output is not None:
        write_text(output / SUMMARY, json.dumps(story.as_json(), indent=1) + "\n")
        write_text(output / REPORT, report(story))
    return story
