"""The keys: a run labelled with few presses and no mouse, and cheatsheets that list what works on their page."""

import json
import string
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from codetracer_core.exporting import export_page
from codetracer_core.projects import Project
from codetracer_core.store import Store
from tests.browser.conftest import WAIT, Dashboard, cli, write_run
from tests.browser.steps import press, see_in_store, see_saved, see_step
from tests.conftest import REPOSITORY
from tests.store.factory import make_label

pytestmark = pytest.mark.browser

STEPS, MIDDLE = 40, 20
KEYER, REASON = "Keyer", "edits a module that it has never read"
PRESSES = 17


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Dashboard]:
    """Runs of 40 steps: two in a queue, one that somebody has labelled, two on which two people differ."""
    folder = tmp_path_factory.mktemp("keys")
    running = Dashboard(folder / "workspace")
    for at, name in enumerate(("first", "second", "said", "loud", "quiet"), start=40):
        write_run(folder / "runs" / name, STEPS, 100 * at, name=name)  # two that are the same would be one run
    imported = cli("import", str(folder / "runs"), "--json", workspace=running.workspace)
    assert imported.returncode == 0, imported.stderr
    runs = {Path(item["path"]).name: item["run_id"] for item in json.loads(imported.stdout)["items"]}
    with Store.open(running.workspace) as store:
        queued, judged = [runs["first"], runs["second"]], [runs["loud"], runs["quiet"]]
        truth = make_label(1, run_id=runs["said"], step_id=3, source="ground_truth", annotator="truth", client="truth")
        others = make_label(1, run_id=runs["said"], step_id=MIDDLE, source="model", annotator="model", client="model")
        reason = make_label(
            1, {"reason": REASON}, run_id=runs["said"], step_id=MIDDLE, field="details", annotator=KEYER
        )
        store.add_label_events([truth, others])
        # Its own label before the middle: the first labelled step must be another one, whatever is pressed meanwhile.
        early = make_label(2, "correct", run_id=runs["said"], step_id=2, annotator=KEYER)
        assert store.add_human_labels([reason, early]).refused == ()
        now = datetime.now(UTC)
        store.create_project(Project(project_id="queue", annotators=(KEYER,), created_at=now), queued)
        store.create_project(Project(project_id="judged", annotators=("Ann", "Bob"), created_at=now), judged)
        for who, verdict in (("Ann", "incorrect"), ("Bob", "unuseful")):
            store.assign("judged", [who])
            for at, run_id in enumerate(judged, start=1):
                labels = [
                    make_label(10 * at + i, verdict, run_id=run_id, step_id=step, annotator=who, client=who)
                    for i, step in enumerate((3, MIDDLE, 30))
                ]
                onset = make_label(
                    10 * at + 9, 3, run_id=run_id, step_id=None, field="onset", annotator=who, client=who
                )
                assert store.add_human_labels([*labels, onset]).refused == ()
                store.submit("judged", run_id, who, rest_is_correct=True)
    running.runs = runs
    running.start()
    yield running
    running.kill()


def is_at_the_desk(page: Page, office: Dashboard) -> None:
    page.context.add_cookies([{"name": "codetracer_annotator", "value": KEYER, "url": office.url}])


def test_a_run_of_40_steps_is_labelled_with_few_presses_and_no_mouse(page: Page, office: Dashboard) -> None:
    """Five wrong steps in the middle, the onset, why; the rest is right. The words of the reason are not counted."""
    is_at_the_desk(page, office)
    page.goto(f"{office.url}/annotate")
    see_step(page, 1)
    pressed = 0

    def count(*keys: str) -> None:
        nonlocal pressed
        pressed += len(keys)
        press(page, *keys)

    count("g", "2", "1", "Enter", "!", "d", "j", "j", "j", "j", "2", "c")
    page.keyboard.type(REASON)
    count("Escape")
    see_step(page, 25)
    see_saved(page)
    count("R", "2", "Control+Enter", "1")
    page.wait_for_url(f"**traj={office.runs['second']}*")
    assert pressed == PRESSES
    assert f"takes {PRESSES} presses" in (REPOSITORY / "README.md").read_text(encoding="utf-8")

    def states() -> dict[str, str]:
        with Store.open_for_reading(office.workspace) as store:
            return {one.run_id: one.state for one in store.assignments("queue", annotator=KEYER)}

    wanted = {office.runs["first"]: "submitted", office.runs["second"]: "assigned"}
    see_in_store(page, states, lambda found: found == wanted)
    with Store.open_for_reading(office.workspace) as store:
        found = store.labels(office.runs["first"], source="human", annotator=KEYER)
    said = {(one.step_id, one.field): one.value for one in found if one.field != "worked"}
    verdicts = dict.fromkeys(range(1, STEPS + 1), "correct") | dict.fromkeys(range(21, 26), "incorrect")
    assert said == {
        **{(step, "verdict"): verdict for step, verdict in verdicts.items()},
        (None, "onset"): 21,
        (None, "run_verdict"): "has_error",
        (25, "details"): {"reason": REASON},
    }


# --- cheatsheets ----------------------------------------------------------------------------------------------

# What a key changed: everything but the line that tells what was saved; and what that line says in answer to a key.
EFFECT = """
() => {
  const root = [...document.querySelectorAll("*")].map((e) => e.shadowRoot).find((r) => r?.querySelector(".viewer"));
  const viewer = root.querySelector(".viewer").cloneNode(true);
  const saved = viewer.querySelector(".saved");
  const note = saved.classList.contains("note") ? saved.textContent : "";
  saved.remove();
  viewer.removeAttribute("data-waiting");
  const focused = root.activeElement?.className ?? "";
  return [[viewer.outerHTML, root.querySelector(".body").scrollTop, focused].join("|"), note];
}
"""
FOUND = ["/", "#line", "Escape"]
# What has to be so before the key can do anything: the keys that bring it about.
PREPARED = {
    "n": FOUND,
    "N": FOUND,
    "0": ["1"],
    "Backspace": ["1"],
    "ArrowRight": ["h"],
    "e": ["h"],
    "b": [" "],
    "PageUp": [" "],
    "Escape": ["?"],
    ",": ["1"],
    "Control+z": ["1"],
    ".": ["1", ","],
    "Control+y": ["1", ","],
}
SYMBOLS = {
    "Ctrl+z": "Control+z",
    "Ctrl+y": "Control+y",
    "Ctrl+Enter": "Control+Enter",
    "Space": " ",
    "↓": "ArrowDown",
    "↑": "ArrowUp",
    "←": "ArrowLeft",
    "→": "ArrowRight",
    "PgDn": "PageDown",
    "PgUp": "PageUp",
    "Esc": "Escape",
    "⌫": "Backspace",
}
LEAVING = ("<", ">", "Control+Enter")
"""These may go to another run: pressed last."""
LASTING = "OtaomqzwvIrVM"
"""What they switch stays so until they are pressed again."""
ASKED = "rVM"
"""What these show comes from the server, and must not be taken for what the next key does."""


def advertised(page: Page) -> list[str]:
    press(page, "?")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    keys = [SYMBOLS.get(text, text) for text in sheet.locator("kbd").all_inner_texts()]
    press(page, "Escape")
    expect(sheet).to_be_hidden()
    return keys


def changes(page: Page, key: str) -> bool:
    """Press the key; whether the viewer shows another thing then, or answers."""
    before = page.evaluate(EFFECT)
    press(page, key)
    for _ in range(WAIT // 50 if key in (*ASKED, *LEAVING) else 20):  # the server answers when it comes to it
        page.wait_for_timeout(50)
        shown, note = page.evaluate(EFFECT)
        if shown != before[0] or note not in ("", before[1]):  # an answer to an earlier key goes by itself
            return True
    return False


@pytest.fixture(params=["trajectory", "said", "annotate", "adjudicate", "copy"])
def sheet_of(request: pytest.FixtureRequest, page: Page, office: Dashboard, tmp_path: Path) -> str:
    """The address of each kind of page with a viewer, at a step in the middle."""
    is_at_the_desk(page, office)
    with Store.open_for_reading(office.workspace) as store:
        own = {one.run_id for one in store.assignments("queue", annotator=KEYER) if one.submitted_at is None}
    if request.param == "copy":
        file = tmp_path / "copy.html"
        file.write_text(export_page(office.runs["said"], office.workspace, annotator=KEYER), encoding="utf-8")
        page.goto(file.as_uri())
        see_step(page, 1)
        return file.as_uri()
    name, run_id = {
        "trajectory": ("trajectory", office.runs["quiet"]),
        "said": ("trajectory", office.runs["said"]),
        "annotate": ("annotate", next(iter(own), office.runs["first"])),
        "adjudicate": ("adjudicate", office.runs["loud"]),
    }[request.param]
    project = "&project=queue" if name == "annotate" else ""
    return f"{office.url}/{name}?traj={run_id}&step={MIDDLE}{project}"


def open_in_the_middle(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector(".viewer[data-shown]")
    press(page, "g", *str(MIDDLE), "Enter")
    see_step(page, MIDDLE)


def test_a_cheatsheet_lists_exactly_the_keys_that_work(page: Page, sheet_of: str) -> None:
    open_in_the_middle(page, sheet_of)
    keys = advertised(page)
    assert len(keys) == len(set(keys)) > 40
    without_effect = []
    for key in sorted(keys, key=lambda key: (key in LEAVING, key in PREPARED)):
        prepared = PREPARED.get(key, [])
        if key in LEAVING or prepared == FOUND:
            open_in_the_middle(page, sheet_of)
        else:
            press(page, "Escape", "g", *str(MIDDLE), "Enter")
            see_step(page, MIDDLE)
        for before in prepared:
            if before.startswith("#"):
                page.keyboard.type(before[1:])
                expect(page.locator(".hits")).to_contain_text("matches")
            else:
                press(page, before)
                page.wait_for_selector('.viewer[data-waiting="0"]')
            see_still(page, 150)
        if not changes(page, key):
            expect(page.locator(".saved.note")).to_have_count(0)  # the same answer as to the key before?
            if not changes(page, key):
                without_effect.append(key)
        if key in LASTING:
            press(page, key)
            if key in ASKED:
                see_still(page, 400)
    assert without_effect == []

    # What is not listed changes nothing; it may answer why.
    open_in_the_middle(page, sheet_of)
    see_still(page, 400)
    others = [key for key in (*string.ascii_letters, *string.digits, *string.punctuation) if key not in keys]
    with_effect = []
    for key in others:
        before = page.evaluate(EFFECT)[0]
        press(page, key)
        page.wait_for_timeout(80)
        if page.evaluate(EFFECT)[0] != before:
            with_effect.append(key)
    assert with_effect == []


def see_still(page: Page, wait: float) -> None:
    """Nothing arrives any more, for ``wait`` milliseconds, that would change what the viewer shows."""
    for _ in range(100):
        before = page.evaluate(EFFECT)
        page.wait_for_timeout(wait)
        if page.evaluate(EFFECT) == before:
            return
    pytest.fail("the viewer does not come to rest")
