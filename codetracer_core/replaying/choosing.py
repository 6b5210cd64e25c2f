"""From which step a run is replayed, with whose advice, and what the original still had from there on."""

from dataclasses import dataclass

from codetracer_core.analytics.frames import Labels
from codetracer_core.diagnosis_models import Diagnosis
from codetracer_core.errors import NotFound
from codetracer_core.models import LabelSource, Trajectory
from codetracer_core.replay.models import Budget
from codetracer_core.store import Reader, StoredEvent

_HOW = "Name a step with its number, or have the run diagnosed first."


@dataclass(frozen=True)
class Choice:
    """A step to replay from."""

    step_id: int
    origin: str
    """Who says that this is where it went wrong, in words."""
    diagnosis_id: str = ""
    """The diagnosis that says it; empty: it was not one."""


def choose_step(
    reader: Reader, run_id: str, who: str | None = None, *, diagnosis_id: str = "", annotator: str = ""
) -> Choice:
    """The failure onset of a run: the adjudicated one, else that of the diagnosis that is asked for, else of the latest
    diagnosis that has an accepted one, else what ``annotator`` labelled themselves.

    ``who`` asks for one voice only, as ``Labels.parse`` reads it: ``adjudicated``, ``model:NAME``, ``human:NAME`` and
    ``ground_truth``, which is never taken unless it is asked for. Raises NotFound if nobody says so.
    """
    if who is not None:
        asked = Labels.parse(who)
        found = _labelled(reader, run_id, asked.source, asked.name)
        if found is None:
            raise NotFound(f"there is no failure onset of {run_id!r} by {asked}", remedy=_HOW)
        return found
    found = _labelled(reader, run_id, "adjudicated") or _diagnosed(reader, run_id, diagnosis_id)
    if found is None and annotator:
        found = _labelled(reader, run_id, "human", annotator)
    if found is None:
        raise NotFound(f"nobody has said yet at which step {run_id!r} went wrong", remedy=_HOW)
    return found


def advisor(reader: Reader, run_id: str, diagnosis_id: str | None = None) -> Diagnosis | None:
    """The diagnosis whose advice a model is given: the one that is named, else the latest one with an accepted onset or
    a corrective strategy; None: there is none. Raises NotFound for an id that is not there."""
    if diagnosis_id:
        return reader.diagnosis(diagnosis_id)
    for one in _usable(reader, run_id):
        if one.accepted_onset is not None or one.correct_strategy.strip():
            return one
    return None


def _usable(reader: Reader, run_id: str) -> list[Diagnosis]:
    """The diagnoses of the run as it is, the newest first."""
    ids = [one.diagnosis_id for one in reader.diagnoses([run_id]) if not one.outdated and one.status != "failed"]
    whole = reader.whole_diagnoses(ids)
    return [whole[one] for one in ids if one in whole]


def _diagnosed(reader: Reader, run_id: str, diagnosis_id: str) -> Choice | None:
    asked = [reader.diagnosis(diagnosis_id)] if diagnosis_id else _usable(reader, run_id)
    for one in asked:
        if one.run_id == run_id and one.accepted_onset is not None:
            when = one.finished_at.date().isoformat()
            return Choice(one.accepted_onset.step_id, f"the diagnosis by {one.author} of {when}", one.diagnosis_id)
    return None


def _labelled(reader: Reader, run_id: str, source: LabelSource, annotator: str = "") -> Choice | None:
    said = [
        event
        for event in reader.labels(run_id, source=source, annotator=annotator or None)
        if event.field == "onset" and isinstance(event.value, int)
    ]
    if source == "ground_truth" and any(run.misaligned for run in reader.runs(ids=[run_id])):
        return None  # the benchmark counts other steps than the run has
    if source == "ground_truth" and not said:
        return _first_incorrect(reader, run_id)
    if not said:
        return None
    last = max(said, key=lambda event: event.arrival)
    return Choice(int(last.value), _in_words(last))


def _first_incorrect(reader: Reader, run_id: str) -> Choice | None:
    """Ground truth names incorrect steps, not onsets: the first of them stands for it."""
    steps = [
        event.step_id
        for event in reader.labels(run_id, source="ground_truth")
        if event.field == "verdict" and event.value == "incorrect" and event.step_id is not None
    ]
    return Choice(min(steps), "the first step that the ground truth calls incorrect") if steps else None


def _in_words(event: StoredEvent) -> str:
    return {
        "adjudicated": "the adjudicated failure onset",
        "human": f"the failure onset as {event.annotator} labelled it",
        "model": f"the failure onset as {event.annotator} labelled it",
        "ground_truth": "the failure onset in the ground truth",
    }[event.source]


# --- what the original still had --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Matched:
    """What the original used from a step on: the budget that is the same for its replay. None: not known.

    What it was allowed at most, the files of a run do not tell."""

    steps: int
    tokens: int | None = None
    cost_usd: float | None = None

    def budget(
        self, *, max_steps: int | None = None, cost_limit_usd: float | None = None, token_limit: int | None = None
    ) -> Budget:
        """The matched budget. ``max_steps`` holds instead of the original's, if it is given; the other limits where the
        original's use is not known, or where they are lower."""
        costs = [one for one in (self.cost_usd, cost_limit_usd or Budget().cost_limit_usd) if one]
        tokens = [one for one in (self.tokens, token_limit) if one is not None and one >= 1_000]
        return Budget(
            max_steps=max_steps or max(1, self.steps),
            cost_limit_usd=min(costs),
            token_limit=min(tokens, default=None),
            matched=self.steps > 0 and max_steps in (None, self.steps),
        )


def matched_budget(trajectory: Trajectory, step_id: int) -> Matched:
    """The steps that the original took from ``step_id`` on, and the tokens and money if that is the whole run: its
    files tell those for the run, not by step."""
    steps = max(0, trajectory.step_count - step_id + 1)
    if step_id > 1:
        return Matched(steps)
    usage = trajectory.usage
    known = usage.prompt_tokens is not None and usage.completion_tokens is not None
    tokens = (usage.prompt_tokens or 0) + (usage.completion_tokens or 0) if known else None
    return Matched(steps, tokens, usage.cost_usd)
