"""A model writes the spec for a folder that no format fits; what it proposes is run and judged before it is shown."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any, Literal

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.errors import Cancelled, CodeTracerError, ContextOverflow, ModelError, SpecError
from codetracer_core.extractors.checks import Judged
from codetracer_core.extractors.feedback import told
from codetracer_core.extractors.fits import Fit, drift, fit_of
from codetracer_core.extractors.layout import cut, folder_of, look, look_alikes
from codetracer_core.extractors.limits import SpecLimits
from codetracer_core.extractors.registry import name_problem
from codetracer_core.extractors.showing import CHARACTERS, shown
from codetracer_core.extractors.spec import LANGUAGE, ExtractorSpec, read_spec, spec_text
from codetracer_core.extractors.trying import Tried, try_spec
from codetracer_core.llm import Message, Model, Reply, ToolRequest, UnusableAnswer, as_tool, read_answer
from codetracer_core.models import Frozen
from codetracer_core.words import number_of

Status = Literal["complete", "partial", "cancelled", "failed"]
"""*complete*: the best spec reads every run and passes every check. *partial*: there is one, and it does not.
*failed*: none could be used; the reason says why. *cancelled*: somebody stopped it; the best until then is kept."""
ProgressKind = Literal["shown", "asked", "looked", "proposed", "judged", "ended"]
ANSWER_TOKENS = 12_000
"""For one answer, but never more than a third of the window."""
MOST_LOOKS = 24
"""Looks at files in one conversation."""
LIMITS = SpecLimits(seconds=20.0)
"""Of one run that a proposal is tried on."""
IDLE_TURNS = 3
"""Answers in a row that call nothing usable before the conversation is given up."""


class ProposedSpec(Frozen):
    """The whole spec."""

    spec: str | dict[str, Any]
    """The text of the spec (YAML), whole."""


class Look(Frozen):
    """Which lines of which file to see."""

    path: str
    """As listed, relative to the folder."""
    from_line: int = 1
    lines: int = 80


class GiveUp(Frozen):
    """Why there is nothing to describe."""

    reason: str


PROPOSE = as_tool(ProposedSpec, "propose_extractor", "Hand in the whole spec (YAML text): it is run and judged.")
LOOK = as_tool(Look, "look", "See lines of a file in the folder.")
GIVE_UP = as_tool(GiveUp, "give_up", "Say that the folder holds no run of an agent.")
TOOLS = (PROPOSE, LOOK, GIVE_UP)


@dataclass(frozen=True)
class Progress:
    """What just happened, for somebody who watches. ``usage`` is all that was used until then."""

    at: datetime
    kind: ProgressKind
    text: str
    attempt: int
    """Of the proposal that this is about, from 1; 0: before the first."""
    usage: CallUsage


@dataclass(frozen=True)
class Attempt:
    """One proposal: its text as the model wrote it, and what became of it."""

    number: int
    text: str
    spec: ExtractorSpec | None
    tried: Tried | None
    problems: tuple[str, ...]
    worse: tuple[str, ...] = ()
    """Runs that it reads clearly worse than may be expected, and in which way."""

    @property
    def score(self) -> float:
        """0 … 1; each run that is read worse costs as much as one that cannot be read."""
        if self.tried is None or not self.tried.readings:
            return 0.0
        return self.tried.score * max(0.0, 1 - len(self.worse) / len(self.tried.readings))

    @property
    def is_good(self) -> bool:
        return self.tried is not None and self.tried.is_good and not self.worse


@dataclass(frozen=True)
class Proposed:
    """What came of it. ``spec`` is the best of the attempts; None: not one of them reads any run."""

    spec: ExtractorSpec | None
    tried: Tried | None
    attempts: tuple[Attempt, ...]
    status: Status
    reason: str
    problems: tuple[str, ...]
    usage: CallUsage
    model: str

    @property
    def judged(self) -> Judged | None:
        return self.tried.judged if self.tried is not None else None


def propose(
    folder: Path,
    model: Model,
    *,
    attempts: int = 4,
    ceiling: float | None = None,
    taken: Collection[str] = (),
    on_progress: Callable[[Progress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Proposed:
    """Have the model describe the format of the run, or runs, at or below ``folder`` (or of the file that is one).

    Its spec is run there and on up to three folders beside it that look alike; what is wrong goes back to it, until
    every check passes or ``attempts`` are used up. ``ceiling``: US dollars (kept while the price is known). ``taken``:
    names of other extractors, which a new format may not have. Whatever the model says or does ends as a ``Proposed``.
    Raises UnreadableFile if the folder cannot be listed at all.
    """
    folders = _with_alike(folder)
    return _Talk(folders, model, attempts, ceiling, on_progress, cancelled, taken=taken).held()


def repair(
    spec: ExtractorSpec,
    folder: Path,
    model: Model,
    *,
    attempts: int = 4,
    ceiling: float | None = None,
    also: Sequence[Path] = (),
    accepted: Fit | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Proposed:
    """As ``propose``, but for a folder that ``spec`` does not fit (any more): the model is shown it, and what it makes
    of the folder. What is proposed has its name and the next version. ``also``: folders that it used to fit, and that
    the repaired one has to fit as well; those that are gone are passed over. ``accepted``: how well the old one fitted
    (``registry.Facts.fit``): a run that the new one reads clearly worse is not read well."""
    folders = _with_alike(folder)
    folders += [path for path in also if path.exists() and path.resolve() not in {one.resolve() for one in folders}]
    return _Talk(folders, model, attempts, ceiling, on_progress, cancelled, old=spec, accepted=accepted).held()


def _with_alike(folder: Path) -> list[Path]:
    """The folder that is shown, and others on which a spec is tried, too."""
    folder = folder_of(folder)
    return [folder, *look_alikes(folder)]


@dataclass
class _Talk:
    """The conversation about one folder, the first one; a spec is tried on all of them."""

    folders: list[Path]
    model: Model
    most_attempts: int
    ceiling: float | None
    on_progress: Callable[[Progress], None]
    cancelled: Callable[[], bool]
    old: ExtractorSpec | None = None
    accepted: Fit | None = None
    taken: Collection[str] = ()
    messages: list[Message] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    usage: CallUsage = field(default_factory=CallUsage)
    problems: list[str] = field(default_factory=list)
    looks: int = 0
    idle: int = 0
    characters: int = CHARACTERS
    """Of the folder's description; less after the model's window turned out to be too small."""
    given_up: str = ""

    @property
    def folder(self) -> Path:
        return self.folders[0]

    def held(self) -> Proposed:
        self.characters = min(CHARACTERS, self.model.context_tokens)
        self.begin()
        try:
            while not self.over():
                self.turn()
        except Cancelled:
            return self.result("cancelled", "cancelled")
        except _Ended as error:
            return self.result("failed", error.reason)
        except ModelError as error:
            return self.result("failed", f"the model could not be asked: {error.reason}")
        return self.result("failed", self.given_up or "no spec that reads a run was proposed")

    def begin(self) -> None:
        """Begin anew with the rules and the folder; what was proposed before is told."""
        described = shown(self.folder, self.characters)
        more = ""
        if self.old is not None:
            tried = try_spec(self.old, self.folders, limits=LIMITS)
            more = (
                "\n\n# The spec that used to fit\n"
                f"{spec_text(self.old)}\n# What it makes of this folder\n{told(tried)}\n"
                "Repair it: change what no longer fits, and keep it fit for what it was written for."
            )
        if self.attempts:
            last = self.attempts[-1]
            more += f"\n\n# Your last proposal\n{cut(last.text, 8_000)}\n# What came of it\n{self.feedback(last)}"
        self.messages = [
            Message(role="system", text=Template(_rules()).substitute(language=LANGUAGE)),
            Message(role="user", text=described + more),
        ]
        self.tell("shown", f"{self.folder.name or '.'}: {number_of(len(described), 'character')} of it")

    def over(self) -> bool:
        done = bool(self.attempts) and self.attempts[-1].is_good
        return done or len(self.attempts) >= self.most_attempts or bool(self.given_up)

    def turn(self) -> None:
        reply = self.ask()
        self.messages.append(Message(role="assistant", text=reply.text, tool_requests=reply.tool_requests))
        useful = False
        for request in reply.tool_requests:
            answer, was_useful = self.answer(request, reply.is_cut)
            useful = useful or was_useful
            self.messages.append(Message(role="tool", text=answer, call_id=request.call_id))
        if not reply.tool_requests:
            self.messages.append(
                Message(role="user", text="Call one of the tools: propose_extractor with the whole spec, or look.")
            )
        self.idle = 0 if useful else self.idle + 1
        if self.idle >= IDLE_TURNS:
            raise _Ended(f"{number_of(IDLE_TURNS, 'answer')} in a row held no proposal that could be read")

    def ask(self) -> Reply:
        for _ in range(4):
            if self.cancelled():
                raise Cancelled("cancelled")
            self.check_ceiling()
            try:
                reply = self.model.complete(
                    self.messages,
                    tools=TOOLS if self.looks < MOST_LOOKS else (PROPOSE, GIVE_UP),
                    max_tokens=min(ANSWER_TOKENS, self.model.context_tokens // 3),
                    cancelled=self.cancelled,
                )
            except ContextOverflow:
                self.characters //= 2
                self.begin()
                continue
            self.usage += reply.usage
            self.tell("asked", f"{number_of(self.usage.calls, 'call')} of {self.model.name}")
            return reply.model_copy(update={"tool_requests": reply.tool_requests[:8]})
        raise _Ended(f"the window of {self.model.name} is too small for the language and this folder")

    def check_ceiling(self) -> None:
        if self.ceiling is None or not self.usage.calls:
            return
        if self.usage.cost_usd is None:
            words = "the price of this model is not known, so the limit in US dollars was not kept"
            if words not in self.problems:
                self.problems.append(words)
        elif self.usage.cost_usd >= self.ceiling:
            raise _Ended(f"the limit of {self.ceiling:.2f} USD was reached")

    def answer(self, request: ToolRequest, is_cut: bool) -> tuple[str, bool]:
        """What the model is told of its call, and whether the call was of use."""
        try:
            if request.name == LOOK.name:
                return self.looked(read_answer(request.arguments, Look)), self.looks <= MOST_LOOKS
            if request.name == GIVE_UP.name:
                reason = cut(read_answer(request.arguments, GiveUp).reason, 500)
                self.given_up = f"the model gave up: {reason}"
                return "Noted.", True
            if request.name == PROPOSE.name:
                if self.over():
                    return "Not read: one proposal at a time, and this one came too late.", False
                return self.proposed(read_answer(request.arguments, ProposedSpec)), True
        except UnusableAnswer as error:
            cut_off = " The answer broke off because it was too long: write a shorter spec." if is_cut else ""
            return f"{error}{cut_off}", False
        return f"There is no tool {request.name!r}. There are: {', '.join(tool.name for tool in TOOLS)}.", False

    def looked(self, wanted: Look) -> str:
        self.looks += 1
        if self.looks > MOST_LOOKS:
            return "You have seen enough: propose a spec."
        self.tell("looked", f"{cut(wanted.path, 120)} from line {wanted.from_line}")
        try:
            return look(self.folder, wanted.path, wanted.from_line, wanted.lines)
        except CodeTracerError as error:
            return str(error)

    def proposed(self, answer: ProposedSpec) -> str:
        text = answer.spec if isinstance(answer.spec, str) else json.dumps(answer.spec, ensure_ascii=False, indent=1)
        number = len(self.attempts) + 1
        self.tell("proposed", f"proposal {number}", number)
        attempt = self.attempted(number, text)
        self.attempts.append(attempt)
        self.tell("judged", attempt_in_words(attempt), number)
        return self.feedback(attempt)

    def attempted(self, number: int, text: str) -> Attempt:
        if any(text.strip() == earlier.text.strip() for earlier in self.attempts):
            return Attempt(number, text, None, None, ("this is word for word what you handed in before",))
        try:
            spec = read_spec(text)
        except SpecError as error:
            return Attempt(number, text, None, None, (str(error),))
        if self.old is not None:
            spec = spec.model_copy(update={"name": self.old.name, "version": self.old.version + 1})
        else:
            taken = f"{spec.name!r} is the name of another extractor" if spec.name in self.taken else ""
            if problem := name_problem(spec.name) or taken:
                return Attempt(number, text, None, None, (f"{problem}: choose another name",))
        tried = try_spec(spec, self.folders, limits=LIMITS)
        return Attempt(number, text, spec, tried, tried.problems, self.worse(tried))

    def worse(self, tried: Tried) -> tuple[str, ...]:
        told = [
            f"{reading.path}: {'; '.join(changed)}"
            for reading in tried.readings
            if reading.extraction is not None and (changed := drift(self.accepted, fit_of(reading.extraction)))
        ]
        return tuple(told)

    def feedback(self, attempt: Attempt) -> str:
        left = self.most_attempts - len(self.attempts)
        after = f"{number_of(left, 'attempt')} left." if left else "That was the last attempt."
        if attempt.tried is None:
            return f"The spec cannot be used: {'; '.join(attempt.problems)}\n{after}"
        worse = "".join(f"\nread worse than before: {cut(words, 400)}" for words in attempt.worse)
        return f"{told(attempt.tried)}{worse}\n{after}"

    def tell(self, kind: ProgressKind, text: str, attempt: int | None = None) -> None:
        number = len(self.attempts) if attempt is None else attempt
        self.on_progress(Progress(datetime.now(UTC), kind, text, number, self.usage))

    def result(self, status: Status, reason: str) -> Proposed:
        """The best of what there is: it makes of a *failed* one a *complete* or *partial* one."""
        usable = [one for one in self.attempts if one.tried is not None and one.tried.judged is not None]
        best = max(usable, key=lambda one: (one.is_good, one.score), default=None)
        if best is not None and status == "failed":
            status = "complete" if best.is_good else "partial"
            if status == "complete":
                reason = ""
            elif len(self.attempts) >= self.most_attempts:
                reason = f"the best of {number_of(len(self.attempts), 'attempt')} {_lacks(best)}"
        if best is None and self.attempts and status == "failed":
            reason = f"{reason}; the last proposal: {'; '.join(self.attempts[-1].problems) or 'no run was read'}"
        spec, tried = (best.spec, best.tried) if best is not None else (None, None)
        self.tell("ended", f"{status}{f': {reason}' if reason else ''}")
        name, problems = self.model.name, tuple(self.problems)
        return Proposed(spec, tried, tuple(self.attempts), status, reason, problems, self.usage, name)


class _Ended(CodeTracerError):
    """No further call is made; the best proposal until then counts."""


def _lacks(best: Attempt) -> str:
    """Why a proposal that reads runs is not good enough."""
    tried = best.tried
    assert tried is not None
    told = ["does not pass every check"] if tried.judged is None or not tried.judged.passed else []
    unread = len(tried.readings) - len(tried.extractions)
    told += [f"cannot read {unread} of {number_of(len(tried.readings), 'run')}"] if unread else []
    told += [f"recognises nothing in {number_of(len(tried.missed), 'folder')}"] if tried.missed else []
    told += [f"reads {number_of(len(best.worse), 'run')} worse than before"] if best.worse else []
    return ", ".join(told)


def attempt_in_words(attempt: Attempt) -> str:
    """One line on a proposal."""
    if attempt.tried is None:
        return f"cannot be used: {attempt.problems[0]}"
    tried = attempt.tried
    if tried.judged is None:
        return "reads no run"
    steps = sum(extraction.trajectory.step_count for extraction in tried.extractions)
    failed = [check.name for check in tried.judged.checks if check.passed is False]
    checks = f"checks not passed: {', '.join(failed)}" if failed else "every check passed"
    checks += f"; {number_of(len(attempt.worse), 'run')} read worse than before" if attempt.worse else ""
    read, runs = len(tried.extractions), number_of(len(tried.readings), "run")
    return f"{runs if read == len(tried.readings) else f'{read} of {runs}'}, {number_of(steps, 'step')}; {checks}"


def _rules() -> str:
    return Path(__file__).with_name("generate.md").read_text(encoding="utf-8")
