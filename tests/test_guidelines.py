"""Markdown of a lead becomes a tree of texts and allowed tags, never HTML."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.guidelines import TAGS, guidelines_tree


@pytest.mark.parametrize(
    ("markdown", "tree"),
    [
        ("", []),
        (
            "# Aim\n\nMark *wrong* **steps**.",
            [["h1", "Aim"], ["p", "Mark ", ["em", "wrong"], " ", ["strong", "steps"], "."]],
        ),
        ("- a\n- `b`", [["ul", ["li", ["p", "a"]], ["li", ["p", ["code", "b"]]]]]),
        ("```\n<b>&\n```", [["pre", ["code", "<b>&\n"]]]),
        ("one\ntwo  \nthree", [["p", "one", "\n", "two", ["br"], "three"]]),
        ("[paper](https://example.org/a?b=c)", [["p", ["a", "https://example.org/a?b=c", "paper"]]]),
        ("[x](javascript:alert(1))", [["p", "[x](javascript:alert(1))"]]),
        ("[x](/settings) [y](data:text/html,z)", [["p", "x", " [y](data:text/html,z)"]]),
        ("[x](http://[)", [["p", ["a", "http://%5B", "x"]]]),
        ("<img src=x onerror=alert(1)>", [["p", "<img src=x onerror=alert(1)>"]]),
        ("a <script>b</script>", [["p", "a <script>b</script>"]]),
        ("![secret](https://example.org/beacon.png)", [["p", "secret"]]),
        ("|a|\n|-|\n|b|", [["table", ["thead", ["tr", ["th", "a"]]], ["tbody", ["tr", ["td", "b"]]]]]),
    ],
)
def test_markdown_becomes_a_tree(markdown: str, tree: Any) -> None:
    assert guidelines_tree(markdown) == tree


@given(st.text(alphabet=st.characters() | st.sampled_from("#*_`[]()<>!|-\n:/"), max_size=300))
def test_whatever_is_written_only_allowed_tags_come_out(markdown: str) -> None:
    def check(node: Any) -> None:
        if isinstance(node, str):
            return
        tag, *children = node
        assert tag in TAGS
        if tag == "a":
            assert children[0].lower().startswith(("http://", "https://"))
        for child in children[tag == "a" :]:
            check(child)

    for node in guidelines_tree(markdown):
        check(node)
