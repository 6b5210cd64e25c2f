"""How much of the agent's own text the steps of a run hold.

Text is counted by distinct lines: agents' files repeat themselves (a history per call, an event per message), and what
a step holds once is held. What counts as the agent's text is told by the spec (``agent_text``), else it is every text
of at least two words in the records, without those that only tell a fact or that a rule skips for a reason, and
without the frame: lines that are not the agent's because, but for numbers, they stand in many records. Items of a list
of which a source takes others count with the records: else a spec that reads every other step would hold everything.

What rules skip is nobody's promise: a rule may skip steps. So it is told apart how much of it stands among the steps,
where an agent's files hold little else than steps.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from codetracer_core.extractors.drafts import NO_RULE, Draft, Event, together
from codetracer_core.extractors.limits import Budget
from codetracer_core.extractors.nodes import Node, Stretch, text_of
from codetracer_core.extractors.paths import holds
from codetracer_core.extractors.records import Reading, Record
from codetracer_core.extractors.schema import ExtractorSpec
from codetracer_core.extractors.taking import take
from codetracer_core.models import SourceRef, Trajectory

MOST_UNCOVERED = 500
MOST_PIECES = 200
LONGEST_UNCOVERED = 4_000
"""Characters of one entry that are kept."""
LONGEST_ASIDE = 300
"""Characters of a record that is left out after which no line more of it is kept."""
NEXT_PIECE = 10_000
"""Characters of a text within which its next piece is looked for."""
FRAME_RECORDS, FRAME_SHARE, LONGEST_FRAME = 3, 0.2, 200
"""A line is frame if it stands in so many records of its source at least, in this share of them (a thought, a call and
an observation may be a record each, with a heading of its own), and is no longer."""


@dataclass(frozen=True)
class Uncovered:
    """Text of the agent that no step holds. Lines are 1-based and inclusive."""

    path: str
    line_start: int
    line_end: int
    text: str


@dataclass
class Aside:
    """The text of one record that is left out with it: characters of distinct lines that no step holds, those of them
    that stand among the steps, and the beginning of it."""

    characters: int = 0
    among: int = 0
    text: str = ""


@dataclass(frozen=True)
class Coverage:
    """``share``: of the characters of the agent's text, 0 to 1; None if there is no such text. ``skipped``: characters
    of text that a rule of the spec skips, and that no step holds; ``among``: those of them that stand among the steps,
    after the first one in its file."""

    uncovered: tuple[Uncovered, ...]
    share: float | None
    held: int
    total: int
    skipped: int
    among: int
    asides: dict[int, Aside]
    """By the index of a record that a rule skips, or that only tells a fact."""


def coverage_of(
    spec: ExtractorSpec, records: Sequence[Record], events: Sequence[Event], trajectory: Trajectory, reading: Reading
) -> Coverage:
    """Of all ``records`` and of what stands beside them and was not read."""
    budget = reading.budget
    known = _held_lines(trajectory)
    own: defaultdict[int, dict[int, Draft]] = defaultdict(dict)
    for event in events:
        if event.draft is not None:
            own[event.record.index][id(event.draft)] = event.draft
    put_aside = {event.record.index for event in events if event.became == "skipped" and event.why != NO_RULE}
    put_aside |= {event.record.index for event in events if event.became == "fact"}
    put_aside -= {event.record.index for event in events if event.became in ("step", "observation")}
    uncovered: list[Uncovered] = []
    seen: set[str] = set()
    skipped_seen: set[str] = set()
    asides: dict[int, Aside] = {}
    pieces_of: dict[int, list[str]] = {}
    whole_of: dict[int, list[_Whole]] = {}
    held = total = 0
    everything = (*records, *reading.left_out)
    frames = _frames(spec, everything)
    firsts = _first_steps(trajectory)
    for record in everything:
        budget.check_time()
        aside = record.index in put_aside and not spec.agent_text
        pieces: list[str] | None = None
        for node in _agent_texts(spec, record):
            is_among = aside and _stands_after(firsts, _ref(node, 0, len(node.value)))
            gap: list[tuple[int, str]] = []
            for offset, line in _lines(node.value):
                budget.spend()
                visible = line.strip()
                if aside:
                    if visible not in known and visible not in skipped_seen:
                        skipped_seen.add(visible)
                        left = asides.setdefault(record.index, Aside())
                        left.characters += len(visible)
                        left.among += len(visible) * is_among
                        left.text = f"{left.text}{visible}\n" if len(left.text) < LONGEST_ASIDE else left.text
                    continue
                if visible in known:
                    share = len(visible)
                else:
                    pieces = _pieces(own[record.index], pieces_of) if pieces is None else pieces
                    budget.spend(len(pieces) // 4)
                    share = _shared(visible, pieces)
                    if share < len(visible) and _is_piece(visible, own[record.index], whole_of, budget):
                        share = len(visible)
                if share * 2 < len(visible) and _framed(visible) in frames[record.source]:
                    continue
                if visible not in seen:
                    seen.add(visible)
                    total += len(visible)
                    held += share
                if share * 2 < len(visible):
                    gap.append((offset, line))
                elif gap:
                    uncovered.append(_uncovered(node, gap))
                    gap = []
            if gap:
                uncovered.append(_uncovered(node, gap))
            if len(uncovered) > 10 * MOST_UNCOVERED:
                uncovered = _largest(uncovered)
    skipped, among = sum(one.characters for one in asides.values()), sum(one.among for one in asides.values())
    whole = held / total if total else None
    return Coverage(tuple(_largest(uncovered)), whole, held, total, skipped, among, asides)


def _frames(spec: ExtractorSpec, records: Sequence[Record]) -> dict[str, set[str]]:
    """By source the lines, without their numbers, that many of its records hold."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    sizes: Counter[str] = Counter()
    for record in records:
        record.context.budget.check_time()
        lines = {
            _framed(line.strip())
            for node in _agent_texts(spec, record)
            for _, line in _lines(node.value)
            if len(line) <= LONGEST_FRAME
        }
        sizes[record.source] += bool(lines)
        found[record.source].update(lines)
    least = {source: max(FRAME_RECORDS, size * FRAME_SHARE) for source, size in sizes.items()}
    return {source: {line for line, number in found[source].items() if number >= least[source]} for source in sizes}


_NUMBER = re.compile(r"\d+")


def _framed(line: str) -> str:
    return _NUMBER.sub("0", line)


def _first_steps(trajectory: Trajectory) -> dict[str, SourceRef]:
    """By file the place of the first step that stands in it."""
    firsts: dict[str, SourceRef] = {}
    for step in trajectory.steps:
        if step.action_ref is not None:
            firsts.setdefault(step.action_ref.path, step.action_ref)
    return firsts


def _stands_after(firsts: dict[str, SourceRef], ref: SourceRef) -> bool:
    """Does it stand in a file of steps, after the first one? In a JSON file only a later item of the same list does:
    of other fields the order says nothing."""
    first = firsts.get(ref.path)
    if first is None:
        return False
    if ref.kind != "json" or first.kind != "json":
        return ref.line_start > first.line_start
    pairs = zip((ref.pointer or "").split("/"), (first.pointer or "").split("/"), strict=False)
    own, other = next(((one, two) for one, two in pairs if one != two), ("", ""))
    return own.isdecimal() and other.isdecimal() and int(own) > int(other)


def _largest(uncovered: list[Uncovered]) -> list[Uncovered]:
    """The longest ones, in the order in which they stand."""
    kept = sorted(range(len(uncovered)), key=lambda at: -len(uncovered[at].text))[:MOST_UNCOVERED]
    return [uncovered[at] for at in sorted(kept)]


def _held_lines(trajectory: Trajectory) -> set[str]:
    texts = [trajectory.task_text or ""]
    for step in trajectory.steps:
        texts += [step.action, step.observation or "", step.thought or ""]
        if step.tool is not None:
            texts += _strings(step.tool.arguments)
    return {line.strip() for text in texts for line in text.splitlines()}


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict):
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)


def _texts_of(draft: Draft) -> list[str]:
    quotes = [quote.text for quote in (*draft.thoughts, *draft.observations)]
    arguments = list(_strings(draft.tool.arguments)) if draft.tool is not None else []
    return [draft.action, *quotes, *arguments]


def _pieces(drafts: dict[int, Draft], known: dict[int, list[str]]) -> list[str]:
    """Lines of these steps that may stand within a longer line, longest first. ``known`` keeps them by step."""
    for name, draft in drafts.items():
        if name not in known:
            lines = {line.strip() for text in _texts_of(draft) for line in text.splitlines() if len(line) <= 2_000}
            known[name] = sorted((line for line in lines if len(line) > 2), key=len, reverse=True)[:MOST_PIECES]
    found = {piece for name in drafts for piece in known[name]}
    return sorted(found, key=len, reverse=True)[:MOST_PIECES]


def _shared(line: str, pieces: list[str]) -> int:
    """How many characters of a line are pieces that a step of its record holds."""
    found = 0
    rest = line
    for piece in pieces:
        if len(piece) <= len(rest) and piece in rest:
            found += len(piece)
            rest = rest.replace(piece, "\0", 1)
    return min(found, len(line))


@dataclass
class _Whole:
    """A text that may have come in pieces, and behind which of its characters the next one is to be looked for."""

    text: str
    done: int = 0

    def holds(self, piece: str, budget: Budget) -> bool:
        """Pieces are asked for in their order: of a long text only what comes next is searched."""
        end = self.done + len(piece) + NEXT_PIECE
        found = self.text.find(piece, self.done, end)
        budget.spend(1 + (len(piece) + NEXT_PIECE) // 100)
        if found < 0 and len(self.text) <= NEXT_PIECE:
            found = self.text.find(piece)
        self.done = found + len(piece) if found >= 0 else self.done
        return found >= 0


def _is_piece(line: str, drafts: dict[int, Draft], known: dict[int, list[_Whole]], budget: Budget) -> bool:
    """Is it part of what a step of its record says, which came in pieces? ``known`` keeps what each step says."""
    for name, draft in drafts.items():
        if name not in known:
            said = (draft.action, together(draft.thoughts)[0], together(draft.observations)[0])
            known[name] = [_Whole(text) for text in said if text]
        if any(whole.holds(line, budget) for whole in known[name]):
            return True
    return False


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with something to read, each with its offset."""
    offset = 0
    for line in text.split("\n"):
        if line.strip():
            yield offset, line
        offset += len(line) + 1


def _agent_texts(spec: ExtractorSpec, record: Record) -> Iterator[Node]:
    """The agent's texts in one record."""
    if not spec.agent_text:
        yield from _all_texts(record.node, record.context.budget)
        return
    for rule in spec.agent_text:
        if rule.sources and record.source not in rule.sources:
            continue
        if rule.when is not None and not holds(rule.when, record.node, record.context):
            continue
        found = take(rule.value, record.node, record.context)
        if isinstance(found.value, str):
            text = text_of(found, record.context.budget)
            yield Node(text, found.document, found.pointer, found.parts)
        else:
            yield from _all_texts(found, record.context.budget)


def _all_texts(node: Node, budget: Budget) -> Iterator[Node]:
    """Every text of at least two words in a value; of a record of text the text as a whole."""
    if isinstance(node.parts, dict) and isinstance(node.document, Stretch):
        yield Node(node.document.file.text[node.document.start : node.document.end], node.document)
        return
    waiting = [node]
    while waiting:
        found = waiting.pop()
        budget.spend()
        if isinstance(found.value, str):
            if (inner := _inner_json(found, budget)) is not None:
                waiting.append(inner)
            elif " " in found.value.strip() or "\n" in found.value.strip():
                yield found
        elif isinstance(found.value, dict):
            waiting.extend([found.child(name) for name in found.value][::-1])
        elif isinstance(found.value, list):
            waiting.extend(found.items()[::-1])


def _inner_json(node: Node, budget: Budget) -> Node | None:
    """What a text says that is JSON of an object or list: its frame is nobody's words."""
    text = node.value.strip()
    if text[:1] + text[-1:] not in ("{}", "[]"):
        return None
    budget.count("values", sum(map(text.count, "{[,")))
    try:
        return node.inside(json.loads(text, strict=False))
    except (ValueError, RecursionError):
        return None


def _uncovered(node: Node, gap: list[tuple[int, str]]) -> Uncovered:
    text = "\n".join(line for _, line in gap)[:LONGEST_UNCOVERED]
    ref = _ref(node, gap[0][0], gap[-1][0] + len(gap[-1][1]))
    return Uncovered(ref.path, ref.line_start, ref.line_end, text)


def _ref(node: Node, start: int, end: int) -> SourceRef:
    document = node.document
    if document is None:
        return SourceRef(path="", line_start=1, line_end=1)
    if isinstance(document, Stretch) and document.end - document.start == len(node.value):
        return Stretch(document.file, document.start + start, document.start + end).ref()
    return document.ref(*node.pointer)
