"""The few errors that CodeTracer raises on purpose.

Each one can be shown to a person as it is: it names the file, the place in it and what to do.
The command line prints it and exits with 1, a page shows it, an import report keeps it as a row;
nothing else in the code turns an error into something else.
"""

from pathlib import Path


class CodeTracerError(Exception):
    """An error told in words.

    ``reason`` says what is wrong, ``path`` where (a file or folder, if one is to blame), ``place`` the
    spot inside that file ("line 12", "/trajectory/3"), and ``remedy`` what the reader can do about it.
    """

    def __init__(self, reason: str, *, path: Path | str | None = None, place: str = "", remedy: str = "") -> None:
        self.reason = reason
        self.path = str(path) if path is not None else ""
        self.place = place
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.path, self.place) if part)
        words = in_words(self.reason, self.remedy)
        return f"{where}: {words}" if where else words


def in_words(reason: str, remedy: str) -> str:
    """What is wrong, and what to do about it, as sentences."""
    return f"{reason.removesuffix('.')}. {remedy}" if remedy else reason


class UnreadableFile(CodeTracerError):
    """A file that should hold evidence cannot be read: git-LFS pointer, zero bytes, cut off, not UTF-8."""


class UnknownFormat(CodeTracerError):
    """No parser recognises what lies here."""


class AmbiguousFormat(CodeTracerError):
    """Several parsers recognise the same run, or one path holds several runs."""


class MalformedRun(CodeTracerError):
    """A known layout with content that this layout never has."""


class ArchiveRefused(CodeTracerError):
    """An archive that could write outside its folder, holds links or devices, or is too large."""


class ManifestError(CodeTracerError):
    """A benchmark manifest, or one row of it, cannot be understood."""


class StoreLocked(CodeTracerError):
    """Another process owns the workspace's database file."""


class NotAllowed(CodeTracerError):
    """The person who acts has none of the roles that it takes."""


class NotFound(CodeTracerError):
    """A run, step or annotator that was asked for does not exist."""


class ConfigError(CodeTracerError):
    """A configuration or secrets file cannot be understood, or a setting in it is out of its range."""


class EnvironmentBroken(CodeTracerError):
    """The environment of a replay cannot be started, or is gone."""


class SpecError(CodeTracerError):
    """An extractor spec cannot be understood, asks for what is not allowed, or needs more than its limits."""


class Cancelled(CodeTracerError):
    """Somebody stopped it."""


class ModelError(CodeTracerError):
    """A language model, or its provider, did not answer in a way that can be used."""


class ContextOverflow(ModelError):
    """The conversation is longer than the window of the model."""
