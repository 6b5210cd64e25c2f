"""Logs of the agent "turner": ``NAME.turns.jsonl``, a line about the run, then a line per step."""

from codetracer_core.errors import MalformedRun
from codetracer_core.models import Step, ToolCall, Trajectory
from codetracer_core.parsers import Artifacts, Claim, Format

NAME = "turns"


def recognise(artifacts: Artifacts) -> list[Claim]:
    """Called for every folder, so it looks at names and heads of files only; it never raises."""
    names = [name for name in artifacts.files if name.endswith(".turns.jsonl")]
    return [
        Claim(unit=name, files=(name,), view="turns.jsonl")
        for name in names
        if artifacts.head(name).startswith(b'{"turner"')
    ]


def parse(artifacts: Artifacts, claim: Claim, declared_step_count: int | None) -> Trajectory:
    """Reads the run, or raises a CodeTracerError that names the file and the line; it never guesses."""
    notes: list[str] = []
    about, *records = artifacts.read_jsonl(claim.unit, notes)
    steps = []
    for number, record in enumerate(records, start=1):
        match record.value:
            case {"command": str(command), "output": str(output), "exit": int(exit_code)}:
                pass
            case _:
                raise MalformedRun(
                    "no turn: it needs a command, its output and its exit code",
                    path=artifacts.shown(claim.unit),
                    place=f"line {record.line}",
                    remedy="Get a complete copy of the log.",
                )
        thought = record.value.get("thought")
        steps.append(
            Step(
                step_id=number,
                action=command,
                tool=ToolCall(name="bash", arguments={"command": command}),
                observation=output,
                thought=thought,
                exit_code=exit_code,
                action_ref=record.ref("command"),
                observation_ref=record.ref("output"),
                thought_ref=record.ref("thought") if thought is not None else None,
            )
        )
    task = about.value.get("task")
    return Trajectory(
        format=NAME,
        view=claim.view,
        agent="turner",
        agent_version=about.value.get("turner"),
        model=about.value.get("model"),
        task=about.value.get("name"),
        task_text=task,
        task_ref=about.ref("task") if task is not None else None,
        steps=tuple(steps),
        notes=tuple(notes),
    )


FORMAT = Format(name=NAME, title="turner (NAME.turns.jsonl)", recognise=recognise, parse=parse)
