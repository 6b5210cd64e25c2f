"""Commands on one diagnosis, and on the settings behind all. Thin, as ``cli`` is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codetracer_core.cli import terminal
from codetracer_core.cli.diagnosis_terminal import estimate_in_words, print_diagnosis, print_plan, watching
from codetracer_core.cli.option_groups import DiagnosisOptions, spelled_out
from codetracer_core.cli.options import AsJson, DryRun, Format, Run, Settings, Workspace, place_of, setup_of
from codetracer_core.errors import CodeTracerError

if TYPE_CHECKING:
    from codetracer_core.config import Config
    from codetracer_core.diagnosing import FolderRun
    from codetracer_core.diagnosis import Estimate
    from codetracer_core.diagnosis_models import Diagnosis, DiagnosisSettings, Insight
    from codetracer_core.llm import Model
    from codetracer_core.models import Trajectory

DIAGNOSIS_FILE, TRANSCRIPT_FILE = "codetracer_diagnosis.json", "codetracer_transcript.jsonl"
"""The whole diagnosis of a run that is not imported, and what was said while it was made."""


@spelled_out
def analyze(
    run: Run,
    options: DiagnosisOptions,
    output_dir: Annotated[
        Path | None, typer.Option(help="Write files into this folder: see --profile.", show_default=False)
    ] = None,
    dry_run: DryRun = False,
    file: Settings = None,
    workspace: Workspace = None,
    format: Format = None,
    as_json: AsJson = False,
) -> None:
    """Have a run diagnosed: where it went wrong, with the steps and words that show it.

    A folder or file need not be imported, and nothing is stored; --output-dir then takes the whole diagnosis and its
    transcript, too. Of an imported run the diagnosis goes into the workspace, with its labels and transcript, also
    while the dashboard has it open; asked again after a kill it goes on where it was and pays for no call twice.
    Ctrl-C ends it and keeps what was found until then.

    There is no option for a key, because shells remember what is typed: set CODETRACER_API_KEY or the provider's own
    variable (OPENAI_API_KEY …), or name a file of secrets in CODETRACER_SECRETS.

    \b
    Examples:
      codetracer analyze sample_data/some-run --model heuristic
      codetracer analyze some-run-0123456789 --model openai/gpt-5 --samples 3 --cost-limit 1.50
      codetracer analyze some-run --model my-model --api-base http://127.0.0.1:8000/v1 --dry-run
      codetracer analyze some-run --model heuristic --profile detailed --profile rl_feedback --output-dir out
    """
    from codetracer_core import diagnosing
    from codetracer_core.config import model_of
    from codetracer_core.diagnosing.outputs import make_folder, refuse_evidence
    from codetracer_core.store import Store

    settings = setup_of(file, workspace, options.settings(output_dir)).config
    place = place_of(workspace)
    asked = model_of(settings)
    chosen = _chosen(run, place, format, settings)
    if dry_run:
        plan = _plan(chosen, asked, settings)
        terminal.print_json(plan) if as_json else print_plan(plan)
        return
    folder = settings.output.folder
    if folder is not None:  # told before anything is paid for
        refuse_evidence(folder, chosen.evidence)
        make_folder(folder)
    if asked is not None:
        terminal.print_line(estimate_in_words(_estimate(chosen, asked)), err=True)
    with terminal.stoppable() as received, watching() as tell:
        if chosen.folder is not None:
            made = diagnosing.diagnose_folder(
                chosen.folder,
                model=asked,
                settings=chosen.settings,
                on_progress=tell,
                cancelled=lambda: bool(received),
            )
            diagnosis, transcript = made.diagnosis, made.transcript
        else:
            with Store.open_for_reading(place) as reader:
                diagnosis = diagnosing.diagnose_run(
                    reader,
                    place,
                    chosen.run_id,
                    model=asked,
                    settings=chosen.settings,
                    memory_characters=settings.memory.max_characters,
                    on_progress=tell,
                    cancelled=lambda: bool(received),
                )
            transcript = ()
    if as_json:
        terminal.print_json(diagnosis.model_dump(mode="json"))
    elif diagnosis.status != "failed":
        print_diagnosis(diagnosis, run)
    if diagnosis.status == "failed":
        raise CodeTracerError(f"the diagnosis failed: {diagnosis.status_reason}")
    if folder is not None:
        written = diagnosing.write_outputs(diagnosis, chosen.trajectory, settings.output.profiles, folder)
        if chosen.folder is not None:  # no workspace keeps them
            written += _write_whole(diagnosis, transcript, folder)
        for path in written:
            terminal.print_line(f"written: {path}", err=True)
    if diagnosis.status == "cancelled":
        kept = "told above" if chosen.folder is not None else "stored; asked again, it goes on from there"
        terminal.print_line(f"cancelled: what was found until then is {kept}", err=True)
        raise typer.Exit(128 + received[0])


def _write_whole(diagnosis: "Diagnosis", transcript: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    from codetracer_core.exporting import write_text

    whole = {
        folder / DIAGNOSIS_FILE: json.dumps(diagnosis.model_dump(mode="json"), indent=1) + "\n",
        folder / TRANSCRIPT_FILE: "".join(json.dumps(entry) + "\n" for entry in transcript),
    }
    for path, text in whole.items():
        write_text(path, text)
    return list(whole)


@dataclass(frozen=True)
class _Chosen:
    """The run to diagnose, as a diagnosis may see it."""

    run_id: str
    trajectory: "Trajectory"
    settings: "DiagnosisSettings"
    folder: "FolderRun | None" = None
    """The run in its files; None: the workspace has it."""
    evidence: Path | str | None = None
    """Where its files lie: nothing is written there."""
    insights: "Sequence[Insight]" = ()


def _chosen(run: str, place: Path, format: str | None, config: "Config") -> _Chosen:
    """The run at a path, else the imported one that is called so. A path knows no workspace, hence no memory."""
    from codetracer_core.diagnosing import evidence_of, folder_run
    from codetracer_core.memory import chosen
    from codetracer_core.store import Store
    from codetracer_core.workflow import neither, path_of

    path = path_of(run)
    settings = config.settings
    if path is not None:
        folder = folder_run(path, workspace=place, format=format)
        return _Chosen(
            folder.run_id, folder.trajectory, settings.model_copy(update={"use_memory": False}), folder, folder.path
        )
    with neither(run), Store.open_for_reading(place) as reader:
        record = reader.load_run(reader.find_run(run))
        known = reader.insights(enabled=True) if settings.use_memory else []
    trajectory = evidence_of(record)
    insights = chosen(known, trajectory.agent, limit=config.memory.max_characters)
    return _Chosen(record.run_id, trajectory, settings, None, record.origin, insights)


def _estimate(chosen: _Chosen, model: "Model") -> "Estimate":
    from codetracer_core.diagnosis import estimate

    return estimate(
        chosen.trajectory,
        chosen.settings,
        price=model.price,
        context_tokens=model.context_tokens,
        insights=chosen.insights,
    )


def _plan(chosen: _Chosen, model: "Model | None", config: "Config") -> dict[str, Any]:
    """What a diagnosis would do, as plain values. Asks no model and needs no key."""
    from codetracer_core.diagnosis.prompts import versions

    plan: dict[str, Any] = {"run_id": chosen.run_id, "steps": chosen.trajectory.step_count, "model": config.llm.model}
    if model is None:
        return plan | {"estimate": None, "first_request": None}
    return plan | {
        "context_tokens": model.context_tokens,
        "price": model.price and model.price.model_dump(),
        "settings": chosen.settings.model_dump(mode="json"),
        "insights": len(chosen.insights),
        "prompt_versions": versions(chosen.settings.strategy),
        "estimate": asdict(_estimate(chosen, model)),
        "first_request": _first_request(chosen, model.context_tokens),
    }


def _first_request(chosen: _Chosen, context_tokens: int) -> dict[str, int] | None:
    """How much a diagnosis would send first; None: nothing. It is cancelled when it asks for the first time."""
    from codetracer_core.diagnosis import diagnose
    from codetracer_core.errors import Cancelled
    from codetracer_core.llm import Message, Reply, ScriptedModel, ToolSpec

    seen: list[dict[str, int]] = []

    def look(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Reply:
        characters = sum(len(message.text) for message in messages)
        tokens = model.count_tokens(messages, tools)
        seen.append({"messages": len(messages), "characters": characters, "tools": len(tools), "tokens": tokens})
        raise Cancelled("only looked at")

    model = ScriptedModel(look, context_tokens=context_tokens)
    diagnose(chosen.trajectory, run_id=chosen.run_id, model=model, settings=chosen.settings, insights=chosen.insights)
    return seen[0] if seen else None


def config(file: Settings = None, workspace: Workspace = None, as_json: AsJson = False) -> None:
    """Show the settings of diagnoses that are in force, and where each comes from.

    The file that docs/codetracer.example.yaml explains goes over the defaults, CODETRACER_MODEL and
    CODETRACER_API_BASE go over the file, options of a command over both. Keys of providers are no settings: they come
    from CODETRACER_API_KEY, the provider's own variable, or a secrets file; 'codetracer doctor' tells which are set.

    \b
    Examples:
      codetracer config
      codetracer config --config my-settings.yaml --json
    """
    setup = setup_of(file, workspace)
    rows = [
        {"setting": name, "value": value, "from": setup.origins.get(name, "default")}
        for name, value in setup.config.values()
    ]
    if as_json:
        terminal.print_json({"path": setup.path and str(setup.path), "settings": rows})
        return
    terminal.print_line(f"settings from {setup.path}" if setup.path else "no file of settings: defaults")
    for row in rows:
        row["value"] = row["value"] if isinstance(row["value"], str | None) else json.dumps(row["value"])
    terminal.print_table(rows)
