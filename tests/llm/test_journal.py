"""A journal of replies: what was paid for once is not paid for again."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from codetracer_core.diagnosis_models import CallUsage
from codetracer_core.errors import Cancelled, CodeTracerError, ContextOverflow, ModelError
from codetracer_core.llm import Message, Reply, ScriptedModel, calling, recorded
from tests.conftest import REPOSITORY
from tests.model_server import Asked, Behaviour, Hang, ModelServer, Say


def said(number: int) -> Message:
    return Message(role="user", text=f"question {number} \ud800")


def answers(*texts: str) -> ScriptedModel:
    usage = CallUsage(calls=1, prompt_tokens=10, completion_tokens=2, cost_usd=0.5)
    return ScriptedModel([Reply(text=text, usage=usage) for text in texts])


def test_the_same_questions_get_the_same_answers_for_nothing(tmp_path: Path) -> None:
    journal = tmp_path / "new" / "sample-1.jsonl"
    first = recorded(answers("one", "two"), journal)
    assert [first.complete([said(n)], temperature=0.5).replayed for n in (1, 2)] == [False, False]
    model = answers("three")
    again = recorded(model, journal)
    assert (again.name, again.context_tokens, again.price) == (model.name, model.context_tokens, model.price)
    heard: list[str] = []
    replies = [again.complete([said(n)], temperature=0.5, on_text=heard.append) for n in (1, 2, 3)]
    assert [reply.text for reply in replies] == heard == ["one", "two", "three"]
    assert [reply.replayed for reply in replies] == [True, True, False]
    assert replies[0].usage.cost_usd == 0.5
    assert len(model.asked) == 1


def test_calls_of_tools_come_back_whole(tmp_path: Path) -> None:
    journal = tmp_path / "j"
    reply = calling(("read_steps", {"steps": [1]}), text="I \ud800 look").model_copy(update={"is_cut": True})
    given = recorded(ScriptedModel([reply]), journal).complete([said(1)])
    assert recorded(ScriptedModel([]), journal).complete([said(1)]) == given.model_copy(update={"replayed": True})


@pytest.mark.parametrize("changed", [{"temperature": 0.1}, {"must_call": "submit"}, {"max_tokens": 5}])
def test_from_the_first_difference_on_the_model_is_asked(tmp_path: Path, changed: dict[str, float]) -> None:
    journal = tmp_path / "j"
    first = recorded(answers("one", "two", "three"), journal)
    for number in (1, 2, 3):
        first.complete([said(number)])
    model = answers("other two", "other three")
    again = recorded(model, journal)
    assert again.complete([said(1)]).replayed
    assert again.complete([said(2)], **changed).text == "other two"  # type: ignore[arg-type]
    assert again.complete([said(3)]).text == "other three"
    assert len(journal.read_text().splitlines()) == 3
    third = recorded(ScriptedModel([]), journal)
    assert third.complete([said(1)]).text == "one"
    with pytest.raises(ModelError, match="script of this model has ended"):
        third.complete([said(2)])
    assert len(journal.read_text().splitlines()) == 3, "nothing is forgotten before there is something new"


def test_a_refusal_that_is_met_again_forgets_nothing(tmp_path: Path) -> None:
    def refusing(*then: Reply) -> ScriptedModel:
        return ScriptedModel([*then[:1], ContextOverflow("too long"), *then[1:]])

    for model in (refusing(Reply(text="one"), Reply(text="two")), ScriptedModel([ContextOverflow("too long")])):
        asked = recorded(model, tmp_path / "j")
        assert asked.complete([said(1)]).text == "one"
        with pytest.raises(ContextOverflow):
            asked.complete([said(2), said(2)])
        assert asked.complete([said(2)]).text == "two"
    assert len(model.asked) == 1


def test_another_model_is_another_question(tmp_path: Path) -> None:
    recorded(answers("one"), tmp_path / "j").complete([said(1)])
    other = ScriptedModel([Reply(text="mine")], name="other")
    assert recorded(other, tmp_path / "j").complete([said(1)]).text == "mine"


@pytest.mark.parametrize("end", [b'{"request": "12', b'{"request": "12"}\n', b"\x00\xff\n", b"\n"])
def test_a_line_that_is_not_whole_is_dropped(tmp_path: Path, end: bytes) -> None:
    journal = tmp_path / "j"
    recorded(answers("one"), journal).complete([said(1)])
    with journal.open("ab") as file:
        file.write(end)
    again = recorded(answers("two"), journal)
    assert [again.complete([said(n)]).text for n in (1, 2)] == ["one", "two"]
    whole = recorded(ScriptedModel([]), journal)
    assert [whole.complete([said(n)]).replayed for n in (1, 2)] == [True, True]


def test_a_failed_call_leaves_no_line(tmp_path: Path) -> None:
    journal = tmp_path / "j"
    model = recorded(ScriptedModel([ModelError("no"), Reply(text="yes")]), journal)
    with pytest.raises(ModelError):
        model.complete([said(1)])
    assert not journal.exists()
    with pytest.raises(Cancelled):
        model.complete([said(1)], cancelled=lambda: True)
    assert model.complete([said(1)]).text == "yes"
    assert recorded(ScriptedModel([]), journal).complete([said(1)]).replayed


def test_a_journal_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    with pytest.raises(CodeTracerError, match="journal cannot be read"):
        recorded(answers("one"), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CodeTracerError, match="cannot be"):
        recorded(answers("one"), tmp_path / "file" / "j").complete([said(1)])


def test_a_killed_process_pays_for_nothing_twice(tmp_path: Path) -> None:
    """The server counts: two processes, the first killed in the middle of its third call, ask five questions."""
    program = f"""
import sys
import threading
from pathlib import Path
from codetracer_core.llm import Message, open_model, recorded
model = recorded(open_model("m", api_base=sys.argv[1]), Path({str(tmp_path / "j")!r}))
for number in range(5):
    print(model.complete([Message(role="user", text=str(number))]).text, flush=True)
"""
    third = threading.Event()

    def script(asked: Asked) -> Behaviour:
        number = len(server.requests)
        if number == 3:
            third.set()
            return Hang()
        return Say(f"answer {number}")

    with ModelServer(script) as server:
        command = [sys.executable, "-c", program, server.url]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as first:
            assert first.stdout is not None
            assert [first.stdout.readline() for _ in range(2)] == ["answer 1\n", "answer 2\n"]
            assert third.wait(60)
            os.kill(first.pid, signal.SIGKILL)
        second = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120)
        assert second.stdout.splitlines()[:2] == ["answer 1", "answer 2"]
        assert len(second.stdout.splitlines()) == 5
        assert [asked.messages[0]["content"] for asked in server.requests[3:]] == ["2", "3", "4"]
