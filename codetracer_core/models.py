"""The vocabulary of CodeTracer as frozen pydantic models.

Step numbers (``step_id``) are 1-based and consecutive within one run; ranges are inclusive at both
ends. ``None`` always means "not known from the evidence", never zero, false or empty.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Verdict = Literal["correct", "incorrect", "unuseful", "uncertain"]
"""What a label says of a step. A step without a verdict is *unlabelled*, which is not *correct*."""

RunVerdict = Literal["no_error", "has_error", "uncertain"]
"""What a person says of a whole run."""

Kind = Literal["explore", "change", "message"]
"""What a step does to the state of the environment. A *message* calls no tool, so it cannot change state."""

LabelSource = Literal["human", "model", "ground_truth", "adjudicated"]
Exposure = Literal["none", "model", "ground_truth", "peers"]


class Frozen(BaseModel):
    """Base of all models: immutable, and unknown fields are a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceRef(Frozen):
    """Where a text stands in the raw files of a run.

    ``path`` is relative to the run's root folder, with ``/`` (an outcome may stand in a sibling, ``../…``).
    Lines are 1-based and inclusive. ``pointer`` is an RFC 6901 JSON pointer: into the whole file
    (``kind="json"``), into the records that stand on the lines (``"jsonl"``: nearly always one; of several, each
    that has such a place gives its text), or into the list of the JSON objects that begin within the lines of a
    terminal recording (``"cast"``; ``*`` as the first token means each of them). ``kind="text"`` has no pointer:
    the lines are the text. ``parsers.resolve`` reads a reference back.
    """

    path: str
    line_start: int = Field(ge=1)
    line_end: int = Field(ge=1)
    kind: Literal["text", "json", "jsonl", "cast"] = "text"
    pointer: str | None = None

    def excerpt(self, text: str | None) -> dict[str, Any]:
        """The reference with the text that it stands for, as CodeTraceBench and the normalised files write it."""
        return {"path": self.path, "line_start": self.line_start, "line_end": self.line_end, "content": text}


class ToolCall(Frozen):
    """One call of a tool, as the agent wrote it.

    ``arguments`` is a mapping, or the raw text where the agent's arguments were no JSON object.
    """

    name: str
    arguments: dict[str, Any] | str = Field(default_factory=dict)
    call_id: str | None = None

    def text(self) -> str:
        """The action as text: the command or code if that is what the call is about, else its arguments as JSON.

        A blank text (a bare Enter) is shown as its JSON literal."""
        spoken = self.arguments if isinstance(self.arguments, str) else self._spoken()
        if spoken is None:
            return json.dumps(self.arguments, ensure_ascii=False)
        return spoken if spoken.strip() else json.dumps(spoken)

    def _spoken(self) -> str | None:
        assert isinstance(self.arguments, dict)
        for key in _SPOKEN_ARGUMENTS:
            value = self.arguments.get(key)
            if isinstance(value, list) and len(value) == 3 and value[1] in ("-c", "-lc"):
                value = value[2]  # ["bash", "-lc", script], as Codex writes it
            if isinstance(value, str) and self.arguments.keys() <= {key} | _SHELL_OPTIONS:
                return value
        return None


_SPOKEN_ARGUMENTS = ("command", "cmd", "keystrokes", "code", "thought", "message")
# Arguments that say how a command is run, not what it does: the command alone still tells the whole action.
_SHELL_OPTIONS = {
    *("description", "timeout", "timeout_ms", "duration", "is_input", "is_background", "run_in_background"),
    *("security_risk", "workdir", "cwd", "reset", "dangerouslyDisableSandbox", "thought", "hidden"),
    *("blocking", "confirmation_state", "kernel_init_code", "include_extra", "is_static", "summary"),
    *("login", "tty", "shell", "yield_time_ms", "max_output_tokens", "with_escalated_permissions", "justification"),
    *("sandbox_permissions", "prefix_rule", "directory", "dir_path"),
}


class Step(Frozen):
    """One action of the agent and what came back: the unit that is labelled."""

    step_id: int = Field(ge=1)
    native_ids: tuple[str, ...] = ()
    """Ids that the agent's own files give this step (event id, tool-call id, message id …)."""
    action: str
    tool: ToolCall | None = None
    observation: str | None = None
    """None: the files hold no observation for this step (which differs from an empty one)."""
    thought: str | None = None
    parallel_group: int | None = None
    """Steps of one model reply with several calls share the ``step_id`` of the first of them; None: a lone call."""
    branch: str | None = None
    """Id of the sub-agent that took the step (see ``Trajectory.branches``); None: the main agent."""
    is_message: bool = False
    """A reply with text and no tool call."""
    executed: bool = True
    """False: the environment refused the reply (wrong format) or never ran it."""
    exit_code: int | None = None
    timestamp: datetime | None = None
    action_ref: SourceRef | None = None
    observation_ref: SourceRef | None = None
    thought_ref: SourceRef | None = None


class Branch(Frozen):
    """A sub-agent: its steps hang below the step that started it."""

    branch_id: str
    name: str = ""
    parent_step_id: int | None = None
    """None: the files do not tell which step started it."""


class Outcome(Frozen):
    """Whether the run solved its task, and where that was read. A submitted run is not a solved one."""

    solved: bool | None = None
    reason: str = "no result file"
    source: SourceRef | None = None


class TestResult(Frozen):
    """One test of the verifier. ``status`` is the verifier's own word ("passed", "failed", "skipped" …)."""

    __test__ = False  # not a pytest class

    name: str
    status: str


class Usage(Frozen):
    """What the run cost, as far as its files say. Prompt tokens include cached ones."""

    cost_usd: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None


class ReplayOf(Frozen):
    """That a run is the replay of another one: where it took over, and who went on from there."""

    run_id: str
    """The original, as the workspace calls it. It need not be there (any more)."""
    step_id: int = Field(ge=1)
    """The first step that is not of the original: those before were run again."""
    replay_id: str
    diagnosis_id: str = ""
    """The diagnosis whose advice was given; empty: none was."""
    matched: bool | None = None
    """Was the model that went on allowed as many steps as the original took from there? None: no model went on."""


class Trajectory(Frozen):
    """One run of an agent on a task, read from its files and from nothing else."""

    format: str
    """Name of the parser that read it (``parsers.PARSERS``)."""
    view: str
    """Which of several readings of the same run this is (e.g. "traj.json" or "agent.log")."""
    agent: str | None = None
    agent_version: str | None = None
    model: str | None = None
    task: str | None = None
    """Short name of the task (instance id, task id)."""
    trial: str | None = None
    """Name of this attempt at the task, where the harness gives one."""
    task_text: str | None = None
    task_ref: SourceRef | None = None
    outcome: Outcome = Outcome()
    exit_status: str | None = None
    """How the agent's own log, or else its harness, says it ended ("Submitted", "exit_cost" …): never the outcome."""
    usage: Usage = Usage()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    tests: tuple[TestResult, ...] = ()
    steps: tuple[Step, ...] = ()
    branches: tuple[Branch, ...] = ()
    replay_of: ReplayOf | None = None
    """None: an original run."""
    notes: tuple[str, ...] = ()
    """What a reader must know about the reading: views that differ, records left out and why."""

    @property
    def step_count(self) -> int:
        return len(self.steps)


class Stage(Frozen):
    """A contiguous range of steps with one purpose; both ends inclusive."""

    stage_id: int = Field(ge=1)
    start_step_id: int = Field(ge=1)
    end_step_id: int = Field(ge=1)
    name: str = ""


DeviationType = Literal["wrong_tool", "wrong_target", "redundant", "premature_conclusion", "missing_exploration"]
ImpactSeverity = Literal["critical", "moderate", "minor"]
Confidence = Literal["high", "medium", "low"]


QuotedField = Literal["action", "observation", "thought"]


class EvidenceQuote(Frozen):
    """Text of a step that speaks for a label. ``quotes.holds`` tells whether a run still says it there."""

    step_id: int = Field(ge=1, strict=True)
    field: QuotedField
    start: int = Field(ge=0, strict=True)
    """Offset into the stored text, in characters as Python counts them, 0-based."""
    end: int = Field(strict=True)
    """Exclusive."""
    text: str = Field(min_length=1, max_length=2_000)
    """As stored: escape sequences and what carriage returns overwrote are in it."""
    sha256: str
    """Of the text as UTF-8, hex."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.end - self.start != len(self.text):
            raise ValueError("the quoted text is not as long as its place")
        if self.sha256 != hash_of_quote(self.text):
            raise ValueError("the quoted text has another hash")
        return self

    @classmethod
    def of(cls, step_id: int, field: QuotedField, start: int, text: str) -> Self:
        """The quote of a text that stands in this place."""
        end, digest = start + len(text), hash_of_quote(text)
        return cls(step_id=step_id, field=field, start=start, end=end, text=text, sha256=digest)


def hash_of_quote(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class LabelDetails(Frozen):
    """Why a step got its verdict. Everything is optional: the verdict counts without it."""

    reason: str = Field(default="", max_length=10_000)
    deviation_type: DeviationType | None = None
    impact_severity: ImpactSeverity | None = None
    correct_alternative: str = Field(default="", max_length=10_000)
    """What should have been done instead."""
    confidence: Confidence | None = None
    """How sure the annotator is of the verdict."""
    quotes: tuple[EvidenceQuote, ...] = Field(default=(), max_length=20)
    """What in the run shows it: text of this step or of any other."""


class StageReason(Frozen):
    """Why the steps of one stage are labelled as they are."""

    stage_id: int
    reasoning: str


class Basis(Frozen):
    """What an adjudicated verdict rests on."""

    taken: str
    """The annotator whose position was taken, "agreed" if all had it, "new" for a verdict of the adjudicator's own."""
    positions: Mapping[str, Verdict | None]
    """What each annotator had said of the step; None: they left it unlabelled."""

    @model_validator(mode="after")
    def _is_taken_from_somebody_there(self) -> Self:
        if self.taken not in ("agreed", "new", *self.positions):
            raise ValueError("what is taken is 'agreed', 'new' or one of those whose positions are told")
        return self


MOST_WORKED = 3600
"""How many seconds of work one event may tell of."""


class LabelEvent(Frozen):
    """One act of labelling. Events are only ever added; the latest of a (run, step, field, source, annotator,
    pass) is the label in force, and an event with ``value=None`` takes it back. Adjudicators speak with one voice: of
    their labels the latest is in force, whoever gave it.

    ``(client, sequence)`` names the act itself: storing it twice stores it once. ``step_id`` is None for what
    concerns the whole run. By ``field``, the value is, of a step:

    * "verdict" a ``Verdict``, "details" its ``LabelDetails`` as a plain dictionary;
    * "chain" True: the step followed from the failure onset;
    * "omission" what should have been done after this step, 1 to 10,000 characters;
    * "flag" True: for discussion (of a step, or of the run);
    * "basis" what an adjudicated verdict rests on, its ``Basis`` as a plain dictionary;
    * "reply" what its annotator says to the adjudicated outcome of a step, 1 to 10,000 characters;

    and of the run:

    * "onset" the number of the step at which the run first went off track;
    * "run_verdict" a ``RunVerdict``, "note" 1 to 10,000 characters, "tags" 1 to 20 different texts of 1 to 60;
    * "stages" a list of ``Stage`` as plain dictionaries (people draw them in order, not overlapping, numbered from 1;
      they need not cover every step), "stage_reasons" a list of ``StageReason`` likewise;
    * "shown" what the annotator was shown of this run ("ground_truth"), from when on it is an exposure of their labels.
    * "worked" whole seconds of active work since the last such event, at most ``MOST_WORKED``: summed, never in
      force.
    """

    run_id: str
    step_id: int | None = Field(default=None, ge=1)
    field: str = "verdict"
    value: Any = None
    source: LabelSource = "human"
    annotator: str
    pass_number: int = Field(default=1, ge=1)
    exposure: Exposure = "none"
    client: str
    sequence: int = Field(ge=1)
    occurred_at: datetime
    """When the person acted, UTC; the store adds when it arrived."""


STEP_FIELDS = ("verdict", "details", "chain", "omission", "flag", "reply")
"""Fields of label events that say something of a step …"""
RUN_FIELDS = ("onset", "run_verdict", "stages", "note", "tags", "flag")
"""… and of the whole run, in the order in which they are shown."""


class GroundTruth(Frozen):
    """All that a benchmark says of one run. What it does not say (any more) is not in force."""

    annotator: str
    said_at: datetime
    verdicts: Mapping[int, Verdict] = Field(default_factory=dict)
    """By step. A step that is not named here is unlabelled."""
    stages: tuple[Stage, ...] = ()


class RunRecord(Frozen):
    """A trajectory with what the import knows about it: the unit that the store takes in."""

    run_id: str
    trajectory: Trajectory
    origin: str
    """Where the evidence lies: the path as it was given, for people; never used to find it again."""
    collection: str = ""
    """Name of the import root, to tell samples, benchmark and own runs apart."""
    content_id: str | None = None
    """Names the evidence alone: equal for one run wherever it lies and whatever it is called. None: not known."""
    evidence_hash: str
    """sha256 (hex) over the evidence and the reader's version: equal means nothing to import again."""
    declared_step_count: int | None = None
    """The manifest's count. If it differs from the real one the run is *misaligned*."""
    benchmark: Mapping[str, Any] | None = None
    """The manifest row without its labels and stages (difficulty, category, tags …). Its excerpts tell which steps are
    labelled: nobody sees them who is not to see ground truth."""

    @property
    def misaligned(self) -> bool:
        return self.declared_step_count is not None and self.declared_step_count != self.trajectory.step_count
