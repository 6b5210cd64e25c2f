"""The prompts: one text file each in ``prompts/``, with ``$names`` to fill in, known by a version."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template

_FOLDER = Path(__file__).with_name("prompts")
_SHARED = ("rules", "near_limit", "repair", "compact")
_OF_STRATEGY: Mapping[str, tuple[str, ...]] = {
    "agent": ("agent", "plan_short", "plan_medium", "plan_long"),
    "all_at_once": ("all_at_once",),
    "step_by_step": ("step_by_step", "part", "conclude"),
    "binary_search": ("binary_search", "half", "conclude"),
}


@cache
def _text(name: str) -> str:
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8").strip()


def prompt(name: str, **values: object) -> str:
    """The prompt with its ``$names`` filled in, once: what is filled in is never looked at. Raises KeyError if one is
    missing."""
    return Template(_text(name)).substitute({key: str(value) for key, value in values.items()})


def versions(strategy: str) -> dict[str, str]:
    """Version of each prompt file that this strategy uses: the first 12 hex digits of the sha256 of its text."""
    names = (*_SHARED, *_OF_STRATEGY[strategy])
    return {f"{name}.md": hashlib.sha256(_text(name).encode()).hexdigest()[:12] for name in names}
