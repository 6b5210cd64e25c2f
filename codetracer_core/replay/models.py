"""What a replay is ordered with, what it plans, meets and comes to. Frozen pydantic models."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.models import Frozen, Outcome, ReplayOf

# --- what will run ---------------------------------------------------------------------------------------------

Deed = Literal["command", "edit", "nothing", "not_replayable"]
"""*command*: text for a shell; *edit*: a structured change to a file whose meaning is known; *nothing*: the step only
looked, thought or talked, or was never executed, so state is the same without it; *not_replayable*: its meaning is not
known, so what follows rests on a state that cannot be made again."""


class FileEdit(Frozen):
    """A structured edit of one file, by its meaning."""

    path: str
    kind: Literal["write", "create", "replace", "insert", "lines", "delete", "move", "undo"]
    """*create* is a *write* of a file that is not there yet; *undo* takes back the last edit of the file."""
    text: str = ""
    """The whole content (*write*, *create*), what stands there afterwards (*replace*, *lines*), the lines put in
    (*insert*), the new path (*move*)."""
    old: str = ""
    """*replace*: the text that is replaced, which has to stand there once (or, with ``all``, at least once)."""
    all: bool = False
    after_line: int | None = Field(default=0, ge=0)
    """*insert* and *lines*: behind this line, 1-based; 0: at the beginning; None: at the end of the file."""
    through_line: int = Field(default=0, ge=0)
    """*lines*: those behind ``after_line`` up to this one, inclusive, are replaced."""


class PlannedStep(Frozen):
    """One step before the checkpoint: what will be done for it, and what should come back."""

    step_id: int = Field(ge=1)
    deed: Deed
    command: str = ""
    """*command*: what the shell is given; else what the agent did, in its own words."""
    edits: tuple[FileEdit, ...] = ()
    """*edit*: what is done to which file, in order: all of it or, if one of them does not fit, nothing."""
    why: str = ""
    """Why nothing is done, or why it cannot be; of what is done, why it is likely to differ."""
    expected: str | None = None
    """The recorded observation without what the harness put around it; None: the run holds none."""
    on_screen: bool = False
    """*expected* was read off a terminal: long lines are wrapped, lists stand in columns."""
    expected_exit: int | None = None
    files: tuple[str, ...] = ()
    """Files that it names as changed, as they were written."""


class Checkpoint(Frozen):
    """Everything before a step of a run."""

    step_id: int = Field(ge=1)
    """The first step that is not run again; one more than the number of steps means all of them are."""
    steps: tuple[PlannedStep, ...] = ()
    shell: Literal["fresh", "session"] = "fresh"
    """*fresh*: each command begins in the working folder with the same variables; *session*: the next one goes on where
    the one before left folder and variables."""
    folder: str = ""
    """The working folder of the original, where the run tells it: commands name files in it by absolute paths."""
    files: tuple[str, ...] = ()
    """Files that the steps before change, in order of first change."""

    @property
    def not_replayable(self) -> tuple[PlannedStep, ...]:
        return tuple(step for step in self.steps if step.deed == "not_replayable")


# --- where it runs ---------------------------------------------------------------------------------------------


class Limits(Frozen):
    """What an environment allows."""

    command_seconds: float = Field(default=120.0, gt=0.0, allow_inf_nan=False)
    total_seconds: float = Field(default=1_800.0, gt=0.0, allow_inf_nan=False)
    output_bytes: int = Field(default=1_000_000, ge=1_000)
    """Of one command, out of the middle of which the rest is left."""
    processes: int = Field(default=256, ge=8)
    memory_mb: int = Field(default=4_096, ge=64)
    file_mb: int = Field(default=2_048, ge=1)
    """Largest file that a command may write."""
    disk_mb: int = Field(default=8_192, ge=1)
    """What a replay on this machine may write in all, beyond what was copied; looked at while commands run."""
    network: bool = False
    """False: off where the environment can do that; its ``facts`` say whether it could."""


class Ran(Frozen):
    """What a command did."""

    output: str
    """Standard output and error in the order in which they came, as UTF-8 with replacements."""
    exit_code: int | None = None
    """None: it was stopped."""
    timed_out: bool = False
    left_out_bytes: int = 0
    seconds: float = 0.0


class LocalPlace(Frozen):
    """A throw-away copy of a folder on this machine: commands run with the rights of whoever starts the replay."""

    kind: Literal["local"] = "local"
    folder: str
    allowed: bool = False
    """Somebody has said in so many words that commands may run on this machine."""


class GitPlace(Frozen):
    """A throw-away worktree or clone at a commit; commands run on this machine, as in ``LocalPlace``."""

    kind: Literal["git"] = "git"
    repository: str
    """A folder, or an address that git can clone."""
    commit: str = "HEAD"
    allowed: bool = False


class ContainerPlace(Frozen):
    """A container of its own, from an image or a service of a compose file."""

    kind: Literal["container"] = "container"
    image: str = ""
    compose_file: str = ""
    service: str = ""
    """Of the compose file; empty: its only one."""
    folder: str = ""
    """Working folder inside; empty: the image's own."""
    engine: Literal["", "docker", "podman"] = ""
    """Empty: the first that answers."""


class PluginPlace(Frozen):
    """An environment that another package brings (entry point group ``codetracer.environments``)."""

    kind: Literal["plugin"] = "plugin"
    name: str
    options: Mapping[str, str] = Field(default_factory=dict)


Place = LocalPlace | GitPlace | ContainerPlace | PluginPlace

# --- what came of it -------------------------------------------------------------------------------------------

Met = Literal["same", "differs", "failed", "not_compared"]
"""How a step that was run again compares with its record. *same*: equal but for times, durations, addresses and
temporary paths; *differs*: other text; *failed*: it ended otherwise than recorded (exit code, time limit, an edit that
did not fit); *not_compared*: nothing was done, or nothing is recorded."""


class ReplayedStep(Frozen):
    """A step before the checkpoint, run again."""

    step_id: int = Field(ge=1)
    deed: Deed
    command: str
    met: Met
    similarity: float | None = Field(default=None, ge=0.0, le=1.0)
    """Of the two normalised outputs, 1 equal; None: not compared."""
    why: str = ""
    """What differs, or why nothing was compared."""
    ran: Ran | None = None
    at: datetime


class Budget(Frozen):
    """What the model may use from the checkpoint on."""

    max_steps: int = Field(default=30, ge=1)
    cost_limit_usd: float = Field(default=3.0, gt=0.0, allow_inf_nan=False)
    token_limit: int | None = Field(default=None, ge=1_000)
    matched: bool = False
    """``max_steps`` is what the original still had from the checkpoint on."""


class ReplayOrder(Frozen):
    """What is to be replayed, where, and with what."""

    place: Place = Field(discriminator="kind")
    step_id: int = Field(ge=1)
    limits: Limits = Limits()
    budget: Budget = Budget()
    divergence: float = Field(default=0.25, ge=0.0, le=1.0)
    """The replay stops once more than this share of the steps that could be compared, and at least two of them, differ
    or failed."""
    skip_not_replayable: bool = False
    """Go on although steps are left out whose meaning is not known; False: nothing starts."""
    test_command: str = ""
    """Decides the outcome: exit code 0 is solved, another one is not; empty: the outcome stays unknown."""
    test_seconds: float = Field(default=600.0, gt=0.0, allow_inf_nan=False)
    agent: bool = True
    """False: only the steps before the checkpoint are run again."""
    advice: bool = True
    """Give the model the diagnosis: evidence and corrective strategy."""


ReplayStatus = Literal["finished", "limit", "diverged", "cancelled", "failed"]
"""*finished*: the model said that it is done (or there was no model to hand over to); *limit*: it ran out of steps,
money or time; *diverged*: the earlier steps did not lead to the same state; *failed*: environment or model broke."""


class ReplayResult(Frozen):
    """A replay, and everything needed to judge it."""

    replay_id: str
    replay_of: ReplayOf
    order: ReplayOrder
    status: ReplayStatus
    status_reason: str = ""
    model: str | None = None
    replayed: tuple[ReplayedStep, ...] = ()
    agent_steps: int = 0
    outcome: Outcome = Outcome()
    """Of the tests, never of what the model says of itself."""
    tests_before: bool | None = None
    """Did the test command pass at the checkpoint already, before the model did anything? None: not run there."""
    usage: CallUsage = CallUsage()
    facts: tuple[str, ...] = ()
    """What was true of the environment ("network off", "memory limited to 4,096 MB"), for people."""
    started_at: datetime
    ended_at: datetime
