"""One session: what it knows of the run, and the loop that reads a line and carries it out."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codetracer_core.cli.interactive import kept, rendering
from codetracer_core.cli.interactive.kept import Kept, Walk
from codetracer_core.cli.interactive.lines import Lines, lines_of_this_process
from codetracer_core.cli.options import setup_of
from codetracer_core.cli.terminal import one_line
from codetracer_core.diagnosing import FolderRun, evidence_of, folder_run
from codetracer_core.diagnosis.asking import Exchange, reading_of
from codetracer_core.diagnosis.reading import Reading
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.models import Stage, Step, Verdict
from codetracer_core.store import Reader, RunSummary, Store, Workspace
from codetracer_core.words import number_of
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

MOST_LISTED = 30
"""Runs of a list to choose from."""


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


def begin(
    run: str | None,
    who: str,
    place: Path,
    settings: Path | None,
    given: Mapping[str, Any],
    format: str | None = None,
) -> None:
    """Sessions on one run after the other, until somebody leaves. Raises what opening a run raises."""
    from codetracer_core.cli.interactive.table import complete

    out = rendering.console()
    current: list[Session] = []
    folder = Workspace(place).sessions
    lines = lines_of_this_process(
        folder / "history" if place.is_dir() else None, lambda line: complete(line) if current else ()
    )
    name = run or chosen(out, lines, place, who)
    while name:
        try:
            session = opened(name, who, place, settings, dict(given), out, lines, format)
        except CodeTracerError as error:
            if not current:
                raise
            rendering.say(out, str(error), "red")  # one stays where one was
            session = current[0]
            session.opens, session.is_over = "", False
        current[:] = [session]
        _lead(session)
        name = session.opens
        if name == CHOOSE:
            name = chosen(out, lines, place, who)


CHOOSE = "\0"
"""No name of a run: the next one is to be chosen."""


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


# --- choosing a run -------------------------------------------------------------------------------------------


def runs_to_choose(place: Path, who: str) -> dict[str, str]:
    """What this person can open, with what is known of it. Replays of runs that they label blind are not told of."""
    with Store.open_for_reading(place) as reader:
        return {run.run_id: _about(run) for run in reader.runs(blind=reader.blind_runs(who))}


def chosen(out: "Console", lines: Lines, place: Path, who: str) -> str | None:
    """A run of the workspace, by parts of its name; None: nobody chose one."""
    about = runs_to_choose(place, who)
    if not about:
        raise NotFound(
            "no run is imported yet", path=place, remedy="Import some ('codetracer import'), or name a path."
        )
    _list(out, list(about), about)
    while (typed := lines.choose("run> ", list(about), about)) is not None:
        fitting = [typed] if typed in about else matching(typed, about)
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            _list(out, fitting, about)
        else:
            rendering.say(out, f"no run is called like {one_line(typed, 80)!r}", "red")
    return None


def matching(typed: str, about: Mapping[str, str]) -> list[str]:
    """Runs whose name or facts hold all the words; else those with their letters in this order."""
    words = typed.lower().split()
    texts = {name: f"{name} {facts}".lower() for name, facts in about.items()}
    whole = [name for name, text in texts.items() if all(word in text for word in words)]
    return whole or [name for name in texts if _in_order("".join(words), name.lower())]


def _in_order(letters: str, text: str) -> bool:
    rest = iter(text)
    return all(letter in rest for letter in letters)


def _about(run: RunSummary) -> str:
    facts = (run.agent, run.model, run.task, run.outcome, number_of(run.step_count, "step"))
    return " · ".join(str(fact) for fact in facts if fact)


def _list(out: "Console", names: Sequence[str], about: Mapping[str, str]) -> None:
    for name in names[:MOST_LISTED]:
        rendering.say(out, f"{name}  {one_line(about[name], 120)}")
    if len(names) > MOST_LISTED:
        rendering.say(out, f"… and {len(names) - MOST_LISTED} more: type a part of a name", "dim")


# --- the loop -------------------------------------------------------------------------------------------------


def _lead(session: Session) -> None:
    from codetracer_core.cli.interactive import moving

    moving.overview(session)
    _offer_to_go_on(session)
    if session.count:
        moving.show(session)
    while not session.is_over:
        try:
            line = session.lines.next(_prompt(session), _below(session))
            if line is None:
                session.is_over = True
            elif line.strip():
                carry_out(session, line.strip())
                leave(session)
            elif session.more:
                moving.go_on(session, "")
        except KeyboardInterrupt:  # Ctrl-C stops what is going on, not the session
            if not session.lines.is_person:
                raise
            session.say("stopped", "dim")


def carry_out(session: Session, line: str) -> None:
    """One line. What goes wrong is told, and the session goes on."""
    from codetracer_core.cli.interactive.table import COMMANDS, parsed

    command, words = parsed(line)
    if isinstance(command, str):
        close = difflib.get_close_matches(command, [one.name for one in COMMANDS], n=3)
        hint = f"Did you mean {', '.join(close)}?" if close else "'help' lists what can be typed."
        session.say(f"there is no command {one_line(command, 40)!r}. {hint}", "red")
        return
    try:
        command.run(session, words)
    except CodeTracerError as error:
        session.say(str(error), "red")


def _prompt(session: Session) -> str:
    return f"{session.at}/{session.count}> "


def _below(session: Session) -> str:
    model = session.given.get("llm.model") or ""
    told = [session.run_id, f"step {session.at} of {session.count}"]
    told += [] if session.walk == "all" else [f"n and p walk {session.walk}"]
    told += [number_of(len(session.verdicts), "label")] if session.verdicts else []
    told += [f"model {model}"] if model else []
    return one_line(" · ".join(told), 200)


def _offer_to_go_on(session: Session) -> None:
    try:
        before = kept.load(Workspace(session.place).sessions, session.run_id, session.who)
    except CodeTracerError as error:
        session.say(str(error), "red")
        return
    if before is None or (before.step_id == 1 and not before.conversation):
        return
    session.offered = before
    told = [f"step {before.step_id}"] + ([f"walking {before.walk}"] if before.walk != "all" else [])
    told += [number_of(len(before.conversation), "question")] if before.conversation else []
    session.say(f"You left at {', '.join(told)} ({before.saved_at:%Y-%m-%d %H:%M} UTC).")
    if not session.lines.is_person:
        session.say("'resume' goes on there.")
        return
    answer = session.lines.next("Go on there? [Y/n] ")
    if answer is not None and answer.strip().lower() in ("", "y", "yes"):
        resume(session, "quietly")


def resume(session: Session, words: str) -> None:
    """Go on where the last session was left."""
    from codetracer_core.cli.interactive import moving

    before = session.offered
    if before is None:
        raise NotFound("there is nothing to go on with")
    session.offered = None
    session.conversation = [*before.conversation, *session.conversation]
    session.at = min(before.step_id, max(session.count, 1))
    if before.searched:
        session.searched, session.hits = before.searched, moving.steps_with(session, before.searched)
    session.walk = before.walk
    if words != "quietly":
        moving.show(session)


def leave(session: Session) -> None:
    """Keep where this session stands for the next one; a run outside of any workspace leaves nothing."""
    if not session.place.is_dir() or not session.count:
        return
    before = session.offered  # nobody went on there: what was said stays, and the place as long as nobody moves
    earlier = before.conversation if before is not None else ()
    state = Kept(
        run_id=session.run_id,
        annotator=session.who,
        step_id=before.step_id if before is not None and session.at == 1 else session.at,
        walk="all" if session.walk == "found" else session.walk,
        searched=session.searched,
        conversation=tuple([*earlier, *session.conversation][-kept.MOST_EXCHANGES :]),
        saved_at=datetime.now(UTC),
    )
    try:
        kept.save(Workspace(session.place).sessions, state)
    except (CodeTracerError, OSError) as error:
        session.say(f"where you are could not be kept: {error}", "red")
