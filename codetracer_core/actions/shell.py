"""What a shell command line does, judged from its syntax tree (tree-sitter-bash) and never by running it.

Every simple command in it is judged, wherever it stands: in pipelines, lists, loops, subshells, ``$(…)``,
``<(…)``; and every redirect. Text that the grammar cannot read counts as change, because it may be anything.
"""

import re
import shlex
import threading
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from codetracer_core.actions.commands import judge_command
from codetracer_core.actions.effects import Effect, Purpose, changes, combined, explores, shown
from codetracer_core.actions.options import Call, writes_nothing

_LANGUAGE = Language(tree_sitter_bash.language())
_PARSERS = threading.local()
_DEEPEST = 6
# The grammar recovers from errors in quadratic time, and keeps quadratic memory for pipelines: hostile text of this
# size takes a second, ten times as much would take minutes. Here-documents do not count.
_LONGEST = 16_000
_MOST_PIPES = 1_000
_ESCAPED = re.compile(r"\\(\n|.)", re.DOTALL)
_ESCAPED_IN_QUOTES = re.compile(r'\\(["$`\\\n])')
_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_SPELLED_OUT = re.compile("\xff([0-9a-f]{2,5}|10[0-9a-f]{4})\xff")
_LINE_NUMBERED_EDIT = re.compile(r"(?:edit|insert|append)\b[^\n]*\n.*\bend_of_(?:edit|insert|append)\s*", re.DOTALL)
_BACKTICKS = re.compile(r"(?<!\\)`([^`\\]+)`")
_HEREDOC_START = re.compile(r"<<-?[ \t]*(?P<quote>['\"\\]?)(?P<end>[A-Za-z_]\w*)['\"]?[^\n]*\n")
_ASIDE = "HERE_DOCUMENT_SET_ASIDE_"


@lru_cache(maxsize=4096)
def judge_shell(text: str, depth: int = 0) -> Effect:
    """The effect of a command line or script; ``depth`` counts command lines within command lines."""
    if depth > _DEEPEST:
        return changes("holds command lines within command lines, too deep to follow")
    if not text.strip():
        return explores("nothing runs", "wait")
    if text.startswith(("edit", "insert", "append")) and _LINE_NUMBERED_EDIT.fullmatch(text):
        return changes("edits the open file", "edit")  # SWE-agent 0.x: the lines between are code, not shell
    aside: list[str] = []
    if len(text) > _LONGEST:
        text, aside = _heredocs_aside(text)
    if len(text) > _LONGEST or text.count("|") > _MOST_PIPES:
        return changes("too long to be read as a command")
    root = _parser().parse(_spelled_out(_UNREADABLE.sub("\ufffd", text))).root_node
    effects = list(_Reader(depth, aside).effects(root))
    if root.has_error:
        effects.append(changes("part of it cannot be read as shell"))
    if not effects:
        return explores("only a comment, nothing runs", "shell")
    return combined(effects)


def _parser() -> Parser:
    """This thread's parser: one must not be shared."""
    if not hasattr(_PARSERS, "parser"):
        _PARSERS.parser = Parser(_LANGUAGE)
    parser: Parser = _PARSERS.parser
    return parser


def _spelled_out(text: str) -> bytes:
    """The text as the grammar can be given it: ``é`` as ``ÿe9ÿ``, and so for all beyond ASCII; :func:`_text` undoes it.

    tree-sitter-bash 0.25.1 asks C's ``isdigit`` about any character behind ``{``. That is defined up to 255 only:
    ``{`` before an emoji reads far outside a table and, more often than not, ends the process.
    """
    return _BEYOND_ASCII.sub(lambda found: f"\xff{ord(found[0]):x}\xff", text).encode()


def _heredocs_aside(text: str) -> tuple[str, list[str]]:
    """A long text with its here-documents replaced by marks, and what they were. One in which the shell itself
    would run something (``$(…)``) stays."""
    parts: list[str] = []
    aside: list[str] = []
    lines: dict[str, list[int]] = {}
    for line in re.finditer(r"^\t*(\w+)$", text, re.MULTILINE):
        lines.setdefault(line[1], []).append(line.start())
    at, last_line = 0, text.rfind("\n") + 1  # a start must have a next line: looking for it elsewhere is quadratic
    while (start := _HEREDOC_START.search(text, at, last_line)) is not None:
        ends = lines.get(start["end"], [])
        end = ends[found] if (found := bisect_left(ends, start.end())) < len(ends) else start.end()
        body = text[start.end() : end]
        parts.append(text[at : start.end()])
        at = start.end()
        if body and (start["quote"] or not ("$(" in body or "`" in body)):
            parts.append(f"{_ASIDE}{len(aside)}\n")
            aside.append(body)
            at = end
    parts.append(text[at:])
    return "".join(parts), aside


class _Input:
    """What arrives at a command's standard input: nothing, something unseen, or a text that is seen."""

    __slots__ = ("fed", "text")

    def __init__(self, fed: bool = False, text: str | None = None) -> None:
        self.fed = fed
        self.text = text


_NOTHING = _Input()
_UNSEEN = _Input(fed=True)
_LEAVES = frozenset({"word", "raw_string", "number", "simple_expansion", "variable_name", "string_content"})
_WITHIN_SHELL = explores("stays within the shell", "shell")


class _Reader:
    """A walk over one syntax tree in the order of the text, without recursion (agents nest deeply)."""

    def __init__(self, depth: int, aside: list[str]) -> None:
        self._depth = depth
        self._aside = aside
        self._functions: set[str] = set()
        self._aliases: dict[str, str] = {}

    def _shell(self, text: str) -> Effect:
        return judge_shell(text, self._depth + 1)

    def effects(self, root: Node) -> Iterator[Effect]:
        stack: list[tuple[Node, _Input]] = [(root, _NOTHING)]
        while stack:
            node, arriving = stack.pop()
            kind = node.type
            if kind in _LEAVES:
                continue
            inner: list[tuple[Node, _Input]] = []
            if kind == "command":
                yield from self._command(node, arriving, inner)
            elif kind == "file_redirect":
                yield from _redirected(node)
                inner = [(child, _UNSEEN) for child in node.named_children]
            elif kind == "redirected_statement":
                inner = self._with_redirects(node, arriving)
            elif kind == "pipeline":
                inner = self._piped(node.named_children, arriving)
            elif kind == "heredoc_redirect":
                yield from self._backticks(node)
                inner = self._behind_heredoc(node)
            elif kind == "list":
                children = node.named_children
                inner = [(child, arriving if child is children[-1] else _NOTHING) for child in children]
            else:
                if kind in ("declaration_command", "variable_assignment", "test_command", "unset_command"):
                    yield _WITHIN_SHELL
                elif kind == "function_definition" and (name := node.child_by_field_name("name")) is not None:
                    self._functions.add(_text(name))
                    yield _WITHIN_SHELL
                inner = [(child, arriving) for child in node.named_children]
            stack.extend(reversed(inner))

    def _command(self, node: Node, arriving: _Input, inner: list[tuple[Node, _Input]]) -> Iterator[Effect]:
        words: list[str] = []
        is_computed = False
        for child in node.named_children:
            kind = child.type
            if kind == "command_name":
                words.append(_word(child))
                is_computed = child.named_child_count > 0 and child.named_children[0].type not in _KNOWN_NAMES
                inner.append((child, _NOTHING))
            elif kind == "herestring_redirect":
                arriving = _Input(True, "".join(_word(part) for part in child.named_children))
                inner.append((child, _NOTHING))
            elif kind in ("file_redirect", "heredoc_redirect", "variable_assignment"):
                inner.append((child, _NOTHING))
                if kind == "file_redirect" and child.child_count and child.children[0].type == "<":
                    arriving = _UNSEEN
            else:
                words.append(_word(child))
                if kind not in _LEAVES:
                    inner.append((child, _NOTHING))
        if not words:
            return
        if is_computed or ("$" in words[0] and "/" not in words[0]):
            yield changes(f"runs a command that is computed ({shown(words[0])})")
        elif words[0] in self._functions:
            yield _WITHIN_SHELL
        elif words[0] in self._aliases:
            yield self._shell(" ".join([self._aliases[words[0]], shlex.join(words[1:])]))
        elif words[0] == "alias":
            self._aliases |= {
                name: text for name, equals, text in (word.partition("=") for word in words[1:]) if equals
            }
            yield _WITHIN_SHELL
        else:
            yield judge_command(Call(tuple(words), self._shell, arriving.text, arriving.fed))

    def _heredoc_text(self, redirect: Node) -> str:
        text = "".join(_text(child) for child in redirect.named_children if child.type == "heredoc_body")
        mark = text.strip().removeprefix(_ASIDE)
        return self._aside[int(mark)] if self._aside and mark.isdecimal() and text.startswith(_ASIDE) else text

    def _backticks(self, redirect: Node) -> Iterator[Effect]:
        """What the shell runs in the text of a here-document; the grammar sees ``$(…)`` there, but no backticks."""
        start = next((_text(child) for child in redirect.named_children if child.type == "heredoc_start"), "")
        if start.isidentifier() and (found := _BACKTICKS.findall(self._heredoc_text(redirect))):
            yield self._shell("\n".join(found))

    def _with_redirects(self, node: Node, arriving: _Input) -> list[tuple[Node, _Input]]:
        body = node.child_by_field_name("body")
        redirects = [child for child in node.named_children if child != body]
        for redirect in redirects:
            if redirect.type == "heredoc_redirect":
                arriving = _Input(True, self._heredoc_text(redirect))
            elif redirect.type == "herestring_redirect":
                arriving = _Input(True, "".join(map(_word, redirect.named_children)))
            elif redirect.child_count and redirect.children[0].type == "<":
                arriving = _UNSEEN
        found: list[tuple[Node, _Input]] = []
        if body is not None and body.type == "pipeline":
            found = self._piped(body.named_children, _NOTHING, arriving)
        elif body is not None:
            found = [(body, arriving)]
        return found + [(redirect, _NOTHING) for redirect in redirects]

    def _through(self, source: Node | None, arriving: _Input) -> _Input:
        """What a command passes on to the next one in a pipeline, where that can be seen: cat, echo, printf."""
        if source is None or source.type not in ("command", "redirected_statement"):
            return _UNSEEN
        if source.type == "redirected_statement":
            body = source.child_by_field_name("body")
            heredocs = [child for child in source.named_children if child.type == "heredoc_redirect"]
            return self._through(body, _Input(True, self._heredoc_text(heredocs[0]))) if heredocs else _UNSEEN
        words = [_word(child) for child in source.named_children if child.type != "variable_assignment"]
        if words[:1] == ["cat"] and words[1:] in ([], ["-"]) and arriving.text is not None:
            return arriving
        if words[:1] in (["echo"], ["printf"]):
            return _Input(True, "\n".join(word for word in words[1:] if not re.fullmatch(r"-[neE]+", word)))
        return _UNSEEN

    def _piped(self, commands: list[Node], first: _Input, last: _Input = _NOTHING) -> list[tuple[Node, _Input]]:
        """The commands of a pipeline with what arrives at each; ``last`` is a redirect behind the last of them."""
        found: list[tuple[Node, _Input]] = []
        arriving = first
        for at, node in enumerate(commands):
            if at == len(commands) - 1 and last.fed:
                arriving = last
            found.append((node, arriving))
            arriving = self._through(node, arriving)
        return found

    def _behind_heredoc(self, node: Node) -> list[tuple[Node, _Input]]:
        """What follows ``<<EOF`` on its line; the grammar hangs it below: ``| tee x``, ``&& make``, ``> f``."""
        found: list[tuple[Node, _Input]] = []
        for child in node.named_children:
            if child.type == "pipeline":
                source = node.parent.child_by_field_name("body") if node.parent is not None else None
                arriving = self._through(source, _Input(True, self._heredoc_text(node)))
                found += self._piped(child.named_children, arriving)
            elif child.type not in ("heredoc_start", "heredoc_end"):
                found.append((child, _NOTHING))
        return found


_KNOWN_NAMES = frozenset({"word", "raw_string", "string", "concatenation", "number", "test_operator"})


def _text(node: Node) -> str:
    return _SPELLED_OUT.sub(lambda found: chr(int(found[1], 16)), (node.text or b"").decode(errors="replace"))


def _word(node: Node) -> str:
    """A word as the shell would pass it on; expansions stay as they are written (``$HOME/x``)."""
    kind = node.type
    if kind == "raw_string":
        return _text(node)[1:-1]
    if kind == "string":
        text = _text(node)
        text = text[1:-1] if text.endswith('"') else text[1:]
        return _ESCAPED_IN_QUOTES.sub(_unescaped, text) if "\\" in text else text
    if kind in ("concatenation", "command_name") and node.named_child_count:
        return "".join(map(_word, node.children))
    if kind == "ansi_c_string":
        return _text(node)[2:-1]
    text = _text(node)
    return _ESCAPED.sub(_unescaped, text) if "\\" in text else text


def _unescaped(match: re.Match[str]) -> str:
    return "" if match[1] == "\n" else match[1]


_EDITING = frozenset({"cat", "echo", "printf", "sed", "awk", "envsubst", "jq", "sort", "tr", "cut", "head", "tail"})


def _redirected(node: Node) -> Iterator[Effect]:
    operator = next((child.type for child in node.children if not child.is_named), "")
    destination = node.child_by_field_name("destination")
    if destination is None or operator in ("<", "<&", "<&-", ">&-"):
        return
    if destination.type == "process_substitution":
        return
    target = _word(destination)
    if writes_nothing(target) or (operator in (">&", "<&") and re.fullmatch(r"\d+-?|-", target)):
        return
    if target.startswith(("/dev/tcp/", "/dev/udp/")):
        yield changes(f"opens a connection ({shown(target)})", "network")
        return
    yield changes(f"redirects into {shown(target)}", _purpose_of_redirect(node), [target])


def _purpose_of_redirect(node: Node) -> Purpose:
    """``cat > f`` is an edit; the output of another program that goes into a file is its output."""
    statement = node.parent
    while statement is not None and statement.type not in ("redirected_statement", "command"):
        statement = statement.parent
    body = statement.child_by_field_name("body") if statement is not None else None
    while body is not None and body.type in ("pipeline", "list") and body.named_children:
        body = body.named_children[-1]
    command = body if body is not None else statement
    name = command.child_by_field_name("name") if command is not None and command.type == "command" else None
    return "edit" if name is None or _text(name) in _EDITING else "output"
