"""Namespaces of Linux: processes that see only each other, no network, and a machine of which only a few folders can
be written. By system calls, since the commands for it differ from system to system and this Python has no function."""

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x0002_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _BIND, _REC, _PRIVATE = 0x1, 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x4_0000
_SYS_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_PDEATHSIG, _CAPBSET_DROP, _CHILD_SUBREAPER, _NO_NEW_PRIVS = 1, 24, 36, 38
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _UP = 0x8913, 0x8914, 0x1
_KEPT_CAPABILITIES = {0, 1, 3, 4, 5, 6, 7}
"""chown, dac_override, fowner, fsetid, kill, setgid, setuid: what installing and testing software as the superuser
takes. Without sys_admin nobody undoes the mounts, without sys_ptrace nobody gets at the keeper."""

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
"""All that commands see of /dev, with terminals of their own: by a disk the superuser would reach every file."""
_KERNEL = ("sys", "irq", "bus", "fs", "acpi", "scsi", "sysrq-trigger")
"""Below /proc, what is of the whole machine and can be written by the superuser without any right of its own."""

SECRETS = (
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".netrc", ".git-credentials", ".pypirc", ".npmrc"),
    *(".config/gcloud", ".config/gh", ".config/git/credentials", ".config/containers", ".config/codetracer"),
    *(".claude", ".claude.json", ".codex", ".gemini", ".cargo/credentials.toml", ".password-store", ".bash_history"),
)
"""What usually holds keys in a person's home folder."""

ON_LINUX = sys.platform == "linux"


Way = Literal["as we are", "as a user of our own"]
"""Whether the other namespaces are made with the rights that we have, or with those of a namespace of users."""


def ways() -> tuple[Way, ...]:
    """What to try, the best first: a superuser who owns the machine needs no namespace of users, in which there were
    no other user; one in a container may need it."""
    return ("as we are", "as a user of our own") if os.geteuid() == 0 else ("as a user of our own",)


def isolate(
    way: Way, *, network: bool, hide: list[str], own: list[tuple[str, str]], keep_open: tuple[int, ...]
) -> tuple[bool, bool]:
    """Go into namespaces of one's own, as their first process; the process that called stays behind, waiting.

    ``own``: folders that may be written, each with the path at which it stands inside; the rest of the machine is
    read-only. ``hide``: what is not to be seen. ``keep_open``: what the one that waits behind closes. Returns whether
    the network is off, and whether the rest is read-only. Raises OSError where this system does not let us; the process
    that asked is then to be given up, since it may be half way inside.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    user = _NEWUSER if way == "as a user of our own" else 0
    _call(libc.unshare, user | _NEWPID | _NEWNS | _NEWIPC | (0 if network else _NEWNET))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    if pid := os.fork():
        for descriptor in keep_open:
            os.close(descriptor)
        os._exit(abs(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
    die_with_parent()
    _call(libc.mount, b"none", b"/", None, _REC | _PRIVATE, None)
    for path in hide:
        _hide(libc, path)
    # Taken hold of first: a later mount may cover the path at which an earlier one stands.
    held = [(os.open(source, os.O_PATH | os.O_DIRECTORY), target) for source, target in own]
    for descriptor, target in held:
        Path(target).mkdir(parents=True, exist_ok=True)
        _call(libc.mount, f"/proc/self/fd/{descriptor}".encode(), os.fsencode(target), None, _BIND, None)
    _own_devices(libc)
    read_only = _attributes(libc, "/", _RDONLY | _NOSUID, 0, _AT_RECURSIVE)
    for target in ("/dev/shm", *(target for _, target in held)):  # noqa: S108
        if read_only:
            _attributes(libc, target, 0, _RDONLY, 0)
    _call(libc.mount, b"proc", b"/proc", b"proc", _NOSUID | _NODEV | _NOEXEC, None)
    for name in _KERNEL:
        path = f"/proc/{name}"
        if Path(path).exists():
            _call(libc.mount, path.encode(), path.encode(), None, _BIND | _REC, None)
            read_only = _attributes(libc, path, _RDONLY | _NOSUID | _NODEV | _NOEXEC, 0, _AT_RECURSIVE) and read_only
    for descriptor, _ in held:
        os.close(descriptor)
    if not network:
        _loopback()
    return not network, read_only


def die_with_parent() -> None:
    if ON_LINUX:
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def go_first() -> None:
    """Be run before everybody else, where one may: whoever ends what multiplies must not wait for it. What one starts
    is run like everything."""
    if ON_LINUX:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def adopt_orphans() -> None:
    """Whoever of one's descendants loses its parent becomes one's own child, and so is found."""
    if ON_LINUX:
        ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)


def give_up_rights() -> None:
    """Before a command: nothing that it starts gets more rights than it has, and the superuser keeps few."""
    if ON_LINUX:
        libc = ctypes.CDLL(None)
        for capability in range(64):
            if capability not in _KEPT_CAPABILITIES:
                libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0)
        libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)


def _hide(libc: ctypes.CDLL, path: str) -> None:
    if Path(path).is_dir():
        _call(libc.mount, b"tmpfs", os.fsencode(path), b"tmpfs", _NOSUID | _NODEV, b"size=16m,mode=755")
    elif Path(path).exists():
        _call(libc.mount, b"/dev/null", os.fsencode(path), None, _BIND, None)


def _own_devices(libc: ctypes.CDLL) -> None:
    kept = {name: os.open(f"/dev/{name}", os.O_PATH) for name in _DEVICES if Path("/dev", name).exists()}
    _call(libc.mount, b"tmpfs", b"/dev", b"tmpfs", _NOSUID | _NOEXEC, b"size=1m,mode=755")
    for name, descriptor in kept.items():
        Path("/dev", name).touch()
        _call(libc.mount, f"/proc/self/fd/{descriptor}".encode(), f"/dev/{name}".encode(), None, _BIND, None)
        os.close(descriptor)
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        Path("/dev", name).symlink_to(f"/proc/self/{target}")
    for name in ("pts", "shm"):
        Path("/dev", name).mkdir()
    Path("/dev/ptmx").symlink_to("pts/ptmx")
    with contextlib.suppress(OSError):  # then without terminals
        _call(libc.mount, b"devpts", b"/dev/pts", b"devpts", _NOSUID | _NOEXEC, b"newinstance,ptmxmode=0666,mode=0620")
    _call(libc.mount, b"tmpfs", b"/dev/shm", b"tmpfs", _NOSUID | _NODEV, b"size=256m")


def _attributes(libc: ctypes.CDLL, path: str, setting: int, clearing: int, flags: int) -> bool:
    wanted = struct.pack("=QQQQ", setting, clearing, 0, 0)
    done = libc.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), flags, wanted, len(wanted))
    return bool(done == 0)


def _loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        asked = fcntl.ioctl(link, _SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        (flags,) = struct.unpack("16xh14x", asked)
        fcntl.ioctl(link, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _UP))


def _call(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
