"""What the harness around a run knows: task, outcome, tests, model (terminal-bench, Harbor, SWE-bench reports).

A trajectory's own facts stay; the harness fills in what it lacks. The outcome is the exception: a harness that
ran the tests is the authority, so its verdict replaces what an agent's own file says (the notes tell when the two
differ), and only a harness without a verdict leaves that standing. Nothing here decides an outcome by itself: a
verdict is always a value that some file states, and a verifier that never got as far as a test has not stated any.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from pathlib import PurePosixPath
from typing import Any

from codetracer_core.errors import UnreadableFile
from codetracer_core.models import Outcome, SourceRef, TestResult, Trajectory, Usage
from codetracer_core.parsers._artifacts import LFS_MARK, Artifacts, JsonFile
from codetracer_core.parsers._fields import mapping, number_field, text_field, token_field
from codetracer_core.parsers._time import moment

# How far below its trial folder a run may lie (Harbor: agent/sessions/2026/01/31/rollout-….jsonl).
DEEPEST = 7
# Where a trial folder keeps what its agent wrote.
_TERMINAL_BENCH_AGENT = ("agent-logs", "sessions")
_HARBOR_AGENT = ("agent", "steps")
# Failure modes of terminal-bench that mean: none.
_NO_FAILURE = (None, "", "none", "unset", "unknown")
# A line of a test script that could not start the program which runs the tests.
_NOT_STARTED = re.compile(
    r"^(?:\S*/tests?/\S+|\S*test\S*\.sh|(?:/\S+/)?(?:ba)?sh): .*(?:not found|No such file or directory)$", re.MULTILINE
)
# What test runners print once they run.
_TESTS_RAN = re.compile(
    r"test session starts|^collected \d+ item|^(?:PASSED|FAILED|ERROR) |\b\d+ (?:passed|failed)\b|^Ran \d+ tests?"
    r"|^(?:not )?ok \d+|^--- (?:PASS|FAIL)|^test result:",
    re.MULTILINE,
)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][\w.+-]*")
_REPORT_FOLDERS = ("logs/", "eval_results/", "eval_results/*/", "eval_results/*/*/", "logs/run_evaluation/*/*/")


@dataclass
class _Facts:
    """What one harness tells of a run."""

    outcome: Outcome
    agent: str | None = None
    agent_version: str | None = None
    model: str | None = None
    task: str | None = None
    trial: str | None = None
    task_text: str | None = None
    task_ref: SourceRef | None = None
    exit_status: str | None = None
    usage: Usage = field(default_factory=Usage)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    tests: tuple[TestResult, ...] = ()
    notes: tuple[str, ...] = ()


def add_context(trajectory: Trajectory, artifacts: Artifacts) -> Trajectory:
    """``trajectory`` with what the files around it tell and its own log does not."""
    facts = _terminal_bench(artifacts) or _harbor(artifacts) or _swe_bench(trajectory, artifacts)
    if facts is None:
        return trajectory
    notes = trajectory.notes + facts.notes
    own, outcome = trajectory.outcome, facts.outcome
    if own.solved is not None and outcome.solved is None:
        notes += (f"The harness gives no verdict: {outcome.reason}.",)
        outcome = own
    elif own.solved is not None and own.solved != outcome.solved:
        notes += (f"The agent's own record says otherwise: {own.reason}. The harness's verdict is shown.",)
    return completed(trajectory, facts).model_copy(update={"outcome": outcome, "notes": notes})


def completed(trajectory: Trajectory, source: "Trajectory | _Facts") -> Trajectory:
    """``trajectory`` with those facts of the run (not its steps, outcome, notes) that it lacks and ``source`` has."""
    changes: dict[str, Any] = {
        name: getattr(source, name)
        for name in ("agent", "agent_version", "model", "task", "trial", "exit_status", "started_at", "ended_at")
        if getattr(trajectory, name) is None
    }
    if trajectory.task_text is None:
        changes["task_text"], changes["task_ref"] = source.task_text, source.task_ref
    if not trajectory.tests:
        changes["tests"] = source.tests
    usage = {name: value for name, value in source.usage if getattr(trajectory.usage, name) is None}
    changes["usage"] = trajectory.usage.model_copy(update=usage)
    return trajectory.model_copy(update=changes)


def why_unread(artifacts: Artifacts) -> str | None:
    """If the folder is a harness's trial folder in which no parser found a run: the reason in words, else None."""
    places: tuple[str, ...]
    if "results.json" in artifacts.files and {"panes", *_TERMINAL_BENCH_AGENT} & set(artifacts.folders):
        harness, places = "terminal-bench", ("agent-logs/*", "agent-logs/*/*", "sessions/*")
    elif _is_harbor_trial(artifacts, ""):
        harness, places = "Harbor", ("agent/*", "agent/*/*")
    else:
        return None
    logs = [path for place in places for path in artifacts.glob(place)]
    if not logs:
        folders = "agent-logs and sessions" if harness == "terminal-bench" else "agent"
        return f"a {harness} trial without a transcript: there is nothing in {folders}"
    pointers = [path for path in logs if artifacts.is_lfs_pointer(path)]
    empty = [path for path in logs if not artifacts.size(path)]
    told = []
    if pointers:
        told.append(f"{_some(pointers)}: git-LFS pointers, not the files themselves (run 'git lfs pull')")
    if empty:
        told.append(f"{_some(empty)}: empty")
    if others := [path for path in logs if path not in pointers and path not in empty]:
        told.append(f"{_some(others)}: nothing that a parser recognises")
    return f"a {harness} trial without a transcript that can be read ({'; '.join(told)})"


def _some(paths: list[str]) -> str:
    return ", ".join(paths[:4]) + (f" and {len(paths) - 4} more" if len(paths) > 4 else "")


def may_be_harbor_trial(artifacts: Artifacts) -> bool:
    """By its names: is this a folder in which Harbor keeps a trial?"""
    return artifacts.has("result.json") or artifacts.has("config.json") or "verifier" in artifacts.folders


def _levels(artifacts: Artifacts, agent_folders: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Prefixes to the run's folder and to those above it, each with the path down again ("../", ("agent",)).

    Above the first only such folders count whose sub-folder on the way is one where a harness keeps agents' logs.
    """
    yield "", ()
    names = artifacts.root.resolve().parts
    for height in range(1, min(DEEPEST, len(names) - 1) + 1):
        inner = names[-height:]
        if inner[0] in agent_folders:
            yield "../" * height, inner


def _load(artifacts: Artifacts, path: str, notes: list[str]) -> JsonFile | None:
    """A result file as a JSON object; None if there is none, or, with a note, if it cannot be read."""
    if not artifacts.has(path):
        return None
    try:
        file = artifacts.read_json(path)
        value = file.value
    except UnreadableFile as error:
        notes.append(f"{path} cannot be read: {error.reason}.")
        return None
    if not isinstance(value, dict):
        notes.append(f"{path} cannot be read: not a JSON object.")
        return None
    return file


# terminal-bench -----------------------------------------------------------------------------------------------------


def _terminal_bench(artifacts: Artifacts) -> _Facts | None:
    for prefix, inner in _levels(artifacts, _TERMINAL_BENCH_AGENT):
        path = f"{prefix}results.json"
        if not artifacts.has(path):
            continue
        notes: list[str] = []
        file = _load(artifacts, path, notes)
        if file is None:
            if inner or {"panes", *_TERMINAL_BENCH_AGENT} & set(artifacts.folders):
                return _Facts(Outcome(reason=notes[0].rstrip(".")))
        elif "is_resolved" in file.value and "task_id" in file.value:
            return _terminal_bench_facts(artifacts, prefix, file, notes)
    return None


def _terminal_bench_facts(artifacts: Artifacts, prefix: str, file: JsonFile, notes: list[str]) -> _Facts:
    results: dict[str, Any] = file.value
    resolved, failure = results["is_resolved"], results.get("failure_mode")
    broken = "" if failure in _NO_FAILURE else f" (failure mode {failure})"
    if isinstance(resolved, bool):
        reason = f"results.json says is_resolved: {str(resolved).lower()}{broken}"
    else:
        resolved = None
        reason = f"results.json says is_resolved: null{broken}: the tests gave no verdict"
    parsed = mapping(results.get("parser_results"))
    if parsed:
        reason += f", {sum(status == 'passed' for status in parsed.values())} of {len(parsed)} tests passed"
    # The folder of the whole benchmark run, two levels up, tells agent and model for all its trials.
    metadata = _load(artifacts, f"{prefix}../../run_metadata.json", [])
    run = metadata.value if metadata is not None else {}
    return _Facts(
        outcome=Outcome(solved=resolved, reason=reason, source=file.ref("is_resolved")),
        agent=text_field(run.get("agent_name")),
        model=text_field(run.get("model_name")),
        task=text_field(results["task_id"]),
        trial=text_field(results.get("trial_name")),
        task_text=text_field(results.get("instruction")),
        task_ref=file.ref("instruction") if text_field(results.get("instruction")) else None,
        exit_status=None if failure in _NO_FAILURE else str(failure),
        usage=Usage(
            prompt_tokens=token_field(results.get("total_input_tokens")),
            completion_tokens=token_field(results.get("total_output_tokens")),
        ),
        started_at=moment(results.get("agent_started_at")),
        ended_at=moment(results.get("agent_ended_at")),
        tests=tuple(TestResult(name=name, status=str(status)) for name, status in parsed.items()),
        notes=tuple(notes),
    )


# Harbor -------------------------------------------------------------------------------------------------------------


def _is_harbor_trial(artifacts: Artifacts, prefix: str) -> bool:
    """A trial, not the job around it: its result or configuration bears the trial's name."""
    heads = [artifacts.head(prefix + name) for name in ("result.json", "config.json")]
    if any(b'"trial_name"' in head for head in heads):
        return True
    pointers = any(head.startswith(LFS_MARK) for head in heads)
    return pointers and artifacts.has_folder(f"{prefix}agent") and artifacts.has_folder(f"{prefix}verifier")


def _harbor(artifacts: Artifacts) -> _Facts | None:
    for prefix, inner in _levels(artifacts, _HARBOR_AGENT):
        if _is_harbor_trial(artifacts, prefix):
            # A trial of several steps keeps agent and verifier of each step below steps/<name>.
            part = f"steps/{inner[1]}/" if inner[:1] == ("steps",) and len(inner) > 1 else ""
            return _harbor_facts(artifacts, prefix, f"{prefix}{part}verifier/")
    return None


def _harbor_facts(artifacts: Artifacts, prefix: str, verifier: str) -> _Facts:
    notes: list[str] = []
    result_file = _load(artifacts, f"{prefix}result.json", notes)
    config_file = _load(artifacts, f"{prefix}config.json", notes)
    result = result_file.value if result_file is not None else {}
    config = config_file.value if config_file is not None else mapping(result.get("config"))
    tests = _ctrf(artifacts, f"{verifier}ctrf.json", notes)
    exception = _exception(artifacts, prefix, result)
    if exception is not None:
        notes.append(f"The harness reports {': '.join(part for part in exception if part)}.")
    agent, counted = mapping(result.get("agent_info")), mapping(result.get("agent_result"))
    configured = mapping(config.get("agent"))
    version = text_field(agent.get("version"))
    return _Facts(
        outcome=_harbor_outcome(artifacts, verifier, result_file, config, tests, exception, notes),
        agent=text_field(agent.get("name")) or text_field(configured.get("name")),
        agent_version=version if version != "unknown" else None,
        model=text_field(mapping(agent.get("model_info")).get("name")) or text_field(configured.get("model_name")),
        task=text_field(result.get("task_name")) or _task_name(config),
        trial=text_field(result.get("trial_name")) or text_field(config.get("trial_name")),
        exit_status=exception[0] if exception is not None and not exception[0].startswith("Verifier") else None,
        usage=Usage(
            cost_usd=number_field(counted, "cost_usd"),
            prompt_tokens=token_field(counted.get("n_input_tokens")),
            completion_tokens=token_field(counted.get("n_output_tokens")),
            cached_tokens=token_field(counted.get("n_cache_tokens")),
        ),
        started_at=moment(mapping(result.get("agent_execution")).get("started_at")),
        ended_at=moment(mapping(result.get("agent_execution")).get("finished_at")),
        tests=tests or (),
        notes=tuple(notes),
    )


def _task_name(config: dict[str, Any]) -> str | None:
    task = mapping(config.get("task"))
    path = text_field(task.get("path"))
    return text_field(task.get("name")) or (PurePosixPath(path).name if path else None)


def _exception(artifacts: Artifacts, prefix: str, result: dict[str, Any]) -> tuple[str, str] | None:
    """What stopped the trial, as (type, message): from result.json, else the last line of exception.txt."""
    told = mapping(result.get("exception_info"))
    if kind := text_field(told.get("exception_type")):
        return kind, text_field(told.get("exception_message")) or ""
    lines = _try_text(artifacts, f"{prefix}exception.txt").strip().splitlines()
    if not lines:
        return None
    name, _, message = lines[-1].partition(": ")
    return name.rpartition(".")[2], message


def _try_text(artifacts: Artifacts, path: str) -> str:
    """A text file, "" if there is none or it is no text (an LFS pointer, zero bytes)."""
    if not artifacts.has(path):
        return ""
    try:
        return artifacts.read_text(path, errors="replace")
    except UnreadableFile:
        return ""


def _ctrf(artifacts: Artifacts, path: str, notes: list[str]) -> tuple[TestResult, ...] | None:
    """The verifier's tests from its Common Test Report (https://ctrf.io); None if it left none."""
    file = _load(artifacts, path, notes)
    if file is None:
        return None
    listed = mapping(file.value.get("results")).get("tests")
    return tuple(
        TestResult(name=test["name"], status=str(test.get("status", "")))
        for test in (listed if isinstance(listed, list) else [])
        if isinstance(test, dict) and isinstance(test.get("name"), str)
    )


def _harbor_outcome(
    artifacts: Artifacts,
    verifier: str,
    result_file: JsonFile | None,
    config: dict[str, Any],
    tests: tuple[TestResult, ...] | None,
    exception: tuple[str, str] | None,
    notes: list[str],
) -> Outcome:
    """The reward, unless the verifier gave it without ever having run a test.

    The verifier's own reward file comes before result.json: Harbor leaves the reward out there when the verifier
    ran into its time limit after writing it.
    """
    reward, where, source = _reward_file(artifacts, verifier, notes)
    recorded: float | None = None
    if result_file is not None:
        rewards = mapping(mapping(result_file.value.get("verifier_result")).get("rewards"))
        recorded = _reward(rewards)
        if reward is None and recorded is not None:
            reward, where = recorded, "result.json"
            source = result_file.ref("verifier_result", "rewards")
    if reward is None:
        return Outcome(reason=_no_reward(config, exception))
    if recorded is not None and recorded != reward:
        notes.append(
            f"result.json records another reward ({recorded:g}) than {where} ({reward:g}); the latter is used."
        )
    said = f"{where} says {reward:g}"
    if tests:
        passed = sum(test.status == "passed" for test in tests)
        said += f", {passed} of {len(tests)} tests passed"
    elif reward < 1 and (hindrance := _never_tested(artifacts, verifier)):
        return Outcome(reason=f"the verifier never ran a test: {hindrance} ({said})", source=source)
    if exception is not None and exception[0].startswith("Verifier"):
        said += f", before the verifier was stopped ({exception[0]})"
    if 0 < reward < 1:
        said += ": solved in part, which counts as not solved"
    return Outcome(solved=reward >= 1, reason=said, source=source)


def _reward_file(artifacts: Artifacts, verifier: str, notes: list[str]) -> tuple[float | None, str, SourceRef | None]:
    path = f"{verifier}reward.txt"
    if artifacts.has(path):
        try:
            text = artifacts.read_text(path)
            stated = float(text)
        except UnreadableFile as error:
            notes.append(f"{path} cannot be read: {error.reason}.")
        except ValueError:
            notes.append(f"{path} holds no number.")
        else:
            line = next(at for at, line in enumerate(text.split("\n"), start=1) if line.strip())
            if isfinite(stated):
                return stated, "verifier/reward.txt", SourceRef(path=path, line_start=line, line_end=line)
            notes.append(f"{path} holds no number.")
    file = _load(artifacts, f"{verifier}reward.json", notes)
    reward = _reward(file.value) if file is not None else None
    return (reward, "verifier/reward.json", file.ref()) if file is not None else (None, "", None)


def _reward(rewards: dict[str, Any]) -> float | None:
    """The reward called so, else the least of several: only all of them together make a solved run."""
    numbers = {
        name: float(value)
        for name, value in rewards.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return numbers.get("reward", min(numbers.values(), default=None))


def _no_reward(config: dict[str, Any], exception: tuple[str, str] | None) -> str:
    if exception is not None:
        return f"the trial holds no reward: it was stopped by {exception[0]}"
    if mapping(config.get("verifier")).get("disable") is True:
        return "the trial holds no reward: its verifier was switched off"
    return "the trial holds no reward that can be read"


def _never_tested(artifacts: Artifacts, verifier: str) -> str | None:
    """Without a test report: the line of the verifier's output that shows why no test was ever started."""
    output = _try_text(artifacts, f"{verifier}test-stdout.txt")
    if _TESTS_RAN.search(output):
        return None
    hindrances = _NOT_STARTED.findall(output)
    return hindrances[-1].strip() if hindrances else None


# SWE-bench reports --------------------------------------------------------------------------------------------------


def _swe_bench(trajectory: Trajectory, artifacts: Artifacts) -> _Facts | None:
    """The verdict of SWE-bench's evaluation on this instance, wherever the usual layouts put its report.

    Submissions (preds.json) and exit statuses say nothing of the outcome and are not looked at.
    """
    instance = trajectory.task
    # The name comes out of the run: it must be no more than a name before it takes part in a path.
    if instance is None or _PLAIN_NAME.fullmatch(instance) is None:
        return None
    notes: list[str] = []
    verdicts = list(_reports(artifacts, instance, notes))
    if not verdicts:
        return _Facts(Outcome(reason=notes[0].rstrip(".")), notes=tuple(notes)) if notes else None
    outcome, tests = verdicts[0]
    if any(other.solved != outcome.solved for other, _ in verdicts):
        told = "; ".join(sorted({verdict.reason for verdict, _ in verdicts}))
        return _Facts(Outcome(reason=f"reports of several evaluations disagree: {told}"), notes=tuple(notes))
    return _Facts(outcome, tests=tests, notes=tuple(notes))


def _reports(artifacts: Artifacts, instance: str, notes: list[str]) -> Iterator[tuple[Outcome, tuple[TestResult, ...]]]:
    own_folder = artifacts.root.resolve().name == instance
    if (file := _load(artifacts, "report.json", notes)) is not None:
        yield from _verdict(file, instance, flat=own_folder)
    for up in ("", "../", "../../"):
        for folder in _REPORT_FOLDERS:
            if not artifacts.has_folder(up + folder.partition("/")[0]):
                continue
            for path in artifacts.glob(f"{up}{folder}{instance}/report.json"):
                if (file := _load(artifacts, path, notes)) is not None:
                    yield from _verdict(file, instance, flat=True)
    for up in ("", "../", "../../"):
        if (file := _load(artifacts, f"{up}results_summary.json", notes)) is not None:
            yield from _summary(file, instance)


def _verdict(file: JsonFile, instance: str, *, flat: bool) -> Iterator[tuple[Outcome, tuple[TestResult, ...]]]:
    """A report says ``{instance: {"resolved": …}}``; inside a folder of that name also without the outer level."""
    here: tuple[str, ...] = (instance,) if isinstance(file.value.get(instance), dict) else ()
    if not here and not flat:
        return
    report = file.value[instance] if here else file.value
    resolved = report.get("resolved")
    if not isinstance(resolved, bool):
        return
    missing = " (no patch)" if report.get("patch_is_None") is True else ""
    reason = f"{file.path.lstrip('./')} says resolved: {str(resolved).lower()}{missing}"
    tests = tuple(
        TestResult.model_construct(name=name, status="passed" if status == "success" else "failed")
        for group in ("FAIL_TO_PASS", "PASS_TO_PASS")
        for status, names in mapping(mapping(report.get("tests_status")).get(group)).items()
        if isinstance(names, list)
        for name in names
        if isinstance(name, str)
    )
    yield Outcome(solved=resolved, reason=reason, source=file.ref(*here, "resolved")), tests


def _summary(file: JsonFile, instance: str) -> Iterator[tuple[Outcome, tuple[TestResult, ...]]]:
    listed = file.value.get("instances")
    for position, entry in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(entry, dict) and entry.get("instance_id") == instance and isinstance(entry.get("resolved"), bool):
            resolved: bool = entry["resolved"]
            reason = f"{file.path.lstrip('./')} says resolved: {str(resolved).lower()}"
            source = file.ref("instances", position, "resolved")
            yield Outcome(solved=resolved, reason=reason, source=source), ()
