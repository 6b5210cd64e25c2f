"""How this installation is doing, as facts by topic."""

import os
import platform
import shutil
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from codetracer_core import __version__
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.parsers import PARSERS
from codetracer_core.store import Store, Workspace, lock_holder

KEYS = (
    *("CODETRACER_API_KEY", "CODETRACER_API_BASE", "CODETRACER_MODEL", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"),
    *("GEMINI_API_KEY", "DEEPSEEK_API_KEY", "MOONSHOT_API_KEY", "MISTRAL_API_KEY", "OPENROUTER_API_KEY"),
    *("AZURE_API_KEY", "AWS_ACCESS_KEY_ID"),
)
_PACKAGES = (
    *("streamlit", "duckdb", "pyarrow", "pandas", "numpy", "networkx", "plotly", "pydantic", "msgspec"),
    *("tree-sitter", "tree-sitter-bash", "typer"),
)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def findings(workspace: Path) -> dict[str, dict[str, str]]:
    """Versions, the workspace and who has it open, formats, a browser for the tests, which keys are set.

    Makes no workspace, and never tells what a key is.
    """
    browser = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    return {
        "versions": _versions(),
        "workspace": _workspace(Workspace(workspace.expanduser().absolute())),
        "formats": {parser.name: parser.title for parser in PARSERS},
        "browser": {"chromium": browser or "not found (only the tests need one)"},
        "keys": {name: "set" if os.environ.get(name) else "not set" for name in KEYS},
    }


def _versions() -> dict[str, str]:
    installed = {distribution.name.lower(): distribution.version for distribution in metadata.distributions()}
    return {
        "codetracer": __version__,
        "python": f"{platform.python_version()} on {platform.system()} ({platform.machine()})",
        **{name: installed.get(name, "missing") for name in _PACKAGES},
    }


def _workspace(place: Workspace) -> dict[str, str]:
    if not place.folder.is_dir():
        missing = "a file; a workspace is a folder" if place.folder.exists() else "not there yet; an import makes it"
        return {"folder": f"{place.folder} ({missing})"}
    owner = lock_holder(place.folder)
    return {
        "folder": str(place.folder) if place.writable else f"{place.folder} (may only be read by you)",
        "holds": _contents(place),
        "open in": str(owner or "no process"),
        "database": f"{place.database.stat().st_size:,} bytes" if place.database.exists() else "none yet",
        "step text": _size(list(place.trajectories.glob("*.parquet"))),
        "inbox": _size(list(place.inbox.glob("*.json.zst"))),
        "refused": _size(list(place.refused.glob("*.json.zst"))),
    }


def _contents(place: Workspace) -> str:
    """How many runs and labelled steps there are, or why that cannot be told."""
    try:
        with Store.open_for_reading(place.folder) as reader:
            runs = reader.runs()
    except NotFound:
        return "nothing yet"
    except CodeTracerError as error:
        return str(error)
    labelled = sum(run.human_labels for run in runs)
    with_truth = sum(bool(run.has_ground_truth) for run in runs)
    return f"{len(runs)} runs, {with_truth} with ground truth, {labelled} labelled steps"


def _size(files: Sequence[Path]) -> str:
    return f"{len(files)} files, {sum(file.stat().st_size for file in files):,} bytes"
