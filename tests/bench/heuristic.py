"""What the offline rules find in real runs: beside ground truth where its steps have text, and by outcome elsewhere.

No run that is here with its whole text is labelled, and of the labelled runs only the labelled steps have text. So
neither precision nor F1 of the rules can be measured on this data; what can be is printed, with its n.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from codetracer_core.actions import classify
from codetracer_core.benchmark import BenchmarkRow, ground_truth_verdicts, read_manifest
from codetracer_core.diagnosis.heuristic import diagnose_offline
from codetracer_core.diagnosis.rules import RULES, Facts
from codetracer_core.discovery import discover
from codetracer_core.errors import CodeTracerError
from codetracer_core.models import Step, ToolCall, Trajectory, Verdict
from codetracer_core.parsers import read_run
from tests.conftest import real_data

RESTS_ON_ABSENCE = {"edit of an unseen file", "error ignored", "last edit unchecked", "long without change"}
"""Rules on what is missing in a run: nothing can be said of them where most steps are unseen."""
SHORTEST = 5
"""Shorter runs (nothing happened, or a format's fixture of two steps) tell nothing of rules."""


def main() -> None:
    real = real_data()
    if real is None:
        print("  no real data on this machine (CODETRACER_REAL_DATA)")
    else:
        runs = list(_runs(real / "trajectories"))
        rows = [row for path in sorted((real / "codetracebench").glob("manifest*.jsonl")) for row in _rows(path)]
        _overlap(runs, rows)
        _labelled_steps(rows, runs)
        _by_outcome(runs)
        _per_rule(runs)
    _speed()


def _runs(root: Path) -> Iterator[Trajectory]:
    for location in discover(root).locations:
        try:
            trajectory = read_run(location).trajectory
        except CodeTracerError:
            continue  # fixtures of damage
        if trajectory.step_count >= SHORTEST:
            yield trajectory


def _rows(path: Path) -> Sequence[BenchmarkRow]:
    return read_manifest(path).rows


def _overlap(runs: Sequence[Trajectory], rows: Sequence[BenchmarkRow]) -> None:
    tasks = {row.task_name for row in rows}
    same_task = [run for run in runs if run.task and run.task in tasks]
    same = [run for run in same_task for row in rows if (row.task_name, _key(row.agent)) == (run.task, _key(run.agent))]
    print(f"  {len(runs)} runs with whole text, {sum(run.step_count for run in runs)} steps; {len(rows)} labelled rows")
    print(f"  of these runs {len(same_task)} are of a labelled task, {len(same)} of the same task and agent")


def _key(agent: str | None) -> str:
    return (agent or "").lower().replace("-", "").replace(" ", "")


# ---------------------------------------------------------------- labelled steps


def _labelled_steps(rows: Sequence[BenchmarkRow], runs: Sequence[Trajectory]) -> None:
    """How often a rule fires on a labelled step whose text is there, seeing labelled steps only."""
    fired: dict[str, dict[Verdict, int]] = {rule.name: {} for rule in RULES}
    count: dict[Verdict, int] = {}
    labelled: dict[Verdict, int] = {}
    changes = 0
    for row in rows:
        verdicts = ground_truth_verdicts(row)[0]
        told = {step.step_id: step for step in _steps_with_text(row)}
        for verdict in verdicts.values():
            labelled[verdict] = labelled.get(verdict, 0) + 1
        if not told:
            continue
        steps = tuple(told.get(n, Step(step_id=n, action="", executed=False)) for n in range(1, row.step_count + 1))
        decisions = [classify(step) for step in steps]
        facts = Facts(Trajectory(format="manifest", view="labelled steps", steps=steps), decisions)
        for step_id in told:
            verdict = verdicts[step_id]
            count[verdict] = count.get(verdict, 0) + 1
            changes += verdict == "incorrect" and decisions[step_id - 1].kind == "change"
        for rule in RULES:
            for step_id in {hit.step_id for hit in rule.find(facts)} & told.keys():
                fired[rule.name][verdicts[step_id]] = fired[rule.name].get(verdicts[step_id], 0) + 1
    incorrect, unuseful = count.get("incorrect", 0), count.get("unuseful", 0)
    print(f"\n  labelled steps: {labelled}; with text: {count}; of these incorrect ones {changes} change something")
    mini = [run for run in runs if run.format == "mini-swe-agent"]
    every = sum(run.step_count for run in mini)
    print(f"  fired on labelled steps (unlabelled ones unseen: a lower bound) | on all {every} steps of mini-SWE-agent")
    print("  (the labelled ones are mostly of Terminal-Bench, the others of SWE-bench, by other models)")
    print(f"  {'rule':<27}{'says':<11}{'incorrect':>14}{'unuseful':>12}{'any step':>16}")
    for rule in RULES:
        on = fired[rule.name]
        here = (_of(on.get("incorrect", 0), incorrect), _of(on.get("unuseful", 0), unuseful))
        if rule.name in RESTS_ON_ABSENCE:
            here = ("–", "–")
        anywhere = sum(len({hit.step_id for hit in rule.find(facts)}) for facts in map(_facts, mini))
        print(f"  {rule.name:<27}{rule.says:<11}{here[0]:>14}{here[1]:>12}{_of(anywhere, every):>16}")


def _steps_with_text(row: BenchmarkRow) -> Iterator[Step]:
    for stage in row.incorrect_stages:
        for excerpt in stage.steps:
            action, observation = (_text(excerpt.get(key)) for key in ("action_ref", "observation_ref"))
            if action is not None:
                yield _step(excerpt["step_id"], action, observation)


def _text(reference: Mapping[str, Any] | None) -> str | None:
    return reference.get("content") if reference else None


def _step(step_id: int, action: str, observation: str | None) -> Step:
    """A step from the raw text that the manifest quotes: a message of mini-SWE-agent, an event of OpenHands, a reply to
    Terminus."""
    said: dict[str, Any] = json.loads(action.strip().rstrip(","))
    if "commands" in said:
        return Step(step_id=step_id, action=action, observation=observation)
    came: dict[str, Any] = json.loads(observation.strip().rstrip(",")) if observation else {}
    content = came.get("content")
    if "role" in said:
        command = said["content"].partition("```bash\n")[2].rpartition("\n```")[0]
        code = content.partition("<returncode>")[2].partition("</returncode>")[0] if content else ""
        return Step(step_id=step_id, action=command, observation=content, exit_code=int(code) if code else None)
    return Step(
        step_id=step_id,
        action=said["args"].get("command", json.dumps(said["args"])),
        tool=ToolCall(name=said["tool_call_metadata"]["function_name"], arguments=said["args"]),
        observation=content,
        exit_code=came.get("extras", {}).get("metadata", {}).get("exit_code"),
    )


# ---------------------------------------------------------------- runs with whole text


def _by_outcome(runs: Sequence[Trajectory]) -> None:
    """Accused: at least one step labelled. Constant rules stand beside; they need no run at all."""
    print("\n  runs accused (at least one step labelled), by outcome; steps labelled per 100 steps")
    print(f"  {'who':<34}{'solved':>12}{'failed':>12}{'unknown':>12}{'per 100 steps':>16}")
    labels = [
        {finding.step_id: finding.verdict for finding in diagnose_offline(run, run_id="bench").findings} for run in runs
    ]
    incorrect = [{step_id for step_id, verdict in one.items() if verdict == "incorrect"} for one in labels]
    _accused("heuristic, incorrect only", runs, [len(one) for one in incorrect])
    _accused("heuristic, incorrect or unuseful", runs, [len(one) for one in labels])
    _accused("every step that failed", runs, [sum(map(bool, _facts(run).failures)) for run in runs])
    _accused("last step", runs, [1] * len(runs))
    _accused("accuse nothing", runs, [0] * len(runs))


def _accused(name: str, runs: Sequence[Trajectory], labelled: Sequence[int]) -> None:
    told = []
    for solved in (True, False, None):
        here = [count for run, count in zip(runs, labelled, strict=True) if run.outcome.solved is solved]
        told.append(f"{_of(sum(map(bool, here)), len(here)):>12}")
    steps = sum(run.step_count for run in runs)
    print(f"  {name:<34}{''.join(told)}{100 * sum(labelled) / steps:>16.1f}")


def _per_rule(runs: Sequence[Trajectory]) -> None:
    print("\n  runs in which a rule fires, by outcome; steps in brackets")
    print(f"  {'rule':<27}{'says':<11}{'solved':>16}{'failed':>16}{'unknown':>16}")
    for rule in RULES:
        told = []
        for solved in (True, False, None):
            here = [_facts(run) for run in runs if run.outcome.solved is solved]
            hits = [len({hit.step_id for hit in rule.find(facts)}) for facts in here]
            told.append(f"{f'{_of(sum(map(bool, hits)), len(here))} ({sum(hits)})':>16}")
        print(f"  {rule.name:<27}{rule.says:<11}{''.join(told)}")


def _facts(run: Trajectory) -> Facts:
    return Facts(run, [classify(step) for step in run.steps])


def _of(count: int, of: int) -> str:
    return f"{count}/{of}"


def _speed() -> None:
    """666 steps and 5 MB of text, each reading and editing as agents do."""
    text = "".join(f"{n:6}\tvalue_{n} = compute(value_{n - 1})  # no error here\n" for n in range(1, 150))
    actions = ("cat src/part_{0}.py", "sed -i 's/a/b{0}/' src/part_{0}.py", "python run_{0}.py", "pytest -q", "ls src")
    steps = tuple(
        Step(step_id=n, action=actions[n % 5].format(n % 40), observation=text, exit_code=n % 3 == 0)
        for n in range(1, 667)
    )
    run = Trajectory(format="bench", view="bench", steps=steps)
    started = time.process_time()
    diagnosis = diagnose_offline(run, run_id="bench")
    seconds = time.process_time() - started
    size = sum(len(step.observation or "") for step in steps) / 1e6
    labelled = len(diagnosis.findings)
    print(f"\n  {run.step_count} steps, {size:.1f} MB diagnosed in {seconds:.2f} s of CPU time ({labelled} labelled)")
