"""The few verbs that the command line and the dashboard share: open a run, label a step, import the samples."""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from codetracer_core.archives import is_archive
from codetracer_core.benchmark import tells_of_truth
from codetracer_core.discovery import locate
from codetracer_core.errors import CodeTracerError, NotAllowed, NotFound, UnknownFormat
from codetracer_core.formats import formats_of
from codetracer_core.importing import ImportReport, import_runs
from codetracer_core.models import Exposure, LabelEvent, RunRecord, Stage, Trajectory, Verdict
from codetracer_core.parsers import read_run
from codetracer_core.stages import offline_stages
from codetracer_core.store import Inbox, Reader, Store, open_for_writing
from codetracer_core.store.workspace import workspace_at
from codetracer_core.tree import TraceTree, build_tree, render_text

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
        location = locate(path, format=format, formats=formats_of(workspace))
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


def without_origin(view: RunView) -> RunView:
    """A replay as somebody sees it who must not know where, and that, it took over from another run."""
    trajectory = view.trajectory.model_copy(update={"replay_of": None, "notes": ()})
    record = view.record and view.record.model_copy(update={"trajectory": trajectory})
    return replace(view, trajectory=trajectory, record=record)


def seen_blind(view: RunView, who: str, *, blind: Collection[str]) -> RunView:
    """The run as ``who`` may see it, who stands blind to the runs in ``blind``. Where a replay begins is where somebody
    saw the failure onset: of one of these runs it is not told. Raises NotAllowed for a replay of one of them, unless
    it is one of them itself."""
    original = view.trajectory.replay_of
    if original is None or original.run_id not in blind:
        return view
    if view.run_id not in blind:
        raise NotAllowed(f"this is a replay of a run that {who} labels blind", remedy="Submit that one first.")
    return without_origin(view)


def stages_of(
    trajectory: Trajectory, tree: TraceTree, annotated: tuple[Stage, ...] | None = None
) -> tuple[tuple[Stage, ...], str]:
    """The stages to show, and where they come from: ground truth if there is any, else an offline split."""
    if annotated is not None:
        return annotated, "ground truth"
    split = offline_stages(trajectory, tree)
    return split.stages, f"split offline: {split.rule}"


class Said(NamedTuple):
    """One thing that a person says of a run: a field of ``LabelEvent`` with its value; None takes it back."""

    field: str
    step_id: int | None
    """None: of the whole run."""
    value: Any


def label_step(run: str, step_id: int, verdict: Verdict | None, *, annotator: str, workspace: Path) -> str:
    """Store one verdict of a person (None takes it back); see ``label_run``."""
    return label_run(run, [Said("verdict", step_id, verdict)], annotator=annotator, workspace=workspace)


def label_run(run: str, said: Sequence[Said], *, annotator: str, workspace: Path) -> str:
    """Store what a person says of a run in their pass, all of it or nothing; durable when this returns.

    Returns "" or, if another process has the workspace open, words on who takes the labels in. Raises NotFound for
    an unknown run or step, CodeTracerError if they have submitted the run (a revision is made where one sees it), and
    for what no label can say.
    """
    client, now = f"command-line-{uuid4()}", datetime.now(UTC)
    with _writing(workspace) as (reader, store):
        (known,) = reader.runs(ids=[reader.find_run(run)])
        standing = reader.standing(known.run_id, annotator)
        events = [
            LabelEvent(
                run_id=known.run_id,
                step_id=step_id,
                field=field,
                value=value,
                annotator=annotator,
                pass_number=standing.next_pass,
                client=client,
                sequence=number,
                occurred_at=now,
            )
            for number, (field, step_id, value) in enumerate(said, start=1)
        ]
        missing = next((one.step_id for one in said if one.step_id and one.step_id > known.step_count), None)
        if missing is not None:
            raise NotFound(f"run {run!r} has {known.step_count} steps, there is no step {missing}")
        if standing.next_pass % 2 == 0:
            raise CodeTracerError(
                f"{annotator!r} has submitted run {run!r}",
                remedy="Revise it on the dashboard; what was said blind stays beside it.",
            )
        refused = [reason for reason in reader.reasons_against(events) if reason]
        if refused:
            raise CodeTracerError(refused[0])
        if any(one.field == "verdict" and one.value not in (None, *standing.verdicts) for one in said):
            raise CodeTracerError(f"of this run the verdicts are {', '.join(standing.verdicts)}")
        stored = store.add_human_labels(events)
        if stored.refused:
            raise CodeTracerError(stored.refused[0].reason)
        return f"it waits in the inbox, because {store.owner}" if isinstance(store, Inbox) else ""


@contextlib.contextmanager
def _writing(workspace: Path) -> Iterator[tuple[Reader, Store | Inbox]]:
    """The workspace to read and to write, opened once where that can be. Raises NotFound if there is none."""
    if not workspace_at(workspace).database.exists():
        Store.open_for_reading(workspace)  # says that there is none
    with open_for_writing(workspace) as store:
        if isinstance(store, Store):
            yield store, store
        else:
            with Store.open_for_reading(workspace) as reader:
                yield reader, store


def note_shown(run_id: str, what: Exposure, *, annotator: str, workspace: Path) -> None:
    """Put on record that somebody is about to see such labels of a run. Raises NotAllowed if they stand blind to it."""
    event = LabelEvent(
        run_id=run_id,
        field="shown",
        value=what,
        annotator=annotator,
        client=f"command-line-{uuid4()}",
        sequence=1,
        occurred_at=datetime.now(UTC),
    )
    with _writing(workspace) as (reader, store):
        standing = reader.standing(run_id, annotator)
        if standing.is_blind:
            raise NotAllowed(f"{annotator} labels this run blind, or may get it to label", remedy="Submit it first.")
        if what not in standing.shown:
            store.add_label_events([event])


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
