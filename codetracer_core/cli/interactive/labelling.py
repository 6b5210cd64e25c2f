"""Commands that label: they store what the person says at once, under the person's name, and can be taken back."""

from collections.abc import Sequence
from typing import Any

from codetracer_core.cli.interactive.moving import steps_in
from codetracer_core.cli.interactive.session import Session
from codetracer_core.cli.terminal import one_line
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.models import Verdict
from codetracer_core.workflow import Said, label_run

NONE = ("none", "-")


def incorrect(session: Session, words: str) -> None:
    """Label a step, or several, incorrect."""
    _verdict(session, words, "incorrect")


def unuseful(session: Session, words: str) -> None:
    """… unuseful."""
    _verdict(session, words, "unuseful")


def correct(session: Session, words: str) -> None:
    """… correct."""
    _verdict(session, words, "correct")


def uncertain(session: Session, words: str) -> None:
    """… uncertain."""
    _verdict(session, words, "uncertain")


def unlabel(session: Session, words: str) -> None:
    """Take your label of a step back."""
    _verdict(session, words, None)


def _verdict(session: Session, words: str, verdict: Verdict | None) -> None:
    steps, reason = _steps_and_words(session, words)
    said = [Said("verdict", step, verdict) for step in steps]
    if reason:
        said += [Said("details", step, _with_reason(session, step, reason)) for step in steps]
    _store(session, said, f"{_steps(steps)}: {verdict or 'unlabelled'}{f' ({reason})' if reason else ''}")


def reason(session: Session, words: str) -> None:
    """Say why a step is labelled as it is."""
    steps, why = _steps_and_words(session, words)
    if not why:
        raise CodeTracerError("reason 12 because …")
    _store(
        session, [Said("details", step, _with_reason(session, step, why)) for step in steps], f"{_steps(steps)}: {why}"
    )


def onset(session: Session, words: str) -> None:
    """The step that took the run off track."""
    if words in NONE:
        _store(session, [Said("onset", None, None)], "no onset")
        return
    steps, _ = _steps_and_words(session, words)
    if len(steps) != 1:
        raise CodeTracerError("the onset is one step")
    _store(session, [Said("onset", None, steps[0])], f"onset: step {steps[0]}")


def omission(session: Session, words: str) -> None:
    """What should have been done after a step."""
    steps, what = _steps_and_words(session, words)
    if len(steps) != 1 or not what:
        raise CodeTracerError("should 12 run the tests ('should 12 none' takes it back)")
    value = None if what in NONE else what
    _store(
        session, [Said("omission", steps[0], value)], f"after step {steps[0]} should have: {value or 'nothing noted'}"
    )


def note(session: Session, words: str) -> None:
    """A note on the whole run."""
    if not words:
        raise CodeTracerError("note what you want to say of the run ('note none' takes it back)")
    value = None if words in NONE else words
    _store(session, [Said("note", None, value)], f"note: {value or 'none'}")


def judge(session: Session, words: str) -> None:
    """What you say of the whole run: no_error, has_error or uncertain."""
    value = None if words in NONE else words
    _store(session, [Said("run_verdict", None, value)], f"the run: {value or 'no verdict'}")


def undo(session: Session, words: str) -> None:
    """Take back the last act of labelling of this session."""
    if not session.undone:
        raise NotFound("there is nothing to take back in this session")
    said = session.undone[-1]
    _store(session, said, f"taken back: {'; '.join(_in_words(one) for one in said)}", can_be_undone=False)
    session.undone.pop()


def labels(session: Session, words: str) -> None:
    """What you say of this run."""
    if not session.own:
        session.say(f"{session.who} has not labelled this run")
    of_run = [(name, value) for (name, step), value in session.own.items() if step is None and value is not None]
    for name, value in of_run:
        if name in ("onset", "run_verdict", "note", "tags"):
            session.say(f"{name.replace('_', ' ')}: {one_line(str(value), 300)}")
    for number in sorted({step for _, step in session.own if step is not None}):
        omitted = session.own.get(("omission", number))
        details = session.own.get(("details", number)) or {}
        told = [session.own.get(("verdict", number)), details.get("reason"), omitted and f"should have: {omitted}"]
        if any(told):
            session.say(f"step {number}: {one_line(' · '.join(part for part in told if part), 300)}")


def _store(session: Session, said: Sequence[Said], told: str, *, can_be_undone: bool = True) -> None:
    if session.view.run_id is None:
        raise CodeTracerError(
            "labels are kept in a workspace, and this run is not imported",
            remedy="Import it ('codetracer import'), and open it by its id.",
        )
    before = [Said(one.field, one.step_id, session.own.get((one.field, one.step_id))) for one in said]
    waits = label_run(session.view.run_id, said, annotator=session.who, workspace=session.place)
    for one in said:
        session.own[one.field, one.step_id] = one.value
    if can_be_undone:
        session.undone.append(before)
    session.say(f"{told}, by {session.who} ({waits or 'saved'})", "green")


def _with_reason(session: Session, step: int, reason: str) -> dict[str, Any]:
    return {**(session.own.get(("details", step)) or {}), "reason": reason}


def _steps_and_words(session: Session, words: str) -> tuple[list[int], str]:
    """The steps that are named first (else the one where one stands), and what follows them."""
    first, _, rest = words.partition(" ")
    steps = steps_in(session, first) if first else None
    if steps is None:
        steps, rest = [session.step.step_id], words
    return steps, rest.strip()


def _steps(steps: Sequence[int]) -> str:
    from codetracer_core.cli.diagnosis_terminal import steps_in_words

    return steps_in_words(steps)


def _in_words(said: Said) -> str:
    of = f"step {said.step_id}" if said.step_id else "the run"
    value = said.value.get("reason", "") if isinstance(said.value, dict) else said.value
    return one_line(f"{of} {said.field.replace('_', ' ')} is {value or 'none'} again", 120)
