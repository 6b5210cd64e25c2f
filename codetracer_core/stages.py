"""Stages of a run that nobody annotated: a transparent split by what the steps are for and which files they name."""

import math
from bisect import insort
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

from codetracer_core.actions import Decision, Purpose, classify, shown
from codetracer_core.models import Stage, Trajectory

# The people who annotated 44 runs of CodeTraceBench made 3 to 9 stages of 20 to 50 steps and 13 to 16 of 106 to 166:
# the number grows with the square root of the length. With this factor it is met to ±1.2 stages on average.
STAGES_PER_ROOT = 1.1
WINDOW = 4
SHORTEST = 2
LEAST_DIFFERENCE = 0.5

RULE = (
    f"cut where the purposes of the {WINDOW} steps before and the {WINDOW} steps after, and the files they name,"
    f" differ most, long stages first; about {STAGES_PER_ROOT}·√n stages for n steps, none shorter than {SHORTEST},"
    " parallel calls kept together"
)

Phase = Literal["edit", "set up", "check", "look", "submit"]
_PHASES: dict[Purpose, Phase] = {
    "edit": "edit",
    "version control": "edit",
    "install": "set up",
    "build": "set up",
    "run": "check",
    "delegate": "check",
    "test": "check",
    "output": "check",
    "network": "look",
    "read": "look",
    "search": "look",
    "submit": "submit",
}
"""Purposes that are missing here (waiting, notes, messages, ``cd``) belong to whatever is going on."""


def _phase(decision: Decision) -> Phase | None:
    if decision.purpose == "network" and decision.kind == "change":  # a download, an upload: no mere look
        return "set up"
    return _PHASES.get(decision.purpose)


class Decided(Protocol):
    """A trace tree, as far as stages need it."""

    @property
    def decisions(self) -> Sequence[Decision]: ...


@dataclass(frozen=True, slots=True)
class StageSplit:
    """``stages`` cover the steps of a run from 1 to the last without gaps; ``rule`` says how they were found."""

    stages: tuple[Stage, ...]
    rule: str


def offline_stages(trajectory: Trajectory, decided: Sequence[Decision] | Decided | None = None) -> StageSplit:
    """Split a run by ``RULE``; a run without steps has no stages.

    ``decided`` are the decisions, one per step in order, or the tree that was built from them; None: classify here.
    Raises ValueError if there is not exactly one decision for each step.
    """
    if decided is None:
        decisions: Sequence[Decision] = [classify(step) for step in trajectory.steps]
    else:
        decisions = decided if isinstance(decided, Sequence) else decided.decisions
    if len(decisions) != trajectory.step_count:
        raise ValueError(f"{len(decisions)} decisions for {trajectory.step_count} steps")
    cuts = _cuts(trajectory, decisions)
    bounds = [0, *cuts, len(decisions)]
    stages = tuple(
        Stage(stage_id=number, start_step_id=start + 1, end_step_id=end, name=_name(decisions[start:end]))
        for number, (start, end) in enumerate(pairwise(bounds), start=1)
        if end > start
    )
    return StageSplit(stages, RULE)


def validate_stages(stages: Sequence[Stage], step_count: int) -> list[str]:
    """What is wrong with stages of a run with ``step_count`` steps, in sentences; none: they cover it exactly.

    Stages are looked at in the order of their ranges, whatever their order in the list.
    """
    problems = [
        f"Two stages have the number {number}."
        for number, count in Counter(stage.stage_id for stage in stages).items()
        if count > 1
    ]
    covered = 0
    for stage in sorted(stages, key=lambda stage: (stage.start_step_id, stage.end_step_id)):
        name = f"Stage {stage.stage_id} (steps {stage.start_step_id} to {stage.end_step_id})"
        if stage.end_step_id < stage.start_step_id:
            problems.append(f"{name} ends before it begins.")
            continue
        if stage.end_step_id > step_count:
            problems.append(f"{name} goes beyond the last step, {step_count}.")
        if stage.start_step_id <= covered:
            problems.append(f"{name} begins before the stage before it has ended, at step {covered}.")
        elif stage.start_step_id > covered + 1:
            problems.append(f"{_steps(covered + 1, stage.start_step_id - 1)} before {name} in no stage.")
        covered = max(covered, stage.end_step_id)
    if covered < step_count:
        problems.append(f"{_steps(covered + 1, step_count)} at the end in no stage.")
    return problems


def _steps(first: int, last: int) -> str:
    return f"Step {first} is" if first == last else f"Steps {first} to {last} are"


# ---------------------------------------------------------------- where to cut


def _cuts(trajectory: Trajectory, decisions: Sequence[Decision]) -> list[int]:
    """The places to cut, in order; a cut at k stands between steps k and k + 1."""
    count = len(decisions)
    phases = _phases(decisions)
    names = [_places(decision) for decision in decisions]
    groups = [step.parallel_group for step in trajectory.steps]

    def difference(at: int) -> float:
        before, after = slice(max(0, at - WINDOW), at), slice(at, at + WINDOW)
        files = _distance(_flat(names[before]), _flat(names[after]))
        return _distance(phases[before], phases[after]) + files + (phases[at - 1] != phases[at])

    strength = {at: difference(at) for at in range(1, count) if groups[at] is None or groups[at] != groups[at - 1]}
    wanted = min(round(STAGES_PER_ROOT * math.sqrt(count)), math.ceil(count / 4)) - 1
    bounds = [0, count]
    for _ in range(wanted):
        best, best_cut = 0.0, 0
        for start, end in pairwise(bounds):
            for at in range(start + SHORTEST, end - SHORTEST + 1):
                found = strength.get(at, 0.0)
                if found >= LEAST_DIFFERENCE and found * math.sqrt(end - start) > best:
                    best, best_cut = found * math.sqrt(end - start), at
        if not best_cut:
            break
        insort(bounds, best_cut)
    return bounds[1:-1]


def _phases(decisions: Sequence[Decision]) -> list[Phase]:
    """What is going on at each step; a step that says nothing of it belongs to the one before (at first: looking)."""
    phases: list[Phase] = []
    for decision in decisions:
        phases.append(_phase(decision) or (phases[-1] if phases else "look"))
    return phases


def _places(decision: Decision) -> tuple[str, ...]:
    """The files of a step and the folders they lie in: steps in one folder are closer than steps in two."""
    return tuple(place for target in decision.targets for place in (target, target.rpartition("/")[0]) if place)


def _flat(names: Iterable[tuple[str, ...]]) -> list[str]:
    return [name for part in names for name in part]


def _distance(before: Sequence[Hashable], after: Sequence[Hashable]) -> float:
    """Total variation distance of what is counted before and after: 0 the same, 1 nothing in common or not known."""
    if not before or not after:
        return 0.0
    left, right = Counter(before), Counter(after)
    keys = left.keys() | right.keys()
    # Exact, whatever the order: that of a set differs between processes, and ties are decided by the last digit.
    return math.fsum(abs(left[key] / len(before) - right[key] / len(after)) for key in keys) / 2


# ---------------------------------------------------------------- what to call a stage

_WEIGHTS: dict[Phase, int] = {"edit": 2, "set up": 2, "check": 1, "look": 1, "submit": 1}


def _name(decisions: Sequence[Decision]) -> str:
    """What happens in a stage: its main phase, and the second one if it has at least half the weight."""
    weights: Counter[Phase] = Counter()
    for decision in decisions:
        if phase := _phase(decision):
            weights[phase] += _WEIGHTS[phase]
    if not weights:
        return "wait" if any(decision.purpose == "wait" for decision in decisions) else "talk"
    (main, most), *others = weights.most_common()
    told = [_verb_and_target(main, decisions)]
    told += [_verb_and_target(phase, decisions) for phase, weight in others[:1] if 2 * weight >= most]
    (verb, target), (other_verb, other_target) = told[0], told[-1]
    if other_verb == verb:
        return f"{verb} {target}".rstrip()
    if target == other_target:
        return f"{verb} and {other_verb} {target}".rstrip()
    return f"{verb} {target}".rstrip() + f" and {other_verb} {other_target}".rstrip()


def _verb_and_target(phase: Phase, decisions: Sequence[Decision]) -> tuple[str, str]:
    parts = [decision for decision in decisions if _phase(decision) == phase]
    purposes = {part.purpose for part in parts}
    match phase:
        case "edit" if "edit" in purposes:
            return "edit", _target(parts, "edit")
        case "edit":
            return "use", "version control"
        case "set up" if "install" in purposes:
            return "install", _target(parts, "install")
        case "set up" if "build" in purposes:
            return "build", ""
        case "set up":
            return "use", "the network"
        case "check" if "test" in purposes:
            return "run", "tests"
        case "check" if purposes == {"delegate"}:
            return "delegate", ""
        case "check":
            return "run", _target(parts, "run")
        case "look":
            one_file = _target(parts, "read", "search", least_share=0.5)
            return ("read", one_file) if one_file else ("explore", "")
        case "submit":
            return "submit", ""


def _target(parts: Sequence[Decision], *purposes: Purpose, least_share: float = 0.0) -> str:
    """What these steps name most often, its last two parts; "" if less than this share of them name it."""
    counted = [part for part in parts if part.purpose in purposes]
    targets = Counter(target for part in counted for target in dict.fromkeys(part.targets))
    if not targets:
        return ""
    target, times = targets.most_common(1)[0]
    if times <= least_share * len(counted):
        return ""
    return shown("/".join([part for part in target.split("/") if part][-2:]) or target, 40)
