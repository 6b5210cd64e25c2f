"""How text of a run becomes DOM (``frontend/text.js``): in a real browser, on a page of its own."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.browser

FRONTEND = REPOSITORY / "codetracer_core" / "frontend"
LINES_PER_BLOCK, LONGEST_PIECE, LARGEST_COLOURED = 120, 8_000, 60_000

HARNESS = """
Prism.manual = true;
const shown = (fragment) => {
  const out = document.querySelector("#out");
  out.replaceChildren(fragment);
  return out;
};
/** The text with symbols of control characters turned back into what they stand for. */
const restored = (node) => {
  const copy = node.cloneNode(true);
  for (const control of copy.querySelectorAll(".control")) {
    const text = control.textContent;
    control.textContent = text.startsWith("U+")
      ? String.fromCodePoint(parseInt(text.slice(2), 16))
      : Array.from(text, (symbol) => String.fromCodePoint(symbol.codePointAt(0) - 0x2400)).join("");
  }
  return copy.textContent;
};
window.render = (text, options) => {
  const out = shown(renderText(text, options));
  return {
    text: out.textContent,
    restored: restored(out),
    tags: [...new Set([...out.querySelectorAll("*")].map((node) => node.tagName))].sort(),
    blocks: [...out.children].map((node) => node.textContent.length),
    lines: [...out.children].map((node) => Number(node.style.getPropertyValue("--lines"))),
    elements: out.querySelectorAll("*").length,
  };
};
window.parts = (text, options) => {
  shown(renderText(text, options));
  const found = [];
  const walker = document.createTreeWalker(document.querySelector("#out"), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    const style = parent.style.getPropertyValue("--fg") || parent.style.getPropertyValue("--bg");
    const name = /block/.test(parent.className) ? "" : parent.className;
    if (node.data !== "\\n") found.push([node.data, [name, style].filter(Boolean).join(" ")]);
  }
  return found;
};
window.code = (text, language, options) => {
  const out = shown(renderCode(text, language, options));
  return {
    text: out.textContent,
    tokens: [...out.querySelectorAll(".token")].map((node) => [node.className, node.textContent]),
    tags: [...new Set([...out.querySelectorAll("*")].map((node) => node.tagName))].sort(),
  };
};
window.visible = (text) => {
  const out = document.createElement("p");
  appendVisible(out, text);
  return [out.textContent, restored(out), [...out.children].map((node) => node.className + ":" + node.textContent)];
};
"""


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.set_content("<!doctype html><meta charset=utf-8><body><div class=viewer><div class=pre id=out></div></div>")
    page.add_style_tag(content=(FRONTEND / "viewer.css").read_text())
    scripts = [(FRONTEND / name).read_text() for name in ("vendor/prism.min.js", "text.js")]
    page.add_script_tag(content="\n".join([*scripts, HARNESS]))
    yield page
    context.close()


def render(page: Page, text: str, **options: bool) -> dict[str, Any]:
    rendered: dict[str, Any] = page.evaluate("([text, options]) => render(text, options)", [text, options])
    return rendered


def pieces(page: Page, text: str, **options: bool) -> list[tuple[str, str]]:
    return [tuple(piece) for piece in page.evaluate("([text, options]) => parts(text, options)", [text, options])]


# --- colours --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sequence", "look"),
    [
        ("31", "fg1"),
        ("1;31", "bold fg1"),
        ("97", "fg15"),
        ("41", "bg1"),
        ("107", "bg15"),
        ("1;2;3;4;9", "bold dim italic underline strike"),
        ("7", "inverse"),
        ("7;31", "bg1"),
        ("7;31;42", "fg2 bg1"),
        ("38;5;1", "fg1"),
        ("38;5;208", "fgrgb rgb(255,135,0)"),
        ("48;5;244", "bgrgb rgb(128,128,128)"),
        ("38;5;16", "fgrgb rgb(0,0,0)"),
        ("38;5;255", "fgrgb rgb(238,238,238)"),
        ("38;2;1;22;255", "fgrgb rgb(1,22,255)"),
        ("48;2;1;2;3;4", "underline bgrgb rgb(1,2,3)"),
        ("38:2:1:22:255", "fgrgb rgb(1,22,255)"),
        ("38:2::1:22:255", "fgrgb rgb(1,22,255)"),
        ("38:5:208;1", "bold fgrgb rgb(255,135,0)"),
        ("4:3", "underline"),
        ("4;4:0", ""),
        ("58;5;1", ""),
        ("58:2::1:2:3", ""),
        ("38;5;999", ""),
        ("38;5", ""),
        ("38", ""),
        ("", ""),
        ("0", ""),
        ("31;0", ""),
        ("31;39", ""),
        ("1;22", ""),
        ("999999999999999999999999", ""),
        ("31;;1", "bold"),
    ],
)
def test_colours_are_those_of_a_terminal(blank: Page, sequence: str, look: str) -> None:
    assert pieces(blank, f"\x1b[{sequence}mtext\x1b[mafter") == (
        [("text", look), ("after", "")]
        if look
        else [
            ("text", ""),
            ("after", ""),
        ]
    )


def test_a_colour_goes_on_over_lines_and_blocks_until_it_is_reset(blank: Page) -> None:
    lines = ["plain", "\x1b[31mred", *["still red"] * 200, "last red\x1b[0m plain again", "plain"]
    looks = [look for _, look in pieces(blank, "\n".join(lines))]
    assert looks == ["", *["fg1"] * 202, "", ""]


def test_a_colour_goes_on_through_a_very_long_line(blank: Page) -> None:
    found = pieces(blank, f"\x1b[31m{'r' * 20_000}\x1b[0m{'p' * 20_000}\nnext")
    assert "".join(text for text, look in found if look == "fg1") == "r" * 20_000
    assert "".join(text for text, look in found if not look) == "p" * 20_000 + "next"


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[2K",
        "\x1b[10;20H",
        "\x1b[?25l",
        "\x1b[?2004h",
        "\x1b[>4;2m",
        "\x1b]0;title\x07",
        "\x1b]8;;javascript:alert(1)\x1b\\",
        "\x1bP+q544e\x1b\\",
        "\x1b(B",
        "\x1b=",
        "\x1b7",
        "\x1bM",
        "\x1b]",
    ],
)
def test_sequences_that_are_no_colours_are_dropped_and_nothing_else(blank: Page, sequence: str) -> None:
    rendered = render(blank, f"before{sequence}\x1b[1mafter\nend")
    assert rendered["text"] == "beforeafter\nend"


def test_an_escape_that_begins_nothing_is_seen(blank: Page) -> None:
    assert render(blank, "a\x1b\nb\x1b[\x1b[1m\nc\x1b")["text"] == "a␛\nb␛[\nc␛"


def contrast(page: Page, scheme: str) -> float:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    return float(
        page.evaluate(
            """() => {
              const span = document.querySelector("#out span");
              const context = document.createElement("canvas").getContext("2d");
              const paint = (...colours) => {
                for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
                return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
              };
              const light = (rgb) => rgb.map((c) => c / 255)
                .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
                .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
              const paper = matchMedia("(prefers-color-scheme: dark)").matches ? "#22252b" : "#f4f5f7";
              const style = getComputedStyle(span);
              const pair = [light(paint(paper, style.backgroundColor)), light(paint(paper, style.color))];
              return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
            }"""
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_colour_hides_its_text(blank: Page, scheme: str) -> None:
    blank.add_style_tag(content=":root { color-scheme: light dark } #out { color: light-dark(#23262b, #e6e8eb) }")
    poor = {}
    colours = [*(str(code) for code in (*range(30, 38), *range(90, 98)))]
    colours += [f"38;2;{r};{g};{b}" for r in (0, 128, 255) for g in (0, 128, 255) for b in (0, 128, 255)]
    for colour in colours:
        pieces(blank, f"\x1b[{colour}mx")
        if (ratio := contrast(blank, scheme)) < 4.5:
            poor[colour] = round(ratio, 2)
    assert poor == {}


# --- carriage returns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10%\r50%\r100%", "100% ↺2"),
        ("10%\r50%\r100%\r\ndone", "100% ↺2\ndone"),
        ("10%\r50%\r", "50% ↺1"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("a\r\r\nb", "a\nb"),
        ("\ra", "a"),
        ("\r", ""),
        ("bar\r   \r", "bar"),
        ("\x1b[32m10%\r20%\x1b[0m", "20% ↺1"),
        ("bar\r\x1b[K", "bar"),
        ("bar\r\x1b[Kfoo", "foo ↺1"),
    ],
)
def test_carriage_returns_overwrite_and_say_so(blank: Page, text: str, shown: str) -> None:
    assert render(blank, text)["text"] == shown


def test_a_colour_set_before_a_carriage_return_holds_after_it(blank: Page) -> None:
    assert pieces(blank, "\x1b[32m10%\r20%") == [("20%", "fg2"), (" ↺1", "overwritten")]


def test_a_progress_bar_longer_than_any_block_is_one_line(blank: Page) -> None:
    bar = "\r".join(f"\x1b[32m{percent:5d} of 5000 |{'#' * (percent // 500):10s}|" for percent in range(5001))
    assert len(bar) > 100_000
    rendered = render(blank, f"{bar}\ndone")
    assert rendered["text"] == " 5000 of 5000 |##########| ↺5000\ndone"
    assert rendered["elements"] < 10


# --- what cannot be seen --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "a␀b"),
        ("a\x07\x08b", "a␇␈b"),
        ("a\x7fb", "aU+007Fb"),
        ("a\x9bb", "aU+009Bb"),
        ("\u202egnp.exe\u202c", "U+202Egnp.exeU+202C"),
        ("\u2066\u2069\u200e\u200f\u061c", "U+2066U+2069U+200EU+200FU+061C"),
        ("zero\u200bwidth\ufeff\u2060\u00ad", "zeroU+200BwidthU+FEFFU+2060U+00AD"),
        ("a\u2028b\u2029c", "aU+2028bU+2029c"),
        ("tags\U000e0041\U000e007f", "tagsU+E0041U+E007F"),
        ("tab\there", "tab\there"),
        ("👩\u200d💻 ❤\ufe0f می\u200cخواهم ä\u0308", "👩\u200d💻 ❤\ufe0f می\u200cخواهم ä\u0308"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_made_visible(blank: Page, text: str, shown: str) -> None:
    text_shown, restored, controls = blank.evaluate("text => visible(text)", text)
    assert text_shown == shown
    assert restored == text
    assert bool(controls) == (shown != text)
    assert render(blank, text)["text"] == shown


def test_a_binary_file_is_few_elements(blank: Page) -> None:
    rendered = render(blank, "\x00" * 500_000 + "\n" + "\x01\x02" * 5_000)
    assert rendered["elements"] < 300
    assert rendered["restored"] == "\x00" * 500_000 + "\n" + "\x01\x02" * 5_000


# --- lossless -------------------------------------------------------------------------------------------------

PRINTABLE = "ab é漢字😀  {}<>&\"'`$%\\/#@+-*─│\t\n\n\n"
ESCAPES = ["\x1b[31m", "\x1b[0m", "\x1b[38;5;208m", "\x1b[2K", "\x1b]0;t\x07", "\x1b", "\r", "\r\n", "\x00", "\u202e"]
ESCAPES += ["\x1b[", "\x1b[1;", "\U000e0041", "\x7f", "␛", "U+202E"]


def generated(seed: int, *, special: bool) -> str:
    """A text of up to some thousand characters, with some lines that are longer than a block takes."""
    choose = random.Random(seed)
    parts: list[str] = []
    for _ in range(choose.randint(1, 400)):
        roll = choose.random()
        if roll < 0.02:
            parts.append(choose.choice(["x", "😀", "ab\x1b[31m" if special else "ab"]) * choose.randint(3000, 12_000))
        elif special and roll < 0.4:
            parts.append(choose.choice(ESCAPES))
        else:
            parts.append("".join(choose.choices(PRINTABLE, k=choose.randint(0, 40))))
    return "".join(parts)


@pytest.mark.parametrize("seed", range(12))
def test_raw_text_holds_every_character(blank: Page, seed: int) -> None:
    text = generated(seed, special=True)
    assert render(blank, text, raw=True)["restored"] == text


@pytest.mark.parametrize("seed", range(12))
def test_text_without_special_characters_is_shown_as_it_is(blank: Page, seed: int) -> None:
    text = generated(seed, special=False)
    assert render(blank, text)["text"] == text
    assert render(blank, text, raw=True)["text"] == text
    for language in ("bash", "python", "json", "javascript", None):
        assert blank.evaluate("([text, language]) => code(text, language).text", [text, language]) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n\n",
        "one\n",
        "\n".join(map(str, range(LINES_PER_BLOCK))),
        "\n".join(map(str, range(LINES_PER_BLOCK + 1))),
        "\n".join(map(str, range(LINES_PER_BLOCK * 3))) + "\n",
        "x" * LONGEST_PIECE,
        "x" * (LONGEST_PIECE + 1),
        "x" * LONGEST_PIECE * 2 + "\n",
        "x" + "😀" * LONGEST_PIECE,
        "short\n" * 119 + "x" * 20_000 + "\nshort\n" * 130,
        "\n" + "x" * 20_000 + "\n\n",
        "diff --git a/x b/x\n" + "+x\n" * 300 + "+" + "y" * 9_000 + "\n-z",
    ],
    ids=lambda text: f"{len(text)} characters",
)
def test_blocks_lose_no_line_and_are_not_too_large(blank: Page, text: str) -> None:
    for raw in (False, True):
        rendered = render(blank, text, raw=raw)
        assert rendered["text"] == text
        assert max(rendered["lines"]) <= LINES_PER_BLOCK
        assert (
            len(rendered["blocks"]) <= 2 + len(text) / LONGEST_PIECE * 1.01 + 2 * text.count("\n") / LINES_PER_BLOCK + 2
        )


def test_no_piece_of_a_long_line_begins_within_a_character_or_a_sequence(blank: Page) -> None:
    for offset in range(12):
        text = "x" * (LONGEST_PIECE - offset) + "😀\x1b[38;2;1;2;3mafter" + "y" * 100
        found = pieces(blank, text)
        assert "".join(part for part, _ in found) == "x" * (LONGEST_PIECE - offset) + "😀after" + "y" * 100
        assert "".join(part for part, look in found if look) == "after" + "y" * 100
        assert any("😀" in part for part, _ in found)


# --- diffs ----------------------------------------------------------------------------------------------------

UNIFIED = "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n-old\n+new\n same"


@pytest.mark.parametrize("header", ["", "diff --git a/x.py b/x.py\nindex 1a..2b 100644\n"])
def test_a_diff_is_coloured_from_its_first_header_on(blank: Page, header: str) -> None:
    before = "- a list item\n+ another\n--- a heading ---\n- one more\n@@ not a hunk\n"
    looks = dict(pieces(blank, before + header + UNIFIED))
    coloured = {text: look for text, look in looks.items() if look}
    expected = {
        "--- a/x.py": "diffhead",
        "+++ b/x.py": "diffhead",
        "@@ -1,2 +1,2 @@": "hunk",
        "-old": "removed",
        "+new": "added",
    }
    assert coloured == expected | dict.fromkeys(header.splitlines(), "diffhead")


@pytest.mark.parametrize(
    "text",
    [
        "- item\n+ item\n-- signature",
        "--- Captured stdout ---\n- item",
        "-rw-r--r-- 1 root root 0 x\n-rw-r--r-- 1 root root 0 y",
        "+ set -x\n+ ls",
        "a @@ -1 +1 @@",
        "---\ntitle: front matter\n---\n- item",
    ],
)
def test_what_only_looks_a_little_like_a_diff_has_no_colours(blank: Page, text: str) -> None:
    assert {look for _, look in pieces(blank, text)} <= {""}


def test_a_patch_of_an_editing_tool_is_a_diff(blank: Page) -> None:
    looks = dict(pieces(blank, "*** Begin Patch\n*** Update File: x\n@@\n-a\n+b\n*** End Patch"))
    assert looks["-a"] == "removed"
    assert looks["+b"] == "added"


# --- hostile and huge -----------------------------------------------------------------------------------------

MARKUP = (
    "<img src=x onerror=window.hacked=1><script>window.hacked=2</script><svg onload=window.hacked=3></svg>&lt;b&gt;"
)


@pytest.mark.parametrize(
    "text",
    [
        MARKUP,
        f"\x1b[31m{MARKUP}\x1b[0m\r{MARKUP}",
        f"diff --git {MARKUP}\n+{MARKUP}",
        f"\x1b]8;;javascript:window.hacked=4\x07{MARKUP}\x1b]8;;\x07",
        f"\x00{MARKUP}",
        MARKUP * 200,
    ],
)
def test_text_never_becomes_an_element(blank: Page, text: str) -> None:
    for raw in (False, True):
        assert set(render(blank, text, raw=raw)["tags"]) <= {"DIV", "SPAN"}
    for language in ("bash", "python", "json", "javascript"):
        rendered = blank.evaluate("([text, language]) => code(text, language)", [text, language])
        assert set(rendered["tags"]) <= {"DIV", "SPAN"}
    blank.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
    assert blank.evaluate("window.hacked") is None


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("x" * 1_000_000, 126),
        ("a line of forty characters or about that\n" * 25_000, 210),
        ("\n" * 1_000_000, 8_335),
        (("y" * 9_000 + "\n") * 110, 221),
    ],
    ids=["one line", "many lines", "only line ends", "long lines"],
)
def test_a_million_characters_are_bounded_work(blank: Page, text: str, blocks: int) -> None:
    rendered = render(blank, text)
    assert len(rendered["blocks"]) <= blocks
    assert rendered["elements"] == len(rendered["blocks"])
    assert max(rendered["blocks"]) <= LINES_PER_BLOCK * LONGEST_PIECE
    assert rendered["text"] == text


# --- code -----------------------------------------------------------------------------------------------------


def code(page: Page, text: str, language: str | None, **options: bool) -> dict[str, Any]:
    rendered: dict[str, Any] = page.evaluate(
        "([text, language, options]) => code(text, language, options)", [text, language, options]
    )
    return rendered


def test_code_has_coloured_tokens(blank: Page) -> None:
    tokens = code(blank, 'for f in *.py; do echo "$f"; done # all', "bash")["tokens"]
    assert ["token keyword", "for"] in tokens
    assert ["token comment", "# all"] in tokens
    assert ["token keyword", "def"] in code(blank, "def f(): return 1", "python")["tokens"]


@pytest.mark.parametrize(
    ("text", "language", "options"),
    [
        ("echo 1\n" * (LARGEST_COLOURED // 7 + 1), "bash", {}),
        ("echo \x1b[31m1", "bash", {}),
        ("echo \u202e1", "bash", {}),
        ("echo 1\r2", "bash", {}),
        ("echo 1", "bash", {"raw": True}),
        ("echo 1", None, {}),
        ("echo 1", "brainfuck", {}),
        ("echo 1", "constructor", {}),
    ],
)
def test_code_stays_plain_where_colouring_is_slow_or_would_hide_something(
    blank: Page, text: str, language: str | None, options: dict[str, bool]
) -> None:
    assert code(blank, text, language, **options)["tokens"] == []


def test_code_is_coloured_up_to_the_limit_whatever_its_line_ends(blank: Page) -> None:
    text = ("echo 1\r\n" * LARGEST_COLOURED)[:LARGEST_COLOURED]
    rendered = code(blank, text, "bash")
    assert rendered["tokens"]
    assert rendered["text"] == text.replace("\r\n", "\n")
