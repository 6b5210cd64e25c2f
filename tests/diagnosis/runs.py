"""Runs as a diagnosis reads them, made up or from the samples."""

import json
from typing import Any

from codetracer_core.diagnosis.reading import Artifacts, Reading
from codetracer_core.diagnosis.tools import ToolResult, call_tool
from codetracer_core.llm import ToolRequest
from codetracer_core.models import Step, Trajectory
from codetracer_core.stages import offline_stages
from codetracer_core.tree import build_tree


def run_of(*steps: Step, **header: Any) -> Trajectory:
    return Trajectory(**({"format": "swe-agent", "view": "run.traj", "steps": steps} | header))


def reading_of(run: Trajectory, *read: int, artifacts: Artifacts | None = None, **settings: Any) -> Reading:
    tree = build_tree(run)
    stages = offline_stages(run, tree).stages
    return Reading(run, tree, stages, artifacts, read=set(read), **settings)


def ask(reading: Reading, tool: str, **arguments: Any) -> ToolResult:
    return call_tool(reading, ToolRequest(call_id="c", name=tool, arguments=json.dumps(arguments)))
