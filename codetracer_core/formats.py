"""All trajectory formats that a workspace can read: built-in ones, those of installed packages, and taught ones."""

from pathlib import Path

from codetracer_core.parsers import PARSERS, Format


def formats_of(workspace: Path) -> tuple[Format, ...]:
    """The formats, built-in ones first; those that this workspace was taught (``is_taught``) last."""
    return PARSERS
