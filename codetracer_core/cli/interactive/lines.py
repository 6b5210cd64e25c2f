"""What a person types, a line at a time: in a terminal with history, completion and keys, else as it comes."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from codetracer_core.cli.terminal import one_line


class Lines(Protocol):
    """Where lines come from."""

    is_person: bool
    """Somebody sits before a terminal: it may be asked."""

    def next(self, prompt: str, below: str = "") -> str | None:
        """The next line; None: there is none any more (Ctrl-D). ``below`` is shown at the bottom of the screen."""
        ...

    def choose(self, prompt: str, names: Sequence[str], about: dict[str, str]) -> str | None:
        """A line, completed out of ``names``."""
        ...


class Piped:
    """Lines of a pipe or a file."""

    is_person = False

    def next(self, prompt: str, below: str = "") -> str | None:
        line = sys.stdin.readline()
        return line.rstrip("\n") if line else None

    def choose(self, prompt: str, names: Sequence[str], about: dict[str, str]) -> str | None:
        return self.next(prompt)


class Typed:
    """A terminal. Ctrl-C drops the line that is being typed, Ctrl-D on an empty one ends."""

    is_person = True

    def __init__(self, history: Path | None, complete: Callable[[str], Iterable[tuple[str, str]]]) -> None:
        """``complete`` gives, for the line up to the cursor, what its last word may become, and what that is."""
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory, InMemoryHistory

        if history is not None:
            history.parent.mkdir(parents=True, exist_ok=True)
            history.touch(mode=0o600)
        kept = FileHistory(str(history)) if history is not None else InMemoryHistory()
        self._session: PromptSession[str] = PromptSession(history=kept)
        self._complete = complete

    def next(self, prompt: str, below: str = "") -> str | None:
        from prompt_toolkit.completion import CompleteEvent, Completer, Completion
        from prompt_toolkit.document import Document

        complete = self._complete

        class OfTheTable(Completer):
            def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
                word = document.text_before_cursor.rpartition(" ")[2]
                for text, meaning in complete(document.text_before_cursor):
                    yield Completion(text, start_position=-len(word), display_meta=meaning)

        try:
            return self._session.prompt(
                prompt, completer=OfTheTable(), complete_while_typing=False, bottom_toolbar=below or None
            )
        except KeyboardInterrupt:
            return ""
        except EOFError:
            return None

    def choose(self, prompt: str, names: Sequence[str], about: dict[str, str]) -> str | None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import FuzzyCompleter, WordCompleter

        meta = {name: one_line(words, 100) for name, words in about.items()}
        completer = FuzzyCompleter(WordCompleter(list(names), meta_dict=dict(meta), sentence=True))
        chooser: PromptSession[str] = PromptSession()  # names of runs are no commands to come back to
        try:
            return chooser.prompt(prompt, completer=completer, complete_while_typing=True)
        except KeyboardInterrupt:
            return ""
        except EOFError:
            return None


def lines_of_this_process(history: Path | None, complete: Callable[[str], Iterable[tuple[str, str]]]) -> Lines:
    """A terminal if there is one that can be steered, else what comes through the pipe."""
    steered = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
    return Typed(history, complete) if steered else Piped()
