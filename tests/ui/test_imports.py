"""What importing a part of CodeTracer loads: slow and heavy libraries only where they are needed."""

import subprocess
import sys

import pytest

UI = [
    *(
        "components",
        "identity",
        "importing",
        "login",
        "settings",
        "library",
        "overview",
        "shell",
        "viewer",
        "workspace",
    ),
    *("diagnosing", "diagnosis_order", "diagnosis_batch", "insights"),
]
CORE = ["parsers", "store", "workflow", "actions", "tree", "stages"]


def loaded(*modules: str) -> set[str]:
    """The top-level packages in a fresh interpreter that has imported these modules."""
    script = f"import sys, {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(shown.stdout.split())


def test_the_dashboard_starts_without_models_and_statistics() -> None:
    packages = loaded(*(f"codetracer_core.ui.{name}" for name in UI))
    assert "streamlit" in packages
    assert not packages & {"litellm", "openai", "scipy", "sklearn"}


def test_the_command_line_starts_without_models() -> None:
    assert not loaded("codetracer_core.cli", "codetracer_core.llm") & {"litellm", "openai", "httpx", "streamlit"}


@pytest.mark.parametrize("name", CORE)
def test_the_library_knows_no_dashboard(name: str) -> None:
    assert not loaded(f"codetracer_core.{name}") & {"streamlit", "plotly", "litellm", "openai"}
