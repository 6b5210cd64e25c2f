"""The interface of an environment."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from codetracer_core.replay.models import Ran


@runtime_checkable
class Environment(Protocol):
    """A place in which commands run, made for one replay. ``stop`` leaves nothing of it behind.

    Paths are absolute, or relative to ``folder``.
    """

    folder: str
    """Where commands begin, as they see it."""
    facts: tuple[str, ...]
    """What is true of it, for people: what is limited, what could not be."""

    def run(self, command: str, *, timeout: float | None = None, cancelled: Callable[[], bool] = lambda: False) -> Ran:
        """Run a command of a shell to its end, with all that it started. In a *session* it goes on in the folder and
        with the variables that the one before left. ``timeout`` in seconds, None: as the limits say.

        What is over a limit is stopped and told in ``Ran``. Raises EnvironmentBroken only if the environment itself is
        gone, and Cancelled within a second after ``cancelled`` turns true."""
        ...

    def read_file(self, path: str) -> bytes:
        """Raises NotFound if there is no such file, CodeTracerError if it cannot be read or lies outside."""
        ...

    def write_file(self, path: str, content: bytes) -> None:
        """Write a file whole, with the folders that it needs. Raises CodeTracerError if it cannot be written."""
        ...

    def stop(self) -> None:
        """End every process and remove everything; may be called again. Raises CodeTracerError naming what is left."""
        ...
