"""Test commands that a task's own folder holds: offered to a person, never taken without being asked for."""

from pathlib import Path

from codetracer_core.replay.models import GitPlace, LocalPlace, Place

_TEST_FILES = ("run-tests.sh", "tests/test.sh")
"""Of task folders of terminal-bench and of Harbor."""


def offered_tests(place: Place) -> tuple[str, ...]:
    """Commands for the test scripts that lie in the folder of this place, where it is on this machine; often none."""
    folder = place.folder if isinstance(place, LocalPlace) else ""
    folder = place.repository if isinstance(place, GitPlace) else folder
    if not folder:
        return ()
    return tuple(f"bash {name}" for name in _TEST_FILES if (Path(folder) / name).is_file())
