"""Commands on this machine: what they see, what bounds them, what is left of them. Runs in full isolation where this
system allows it, and once more without any (test_without_namespaces.py)."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.errors import Cancelled, CodeTracerError, EnvironmentBroken, NotAllowed, NotFound
from codetracer_core.replay.environments import WARNING, start
from codetracer_core.replay.environments.protocol import Environment
from codetracer_core.replay.models import ContainerPlace, GitPlace, Limits, LocalPlace, PluginPlace
from tests.replay.environments.conftest import left_behind, snapshot

Begin = Callable[..., Any]

NAP = f"sleep {1_000_000 + os.getpid()}"
MANY = f"many_{os.getpid()}.py"
"""Commands that no other test on this machine runs: without namespaces, those of all of them are seen."""


def counted_by(words: str) -> str:
    """The command that counts running commands that begin so, or hold this; its own line is not among them."""
    return f"ps -A -o args= | grep -c '[{words[0]}]{words[1:]}'"


def isolated(environment: Any) -> bool:
    return "other processes are not seen" in environment.facts


def test_copy_is_worked_in_and_the_folder_stays_as_it_was(begin: Begin, project: Path, scratch: Path) -> None:
    before = snapshot(project)
    environment = begin()
    assert isinstance(environment, Environment)
    ran = environment.run(
        "pwd; cat a.txt; ./tool.sh; echo to stderr >&2; echo two > a.txt; rm tool.sh; mkdir new; exit 3"
    )
    assert ran.output == f"{environment.folder}\none\ntool\nto stderr\n"
    assert (ran.exit_code, ran.timed_out, ran.left_out_bytes) == (3, False, 0)
    assert environment.read_file("a.txt") == b"two\n"
    environment.stop()
    environment.stop()
    assert snapshot(project) == before
    assert left_behind(scratch, "test") == []
    with pytest.raises(EnvironmentBroken):
        environment.run("true")


def test_fresh_shells_begin_anew_and_end_what_they_started(begin: Begin) -> None:
    environment = begin()
    environment.run(f"cd /; A=1; export B=2; ({NAP} & disown); setsid {NAP} & nohup {NAP} &")
    assert environment.run('pwd; echo "[$A$B]"').output == f"{environment.folder}\n[]\n"
    assert environment.run(counted_by(NAP)).output == "0\n"


def test_session_goes_on_where_it_was(begin: Begin) -> None:
    environment = begin(shell="session")
    environment.run(
        "mkdir 'a b'; cd 'a b'; plain='x  y'; export shown=$'1\\n2'; f() { echo f $1; }; shopt -s extglob; false"
    )
    ran = environment.run('pwd; echo "$plain"; env | grep -A1 shown; f 1; shopt extglob | cut -f2')
    assert ran.output.endswith("a b\nx  y\nshown=1\n2\nf 1\non\n"), ran.output
    assert environment.run("cd ..; later=1; exit 7").exit_code == 7
    stopped = environment.run("late=2; cd 'a b'; sleep 1234; late=3", timeout=2.0)
    assert (stopped.timed_out, stopped.exit_code) == (True, None)
    assert environment.run('basename "$PWD"; echo $later $late').output == "a b\n1 2\n"


def test_server_of_a_session_lives_until_stop_and_is_told(begin: Begin, scratch: Path) -> None:
    environment = begin(shell="session", replay_id="server")
    later = f"until [ -e now ]; do sleep 0.02; done; echo said later; touch said; exec {NAP}"
    environment.run(f"{NAP} & ({later}) &")
    assert any("processes in the background" in fact for fact in environment.facts)
    assert "said later" in environment.run("touch now; until [ -e said ]; do sleep 0.02; done").output
    assert environment.run("sleep 5", timeout=0.1).timed_out
    both = f"until [ $({counted_by(NAP)}) = 2 ]; do sleep 0.02; done; echo both"
    assert environment.run(both, timeout=60.0).output == "both\n"
    environment.stop()
    assert left_behind(scratch, "server") == []


def test_commands_get_nothing_of_our_variables(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-to-be-seen")
    environment = begin()
    names = {line.partition("=")[0] for line in environment.run("env").output.splitlines()}
    assert names == {"PATH", "HOME", "TMPDIR", "LANG", "TERM", "CODETRACER_REPLAY", "PWD", "SHLVL", "_"}
    # Of the keeper, too, nothing but what it was started with, which is nothing.
    ran = environment.run("cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c not-to-be-seen")
    if isolated(environment):
        assert ran.output == "0\n"
    else:
        assert any("the variables they were started with, can be seen" in fact for fact in environment.facts)


def test_isolation_is_as_the_facts_say(begin: Begin, tmp_path: Path) -> None:
    hidden = tmp_path / "workspace"
    hidden.mkdir()
    (hidden / "labels").write_text("secret")
    environment = begin(hide=(hidden,))
    records = "are hidden" if isolated(environment) else "CAN be read"
    assert any("records of" in fact and records in fact for fact in environment.facts)
    target = tmp_path / "written"
    environment.run(f"echo x > {target}")
    if not isolated(environment):
        assert any("READ AND WRITE" in fact for fact in environment.facts)
        assert any("network ON" in fact for fact in environment.facts)
        return
    assert not target.exists()
    assert "secret" not in environment.run(f"cat {hidden}/labels").output
    assert environment.run("cat /sys/class/net/*/ifindex | wc -l; ls /proc | grep -c '^[0-9]'").exit_code == 0
    assert "network off" in environment.facts
    assert environment.run("exec 3<>/dev/tcp/127.0.0.1/9 || echo refused").output.strip().endswith("refused")
    assert environment.run("mount -t tmpfs none /mnt || umount /tmp || echo no rights").output.endswith("no rights\n")


def test_kernel_and_disks_are_out_of_reach_even_for_the_superuser(begin: Begin) -> None:
    environment = begin()
    if not isolated(environment):
        return
    ways = "/proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/irq/default_smp_affinity"
    assert environment.run(f"for way in {ways}; do [ -w $way ] && echo $way; done; :").output == ""
    assert environment.run("find /dev -type b; ls /dev").output.split() == sorted(
        (*("fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty"), "urandom", "zero")
    )
    works = "import multiprocessing, os, pty; multiprocessing.Lock(); print(os.ttyname(pty.openpty()[1]))"
    ran = environment.run(f"echo > /dev/null; cat <(echo here) > /dev/stderr; python3 -c '{works}'")
    assert (ran.output, ran.exit_code) == ("here\n/dev/pts/0\n", 0)


def test_time_limit_for_a_command_and_for_all(begin: Begin) -> None:
    environment = begin(command_seconds=2.0, total_seconds=4.0)
    ran = environment.run("echo begun; sleep 1234")
    assert (ran.output, ran.timed_out, ran.exit_code) == ("begun\n", True, None)
    assert environment.run("trap '' TERM INT; while :; do :; done", timeout=60.0).timed_out
    over = environment.run("echo never")
    assert (over.output, over.timed_out) == ("", True)


def test_output_without_end_keeps_beginning_and_end(begin: Begin) -> None:
    environment = begin(output_bytes=10_000)
    ran = environment.run("echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last")
    assert ran.output.startswith("first\n")
    assert ran.output.endswith("\nlast\n")
    assert ran.left_out_bytes == pytest.approx(2_990_000, abs=100)
    assert f"{ran.left_out_bytes:,} bytes left out" in ran.output
    assert environment.run("yes", timeout=0.5).timed_out
    assert environment.run("printf '\\377\\n'").output == "\ufffd\n"


def test_background_that_holds_the_pipe_is_not_waited_for(begin: Begin) -> None:
    ran = begin().run("sleep 1234 & echo done")
    assert (ran.output, ran.timed_out) == ("done\n", False)


def test_long_command_and_odd_names(begin: Begin) -> None:
    environment = begin()
    text = "x" * 300_000
    assert environment.run(f"cat > long <<'END'\n{text}\nEND\nwc -c < long").output.strip() == "300001"
    assert environment.run("nosuchprogram").exit_code == 127
    with pytest.raises(CodeTracerError, match="null"):
        environment.run("echo \0")


_MULTIPLIES = """
import os, sys, time
open("begun", "w").close()
for each in range({number}):
    if os.fork() == 0:
        if each % 2:
            os.setsid()
        if each % 10 == 0 and os.fork():
            os._exit(0)
        time.sleep(120)
        os._exit(0)
time.sleep(120)
"""
"""Starts so many processes at once, half of them in sessions of their own, some of them orphans: many, but never
without end, since a limit that fails would take the whole machine with it."""


def has(environment: Any, name: str) -> bool:
    with suppress(NotFound):
        environment.read_file(name)
        return True
    return False


def counted(environment: Any) -> bool:
    return any("only counted" in fact or "processes, counted" in fact for fact in environment.facts)


def test_processes_are_bounded(begin: Begin) -> None:
    environment = begin(processes=64)
    environment.write_file(MANY, _MULTIPLIES.format(number=200).encode())
    ran = environment.run(f"python3 {MANY}; echo got through", timeout=20.0)
    assert counted(environment) or any("by a control group" in fact for fact in environment.facts)
    if counted(environment):
        assert ran.exit_code is None
        assert ran.output.endswith("[ended: there were more than 64 processes, with those in the background]\n")
    else:
        assert "BlockingIOError" in ran.output
    assert environment.run(f"{counted_by(MANY)}; echo well").output == "0\nwell\n"
    few = environment.run("for i in $(seq 30); do sleep 1234 & done; jobs -p | wc -l")
    assert (few.exit_code, few.output) == (0, "30\n")


def test_what_multiplies_in_the_background_is_bounded_between_commands(begin: Begin) -> None:
    environment = begin(processes=64, shell="session")
    environment.write_file(MANY, _MULTIPLIES.format(number=200).encode())
    environment.run(f"(sleep 0.5; exec python3 {MANY}) >/dev/null 2>&1 &")
    end = time.monotonic() + 60  # half of what they sleep: by themselves they are not gone by then
    while not has(environment, "begun"):
        assert time.monotonic() < end
        time.sleep(0.05)
    number = None
    while number is None or (counted(environment) and number):  # a command that meets them is ended with them
        assert time.monotonic() < end
        said = environment.run(counted_by(MANY)).output.split()  # a shell that finds no room at first says so, too
        number = int(said[-1]) if said and said[-1].isdigit() else None
    assert number <= 64


def test_huge_files_and_memory_are_bounded(begin: Begin) -> None:
    environment = begin(file_mb=1, memory_mb=128)
    assert environment.run("head -c 5000000 /dev/zero > huge").exit_code != 0
    assert len(environment.read_file("huge")) <= 1 << 20
    assert environment.run("head -c 1000000000 /dev/zero | tail -c 900000000 | wc -c").output.strip() != "900000000"


def test_stop_request_is_heard_within_a_second(begin: Begin) -> None:
    environment = begin()
    wanted = threading.Event()
    threading.Timer(0.3, wanted.set).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        environment.run("sleep 1234", cancelled=wanted.is_set)
    assert time.monotonic() - begun < 100  # that it ended at all: how fast depends on the machine
    assert environment.run("echo goes on").output == "goes on\n"


def test_files_are_reached_inside_only(begin: Begin) -> None:
    environment = begin()
    passwd = Path("/etc/passwd").read_bytes()
    assert environment.read_file("inside") == b"one\n"
    assert environment.read_file(f"{environment.folder}/a.txt") == b"one\n"
    environment.run("ln -s .. up; ln -s /etc etc; mkdir d; ln -s ../a.txt d/l; ln -s loop loop; mkfifo pipe; ln -s d e")
    for path in (
        "outside",
        "/etc/passwd",
        "../../x",
        "up/../x",
        "etc/passwd",
        "d/../../x",
        "loop",
        "pipe",
        "d",
        ".",
        "",
    ):
        with pytest.raises(CodeTracerError):
            environment.read_file(path)
        with pytest.raises(CodeTracerError):
            environment.write_file(path, b"overwritten")
    assert Path("/etc/passwd").read_bytes() == passwd
    with pytest.raises(NotFound):
        environment.read_file("nothing/here")
    environment.write_file("d/l", b"through a link\n")
    assert environment.read_file("a.txt") == b"through a link\n"
    environment.write_file("e/new/er.txt", bytes(range(256)))
    assert environment.read_file("d/new/er.txt") == bytes(range(256))
    environment.write_file("tool.sh", b"#!/bin/sh\necho other\n")
    assert environment.run("./tool.sh").output == "other\n"
    environment.run('echo there > "$TMPDIR/t"')
    assert environment.read_file(environment.run('printf %s "$TMPDIR/t"').output) == b"there\n"


def test_what_cannot_start_says_why_and_leaves_nothing(scratch: Path, project: Path) -> None:
    def refused(place: Any, replay_id: str = "x") -> str:
        with pytest.raises(CodeTracerError) as told:
            start(place, Limits(), shell="fresh", scratch=scratch, replay_id=replay_id)
        return str(told.value)

    with pytest.raises(NotAllowed):
        start(LocalPlace(folder=str(project)), Limits(), shell="fresh", scratch=scratch, replay_id="x")
    assert WARNING in refused(GitPlace(repository=str(project)))
    assert "no such folder" in refused(LocalPlace(folder=str(project / "no"), allowed=True))
    assert "holds the workspace" in refused(LocalPlace(folder=str(project.parent), allowed=True))
    assert "no id" in refused(LocalPlace(folder=str(project), allowed=True), "../x")
    assert "name one of them" in refused(ContainerPlace()) or "no container engine" in refused(ContainerPlace())
    assert "'nobody'" in refused(PluginPlace(name="nobody"))
    assert left_behind(scratch, "x") == []
    with start(LocalPlace(folder=str(project), allowed=True), Limits(), shell="fresh", scratch=scratch, replay_id="x"):
        assert "runs already" in refused(LocalPlace(folder=str(project), allowed=True))
    assert left_behind(scratch, "x") == []


def test_folders_without_rights_are_removed_too(begin: Begin, scratch: Path) -> None:
    environment = begin(replay_id="locked")
    environment.run("mkdir -p a/b/c; touch a/b/c/d; chmod 000 a/b/c a/b a; chmod 500 .; ln -s / root; ln -s nowhere n")
    environment.stop()
    assert left_behind(scratch, "locked") == []
    assert os.path.lexists("/etc/passwd")


def test_what_commands_write_in_all_is_bounded_and_what_was_copied_does_not_count(begin: Begin, project: Path) -> None:
    (project / "big").write_bytes(b"x" * (3 << 20))
    environment = begin(disk_mb=2)
    assert environment.run("head -c 1000000 /dev/zero > a; ln a b; ln a c; rm big").exit_code == 0
    with pytest.raises(EnvironmentBroken, match="written more than 2 MB"):
        environment.run("for n in 1 2 3 4; do head -c 1500000 /dev/zero > more-$n; done; sleep 12345")
    with pytest.raises(EnvironmentBroken, match="written more than 2 MB"):
        environment.run("true")
    assert any("2 MB in all" in fact for fact in environment.facts)


def test_a_copy_that_holds_the_record_says_so(begin: Begin, project: Path) -> None:
    (project / "runs").mkdir()
    assert any("the copy CAN be read" in fact for fact in begin(hide=(project / "runs",)).facts)
    assert not any("the copy CAN be read" in fact for fact in begin().facts)


def test_what_commands_need_is_not_hidden_and_that_is_told(begin: Begin, scratch: Path) -> None:
    environment = begin(hide=(scratch.parent,))
    assert environment.run("cat a.txt").output == "one\n"
    assert any("CAN be read" in fact for fact in environment.facts)
