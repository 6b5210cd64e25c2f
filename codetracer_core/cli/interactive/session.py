"""One session: what it knows of a run, and where one stands in it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codetracer_core.cli.interactive import rendering
from codetracer_core.cli.interactive.kept import Kept, Walk
from codetracer_core.cli.interactive.lines import Lines
from codetracer_core.cli.options import setup_of
from codetracer_core.diagnosing import FolderRun, evidence_of, folder_run
from codetracer_core.diagnosis.asking import Exchange, reading_of
from codetracer_core.diagnosis.reading import Reading
from codetracer_core.errors import NotFound
from codetracer_core.models import Stage, Step, Verdict
from codetracer_core.store import Reader, Store
from codetracer_core.workflow import (
    RunView,
    Said,
    neither,
    open_run,
    path_of,
    seen_blind,
    stored_run,
    without_ground_truth,
)

if TYPE_CHECKING:
    from rich.console import Console

    from codetracer_core.config import Config
    from codetracer_core.llm import Model


@dataclass
class Session:
    """What is known, and where one stands."""

    place: Path
    who: str
    settings: Path | None
    given: dict[str, Any]
    """Settings of the command line, by "section.name"."""
    out: "Console"
    lines: Lines
    view: RunView
    """Without what the benchmark says of the run."""
    folder: FolderRun | None = None
    """The run in its files; None: the workspace has it."""
    own: dict[tuple[str, int | None], Any] = field(default_factory=dict)
    """What this person says of the run: by field of ``LabelEvent`` and step."""
    undone: list[list[Said]] = field(default_factory=list)
    """What takes back each act of labelling of this session, the last one last."""
    at: int = 1
    walk: Walk = "all"
    searched: str = ""
    hits: tuple[int, ...] = ()
    found: dict[int, Verdict] = field(default_factory=dict)
    """Labels of the diagnosis that was shown last."""
    more: list[str] = field(default_factory=list)
    """Lines that "more" goes on with."""
    conversation: list[Exchange] = field(default_factory=list)
    reading: Reading | None = None
    """How far the model has read the run, from question to question."""
    offered: Kept | None = None
    """Where the last session was left, as long as nobody went on there."""
    opens: str = ""
    """The run to go on with, once this one is left for another."""
    is_over: bool = False

    @property
    def count(self) -> int:
        return self.view.trajectory.step_count

    @property
    def run_id(self) -> str:
        return self.view.run_id or (self.folder.run_id if self.folder is not None else "")

    @property
    def verdicts(self) -> dict[int, Verdict]:
        return {step: value for (name, step), value in self.own.items() if name == "verdict" and step and value}

    @property
    def onset(self) -> int | None:
        return self.own.get(("onset", None))

    @property
    def step(self) -> Step:
        if not self.count:
            raise NotFound("this run has no steps")
        return self.view.trajectory.steps[self.at - 1]

    def stage_of(self, step_id: int) -> Stage | None:
        return next((one for one in self.view.stages if one.start_step_id <= step_id <= one.end_step_id), None)

    def config(self) -> "Config":
        return setup_of(self.settings, self.place, self.given).config

    def model(self) -> "Model | None":
        """The model that is chosen; None: the offline rules. Raises ConfigError if none is."""
        from codetracer_core.config import model_of

        return model_of(self.config())

    def read(self) -> Reading:
        """The run as a model may see it, with how far it was read in this session."""
        if self.reading is None:
            if self.folder is not None:
                self.reading = reading_of(self.folder.trajectory, artifacts=self.folder.artifacts)
            else:
                assert self.view.record is not None  # else it would have been read from a folder
                self.reading = reading_of(evidence_of(self.view.record))
        return self.reading

    def say(self, text: str, style: str = "") -> None:
        rendering.say(self.out, text, style)


def opened(
    name: str,
    who: str,
    place: Path,
    settings: Path | None,
    given: dict[str, Any],
    out: "Console",
    lines: Lines,
    format: str | None = None,
) -> Session:
    """A session on the run at a path, else on the imported one that is called so."""
    path = path_of(name)
    if path is not None:
        view = open_run(name, place, format=format)
        folder = folder_run(path, workspace=place, format=format)
        return Session(place, who, settings, given, out, lines, without_ground_truth(view), folder)
    with neither(name), Store.open_for_reading(place) as reader:
        view = seen_blind(without_ground_truth(stored_run(reader, name)), who, blind=reader.blind_runs(who))
        assert view.run_id is not None  # it is stored
        own = _own_labels(reader, view.run_id, who)
    return Session(place, who, settings, given, out, lines, view, own=own)


def _own_labels(reader: Reader, run_id: str, who: str) -> dict[tuple[str, int | None], Any]:
    shown_pass = reader.standing(run_id, who).shown_pass
    labels = reader.labels(run_id, source="human", annotator=who, pass_number=shown_pass)
    return {(label.field, label.step_id): label.value for label in labels}
