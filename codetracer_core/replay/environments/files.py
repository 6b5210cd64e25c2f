"""Files inside a folder that somebody hostile may have filled: read and written without ever leaving it."""

import errno
import os
import secrets
import stat
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath

from codetracer_core.errors import CodeTracerError, NotFound

_MOST_LINKS = 40
MOST_BYTES = 64 << 20
"""Largest file that is read whole."""


def read_inside(folder: Path, path: str) -> bytes:
    """The content of a file. ``path`` is relative to ``folder``; links are followed inside of it only.

    Raises NotFound if it is not there, CodeTracerError if it lies outside, is no file, or is larger than 64 MB."""
    with ExitStack() as held:
        parent, name = _reach(folder, path, held, make=False)
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        except OSError as error:
            raise _told(error, path) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise CodeTracerError("this is no file", path=path)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise CodeTracerError(f"the file is larger than {MOST_BYTES >> 20} MB", path=path)
    return content


def write_inside(folder: Path, path: str, content: bytes) -> None:
    """Write a file whole, with the folders that it needs; one that is there keeps its rights.

    A new file takes its place, so that what the old one shares its content with stays as it was. Raises CodeTracerError
    if it lies outside, is no file, or cannot be written."""
    with ExitStack() as held:
        parent, name = _reach(folder, path, held, make=True)
        try:
            mode = _mode(parent, name, path)
            new = f".codetracer-{secrets.token_hex(8)}"
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    if mode is not None:
                        os.fchmod(descriptor, mode)
                os.replace(new, name, src_dir_fd=parent, dst_dir_fd=parent)
            except BaseException:
                os.unlink(new, dir_fd=parent)
                raise
        except OSError as error:
            raise _told(error, path) from error


def _mode(parent: int, name: str, path: str) -> int | None:
    try:
        about = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(about.st_mode):
        raise CodeTracerError("this is no file", path=path)
    return stat.S_IMODE(about.st_mode)


def _reach(folder: Path, path: str, held: ExitStack, *, make: bool) -> tuple[int, str]:
    """The folder in which the file stands, opened part by part, and its name there, which is no link."""
    waiting = _parts(folder, path, path)
    here: list[int] = [_open(folder, held)]
    links = 0
    while waiting:
        part = waiting.pop(0)
        if part == "..":
            if len(here) == 1:
                raise _outside(path)
            here.pop()
            continue
        try:
            is_link = stat.S_ISLNK(os.stat(part, dir_fd=here[-1], follow_symlinks=False).st_mode)
        except FileNotFoundError:
            is_link = False
        except OSError as error:
            raise _told(error, path) from error
        if is_link:
            links += 1
            if links > _MOST_LINKS:
                raise CodeTracerError("links lead in a circle", path=path)
            target = os.readlink(part, dir_fd=here[-1])
            if PurePosixPath(target).is_absolute():
                here = here[:1]
            waiting = _parts(folder, target, path) + waiting
        elif not waiting:
            return here[-1], part
        else:
            try:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=here[-1])
                here.append(_open(part, held, here[-1]))
            except OSError as error:
                raise _told(error, path) from error
    raise CodeTracerError("this is no file", path=path)


def _parts(folder: Path, path: str, asked: str) -> list[str]:
    if "\0" in path:
        raise CodeTracerError("a path holds no null character", path=asked.replace("\0", "?"))
    pure = PurePosixPath(path)
    if pure.is_absolute():
        if not pure.is_relative_to(folder):
            raise _outside(asked)
        pure = pure.relative_to(folder)
    return [part for part in pure.parts if part != "."]


def _open(name: str | Path, held: ExitStack, parent: int | None = None) -> int:
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    held.callback(os.close, descriptor)
    return descriptor


def _outside(path: str) -> CodeTracerError:
    return CodeTracerError("this lies outside of the folder of the replay", path=path)


def _told(error: OSError, path: str) -> CodeTracerError:
    if error.errno == errno.ENOENT:
        return NotFound("there is no such file", path=path)
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return CodeTracerError("a part of this path is no folder", path=path)
    return CodeTracerError(f"cannot be read or written ({error.strerror})", path=path)
