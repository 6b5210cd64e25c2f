"""The loop that reads a line and carries it out, in sessions on one run after the other."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codetracer_core.cli.interactive import moving, rendering
from codetracer_core.cli.interactive.choosing import CHOOSE, chosen
from codetracer_core.cli.interactive.lines import lines_of_this_process
from codetracer_core.cli.interactive.resuming import leave, offer_to_go_on
from codetracer_core.cli.interactive.session import Session, opened
from codetracer_core.cli.interactive.table import COMMANDS, complete, parsed
from codetracer_core.cli.terminal import one_line
from codetracer_core.errors import CodeTracerError
from codetracer_core.store import Workspace
from codetracer_core.words import number_of


def begin(
    run: str | None,
    who: str,
    place: Path,
    settings: Path | None,
    given: Mapping[str, Any],
    format: str | None = None,
) -> None:
    """Sessions on one run after the other, until somebody leaves. Raises what opening a run raises."""
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


def _lead(session: Session) -> None:
    moving.overview(session)
    offer_to_go_on(session)
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
