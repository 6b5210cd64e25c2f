"""The invented formats of ``sample_data/unfamiliar``, the specs that read them, and what is wrong with worse ones."""

import shutil
from pathlib import Path

from codetracer_core.extractors.spec import ExtractorSpec, read_spec
from tests.conftest import SAMPLE_DATA

UNFAMILIAR = SAMPLE_DATA / "unfamiliar"
SPECS = SAMPLE_DATA / "extractors"
RELAY = (SPECS / "relay.yaml").read_text(encoding="utf-8")
TERN = (SPECS / "tern.yaml").read_text(encoding="utf-8")
BLIND_RELAY = RELAY.replace("      observation: output\n", "").replace("      thought: plan\n", "")
"""It leaves observations and thoughts aside: checks say no."""
BOTH_VERSIONS = RELAY.replace("request: request.json", "request: '{request,act}.json'").replace(
    "output: shell.txt", "output: '{shell,result}.txt'"
)
"""It reads runs that are ``drifted``, too."""
NO_SPEC = RELAY.replace("sources:", "source:")


def relay() -> ExtractorSpec:
    return read_spec(RELAY)


def relay_runs(root: Path, *names: str) -> Path:
    """A folder with the relay runs of these names (all, if none is named), alone."""
    for name in names or ("duplicate-invoices", "expired-tokens"):
        shutil.copytree(UNFAMILIAR / "relay" / name, root / name)
    return root


def drifted(run: Path) -> Path:
    """The run as a later version of its tool would have written it: results in another file, another word for plans."""
    for turn in run.glob("turn-*"):
        for before, after in (("shell.txt", "result.txt"), ("request.json", "act.json")):
            if (turn / before).exists():
                (turn / before).rename(turn / after)
    return run
