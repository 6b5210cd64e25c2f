"""The table of numbers in a real browser: sorting, whiskers, hostile text, picks, keys, many rows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Dashboard
from tests.browser.steps import comes_to, see_standing

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Dashboard]:
    served = Dashboard(
        tmp_path_factory.mktemp("tables") / "workspace", app=Path(__file__).with_name("tables_app.py").resolve()
    )
    served.start()
    yield served
    served.kill()


@pytest.fixture
def shown(page: Page, tables: Dashboard) -> Page:
    page.goto(f"{tables.url}/tables")
    expect(page.get_by_role("table")).to_have_count(4)
    see_standing(page)
    return page


def table(page: Page, place: int) -> Locator:
    return page.locator(".numbers").nth(place)


def column(of: Locator, place: int) -> list[str]:
    """What stands in a column, from top to bottom."""
    rows = sorted(of.locator(".row").all(), key=lambda row: int(row.get_attribute("aria-rowindex") or 0))
    return [row.locator(".cell").nth(place).locator(".words").inner_text().strip("\u2007\u2008") for row in rows]


def test_a_press_on_a_head_sorts_and_what_is_undefined_stays_last(shown: Page) -> None:
    systems = table(shown, 0)
    given = column(systems, 1)
    f1 = systems.get_by_role("button", name="F1", exact=True)
    f1.click()

    def values() -> list[str]:
        return [text.split()[0] for text in column(systems, 1)]

    comes_to(shown, values, ["0.90", "0.42", "0.30", "0.12", "undefined"])
    expect(systems.get_by_role("columnheader").nth(1)).to_have_attribute("aria-sort", "descending")
    shown.keyboard.press("Enter")  # the head keeps the focus
    comes_to(shown, values, ["0.12", "0.30", "0.42", "0.90", "undefined"])
    shown.keyboard.press("Enter")
    comes_to(shown, lambda: column(systems, 1), given)
    systems.get_by_role("button", name="System", exact=True).click()
    comes_to(shown, lambda: column(systems, 0)[1:], ["a model", "another", "few runs", "nothing"])


def place_on_scale(whisker: Locator, mark: str) -> tuple[float, float]:
    """Where a mark begins and ends, as shares of the whisker's room."""
    room, box = whisker.bounding_box(), whisker.locator(mark).bounding_box()
    assert room is not None
    assert box is not None
    left = (box["x"] - room["x"]) / room["width"]
    return left, left + box["width"] / room["width"]


def test_whiskers_stand_on_one_scale(shown: Page) -> None:
    """The column's scale goes from 0 to 0.9; a point is 6 px wide."""
    whiskers = table(shown, 0).locator(".row .cell:nth-child(2) .whisker")
    expect(whiskers).to_have_count(5)
    low, high = place_on_scale(whiskers.nth(0), ".line")
    assert (low, high) == pytest.approx((0.31 / 0.9, 0.55 / 0.9), abs=0.02)
    assert sum(place_on_scale(whiskers.nth(0), ".point")) / 2 == pytest.approx(0.42 / 0.9, abs=0.02)
    expect(whiskers.nth(1).locator(".line.rough")).to_have_count(1)
    expect(whiskers.nth(2).locator(".line")).to_have_count(0)
    assert sum(place_on_scale(whiskers.nth(2), ".point")) / 2 == pytest.approx(1, abs=0.02)
    expect(whiskers.nth(3).locator(".point")).to_have_count(0)
    against = table(shown, 0).locator(".row .cell:nth-child(3) .whisker")
    assert place_on_scale(against.nth(0), ".reference")[0] == pytest.approx(0.5 / 0.75, abs=0.02)


def test_heads_stand_above_their_columns(shown: Page) -> None:
    systems = table(shown, 0)
    for place in range(5):
        head = systems.locator(".head .cell").nth(place).bounding_box()
        cell = systems.locator(".row").first.locator(".cell").nth(place).bounding_box()
        assert head is not None
        assert cell is not None
        assert (head["x"], head["width"]) == pytest.approx((cell["x"], cell["width"]), abs=1)


def test_a_note_is_read_without_a_mouse(shown: Page) -> None:
    ask = table(shown, 0).get_by_role("button", name="About undefined")
    ask.focus()
    shown.keyboard.press("Enter")
    bubble = table(shown, 0).get_by_role("status")
    expect(bubble).to_have_text("Undefined: everyone used one label (n = 40)")
    expect(ask).to_have_attribute("aria-expanded", "true")
    shown.keyboard.press("Escape")
    expect(bubble).to_be_hidden()
    expect(ask).to_be_focused()
    table(shown, 0).get_by_role("button", name="What is System?").click()
    expect(bubble).to_contain_text("Who said it.")


def test_hostile_text_is_text(page: Page, tables: Dashboard) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{tables.url}/tables")
    name = table(page, 0).locator(".row").nth(4).locator(".words").first
    expect(name).to_contain_text('<img src=x onerror="window.hit=1"> **bold** :material/home: $x$')
    expect(name).to_contain_text("U+202E")  # what turns text round is made visible
    assert (name.get_attribute("title") or "").endswith("long " * 40)
    assert page.locator(".numbers img").count() == 0
    assert page.evaluate("window.hit") is None
    assert [
        url for url in asked if not url.startswith((tables.url, tables.url.replace("http", "ws"), "data:", "blob:"))
    ] == []


def test_a_pick_reaches_the_page_and_stays_marked(shown: Page) -> None:
    runs = table(shown, 0).get_by_role("button", name="1,400")
    runs.click()
    expect(shown.get_by_text("picked: runs 2")).to_be_visible()
    expect(runs).to_have_attribute("aria-pressed", "true")
    expect(runs).to_be_focused()  # though the page has sent the table anew
    confusion = table(shown, 1)
    confusion.get_by_role("button", name="35", exact=True).click()
    expect(shown.get_by_text("picked: correct/incorrect")).to_be_visible()
    expect(confusion.locator('[aria-pressed="true"]')).to_have_text("35")


def test_thousands_of_rows_are_windowed_and_reached_by_keys(shown: Page) -> None:
    many = table(shown, 2)
    assert many.locator(".row").count() < 60
    expect(many.get_by_role("table")).to_have_attribute("aria-rowcount", "3001")
    many.get_by_role("button", name="run 1", exact=True).focus()
    for _ in range(40):
        shown.keyboard.press("ArrowDown")
    expect(many.get_by_role("button", name="run 41", exact=True)).to_be_focused()
    shown.keyboard.press("Enter")
    expect(shown.get_by_text("picked: row 41")).to_be_visible()
    many.get_by_role("button", name="Number").click()
    expect(many.locator('.row[data-id="step 3000"]')).to_be_visible()
    many.locator(".list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
    expect(many.locator('.row[data-id="step 1"]')).to_be_visible()
    assert many.locator(".row").count() < 60


def test_a_link_is_a_real_one(shown: Page, tables: Dashboard) -> None:
    link = table(shown, 3).get_by_role("link").first
    with shown.context.expect_page() as opened:
        link.click(modifiers=["Control"])
    opened.value.wait_for_url(f"{tables.url}/trajectory?traj=**")  # a new tab is empty at first
    assert "show=labels" in opened.value.url
    opened.value.wait_for_selector(".viewer[data-shown]")
    assert shown.url == f"{tables.url}/tables"
