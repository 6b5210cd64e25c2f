"""Leaving a session, and going on where the last one was left."""

from datetime import UTC, datetime

from codetracer_core.cli.interactive import kept, moving
from codetracer_core.cli.interactive.kept import Kept
from codetracer_core.cli.interactive.session import Session
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.store import Workspace
from codetracer_core.words import number_of


def offer_to_go_on(session: Session) -> None:
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
