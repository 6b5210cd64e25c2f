"""Packages that bring formats, environments and models, installed into a folder of their own and used by a process that
finds them there. In this process there are none."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from codetracer_core import plugins
from codetracer_core.formats import formats_of
from codetracer_core.parsers import PARSERS
from tests.conftest import REPOSITORY, SAMPLE_DATA
from tests.installing import install, with_packages, write_distribution

EXAMPLE = REPOSITORY / "docs" / "example_plugin"
PROJECT = SAMPLE_DATA / "replayable" / "project"
LOG: tuple[Mapping[str, Any], ...] = (
    {"turner": "2.1", "name": "parcels-31", "model": "tiny", "task": "Solve the issue."},
    {"thought": "What is there?", "command": "ls", "output": "README.md\nparcels\ntests\n", "exit": 0},
    {"command": "cat parcels/nothing.py", "output": "cat: parcels/nothing.py: No such file or directory\n", "exit": 1},
    {"command": "echo done", "output": "done\n", "exit": 0},
)


def write_log(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "one.turns.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in LOG))
    return path


def run(code: str, *packages: Path) -> subprocess.CompletedProcess[str]:
    """Python code in a process that finds these packages."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=with_packages(*packages)
    )


ONE_AFTER_THE_OTHER = """
import contextlib, io, json, sys
from codetracer_core.cli import main
told, run_id = [], ""
for words in json.loads(sys.argv[1]):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try: main([word.replace("RUN", run_id) for word in words])
        except SystemExit as left: code = left.code or 0
    told.append((code, out.getvalue(), err.getvalue()))
    if words[0] == "import": run_id = json.loads(out.getvalue())["items"][0]["run_id"]
print(json.dumps(told))
"""


class Told(NamedTuple):
    code: int
    out: str
    err: str


def commands(*each: list[str], packages: Path, workspace: Path) -> list[Told]:
    """Commands of codetracer in one process that finds these packages: models take long to import. RUN stands for the
    first run that was imported."""
    asked = json.dumps([[*words, "-w", str(workspace)] for words in each])
    said = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER, asked],
        capture_output=True,
        text=True,
        check=False,
        env=with_packages(packages),
    )
    assert said.returncode == 0, said.stderr
    return [Told(*one) for one in json.loads(said.stdout)]


def test_without_a_package_nothing_changes(tmp_path: Path) -> None:
    assert [plugins.found(kind) for kind in plugins.KINDS] == [((), ())] * 3
    assert plugins.environments() == {}
    assert formats_of(tmp_path) == PARSERS


def test_the_documented_package_is_the_tested_one() -> None:
    documented = dict(re.findall(r"^`([\w./]+)`\n\n```(?:python|toml)\n(.*?)```$", _documentation(), re.M | re.S))
    files = [EXAMPLE / "pyproject.toml", *sorted(EXAMPLE.glob("*/[!_]*.py"))]
    assert documented == {file.relative_to(EXAMPLE).as_posix(): file.read_text() for file in files}


def test_the_example_imports_diagnoses_replays_and_is_told_of(tmp_path: Path) -> None:
    package = install(EXAMPLE, tmp_path / "packages")
    log = write_log(tmp_path / "logs")
    again = ["replay", "RUN", "--step", "3", "--no-agent", "--divergence", "1", "--json", "--env"]
    about, came_in, diagnosed, planned, replayed, no_folder, *refused = commands(
        ["doctor", "--json"],
        ["import", str(log.parent), "--json"],
        ["analyze", "RUN", "--model", "rules/first-failure", "--json"],
        [*again, "copied", "--env-option", f"folder={PROJECT}", "--dry-run"],
        [*again, "copied", "--env-option", f"folder={PROJECT}"],
        [*again, "copied"],
        [*again, "nowhere"],
        [*again, "copied", "--env-option", "folder"],
        [*again, "local", "--env-option", "folder=x"],
        ["run", str(log), "--replay", "--env", "nowhere", "--no-agent"],
        packages=package,
        workspace=tmp_path / "workspace",
    )
    told = json.loads(about.out)
    assert told["plugins"] == dict.fromkeys(
        ("parsers: turns", "environments: copied", "models: rules"), "codetracer-turns 0.1.0"
    )
    assert told["formats"]["turns"] == "turner (NAME.turns.jsonl)"
    (item,) = json.loads(came_in.out)["items"]
    assert (item["status"], item["format"], item["step_count"]) == ("imported", "turns", 3)
    diagnosis = json.loads(diagnosed.out)
    assert (diagnosis["model"], diagnosis["onset"][0]["step_id"]) == ("rules/first-failure", 2)
    assert diagnosis["findings"][0]["citations"][0]["quote"]["text"] == LOG[2]["output"].strip()

    assert json.loads(planned.out)["environment"] == f"environment copied (of a plugin), with folder={PROJECT}"
    result = json.loads(replayed.out)["result"]
    assert result["order"]["place"] == {"kind": "plugin", "name": "copied", "options": {"folder": str(PROJECT)}}
    assert [(step["step_id"], step["met"]) for step in result["replayed"]] == [(1, "same"), (2, "same")]
    assert "a copy of a folder on this machine" in result["facts"]
    assert no_folder.code == 1
    assert "this environment needs an option: folder=PATH" in no_folder.err
    assert [one.code for one in refused] == [1] * 4
    assert "there is no environment 'nowhere'. Known: container, git, local, copied." in refused[0].err
    assert "Write NAME=VALUE." in refused[1].err
    assert "--env-option is for the environment of a plugin" in refused[2].err
    assert refused[3].err == refused[0].err


def test_references_of_the_example_lead_to_the_text(tmp_path: Path) -> None:
    package = install(EXAMPLE, tmp_path / "packages")
    log = write_log(tmp_path / "logs")
    found = run(
        "import sys, json\n"
        "from pathlib import Path\n"
        "from codetracer_core.discovery import locate\n"
        "from codetracer_core.formats import formats_of\n"
        "from codetracer_core.parsers import read_run, resolve\n"
        f"where = locate(Path({str(log)!r}), formats=formats_of(Path('nowhere')))\n"
        "run = read_run(where).trajectory\n"
        "print(json.dumps([resolve(where.folder, ref) for step in run.steps\n"
        "                  for ref in (step.action_ref, step.observation_ref)]))",
        package,
    )
    assert json.loads(found.stdout) == [line[name] for line in LOG[1:] for name in ("command", "output")]


def test_the_example_replays_in_its_environment(tmp_path: Path) -> None:
    package = install(EXAMPLE, tmp_path / "packages")
    found = run(
        "import json\n"
        "from pathlib import Path\n"
        "from codetracer_core import plugins\n"
        "from codetracer_core.replay.environments.protocol import Environment\n"
        "from codetracer_core.replay.models import Limits\n"
        f"scratch = Path({str(tmp_path)!r})\n"
        "start = plugins.environments()['copied']\n"
        f"place = start({{'folder': {str(PROJECT)!r}}}, Limits(), scratch, 'r1', 'fresh')\n"
        "assert isinstance(place, Environment)\n"
        "ran = place.run('cat parcels/nothing.py; ls; env')\n"
        "slow = place.run('sleep 60', timeout=0.3)\n"
        "place.write_file('new/file', b'x')\n"
        "print(json.dumps([ran.output, ran.exit_code, slow.timed_out, place.read_file('new/file').decode()]))\n"
        "place.stop(), place.stop()\n"
        "assert not (scratch / 'r1').exists()\n",
        package,
    )
    assert found.returncode == 0, found.stderr
    output, code, timed_out, written = json.loads(found.stdout)
    assert LOG[2]["output"] + LOG[1]["output"] in output
    assert "PYTHONPATH" not in output
    assert (code, timed_out, written) == (0, True, "x")


BROKEN = {
    "parsers": {
        "raises": "broken:nothing_like_it",
        "leaves": "leaves:FORMAT",
        "something": "good:SOMETHING",
        "swe": "good:SHADOW",
        "crashes": "good:CRASHES",
        "bad name\x1b[31m": "good:SHADOW",
    },
    "environments": {"local": "good:start", "three": "good:SOMETHING"},
    "models": {"openai": "good:open_model", "odd": "good:open_model"},
}
GOOD = """
from codetracer_core.parsers import Claim, Format
SOMETHING = 3
def fail(*_): raise KeyError("surprise")
SHADOW = Format("swe-agent", "mine", fail, fail)
CRASHES = Format("crashes", "crashes", fail, fail)
def start(*_): raise KeyError("surprise")
def open_model(name): return 5 if name == "odd/five" else fail()
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A package in which everything is wrong, and one that has a plugin of the same name as another."""
    packages = tmp_path / "packages"
    groups = {f"codetracer.{kind}": entries for kind, entries in BROKEN.items()}
    write_distribution(packages, "all-wrong", "1.0", groups)
    write_distribution(packages, "also-odd", "2.0", {"codetracer.models": {"odd2": "good:open_model"}})
    write_distribution(packages, "odd-twin", "3.0", {"codetracer.models": {"odd2": "good:open_model"}})
    (packages / "broken.py").write_text("raise RuntimeError('no such luck')\n")
    (packages / "leaves.py").write_text("import sys\nsys.exit(3)\n")
    (packages / "good.py").write_text(GOOD)
    return packages


def test_what_is_wrong_is_told_and_the_rest_works(broken: Path, tmp_path: Path) -> None:
    about, in_words, imported = commands(
        ["doctor", "--json"],
        ["doctor"],
        ["import", str(SAMPLE_DATA / "swe-agent"), "--json"],
        packages=broken,
        workspace=tmp_path / "workspace",
    )
    told = json.loads(about.out)["plugins"]
    assert "cannot be loaded (RuntimeError: no such luck). Update or" in told["parsers: raises"]
    assert "cannot be loaded (SystemExit: 3)" in told["parsers: leaves"]
    assert "brings no format but int" in told["parsers: something"]
    assert "'swe-agent', which is not used: CodeTracer has one" in told["parsers: swe"]
    assert told["parsers: crashes"] == "all-wrong 1.0"
    assert "its name may hold" in told["parsers: bad name\x1b[31m"]
    assert "CodeTracer has one of this name" in told["environments: local"]
    assert "is no function but int" in told["environments: three"]
    assert "is the name of a provider" in told["models: openai"]
    assert "several packages" in told["models: odd2"]
    assert "all-wrong 1.0" in in_words.out
    assert "\x1b" not in in_words.out
    items = json.loads(imported.out)["items"]
    assert items
    assert {item["status"] for item in items} == {"imported"}
    assert {item["format"] for item in items} == {"swe-agent"}
    assert imported.err.count("the plugin 'crashes' (all-wrong 1.0) failed while it looked at") == 1


ODD_MODELS = {
    "odd/five": "gave no model for 'odd/five' but int",
    "odd/six": "cannot open 'odd/six' (KeyError: 'surprise')",
    "odd2/x": "does not say whose model it is",
    "odd/x at http://127.0.0.1:9/v1": "for a model of that server, write openai/odd/x",
}


def test_a_model_that_is_none_is_an_error_in_words(broken: Path) -> None:
    found = run(
        "import json\n"
        "from codetracer_core.errors import CodeTracerError\n"
        "from codetracer_core.llm import open_model\n"
        "told = {}\n"
        f"for name in {list(ODD_MODELS)!r}:\n"
        "    model, _, address = name.partition(' at ')\n"
        "    try: open_model(model, api_base=address or None)\n"
        "    except CodeTracerError as error: told[name] = str(error)\n"
        "print(json.dumps(told))",
        broken,
    )
    told = json.loads(found.stdout)
    assert all(words in told[name] for name, words in ODD_MODELS.items()), told


def _documentation() -> str:
    return (REPOSITORY / "docs" / "plugins.md").read_text()
