"""How this installation is doing, as facts by topic."""

import os
import platform
import shutil
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from codetracer_core import __version__, plugins
from codetracer_core.config import load_config
from codetracer_core.diagnosis_models import HEURISTIC
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.extractors.registry import registered, strays
from codetracer_core.formats import formats_of
from codetracer_core.llm.keys import KEY_VARIABLE, NO_KEY, find_key, secrets_path
from codetracer_core.llm.plugged import shadows
from codetracer_core.llm.provider import providers
from codetracer_core.parsers.plugged import plugin_formats
from codetracer_core.plugins import Kind
from codetracer_core.store import Store, Workspace, lock_holder

KEYS = (
    *(
        "CODETRACER_API_KEY",
        "CODETRACER_SECRETS",
        "CODETRACER_API_BASE",
        "CODETRACER_MODEL",
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
    ),
    *("GEMINI_API_KEY", "DEEPSEEK_API_KEY", "MOONSHOT_API_KEY", "MISTRAL_API_KEY", "OPENROUTER_API_KEY"),
    *("AZURE_API_KEY", "AWS_ACCESS_KEY_ID"),
)
_PACKAGES = (
    *("streamlit", "duckdb", "pyarrow", "pandas", "numpy", "networkx", "plotly", "pydantic", "msgspec"),
    *("tree-sitter", "tree-sitter-bash", "typer"),
)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def findings(workspace: Path) -> dict[str, dict[str, str]]:
    """Versions, the workspace and who has it open, formats, extractors, plugins, a browser, the model, and which keys
    are set.

    Makes no workspace, and never tells what a key is.
    """
    browser = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    return {
        "versions": _versions(),
        "workspace": _workspace(Workspace(workspace.expanduser().absolute())),
        "formats": {parser.name: parser.title for parser in formats_of(workspace)},
        "extractors": _extractors(workspace),
        "plugins": _plugins(),
        "browser": {"chromium": browser or "not found (only the tests need one)"},
        "diagnosis": _diagnosis(workspace),
        "keys": {name: "set" if os.environ.get(name) else "not set" for name in KEYS},
    }


def _versions() -> dict[str, str]:
    installed = {distribution.name.lower(): distribution.version for distribution in metadata.distributions()}
    return {
        "codetracer": __version__,
        "python": f"{platform.python_version()} on {platform.system()} ({platform.machine()})",
        **{name: installed.get(name, "missing") for name in _PACKAGES},
    }


def _extractors(workspace: Path) -> dict[str, str]:
    """Of each extractor which version reads runs, and what of it cannot be read; and what lies there and is none."""
    try:
        known = registered(workspace)
    except CodeTracerError as error:
        return {"folder": str(error)}
    told = {}
    for one in known:
        reads = f"v{one.active} of {len(one.versions)} reads runs" if one.current else "reads no runs"
        told[one.name] = "; ".join((reads, *one.problems))
    remedy = "no extractor: take a spec over with 'codetracer extractors import'"
    return told | dict.fromkeys(strays(workspace), remedy) or {"none": "this workspace was taught no format"}


def _plugins() -> dict[str, str]:
    """What other packages bring, by kind and name: the package, or why it is not used. Imports all of them."""
    told: dict[str, list[str]] = {}
    _, problems = plugin_formats()
    for plugin in plugins.found("parsers")[0]:
        told[f"parsers: {plugin.name}"] = [plugin.package]
    kinds: tuple[Kind, ...] = ("environments", "models")
    for kind in kinds:
        offered, wrong = plugins.found(kind)
        problems += wrong
        for plugin in offered:
            why = plugins.why_no_factory(plugin) or (shadows(plugin, providers()) if kind == "models" else "")
            told[f"{kind}: {plugin.name}"] = [why or plugin.package]
    for problem in problems:
        place = told.setdefault(f"{problem.kind}: {problem.name}", [])
        place.append(problem.words)
    return {name: "; ".join(words) for name, words in told.items()} or {"none": "no package brings any"}


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


def _diagnosis(workspace: Path) -> dict[str, str]:
    """Which model would be asked, and whether there is a key for it."""
    try:
        setup = load_config(None, workspace)
    except CodeTracerError as error:
        return {"settings": str(error)}
    llm = setup.config.llm
    told = {"settings": str(setup.path or "defaults")}
    if llm.model is None:
        return told | {"model": "none chosen (--model, CODETRACER_MODEL); heuristic works without"}
    told["model"] = f"{llm.model} ({setup.origins['llm.model']})"
    if llm.model == HEURISTIC:
        return told
    return told | {"api base": llm.api_base or "the provider's own", "key": _key(llm.model, llm.api_base)}


def _key(model: str, api_base: str | None) -> str:
    """Where the key for this model comes from; never what it is."""
    provider, named, _ = model.partition("/")
    own = f"{provider.upper()}_API_KEY" if named else "the provider's own variable"
    try:
        key = find_key(provider, api_base, provider_has_own=bool(os.environ.get(own)))
    except CodeTracerError as error:
        return str(error)
    if os.environ.get(KEY_VARIABLE, "").strip():
        return f"set in {KEY_VARIABLE}"
    if key is not None and key.get_secret_value() != NO_KEY:
        return f"set in {secrets_path()}"
    if api_base is not None:
        return f"not set: the server must do without, or set {KEY_VARIABLE}"
    return f"set in {own}" if os.environ.get(own) else f"not set in {KEY_VARIABLE}, {own} or {secrets_path()}"


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
