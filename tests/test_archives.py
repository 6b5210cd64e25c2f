import contextlib
import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from codetracer_core.archives import safe_extract
from codetracer_core.errors import ArchiveRefused

Member = tuple[str, bytes | None]


def pack(path: Path, members: list[Member]) -> Path:
    """An archive of the kind that its name says; content None is a folder."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in members:
                file.writestr(name + ("/" if content is None else ""), content or b"")
        return path
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as file:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            info.size = len(content or b"")
            file.addfile(info, io.BytesIO(content or b""))
    path.write_bytes(compressed(path.name, plain.getvalue()))
    return path


def compressed(name: str, data: bytes) -> bytes:
    if name.endswith(".zst"):
        return zstandard.ZstdCompressor().compress(data)
    return gzip.compress(data) if name.endswith("gz") else data


KINDS = ["a.tar.zst", "a.tar.gz", "a.tgz", "a.tar", "a.zip"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def everything_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def refused(tmp_path: Path, archive: Path, words: str, **limits: int) -> None:
    """The archive is refused in these words, and the disk is as it was."""
    before = everything_below(tmp_path)
    with pytest.raises(ArchiveRefused, match=words) as caught:
        safe_extract(archive, tmp_path / "out", **limits)
    assert str(archive) in str(caught.value)
    assert everything_below(tmp_path) == before
    (tmp_path / "out").mkdir()
    with pytest.raises(ArchiveRefused, match=words):
        safe_extract(archive, tmp_path / "out", **limits)
    assert everything_below(tmp_path / "out") == []
    (tmp_path / "out").rmdir()


def test_unpacks(tmp_path: Path, kind: str) -> None:
    content = bytes(range(256)) * 5000
    archive = pack(tmp_path / kind, [("run", None), ("run/./log.txt", b"hello"), ("run/deep/er/big.bin", content)])
    assert safe_extract(archive, tmp_path / "out") == 2
    assert everything_below(tmp_path / "out") == [
        "run",
        "run/deep",
        "run/deep/er",
        "run/deep/er/big.bin",
        "run/log.txt",
    ]
    assert (tmp_path / "out" / "run" / "deep" / "er" / "big.bin").read_bytes() == content


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ("/etc/passwd", "absolute"),
        ("../escape.txt", "leads upwards"),
        ("a/../../escape.txt", "leads upwards"),
        ("a/..\\..\\escape.txt", "leads upwards"),
        ("C:\\escape.txt", "absolute"),
        ("C:escape.txt", "absolute"),
        ("\\\\host\\share\\escape.txt", "absolute"),
        ("x" * 300, "cannot be written"),
        ("d/" * 40 + "file", "more than 30 files and folders"),
    ],
)
def test_hostile_names(tmp_path: Path, kind: str, member: str, words: str) -> None:
    refused(tmp_path, pack(tmp_path / kind, [("good.txt", b"good"), (member, b"bad")]), words, max_files=30)


def test_limits(tmp_path: Path, kind: str) -> None:
    files: list[Member] = [(f"{n}.txt", b"12345") for n in range(20)]
    archive = pack(tmp_path / kind, files)
    refused(tmp_path, archive, "more than 19 files", max_files=19)
    refused(tmp_path, archive, "more than 99 bytes", max_bytes=99)
    assert safe_extract(archive, tmp_path / "out", max_bytes=100, max_files=20) == 20


def test_repeated_members(tmp_path: Path, kind: str) -> None:
    expected = pytest.warns(UserWarning, match="Duplicate name") if kind.endswith("zip") else contextlib.nullcontext()
    with expected:
        archive = pack(tmp_path / kind, [("a/x", b"1"), ("a/./x", b"2"), ("a/x", b"2")])
    refused(tmp_path, archive, "an earlier member")


def test_a_file_cannot_become_a_folder(tmp_path: Path, kind: str) -> None:
    refused(tmp_path, pack(tmp_path / kind, [("a", b"1"), ("a/x", b"2")]), "in place of an earlier file")


@pytest.mark.parametrize(
    "type_", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE], ids=str
)
@pytest.mark.parametrize("name", ["a.tar.zst", "a.tar.gz", "a.tar"])
def test_links_and_devices_in_tar(tmp_path: Path, name: str, type_: bytes) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as file:
        info = tarfile.TarInfo("run/special")
        info.type = type_
        info.linkname = "/etc/passwd"
        file.addfile(info)
    (tmp_path / name).write_bytes(compressed(name, plain.getvalue()))
    refused(tmp_path, tmp_path / name, r"'run/special'.*a link, a device")


def test_links_and_secrets_in_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        info = zipfile.ZipInfo("run/link")
        info.external_attr = 0o120777 << 16
        file.writestr(info, "/etc/passwd")
    refused(tmp_path, tmp_path / "a.zip", "'run/link'.*a link or a device")
    pack(tmp_path / "a.zip", [("secret", b"x")])
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag that says "encrypted"
    (tmp_path / "a.zip").write_bytes(data)
    refused(tmp_path, tmp_path / "a.zip", "'secret'.*encrypted")


def test_a_bomb_stops_early(tmp_path: Path, kind: str) -> None:
    archive = pack(tmp_path / kind, [("zeros", bytes(50_000_000))])
    refused(tmp_path, archive, "more than 1,000,000 bytes unpacked", max_bytes=1_000_000)


def test_a_zip_that_lies_about_its_size(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", [("zeros", bytes(5_000_000))])
    data = archive.read_bytes().replace((5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    archive.write_bytes(data)
    refused(tmp_path, archive, "damaged archive|more than")


def test_a_tar_with_a_huge_header(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type = tarfile.GNUTYPE_LONGNAME
    info.size = 100_000_000
    plain = info.tobuf(tarfile.GNU_FORMAT) + bytes(100_000_000)
    (tmp_path / "a.tar.zst").write_bytes(zstandard.ZstdCompressor().compress(plain))
    refused(tmp_path, tmp_path / "a.tar.zst", "a header of 100,000,000 bytes")


def test_zeros_after_the_end_of_a_tar_stop_at_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a.tar.zst").write_bytes(zstandard.ZstdCompressor().compress(bytes(50_000_000)))
    refused(tmp_path, tmp_path / "a.tar.zst", "more than the limit", max_bytes=1000, max_files=10)


def test_cut_off_archives(tmp_path: Path, kind: str) -> None:
    noise = random.Random(0).randbytes(20_000)
    whole = pack(tmp_path / kind, [("a", b"1"), ("b", noise)]).read_bytes()
    for keep in (0, 3, len(whole) // 2, len(whole) - 5):
        (tmp_path / kind).write_bytes(whole[:keep])
        if kind == "a.tar" and keep == len(whole) - 5:
            continue  # only padding is gone: everything is there
        refused(tmp_path, tmp_path / kind, "damaged archive|cut off")


def test_other_files_and_full_folders(tmp_path: Path) -> None:
    (tmp_path / "a.rar").write_bytes(b"Rar!")
    refused(tmp_path, tmp_path / "a.rar", "not an archive")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(ArchiveRefused, match="not empty"):
        safe_extract(pack(tmp_path / "a.zip", [("a", b"1")]), tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").exists()
