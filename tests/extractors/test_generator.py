"""A model describes a format: what it is shown, what it is told, and how it ends whatever it says."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from codetracer_core.errors import CodeTracerError, ContextOverflow, ModelError
from codetracer_core.extractors.fits import fit_of, worst_of
from codetracer_core.extractors.generator import Progress, propose, repair
from codetracer_core.extractors.trying import try_spec
from codetracer_core.llm import Message, Price, Reply, ScriptedModel, ToolRequest, ToolSpec, calling
from tests.extractors.unfamiliar import (
    BLIND_RELAY,
    BOTH_VERSIONS,
    NO_SPEC,
    RELAY,
    TERN,
    UNFAMILIAR,
    drifted,
    relay,
    relay_runs,
)


def proposing(text: str) -> Reply:
    return calling(("propose_extractor", {"spec": text}))


def test_a_broken_and_a_blind_proposal_are_told_what_is_wrong_until_one_is_good(tmp_path: Path) -> None:
    root = relay_runs(tmp_path)
    model = ScriptedModel([proposing(NO_SPEC), proposing(BLIND_RELAY), proposing(RELAY)])
    heard: list[Progress] = []
    found = propose(root / "duplicate-invoices", model, on_progress=heard.append)
    assert (found.status, found.reason, found.spec) == ("complete", "", relay())
    assert found.tried is not None
    assert found.tried.found == 2, "the run beside it was tried, too"
    assert [attempt.spec is not None for attempt in found.attempts] == [False, True, True]
    assert found.attempts[0].score < found.attempts[1].score < found.attempts[2].score
    first, second = (messages[-1].text for messages in model.asked[1:])
    assert "'source'" in first
    assert "sources" in first
    assert "check observations: NOT PASSED" in second
    assert "Text of the agent that no step holds" in second
    assert found.usage.calls == 3
    assert [one.kind for one in heard if one.kind in ("proposed", "judged")] == ["proposed", "judged"] * 3
    assert heard[-1].kind == "ended"


def test_the_model_is_shown_the_language_the_files_their_shapes_and_samples() -> None:
    model = ScriptedModel([calling(("give_up", {"reason": "enough"}))])
    propose(UNFAMILIAR / "relay" / "expired-tokens", model)
    system, user = model.asked[0]
    assert "extractor spec" in system.text
    assert "turn-1/request.json … turn-8/request.json" in user.text
    assert '"timed_out"' not in user.text
    assert '"tool": text ("shell")' in user.text
    assert "Look around." in user.text


def test_it_may_look_at_files_in_the_folder_and_at_no_others(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("not for you")
    run = relay_runs(tmp_path / "runs", "expired-tokens") / "expired-tokens"
    (run / "out").symlink_to(tmp_path / "secret.txt")
    looks = ("turn-1/plan.txt", "../../secret.txt", str(tmp_path / "secret.txt"), "out", "none.txt")
    model = ScriptedModel(
        [calling(*(("look", {"path": path}) for path in looks)), calling(("give_up", {"reason": "that was all"}))]
    )
    found = propose(run, model)
    answers = [message.text for message in model.asked[1][-5:]]
    assert "1| Look around." in answers[0]
    assert all("no such file in the folder" in answer for answer in answers[1:])
    assert not any("not for you" in answer for answer in answers)
    assert (found.status, found.spec) == ("failed", None)
    assert "that was all" in found.reason


def test_the_best_of_the_attempts_is_kept_if_none_is_good(tmp_path: Path) -> None:
    root = relay_runs(tmp_path)
    model = ScriptedModel([proposing(BLIND_RELAY), proposing(NO_SPEC), proposing(BLIND_RELAY)])
    found = propose(root, model, attempts=3)
    assert found.status == "partial"
    assert found.spec is not None
    assert found.spec.rules[0].step is not None
    assert found.spec.rules[0].step.observation is None
    assert "word for word" in found.attempts[2].problems[0]
    assert "does not pass every check" in found.reason


def test_a_spec_that_fits_one_run_only_is_not_good(tmp_path: Path) -> None:
    root = relay_runs(tmp_path)
    narrow = RELAY.replace('"harness":', '"job":').replace('"relay"\'', '"duplicate-invoices"\'')
    found = propose(root / "duplicate-invoices", ScriptedModel([proposing(narrow)]), attempts=1)
    assert found.status == "partial"
    assert any("expired-tokens" in problem and "recognises no run" in problem for problem in found.attempts[0].problems)


@pytest.mark.parametrize(
    "nonsense",
    [
        Reply(text="I am sorry, I cannot do that."),
        calling(("run_shell", {"command": "rm -rf /"})),
        Reply(tool_requests=(ToolRequest(call_id="1", name="propose_extractor", arguments='{"spec": '),)),
        Reply(),
    ],
    ids=["prose", "unknown tool", "broken call", "nothing"],
)
def test_a_model_that_only_talks_nonsense_ends_soon(nonsense: Reply) -> None:
    model = ScriptedModel(lambda _messages, _tools: nonsense)
    found = propose(UNFAMILIAR / "tern", model)
    assert (found.status, found.spec, found.attempts) == ("failed", None, ())
    assert len(model.asked) == 3
    assert "no proposal" in found.reason


HOSTILE = {
    "pattern": TERN.replace(r"'^=== tern \d'", "'(a{1000}){1000}'"),
    "look-behind": TERN.replace(r"'^=== tern \d'", "'(?<=x)y'"),
    "escape": RELAY.replace("files: relay.json", "files: ../../../etc/passwd"),
    "absolute": RELAY.replace("plan: plan.txt", "plan: /etc/passwd"),
    "bomb": "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]\n",
    "built-in": RELAY.replace("name: relay", "name: swe-agent", 1),
    "python": "!!python/object/apply:os.system ['echo owned']",
    "large": "x" * 1_000_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_proposals_are_refused_in_words(text: str) -> None:
    folder = UNFAMILIAR / ("relay" if "relay" in text.lower() else "tern")
    found = propose(folder, ScriptedModel([proposing(text)]), attempts=1)
    assert (found.status, found.spec) == ("failed", None)
    assert found.attempts[0].problems
    assert found.attempts[0].problems[0] in found.reason


def test_a_model_that_only_looks_is_stopped() -> None:
    model = ScriptedModel(lambda _messages, _tools: calling(("look", {"path": "relay.json"})))
    found = propose(UNFAMILIAR / "relay" / "expired-tokens", model)
    assert found.status == "failed"
    assert len(model.asked) < 30


def test_a_name_that_another_extractor_has_is_refused() -> None:
    found = propose(UNFAMILIAR / "relay", ScriptedModel([proposing(RELAY)]), attempts=1, taken=["relay"])
    assert found.status == "failed"
    assert "another extractor" in found.reason


def test_a_file_can_be_the_run_that_is_described() -> None:
    found = propose(UNFAMILIAR / "tern" / "slow-search.tern.log", ScriptedModel([proposing(TERN)]))
    assert found.status == "complete"


def test_a_repair_has_to_fit_what_the_old_one_fitted(tmp_path: Path) -> None:
    old = relay_runs(tmp_path / "old", "duplicate-invoices")
    run = drifted(relay_runs(tmp_path / "new", "expired-tokens") / "expired-tokens")
    only_new = RELAY.replace("request: request.json", "request: act.json").replace("shell.txt", "result.txt")
    accepted = worst_of(fit_of(extraction) for extraction in try_spec(relay(), [old]).extractions)
    model = ScriptedModel([proposing(only_new), proposing(BOTH_VERSIONS)])
    found = repair(relay(), run, model, also=[old, tmp_path / "gone"], accepted=accepted)
    assert found.status == "complete"
    assert "of the steps only talk" in model.asked[1][-1].text
    assert found.attempts[0].score < found.attempts[1].score


def test_a_spec_as_an_object_is_read_too() -> None:
    import yaml

    model = ScriptedModel([calling(("propose_extractor", {"spec": yaml.safe_load(RELAY)}))])
    assert propose(UNFAMILIAR / "relay", model).spec == relay()


def test_money_is_counted_before_each_call() -> None:
    model = ScriptedModel(lambda _messages, _tools: proposing(BLIND_RELAY), price=Price(prompt=100.0, completion=0.0))
    found = propose(UNFAMILIAR / "relay", model, ceiling=0.01)
    assert len(model.asked) == 1
    assert found.status == "partial"
    assert "0.01 USD" in found.reason
    free = propose(UNFAMILIAR / "relay", ScriptedModel([proposing(NO_SPEC), proposing(RELAY)], price=None), ceiling=1.0)
    assert free.status == "complete"
    assert any("not known" in problem for problem in free.problems)


def test_it_can_be_cancelled_and_keeps_what_there_is() -> None:
    stopped: list[bool] = []

    def answer(_messages: Sequence[Message], _tools: Sequence[ToolSpec]) -> Reply:
        stopped.append(True)
        return proposing(BLIND_RELAY)

    found = propose(UNFAMILIAR / "relay", ScriptedModel(answer), cancelled=lambda: bool(stopped))
    assert found.status == "cancelled"
    assert found.spec is not None
    assert propose(UNFAMILIAR / "relay", ScriptedModel([]), cancelled=lambda: True).status == "cancelled"


def test_a_provider_that_fails_ends_it_in_words() -> None:
    found = propose(UNFAMILIAR / "relay", ScriptedModel([proposing(BLIND_RELAY), ModelError("no credit left")]))
    assert found.status == "partial"
    assert "no credit left" in found.reason
    none = propose(UNFAMILIAR / "relay", ScriptedModel([ModelError("no credit left")]))
    assert (none.status, none.spec) == ("failed", None)


def test_a_small_window_gets_a_shorter_description() -> None:
    replies: list[Reply | CodeTracerError] = [ContextOverflow("too long"), proposing(RELAY)]
    model = ScriptedModel(replies)
    found = propose(UNFAMILIAR / "relay", model)
    assert found.status == "complete"
    tiny = propose(UNFAMILIAR / "relay", ScriptedModel([proposing(RELAY)], context_tokens=600))
    assert tiny.status == "failed"
    assert "too small" in tiny.reason


def test_repair_shows_the_old_spec_and_what_no_longer_fits(tmp_path: Path) -> None:
    run = drifted(relay_runs(tmp_path) / "expired-tokens")
    model = ScriptedModel([proposing(BOTH_VERSIONS.replace("name: relay", "name: something-else", 1))])
    found = repair(relay(), run, model)
    assert found.spec is not None
    assert (found.spec.name, found.spec.version) == ("relay", 2)
    assert "The spec that used to fit" in model.asked[0][1].text
    assert "name: relay" in model.asked[0][1].text
    assert found.status == "complete", found
    assert try_spec(found.spec, [tmp_path]).found == 2
