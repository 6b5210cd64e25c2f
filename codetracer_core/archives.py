"""Archives from elsewhere, unpacked without harm: nothing leaves the folder, and there is a limit to everything."""

import contextlib
import gzip
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import IO, Any, cast

import zstandard

from codetracer_core.errors import ArchiveRefused

ARCHIVE_SUFFIXES = (".tar.zst", ".tar.gz", ".tgz", ".tar", ".zip")
MAX_ARCHIVE_BYTES = 2 << 30
MAX_ARCHIVE_FILES = 100_000


def is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def safe_extract(
    archive: Path, target: Path, *, max_bytes: int = MAX_ARCHIVE_BYTES, max_files: int = MAX_ARCHIVE_FILES
) -> int:
    """Unpack ``archive`` (.tar.zst, .tar.gz, .tar, .zip) into ``target`` and return the number of files.

    ``target`` must be new or empty. Raises ArchiveRefused, naming the member, for absolute paths, ``..``, links,
    devices, encrypted or repeated members, more than ``max_files`` files and folders, more than ``max_bytes``
    unpacked (counted while unpacking, whatever the headers say), and damaged archives. A refused archive leaves
    nothing behind. Files get the user's default permissions and the current time.
    """
    if target.exists() and any(target.iterdir()):
        raise ArchiveRefused("the folder to unpack into is not empty", path=target)
    existed = target.exists()
    target.mkdir(parents=True, exist_ok=True)
    out = _Unpacking(archive, target, max_bytes, max_files)
    try:
        if archive.name.lower().endswith(".zip"):
            _extract_zip(archive, out)
        else:
            _extract_tar(archive, out)
    except BaseException as error:
        shutil.rmtree(target)
        if existed:
            target.mkdir()
        if isinstance(error, _DAMAGE):
            raise ArchiveRefused(
                f"damaged archive ({error})", path=archive, remedy="Download or pack it again."
            ) from error
        raise
    return out.files


_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, zstandard.ZstdError, EOFError, gzip.BadGzipFile)
_PIECE = 1 << 20


@dataclass
class _Unpacking:
    """Where members go, and the limits that they share."""

    archive: Path
    target: Path
    max_bytes: int
    max_files: int
    files: int = 0
    folders: int = 0
    unpacked: int = 0

    def refuse(self, member: str, reason: str) -> ArchiveRefused:
        return ArchiveRefused(reason, path=self.archive, place=f"member {member!r}", remedy="Nothing was unpacked.")

    def add_folder(self, member: str) -> None:
        self._make_folders(member, self._parts(member))

    def add_file(self, member: str, source: IO[bytes]) -> None:
        parts = self._parts(member)
        if not parts:
            raise self.refuse(member, "a file without a name")
        self._make_folders(member, parts[:-1])
        self.files += 1
        self._check_count(member)
        try:
            with self.target.joinpath(*parts).open("xb") as file:
                while piece := source.read(_PIECE):
                    self.unpacked += len(piece)
                    if self.unpacked > self.max_bytes:
                        raise self.refuse(member, f"more than {self.max_bytes:,} bytes unpacked")
                    file.write(piece)
        except FileExistsError as error:
            raise self.refuse(member, "a name that an earlier member has, too") from error
        except OSError as error:
            if isinstance(error, _DAMAGE):
                raise
            raise self.refuse(member, f"cannot be written ({error.strerror or error})") from error

    def _make_folders(self, member: str, parts: Sequence[str]) -> None:
        folder = self.target
        for part in parts:
            folder /= part
            try:
                folder.mkdir()
            except FileExistsError as error:
                if not folder.is_dir():
                    raise self.refuse(member, "a folder in place of an earlier file") from error
                continue
            except OSError as error:
                raise self.refuse(member, f"cannot be written ({error.strerror or error})") from error
            self.folders += 1
            self._check_count(member)

    def _check_count(self, member: str) -> None:
        if self.files + self.folders > self.max_files:
            raise self.refuse(member, f"more than {self.max_files:,} files and folders")

    def _parts(self, member: str) -> list[str]:
        windows = PureWindowsPath(member)
        if member.startswith(("/", "\\")) or windows.drive or windows.root:
            raise self.refuse(member, "an absolute path")
        if ".." in windows.parts:
            raise self.refuse(member, "a path that leads upwards (..)")
        if "\0" in member:
            raise self.refuse(member, "a path with a NUL character")
        return [part for part in member.split("/") if part not in ("", ".")]


def _extract_zip(archive: Path, out: _Unpacking) -> None:
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            mode = member.external_attr >> 16
            if member.flag_bits & 0x1:
                raise out.refuse(member.filename, "encrypted")
            if mode & 0o170000 not in (0, 0o100000, 0o040000):
                raise out.refuse(member.filename, "a link or a device")
            if member.is_dir():
                out.add_folder(member.filename)
                continue
            try:
                source = file.open(member)
            except NotImplementedError as error:
                raise out.refuse(member.filename, f"an unknown compression ({error})") from error
            with source:
                out.add_file(member.filename, source)


def _extract_tar(archive: Path, out: _Unpacking) -> None:
    # Headers and padding take at most three blocks a member; beyond that the stream is longer than it may be.
    limit = out.max_bytes + 1536 * (out.max_files + 20) + _LARGEST_TAR_HEADER
    with archive.open("rb") as raw, _decompressed(archive, raw) as plain:
        stream = _Counted(plain, archive, limit)
        with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|", tarinfo=_Member) as file:
            for member in file:
                if member.isdir():
                    out.add_folder(member.name)
                    continue
                if not member.isreg() or member.issparse():
                    raise out.refuse(member.name, "a link, a device or a sparse file")
                if out.unpacked + member.size > out.max_bytes:
                    raise out.refuse(member.name, f"more than {out.max_bytes:,} bytes unpacked")
                source = file.extractfile(member)
                assert source is not None  # a regular file
                with source:
                    out.add_file(member.name, source)
        while stream.read(_PIECE):
            pass
        if any(stream.tail):
            # A cut-off zstd stream ends without an error; a whole tar file ends with blocks of zeros.
            raise ArchiveRefused("cut off: its end mark is missing", path=archive, remedy="Download it again.")


def _decompressed(archive: Path, raw: IO[bytes]) -> contextlib.AbstractContextManager[IO[bytes]]:
    name = archive.name.lower()
    if name.endswith(".tar.zst"):
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(raw, read_across_frames=True)
        return cast("contextlib.AbstractContextManager[IO[bytes]]", reader)
    if name.endswith((".tar.gz", ".tgz")):
        return cast("contextlib.AbstractContextManager[IO[bytes]]", gzip.GzipFile(fileobj=raw))
    if name.endswith(".tar"):
        return contextlib.nullcontext(raw)
    raise ArchiveRefused("not an archive", path=archive, remedy=f"Known kinds: {', '.join(ARCHIVE_SUFFIXES)}.")


_LARGEST_TAR_HEADER = 1 << 20


class _Member(tarfile.TarInfo):
    """A member whose extended header (which tarfile reads into memory at once) has a bearable size."""

    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        extended = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
        if self.type in (*extended, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK) and (
            self.size > _LARGEST_TAR_HEADER
        ):
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        return super()._proc_member(tar)  # type: ignore[misc]  # the documented hook, absent from the stubs


@dataclass
class _Counted:
    """A readable stream that stops at a limit and remembers its last 512 bytes."""

    source: IO[bytes]
    archive: Path
    limit: int
    tail: bytes = b"\1"

    def read(self, size: int) -> bytes:
        piece = self.source.read(size)
        self.limit -= len(piece)
        if self.limit < 0:
            raise ArchiveRefused("unpacks to more than the limit", path=self.archive, remedy="Nothing was unpacked.")
        self.tail = (self.tail + piece)[-512:]
        return piece
