"""A real dashboard on loopback and a real Chromium in front of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import SAMPLE_DATA, real_data
from tests.ports import held_port

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


WAIT = 30_000
"""Milliseconds that a page is waited for: no test takes so long unless it fails. A busy machine is no failure."""


@dataclass
class Dashboard:
    """``codetracer dashboard`` as a process of its own, on a workspace of its own."""

    workspace: Path
    port: int = field(default_factory=held_port)
    process: subprocess.Popen[bytes] | None = None
    runs: dict[str, str] = field(default_factory=dict)
    """Run ids by the name of the folder or file that holds the run."""
    app: Path | None = None
    """A script to be served in place of the dashboard's own."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        if self.app is None:
            words = ["codetracer_core", "dashboard", "--port", str(self.port), "--no-browser"]
        else:
            words = ["streamlit", "run", str(self.app), "--server.port", str(self.port), "--server.headless", "true"]
        environment = os.environ | {"CODETRACER_WORKSPACE": str(self.workspace)}
        with (self.workspace.parent / "dashboard.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *words], stdout=log, stderr=log, start_new_session=True, env=environment
            )
        end = time.monotonic() + 180
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError((self.workspace.parent / "dashboard.log").read_text())
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError("the dashboard did not come up")

    def kill(self) -> None:
        """As ``kill -9`` does it, the process and everything it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def write_run(folder: Path, steps: int, observation: int, *, name: str) -> None:
    """A pre-normalised run of ``steps`` steps with about ``observation`` characters of observation each."""
    folder.mkdir(parents=True)
    line = "line of an invented observation, long enough to wrap at some width\n"
    records = [
        {
            "step_id": i,
            "action": f"sed -i 's/a/{i}/' src/module_{i}.py" if i % 3 == 0 else f"grep -rn symbol_{i} src",
            "observation": f"observation of step {i}\n" + line * (observation // len(line)),
            "thinking": f"thought of step {i}",
        }
        for i in range(1, steps + 1)
    ]
    (folder / "steps.json").write_text(json.dumps(records))
    (folder / "task.md").write_text(f"# {name}\n\nAn invented task.\n")


def cli(*arguments: str, workspace: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "codetracer_core", *arguments, "--workspace", str(workspace)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CODETRACER_REQUIRE_BROWSER"):
            pytest.fail("CODETRACER_REQUIRE_BROWSER is set and there is no Chromium on this machine")
        pytest.skip("no Chromium on this machine; install the package chromium to run the browser tests")
    expect.set_options(timeout=WAIT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(WAIT)
    yield page
    context.close()


LONG, HUGE = 300, 1_200_000
"""Steps of the run "long"; characters of each observation of the run "huge"."""


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Dashboard]:
    """One dashboard for all tests: the sample runs, a long run, a huge one, and the real runs where there are some."""
    folder = tmp_path_factory.mktemp("dashboard")
    write_run(folder / "runs" / "long", LONG, 4_000, name="long")
    write_run(folder / "runs" / "huge", 5, HUGE, name="huge")
    running = Dashboard(folder / "workspace")
    roots = [folder / "runs", SAMPLE_DATA, *([real / "trajectories"] if (real := real_data()) else [])]
    imported = cli("import", *map(str, roots), "--json", workspace=running.workspace)
    assert imported.returncode == 0, imported.stderr
    items = json.loads(imported.stdout)["items"]
    running.runs = {Path(item["path"].partition("#")[0]).name: item["run_id"] for item in items if item["run_id"]}
    running.start()
    yield running
    running.kill()
