"""Evidence quotes: what is selected in the page is what the store holds, whatever the page makes of the text."""

import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from codetracer_core.errors import NotFound
from codetracer_core.models import EvidenceQuote, LabelEvent, hash_of_quote
from codetracer_core.quotes import holds
from codetracer_core.store import Store
from tests.browser.conftest import HUGE, Dashboard, cli
from tests.browser.steps import (
    comes_to,
    import_folder,
    name_annotator,
    open_run,
    press,
    see_in_store,
    see_saved,
    see_step,
)

pytestmark = pytest.mark.browser


def see_marked(page: Page, count: int) -> None:
    """So many quotes are marked in the text."""
    comes_to(page, lambda: page.evaluate("CSS.highlights.get('codetracer-quote')?.size"), count)


SELECT = """
(part, [from, to]) => {
  const nodes = [];
  const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
  let length = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    nodes.push([length, node]);
    length += node.data.length;
  }
  const place = (offset) => {
    const [start, node] = nodes.findLast(([start]) => start <= offset);
    return [node, offset - start];
  };
  const [last, end] = place(to - 1);
  document.getSelection().setBaseAndExtent(...place(from), last, end + 1);
}
"""
"""Selects characters that the page shows."""


def select(page: Page, part: str, text: str, occurrence: int = 0) -> None:
    """Select some text where the page shows it, as a person would with the mouse."""
    node = page.locator(f".part.{part}")
    shown = node.evaluate("node => node.textContent")
    starts = [found.start() for found in re.finditer(re.escape(text), shown)]
    start = len(shown[: starts[occurrence]].encode("utf-16-le")) // 2
    node.evaluate(SELECT, [start, start + len(text.encode("utf-16-le")) // 2])


def stored_quotes(page: Page, dashboard: Dashboard, run_id: str, annotator: str, count: int) -> list[EvidenceQuote]:
    """What is in DuckDB, once there are so many; each still stands in the run's text."""

    def read() -> list[EvidenceQuote]:
        with Store.open_for_reading(dashboard.workspace) as store, suppress(NotFound):
            labels = store.labels(run_id, source="human", annotator=annotator)
            details = (label.value for label in labels if label.field == "details")
            return [EvidenceQuote.model_validate(quote) for value in details for quote in value.get("quotes", ())]
        return []  # not in the snapshot yet

    found = see_in_store(page, read, lambda found: len(found) == count)
    with Store.open_for_reading(dashboard.workspace) as store:
        trajectory = store.load_run(run_id).trajectory
    assert all(holds(quote, trajectory) for quote in found)
    return found


def sign_in(page: Page, dashboard: Dashboard, name: str) -> None:
    cookie: Any = {"name": "codetracer_annotator", "value": name, "url": dashboard.url}
    page.context.add_cookies([cookie])


def texts_of(quotes: list[EvidenceQuote]) -> list[tuple[int, str, str]]:
    return [(quote.step_id, quote.field, quote.text) for quote in quotes]


def test_a_selection_is_quoted_listed_shown_removed_and_undone(page: Page, dashboard: Dashboard) -> None:
    run_id = dashboard.runs["long"]
    open_run(page, dashboard, run_id, step=210)
    page.get_by_text("observation of step 210").dblclick()
    offer = page.get_by_role("button", name="Quote for step 210")
    expect(offer).to_be_visible()
    select(page, "observation", "observation of step 210")
    offer.click()
    name_annotator(page, "Quoter")
    see_saved(page)
    evidence = page.get_by_role("region", name="Evidence")
    expect(evidence.locator("q")).to_have_text("observation of step 210")
    expect(offer).to_be_hidden()
    select(page, "thought", "step 210")
    press(page, '"')
    see_saved(page)
    expect(evidence.locator("li")).to_have_count(2)
    first, second = stored_quotes(page, dashboard, run_id, "Quoter", 2)
    assert (first.step_id, first.field, first.start, first.end) == (210, "observation", 0, 23)
    assert (second.field, second.start, second.text) == ("thought", 11, "step 210")
    select(page, "thought", "step 210")
    press(page, '"')
    expect(page.locator(".saved")).to_have_text("this is quoted already")
    page.reload()
    see_step(page, 210)
    expect(evidence.locator("li")).to_have_count(2)
    see_marked(page, 2)
    press(page, "j", "j", "j")
    see_step(page, 213)
    expect(evidence).to_be_hidden()
    press(page, "k", "k", "k")
    evidence.get_by_role("button", name="Remove the quote from thought").click()
    see_saved(page)
    stored_quotes(page, dashboard, run_id, "Quoter", 1)
    press(page, "Control+z")
    see_saved(page)
    assert texts_of(stored_quotes(page, dashboard, run_id, "Quoter", 2))[1][2] == "step 210"
    press(page, "Control+y")
    expect(evidence.locator("li")).to_have_count(1)
    page.locator(".list").focus()
    press(page, "c")
    page.keyboard.type("a reason beside its evidence")
    press(page, "Escape")
    see_saved(page)
    assert len(stored_quotes(page, dashboard, run_id, "Quoter", 1)) == 1


def test_a_quote_from_another_step_is_evidence_for_the_labelled_one(page: Page, dashboard: Dashboard) -> None:
    run_id = dashboard.runs["long"]
    open_run(page, dashboard, run_id, step=220)
    press(page, "2")
    name_annotator(page, "Collector")
    press(page, "'", "k", "k")
    see_step(page, 218)
    evidence = page.get_by_role("region", name="Evidence")
    expect(evidence).to_contain_text("Evidence for step 220")
    select(page, "observation", "observation of step 218")
    press(page, '"')
    expect(page.locator(".saved")).to_have_text("quoted for step 220")
    see_saved(page)
    press(page, "'")
    expect(evidence).to_be_hidden()
    press(page, "j", "j")
    see_step(page, 220)
    evidence.get_by_role("button", name="step 218 observation").first.click()
    see_step(page, 218)
    now = "[...(CSS.highlights.get('codetracer-quote-now') ?? [])].map(String)"
    comes_to(page, lambda: page.evaluate(now), ["observation of step 218"])
    assert texts_of(stored_quotes(page, dashboard, run_id, "Collector", 1)) == [
        (218, "observation", "observation of step 218")
    ]
    with Store.open_for_reading(dashboard.workspace) as store:
        labels = store.labels(run_id, annotator="Collector")
    assert {(label.field, label.step_id) for label in labels} == {("verdict", 220), ("details", 220)}


def test_lines_are_quoted_with_the_keyboard_alone(page: Page, dashboard: Dashboard) -> None:
    run_id = dashboard.runs["long"]
    open_run(page, dashboard, run_id, step=231)
    press(page, '"')
    press(page, "ArrowDown", "ArrowDown", "Shift+ArrowDown", "Shift+ArrowDown", "Shift+ArrowUp", "Enter")
    name_annotator(page, "Typist")
    see_saved(page)
    press(page, "/")
    page.keyboard.type("observation of step 232")
    see_step(page, 232)
    press(page, "Escape", '"', "Enter")
    see_saved(page)
    press(page, '"', "Escape", "j")
    see_step(page, 233)
    line = "line of an invented observation, long enough to wrap at some width"
    assert texts_of(stored_quotes(page, dashboard, run_id, "Typist", 2)) == [
        (231, "observation", f"observation of step 231\n{line}"),
        (232, "observation", "observation of step 232"),
    ]


ODD = "\n".join(
    [
        "\x1b[31mred\x1b[0m and \x1b[1;32mgreen\x1b[m 🙂",
        "10%\r20%\r\x1b[1mdone\x1b[0m\r",
        "crlf line\r",
        "bell\x07 and \u202e bidi\u202c, \U000e0041 tag",
        "<img src=x onerror=alert(1)> & more",
        "x" * 9_000 + " end of long \x1b[4mline\x1b[24m!",
        "last",
    ]
)


def open_imported(page: Page, dashboard: Dashboard, folder: Path) -> str:
    """Import a folder with one run, as a person does, and open it; returns its id."""
    import_folder(page, dashboard, folder)
    expect(page.get_by_text(re.compile("1 imported|1 skipped"))).to_be_visible()
    page.locator(".query").fill(f"{folder.name}-")
    expect(page.locator(".row")).to_have_count(1)
    page.locator(".row").click()
    see_step(page, 1)
    page.wait_for_url("**traj=*")
    return parse_qs(urlsplit(page.url).query)["traj"][0]


@pytest.fixture
def odd(dashboard: Dashboard, page: Page, tmp_path: Path) -> str:
    """The id of a run whose texts are hardly anywhere as they are shown."""
    (tmp_path / "odd").mkdir()
    action = "if true; then\r\n  echo 'a'\r\nfi"
    steps = [{"step_id": 1, "action": action, "observation": ODD, "thinking": ODD}]
    (tmp_path / "odd" / "steps.json").write_text(json.dumps(steps))
    (tmp_path / "odd" / "task.md").write_text("# Odd texts\n")
    return open_imported(page, dashboard, tmp_path / "odd")


@pytest.mark.parametrize("raw", [False, True])
def test_a_quote_is_the_stored_text_whatever_is_shown(page: Page, dashboard: Dashboard, odd: str, raw: bool) -> None:
    sign_in(page, dashboard, f"Raw%20{raw}")
    open_run(page, dashboard, odd)
    if raw:
        press(page, "w")
        selections = [("green␛[m 🙂", "green\x1b[m 🙂"), ("20%␍␛[1mdone", "20%\r\x1b[1mdone"), ("ll␇ a", "ll\x07 a")]
    else:
        selections = [
            ("red and green 🙂", "red\x1b[0m and \x1b[1;32mgreen\x1b[m 🙂"),
            ("🙂\ndone", "🙂\n10%\r20%\r\x1b[1mdone"),
            ("line\nbell␇ and U+202E bidi", "line\r\nbell\x07 and \u202e bidi"),
            (" tag\n<img src=x", " tag\n<img src=x"),
            ("xx end of long line!\nlast", "xx end of long \x1b[4mline\x1b[24m!\nlast"),
        ]
    for shown, _ in selections:
        select(page, "observation", shown)
        press(page, '"')
        see_saved(page)
    select(page, "action", "then\n  echo" if not raw else "then␍\n  echo")
    press(page, '"')
    see_saved(page)
    quotes = stored_quotes(page, dashboard, odd, f"Raw {raw}", len(selections) + 1)
    assert [quote.text for quote in quotes] == [*(text for _, text in selections), "then\r\n  echo"]
    see_marked(page, len(quotes))
    if raw:
        press(page, "w")
        see_marked(page, len(quotes))


def test_an_argument_is_quoted_from_the_action_that_holds_it(page: Page, dashboard: Dashboard) -> None:
    run_id = next(run for name, run in dashboard.runs.items() if name.startswith("severity-report"))
    open_run(page, dashboard, run_id, step=5)
    select(page, "action", 'newline="") as file:\n    writer')
    press(page, '"')
    name_annotator(page, "Arguer")
    see_saved(page)
    select(page, "action", "/app/summarise.py")
    press(page, '"')
    see_saved(page)
    quotes = stored_quotes(page, dashboard, run_id, "Arguer", 2)
    assert [quote.text for quote in quotes] == [
        'newline=\\"\\") as file:\\n    writer',
        "/app/summarise.py",
    ]
    marked = "[...(CSS.highlights.get('codetracer-quote') ?? [])].map(String)"
    comes_to(page, lambda: set(page.evaluate(marked)), {'newline="") as file:\n    writer', "/app/summarise.py"})


def test_what_is_no_quote_is_said(page: Page, dashboard: Dashboard) -> None:
    sign_in(page, dashboard, "Refused")
    open_run(page, dashboard, dashboard.runs["huge"])
    saved = page.locator(".saved")
    page.locator(".part.observation").evaluate(SELECT, [100, 5_000])
    press(page, '"')
    expect(saved).to_contain_text("a quote has at most 2,000 characters, this would have")
    page.locator(".body").evaluate(SELECT, [10, 200])
    press(page, '"')
    expect(saved).to_have_text("a quote is of one text: thought, action or observation")


def test_a_quote_far_down_a_long_text_is_found_again(page: Page, dashboard: Dashboard) -> None:
    run_id = dashboard.runs["huge"]
    open_run(page, dashboard, run_id, step=4)
    press(page, "x")
    expect(page.locator(".openall")).to_have_count(0)
    occurrence = HUGE // 67 - 2
    select(page, "observation", "line of an invented", occurrence)
    press(page, '"')
    name_annotator(page, "Diver")
    see_saved(page)
    (quote,) = stored_quotes(page, dashboard, run_id, "Diver", 1)
    assert quote.start > HUGE * 0.98
    page.reload()
    see_step(page, 4)
    expect(page.locator(".openall")).to_be_visible()
    page.get_by_role("region", name="Evidence").get_by_role("button", name="observation").first.click()
    expect(page.locator(".openall")).to_have_count(0)
    page.wait_for_function("CSS.highlights.has('codetracer-quote-now')")
    in_view = """body => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
      const [range] = CSS.highlights.get("codetracer-quote-now"), pane = body.getBoundingClientRect();
      const { top, bottom } = range.getBoundingClientRect();
      resolve(pane.top <= top && bottom <= pane.bottom);
    })))"""
    comes_to(page, lambda: page.locator(".body").evaluate(in_view), True)


def test_a_quote_that_the_text_does_not_hold_is_shown_as_such(page: Page, dashboard: Dashboard, tmp_path: Path) -> None:
    """Such quotes come in with labels that were made on another reading of the run."""
    run_id = dashboard.runs["long"]
    taken, gone = (
        {"step_id": 240, "field": "thought", "start": 0, "end": len(text), "text": text, "sha256": hash_of_quote(text)}
        for text in ("thought of step 240", "<b>said</b> elsewhere")
    )
    event = LabelEvent(
        run_id=run_id,
        step_id=240,
        field="details",
        value={"quotes": [taken, gone]},
        annotator="Importer",
        client="elsewhere",
        sequence=1,
        occurred_at=datetime.now(UTC),
    )
    (tmp_path / "events.jsonl").write_text(event.model_dump_json())
    imported = cli("labels", "import", str(tmp_path / "events.jsonl"), workspace=dashboard.workspace)
    assert imported.returncode == 0, imported.stderr

    def read() -> list[LabelEvent]:
        with Store.open_for_reading(dashboard.workspace) as store:
            return store.labels(run_id, annotator="Importer")

    see_in_store(page, read, bool)
    sign_in(page, dashboard, "Importer")
    evidence = page.get_by_role("region", name="Evidence")
    open_run(page, dashboard, run_id, step=240)
    expect(evidence.locator("li")).to_have_count(2)
    expect(evidence.locator("li.lost q")).to_have_text("<b>said</b> elsewhere")
    expect(evidence.locator("li.lost")).to_contain_text("not in the text here")
    evidence.locator("li.lost .go").click()
    expect(page.locator(".saved")).to_have_text("the text does not say this there")
    press(page, "c")
    page.keyboard.type("as it was said there")
    press(page, "Escape")
    see_saved(page)  # what the label holds already stays
    expect(evidence.locator("li")).to_have_count(2)


LOSES_THE_NEXT = """
() => {
  const pipe = window.codetracerPipes.text, { send } = pipe;
  window.lost = 0;
  pipe.send = (question) => {
    if (!question.full || window.lost) return send(question);
    window.lost += 1;
  };
}
"""


def test_the_whole_of_a_long_text_is_asked_for_again_if_the_question_is_lost(page: Page, dashboard: Dashboard) -> None:
    """As it may be when the server begins another run at that moment."""
    open_run(page, dashboard, dashboard.runs["huge"], step=4)
    expect(page.locator(".openall")).to_be_visible()
    page.evaluate(LOSES_THE_NEXT)
    press(page, "x")
    page.wait_for_function("window.lost === 1")
    expect(page.locator(".openall")).to_have_count(0)
