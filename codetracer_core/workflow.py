"""The few verbs that the command line and the dashboard share: open a run, label it, export, import the samples."""

import contextlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from codetracer_core.archives import is_archive
from codetracer_core.benchmark import error_stages, row_of, tells_of_truth, to_row, without_excerpts
from codetracer_core.discovery import locate
from codetracer_core.errors import CodeTracerError, NotFound, UnknownFormat
from codetracer_core.export import (
    events_as_jsonl,
    events_as_parquet,
    folder_name,
    normalised_files,
    verdicts_as_csv,
)
from codetracer_core.importing import ImportReport, import_runs
from codetracer_core.label_files import ALL_SAID, FileKind, LabelFile, LabelInFile, Unsaid, read_labels
from codetracer_core.models import LabelEvent, LabelSource, RunRecord, Stage, Trajectory, Verdict
from codetracer_core.parsers import read_run
from codetracer_core.quotes import adrift
from codetracer_core.stage_labels import as_json_file, stage_labels
from codetracer_core.stages import offline_stages
from codetracer_core.standalone import standalone_page
from codetracer_core.store import Inbox, Reader, RunSummary, Store, StoredEvent, open_for_writing
from codetracer_core.store.rows import NO_JUDGEMENT
from codetracer_core.tree import TraceTree, build_tree, render_text
from codetracer_core.viewer_data import said

# --- opening and labelling ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunView:
    """One run with what is derived from it, read from its files or from the workspace."""

    trajectory: Trajectory
    tree: TraceTree
    stages: tuple[Stage, ...]
    stages_from: str
    """Where the stages come from: ground truth, or the offline split with its rule."""
    path: str
    record: RunRecord | None = None
    """What the workspace knows of it; None: read from its files, which need not have been imported."""

    @cached_property
    def split(self) -> tuple[Stage, ...]:
        """The offline split, whatever the benchmark says: where people may begin to draw."""
        return offline_stages(self.trajectory, self.tree).stages

    @property
    def run_id(self) -> str | None:
        return self.record.run_id if self.record else None

    @property
    def declared_step_count(self) -> int | None:
        return self.record.declared_step_count if self.record else None

    @property
    def tree_text(self) -> str:
        return render_text(self.tree)


def open_run(run: str, workspace: Path, *, format: str | None = None) -> RunView:
    """The run at a path, read from its files without touching any workspace; else the imported run that is called so.

    Raises NotFound if there is neither.
    """
    path = path_of(run)
    if path is not None:
        location = locate(path, format=format)
        trajectory = read_run(location).trajectory
        tree = build_tree(trajectory)
        stages, rule = stages_of(trajectory, tree)
        return RunView(trajectory, tree, stages, rule, location.path)
    with neither(run), Store.open_for_reading(workspace) as reader:
        return stored_run(reader, run)


def path_of(run: str) -> Path | None:
    """The path that this names (``#member`` at its end names one of several runs in a file); None: there is nothing.

    Raises UnknownFormat for an archive."""
    path = Path(run).expanduser()
    if is_archive(path) and path.is_file():
        remedy = "Import it ('codetracer import'), and name the run by its id ('codetracer list')."
        raise UnknownFormat("an archive; runs are looked at unpacked", path=path, remedy=remedy)
    if path.exists() or ("#" in path.name and path.with_name(path.name.rpartition("#")[0]).exists()):
        return path
    return None


@contextlib.contextmanager
def neither(run: str) -> Iterator[None]:
    """Tells of a run that is neither a path nor in the workspace what could have been named."""
    try:
        yield
    except NotFound as error:
        remedy = "Give the path of a run, or the id of an imported one ('codetracer list')."
        raise NotFound(f"neither a path nor an imported run: {run!r}", remedy=remedy) from error


def stored_run(reader: Reader, name: str) -> RunView:
    """The imported run that is called so, here or by the benchmark. Raises NotFound."""
    record = reader.load_run(reader.find_run(name))
    tree = build_tree(record.trajectory)
    stages, origin = stages_of(record.trajectory, tree, reader.stages(record.run_id))
    return RunView(record.trajectory, tree, stages, origin, record.origin, record)


def without_ground_truth(view: RunView) -> RunView:
    """The run as somebody sees it who does not know, or must not know, what the benchmark says of it."""
    stages, origin = stages_of(view.trajectory, view.tree)
    notes = tuple(note for note in view.trajectory.notes if not tells_of_truth(note))
    trajectory = view.trajectory.model_copy(update={"notes": notes})
    record = view.record and view.record.model_copy(update={"trajectory": trajectory})
    return replace(view, trajectory=trajectory, record=record, stages=stages, stages_from=origin)


def stages_of(
    trajectory: Trajectory, tree: TraceTree, annotated: tuple[Stage, ...] | None = None
) -> tuple[tuple[Stage, ...], str]:
    """The stages to show, and where they come from: ground truth if there is any, else an offline split."""
    if annotated is not None:
        return annotated, "ground truth"
    split = offline_stages(trajectory, tree)
    return split.stages, f"split offline: {split.rule}"


def label_step(run: str, step_id: int, verdict: Verdict | None, *, annotator: str, workspace: Path) -> str:
    """Store one verdict of a person (None takes it back) in their pass; durable when this returns.

    Returns "" or, if another process has the workspace open, words on who takes the label in. Raises NotFound for
    an unknown run or step, CodeTracerError if they have submitted the run: a revision is made where one sees it.
    """
    with Store.open_for_reading(workspace) as reader:
        (known,) = reader.runs(ids=[reader.find_run(run)])
        standing = reader.standing(known.run_id, annotator)
    if step_id > known.step_count:
        raise NotFound(f"run {run!r} has {known.step_count} steps, there is no step {step_id}")
    if standing.next_pass % 2 == 0:
        raise CodeTracerError(
            f"{annotator!r} has submitted run {run!r}",
            remedy="Revise it on the dashboard; what was said blind stays beside it.",
        )
    event = LabelEvent(
        run_id=known.run_id,
        step_id=step_id,
        value=verdict,
        annotator=annotator,
        client=f"command-line-{uuid4()}",
        sequence=1,
        occurred_at=datetime.now(UTC),
    )
    with open_for_writing(workspace) as store:
        stored = store.add_human_labels([event])
        if stored.refused:
            raise CodeTracerError(stored.refused[0].reason)
        return f"it waits in the inbox, because {store.owner}" if isinstance(store, Inbox) else ""


# --- labels from files --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelReport:
    """What became of a file with labels, or would become of it."""

    kind: FileKind
    labels: tuple[LabelEvent, ...]
    """New here: stored, or on a dry run as they would be."""
    known: int
    """Acts that were stored here before."""
    refused: tuple[CodeTracerError, ...]
    """One for each bad row: where it stands, and why it stays out."""
    notes: tuple[str, ...] = ()
    waits: str = ""
    """Not empty: the labels wait in the inbox; words on who takes them in."""

    @property
    def counts(self) -> dict[str, int]:
        return {"new": len(self.labels), "known": self.known, "refused": len(self.refused)}

    def rows(self, shown: int) -> list[dict[str, Any]]:
        """The first ``shown`` labels as rows of a table for people."""
        return [
            {
                "run_id": label.run_id,
                "step": label.step_id,
                "field": label.field,
                "value": "taken back" if label.value is None else label.value,
                "source": label.source,
                "annotator": label.annotator,
                "pass": label.pass_number,
                "occurred_at": f"{label.occurred_at:%Y-%m-%d %H:%M:%S}",
            }
            for label in self.labels[:shown]
        ]

    def as_json(self, shown: int) -> dict[str, Any]:
        """The report as plain values, with the first ``shown`` labels."""
        return {
            "kind": self.kind,
            "counts": self.counts,
            "labels": [label.model_dump(mode="json") for label in self.labels[:shown]],
            "refused": [{"path": e.path, "place": e.place, "reason": e.reason} for e in self.refused],
            "notes": list(self.notes),
            "waits": self.waits,
        }


def import_labels(
    path: Path,
    reader: Reader,
    writer: Store | Inbox | None,
    unsaid: Unsaid = ALL_SAID,
    *,
    hidden: Collection[str] = (),
) -> LabelReport:
    """Take in the labels of a file (see ``label_files``), those that are stored already excepted.

    ``reader`` tells what is there, ``writer`` takes what is new; the owner of a workspace gives its store as both.
    Without a writer it is a dry run: nothing is written. Rows that cannot be stored are reported, the rest goes in. A
    label that its annotator has replaced here since stays replaced: the file's is refused. Of labels of the runs in
    ``hidden`` the report does not tell whether such a thing is here: all of them are among the new ones. Raises
    CodeTracerError if the file as a whole cannot be read.
    """
    file = read_labels(path, unsaid, read_at=datetime.now(UTC))
    here, problems, absent = _at_home(reader, file)
    untold = [label for label in here if label.event.run_id in hidden]
    new, known, replaced = _new_here(reader, [label for label in here if label.event.run_id not in hidden])
    silently, _, _ = _new_here(reader, untold)
    notes = (*file.notes, *absent, *_misaligned(reader, file, here), *_misquoted(reader, new))
    if untold:
        words = f"{len(untold):,} labels are of runs that you label blind: whether they are new here is not told"
        notes = (*notes, words)
    problems += replaced
    waits = ""
    if (new or silently) and writer is not None:
        stored = writer.add_label_events([label.event for label in (*new, *silently)])
        waits = writer.owner if isinstance(writer, Inbox) else ""
        refused = {_act(one.event): one.reason for one in stored.refused}
        problems += [
            CodeTracerError(refused[_act(label.event)], path=label.path, place=label.place)
            for label in new
            if _act(label.event) in refused
        ]
        new = [label for label in new if _act(label.event) not in refused]
    labels = tuple(label.event for label in (*new, *untold))
    return LabelReport(file.kind, labels, known, (*file.problems, *problems), notes, waits)


def _at_home(reader: Reader, file: LabelFile) -> tuple[list[LabelInFile], list[CodeTracerError], list[str]]:
    """The labels with the ids that their runs have here, without those that cannot be stored; these as errors; and
    words on runs that are not here."""
    ids: dict[str, str] = {}
    names = dict.fromkeys(label.event.run_id for label in file.labels)
    for name in names:
        with contextlib.suppress(NotFound):
            ids[name] = reader.find_run(name)
    if file.kind == "stage labels":  # their run is known by its folder, whose name may stand for the id
        ids = {folder_name(run.run_id): run.run_id for run in reader.runs()} | ids
    found = [
        replace(label, event=label.event.model_copy(update={"run_id": ids.get(label.event.run_id, label.event.run_id)}))
        for label in file.labels
    ]
    reasons = reader.reasons_against([label.event for label in found])
    problems = [
        CodeTracerError(reason, path=label.path, place=label.place)
        for label, reason in zip(found, reasons, strict=True)
        if reason
    ]
    good = [label for label, reason in zip(found, reasons, strict=True) if not reason]
    absent = [name for name in names if name not in ids]
    more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
    words = f"{len(absent)} of {len(names)} runs are not in this workspace, import them first: "
    return good, problems, [words + ", ".join(map(repr, absent[:3])) + more] if absent else []


def _new_here(reader: Reader, labels: Sequence[LabelInFile]) -> tuple[list[LabelInFile], int, list[CodeTracerError]]:
    """What of these is not stored yet; how many are; and errors for those that their annotator has replaced since."""
    acts = [act for run_id in dict.fromkeys(s.event.run_id for s in labels) for act in reader.label_history(run_id)]
    stored = {_act(act) for act in acts}
    in_force = {_slot(act): act for act in acts}
    place_of = {_act(label.event): place for place, label in enumerate(labels)}
    fresh = {_act(label.event): label for label in labels if _act(label.event) not in stored}
    last_said = {_slot(label.event): label.event for label in fresh.values()}
    new = []
    replaced = []
    for act, label in fresh.items():
        # What was shown and how long was worked adds up: nothing newer stands in its place.
        other = None if label.event.field in NO_JUDGEMENT else in_force.get(_slot(label.event))
        if other is None:
            stays = False
        elif _act(other) in place_of:  # this file tells which came last
            stays = place_of[_act(other)] > place_of[act]
        else:
            stays = other.occurred_at > last_said[_slot(label.event)].occurred_at
        if other is not None and stays:
            reason = f"{other.annotator!r} has said something newer here ({other.occurred_at:%Y-%m-%d %H:%M} UTC)"
            replaced.append(CodeTracerError(reason, path=label.path, place=label.place))
        else:
            new.append(label)
    return new, len(labels) - len(fresh), replaced


def _act(event: LabelEvent) -> tuple[str, int]:
    return event.client, event.sequence


def _slot(event: LabelEvent) -> tuple[Any, ...]:
    """Of the events that agree in this, the latest is in force; what is summed (time on task) replaces nothing."""
    if event.field == "worked":
        return _act(event)
    whose = "" if event.source == "adjudicated" else event.annotator  # adjudicators speak with one voice
    return event.run_id, event.step_id, event.field, event.source, whose, event.pass_number


def _misaligned(reader: Reader, file: LabelFile, labels: Sequence[LabelInFile]) -> list[str]:
    """Words on runs whose steps were counted otherwise by those who labelled them."""
    declared = file.declared_step_counts or {}
    runs = reader.runs(ids=list({label.event.run_id for label in labels})) if declared else []
    counts = ((run, declared.get(run.traj_id or "", declared.get(run.run_id))) for run in runs)
    return [
        f"run {run.run_id!r} is misaligned: {count} steps in the file, {run.step_count} here; its labels may sit on "
        "other steps"
        for run, count in counts
        if count not in (None, run.step_count)
    ]


def _misquoted(reader: Reader, labels: Sequence[LabelInFile]) -> list[str]:
    """Words on runs that do not say what these labels quote of them."""
    details: dict[str, list[Mapping[str, Any]]] = {}
    for event in (label.event for label in labels if label.event.field == "details" and label.event.value):
        if event.value.get("quotes"):
            details.setdefault(event.run_id, []).append(event.value)
    counts = {run_id: len(adrift(said, reader.load_run(run_id).trajectory)) for run_id, said in details.items()}
    return [
        f"run {run_id!r} does not say {count} of what is quoted of it; these quotes are kept, and shown as such"
        for run_id, count in counts.items()
        if count
    ]


# --- exporting ----------------------------------------------------------------------------------------------


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
        yield _write_normalised(open_run(run, workspace), folder)
        return
    with Store.open_for_reading(workspace) as reader:
        for summary in reader.runs():
            view = stored_run(reader, summary.run_id)
            yield _write_normalised(view, folder / folder_name(summary.run_id))


def export_page(run: str, workspace: Path, *, annotator: str | None = None, ground_truth: bool = False) -> str:
    """One run (a path or an id) as a self-contained HTML page, with the labels of one person.

    Without ``annotator`` the only person who labelled the run; raises NotFound if several did, or if the one named
    did not. Ground truth is in the page only if it is asked for.
    """
    view = open_run(run, workspace)
    if not ground_truth:
        view = without_ground_truth(view)
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
    own = said(event for event in events if event.source == "human" and event.annotator == who)
    told = said(event for event in events if event.source == "ground_truth")
    return standalone_page(
        view.trajectory,
        view.tree,
        view.stages,
        stages_from=view.stages_from,
        name=view.run_id or Path(view.path).name,
        declared_step_count=view.declared_step_count,
        said=own,
        truth=told.verdicts if ground_truth else None,
    )


def _write_normalised(view: RunView, folder: Path) -> Path:
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


# --- samples and the dashboard's files ----------------------------------------------------------------------


def dashboard_root() -> Path:
    """The folder with ``app.py``, ``pages`` and ``sample_data``: inside the wheel, or the checkout."""
    package = Path(__file__).parent
    for root in (package / "dashboard", package.parent):
        if (root / "app.py").is_file():
            return root
    raise NotFound("the dashboard's files are missing", path=package / "dashboard", remedy="Install CodeTracer again.")


def sample_data_root() -> Path:
    """The folder with the sample runs. Raises NotFound if it is missing."""
    root = dashboard_root() / "sample_data"
    if not root.is_dir():
        raise NotFound("the sample runs are missing", path=root, remedy="Install CodeTracer again.")
    return root


def import_samples_if_empty(store: Store) -> ImportReport | None:
    """Give an empty workspace the sample runs; None if it holds runs already."""
    if store.runs():
        return None
    return import_runs([sample_data_root()], store=store, collection="sample_data")
