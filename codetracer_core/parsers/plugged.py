"""Formats of installed packages: what they bring is checked before it is asked anything."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

from codetracer_core import plugins
from codetracer_core.errors import CodeTracerError, MalformedRun
from codetracer_core.models import Trajectory
from codetracer_core.parsers import PARSERS
from codetracer_core.parsers._artifacts import Artifacts
from codetracer_core.parsers._format import Claim, Format
from codetracer_core.plugins import Plugin, Problem

_log = logging.getLogger(__name__)


@cache
def plugin_formats() -> tuple[tuple[Format, ...], tuple[Problem, ...]]:
    """The formats that plugins bring, in order of their plugins' names, and why others are not used."""
    offered, problems = plugins.found("parsers")
    told = list(problems)
    formats: dict[str, Format] = {}
    for plugin in offered:
        try:
            brought = _formats_of(plugin)
        except CodeTracerError as error:
            told.append(Problem("parsers", plugin.name, str(error)))
            continue
        for format in brought:
            if any(format.name == built_in.name for built_in in PARSERS):
                words = f"{plugin} brings a format {format.name!r}, which is not used: CodeTracer has one of this name"
                told.append(Problem("parsers", plugin.name, words))
            elif format.name in formats:
                words = f"{plugin} brings a format {format.name!r}, which is not used: another one has this name"
                told.append(Problem("parsers", plugin.name, words))
            else:
                formats[format.name] = _guarded(plugin, format)
    return tuple(formats.values()), tuple(told)


def _formats_of(plugin: Plugin) -> list[Format]:
    """Raises CodeTracerError if it brings something else."""
    brought = plugin.load()
    if not isinstance(brought, Format) and callable(brought):
        with plugins.in_words(plugin, "failed"):
            brought = brought()
    listed = list(brought) if isinstance(brought, Sequence) and not isinstance(brought, str) else [brought]
    strange = next((one for one in listed if not isinstance(one, Format)), None)
    if strange is not None or not listed:
        words = f"{plugin} brings no format but {type(strange).__name__ if listed else 'nothing'}"
        raise CodeTracerError(words, remedy=plugins.REMEDY)
    return listed


def _guarded(plugin: Plugin, format: Format) -> Format:
    """The format, held to what ``Format`` promises whatever its code does; it ranks with the built-in ones."""
    return replace(
        format,
        recognise=_recognising(plugin, format.recognise),
        parse=_parsing(plugin, format),
        is_taught=False,
    )


def _recognising(plugin: Plugin, recognise: Callable[[Artifacts], list[Claim]]) -> Callable[[Artifacts], list[Claim]]:
    """It claims nothing where it fails, so that the other formats are asked; that is told once."""
    told: list[str] = []

    def guarded(artifacts: Artifacts) -> list[Claim]:
        try:
            with plugins.in_words(plugin, f"failed while it looked at {artifacts.root}"):
                claims = list(recognise(artifacts))
                if not all(isinstance(claim, Claim) for claim in claims):
                    raise TypeError("recognise() gave something else than claims")
                return claims
        except CodeTracerError as error:
            if not told:
                told.append(str(error))
                _log.warning("%s It goes on being asked.", told[0])
            return []

    return guarded


def _parsing(plugin: Plugin, format: Format) -> Callable[[Artifacts, Claim, int | None], Trajectory]:
    def guarded(artifacts: Artifacts, claim: Claim, declared_step_count: int | None) -> Trajectory:
        with plugins.in_words(plugin, f"failed while it read {artifacts.shown(claim.files[0])}"):
            trajectory = format.parse(artifacts, claim, declared_step_count)
        if not isinstance(trajectory, Trajectory) or trajectory.format != format.name:
            words = f"{plugin} gave something else than a run of its format {format.name!r}"
            raise MalformedRun(words, path=artifacts.shown(claim.files[0]), remedy=plugins.REMEDY)
        numbers = [step.step_id for step in trajectory.steps]
        if numbers != list(range(1, len(numbers) + 1)):
            words = f"{plugin} gave steps whose numbers are not 1, 2, 3 …"
            raise MalformedRun(words, path=artifacts.shown(claim.files[0]), remedy=plugins.REMEDY)
        return trajectory

    return guarded
