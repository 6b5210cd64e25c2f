"""The pages fit the window, can be read in light and dark, and can be used without a mouse."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import WAIT, Dashboard
from tests.browser.steps import open_run, press, see_step

pytestmark = pytest.mark.browser

WINDOWS = [(1280, 800), (1920, 1080)]
SCHEMES = ["light", "dark"]


@pytest.fixture(params=SCHEMES)
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=WINDOWS, ids=lambda size: f"{size[0]}x{size[1]}")
def window(request: pytest.FixtureRequest, browser: Browser, dashboard: Dashboard, scheme: str) -> Iterator[Page]:
    """A window of some size in one of the two themes, in front of which Ana sits."""
    width, height = request.param
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    context.add_cookies([{"name": "codetracer_annotator", "value": "Ana", "url": dashboard.url}])
    page = context.new_page()
    page.set_default_timeout(WAIT)
    yield page
    context.close()


def named(dashboard: Dashboard, part: str) -> str:
    return next(run_id for name, run_id in dashboard.runs.items() if part in name)


SHADOW = "[...document.querySelectorAll('*')].map((e) => e.shadowRoot).find((r) => r?.querySelector('.viewer, .table'))"
# How far the content sticks out of the page, to the right and below.
STICKS_OUT = """
() => {
  const pages = [document.documentElement, document.body, document.querySelector(".stMain")];
  return [
    Math.max(...pages.map((page) => page.scrollWidth - page.clientWidth)),
    Math.max(...pages.slice(2).map((page) => page.scrollHeight - page.clientHeight)),
  ];
}
"""


def settles(page: Page, expression: str, value: Any) -> None:
    for _ in range(300):
        found = page.evaluate(expression)
        if found == value:
            return
        page.wait_for_timeout(50)
    assert found == value


def test_the_library_fits_the_window(window: Page, dashboard: Dashboard) -> None:
    window.goto(dashboard.url)
    expect(window.locator(".row").first).to_be_visible()
    settles(window, STICKS_OUT, [0, 0])


def test_the_viewer_fills_the_window_and_no_more(window: Page, dashboard: Dashboard) -> None:
    open_run(window, dashboard, dashboard.runs["long"])
    settles(window, STICKS_OUT, [0, 0])
    unused = f"() => Math.round(innerHeight - {SHADOW}.querySelector('.viewer').getBoundingClientRect().bottom)"
    settles(window, unused, 20)
    size = window.viewport_size
    assert size is not None
    window.set_viewport_size({"width": size["width"], "height": size["height"] - 150})
    settles(window, unused, 20)
    window.get_by_role("tab", name="Overview").click()
    expect(window.locator(".scatterlayer .points path").first).to_be_visible()
    settles(window, f"() => ({STICKS_OUT})()[0]", 0)
    window.set_viewport_size(size)
    window.get_by_role("tab", name="Steps").click()
    settles(window, unused, 20)
    settles(window, STICKS_OUT, [0, 0])


TWICE = [(640, 360), (960, 540)]  # 1280 x 720 and 1920 x 1080 at 200 %


@pytest.mark.parametrize("size", TWICE, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_viewer_can_be_used_at_200_percent(
    browser: Browser, dashboard: Dashboard, scheme: str, size: tuple[int, int]
) -> None:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        device_scale_factor=2,
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    context.add_cookies([{"name": "codetracer_annotator", "value": "Twice", "url": dashboard.url}])
    page = context.new_page()
    page.set_default_timeout(WAIT)
    open_run(page, dashboard, dashboard.runs["huge"], step=2)
    press(page, "2", "c")
    settles(page, f"() => ({STICKS_OUT})()[0]", 0)
    boxes = page.evaluate(f"""() => Object.fromEntries([".side", ".detail", ".title", ".body", "[name=reason]"].map(
        (name) => [name, {SHADOW}.querySelector(name).getBoundingClientRect().toJSON()]))""")
    assert boxes[".side"]["width"] >= 220
    assert boxes[".detail"]["width"] >= 320
    assert boxes[".title"]["height"] < 30, "one line"
    assert boxes["[name=reason]"]["width"] >= 200
    assert boxes[".body"]["height"] >= 150
    press(page, "Escape", "Space")
    settles(page, f"() => {SHADOW}.querySelector('.body').scrollTop > 0", True)
    press(page, "?")
    expect(page.get_by_role("heading", name="Move")).to_be_in_viewport()
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    assert sheet.evaluate("sheet => sheet.scrollWidth - sheet.clientWidth") == 0, "it scrolls down, not to the side"
    context.close()


# --- contrast -------------------------------------------------------------------------------------------------

# WCAG 2.2: relative luminance and contrast ratio of the text's colour on all backgrounds below it, as painted.
CONTRASTS = f"""
(selectors) => {{
  const root = {SHADOW} ?? document;
  const context = document.createElement("canvas").getContext("2d", {{ willReadFrequently: true }});
  const paint = (colours, opacity = 1) => {{
    context.clearRect(0, 0, 1, 1);
    for (const [at, colour] of colours.entries()) {{
      context.globalAlpha = at < colours.length - 1 ? 1 : opacity;
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
    }}
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  }};
  const luminance = (rgb) =>
    rgb
      .map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
      .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  const result = {{}};
  for (const selector of selectors)
    for (const node of root.querySelectorAll(selector)) {{
      if (!node.checkVisibility()) continue;
      const backgrounds = [];
      let opacity = 1;
      for (let at = node; at; at = at.parentElement ?? at.getRootNode().host) {{
        backgrounds.unshift(getComputedStyle(at).backgroundColor);
        opacity *= getComputedStyle(at).opacity;
      }}
      const light = luminance(paint(backgrounds));
      const dark = luminance(paint([...backgrounds, getComputedStyle(node).color], opacity));
      const ratio = (Math.max(light, dark) + 0.05) / (Math.min(light, dark) + 0.05);
      result[selector] = Math.min(result[selector] ?? 99, Math.round(ratio * 100) / 100);
    }}
  return result;
}}
"""


def contrasts(page: Page, selectors: list[str]) -> dict[str, float]:
    """The poorest contrast of what each selector finds; each must find something."""
    found: dict[str, float] = page.evaluate(CONTRASTS, selectors)
    assert [selector for selector in selectors if selector not in found] == []
    return found


def poor(found: dict[str, float]) -> dict[str, float]:
    return {selector: ratio for selector, ratio in found.items() if ratio < 4.5}


@pytest.fixture
def themed(browser: Browser, dashboard: Dashboard, scheme: str) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 1280, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    context.add_cookies([{"name": "codetracer_annotator", "value": "Eve", "url": dashboard.url}])
    page = context.new_page()
    page.set_default_timeout(WAIT)
    yield page
    context.close()


READING = [".task", ".agent", ".runline .outcome", ".saved", ".who", ".where", ".total", ".jump", ".toggles button"]
READING += [".row.explore .text", ".row.change .text", ".row .number", ".row .badge", ".row.stage .stagename"]
READING += [".row.stage .range", ".row.current .text", ".row.current .number", ".row.current .badge", ".row .exit"]
READING += [
    ".stagesfrom",
    ".title",
    ".because",
    ".chip",
    ".sectionhead",
    ".sectionhead .length",
    ".verdict",
    ".verdict .mark",
    ".verdict kbd",
]
READING += [".part.thought .pre", ".part.action .pre", ".part.observation .pre"]


def test_the_text_of_a_run_can_be_read(themed: Page, dashboard: Dashboard) -> None:
    open_run(themed, dashboard, named(dashboard, "guestbook"), step=4)
    press(themed, "m")
    expect(themed.locator(".part.metadata dd").first).to_be_visible()
    found = contrasts(themed, [*READING, ".chip.change", ".chip.bad", ".part.metadata dt", ".part.metadata dd"])
    press(themed, "k")
    see_step(themed, 3)
    found |= contrasts(themed, [".chip.explore", ".part.action .token", ".row.current .text"])
    for key, verdict in (("1", "correct"), ("2", "incorrect"), ("3", "unuseful"), ("4", "uncertain")):
        press(themed, key)
        expect(themed.locator(f".row.current .dot.{verdict}")).to_be_visible()
        found |= contrasts(
            themed,
            [
                f".dot.{verdict}",
                f'.verdict.{verdict}[aria-pressed="true"] span:last-child',
                f'.verdict.{verdict}[aria-pressed="true"] .mark',
                f'.verdict.{verdict}[aria-pressed="true"] kbd',
            ],
        )
    press(themed, "/")
    themed.keyboard.type("guestbook")
    expect(themed.locator(".hits")).to_contain_text("steps")
    found |= contrasts(themed, [".hits", ".query"])
    press(themed, "Escape", "?")
    found |= contrasts(themed, [".sheet.help h2", ".sheet.help kbd", ".shortcut span:last-child", ".sheet.help button"])
    press(themed, "Escape", "Z")
    found |= contrasts(themed, [".sheet.stages h2", ".sheet.stages button", ".sheet.stages kbd"])
    press(themed, "Escape")
    themed.get_by_role("button", name="Annotator").click()
    found |= contrasts(themed, [".sheet.name h2", ".sheet.name p", ".primary", ".nameinput"])
    assert poor(found) == {}


def test_ground_truth_and_its_marks_can_be_read(themed: Page, dashboard: Dashboard) -> None:
    open_run(themed, dashboard, named(dashboard, "fetchlib"))
    press(themed, "r")
    expect(themed.locator(".dot.truth").first).to_be_visible()
    press(themed, "f")
    expect(themed.locator(".chip.truth")).to_be_visible()
    assert poor(contrasts(themed, [".dot.truth", ".chip.truth", ".reveal"])) == {}


def test_the_list_of_runs_can_be_read(themed: Page, dashboard: Dashboard) -> None:
    themed.goto(dashboard.url)
    expect(themed.locator(".row").first).to_be_visible()
    found = contrasts(themed, [".query", ".facet summary", ".count", ".head button", ".cell"])
    themed.locator(".table").focus()
    press(themed, "j")
    found |= contrasts(themed, [".row.current .cell"])
    themed.locator("summary", has_text="Outcome").click()
    found |= contrasts(themed, [".facet .values label", ".facet .n"])
    press(themed, "Escape")
    themed.locator(".query").fill("no run is called like this")
    expect(themed.locator(".none")).to_be_visible()
    found |= contrasts(themed, [".none", ".clear"])
    assert poor(found) == {}


def test_what_streamlit_draws_on_a_page_can_be_read(themed: Page, dashboard: Dashboard, scheme: str) -> None:
    chosen = urlencode({"truth": "Sample manifest", "systems": "careful (sample predictions)"})
    themed.goto(f"{dashboard.url}/evaluate?{chosen}")
    expect(themed.locator(".stMultiSelect [data-tag]")).to_be_visible()
    expect(themed.get_by_test_id("stCaptionContainer").first).to_be_visible()
    # Dialogs stand outside of the app's own element: colours there follow the document.
    expect(themed.locator("html")).to_have_css("color-scheme", scheme)
    found = contrasts(themed, [".stMultiSelect [data-tag] span", '[data-testid="stCaptionContainer"] p'])
    themed.goto(f"{dashboard.url}/evaluate?{urlencode({'truth': 'Sample manifest', 'systems': 'none'})}")
    expect(themed.get_by_role("button", name="Try it with the sample predictions")).to_be_visible()
    found |= contrasts(themed, ['[data-testid="stBaseButton-primary"] p'])
    assert poor(found) == {}


# --- without a mouse ------------------------------------------------------------------------------------------

FOCUSED = """
() => {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  const outlined = ({ outlineStyle, outlineWidth, boxShadow }) =>
    (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none";
  // The rows of the tree would lie over an outline of their list: the pane around it has it.
  const visible = outlined(getComputedStyle(node.matches(".list") ? node.parentElement : node));
  return [node.className || node.tagName, node.getRootNode() instanceof ShadowRoot, visible];
}
"""


def tab_stops(page: Page, until: str) -> list[tuple[str, bool, bool]]:
    """What Tab reaches, one after the other: class, whether it is ours, whether one sees that it has the focus."""
    stops = []
    for _ in range(60):
        page.keyboard.press("Tab")
        page.wait_for_timeout(20)
        stops.append(tuple(page.evaluate(FOCUSED)))
        if until in stops[-1][0].split():
            return stops
    pytest.fail(f"Tab does not reach {until}: {stops}")


def test_tab_reaches_everything_in_the_viewer_in_order(page: Page, dashboard: Dashboard) -> None:
    open_run(page, dashboard, dashboard.runs["long"])
    stops = tab_stops(page, "body")
    ours = [name.split()[0] for name, inside, _ in stops if inside]
    wanted = ["jump", "query", "list", "splitter", "verdict", "verdict", "verdict", "verdict", "body"]
    assert [name for name in ours if name in wanted] == wanted
    assert [name for name, inside, visible in stops if inside and not visible] == []
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED)[0] == "sectionhead", "what can be folded in the text comes after it"


def test_tab_reaches_everything_in_the_library_in_order(page: Page, dashboard: Dashboard) -> None:
    page.goto(dashboard.url)
    expect(page.locator(".row").first).to_be_visible()
    stops = tab_stops(page, "table")
    ours = [name for name, inside, _ in stops if inside]
    assert ours[:2] == ["query", "deep"]
    assert ours.count("SUMMARY") == 7
    assert ours[-1] == "table"
    assert [name for name, inside, visible in stops if inside and not visible] == []


def test_a_verdict_can_be_given_with_tab_and_space(page: Page, dashboard: Dashboard) -> None:
    page.context.add_cookies([{"name": "codetracer_annotator", "value": "Tabbing", "url": dashboard.url}])
    open_run(page, dashboard, dashboard.runs["long"], step=7)
    page.get_by_role("button", name="Unuseful").focus()
    page.keyboard.press("Space")
    expect(page.locator("#step-7 .dot.unuseful")).to_be_visible()
    expect(page.locator(".title")).to_have_text("Step 7 of 300")
    page.keyboard.press("Space")
    expect(page.locator("#step-7 .dot")).to_have_count(0)


UNNAMED = f"""
() => [...{SHADOW}.querySelectorAll("button, input, [role], [tabindex], summary")].filter((node) => {{
  const labels = node.labels ? [...node.labels].map((label) => label.textContent) : [];
  const name = [node.getAttribute("aria-label"), node.textContent, ...labels].join("").trim();
  return !/^(presentation|search)$/.test(node.getAttribute("role")) && !name && !node.classList.contains("head");
}}).map((node) => node.outerHTML.slice(0, 120))
"""


def test_everything_that_can_be_used_has_a_name(page: Page, dashboard: Dashboard) -> None:
    page.goto(dashboard.url)
    expect(page.locator(".row").first).to_be_visible()
    assert page.evaluate(UNNAMED) == []
    open_run(page, dashboard, named(dashboard, "fetchlib"))
    press(page, "m", "?")
    assert page.evaluate(UNNAMED) == []


@pytest.mark.parametrize("dialog", ["Keyboard shortcuts", "Your name"])
def test_dialogs_take_the_focus_and_escape_gives_it_back(page: Page, dashboard: Dashboard, dialog: str) -> None:
    open_run(page, dashboard, dashboard.runs["long"])
    press(page, "?") if dialog == "Keyboard shortcuts" else page.get_by_role("button", name="Annotator").click()
    box = page.get_by_role("dialog", name=dialog)
    expect(box).to_be_visible()
    assert page.evaluate(FOCUSED)[0] in ("nameinput", "BUTTON")
    press(page, "Escape")
    expect(box).to_be_hidden()
    assert page.evaluate(FOCUSED)[0] == "list"
    press(page, "j")
    see_step(page, 2)
