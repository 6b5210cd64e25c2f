"""Files that are either complete or not there, also after a crash, and files that one process holds."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from threading import get_ident
from typing import BinaryIO

from codetracer_core.errors import CodeTracerError

PART = ".part"
"""Ending of a file that is still being written. Whoever finds an old one may delete it."""


def write_durably(path: Path, write: Callable[[BinaryIO], object]) -> int:
    """Write a file that is either complete or not there, also after a crash; return its size in bytes.

    That it is there survives a power cut only after ``sync_folder``: one call does for many files. Raises
    CodeTracerError if it cannot be written (the disk is full, say).
    """
    part = path.with_name(f"{path.name}.{os.getpid()}-{get_ident()}{PART}")
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CodeTracerError(f"this file cannot be written ({error.strerror or error})", path=path) from error
    return size


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` survive a power cut (where the system has a call for that)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hold(file: BinaryIO) -> None:
    """Hold a file until it is closed, or this process ends in whatever way. Raises OSError if somebody else has it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
