"""Wording of the notes that a parser leaves for the reader."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence


def counted(number: int, one: str, many: str = "") -> str:
    """``1 reply was`` or ``3 replies were``; ``many`` is ``one`` with an s if it is not given."""
    return f"1 {one}" if number == 1 else f"{number:,} {many or one + 's'}"


def tally(names: Iterable[str]) -> str:
    """Names with their numbers, as in "2 message, 1 system"."""
    return ", ".join(f"{count} {name}" for name, count in sorted(Counter(names).items()))


def oddities(words: Mapping[str, str], counts: Mapping[str, int]) -> list[str]:
    """A sentence for each kind that was counted, in the order of ``words``."""
    return [f"{told}: {counts[kind]}." for kind, told in words.items() if counts.get(kind)]


def skipped_lines(problems: Sequence[str]) -> list[str]:
    """What ``Artifacts.read_jsonl`` could not read, as one sentence or none."""
    return [f"Lines that cannot be read, skipped: {len(problems)} (first: {problems[0]})."] if problems else []
