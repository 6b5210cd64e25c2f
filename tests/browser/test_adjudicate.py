"""The adjudication page by keyboard alone: what people said side by side, decided; and what is sent of whom."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from codetracer_core.adjudication import people
from codetracer_core.projects import Project
from codetracer_core.store import Store, StoredEvent
from tests.browser.conftest import Dashboard
from tests.browser.steps import person, press, received, see_in_store, see_saved, see_step
from tests.store.factory import decide, make_label, make_run

pytestmark = pytest.mark.browser

ANN, BOB = "ann-secret-name", "bob-secret-name"
HOSTILE = "<img src=x onerror=\"document.title='run'\"> wrong file [a](javascript:alert(1))"
SAID: dict[str, dict[str, list[tuple[int | None, str, Any]]]] = {
    "quiet": {
        ANN: [(1, "verdict", "correct"), (2, "verdict", "unuseful")],
        BOB: [(1, "verdict", "correct"), (2, "verdict", "correct")],
    },
    "loud": {
        ANN: [
            *((step, "verdict", "correct") for step in (1, 4)),
            *((step, "verdict", "incorrect") for step in (2, 3)),
            (2, "details", {"reason": HOSTILE, "deviation_type": "wrong_target"}),
            (3, "details", {"reason": "reads it twice"}),
            (None, "onset", 2),
            (None, "run_verdict", "has_error"),
        ],
        BOB: [
            *((step, "verdict", "correct") for step in (1, 2, 4)),
            (3, "verdict", "unuseful"),
            (3, "details", {"reason": "brings nothing new"}),
            (5, "verdict", "uncertain"),
            (None, "onset", 3),
            (None, "run_verdict", "has_error"),
        ],
    },
}


@pytest.fixture
def office(tmp_path: Any, browser: Browser) -> Iterator[Dashboard]:
    """A dashboard on a project with two runs that two people have submitted, and one that waits for its second."""
    running = Dashboard(tmp_path / "workspace")
    runs = [make_run(name, 6) for name in (*SAID, "waiting")]
    running.workspace.mkdir()
    (running.workspace / "people.toml").write_text(
        f'[people]\n"cora" = ["adjudicator"]\n"eve" = ["annotator"]\n"{ANN}" = ["annotator", "adjudicator"]\n'
    )
    with Store.open(running.workspace) as store:
        store.add_runs(runs, decisions=[decide(run) for run in runs])
        store.create_project(
            Project(project_id="pilot", annotators=(ANN, BOB), created_at=datetime.now(UTC)), [*SAID, "waiting"]
        )
        for who in (ANN, BOB):
            for run, said in SAID.items():
                store.claim_next("pilot", who)
                events = [
                    make_label(at, value, run_id=run, step_id=step, field=field, annotator=who, client=f"{who} {run}")
                    for at, (step, field, value) in enumerate(said[who], start=1)
                ]
                assert store.add_human_labels(events).refused == ()
                store.submit("pilot", run, who)
        store.claim_next("pilot", ANN)
        model = make_label(
            1, "unuseful", run_id="loud", step_id=2, source="model", annotator="model-secret", client="model"
        )
        store.add_label_events([model])
    running.start()
    yield running
    running.kill()


def see_run(page: Page, run: str) -> None:
    expect(page.locator(".runline .task")).to_have_text(f"task of {run}")
    see_step(page, 2)


def decided(office: Dashboard, run: str) -> dict[tuple[int | None, str], StoredEvent]:
    with Store.open_for_reading(office.workspace) as store:
        return {(label.step_id, label.field): label for label in store.labels(run, source="adjudicated")}


def wait_for_state(page: Page, office: Dashboard, run: str, state: str) -> None:
    """Labels came before this."""

    def states() -> set[str]:
        with Store.open_for_reading(office.workspace) as store:
            return {one.state for one in store.assignments("pilot", run_id=run)}

    see_in_store(page, states, lambda found: found == {state})


def key_of(run: str, annotator: str) -> str:
    """The key that takes this person's position."""
    letters = {voice.annotator: voice.who for voice in people(run, [], {ANN: 1, BOB: 1})}
    return letters[annotator]


def column(page: Page, letter: str) -> Any:
    return page.locator(".position.human", has=page.locator(f'.whose:text-matches("^{letter}\\\\b")'))


def test_a_run_is_decided_without_the_mouse(browser: Browser, office: Dashboard) -> None:
    context = person(browser, office, "cora")
    page = context.new_page()
    heard = received(page)
    page.goto(f"{office.url}/adjudicate")
    rows = page.locator(".case")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("2 submitted · 3 steps differ · 2 about incorrect · onset · value 41")
    expect(rows.nth(2)).to_contain_text("0 submitted")
    expect(rows.first).to_be_focused()
    press(page, "Enter")
    see_step(page, 2)
    expect(page.locator(".positionshead")).to_contain_text("Run 1 of 2 in pilot · 3 to decide")
    expect(page.locator("#step-1 .dot.correct")).to_be_visible()
    ann, bob = key_of("loud", ANN), key_of("loud", BOB)
    expect(column(page, ann)).to_contain_text("incorrect")
    expect(column(page, ann)).to_contain_text(HOSTILE)
    expect(column(page, ann).locator("img, a")).to_have_count(0)
    assert page.title() != "run"

    press(page, ann)
    expect(page.locator("#step-2 .dot.incorrect")).to_be_visible()
    press(page, "u")
    see_step(page, 3)
    press(page, bob, ann, "Control+z")
    expect(page.locator("#step-3 .dot.unuseful")).to_be_visible()
    expect(page.locator(".positionshead")).to_contain_text("1 to decide")
    press(page, "Control+Enter")
    sheet = page.get_by_role("dialog", name="Finish the adjudication")
    expect(sheet).to_contain_text("still to decide: 5.")
    expect(sheet).to_contain_text("Of the whole run still to decide: failure onset.")
    press(page, "Escape", "u")
    see_step(page, 5)
    press(page, bob, "1", "c")
    page.keyboard.type("it is a plain look around")
    press(page, "Escape", "Y")
    expect(page.locator(".positionshead")).to_contain_text("Failure onset")
    expect(column(page, bob)).to_contain_text("step 3")
    press(page, bob, "Escape")
    see_saved(page)
    for name in (ANN, BOB, "model-secret"):
        assert name.encode() not in heard, "nobody asked for it"

    press(page, "Q")
    expect(page.locator(".saved")).to_have_text("nobody more has submitted this run")
    press(page, "?")
    group = page.locator(".sheet.help section", has_text="Adjudicate")
    assert group.locator("kbd").all_inner_texts() == ["A", "B", "V", "M", "Ctrl+Enter", ">", "<"]
    press(page, "Escape")

    press(page, "V")
    expect(column(page, ann)).to_contain_text(ANN)
    press(page, "M")
    expect(page.locator(".position.model")).to_have_count(0)
    press(page, "g")
    page.keyboard.type("2")
    press(page, "Enter")
    expect(page.locator(".position.model")).to_contain_text("model-secret")
    press(page, "Control+Enter")
    see_run(page, "quiet")
    expect(page.locator(".positionshead")).to_contain_text("Run 1 of 1 in pilot · 1 to decide")

    wait_for_state(page, office, "loud", "adjudicated")
    labels = decided(office, "loud")
    verdicts = {step: label.value for (step, field), label in labels.items() if field == "verdict"}
    assert verdicts == {1: "correct", 2: "incorrect", 3: "unuseful", 4: "correct", 5: "correct"}
    bases = {step: label.value for (step, field), label in labels.items() if field == "basis"}
    assert {step: rests_on["taken"] for step, rests_on in bases.items()} == {
        **dict.fromkeys((1, 4), "agreed"),
        2: ANN,
        3: BOB,
        5: "new",
    }
    assert bases[5]["positions"] == {ANN: None, BOB: "uncertain"}
    assert labels[2, "details"].value == {"reason": HOSTILE, "deviation_type": "wrong_target"} | {
        name: value for name, value in labels[2, "details"].value.items() if not value
    }
    assert labels[5, "details"].value["reason"] == "it is a plain look around"
    assert (labels[None, "onset"].value, labels[None, "run_verdict"].value) == (3, "has_error")
    assert {label.annotator for label in labels.values()} == {"cora"}
    assert {label.exposure for label in labels.values()} == {"peers"}
    with Store.open_for_reading(office.workspace) as store:
        shown = [act.value for act in store.label_history("loud") if act.field == "shown" and act.annotator == "cora"]
    assert shown == ["peers", "model"]
    page.goto(f"{office.url}/adjudicate")
    expect(page.locator("section", has_text="Decided · 1")).to_contain_text("loud")
    context.close()


def test_only_adjudicators_who_are_not_blind_get_anything(browser: Browser, office: Dashboard) -> None:
    for name, words in (("eve", "does not have"), (ANN, "labels this run blind"), ("cora", "fewer than two people")):
        context = person(browser, office, name)
        page = context.new_page()
        heard = received(page)
        page.goto(f"{office.url}/adjudicate?project=pilot&traj=waiting")
        expect(page.locator(".stMain")).to_contain_text(words)
        assert BOB.encode() not in heard
        context.close()


def test_what_is_pressed_while_the_next_run_is_on_its_way_decides_nothing(browser: Browser, office: Dashboard) -> None:
    context = person(browser, office, "cora")
    page = context.new_page()
    page.goto(f"{office.url}/adjudicate?project=pilot&traj=loud")
    see_step(page, 2)
    press(page, "D", key_of("loud", ANN), ">", "1", "j", "2", "j", "3")
    see_run(page, "quiet")
    press(page, key_of("quiet", BOB))
    see_saved(page)
    press(page, "<")
    see_run(page, "loud")
    press(page, "<")
    see_run(page, "quiet")
    press(page, "Control+Enter")
    see_run(page, "loud")
    wait_for_state(page, office, "quiet", "adjudicated")
    verdicts = {
        run: {step: label.value for (step, field), label in decided(office, run).items() if field == "verdict"}
        for run in SAID
    }
    assert verdicts == {
        "loud": {1: "correct", 2: "incorrect", 3: "incorrect", 4: "correct"},
        "quiet": {1: "correct", 2: "correct"},
    }
    context.close()
