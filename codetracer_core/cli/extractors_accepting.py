"""A spec is offered to the person at the terminal: what it makes of the folder, the question, and what follows."""

import os
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from codetracer_core.cli import terminal
from codetracer_core.cli.extractors_terminal import print_proposed, print_tried, tried_as_json
from codetracer_core.errors import CodeTracerError

if TYPE_CHECKING:
    from codetracer_core.extractors.generator import Proposed
    from codetracer_core.extractors.spec import ExtractorSpec
    from codetracer_core.extractors.trying import Tried


@dataclass(frozen=True)
class Offer:
    """A spec, what it makes of a folder (None: it was not tried on any), and who made it."""

    spec: "ExtractorSpec"
    tried: "Tried | None"
    folder: Path | None
    made_by: str
    proposed: "Proposed | None" = None
    """By a model; None: a person wrote it."""

    @property
    def reads_runs(self) -> bool:
        return self.tried is None or self.tried.judged is not None

    @property
    def is_taken_unasked(self) -> bool:
        """Whether "--yes" is enough: a person's spec has to read a run, a model's to pass every check."""
        return self.reads_runs if self.proposed is None else self.proposed.status == "complete"

    def as_json(self) -> dict[str, Any]:
        return {
            "tried": tried_as_json(self.tried) if self.tried is not None else None,
            "usage": self.proposed.usage.model_dump() if self.proposed is not None else None,
        }


def take(
    proposed: "Proposed", folder: Path, workspace: Path, *, out: Path | None, yes: bool, as_json: bool = False
) -> None:
    """What a model has proposed: told, and kept if it is accepted. Raises CodeTracerError if nothing came of it."""
    print_proposed(proposed)
    if proposed.spec is None:
        for attempt in proposed.attempts[-1:]:
            terminal.print_line(attempt.text, err=True)
        raise CodeTracerError(f"no extractor came of it: {proposed.reason}")
    offer = Offer(proposed.spec, proposed.tried, folder, proposed.model, proposed)
    accept(offer, workspace, out=out, yes=yes, as_json=as_json)


def accept(
    offer: Offer,
    workspace: Path,
    *,
    out: Path | None = None,
    yes: bool = False,
    as_json: bool = False,
    with_import: bool = True,
) -> None:
    """Show it, ask, keep it, import the folder's runs. What is not accepted is printed, because it was work; that is
    an error."""
    from codetracer_core.exporting import write_text
    from codetracer_core.extracting import teach
    from codetracer_core.extractors.spec import spec_text
    from codetracer_core.store import open_for_writing

    text = spec_text(offer.spec)
    if out is not None:
        write_text(out, text)
    if offer.tried is not None and not as_json:
        print_tried(offer.tried)
    if yes:
        is_accepted = offer.is_taken_unasked
    else:
        is_accepted = offer.reads_runs and not as_json and confirmed(f"Accept {offer.spec.name}?")
    if not is_accepted:
        if as_json:
            terminal.print_json({"accepted": False, "spec": text, **offer.as_json()})
        elif out is None:
            terminal.print_line(f"\n{text.rstrip()}")
        why = "it reads no run" if not offer.reads_runs else "not every check passed" if yes else "nobody said yes"
        raise CodeTracerError(f"not accepted ({why})", remedy="Correct the spec, and give it with --spec FILE --yes.")
    imported_from: list[Path] | None = None if with_import and offer.folder is not None else []
    with open_for_writing(workspace) as store:
        judged = offer.tried.judged if offer.tried is not None else None
        taught = teach(
            store,
            offer.spec,
            made_by=offer.made_by,
            folder=offer.folder,
            judged=judged,
            import_from=imported_from,
        )
    version, report = taught.version, taught.report
    if as_json:
        kept = {"accepted": True, "name": version.name, "version": version.number}
        terminal.print_json({**kept, **offer.as_json(), "import": report.as_json()})
        return
    terminal.print_line(f"kept: {version.name}, version {version.number}")
    if report.items:
        terminal.print_report(report)


def confirmed(question: str) -> bool:
    """Only somebody at a terminal can say yes."""
    return sys.stdin.isatty() and typer.confirm(question)


def text_in(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CodeTracerError(f"cannot be read ({error})", path=file, remedy="Name a file with a spec.") from error


def edited(spec: "ExtractorSpec") -> "ExtractorSpec | None":
    """The spec as somebody leaves it in their editor; None: unchanged. What is no spec any more is kept in a file,
    which the CodeTracerError names."""
    from codetracer_core.extractors.spec import read_spec, spec_text

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    before = spec_text(spec)
    file = Path(tempfile.mkdtemp(prefix="codetracer-")) / f"{spec.name}.yaml"
    file.write_text(before, encoding="utf-8")
    try:
        ended = subprocess.run([*shlex.split(editor), str(file)], check=False)  # noqa: S603 - the person's own editor
    except (OSError, ValueError) as error:
        file.unlink()
        file.parent.rmdir()
        words = f"the editor {editor!r} cannot be started ({error})"
        raise CodeTracerError(words, remedy="Name one in EDITOR.") from error
    if ended.returncode:
        raise CodeTracerError(f"the editor ended with {ended.returncode}", remedy=f"What it left is in {file}.")
    text = text_in(file)
    after = read_spec(text, path=str(file))
    if after.name != spec.name:
        words = f"it now calls itself {after.name!r}"
        raise CodeTracerError(words, path=file, remedy="Import it under that name: codetracer extractors import FILE.")
    file.unlink()
    file.parent.rmdir()
    return None if text.strip() == before.strip() else after
