"""Small real runs, written to disk by the tests that need them."""

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zstandard

ACTIONS = ("ls", "cat app.py", "sed -i s/a/b/ app.py", "cat app.py", "pytest -q", "submit")


def write_run(path: Path, actions: Sequence[str] = ACTIONS, *, submission: str = "") -> Path:
    """A SWE-agent run with one step per action."""
    path.parent.mkdir(parents=True, exist_ok=True)
    steps = [
        {
            "action": action,
            "observation": f"saw {number}",
            "response": f"I do {number}\n```\n{action}\n```",
            "thought": f"I do {number}",
            "state": {},
        }
        for number, action in enumerate(actions, start=1)
    ]
    info = {"exit_status": "submitted", "submission": submission, "model_stats": {"instance_cost": 0.25}}
    path.write_text(json.dumps({"environment": "main", "trajectory": steps, "history": [], "info": info}, indent=1))
    return path


def manifest_row(traj_id: str, **columns: Any) -> dict[str, Any]:
    """A manifest row for a run of ``ACTIONS``: step 3 is incorrect, step 4 unuseful."""
    plain: dict[str, Any] = {
        "traj_id": traj_id,
        "agent": "SWE-agent",
        "model": "a-model",
        "task_name": "fix-it",
        "task_slug": "fix-it-0",
        "difficulty": "easy",
        "category": "debugging",
        "tags": ["coding"],
        "solved": True,
        "step_count": 6,
        "stages": [
            {"stage_id": 1, "start_step_id": 1, "end_step_id": 2},
            {"stage_id": 2, "start_step_id": 3, "end_step_id": 6},
        ],
        "stage_count": 2,
        "incorrect_error_stage_count": 1,
        "trial_name": "fix-it.1-of-1",
        "source_relpath": f"agents/{traj_id}",
        "annotation_relpath": f"annotations/{traj_id}",
        "incorrect_stages": [{"stage_id": 2, "incorrect_step_ids": [3], "unuseful_step_ids": [4], "steps": []}],
        "generated_at": "2026-03-05T00:31:36+00:00",
        "artifact_path": f"bench_artifacts/full/{traj_id}.tar.zst",
    }
    return plain | columns


def write_manifest(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pack_zst(path: Path, folder: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as file:
        file.add(folder, arcname=folder.name)
    path.write_bytes(zstandard.ZstdCompressor().compress(plain.getvalue()))
    return path


def write_benchmark(root: Path, make: Path) -> Path:
    """A benchmark: one archive, one extracted folder, one misaligned, one without artifact, one not downloaded."""
    write_run(make / "archived" / "archived.traj", submission="1")
    pack_zst(root / "bench_artifacts" / "full" / "archived.tar.zst", make / "archived")
    write_run(root / "extracted" / "run.traj", submission="2")
    write_run(root / "agents" / "longer" / "run.traj", [*ACTIONS, "exit"], submission="3")
    write_manifest(
        root / "bench_manifest.full.jsonl",
        [
            manifest_row("archived"),
            manifest_row("extracted", solved=None),
            manifest_row("longer"),
            manifest_row("lost", artifact_path=None),
            manifest_row("elsewhere"),
        ],
    )
    return root
