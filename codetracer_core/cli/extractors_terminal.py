"""How extractors, and what they make of folders, are told in a terminal and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from codetracer_core.cli.terminal import one_line, print_line, print_table
from codetracer_core.words import OUTCOME_WORDS, number_of

if TYPE_CHECKING:
    from codetracer_core.extracting import Used
    from codetracer_core.extractors.engine import Extraction
    from codetracer_core.extractors.generator import Progress, Proposed
    from codetracer_core.extractors.registry import Version
    from codetracer_core.extractors.trying import Reading, Tried

_VERDICTS = {True: "passed", False: "NOT PASSED", None: "not known"}
_SHOWN_STEPS, _SHOWN_TEXTS, _SHOWN_FATES = 8, 6, 200


def print_progress(progress: "Progress") -> None:
    if progress.kind in ("looked", "proposed", "judged"):
        cost = progress.usage.cost_usd
        paid = "" if cost is None else f" ({cost:.4f} USD)"
        print_line(f"{progress.kind}: {one_line(progress.text, 300)}{paid}", err=True)


def print_proposed(proposed: "Proposed") -> None:
    cost = "cost not known" if proposed.usage.cost_usd is None else f"{proposed.usage.cost_usd:.4f} USD"
    attempts, calls = number_of(len(proposed.attempts), "attempt"), number_of(proposed.usage.calls, "call")
    words = f"{proposed.status}: {attempts}, {calls} of {proposed.model}, {cost}"
    print_line(f"{words}{f'; {proposed.reason}' if proposed.reason else ''}", err=True)
    for problem in proposed.problems:
        print_line(f"note: {problem}", err=True)


def print_tried(tried: "Tried", *, explain: bool = False) -> None:
    """Each run with its first steps, the checks as a table, and text that no step holds; ``explain``: every record."""
    read = sum(reading.extraction is not None for reading in tried.readings)
    print_line(f"{number_of(tried.found, 'run')} recognised, {read} of {len(tried.readings)} tried can be read")
    for problem in tried.problems:
        print_line(f"problem: {one_line(problem, 600)}")
    for reading in tried.readings:
        if reading.extraction is not None:
            print_line("")
            _print_reading(reading, reading.extraction, explain)
    if tried.judged is not None:
        print_line("")
        print_table(
            [
                {"check": check.name, "result": _VERDICTS[check.passed], "in words": check.words}
                for check in tried.judged.checks
            ]
        )


def _print_reading(reading: "Reading", extraction: "Extraction", explain: bool) -> None:
    run = extraction.trajectory
    facts = [
        f"task {run.task}" if run.task else "",
        f"model {run.model}" if run.model else "",
        f"outcome {OUTCOME_WORDS[run.outcome.solved]}",
    ]
    covered = "" if extraction.coverage is None else f", {extraction.coverage:.0%} of what the agent wrote"
    told = ", ".join(part for part in facts if part)
    print_line(f"{reading.path}: {number_of(run.step_count, 'step')}{covered}; {told}")
    rows = [
        {
            "step": step.step_id,
            "action": one_line(step.action, 60),
            "observation": "-" if step.observation is None else one_line(step.observation, 40),
            "thought": one_line(step.thought or "", 30),
        }
        for step in run.steps[:_SHOWN_STEPS]
    ]
    if rows:
        print_table(rows)
    if run.step_count > _SHOWN_STEPS:
        print_line(f"… and {number_of(run.step_count - _SHOWN_STEPS, 'more step')}")
    for place in extraction.uncovered[:_SHOWN_TEXTS]:
        where = f"{place.path}, lines {place.line_start} to {place.line_end}"
        print_line(f"in no step: {one_line(where, 200)}: {one_line(place.text, 100)}")
    if len(extraction.uncovered) > _SHOWN_TEXTS:
        print_line(f"… and {number_of(len(extraction.uncovered) - _SHOWN_TEXTS, 'more place')} that no step holds")
    for skipped in extraction.skipped[:_SHOWN_TEXTS]:
        print_line(f"skipped by {one_line(skipped.words, 300)}")
        for sample in skipped.samples[:1]:
            where = f"{sample.path}, line {sample.line_start}"
            print_line(f"  such as {one_line(where, 200)}: {one_line(sample.text, 100)}")
    if explain:
        for fate in extraction.fates[:_SHOWN_FATES]:
            became = fate.became if fate.step_id is None else f"{fate.became} (step {fate.step_id})"
            line = f"{fate.path}, line {fate.line}{f', {fate.pointer}' if fate.pointer else ''}"
            print_line(f"{one_line(line, 120)}: {became}: {one_line(fate.why, 200)}")
        if len(extraction.fates) > _SHOWN_FATES:
            print_line(f"… and {len(extraction.fates) - _SHOWN_FATES} more records (--json has all)")


def tried_as_json(tried: "Tried", *, explain: bool = False) -> dict[str, Any]:
    runs: list[dict[str, Any]] = []
    for reading in tried.readings:
        one: dict[str, Any] = {"path": reading.path, "problem": reading.problem}
        if reading.extraction is not None:
            extraction = reading.extraction
            one |= {
                "steps": extraction.trajectory.step_count,
                "coverage": extraction.coverage,
                "uncovered": [
                    {"path": place.path, "lines": [place.line_start, place.line_end], "text": place.text}
                    for place in extraction.uncovered
                ],
                "skipped": [asdict(one) for one in extraction.skipped],
            }
            if explain:
                one["trajectory"] = extraction.trajectory.model_dump(mode="json")
                one["records"] = [_fate(fate) for fate in extraction.fates]
        runs.append(one)
    checks = tried.judged.checks if tried.judged else ()
    return {
        "found": tried.found,
        "score": tried.score,
        "good": tried.is_good,
        "checks": [{"name": check.name, "passed": check.passed, "words": check.words} for check in checks],
        "problems": list(tried.problems),
        "runs": runs,
    }


def _fate(fate: Any) -> dict[str, Any]:
    return {name: getattr(fate, name) for name in ("path", "line", "pointer", "became", "step_id", "why")}


def print_extractors(listed: Sequence["Used"]) -> None:
    rows = [
        {
            "name": one.extractor.name,
            "reads with": "nothing (off)" if one.extractor.active is None else f"v{one.extractor.active}",
            "versions": len(one.extractor.versions),
            "title": one.extractor.current.spec.title if one.extractor.current else "",
            "made by": one.extractor.current.facts.made_by if one.extractor.current else "",
            "runs": len(one.runs),
            "fits worse": len(one.drifted) or "",
        }
        for one in listed
    ]
    print_table(rows, none="no extractors yet")
    for one in listed:
        for problem in one.extractor.problems:
            print_line(f"problem: {problem}")


def print_version(version: "Version", used: "Used") -> None:
    facts = version.facts
    print_line(f"{version.name}, version {version.number}: {version.spec.title}")
    if version.spec.description:
        print_line(version.spec.description)
    origin = f" with {facts.origin}" if facts.origin else ""
    print_line(f"made {facts.made_at:%Y-%m-%d %H:%M} UTC by {facts.made_by}{origin}")
    for check in facts.checks:
        print_line(f"check {check.name}: {_VERDICTS[check.passed]}: {check.words}")
    if facts.fit is not None:
        print_line(f"{'in its first import' if facts.fit_of_import else 'when it was accepted'}: {facts.fit.words}")
    print_line(f"{number_of(len(used.runs_of(version.number)), 'imported run')} read with it")
    for entry in used.drifted[:5]:
        why = "; ".join(entry.drift) or "no step at all"
        print_line(f"fits worse: {entry.path}: {why}")


def version_as_json(version: "Version", used: "Used") -> dict[str, Any]:
    return {
        "name": version.name,
        "version": version.number,
        "active": used.extractor.active == version.number,
        "facts": version.facts.model_dump(mode="json"),
        "runs": [run.run_id for run in used.runs_of(version.number)],
        "spec": version.spec.model_dump(mode="json", by_alias=True),
    }


def used_as_json(one: "Used") -> dict[str, Any]:
    return {
        "name": one.extractor.name,
        "active": one.extractor.active,
        "versions": [version.number for version in one.extractor.versions],
        "problems": list(one.extractor.problems),
        "runs": [run.run_id for run in one.runs],
        "fits_worse": [entry.model_dump(mode="json") for entry in one.drifted],
    }
