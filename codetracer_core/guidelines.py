"""Guidelines of a project: markdown by its lead as a small tree that a browser can put on a page as text.

Nothing of it is HTML: a tree is a list of texts and of nodes ``[tag, child, …]``, a link is
``["a", address, child, …]``.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

Node = str | list[Any]

TAGS = frozenset(
    [
        *("h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "blockquote", "pre", "code", "hr", "br"),
        *("em", "strong", "s", "a", "table", "thead", "tbody", "tr", "th", "td"),
    ]
)
"""What the browser puts on the page (``frontend/guidelines.js`` has the same list); of anything else only the text."""


def guidelines_tree(markdown: str) -> list[Node]:
    """The text as nodes. HTML in it stays text, pictures become their description, links lead to http(s) only."""
    return _nodes(SyntaxTreeNode(_parser().parse(markdown)).children)


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def _nodes(children: Sequence[SyntaxTreeNode]) -> list[Node]:
    return [node for child in children for node in _node(child)]


def _node(node: SyntaxTreeNode) -> list[Node]:
    if node.type == "text":
        return [node.content]
    if node.type == "softbreak":
        return ["\n"]
    if node.type in ("fence", "code_block"):
        return [["pre", ["code", node.content]]]
    if node.type == "code_inline":
        return [["code", node.content]]
    inside = _nodes(node.children)
    if node.type == "image":
        return inside
    if node.type == "link":
        address = str(node.attrs.get("href", ""))
        return [["a", address, *inside]] if address.lower().startswith(("http://", "https://")) else inside
    return [[node.tag, *inside]] if node.tag in TAGS else inside
