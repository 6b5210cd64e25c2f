"""Small runs written for a test, and a spec run on them."""

import json
from pathlib import Path
from typing import Any

from codetracer_core.extractors.engine import Extraction, SpecLimits, extract, recognise
from codetracer_core.extractors.spec import ExtractorSpec, read_spec
from codetracer_core.parsers._artifacts import Artifacts


def write(folder: Path, files: dict[str, Any]) -> Path:
    """Files by relative path: bytes and text as they are, lists as lines of JSON, the rest as JSON."""
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        elif isinstance(content, str):
            target.write_text(content, encoding="utf-8")
        elif isinstance(content, list):
            target.write_text("".join(json.dumps(line) + "\n" for line in content), encoding="utf-8")
        else:
            target.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return folder


def spec(body: str, *, find: str = "files: '*.jsonl', run: file", sources: str = "{kind: jsonl}") -> ExtractorSpec:
    """A spec with these rules (and facts)."""
    return read_spec(f"name: acme\ntitle: Acme\nfind: {{{find}}}\nsources: [{sources}]\n{body}")


def run(spec: ExtractorSpec, folder: Path, *, limits: SpecLimits | None = None) -> Extraction:
    """The one run in a folder."""
    artifacts = Artifacts(folder)
    (claim,) = recognise(spec, artifacts)
    return extract(spec, artifacts, claim, limits=limits or SpecLimits())
