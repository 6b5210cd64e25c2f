"""Models with ground truth: the command that judges predictions. Thin, as ``cli`` is."""

import re
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from codetracer_core.cli import terminal
from codetracer_core.cli.options import AsJson, Workspace, listed, place_of
from codetracer_core.errors import CodeTracerError

if TYPE_CHECKING:
    from codetracer_core.evaluating import SystemsRead, TruthRead
    from codetracer_core.store import Reader

_SHOWN = "positive_only,paper_like,micro_all"


def evaluate(
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="Ground truth of a CodeTraceBench manifest (.jsonl, .parquet); else that of the workspace.",
            show_default=False,
        ),
    ] = None,
    predictions: Annotated[
        list[Path] | None,
        typer.Option(
            "--predictions",
            metavar="P",
            help="JSONL, or a folder of <traj_id>/codetracer_labels.json; several are repetitions of one system.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(metavar="P", help="Likewise, of a second system to compare with.", show_default=False),
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Name of the system, then of the second one (else of the files).", show_default=False
        ),
    ] = None,
    stored: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AUTHOR", help="Diagnoses of the workspace, by author; 'all' for every author.", show_default=False
        ),
    ] = None,
    adjudicated: Annotated[
        bool, typer.Option("--adjudicated", help="Take the workspace's adjudicated labels for the truth.")
    ] = False,
    convention: Annotated[
        str, typer.Option(metavar="NAMES", help="Conventions to show, with commas; 'all' for every one.")
    ] = _SHOWN,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Slices: agent, model, category, difficulty, length, solved, wave, task; several at once with commas.",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        str, typer.Option(metavar="STEPS", help="An accused step this near counts as found, with commas.")
    ] = "0,1,2,3,5",
    missing: Annotated[
        Literal["miss", "excluded"], typer.Option(help="What a run without an answer counts as.")
    ] = "miss",
    seed: Annotated[int | None, typer.Option(min=0, help="Of the intervals.", show_default=False)] = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Judge predictions by the ground truth: precision, recall and F1 under named conventions, beside baselines.

    Bad lines are reported, the rest counts. A workspace that is named tells which runs are misaligned: they are left
    out. With --json every convention is told at once; the numbers of the first system stand at the top, too.

    \b
    Examples:
      codetracer evaluate --manifest sample_data/manifest.jsonl --predictions sample_data/predictions/careful.rep0.jsonl
      codetracer evaluate --manifest M --predictions P0 --predictions P1 --against Q0 --by agent,model --json
      codetracer evaluate --stored all --workspace my-workspace
    """
    from codetracer_core import evaluation
    from codetracer_core.evaluating import StepTexts
    from codetracer_core.intervals import SEED
    from codetracer_core.store import Store

    conventions = _known("convention", listed(convention), evaluation.CONVENTIONS)
    dimensions = _known("slice", listed(by), evaluation.DIMENSIONS)
    tolerances = _steps(tolerance)
    if not (predictions or stored):
        raise CodeTracerError("there is nothing to judge", remedy="Give --predictions, or --stored.")
    if adjudicated and manifest:
        raise CodeTracerError(
            "the truth is the manifest's or the adjudicated one, not both", remedy="Omit one of them."
        )
    needs_workspace = workspace is not None or stored or manifest is None
    with Store.open_for_reading(place_of(workspace)) if needs_workspace else nullcontext() as reader:
        truth = _truth(manifest, reader, adjudicated)
        read = _systems(reader, truth, predictions or [], against or [], stored or [], system or [])
        names = [one.name for one in read.systems]
        if len(set(names)) < len(names):
            raise CodeTracerError("two systems have the same name", remedy="Name them: --system ONE --system OTHER.")
        found = evaluation.evaluate(truth.truth, read.systems, missing=missing, seed=SEED if seed is None else seed)
        texts = StepTexts(reader, truth.truth) if reader else {}
        pairs = [(names[0], other) for other in names[1:]]
        problems = [*truth.problems, *read.problems]
        notes = [*truth.notes, *read.notes]
        if as_json:
            plain = evaluation.as_json(found, by=dimensions, tolerances=tolerances, against=pairs, texts=texts)
            told: dict[str, Any] = {"problems": [str(one) for one in problems], "notes": notes}
            first = (plain["systems"] | plain["baselines"])[names[0]]
            terminal.print_json(first | {"system": names[0]} | plain | told)
            return
        from codetracer_core.cli.evaluation_terminal import print_evaluation

        for problem in problems[: terminal.SHOWN]:
            terminal.print_line(f"left out: {problem}", err=True)
        if len(problems) > terminal.SHOWN:
            terminal.print_line(f"… and {len(problems) - terminal.SHOWN} more (--json lists all)", err=True)
        for note in notes:
            terminal.print_line(f"note: {note}", err=True)
        print_evaluation(found, conventions, by=dimensions, tolerances=tolerances, pairs=pairs, texts=texts)


def _truth(manifest: Path | None, reader: "Reader | None", adjudicated: bool) -> "TruthRead":
    from codetracer_core.evaluating import truth_from_manifest, truth_from_store

    if manifest is not None:
        return truth_from_manifest(manifest, reader)
    assert reader is not None
    read = truth_from_store(reader, source="adjudicated" if adjudicated else "ground_truth")
    if not read.truth:
        what = "adjudicated label" if adjudicated else "ground truth"
        raise CodeTracerError(
            f"no run of this workspace has {what}{'s' * adjudicated}",
            path=reader.workspace.folder,
            remedy="Give --manifest, or import one.",
        )
    return read


def _systems(
    reader: "Reader | None",
    truth: "TruthRead",
    predictions: Sequence[Path],
    against: Sequence[Path],
    stored: Sequence[str],
    names: Sequence[str],
) -> "SystemsRead":
    """In the order: predictions, what they are compared with, what is stored."""
    from codetracer_core.evaluating import SystemsRead, systems_from_files, systems_from_store

    groups = [paths for paths in (predictions, against) if paths]
    if len(names) > len(groups):
        raise CodeTracerError(f"{len(names)} names for {len(groups)} systems from files", remedy="Omit one --system.")
    named = [names[at] if at < len(names) else name_of(paths) for at, paths in enumerate(groups)]
    if len(set(named)) < len(named):
        raise CodeTracerError("two systems have the same name", remedy="Name them: --system ONE --system OTHER.")
    read = systems_from_files(dict(zip(named, groups, strict=True)), truth.truth)
    if not stored:
        return read
    assert reader is not None
    authors = None if "all" in stored else stored
    told = systems_from_store(reader, truth.truth, authors)
    there = {one.name for one in told.systems}
    for author in authors or ():
        if author not in there:
            every = ", ".join(sorted({one.author for one in reader.diagnoses()})) or "nobody"
            raise CodeTracerError(
                f"{author!r} has diagnosed none of these runs", remedy=f"Who diagnosed runs here: {every}."
            )
    if not (read.systems or told.systems):
        raise CodeTracerError("nobody has diagnosed any of these runs", remedy="See codetracer batch --help.")
    return SystemsRead((*read.systems, *told.systems), (*read.problems, *told.problems), (*read.notes, *told.notes))


def name_of(paths: Sequence[Path]) -> str:
    """What the files of one system have in common in their names, without the number of the repetition."""
    names = [path.resolve().name if path.is_dir() else path.stem for path in paths]
    shared = "".join(takewhile(str, (one[0] if len(set(one)) == 1 else "" for one in zip(*names, strict=False))))
    return re.sub(r"[._-]+(?:rep|repetition|run|seed|pass)?[._-]*\d*$", "", shared) or shared or names[0]


def _known(what: str, names: Sequence[str], known: Any) -> list[str]:
    if list(names) == ["all"]:
        return list(known)
    for name in names:
        if name not in known:
            raise CodeTracerError(f"there is no {what} {name!r}", remedy=f"There are: {', '.join(known)}.")
    return list(dict.fromkeys(names))


def _steps(words: str) -> list[int]:
    parts = listed(words)
    if not all(re.fullmatch(r"\d{1,4}", part) for part in parts):
        raise CodeTracerError(f"{words!r} is no list of numbers of steps", remedy="As in --tolerance 0,1,2.")
    return [int(part) for part in parts]
