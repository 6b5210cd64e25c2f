"""Commands that ask somebody else: a diagnosis, free questions to a model, a replay, files, the dashboard."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from codetracer_core.cli import terminal
from codetracer_core.cli.diagnosis_terminal import print_diagnosis, usage_in_words, watching
from codetracer_core.cli.interactive.session import Session
from codetracer_core.cli.terminal import one_line
from codetracer_core.diagnosis.asking import Exchange, ask
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.export import folder_name
from codetracer_core.exporting import page_of, write_normalised, write_text
from codetracer_core.quotes import holds
from codetracer_core.store import Store, lock_holder
from codetracer_core.workflow import note_shown

if TYPE_CHECKING:
    from codetracer_core.diagnosis_models import Citation, Diagnosis
    from codetracer_core.store import StoredEvent

_ADDRESS = re.compile(r"https?://[\w.:\[\]-]+")


def diagnose(session: Session, words: str) -> None:
    """Have the run diagnosed, and watch; Ctrl-C ends it and keeps what was found."""
    from codetracer_core import diagnosing

    _before_it_is_seen(session)
    if words:
        session.given["llm.model"] = words
    config, model = session.config(), session.model()
    with terminal.stoppable() as received, watching() as tell:
        if session.folder is not None:
            settings = config.settings.model_copy(update={"use_memory": False})
            made = diagnosing.diagnose_folder(
                session.folder, model=model, settings=settings, on_progress=tell, cancelled=lambda: bool(received)
            )
            diagnosis = made.diagnosis
        else:
            with Store.open_for_reading(session.place) as reader:
                diagnosis = diagnosing.diagnose_run(
                    reader,
                    session.place,
                    session.run_id,
                    model=model,
                    settings=config.settings,
                    memory_characters=config.memory.max_characters,
                    on_progress=tell,
                    cancelled=lambda: bool(received),
                )
    if diagnosis.status == "failed":
        raise CodeTracerError(f"the diagnosis failed: {diagnosis.status_reason}")
    _show(session, diagnosis)


def diagnosis(session: Session, words: str) -> None:
    """The latest diagnosis of this run."""
    if session.folder is not None:
        raise NotFound("of a run that is not imported no diagnosis is stored", remedy="'diagnose' makes one.")
    _before_it_is_seen(session)
    with Store.open_for_reading(session.place) as reader:
        made = reader.diagnoses([session.run_id])
        if not made:
            raise NotFound("this run was not diagnosed yet", remedy="'diagnose' has it done.")
        latest = reader.diagnosis(made[0].diagnosis_id)
    _show(session, latest)


def _show(session: Session, diagnosis: "Diagnosis") -> None:
    print_diagnosis(diagnosis, session.run_id)
    session.found = {finding.step_id: finding.verdict for finding in diagnosis.accepted}
    if session.found:
        session.say("'next found' walks the steps that it labels", "dim")


def _before_it_is_seen(session: Session) -> None:
    """On record, for a run of the workspace: what models say of a run is not for those who label it blind."""
    if session.view.run_id is not None:
        note_shown(session.view.run_id, "model", annotator=session.who, workspace=session.place)


# --- questions ------------------------------------------------------------------------------------------------


def question(session: Session, words: str) -> None:
    """Ask the model anything about this run; its quotes are looked up. Without a question: what was said so far."""
    _before_it_is_seen(session)
    if not words:
        for one in session.conversation:
            session.say(f"you: {one.question}", "bold")
            _say_exchange(session, one)
        if not session.conversation:
            session.say("nothing was asked yet: ask why did the tests fail?")
        return
    from codetracer_core.config import language_model_of

    model = language_model_of(session.config(), "answer questions", "Name a model: model openai/gpt-5")
    with terminal.stoppable() as received, watching() as tell:
        exchange = ask(
            words,
            session.read(),
            model,
            session.config().settings,
            before=session.conversation,
            on_progress=tell,
            cancelled=lambda: bool(received),
        )
    if exchange.answer:
        session.conversation.append(exchange)
    _say_exchange(session, exchange)


def _say_exchange(session: Session, exchange: Exchange) -> None:
    """What a model said stands on indented lines, so that it passes for nothing else."""
    for line in exchange.answer.splitlines():
        session.say(f"  {line}")
    for citation in exchange.citations:
        session.say(f"    {_cited(session, citation)}", "cyan" if _stands(session, citation) else "yellow")
    if exchange.unknown_steps:
        named = ", ".join(map(str, exchange.unknown_steps))
        session.say(f"  it names steps that are not there: {named}", "yellow")
    if exchange.answer and not exchange.citations:
        session.say("  no quote supports this", "yellow")
    if exchange.failed:
        session.say(f"no answer: {exchange.failed}", "red")
    session.say(f"  {one_line(exchange.model, 60)}: {usage_in_words(exchange.usage)}", "dim")


def _cited(session: Session, citation: "Citation") -> str:
    words = f": “{one_line(citation.text, 300)}”" if citation.text else ""
    return f"step {citation.step_id}{words}{'' if _stands(session, citation) else ' [unsupported]'}"


def _stands(session: Session, citation: "Citation") -> bool:
    """Whether the run says so, as it is now: a conversation can be older than a later import."""
    if not citation.text:
        return citation.step_id <= session.count
    return citation.quote is not None and holds(citation.quote, session.read().trajectory)


def forget(session: Session, words: str) -> None:
    """Begin a new conversation."""
    session.conversation, session.reading = [], None
    session.say("the conversation is forgotten")


def choose_model(session: Session, words: str) -> None:
    """Which model is asked from now on; without a name: which one is."""
    if words:
        session.given["llm.model"] = words
        session.model()
    session.say(f"model: {session.config().llm.model or 'none chosen'}")


# --- other commands -------------------------------------------------------------------------------------------


def replay(session: Session, words: str) -> None:
    """Replay the run up to a step and let a model go on; the words are those of 'codetracer replay'."""
    _before_it_is_seen(session)  # the diagnosis is its advice
    asked = _split(words)
    named = {word.partition("=")[0] for word in asked}
    if not {"--step", "--auto", "--onset-of"} & named:
        asked = ["--step", str(session.at), *asked]
    for option, value in {
        "--model": session.given.get("llm.model"),
        "--api-base": session.given.get("llm.api_base"),
        "--cost-limit": session.given.get("trace.cost_limit_usd"),
        "--config": session.settings,
    }.items():
        if value is not None and option not in named:
            asked += [option, str(value)]
    _run(session, ["replay", _name(session), *asked])


def export(session: Session, words: str) -> None:
    """Write the run, or your labels, into files: never what others say of it."""
    form, *rest = _split(words) or ["html"]
    if len(rest) > 1 or any(word.startswith("-") for word in rest):
        raise CodeTracerError("export FORM FILE", remedy="For more there is 'codetracer export'.")
    if form == "html":
        target = Path(rest[0] if rest else f"{folder_name(Path(_name(session)).name)}.html")
        write_text(target, page_of(session.view, _own_labels(session)))
    elif form == "steps":
        target = write_normalised(session.view, Path(rest[0] if rest else "exported", folder_name(session.run_id)))
    else:
        whose = ["--source", "human", "--annotator", session.who]
        _run(session, ["export", _name(session), "--to", form, *whose, *(["--out", *rest] if rest else [])])
        return
    session.say(str(target))


def _own_labels(session: Session) -> list["StoredEvent"]:
    if session.view.run_id is None:
        return []
    with Store.open_for_reading(session.place) as reader:
        return reader.labels(session.view.run_id, source="human", annotator=session.who)


def _split(words: str) -> list[str]:
    try:
        return shlex.split(words)
    except ValueError as error:
        raise CodeTracerError(f"these words cannot be told apart ({error})", remedy="Close the quotes.") from error


def _name(session: Session) -> str:
    return session.view.run_id or session.view.path


def _run(session: Session, words: Sequence[str]) -> None:
    """Another command, on the same workspace."""
    import click

    from codetracer_core.cli import app

    try:
        app([*words, "--workspace", str(session.place)], prog_name="codetracer", standalone_mode=False)
    except click.ClickException as error:
        raise CodeTracerError(error.format_message(), remedy=f"See: codetracer {words[0]} --help") from error
    except click.Abort as error:
        raise CodeTracerError("it was stopped") from error


def open_(session: Session, words: str) -> None:
    """The address of this step on the dashboard."""
    if session.view.run_id is None:
        raise NotFound("this run is not imported, the dashboard does not know it", remedy="Import it first.")
    page = f"trajectory?{urlencode({'traj': session.view.run_id, 'step': session.at})}"
    owner = lock_holder(session.place)
    address = _ADDRESS.search(owner.purpose) if owner is not None else None
    if address is not None:
        session.say(f"{address[0]}/{page}")
    else:
        session.say(f"http://127.0.0.1:8501/{page}")
        session.say(
            f"once the dashboard is open: codetracer dashboard --workspace {shlex.quote(str(session.place))}", "dim"
        )
