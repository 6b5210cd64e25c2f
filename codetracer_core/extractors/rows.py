"""The rows of a table in a text file (CSV, TSV), each cell with the lines on which it stands."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from codetracer_core.errors import UnreadableFile
from codetracer_core.extractors.limits import Budget
from codetracer_core.extractors.nodes import Node, Stretch, TextFile, mapping_of
from codetracer_core.extractors.schema_sources import Source

TABLES = (".csv", ".tsv", ".tab")
"""Endings of files that hold tables."""
_DELIMITERS = ",;\t|"


def rows_in(file: TextFile, source: Source, budget: Budget, notes: list[str]) -> Iterator[tuple[Node, int]]:
    """Each row with its line (1-based), as a mapping of the names in the first row (or ``columns``) to its cells.

    An empty cell is no field; an empty text in quotes is one. Lines without a cell are no rows. Raises UnreadableFile
    for a quote that never closes, or (``damaged: skip``) passes over its line and says so in ``notes``.
    """
    reader = _Rows(file, source.delimiter or delimiter_of(file.path, file.text), source, budget, notes)
    told: Sequence[str] | None = source.columns or None
    names: list[str] = []
    for start, cells in reader.rows():
        if told is None:
            told = [str(cell.value or "").strip() for cell in cells]
            continue
        if len(names) < len(cells):
            names = column_names(told, max(len(told), len(cells)))
        named = zip(names, cells, strict=False)
        yield mapping_of({name: cell for name, cell in named if cell.is_there}), file.line_of(start)


def column_names(names: Sequence[str], size: int) -> list[str]:
    """A name for each of ``size`` cells: ``column_3`` where there is none, or one that an earlier cell has."""
    told: dict[str, None] = {}
    for at in range(size):
        name = names[at] if at < len(names) else ""
        told[name if name and name not in told else f"column_{at + 1}"] = None
    return list(told)


def delimiter_of(path: str, text: str) -> str:
    """What stands between cells, told by the ending of the file, else by what its first line holds most of."""
    if PurePosixPath(path).suffix.lower() in (".tsv", ".tab"):
        return "\t"
    first = text.lstrip("\n").partition("\n")[0]
    return max(_DELIMITERS, key=first.count)


class _Rows:
    """One pass through the text of a table."""

    def __init__(self, file: TextFile, delimiter: str, source: Source, budget: Budget, notes: list[str]) -> None:
        self.file, self.text, self.delimiter = file, file.text, delimiter
        self.source, self.budget, self.notes = source, budget, notes
        self._line = (0, -1)

    def rows(self) -> Iterator[tuple[int, list[Node]]]:
        """Each row that has a cell: where it begins (0-based offset), and its cells."""
        at = int(self.text.startswith("\ufeff"))
        while at < len(self.text):
            start, cells = at, []
            try:
                while True:
                    cell, at = self._cell(at)
                    cells.append(cell)
                    if at >= len(self.text) or self.text[at] == "\n":
                        break
                    at += 1
            except UnreadableFile as error:
                if self.source.damaged == "last":
                    raise
                self.notes.append(str(error))
                at = self._line_end(start)
            else:
                if any(cell.is_there for cell in cells):
                    yield start, cells
            at += 1

    def _cell(self, start: int) -> tuple[Node, int]:
        """The cell that begins here, and where it ends: at a delimiter, a line's end, or the end of the text."""
        self.budget.spend()
        self.budget.count("values")
        if self.source.quoted and self.text.startswith('"', start):
            closed = self._closed(start)
            after = closed + 1 + self.text.startswith("\r", closed + 1)
            if after >= len(self.text) or self.text[after] in (self.delimiter, "\n"):
                written = self.text[start + 1 : closed]
                return Node(written.replace('""', '"'), Stretch(self.file, start + 1, closed)), after
        end = self._line_end(start)
        found = self.text.find(self.delimiter, start, end)
        stop = found if found >= 0 else end
        written = self.text[start : stop - (found < 0 and self.text.endswith("\r", start, stop))]
        if not written:
            return Node(None), stop
        return Node(written, Stretch(self.file, start, start + len(written))), stop

    def _closed(self, start: int) -> int:
        """Where the quote that opens here closes; a doubled one stands for itself."""
        at = start + 1
        while (found := self.text.find('"', at)) >= 0:
            self.budget.spend(1 + (found - at) // 100)
            if not self.text.startswith('"', found + 1):
                return found
            at = found + 2
        self.budget.spend(1 + (len(self.text) - at) // 100)
        raise UnreadableFile(
            "a quote opens here and never closes",
            path=self.budget.file,
            place=f"line {self.file.line_of(start)}",
            remedy="Get a complete copy, or let the spec pass over such lines (damaged: skip), or take quotes as they "
            "are (quoted: false).",
        )

    def _line_end(self, start: int) -> int:
        """Where the line ends on which this stands. Kept, because a line may have a million cells."""
        if not self._line[0] <= start <= self._line[1]:
            end = self.text.find("\n", start)
            self._line = (start, end if end >= 0 else len(self.text))
        return self._line[1]
