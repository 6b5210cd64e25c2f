"""Runs and labels to files: pages, normalised runs, labels in the formats of benchmark and product."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from codetracer_core.benchmark import error_stages, row_of, to_row, without_excerpts
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.export import (
    events_as_jsonl,
    events_as_parquet,
    folder_name,
    normalised_files,
    verdicts_as_csv,
)
from codetracer_core.models import LabelEvent, LabelSource, RunRecord, Stage
from codetracer_core.stage_labels import as_json_file, stage_labels
from codetracer_core.standalone import standalone_page
from codetracer_core.store import Reader, RunSummary, Store, StoredEvent
from codetracer_core.store.rows import NO_JUDGEMENT
from codetracer_core.tree import build_tree
from codetracer_core.viewer_data import said
from codetracer_core.workflow import RunView, open_run, stages_of, stored_run, without_ground_truth


@dataclass(frozen=True)
class Exported:
    """The text of an export, and in words what is not in it."""

    text: str
    left_out: tuple[str, ...] = ()


def export_steps(run: str | None, folder: Path, workspace: Path) -> Iterator[Path]:
    """Write normalised files for one run (a path or an id) into ``folder``, or for all into a sub-folder each.

    Yields each folder when it is written.
    """
    if run is not None:
        yield write_normalised(open_run(run, workspace), folder)
        return
    with Store.open_for_reading(workspace) as reader:
        for summary in reader.runs():
            view = stored_run(reader, summary.run_id)
            yield write_normalised(view, folder / folder_name(summary.run_id))


def export_page(run: str, workspace: Path, *, annotator: str | None = None, ground_truth: bool = False) -> str:
    """One run (a path or an id) as a self-contained HTML page, with the labels of one person.

    Without ``annotator`` the only person who labelled the run; raises NotFound if several did, or if the one named
    did not. Ground truth is in the page only if it is asked for.
    """
    view = open_run(run, workspace)
    events: list[StoredEvent] = []
    if view.run_id is not None:
        with Store.open_for_reading(workspace) as reader:
            events = reader.labels(view.run_id)
    people = sorted(
        {event.annotator for event in events if event.source == "human" and event.field not in NO_JUDGEMENT}
    )
    if annotator is not None and annotator not in people:
        raise NotFound(f"{annotator!r} has not labelled this run", remedy=f"Who did: {', '.join(people) or 'nobody'}.")
    if annotator is None and len(people) > 1:
        raise NotFound("several people labelled this run", remedy=f"Name one with --annotator: {', '.join(people)}.")
    who = annotator or (people[0] if people else None)
    own = [event for event in events if event.source == "human" and event.annotator == who]
    if not ground_truth:
        return page_of(without_ground_truth(view), own)
    return page_of(view, own, truth=[event for event in events if event.source == "ground_truth"])


def page_of(view: RunView, own: Iterable[StoredEvent] = (), *, truth: Iterable[StoredEvent] | None = None) -> str:
    """The run as a page, with one person's labels and, if it is given, the ground truth."""
    return standalone_page(
        view.trajectory,
        view.tree,
        view.stages,
        stages_from=view.stages_from,
        name=view.run_id or Path(view.path).name,
        declared_step_count=view.declared_step_count,
        said=said(own),
        truth=said(truth).verdicts if truth is not None else None,
    )


def write_normalised(view: RunView, folder: Path) -> Path:
    """The run's steps, task, tree and stages as files in this folder, which is given back."""
    files = normalised_files(view.trajectory, view.tree_text, view.stages)
    for name, text in files.items():
        write_text(folder / name, text)
    return folder


def write_text(path: Path, text: str) -> None:
    """Write a file, with the folders above it; raises CodeTracerError in words if that cannot be done."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """See ``write_text``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise CodeTracerError(f"cannot be written ({error.strerror})", path=path) from error


def export_labels(
    form: Literal["codetracebench", "jsonl", "csv"],
    reader: Reader,
    runs: Sequence[str] | None = None,
    *,
    source: LabelSource | None = None,
    annotator: str | None = None,
    hidden: Collection[str] = (),
) -> Exported:
    """Labels of these runs (by any of their names), or of all, as text.

    "jsonl": every act of labelling, in order of arrival within a run. "csv": the verdicts in force. "codetracebench":
    manifest rows with the labels of one source (ground truth if none is named) and, for people, one annotator.
    The benchmark's form holds incorrect and unuseful steps only; runs without labels of the source are left out. What
    the benchmark itself says of runs in ``hidden`` is not in it: their stages are drawn ones, or split offline.
    Raises NotFound if a run that is named is not there, or none of those named has such labels.
    """
    found = _runs_called(reader, runs)
    if form == "codetracebench":
        return _export_rows(reader, found, source or "ground_truth", annotator, hidden, named=runs is not None)
    if form == "jsonl":
        return Exported(events_as_jsonl(_history(reader, found, source, annotator)))
    facts = {run.run_id: (run.agent, run.model, run.task) for run in found}
    labels = reader.labels(found[0].run_id if len(found) == 1 else None, source=source, annotator=annotator)
    verdicts = (event for event in labels if event.field == "verdict" and event.run_id in facts)
    return Exported(verdicts_as_csv(verdicts, facts))


def export_events(
    reader: Reader,
    runs: Sequence[str] | None = None,
    *,
    source: LabelSource | None = None,
    annotator: str | None = None,
) -> bytes:
    """Every act of labelling on these runs, or on all, as a parquet file; in order of arrival within a run."""
    return events_as_parquet(_history(reader, _runs_called(reader, runs), source, annotator))


def _runs_called(reader: Reader, names: Sequence[str] | None) -> list[RunSummary]:
    runs = reader.runs()
    if names is None:
        return runs
    ids = {run.run_id for run in runs}
    wanted = {name if name in ids else reader.find_run(name) for name in names}
    return [run for run in runs if run.run_id in wanted]


def _history(
    reader: Reader, runs: Iterable[RunSummary], source: LabelSource | None, annotator: str | None
) -> Iterator[LabelEvent]:
    for run in runs:
        for event in reader.label_history(run.run_id):
            if source in (None, event.source) and annotator in (None, event.annotator):
                yield event


def export_stage_labels(
    reader: Reader,
    runs: Sequence[str] | None = None,
    *,
    source: LabelSource | None = None,
    annotator: str | None = None,
    hidden: Collection[str] = (),
) -> tuple[dict[str, str], tuple[str, ...]]:
    """``codetracer_labels.json`` by run id, and in words what is not in them.

    They hold the incorrect and unuseful steps by stage, as one source (ground truth if none is named) and one annotator
    see them. Runs without labels of the source are left out. ``hidden``, and what is raised, as in ``export_labels``.
    """
    source = source or "ground_truth"
    files = {}
    left_out = []
    without = []
    for run in _runs_called(reader, runs):
        labels = _of_one_annotator(reader, run.run_id, source, annotator)
        if not labels:
            without.append(run.run_id)
            continue
        files[run.run_id] = stage_labels_file(reader, run.run_id, labels, hides_truth=run.run_id in hidden)
        others = sum(label.field == "verdict" and label.value not in POSITIVE for label in labels)
        if others:
            left_out.append(f"left out of {run.run_id}: {others} steps neither incorrect nor unuseful")
    left_out += _without(without, source, nothing=runs is not None and not files)
    return files, tuple(left_out)


def _export_rows(
    reader: Reader,
    runs: Sequence[RunSummary],
    source: LabelSource,
    annotator: str | None,
    hidden: Collection[str],
    *,
    named: bool,
) -> Exported:
    lines = []
    without = []
    for run in runs:
        labels = _of_one_annotator(reader, run.run_id, source, annotator)
        if not labels:
            without.append(run.run_id)
            continue
        lines.append(manifest_line(reader, run.run_id, labels, hides_truth=run.run_id in hidden))
    return Exported("".join(lines), tuple(_without(without, source, nothing=named and not lines)))


def _without(run_ids: Sequence[str], source: LabelSource, *, nothing: bool) -> list[str]:
    """Words on runs without labels of the source; raises NotFound if nothing else was asked for."""
    if nothing:
        which = f"run {run_ids[0]!r} has" if len(run_ids) == 1 else f"these {len(run_ids)} runs have"
        raise NotFound(f"{which} no {source} labels", remedy="Choose another source.")
    return [f"left out, without {source} labels: {', '.join(run_ids)}"] if run_ids else []


def _of_one_annotator(reader: Reader, run_id: str, source: LabelSource, annotator: str | None) -> list[StoredEvent]:
    """The labels in force of this source, those of the last pass last."""
    labels = sorted(reader.labels(run_id, source=source, annotator=annotator), key=_pass)
    annotators = sorted({event.annotator for event in labels})
    if len(annotators) > 1 and source != "adjudicated":
        raise CodeTracerError(
            f"run {run_id!r} has {source} labels of several annotators: {', '.join(annotators)}",
            remedy="Name one of them (--annotator).",
        )
    return labels


def _pass(event: LabelEvent) -> int:
    return event.pass_number


POSITIVE = ("incorrect", "unuseful")
"""The verdicts that the benchmark's forms hold."""


def manifest_line(reader: Reader, run_id: str, labels: Sequence[LabelEvent], *, hides_truth: bool = False) -> str:
    """A run with these labels as a line of a manifest; of several in one place the last counts."""
    record, verdicts, stages = _labelled(reader, run_id, labels, hides_truth=hides_truth)
    return json.dumps(to_row(row_of(record, verdicts, stages)), ensure_ascii=False) + "\n"


def stage_labels_file(reader: Reader, run_id: str, labels: Sequence[LabelEvent], *, hides_truth: bool = False) -> str:
    """``codetracer_labels.json`` of a run with these labels; of several in one place the last counts."""
    _, verdicts, stages = _labelled(reader, run_id, labels, hides_truth=hides_truth)
    given = [label.value for label in labels if label.field == "stage_reasons"]
    reasons = {item["stage_id"]: item["reasoning"] for item in (given[-1] if given else [])}
    return as_json_file(stage_labels(error_stages(verdicts, stages, {}), reasons))


def _labelled(
    reader: Reader, run_id: str, labels: Sequence[LabelEvent], *, hides_truth: bool
) -> tuple[RunRecord, dict[int, str], tuple[Stage, ...]]:
    """The run with its verdicts and stages; stages that these labels do not give are the benchmark's, or split.

    With ``hides_truth`` they are split, and the run has no excerpts of the steps that the benchmark labels.
    """
    record = reader.load_run(run_id)
    if hides_truth and record.benchmark is not None:
        record = record.model_copy(update={"benchmark": without_excerpts(record.benchmark)})
    verdicts = {event.step_id: str(event.value) for event in labels if event.field == "verdict" and event.step_id}
    drawn = [event.value for event in labels if event.field == "stages"]
    told = None if hides_truth else reader.stages(run_id)
    annotated = tuple(Stage.model_validate(stage) for stage in drawn[-1]) if drawn else told
    stages, _ = stages_of(record.trajectory, build_tree(record.trajectory), annotated)
    return record, verdicts, stages
