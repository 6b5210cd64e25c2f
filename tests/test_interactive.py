"""The interactive session: piped, and once in a real terminal. The model is a server on loopback."""

import fcntl
import io
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from codetracer_core.cli.interactive.choosing import matching
from codetracer_core.cli.interactive.table import COMMANDS, complete, parsed
from codetracer_core.parsers import strip_ansi
from codetracer_core.store import Store
from tests.conftest import REPOSITORY, SAMPLE_DATA, Said
from tests.model_server import Asked, ModelServer, Say, calling
from tests.small_runs import write_run

RUN = "parcels__parcels-31"
MINI = SAMPLE_DATA / "replayable" / "mini-swe-agent" / "trajs" / RUN / f"{RUN}.traj.json"
QUOTE = "2.0 kg into zone 1: 7.90"


@pytest.fixture
def session(codetracer: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Types these lines into a session."""

    def typed(run: str | Path | None, *lines: str, options: tuple[str, ...] = ()) -> Said:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        named = () if run is None else (run,)
        said: Said = codetracer("interactive", *named, "--annotator", "ana", *options)
        return said

    return typed


@pytest.fixture
def run_id(codetracer: Any) -> str:
    return str(codetracer("import", MINI, "--json").json["items"][0]["run_id"])


def own_labels(workspace: Path, run_id: str) -> dict[tuple[str, int | None], Any]:
    with Store.open_for_reading(workspace) as reader:
        return {(label.field, label.step_id): label.value for label in reader.labels(run_id, annotator="ana")}


# --- going through the run


def test_a_run_is_read_searched_and_left(session: Callable[..., Said], run_id: str) -> None:
    said = session(run_id, "tree", "tree 1-2", "4", "n change", "p", "/two_kilos", "n", "search", "obs 2", "quit", "1")
    assert said.code == 0
    assert "mini-SWE-agent · example/mini-coder-4" in said.out
    assert re.search(r"^▸ stage 2 · steps 3–8 · .* · 4 changes$", said.out, re.M)
    assert re.search(r"^  >   S0 explore +1    ls && cat README.md$", said.out, re.M)
    headings = [int(number) for number in re.findall(r"^step (\d+) of 10 · ", said.out, re.M)]
    assert headings == [1, 4, 5, 4, 8]
    assert "    3  observation: " in said.out
    assert "2 steps: n and p walk them" in said.out
    assert "8 of 10 · explore: runs tests (unittest)" in said.out
    assert "2 of 2 hits" in said.out
    assert "observation of step 2 (parcels__parcels-31.traj.json, line " in said.out
    assert QUOTE not in said.out.split("observation of step 2")[1]


def test_what_cannot_be_done_is_told_and_the_session_goes_on(session: Callable[..., Said], run_id: str) -> None:
    said = session(
        run_id, "frobnicate", "999", "labl", "tree stage 9", "n found", "undo", "resume", "onset 1-2", "10", "n"
    )
    assert said.code == 0
    for words in (
        "there is no command 'frobnicate'",
        "there is no step 999: the run has 1 to 10",
        "Did you mean labels",
        "there is no stage 9: there are 3",
        "there is no step of 'found' after this one",
        "there is nothing to take back in this session",
        "there is nothing to go on with",
        "the onset is one step",
        "there is no step after this one",
    ):
        assert words in said.out
    assert "Traceback" not in said.err


def test_a_run_is_chosen_by_parts_of_its_name(session: Callable[..., Said], codetracer: Any) -> None:
    codetracer("import", SAMPLE_DATA / "replayable")
    said = session(None, "nothing like it", "parcels", "mini-swe", "quit")
    assert "no run is called like 'nothing like it'" in said.out
    assert said.out.count(f"{RUN}-") >= 4  # the list, and again what is called parcels
    assert "step 1 of 10" in said.out
    about = {"fix-parcels-01": "SWE-agent", "other-02": "OpenHands"}
    assert matching("parc swe", about) == ["fix-parcels-01"]
    assert matching("fxp", about) == ["fix-parcels-01"]
    assert session(None).code == 0  # nobody chose


def test_hostile_text_never_steers_the_terminal(session: Callable[..., Said], codetracer: Any, tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J[red]x[/red] :bomb: \x9b31m"
    run = write_run(tmp_path / "runs" / "one.traj", (f"echo {evil}", "ls"))
    codetracer("import", run)
    said = session(run, "tree", "1", "a", "search echo", f"search {evil}", f"{evil}")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", said.out)
    assert "[red]x[/red] :bomb:" in said.out


# --- labels


def test_a_megabyte_in_one_line_floods_nothing_and_can_be_read_to_its_end(
    session: Callable[..., Said], tmp_path: Path
) -> None:
    path = write_run(tmp_path / "run.traj", ("cat one-line.json", "ls"))
    run = json.loads(path.read_text())
    run["trajectory"][0]["observation"] = "".join(f"<{number:07}>" for number in range(110_000)) + "THE END"
    path.write_text(json.dumps(run))
    shown = session(path, "1", "observation").out
    assert len(shown) < 100_000
    assert "'more' goes on" in shown
    assert "THE END" not in shown
    whole = session(path, "observation", "more all").out.partition("990,007 characters")[2]
    assert re.sub(r"\n|…[^\n]*\n", "", whole).startswith(run["trajectory"][0]["observation"])


def test_labels_are_stored_at_once_and_taken_back(session: Callable[..., Said], run_id: str, tmp_path: Path) -> None:
    place = tmp_path / "workspace"
    said = session(
        run_id,
        "incorrect 7 the limit, not the comparison",
        "unuseful 2-3,9",
        "7",
        "reason it only moves the limit",
        "onset",
        "should 8 run all tests",
        "verdict has_error",
        "verdict nonsense",
        "correct 99",
        "labels",
        "p labelled",
        "tree all",
    )
    kept = own_labels(place, run_id)
    assert kept[("verdict", 7)] == "incorrect"
    assert kept[("details", 7)] == {"reason": "it only moves the limit"}
    assert [step for (name, step), value in kept.items() if value == "unuseful"] == [2, 3, 9]
    assert (kept[("onset", None)], kept[("omission", 8)], kept[("run_verdict", None)]) == (
        7,
        "run all tests",
        "has_error",
    )
    assert "step 7: incorrect (the limit, not the comparison), by ana (saved)" in said.out
    assert "there is no step 99" in said.out
    assert "nonsense" in said.out
    assert "step 8: should have: run all tests" in said.out
    assert re.search(r"^   I\* S\d change +7 ", said.out, re.M)
    assert "step 3 of 10 · explore" in said.out

    again = session(run_id, "labels", "unlabel 2", "incorrect 3", "undo", "undo", "undo")
    assert "step 2: unuseful" in again.out
    assert "taken back: step 3 verdict is unuseful again" in again.out
    assert "there is nothing to take back" in again.out
    kept = own_labels(place, run_id)
    assert (kept[("verdict", 2)], kept[("verdict", 3)]) == ("unuseful", "unuseful")


def test_a_submitted_run_is_refused_and_a_blind_one_shows_no_model(
    session: Callable[..., Said], codetracer: Any, run_id: str, tmp_path: Path
) -> None:
    codetracer("project", "create", "pilot", "--annotators", "ana,bob")
    codetracer("project", "assign", "pilot")
    blind = session(run_id, "incorrect 7", "diagnose heuristic", "diagnosis", "ask why?", "replay --env local")
    assert "step 7: incorrect, by ana (saved)" in blind.out
    assert blind.out.count("ana labels this run blind") == 4
    with Store.open(tmp_path / "workspace") as store:
        store.submit("pilot", run_id, "ana", rest_is_correct=True)
    late = session(run_id, "correct 7", "diagnose heuristic")
    assert "'ana' has submitted run" in late.out
    assert "conclusion   no error found" in late.out
    with Store.open_for_reading(tmp_path / "workspace") as reader:
        assert reader.standing(run_id, "ana").shown == {"model"}


def test_to_whoever_is_blind_nothing_of_others_is_told(
    session: Callable[..., Said], codetracer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = SAMPLE_DATA / "manifest.jsonl"
    items = codetracer("import", SAMPLE_DATA / "replays", SAMPLE_DATA / "terminus2", "--manifest", manifest, "--json")
    runs = {item["run_id"]: item["format"] for item in items.json["items"]}
    replay = next(name for name in runs if runs[name] == "replay")
    original = str(codetracer("import", MINI, "--json").json["items"][0]["run_id"])
    run_id = next(name for name in runs if runs[name] == "terminus2")
    codetracer("label", run_id, "--step", "1", "--verdict", "incorrect", "--annotator", "bob-who-was-here")
    codetracer("project", "create", "pilot", "--annotators", "ana", "--runs", original, "--runs", run_id)
    codetracer("project", "assign", "pilot")

    assert replay not in session(None, "parcels__parcels-31", "quit").out
    said = session(original, f"run {replay}", "run nosuch", f"run {run_id}", "info", "labels", "quit")
    assert f"no run is called like {replay!r}" in said.out
    assert "no run is called like 'nosuch'" in said.out
    assert "ana has not labelled this run" in said.out
    refused = codetracer("interactive", replay, "--annotator", "ana")
    assert "this is a replay of a run that ana labels blind" in refused.err

    forms = ("html page.html", "csv labels.csv", "jsonl acts.jsonl", "steps files", "html --annotator bob-who-was-here")
    said = session(run_id, *(f"export {form}" for form in forms))
    assert "For more there is 'codetracer export'" in said.out
    assert (tmp_path / "page.html").is_file()
    assert (tmp_path / "labels.csv").is_file()
    assert not any("bob-who-was-here" in path.read_text() for path in tmp_path.glob("*.*") if path.is_file())
    with Store.open_for_reading(tmp_path / "workspace") as reader:
        drawn = [stage.name for stage in reader.stages(run_id) or ()]
        assert drawn != [stage["name"] for stage in json.loads(next(tmp_path.rglob("stage_ranges.json")).read_text())]
        assert reader.standing(run_id, "ana").shown == frozenset()


def test_labels_wait_in_the_inbox_while_the_dashboard_is_open(run_id: str, tmp_path: Path) -> None:
    place = tmp_path / "workspace"
    with Store.open(place, purpose="the dashboard at http://127.0.0.1:8765") as store:
        store.write_snapshot()
        ended = subprocess.run(
            [sys.executable, "-m", "codetracer_core", "interactive", run_id, "--annotator", "ana", "-w", str(place)],
            input="incorrect 7\nopen\nlabels\n",
            capture_output=True,
            text=True,
            check=True,
            cwd=REPOSITORY,
        )
        assert "it waits in the inbox, because the dashboard" in ended.stdout
        assert f"http://127.0.0.1:8765/trajectory?traj={run_id}&step=1" in ended.stdout
        assert "step 7: incorrect" in ended.stdout
        store.take_inbox()
        assert {(label.step_id, label.value) for label in store.labels(run_id, annotator="ana")} == {(7, "incorrect")}


def test_a_run_that_is_not_imported_is_read_but_not_labelled(session: Callable[..., Said], tmp_path: Path) -> None:
    said = session(MINI, "7", "incorrect 7", "diagnose heuristic", "open", "export html " + str(tmp_path / "page.html"))
    assert "step 7 of 10" in said.out
    assert "this run is not imported. Import it" in said.out
    assert "conclusion   no error found" in said.out
    assert "the dashboard does not know it" in said.out
    assert (tmp_path / "page.html").read_text().startswith("<!")
    assert not (tmp_path / "workspace").exists()


# --- questions


def answering(question: Asked) -> Say:
    """Reads step 5 first, then answers; once sent back it still insists on words that nobody said."""
    if question.messages[-1]["role"] == "user":
        return calling("read_steps", steps=[5])
    return calling(
        "answer",
        text="The script printed 7.90 in step 5, and step 44 too.",
        evidence=[{"step_id": 5, "quote": QUOTE}, {"step_id": 5, "quote": "nobody said so"}],
    )


def ask_options(server: ModelServer) -> tuple[str, ...]:
    return ("--model", "scripted", "--api-base", server.url)


def test_answers_cite_steps_and_what_is_unsupported_is_marked(
    session: Callable[..., Said], run_id: str, model_server: Callable[..., ModelServer]
) -> None:
    server = model_server(answering)
    first = session(run_id, "incorrect 7 HUMAN-REASON", "?why did the script fail?", "5", options=ask_options(server))
    assert "  The script printed 7.90 in step 5, and step 44 too." in first.out
    assert f"    step 5: “{QUOTE}”\n" in first.out
    assert "    step 5: “nobody said so” [unsupported]\n" in first.out
    assert "  it names steps that are not there: 44" in first.out
    assert re.search(r"  scripted: 4 calls, \d+ prompt and \d+ completion tokens, cost unknown", first.out)
    assert not any("HUMAN-REASON" in asked.text for asked in server.requests)
    assert "does not stand in step 5" in server.requests[-1].text

    # the next session on the run goes on with the conversation, and the model is told of it
    second = session(run_id, "resume", "ask", "ask and then?", options=ask_options(server))
    assert "You left at step 5, 1 question (" in second.out
    assert "you: why did the script fail?" in second.out
    assert "step 5 of 10" in second.out
    assert "Your answer was: The script printed 7.90" in server.requests[-1].text
    assert session(run_id, "resume", "forget", "ask", options=ask_options(server)).out.endswith(
        "why did the tests fail?\n"
    )


def test_a_model_that_fails_is_told_and_prose_is_an_answer_without_support(
    session: Callable[..., Said], run_id: str, model_server: Callable[..., ModelServer]
) -> None:
    prose = model_server([Say("I think it was the weather.")] * 3)
    said = session(run_id, "ask why?", "ask again?", options=ask_options(prose))
    assert "  I think it was the weather.\n  no quote supports this\n" in said.out
    assert "no answer: scripted at http" in said.out
    nobody = session(run_id, "ask why?")
    assert "no model is chosen. Name a model: model openai/gpt-5" in nobody.out
    rules = session(run_id, "ask why?", options=("--model", "heuristic"))
    assert "the offline rules cannot answer questions. Name a model: model openai/gpt-5" in rules.out


def test_a_replay_is_made_with_the_settings_of_the_session(
    session: Callable[..., Said], run_id: str, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("replay:\n  environment: local\n  max_steps: 7\n", encoding="utf-8")
    options = ("--config", str(settings), "--model", "scripted", "--api-base", "http://127.0.0.1:9/v1")
    planned = f"replay --folder {tmp_path} --allow-local --dry-run"
    said = session(run_id, "5", planned, options=(*options, "--cost-limit", "0.5"))
    assert f"environment  local copy of {tmp_path}\n" in said.out
    assert "then         scripted goes on for at most 7 steps and 0.50 USD" in said.out
    # an onset that somebody names stands for the step
    named = session(run_id, "5", f"{planned} --onset-of human:nobody", options=options)
    assert "--auto" not in named.out
    assert "human:nobody" in named.out


# --- the table of commands


def test_help_and_completion_come_from_the_table(session: Callable[..., Said], run_id: str) -> None:
    told = session(run_id, "help", "help incorrect").out
    assert all(command.help in told for command in COMMANDS)
    assert "incorrect [STEPS] [reason] (also: i)" in told
    assert [name for name, _ in complete("unc")] == ["uncertain"]
    assert [name for name, _ in complete("tree s")] == ["stage"]
    assert [name for name, _ in complete("help dia")] == ["diagnose", "diagnosis"]
    names = [name for command in COMMANDS for name in (command.name, *command.aliases)]
    assert len(names) == len(set(names))
    for line, name in {"12": "step", "/x": "search", "?x": "ask", "obs 3": "observation", "N": "previous"}.items():
        command, _ = parsed(line)
        assert not isinstance(command, str)
        assert command.name == name
    assert parsed("un 3")[0] == "un"  # unuseful, uncertain, unlabel


# --- a real terminal


class Terminal:
    """A session in a terminal of its own."""

    def __init__(self, *words: str, workspace: Path) -> None:
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.chdir(REPOSITORY)
            env = {**os.environ, "CODETRACER_WORKSPACE": str(workspace), "TERM": "xterm", "COLUMNS": "120"}
            os.execve(sys.executable, [sys.executable, "-m", "codetracer_core", "interactive", *words], env)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.screen, text.encode())

    def until(self, words: str, within: float = 30.0) -> str:
        """What came on the screen until these words did; fails if they do not."""
        end = time.monotonic() + within
        while words not in self.seen:
            ready, _, _ = select.select([self.screen], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{words!r} never came:\n{self.seen[-2000:]}"
            try:
                piece = os.read(self.screen, 65536).decode(errors="replace")
            except OSError:
                piece = ""
            assert piece, f"it ended before {words!r} came:\n{self.seen[-2000:]}"
            if "\x1b[6n" in piece:
                self.type("\x1b[1;1R")  # where the cursor is, which prompt_toolkit asks a terminal
            self.seen += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", piece)
        before, _, self.seen = self.seen.partition(words)
        return before

    def ended(self, within: float = 30.0) -> int:
        end = time.monotonic() + within
        with suppress(OSError):  # how the end of a terminal shows
            while True:
                ready, _, _ = select.select([self.screen], [], [], max(0.0, end - time.monotonic()))
                assert ready, "it has not ended"
                if not os.read(self.screen, 65536):
                    break
        os.close(self.screen)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_terminal_has_completion_history_and_its_keys(run_id: str, tmp_path: Path) -> None:
    place = tmp_path / "workspace"
    terminal = Terminal(run_id, "--annotator", "ana", workspace=place)
    terminal.until("step 1 of 10")
    terminal.until("1/10>")
    terminal.type("inco\t")  # Tab completes
    terminal.until("rrect")
    terminal.type(" 7 the wrong place\r")
    terminal.until("step 7: incorrect (the wrong place), by ana (saved)")
    terminal.type("half a li\x03")  # Ctrl-C drops the line
    terminal.type("7\r")
    terminal.until("step 7 of 10")
    terminal.until("7/10>")
    terminal.type("\x1b[A\r")  # the line before, again
    terminal.until("$ cd /testbed && python3 check_limit.py")  # "step 7 of 10" stands below the old prompt, too
    terminal.until("7/10>")  # before that a Ctrl-D would not reach the session
    terminal.type("\x04")  # Ctrl-D leaves
    assert terminal.ended() == 0
    assert own_labels(place, run_id)[("verdict", 7)] == "incorrect"
    history = (place / "sessions" / "history").read_text()
    assert "+incorrect 7 the wrong place" in history
    assert "half a li" not in history

    again = Terminal(run_id, "--annotator", "ana", workspace=place)
    again.until("You left at step 7")
    again.until("Go on there? [Y/n]")
    again.type("\r")
    again.until("step 7 of 10")
    again.until("7/10>")
    again.type("quit\r")
    assert again.ended() == 0


def test_a_run_is_chosen_in_a_terminal(run_id: str, tmp_path: Path) -> None:
    terminal = Terminal(workspace=tmp_path / "workspace")
    terminal.until("run>")
    terminal.type("parcels\r")
    terminal.until("step 1 of 10")
    terminal.until("1/10>")
    terminal.type("\x04")
    assert terminal.ended() == 0


def test_a_small_terminal_is_enough(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with (tmp_path / "commands").open("w+") as commands:
        commands.write("tree all\ninfo\ndiagnose heuristic\n5\n")
        commands.seek(0)
        running = subprocess.Popen(
            [sys.executable, "-m", "codetracer_core", "interactive", MINI],
            stdin=commands,
            stdout=slave,
            stderr=subprocess.DEVNULL,
            env={**environment, "CODETRACER_WORKSPACE": str(tmp_path / "workspace"), "TERM": "xterm"},
        )
    os.close(slave)
    seen = b""
    with suppress(OSError):  # the end of a terminal that nobody writes to any more
        while part := os.read(master, 100_000):
            seen += part
    os.close(master)
    assert running.wait() == 0
    lines = strip_ansi(seen.decode()).replace("\r", "").split("\n")
    told = [line for line in lines if line.startswith(("step ", "Summary", "  ", "environment", "conclusion"))]
    assert any(line.startswith("  >   S0") for line in told)
    assert "Summary" in told
    assert max(map(len, told)) <= 80
    after = [number for number, line in enumerate(lines) if line.startswith("step 5 of")][-1]
    assert len(lines) - after <= 24
