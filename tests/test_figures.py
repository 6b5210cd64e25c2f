"""Every figure drawn, light and dark, of few, many and no runs, and with names that try to be more than names."""

import dataclasses
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest

from codetracer_core.analytics import FIGURES, Figure, FigureData, Frames, Group, Labels, data_of, figure_named, made
from codetracer_core.analytics.outcomes import replay
from codetracer_core.errors import CodeTracerError
from codetracer_core.figures import as_html, as_image, draw
from codetracer_core.figures.style import DARK, LIGHT, in_scale, percent, safe
from tests.test_analytics import invented

HOSTILE = '<a href="https://example.org/x">press</a><img src=x onerror=alert(1)>%{y}{title}$x^2$\x1b[31m\u202etxt\n'
needs_chromium = pytest.mark.skipif(
    not (shutil.which("chromium") or shutil.which("google-chrome")), reason="no Chromium on this machine"
)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from strings(one) if name != "template" else ()
    elif isinstance(value, list | tuple):
        for one in value:
            yield from strings(one)
    elif hasattr(value, "tolist"):
        yield from strings(value.tolist())


def hostile() -> Frames:
    frames = invented(7)
    ids = [f"{HOSTILE}{number}" for number in range(len(frames.runs))]
    columns = dict.fromkeys(("model", "agent", "task", "category"), HOSTILE)
    return Frames(frames.runs.assign(run_id=ids, **columns), frames.steps, Labels("model", HOSTILE))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_a_figure_is_drawn_of_any_runs(figure: Figure, dark: bool) -> None:
    background = (DARK if dark else LIGHT).background
    for frames in (invented(7), invented(1, runs=1), invented(2, runs=300), made([], [])):
        for by in {figure.by, *(figure.groups if len(frames.runs) == 60 else ())}:
            data = data_of(figure, frames, by)
            drawn = draw(figure, data, dark=dark, alone=True)
            assert drawn.layout.template.layout.paper_bgcolor == background
            assert figure.title in drawn.layout.title.text
            assert drawn.layout.height > 150
            _rows_are_drawn_once(figure, data, drawn)


def _rows_are_drawn_once(figure: Figure, data: FigureData, drawn: Any) -> None:
    """What a mark says that it is, it is: each row of numbers that is no nothing has one mark."""
    marks = [int(row) for trace in drawn.data if trace.customdata is not None for row in trace.customdata]
    assert len(marks) == len(set(marks))
    assert set(marks) <= set(data.rows.index)
    if figure.name.startswith("strips"):
        assert len(marks) == (data.rows["run"].nunique() if len(data.rows) else 0)
    elif figure.name == "step_budget":
        assert set(data.rows.index[data.rows["steps"] > 0] if len(data.rows) else []) <= set(marks)
    elif len(data.rows):
        assert set(marks) == set(data.rows.index[data.rows["value"].notna()])


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_names_are_text_and_nothing_else(figure: Figure) -> None:
    frames = hostile()
    data = data_of(figure, frames)
    drawn = draw(figure, data, alone=True)
    for text in strings(drawn.to_dict()):
        ours = re.sub(r"</?b>|<br>|<extra></extra>$", "", text)
        assert "<" not in ours
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
        if "%{" in text:
            assert not text.endswith("<extra></extra>") or text.count("%{") == 1  # a template is ours alone
    page = as_html(drawn, figure.name)
    assert "<a href" not in page.split("plotly.js v", 1)[-1].rpartition("</script>")[0][-20_000:]
    assert HOSTILE[:20] not in page


def few(model: str, outcome: str, count: int, verdict: str = "unlabelled", labelled: str = "finished") -> Frames:
    """So many runs of three steps by a model, each of a task of its own."""
    told = {"model": model, "outcome": outcome, "step_count": 3, "labelled": labelled}
    runs = [{"run_id": f"{model}-{number}", "task": f"{model}-{number}", **told} for number in range(count)]
    steps = [
        {"run": run, "step_id": step, "kind": "explore", "verdict": verdict}
        for run in range(count)
        for step in (1, 2, 3)
    ]
    return made(runs, steps)


def together(*parts: Frames) -> Frames:
    runs: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    for part in parts:
        steps += part.steps.assign(run=part.steps["run"] + len(runs)).to_dict("records")
        runs += part.runs.to_dict("records")
    return made(runs, steps)


def test_a_rate_of_too_few_for_an_interval_is_hollow() -> None:
    figure = figure_named("solved_rate")
    data = data_of(figure, together(few("many", "solved", 12), few("single", "failed", 1)), "model")
    assert list(draw(figure, data).data[0].marker.symbol) == ["circle", "circle-open"]


def test_panels_count_in_words_and_each_column_has_its_scale() -> None:
    figure = figure_named("effective_ratio")
    data = data_of(figure, together(*(few(f"m{number}", "solved", 1) for number in range(5))))
    drawn = draw(figure, data)
    assert [one.text for one in drawn.layout.annotations] == [f"m{number}: 1 run" for number in range(5)]
    shown = [drawn.layout[f"xaxis{number}"].showticklabels for number in (3, 4, 5)]
    assert shown == [True, True, True]  # the third has no panel below it


def test_groups_with_labels_come_first_in_the_budget_and_those_without_keep_their_place() -> None:
    figure = figure_named("step_budget")
    several = [few(f"m{number}", "solved", 3, labelled="no") for number in range(8)]
    data = data_of(figure, together(*several, few("labelled", "failed", 1, "incorrect")), "model")
    names = list(dict.fromkeys(name.partition(",")[0] for name in draw(figure, data).layout.yaxis.ticktext))
    assert names == ["labelled", *(f"m{number}" for number in range(6)), "2 others"]
    assert any("the 2 others with the fewest labelled runs" in note for note in data.notes)
    hovers = [text for bar in draw(figure, data).data for text in bar.hovertext]
    assert any(" in 1 run)" in text for text in hovers)


def test_what_is_taken_together_stands_last() -> None:
    figure = figure_named("solved_by_category")
    data = data_of(figure, together(few("a", "solved", 2), *(few(f"m{number}", "failed", 1) for number in range(9))))
    assert list(draw(figure, data).layout.xaxis.ticktext)[0::7] == ["a", "3 others"]


def test_curves_tell_how_many_runs_they_are_of() -> None:
    figure = figure_named("error_free")
    data = data_of(figure, together(few("m", "failed", 2, "incorrect"), few("n", "solved", 1)))
    assert [one.text for one in draw(figure, data).layout.annotations] == ["not solved (2)", "solved (1)"]
    assert set(data.rows["group"]) == {"failed", "solved"}


def test_outcomes_are_read_as_they_are_on_every_page() -> None:
    """The rows, which are saved and filtered by, keep the words of the data."""
    frames = together(few("m", "failed", 2, "incorrect"), few("n", "solved", 1), few("o", "unknown", 1))
    for name, by in (
        ("step_budget", "model"),
        ("cost", "all"),
        ("effective_runs", "outcome"),
        ("strips_by_kind", "all"),
    ):
        data = data_of(figure_named(name), frames, cast(Group, by))
        assert set(data.rows["outcome"]) == {"solved", "failed", "unknown"}
        drawn = draw(figure_named(name), data).to_json()
        assert "not solved" in drawn
        assert "failed" not in drawn


def test_a_replay_is_drawn() -> None:
    runs = [
        {"run_id": f"{side}{number}", "task": f"t{number}", "model": "m", "outcome": outcome, "step_count": 3}
        | {"labelled": "no"}
        for number in range(12)
        for side, outcome in (("old", "failed"), ("new", "solved" if number % 2 else "failed"))
    ]
    pairs = tuple((f"old{number}", f"new{number}", True) for number in range(12))
    data = replay(dataclasses.replace(made(runs, []), replays=pairs), "model")
    drawn = draw(figure_named("replay"), data)
    assert list(drawn.data[0].x) == [0, 0.5, 0.5]
    assert list(drawn.layout.yaxis.ticktext) == ["m, before", "m, after", "m, difference"]


def test_a_change_for_the_worse_has_a_minus_sign_and_a_share_of_nothing_is_undefined() -> None:
    assert (percent(-0.5), percent(-0.001), percent(np.nan)) == ("−50 %", "0 %", "undefined")
    figure = figure_named("error_position")
    data = data_of(figure, together(few("m", "failed", 2, "incorrect"), few("n", "solved", 1)))
    hovers = [text for bar in draw(figure, data).data for text in bar.hovertext or ()]
    assert any("<b>undefined</b> (0 of 0)<br>no interval: no incorrect step" in text for text in hovers)


def test_what_is_missing_is_said_in_the_figure() -> None:
    figure = figure_named("error_free")
    data = data_of(figure, made([], [], Labels("human", "Ana")))
    (words,) = [one.text for one in draw(figure, data).layout.annotations]
    assert words == data.why == "None of these runs has complete labels of Ana."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("<b>bold</b>", "&lt;b&gt;bold&lt;/b&gt;"),
        ("two\nlines", "two lines"),
        ("x" * 100, "x" * 21 + "…" + "x" * 22),
    ],
)
def test_safe_names(text: str, expected: str) -> None:
    assert safe(text) == expected


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_numbers_in_cells_can_be_read(theme: Any) -> None:
    """Contrast of at least 4.5 : 1 (WCAG 2.2, 1.4.3) between a cell and the number in it."""

    def luminance(red: float, green: float, blue: float) -> float:
        parts = [part / 255 for part in (red, green, blue)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for share in range(101):
        colour, ink = in_scale(theme, share / 100)
        cell = luminance(*(int(part) for part in re.findall(r"\d+", colour)))
        text = luminance(*(int(ink[at : at + 2], 16) for at in (1, 3, 5)))
        assert (max(cell, text) + 0.05) / (min(cell, text) + 0.05) >= 4.5, (share, colour, ink)


# ---------------------------------------------------------------- files


def test_a_page_needs_no_network_and_is_the_same_each_time() -> None:
    figure = figure_named("step_budget")
    pages = [as_html(draw(figure, data_of(figure, invented(7)), dark=True, alone=True), figure.name) for _ in range(2)]
    assert pages[0] == pages[1]
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*\s(?:src|href)=", pages[0])
    assert loaded == []
    assert f"background: {DARK.background}" in pages[0]


@needs_chromium
def test_an_svg_is_well_formed_and_the_same_each_time() -> None:
    figure = figure_named("step_budget")
    drawn = [draw(figure, data_of(figure, hostile()), alone=True) for _ in range(2)]
    first, second = (as_image(one, "svg") for one in drawn)
    assert first == second
    root = ET.fromstring(first)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = " ".join("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))
    assert "What steps are spent on" in texts
    assert "press" in texts
    assert not list(root.iter("{http://www.w3.org/2000/svg}a"))
    assert not list(root.iter("{http://www.w3.org/2000/svg}image"))


def test_without_chromium_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    figure = figure_named("cost")
    drawn = draw(figure, data_of(figure, invented(7)))
    with pytest.raises(CodeTracerError, match=r"Install the package chromium, or write the figure as \.html or \.csv"):
        as_image(drawn, "svg")
