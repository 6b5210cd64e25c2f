"""How much of a disk a replay has filled."""

import os
import stat
import time
from pathlib import Path

_SHARE = 20
"""Measuring takes at most one part in so many of the time."""


class Written:
    """What has been written below a folder since ``begin``: blocks that are in use, those of a file with several names
    once. Files that are written to and have no name any more are not seen."""

    def __init__(self, folder: Path, most: int) -> None:
        """``most`` in bytes."""
        self._folder, self._most = folder, most
        self._before = 0
        self._is_too_much = False
        self._next = 0.0

    def begin(self) -> None:
        """What is there now does not count."""
        self._before = used(self._folder)

    def is_too_much(self) -> bool:
        """Whether it is more than ``most``, as of a moment ago; once it was, it stays so."""
        begun = time.monotonic()
        if not self._is_too_much and begun >= self._next:
            self._is_too_much = used(self._folder) - self._before > self._most
            ended = time.monotonic()
            self._next = ended + _SHARE * (ended - begun)
        return self._is_too_much


def used(folder: Path) -> int:
    """Bytes on the disk of all files in a folder; what goes away meanwhile, or cannot be read, counts nothing."""
    total = 0
    seen: set[tuple[int, int]] = set()
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        about = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    if stat.S_ISDIR(about.st_mode):
                        waiting.append(entry.path)
                    elif about.st_nlink > 1 and (about.st_dev, about.st_ino) in seen:
                        continue
                    elif about.st_nlink > 1:
                        seen.add((about.st_dev, about.st_ino))
                    total += about.st_blocks * 512
        except OSError:
            continue
    return total
