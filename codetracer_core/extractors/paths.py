"""JMESPath over values that know where they stand.

The grammar is jmespath's own; its syntax tree is walked here, so that each value found keeps its place and every look
at a value is counted. Beyond the standard: ``record()``, ``root()``, ``place(…)``, ``text(…)``, ``matches(…)`` and
``count(…)``. Functions that could make much out of little are left out.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import jmespath
from jmespath.exceptions import JMESPathError

from codetracer_core.extractors.limits import DEEPEST_EXPRESSION, LONGEST_EXPRESSION, Budget
from codetracer_core.extractors.nodes import NOTHING, Node, is_true, list_of, mapping_of, text_of, weigh
from codetracer_core.extractors.patterns import compiled, found_in
from codetracer_core.parsers._artifacts import without_lone_surrogates
from codetracer_core.parsers._fields import number_field

Tree = dict[str, Any]


@dataclass(frozen=True)
class Context:
    """What a path can see besides the value that it is asked of."""

    budget: Budget
    record: Node = NOTHING
    """The whole record, where the value is an item of it."""
    root: Node = NOTHING
    """The document that the record stands in."""
    place: "dict[str, Any] | None" = None
    """Of the record: file, folder, name, line, number (1-based, within its source) and source."""


@lru_cache(maxsize=4096)
def parsed(path: str) -> Tree:
    """The syntax tree. Raises ValueError in words for what is no path, or asks for more than paths may."""
    if len(path) > LONGEST_EXPRESSION:
        raise ValueError(f"a path has at most {LONGEST_EXPRESSION:,} characters")
    if max(map(path.count, "([{!")) > 4 * DEEPEST_EXPRESSION:
        raise ValueError("the path is nested too deeply")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)  # `word`, for `"word"`
            tree = cast(Tree, jmespath.compile(path).parsed)
    except JMESPathError as error:
        raise ValueError(f"no JMESPath ({_one_line(error)})") from error
    except (RecursionError, ValueError, TypeError, AttributeError) as error:  # its parser on strange input
        raise ValueError("no JMESPath that can be understood") from error
    _check(tree)
    return _as_meant(tree)


_STEPS = frozenset(
    {"subexpression", "index_expression", "projection", "value_projection", "filter_projection", "flatten"}
)


def _as_meant(tree: Tree) -> Tree:
    """Two readings of jmespath's parser that are never anything, as everybody means them: ``!a.b``, read as
    ``(!a).b``, is ``!(a.b)``; and ``a.*.b.c``, read as ``(a.*.b).c``, goes on within the projection."""
    children: list[Any] = [_as_meant(child) if isinstance(child, dict) else child for child in tree["children"]]
    if tree["type"] == "literal":
        return {**tree, "value": without_lone_surrogates(tree["value"])}
    return _regrouped({**tree, "children": children})


def _regrouped(tree: Tree) -> Tree:
    first: Any = tree["children"][0] if tree["children"] else None
    if tree["type"] in _STEPS and first["type"] == "not_expression":
        inner = _regrouped({**tree, "children": [first["children"][0], *tree["children"][1:]]})
        return {"type": "not_expression", "children": [inner]}
    if tree["type"] == "subexpression" and first["type"] == "value_projection":
        left, right = first["children"]
        return {**first, "children": [left, {**tree, "children": [right, *tree["children"][1:]]}]}
    return tree


def _one_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


def _check(tree: Tree) -> None:
    waiting = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEEPEST_EXPRESSION:
            raise ValueError(f"the path is nested more than {DEEPEST_EXPRESSION} levels deep. Write it as a pipeline")
        if node["type"] == "expref":
            raise ValueError("& is not known: there are no functions that take an expression")
        if node["type"] == "function_expression":
            _check_function(node)
        waiting.extend((child, depth + 1) for child in node["children"] if isinstance(child, dict))


def _check_function(node: Tree) -> None:
    name, given = node["value"], node["children"]
    if name not in FUNCTIONS:
        raise ValueError(f"there is no function {name[:50]}(). Known are {', '.join(sorted(FUNCTIONS))}")
    least, most, _ = FUNCTIONS[name]
    if not least <= len(given) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise ValueError(f"{name}() takes {wanted} values, not {len(given)}")
    if name in ("matches", "count"):
        pattern = given[1]
        if pattern["type"] != "literal" or not isinstance(pattern["value"], str):
            raise ValueError(f"the pattern of {name}() is written out, in single quotes")
        compiled(pattern["value"])
    if name == "place" and (given[0]["type"] != "literal" or given[0]["value"] not in PLACES):
        raise ValueError(f"place() takes one of {', '.join(map(repr, PLACES))}")


PLACES = ("file", "folder", "name", "line", "number", "source")


def find(path: str, node: Node, context: Context) -> Node:
    """What stands at ``path``, seen from ``node``; ``NOTHING`` if there is nothing. Raises SpecError over a limit."""
    return _visit(parsed(path), node, context)


def holds(path: str, node: Node, context: Context) -> bool:
    return is_true(find(path, node, context).value)


def _visit(tree: Tree, node: Node, context: Context) -> Node:
    context.budget.spend()
    return _VISITORS[tree["type"]](tree, node, context)


def _chain(tree: Tree, node: Node, context: Context) -> Node:
    for child in tree["children"]:
        node = _visit(child, node, context)
    return node


def _projected(right: Tree, nodes: Iterator[Node], context: Context) -> Node:
    found = (_visit(right, node, context) for node in nodes)
    return list_of(node for node in found if node.is_there)


def _projection(tree: Tree, node: Node, context: Context) -> Node:
    left, right = tree["children"]
    base = _visit(left, node, context)
    if not isinstance(base.value, list):
        return NOTHING
    if right["type"] == "identity" and base.parts is None and None not in base.value:
        context.budget.spend(len(base.value) // 10)
        return base
    return _projected(right, iter(base.items()), context)


def _value_projection(tree: Tree, node: Node, context: Context) -> Node:
    left, right = tree["children"]
    base = _visit(left, node, context)
    if not isinstance(base.value, dict):
        return NOTHING
    return _projected(right, (base.child(name) for name in base.value), context)


def _filter_projection(tree: Tree, node: Node, context: Context) -> Node:
    left, right, condition = tree["children"]
    base = _visit(left, node, context)
    if not isinstance(base.value, list):
        return NOTHING
    kept = (item for item in base.items() if is_true(_visit(condition, item, context).value))
    return _projected(right, kept, context)


def _flatten(tree: Tree, node: Node, context: Context) -> Node:
    base = _visit(tree["children"][0], node, context)
    if not isinstance(base.value, list):
        return NOTHING
    flat: list[Node] = []
    for item in base.items():
        inner = item.items() if isinstance(item.value, list) else (item,)
        context.budget.spend(len(inner))
        flat.extend(inner)
    return list_of(flat)


def _slice(tree: Tree, node: Node, context: Context) -> Node:
    if not isinstance(node.value, list) or tree["children"][2] == 0:
        return NOTHING
    items = node.items()
    context.budget.spend(len(items))
    return list_of(items[slice(*tree["children"])])


def _comparator(tree: Tree, node: Node, context: Context) -> Node:
    left, right = (_visit(child, node, context).value for child in tree["children"])
    kind = tree["value"]
    if kind in ("eq", "ne"):
        return Node(_equal(left, right, context.budget) == (kind == "eq"))
    if not _is_number(left) or not _is_number(right):
        return NOTHING
    return Node({"lt": left < right, "lte": left <= right, "gt": left > right, "gte": left >= right}[kind])


def _is_number(value: Any) -> bool:
    return number_field(value) is not None


def _equal(left: Any, right: Any, budget: Budget) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list | dict):
        weigh(left, budget)
        weigh(right, budget)
    return bool(left == right)


def _either(tree: Tree, node: Node, context: Context) -> Node:
    left = _visit(tree["children"][0], node, context)
    return left if is_true(left.value) else _visit(tree["children"][1], node, context)


def _both(tree: Tree, node: Node, context: Context) -> Node:
    left = _visit(tree["children"][0], node, context)
    return _visit(tree["children"][1], node, context) if is_true(left.value) else left


def _multi_list(tree: Tree, node: Node, context: Context) -> Node:
    return list_of([_visit(child, node, context) for child in tree["children"]]) if node.is_there else NOTHING


def _multi_dict(tree: Tree, node: Node, context: Context) -> Node:
    if not node.is_there:
        return NOTHING
    return mapping_of({pair["value"]: _visit(pair["children"][0], node, context) for pair in tree["children"]})


def _function(tree: Tree, node: Node, context: Context) -> Node:
    given = [_visit(child, node, context) for child in tree["children"]]
    found = FUNCTIONS[tree["value"]][2](given, context)
    return found if isinstance(found, Node) else Node(found)


_VISITORS: dict[str, Callable[[Tree, Node, Context], Node]] = {
    "field": lambda tree, node, context: node.child(tree["value"]),
    "identity": lambda tree, node, context: node,
    "current": lambda tree, node, context: node,
    "literal": lambda tree, node, context: Node(tree["value"]),
    "index": lambda tree, node, context: node.item(tree["value"]),
    "not_expression": lambda tree, node, context: Node(not is_true(_visit(tree["children"][0], node, context).value)),
    "subexpression": _chain,
    "index_expression": _chain,
    "pipe": _chain,
    "projection": _projection,
    "value_projection": _value_projection,
    "filter_projection": _filter_projection,
    "flatten": _flatten,
    "slice": _slice,
    "comparator": _comparator,
    "or_expression": _either,
    "and_expression": _both,
    "multi_select_list": _multi_list,
    "multi_select_dict": _multi_dict,
    "function_expression": _function,
}


# Functions: given values of another kind than they work on they find nothing, as fields that are not there do.


def _text(given: list[Node], context: Context) -> Node:
    text = text_of(given[0], context.budget)
    return NOTHING if text is None else Node(text, given[0].document, given[0].pointer, _parts(given[0]))


def _parts(node: Node) -> tuple[Node, ...] | None:
    """The places of a text that was made of several."""
    inner = node.parts.values() if isinstance(node.parts, dict) else node.parts
    return tuple(inner) if inner is not None else None


def _length(given: list[Node], context: Context) -> int | None:
    return len(given[0].value) if isinstance(given[0].value, str | list | dict) else None


def _contains(given: list[Node], context: Context) -> bool | None:
    whole, part = given[0].value, given[1].value
    if isinstance(whole, str):
        context.budget.spend(len(whole) // 100)
        return isinstance(part, str) and part in whole
    if not isinstance(whole, list):
        return None
    return any(_equal(item, part, context.budget) for item in whole)


def _starts(given: list[Node], context: Context) -> bool | None:
    text, part = given[0].value, given[1].value
    return text.startswith(part) if isinstance(text, str) and isinstance(part, str) else None


def _ends(given: list[Node], context: Context) -> bool | None:
    text, part = given[0].value, given[1].value
    return text.endswith(part) if isinstance(text, str) and isinstance(part, str) else None


def _type(given: list[Node], context: Context) -> str:
    value = given[0].value
    if isinstance(value, bool):
        return "boolean"
    kinds: tuple[tuple[type, str], ...] = ((str, "string"), (int, "number"), (float, "number"), (list, "array"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "null" if value is None else "object")


def _not_null(given: list[Node], context: Context) -> Node:
    return next((node for node in given if node.is_there), NOTHING)


def _to_number(given: list[Node], context: Context) -> Any:
    value = given[0].value
    if _is_number(value):
        return given[0]
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        return int(value)
    except ValueError:
        pass
    try:
        number = float(value)
    except ValueError:
        return None
    return number if number - number == 0 else None


def _join(given: list[Node], context: Context) -> Node:
    glue, texts = given[0].value, given[1].value
    if not isinstance(glue, str) or not isinstance(texts, list):
        return NOTHING
    kept = [node for node in given[1].items() if isinstance(node.value, str)]
    context.budget.count("text", sum(len(node.value) + len(glue) for node in kept))
    return Node(glue.join(node.value for node in kept), given[1].document, given[1].pointer, _parts(given[1]))


def _numbers(node: Node, context: Context) -> list[Any]:
    found = node.value if isinstance(node.value, list) else []
    context.budget.spend(len(found))
    return [value for value in found if _is_number(value)]


def _sum(given: list[Node], context: Context) -> Any:
    numbers = _numbers(given[0], context)
    return sum(numbers) if numbers else None


def _max(given: list[Node], context: Context) -> Any:
    return max(_numbers(given[0], context), default=None)


def _min(given: list[Node], context: Context) -> Any:
    return min(_numbers(given[0], context), default=None)


def _keys(given: list[Node], context: Context) -> Any:
    return list(given[0].value) if isinstance(given[0].value, dict) else None


def _values(given: list[Node], context: Context) -> Node:
    base = given[0]
    return list_of(base.child(name) for name in base.value) if isinstance(base.value, dict) else NOTHING


def _searched(node: Node, context: Context) -> str | None:
    """The text of a value, which only counts as made if it was not there."""
    return node.value if isinstance(node.value, str) else text_of(node, context.budget)


def _matches(given: list[Node], context: Context) -> bool:
    text = _searched(given[0], context)
    return text is not None and next(found_in(given[1].value, text, context.budget), None) is not None


def _count(given: list[Node], context: Context) -> int | None:
    text = _searched(given[0], context)
    return None if text is None else sum(1 for _ in found_in(given[1].value, text, context.budget))


def _place(given: list[Node], context: Context) -> Any:
    return (context.place or {}).get(given[0].value)


FUNCTIONS: dict[str, tuple[int, int, Callable[[list[Node], Context], Any]]] = {
    "contains": (2, 2, _contains),
    "count": (2, 2, _count),
    "ends_with": (2, 2, _ends),
    "join": (2, 2, _join),
    "keys": (1, 1, _keys),
    "length": (1, 1, _length),
    "matches": (2, 2, _matches),
    "max": (1, 1, _max),
    "min": (1, 1, _min),
    "not_null": (1, 20, _not_null),
    "place": (1, 1, _place),
    "record": (0, 0, lambda given, context: context.record),
    "root": (0, 0, lambda given, context: context.root),
    "starts_with": (2, 2, _starts),
    "sum": (1, 1, _sum),
    "text": (1, 1, _text),
    "to_number": (1, 1, _to_number),
    "type": (1, 1, _type),
    "values": (1, 1, _values),
}
"""Name → least and most number of values, and what it does."""
