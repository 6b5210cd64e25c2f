"""Commands that go through the run: tree, steps, texts, search."""

import re

from codetracer_core.cli.interactive import rendering
from codetracer_core.cli.interactive.kept import Walk
from codetracer_core.cli.interactive.session import Session
from codetracer_core.cli.terminal import one_line
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.words import number_of, outcome_alone

WALKS: dict[str, Walk] = {
    "all": "all",
    "change": "changes",
    "changes": "changes",
    "failed": "failed",
    "labelled": "labelled",
    "unlabelled": "unlabelled",
    "found": "found",
    "hits": "hits",
    "hit": "hits",
}
MOST_HITS = 20
_RANGE = re.compile(r"(\d{1,9})(?:\s*(?:-|–|\.\.)\s*(\d{1,9}))?")


def overview(session: Session, words: str = "") -> None:
    """What this run is."""
    run = session.view.trajectory
    outcome = outcome_alone(run.outcome.solved)
    kinds = [row.kind for row in session.view.tree.rows]
    facts = (run.agent, run.model, run.task, outcome, number_of(run.step_count, "step"))
    session.say(session.run_id, "bold")
    session.say(one_line(" · ".join(part for part in facts if part), 300))
    told = [
        f"{kinds.count('change')} change, {kinds.count('explore')} explore",
        number_of(len(session.view.stages), "stage"),
    ]
    told += [f"{number_of(len(session.verdicts), 'label')} of yours"] if session.verdicts else []
    session.say(f"{' · '.join(told)} · you are {session.who}; 'help' lists what can be typed", "dim")


def show(session: Session, words: str = "") -> None:
    """The step where one stands."""
    step, row = session.step, session.view.tree.rows[session.at - 1]
    details = session.own.get(("details", step.step_id)) or {}
    reason = f" ({details['reason']})" if details.get("reason") else ""
    verdict = session.verdicts.get(step.step_id)
    marks = ["your onset"] if session.onset == step.step_id else []
    marks += [f"diagnosis: {session.found[step.step_id]}"] if step.step_id in session.found else []
    if session.walk != "all" and step.step_id in (steps := walked(session)):
        marks.append(f"{steps.index(step.step_id) + 1} of {len(steps)} {session.walk}")
    head = rendering.heading(
        step,
        row,
        session.count,
        stage=session.stage_of(step.step_id),
        verdict=f"{verdict}{reason}" if verdict else "",
        marks=marks,
    )
    session.more = rendering.say_step(session.out, step, head)


def go_to(session: Session, words: str) -> None:
    """Show a step by its number."""
    numbers = steps_in(session, words)
    if numbers is None or len(numbers) != 1:
        raise CodeTracerError("which step?", remedy=f"There are 1 to {session.count}.")
    session.at = numbers[0]
    show(session)


def next_(session: Session, words: str) -> None:
    """The next step; of changes, labelled ones … if that is said."""
    _move(session, words, 1)


def previous(session: Session, words: str) -> None:
    """The step before."""
    _move(session, words, -1)


def _move(session: Session, words: str, direction: int) -> None:
    walk = _walk(words) if words else session.walk
    steps = walked(session, walk)
    ahead = [step for step in steps if (step - session.at) * direction > 0]
    if not ahead:
        which = "step" if walk == "all" else f"step of {walk!r}"
        raise NotFound(f"there is no {which} {'after' if direction > 0 else 'before'} this one")
    session.at = min(ahead) if direction > 0 else max(ahead)
    show(session)


def walk(session: Session, words: str) -> None:
    """Which steps "next" and "previous" stop at."""
    session.walk = _walk(words or "all")
    steps = walked(session)
    session.say(f"n and p walk {session.walk}: {number_of(len(steps), 'step')}")


def _walk(words: str) -> Walk:
    if words not in WALKS:
        raise CodeTracerError(f"one walks {', '.join(dict.fromkeys(WALKS.values()))}")
    return WALKS[words]


def walked(session: Session, walk: Walk | None = None) -> list[int]:
    """The steps at which "next" stops, in order."""
    rows, steps = session.view.tree.rows, session.view.trajectory.steps
    match walk or session.walk:
        case "changes":
            return [row.step_id for row in rows if row.kind == "change"]
        case "failed":
            return [step.step_id for step in steps if step.exit_code not in (None, 0) or not step.executed]
        case "labelled":
            return sorted({*session.verdicts, *([session.onset] if session.onset else [])})
        case "unlabelled":
            return [step.step_id for step in steps if step.step_id not in session.verdicts]
        case "found":
            return sorted(session.found)
        case "hits":
            return list(session.hits)
        case _:
            return [step.step_id for step in steps]


def tree(session: Session, words: str) -> None:
    """The trace tree: folded into stages, or all of it, or a stretch."""
    view = session.view
    if not session.count:
        raise NotFound("this run has no steps")
    if not words:
        rendering.say_folded_tree(session.out, view.tree, view.stages, session.at, session.verdicts, session.onset)
    else:
        kind, _, number = words.partition(" ")
        if words == "all":
            first, last = 1, session.count
        elif kind == "stage" and number.isdigit():
            stage = next((one for one in view.stages if one.stage_id == int(number)), None)
            if stage is None:
                raise NotFound(f"there is no stage {number}: there are {len(view.stages)}")
            first, last = stage.start_step_id, stage.end_step_id
        else:
            numbers = steps_in(session, words)
            if not numbers:
                raise CodeTracerError("tree, tree all, tree 10-20, or tree stage 2")
            first, last = numbers[0], numbers[-1]
        rendering.say_tree(session.out, view.tree, first, last, session.at, session.verdicts, session.onset)
    session.say(rendering.LEGEND, "dim")


# --- texts ----------------------------------------------------------------------------------------------------


def thought(session: Session, words: str) -> None:
    """The whole thought of the step."""
    _text(session, words, "thought")


def action(session: Session, words: str) -> None:
    """The whole action."""
    _text(session, words, "action")


def observation(session: Session, words: str) -> None:
    """The whole observation."""
    _text(session, words, "observation")


def _text(session: Session, words: str, name: str) -> None:
    if words:
        numbers = steps_in(session, words)
        if numbers is None or len(numbers) != 1:
            raise CodeTracerError(f"{name}, or {name} 12")
        session.at = numbers[0]
    text = getattr(session.step, name)
    if text is None:
        raise NotFound(f"the run's files hold no {name} of step {session.at}")
    ref = getattr(session.step, f"{name}_ref")
    where = f" ({ref.path}, line {ref.line_start})" if ref else ""
    session.say(f"{name} of step {session.at}{where}, {len(text):,} characters", "bold")
    session.more = rendering.lines_of(text)
    go_on(session, "")


def go_on(session: Session, words: str) -> None:
    """The next page of a long text."""
    if not session.more:
        raise NotFound("there is no more of it")
    page = len(session.more) if words == "all" else rendering.page_of()
    rendering.say_lines(session.out, session.more[:page])
    session.more = session.more[page:]
    if session.more:
        session.say(f"… {number_of(len(session.more), 'more line')}: 'more', or 'more all'", "dim")


def task(session: Session, words: str) -> None:
    """What the agent was asked to do."""
    text = session.view.trajectory.task_text
    if not text:
        raise NotFound("the run's files do not hold the text of the task")
    session.more = rendering.lines_of(text)
    go_on(session, "")


# --- searching ------------------------------------------------------------------------------------------------


def search(session: Session, words: str) -> None:
    """Steps that hold a text; "next" and "previous" then walk them. Without a text the search is over."""
    if not words:
        session.searched, session.hits, session.walk = "", (), "all"
        session.say("the search is over: n and p walk all steps")
        return
    hits = steps_with(session, words)
    if not hits:
        raise NotFound(f"no step holds {one_line(words, 80)!r}")
    session.searched, session.hits, session.walk = words, hits, "hits"
    for number in hits[:MOST_HITS]:
        session.say(f"{number:5}  {_excerpt(session, number, words)}")
    if len(hits) > MOST_HITS:
        session.say(f"… and {len(hits) - MOST_HITS} more", "dim")
    session.say(f"{number_of(len(hits), 'step')}: n and p walk them, 'search' alone ends that", "dim")
    session.at = next((number for number in hits if number >= session.at), hits[0])
    show(session)


def steps_with(session: Session, text: str) -> tuple[int, ...]:
    """Steps whose thought, action or observation holds a text, whatever the case."""
    wanted = text.lower()
    return tuple(
        step.step_id
        for step in session.view.trajectory.steps
        if any(wanted in (part or "").lower() for part in (step.action, step.observation, step.thought))
    )


def _excerpt(session: Session, number: int, words: str) -> str:
    step = session.view.trajectory.steps[number - 1]
    for name in ("action", "observation", "thought"):
        text = getattr(step, name) or ""
        at = text.lower().find(words.lower())
        if at >= 0:
            return f"{name}: {one_line(text[max(0, at - 40) : at + 80], 110)}"
    return ""


def is_step(line: str) -> bool:
    return line.isascii() and line.isdigit()


def steps_in(session: Session, words: str) -> list[int] | None:
    """ "12", "3-5", "3,7-9", "." (this one) as numbers in order; None: these are no steps.

    Raises NotFound for steps that the run has not."""
    if words == ".":
        return [session.at]
    numbers: set[int] = set()
    for part in words.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            return None
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= session.count:
            raise NotFound(f"there is no step {part.strip()}: the run has 1 to {session.count}")
        numbers.update(range(first, last + 1))
    return sorted(numbers)
