"""Containers, made by a real engine where one runs here (engine.py says why not, else)."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.errors import Cancelled, CodeTracerError, EnvironmentBroken, NotFound
from codetracer_core.llm.scripted import ScriptedModel, calling
from codetracer_core.models import Step, Trajectory
from codetracer_core.replay.environments import start, sweep, why_not
from codetracer_core.replay.environments.protocol import Environment
from codetracer_core.replay.making import make_replay
from codetracer_core.replay.models import Budget, ContainerPlace, Limits, ReplayOrder
from tests.conftest import REPOSITORY
from tests.replay.environments import engine as engines
from tests.replay.environments.conftest import left_behind
from tests.replay.environments.engine import IMAGE, Engine

Begin = Callable[..., Any]
ME = os.getpid()
"""Part of every name of a container, since several processes that test may share an engine."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    yield from engines.find(tmp_path_factory.mktemp("engine"))


@pytest.fixture
def engine(found: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    for name, value in found.variables.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def contain(engine: Engine, begin: Begin) -> Begin:
    """Starts containers of our image."""
    return lambda **more: begin(ContainerPlace(engine=engine.name, image=IMAGE), **more)


def left_of(engine: Engine, scratch: Path, replay_id: str) -> list[str]:
    """Everything that a replay in a container could leave."""
    watching = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if f"codetracer-replay-{replay_id}".encode() in _content(path)
    ]
    names = engine("ps", "--all", "--filter", f"label=codetracer-replay={replay_id}", "--format", "{{.Names}}")
    images = set(engine("images", "--all", "--format", "{{.Repository}}:{{.Tag}}").split()) - {IMAGE}
    return [*left_behind(scratch, replay_id), *watching, *names.split(), *(images if engine.variables else ())]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_no_engine_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "docker is not installed; podman is not installed" in why_not("container")
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'no daemon here' >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    assert "docker does not answer: no daemon here" in why_not("container")
    with pytest.raises(EnvironmentBroken, match="no container engine"):
        start(ContainerPlace(image="x"), Limits(), shell="fresh", scratch=tmp_path / "scratch", replay_id="x")
    assert not (tmp_path / "scratch").exists()


def test_commands_run_in_it_and_nothing_of_this_machine_is_there(
    contain: Begin, engine: Engine, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-to-be-seen")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:not-to-be-seen@127.0.0.1:9")
    assert why_not("container") == ""
    environment = contain(replay_id=f"one-{ME}", processes=16, memory_mb=64)
    assert isinstance(environment, Environment)
    assert environment.folder == "/job"
    assert {"network off", "at most 16 processes, memory limited to 64 MB"} < set(environment.facts)
    ran = environment.run("pwd; echo to stderr >&2; printf 'a\\377\\n'; exit 3")
    assert (ran.output, ran.exit_code, ran.timed_out) == ("/job\nto stderr\na\ufffd\n", 3, False)
    assert environment.run("nosuchprogram").exit_code == 127
    assert "not-to-be-seen" not in environment.run("env; cat /proc/[0-9]*/environ").output
    assert environment.run("ls /sys/class/net").output == "lo\n"
    assert environment.run("wget -q -T 2 -O - http://127.0.0.1:9/ || echo refused").output.endswith("refused\n")
    assert environment.run(f"ls {REPOSITORY} {scratch}").exit_code != 0
    assert engine("inspect", "--format", "{{len .Mounts}}", f"codetracer-replay-one-{ME}") == "0"
    assert environment.run("mount -t tmpfs none /tmp || mknod /tmp/disk b 8 0 || echo no rights").output.endswith(
        "no rights\n"
    )
    environment.stop()
    environment.stop()
    assert left_of(engine, scratch, f"one-{ME}") == []
    with pytest.raises(EnvironmentBroken):
        environment.run("true")


def test_fresh_shells_begin_anew_and_a_session_goes_on(contain: Begin) -> None:
    fresh = contain(replay_id=f"fresh-{ME}")
    fresh.run("cd /; A=1; export B=2; sleep 1234 & nohup sleep 1234 & setsid sleep 1234 &")
    assert fresh.run('pwd; echo "[$A$B]"; ps | grep -c "[s]leep 1234"').output == "/job\n[]\n0\n"
    session = contain(replay_id=f"session-{ME}", shell="session")
    assert session.run("mkdir 'a $b'; cd 'a $b'; export shown=\"1  '2'\"; sleep 1234 & exit 7").exit_code == 7
    assert session.run('pwd; echo "$shown"; ps | grep -c "[s]leep 1234"').output == "/job/a $b\n1  '2'\n1\n"


def test_limits_bind(contain: Begin) -> None:
    environment = contain(memory_mb=64, file_mb=1, output_bytes=10_000, total_seconds=60.0)
    stopped = environment.run("echo begun; sleep 1234", timeout=5.0)
    assert (stopped.output, stopped.timed_out, stopped.exit_code) == ("begun\n", True, None)
    assert environment.run("trap '' TERM INT; while :; do :; done", timeout=0.5).timed_out
    ran = environment.run("echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last")
    assert ran.output.startswith("first\n")
    assert ran.output.endswith("\nlast\n")
    assert f"{ran.left_out_bytes:,} bytes left out" in ran.output
    assert environment.run("head -c 5000000 /dev/zero > huge").exit_code != 0
    assert len(environment.read_file("huge")) <= 1 << 20
    taken = environment.run("x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#x}")
    assert "300000000" not in taken.output
    wanted = threading.Event()
    threading.Timer(0.3, wanted.set).start()
    with pytest.raises(Cancelled):
        environment.run("sleep 1234", cancelled=wanted.is_set)
    assert environment.run("ps | grep -c '[s]leep 1234'; echo goes on").output == "0\ngoes on\n"


def test_a_container_full_of_processes_says_so(contain: Begin) -> None:
    """Twenty sleeps where sixteen processes are allowed."""
    environment = contain(shell="session", processes=16)
    environment.write_file("there", b"content")
    many = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1234 & done; echo all started"
    assert "all started" not in environment.run(many).output
    # The engine gets a shell in, or it does not: it says so in words, and that is not the exit code of the command.
    for _ in range(4):
        ran = environment.run("sleep 1234 &")
        if ran.exit_code is None:
            assert "could not be started in the container, in which there is room for at most 16 proc" in ran.output
        else:
            assert "can't fork" in ran.output
    with pytest.raises(CodeTracerError, match=r"cannot be written: .*(can't fork|could not be started)"):
        environment.write_file("new/file", b"x")
    # Reading takes one process, which there may be room for.
    seen: object = b""
    try:
        seen = environment.read_file("there")
    except CodeTracerError as error:
        seen = str(error)
    assert seen == b"content" or "cannot be read: the command could not be started" in str(seen)


def test_files_go_in_and_out_as_they_are(contain: Begin) -> None:
    environment = contain()
    content = bytes(range(256)) * 4_000
    for path in ("plain", "a b/'c\"$d\n", "-n", "../job/é"):
        environment.write_file(path, content)
        assert environment.read_file(path) == content
    environment.write_file("empty", b"")
    assert environment.read_file("empty") == b""
    environment.run("printf 'echo tool' > tool; chmod 755 tool; mkfifo pipe")
    environment.write_file("tool", b"#!/bin/sh\necho other\n")
    assert environment.run("./tool").output == "other\n"
    with pytest.raises(NotFound):
        environment.read_file("nothing/here")
    for path in ("/tmp", "pipe"):
        with pytest.raises(CodeTracerError, match="this is no file"):
            environment.read_file(path)
    with pytest.raises(CodeTracerError, match="this is a folder"):
        environment.write_file("/tmp", b"")
    with pytest.raises(CodeTracerError, match="cannot be written"):
        environment.write_file("plain/under", b"")
    assert environment.run("cat > long <<'END'\n" + "x" * 200_000 + "\nEND\nwc -c < long").output.strip() == "200001"


def test_what_cannot_start_says_why_and_leaves_nothing(engine: Engine, scratch: Path, tmp_path: Path) -> None:
    def refused(**place: Any) -> str:
        with pytest.raises(EnvironmentBroken) as told:
            start(
                ContainerPlace(engine=engine.name, **place),
                Limits(),
                shell="fresh",
                scratch=scratch,
                replay_id=f"none-{ME}",
            )
        return str(told.value)

    absent = refused(image="localhost/codetracer-not-there:1")
    assert "has no image localhost/codetracer-not-there:1 on this machine" in absent
    assert "Nothing is downloaded by itself" in absent
    assert "no name of an image" in refused(image="--privileged")
    assert "no such folder in the container" in refused(image=IMAGE, folder="/not/there")
    assert "absolute" in refused(image=IMAGE, folder="work")
    assert "name one of them" in refused()
    file = tmp_path / "compose.yaml"
    file.write_text(f"services:\n  main:\n    image: {IMAGE}\n    command: [sleep, '1234']\n")
    if engines.ask(engine, "compose", "version").returncode:
        assert "has no compose here" in refused(compose_file=str(file))
    else:
        assert "no service 'other'" in refused(compose_file=str(file), service="other")
    assert left_of(engine, scratch, f"none-{ME}") == []


def test_services_of_a_compose_file(engine: Engine, begin: Begin, scratch: Path, tmp_path: Path) -> None:
    if engines.ask(engine, "compose", "version").returncode:
        pytest.skip(f"{engine.name} has no compose here")
    file = tmp_path / "compose.yaml"
    file.write_text(
        f"services:\n  main:\n    image: {IMAGE}\n    command: [sleep, '1234']\n    volumes: ['/etc:/host']\n"
        f"  other:\n    image: {IMAGE}\n    command: [nc, -lk, -p, '80', -e, echo, hello]\n"
    )
    environment = begin(
        ContainerPlace(engine=engine.name, compose_file=str(file), service="main"), replay_id=f"composed-{ME}"
    )
    assert "main does not get volumes, for which the compose file asks" in environment.facts
    assert environment.run("ls /host").exit_code != 0
    assert environment.run("nc -w 2 other 80 < /dev/null").output == "hello\n"
    environment.stop()
    assert left_of(engine, scratch, f"composed-{ME}") == []


def test_a_run_is_replayed_in_a_container(engine: Engine, tmp_path: Path) -> None:
    run = Trajectory(
        format="mini-swe-agent",
        view="traj.json",
        task="t",
        task_text="Make the file say right.",
        steps=tuple(
            Step(step_id=number, action=action, observation=seen)
            for number, (action, seen) in enumerate((("echo wrong > a", ""), ("cat a", "wrong\n"), ("exit", "")), 1)
        ),
    )
    order = ReplayOrder(
        place=ContainerPlace(engine=engine.name, image=IMAGE, folder="/job"),
        step_id=3,
        budget=Budget(max_steps=3),
        test_command="grep -qx right a",
    )
    model = ScriptedModel(
        [calling(("run", {"command": "echo right > a"})), calling(("finish", {"summary": "It says right."}))]
    )
    result = make_replay(
        run, "r", order, model, folder=tmp_path / "replays" / f"whole-{ME}", scratch=tmp_path / "scratch"
    )
    assert (result.status, result.tests_before, result.outcome.solved) == ("finished", False, True)
    assert [step.met for step in result.replayed] == ["same", "same"]
    assert "network off" in result.facts
    assert left_of(engine, tmp_path / "scratch", f"whole-{ME}") == []


_CHILD = """
import sys
from pathlib import Path
from codetracer_core.replay.environments import container, start  # an interrupt can get lost in an import
from codetracer_core.replay.models import ContainerPlace, Limits
engine, image, scratch, name = sys.argv[1:]
print("begin", flush=True)
place = ContainerPlace(engine=engine, image=image)
with start(place, Limits(), shell="session", scratch=Path(scratch), replay_id=name) as environment:
    environment.run("sleep 1234 & setsid sleep 1234 & nohup sleep 1234 &")
    print("running", flush=True)
    environment.run("sleep 1234")
"""


@pytest.mark.parametrize(
    ("number", "after"),
    [
        (signal.SIGINT, 0.5),
        (signal.SIGINT, "running"),
        (signal.SIGTERM, "running"),
        (signal.SIGKILL, 0.3),
        (signal.SIGKILL, 0.6),
        (signal.SIGKILL, "running"),
    ],
)
def test_ended_from_outside(engine: Engine, tmp_path: Path, number: signal.Signals, after: str | float) -> None:
    scratch = tmp_path / "scratch"
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, engine.name, IMAGE, str(scratch), f"ended-{ME}"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.strip() == ("running" if after == "running" else "begin"):
                break
        if isinstance(after, float):
            time.sleep(after)
        child.send_signal(number)
        child.wait(timeout=60)
    sweep(scratch)
    assert left_of(engine, scratch, f"ended-{ME}") == []


def test_commands_begin_where_the_run_worked_if_there_is_such_a_folder(engine: Engine, scratch: Path) -> None:
    def begins_in(name: str, place: ContainerPlace, original: str) -> str:
        with start(
            place, Limits(), shell="fresh", scratch=scratch, replay_id=f"original-{ME}-{name}", original=original
        ) as environment:
            assert environment.run("pwd").output == f"{environment.folder}\n"
            return environment.folder

    image = ContainerPlace(engine=engine.name, image=IMAGE)
    assert begins_in("there", image, "/bin") == "/bin"
    assert begins_in("not-there", image, "/nowhere") not in ("", "/nowhere")
    assert begins_in("named", image.model_copy(update={"folder": "/etc"}), "/bin") == "/etc"
