"""Style, types and layering are tests like any other."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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
