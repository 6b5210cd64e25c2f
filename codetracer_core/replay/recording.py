"""Writing a replay down while it goes on: a folder with its log, and the run that comes of it.

replays/<replay_id>/
  order.json          what was ordered, by whom, and what became of it (``Started``)
  events.jsonl        the log, for whoever watches (``ReplayEvent``, a line each); long outputs are shortened
  lock                held while the replay goes on
  run/steps.jsonl     the new run: each step, on disk before the next one begins (``RecordedStep``)
  run/tests.log       what the test command printed at the end; run/tests_before.log at the checkpoint
  run/replay.json     written last: without it there is no run here. ``parsers.replay`` reads it
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import ValidationError

from codetracer_core import __version__
from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.durable import hold, sync_folder, write_durably
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.models import Frozen, Outcome, SourceRef, Step, ToolCall, Trajectory
from codetracer_core.parsers.replay import MARK, REPLAY_JSON, STEPS_JSONL, TESTS_LOG, VERSION
from codetracer_core.replay.models import (
    Deed,
    Met,
    Ran,
    ReplayedStep,
    ReplayOrder,
    ReplayResult,
    ReplayStatus,
)

ORDER_JSON, EVENTS_JSONL, LOCK, RUN_FOLDER = "order.json", "events.jsonl", "lock", "run"
TESTS_BEFORE_LOG = "tests_before.log"
SHOWN = 20_000
"""Characters of an output in the log; the run has all of it."""


class RecordedStep(Frozen):
    """A step of the run that a replay makes: a line of ``steps.jsonl``."""

    step_id: int
    by: Literal["original", "model"]
    """*original*: a step before the checkpoint, run again; *model*: of the model that went on."""
    action: str
    """As the agent wrote it."""
    tool: ToolCall | None = None
    thought: str | None = None
    observation: str | None = None
    """What came back this time; None: nothing was run."""
    exit_code: int | None = None
    executed: bool = True
    is_message: bool = False
    parallel_group: int | None = None
    at: datetime
    command: str = ""
    """What the shell was given, where that differs from the action."""
    seconds: float | None = None
    left_out_bytes: int = 0
    deed: Deed | None = None
    met: Met | None = None
    similarity: float | None = None
    why: str = ""


class TestRun(Frozen):
    """The test command was run, or why it was not."""

    __test__ = False  # not a pytest class

    when: Literal["before", "after"]
    """*before*: at the checkpoint; *after*: when the replay had ended."""
    command: str
    passed: bool | None
    """None: it did not run to its end, so it says nothing."""
    reason: str
    ran: Ran | None = None


class ReplayEvent(Frozen):
    """Something that happened in a replay."""

    at: datetime
    kind: Literal["phase", "replayed", "step", "tests", "ended"]
    text: str = ""
    """*phase*: what begins now; *ended*: why; for people."""
    replayed: ReplayedStep | None = None
    """*replayed*: a step before the checkpoint was run again."""
    step: RecordedStep | None = None
    """*step*: the model did this."""
    tests: TestRun | None = None
    usage: CallUsage | None = None
    """*step* and *ended*: what the model used so far."""
    status: ReplayStatus | None = None
    """*ended*."""


class Started(Frozen):
    """A replay as it was ordered, and what became of it: ``order.json``."""

    replay_id: str
    run_id: str
    order: ReplayOrder
    model: str | None = None
    diagnosis_id: str = ""
    """Whose advice is given; empty: none."""
    origin: str = ""
    """Where the step comes from, in words."""
    request: str = ""
    """Equal for the same order on the same evidence."""
    status: Literal["running"] | ReplayStatus = "running"
    reason: str = ""
    pid: int = 0
    started_at: datetime
    ended_at: datetime | None = None
    new_run_id: str = ""
    """The run that came of it, as the workspace calls it; empty: none is stored (yet)."""


@dataclass
class Recording:
    """The folder of one replay that goes on. Only its holder writes to it."""

    folder: Path
    started: Started
    on_event: Callable[[ReplayEvent], None] = lambda _: None
    steps: int = 0
    """How many are recorded."""
    _files: dict[str, BinaryIO] = field(default_factory=dict)

    @property
    def run(self) -> Path:
        return self.folder / RUN_FOLDER

    def tell(self, kind: Literal["phase", "replayed", "step", "tests", "ended"], text: str = "", **more: Any) -> None:
        """Write an event into the log, and pass it on."""
        event = shortened(ReplayEvent(at=datetime.now(UTC), kind=kind, text=text, **more))
        self._append(self.folder / EVENTS_JSONL, event)
        self.on_event(event)

    def put(self, step: RecordedStep) -> None:
        """Record a step; it is on disk when this returns."""
        self._append(self.run / STEPS_JSONL, step, durably=True)
        self.steps += 1

    def put_tests(self, tests: TestRun) -> SourceRef | None:
        """Record what the test command printed; where that stands, None if it was never begun."""
        self.tell("tests", tests=tests)
        if tests.ran is None:
            return None
        name = TESTS_LOG if tests.when == "after" else TESTS_BEFORE_LOG
        ended = "stopped" if tests.ran.exit_code is None else f"exit code {tests.ran.exit_code}"
        output = tests.ran.output.removesuffix("\n")
        text = "\n".join(filter(None, (f"$ {tests.command}", output, f"[{ended}: {tests.reason}]"))) + "\n"
        _write(self.run / name, text)
        return SourceRef(path=name, line_start=1, line_end=text.count("\n"))

    def finish(self, result: ReplayResult, original: Trajectory, summary: str) -> None:
        """Write down what came of it, last: from here on there is a run."""
        told = {
            "format": MARK,
            "version": VERSION,
            "made_by": __version__,
            "step_count": self.steps,
            "replay": _without_outputs(result).model_dump(mode="json"),
            "original": original.model_dump(mode="json", include={"format", "agent", "model", "task", "task_text"}),
            "summary": summary,
        }
        _write(self.run / REPLAY_JSON, json.dumps(told, indent=1) + "\n")
        self.end(result.status, result.status_reason, result.ended_at)
        self.tell("ended", result.status_reason, status=result.status, usage=result.usage)

    def end(self, status: ReplayStatus, reason: str, at: datetime) -> None:
        update = {"status": status, "reason": reason, "ended_at": at}
        self.started = put_started(self.folder, self.started.model_copy(update=update))

    def _append(self, path: Path, line: Frozen, *, durably: bool = False) -> None:
        try:
            file = self._files.get(path.name)
            if file is None:
                file = self._files[path.name] = path.open("ab")
            file.write(line.model_dump_json(exclude_defaults=True).encode(errors="replace") + b"\n")
            file.flush()
            if durably:
                os.fsync(file.fileno())
        except OSError as error:
            raise CodeTracerError(f"this file cannot be written ({error.strerror or error})", path=path) from error

    def close(self) -> None:
        for file in self._files.values():
            file.close()


@contextmanager
def recording(
    folder: Path, started: Started, on_event: Callable[[ReplayEvent], None] = lambda _: None
) -> Iterator[Recording]:
    """Make the folder of a replay (which must not be there yet) and hold it while the block runs."""
    try:
        (folder / RUN_FOLDER).mkdir(parents=True)
        lock = (folder / LOCK).open("ab")
    except OSError as error:
        raise CodeTracerError(
            f"this folder cannot be made ({error.strerror or error})", path=folder, remedy="Name another workspace."
        ) from error
    with lock:
        hold(lock)
        record = Recording(folder, put_started(folder, started), on_event)
        try:
            yield record
        finally:
            record.close()
            if record.started.status == "running":  # an error that nobody foresaw
                record.end("failed", "CodeTracer was ended, or failed", datetime.now(UTC))


def of_original(step: Step, ran: ReplayedStep) -> RecordedStep:
    """A step of the original as it was run again."""
    was_run = ran.ran is not None or ran.deed == "edit"
    return RecordedStep(
        step_id=step.step_id,
        by="original",
        action=step.action,
        tool=step.tool,
        thought=step.thought,
        observation=None if ran.ran is None else observed(ran.ran),
        exit_code=ran.ran.exit_code if ran.ran else None,
        executed=was_run or step.is_message,
        is_message=step.is_message,
        parallel_group=step.parallel_group,
        at=ran.at,
        command=ran.command if ran.command != step.action else "",
        seconds=ran.ran.seconds if ran.ran else None,
        left_out_bytes=ran.ran.left_out_bytes if ran.ran else 0,
        deed=ran.deed,
        met=ran.met,
        similarity=ran.similarity,
        why=ran.why,
    )


def observed(ran: Ran) -> str:
    """What came back of a command: its output, and how it was stopped if it was."""
    if ran.timed_out:
        return f"{ran.output}\n[stopped after {ran.seconds:.0f} seconds]".lstrip("\n")
    return ran.output


# --- reading it back -------------------------------------------------------------------------------------------


def is_running(folder: Path) -> bool:
    """Does somebody hold the folder of this replay?"""
    try:
        with (folder / LOCK).open("ab") as file:
            hold(file)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def put_started(folder: Path, started: Started) -> Started:
    _write(folder / ORDER_JSON, started.model_dump_json(indent=1) + "\n")
    return started


def read_started(folder: Path) -> Started:
    """Raises NotFound if there is no replay here, CodeTracerError if its order cannot be read."""
    path = folder / ORDER_JSON
    try:
        return Started.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise NotFound("there is no replay here", path=folder) from None
    except (OSError, ValidationError) as error:
        raise CodeTracerError("this is no order of a replay", path=path, remedy="Delete its folder.") from error


def read_events(folder: Path, offset: int = 0) -> tuple[list[ReplayEvent], int]:
    """The events from an offset in bytes on, and where the next ones will begin. A half-written line is left for later.

    A line that is no event is passed over: the log is for people who watch, the run is the record."""
    try:
        with (folder / EVENTS_JSONL).open("rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return [], offset
    whole = data[: data.rfind(b"\n") + 1]
    events = []
    for line in whole.splitlines():
        try:
            events.append(ReplayEvent.model_validate_json(line))
        except ValidationError:
            continue
    return events, offset + len(whole)


def read_result(folder: Path) -> ReplayResult:
    """What came of a replay, outputs shortened. Raises NotFound while there is none, CodeTracerError if it cannot be
    read."""
    path = folder / RUN_FOLDER / REPLAY_JSON
    try:
        return ReplayResult.model_validate(json.loads(path.read_bytes())["replay"])
    except FileNotFoundError:
        raise NotFound("there is no result of this replay", path=folder) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CodeTracerError("this is no record of a replay", path=path) from error


def shortened(event: ReplayEvent) -> ReplayEvent:
    """The event with the beginning and end of what is too long for a log."""
    update: dict[str, Any] = {}
    if event.replayed is not None and event.replayed.ran is not None:
        update["replayed"] = event.replayed.model_copy(update={"ran": _short(event.replayed.ran)})
    if event.tests is not None and event.tests.ran is not None:
        update["tests"] = event.tests.model_copy(update={"ran": _short(event.tests.ran)})
    if event.step is not None:
        texts = {name: cut(getattr(event.step, name) or "", SHOWN) or None for name in ("thought", "observation")}
        if event.step.observation == "":
            texts["observation"] = ""
        update["step"] = event.step.model_copy(update={**texts, "action": cut(event.step.action, SHOWN)})
    return event.model_copy(update=update)


def cut(text: str, most: int) -> str:
    """The beginning and end of a text that is longer than ``most`` characters, and how much is left out."""
    if len(text) <= most:
        return text
    left_out = len(text) - most
    return f"{text[: most // 2]}\n[{left_out:,} characters left out here]\n{text[len(text) - (most - most // 2) :]}"


def _short(ran: Ran) -> Ran:
    return ran.model_copy(update={"output": cut(ran.output, SHOWN)})


def _without_outputs(result: ReplayResult) -> ReplayResult:
    """The outputs of the replayed steps are in ``steps.jsonl``."""
    replayed = tuple(
        one.model_copy(update={"ran": one.ran.model_copy(update={"output": cut(one.ran.output, 500)})})
        if one.ran is not None
        else one
        for one in result.replayed
    )
    return result.model_copy(update={"replayed": replayed})


def _write(path: Path, text: str) -> None:
    packed = text.encode(errors="replace")
    write_durably(path, lambda file: file.write(packed))
    sync_folder(path.parent)


def outcome_of(tests: Sequence[TestRun], source: SourceRef | None) -> Outcome:
    """What the tests decided; nothing else does."""
    last = tests[-1] if tests else None
    if last is None:
        return Outcome(reason="no test command was given")
    return Outcome(solved=last.passed, reason=last.reason, source=source if last.passed is not None else None)
