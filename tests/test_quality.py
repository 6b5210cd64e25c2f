"""Style, types and layering are tests like any other."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from codetracer_core.viewer_data import VIEWER_STYLES
from tests.conftest import REPOSITORY

CHECKS = {
    "ruff check": [sys.executable, "-m", "ruff", "check", "."],
    "ruff format": [sys.executable, "-m", "ruff", "format", "--check", "."],
    "mypy": [sys.executable, "-m", "mypy"],
    "import-linter": [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
}


FRONTEND = REPOSITORY / "codetracer_core" / "frontend"
WRITES_HTML = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|Prism\.highlight"
)


@pytest.mark.parametrize("check", CHECKS)
def test_check_finds_nothing(check: str) -> None:
    result = subprocess.run(CHECKS[check], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_script_of_ours_writes_html() -> None:
    """Text of a run becomes text nodes, nothing else; the vendored tokenizer, which could, is told to stay away."""
    scripts = sorted(FRONTEND.glob("*.js"))
    assert len(scripts) > 20
    assert {path.name: found for path in scripts if (found := WRITES_HTML.findall(path.read_text()))} == {}
    guard = (FRONTEND / "vendor" / "prism.min.js").read_text().index("(window.Prism ??= {}).manual = true;")
    assert guard < (FRONTEND / "vendor" / "prism.min.js").read_text().index("highlightAll")


def test_every_variable_that_a_style_sheet_uses_is_set() -> None:
    """In the sheet, by a script, or in the sheets that come before it."""
    components = (REPOSITORY / "codetracer_core" / "ui" / "components.py").read_text()
    by_scripts = {name for path in FRONTEND.glob("*.js") for name in re.findall(r'"--([\w-]+)"', path.read_text())}
    by_scripts |= {"fg", "bg"}  # the colours of a terminal, in text.js
    palette = set(re.findall(r"--([\w-]+):", (FRONTEND / "palette.css").read_text()))
    styled = re.findall(r"_styles\((.*?)\)", components)
    after_palette = {"shared.css", *VIEWER_STYLES, *re.findall(r'"([\w.]+)"', " ".join(styled))}
    unset = {}
    for path in FRONTEND.glob("*.css"):
        text = path.read_text()
        known = set(re.findall(r"--([\w-]+):", text)) | by_scripts
        known |= palette if path.name in after_palette else set()
        unset[path.name] = {name for name in re.findall(r"var\(--(?!st-)([\w-]+)\)", text) if name not in known}
    assert {name: sorted(names) for name, names in unset.items() if names} == {}
    assert "var(--good)" in (FRONTEND / "replay.css").read_text(), "what this test is about"
