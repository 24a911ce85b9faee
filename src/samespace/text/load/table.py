"""CSV and TSV: rows under a header, one after the other, whatever a stray quote does."""

from __future__ import annotations

import csv
import itertools
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from samespace.text.load.outcome import Rejected, oversized
from samespace.text.load.stream import Line, text_of

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_LINES = 1000
_SAMPLE_BYTES = 2**20
_READ_AGAIN = 2**28
"""How many bytes of one file are read anew because of wrong quotes, before it is given up."""


class Row(NamedTuple):
    """One row: the number of its first line, and its cells or the reason why it has none."""

    number: int
    cells: list[str] | Rejected


class Header:
    """The names of the columns, and where the text is."""

    def __init__(self, cells: list[str], text_field: str) -> None:
        self.names = _distinct(
            [cell.strip() or f"column {i}" for i, cell in enumerate(cells, start=1)]
        )
        self.has_text = text_field in self.names
        self._text = self.names.index(text_field) if self.has_text else 0

    def record(self, cells: list[str]) -> dict[str, Any] | Rejected:
        """Put the cells of a row under their names, empty ones left out, or refuse the row.

        It is refused if there are more cells than columns, or none in the text's column.
        """
        count = len(self.names)
        if any(cells[count:]) or len(cells) <= self._text:
            return Rejected(
                f"{len(cells)} cells, the header has {count}: a cell that holds the delimiter "
                "or a line break must be in quotes"
            )
        record: dict[str, Any] = {
            name: cell for name, cell in zip(self.names, cells, strict=False) if cell
        }
        record.setdefault(self.names[self._text], "")
        return record


def _distinct(names: list[str]) -> list[str]:
    """Number the columns whose name another one before them has: `tag`, `tag_2`, `tag_3`."""
    taken = set(names)
    seen: Counter[str] = Counter()
    distinct = []
    for name in names:
        seen[name] += 1
        unique = name
        if seen[name] > 1:
            while (unique := f"{name}_{seen[name]}") in taken:
                seen[name] += 1
            taken.add(unique)
        distinct.append(unique)
    return distinct


def rows(lines: Iterable[Line], kind: str, text_field: str, limit: int) -> Iterator[Row]:
    """Split the lines of a table into rows; the first is the header.

    A CSV file may also use semicolons, tabs or bars (told by its header). A TSV file whose
    lines all have the same number of tabs is split at line breaks and tabs only, because
    most programs write quotes into TSV as they are.

    Args:
        lines: of UTF-8 text.
        kind: "csv" or "tsv".
        text_field: the column that must be there.
        limit: bytes of one row.
    """
    iterator = iter(lines)
    sample: list[Line] = []
    taken = 0
    for line in iterator:
        sample.append(line)
        taken += line.length
        if len(sample) == _SAMPLE_LINES or taken > _SAMPLE_BYTES:
            break
    if len(sample) == 1 and sample[0].data and b"\r" in sample[0].data.rstrip(b"\r"):
        parts = sample[0].data.split(b"\r")  # lines as on old Macintoshes
        sample = [Line(i, part, len(part)) for i, part in enumerate(parts, start=1)]
    everything = itertools.chain(sample, iterator)
    if kind == "tsv" and _even(sample):
        yield from _plain_rows(everything, limit)
        return
    first = next((line.data for line in sample if line.data), b"")
    delimiter = "\t" if kind == "tsv" else _delimiter(text_of(first), text_field)
    yield from _quoted_rows(everything, delimiter, limit)


def _even(sample: list[Line]) -> bool:
    tabs = {line.data.count(b"\t") for line in sample if line.data and line.data.strip()}
    return len(tabs) == 1


def _plain_rows(lines: Iterable[Line], limit: int) -> Iterator[Row]:
    for line in lines:
        if line.data is None:
            yield Row(line.number, oversized(line.length, limit))
        elif line.data.strip():
            cells = text_of(line.data).rstrip("\r").split("\t")
            yield Row(line.number, [_unquoted(cell) for cell in cells])


def _unquoted(cell: str) -> str:
    """Take off quotes that enclose a cell and double the ones inside; leave any others."""
    inner = cell[1:-1]
    if len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return cell


def _delimiter(header: str, text_field: str) -> str:
    named = [d for d in _DELIMITERS if text_field in _cells(header, d)]
    if len(named) == 1:
        return named[0]
    return max(_DELIMITERS, key=lambda d: len(_cells(header, d)))


def _cells(header: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error:
        return []


class _Source:
    """Feeds lines to the csv reader, and knows which lines the row at hand is made of."""

    def __init__(self, lines: Iterable[Line], limit: int) -> None:
        self._lines = iter(lines)
        self._again: deque[Line] = deque()
        self._limit = limit
        self._size = 0
        self._read_again = 0
        self.row: list[Line] = []
        self.ended = False

    def __iter__(self) -> _Source:
        return self

    def __next__(self) -> str:
        line = self._next()
        if line is None:
            self.ended = True
            raise StopIteration
        self.row.append(line)
        self._size += line.length + 1
        if line.data is None or self._size > self._limit + 1:
            raise oversized(self._size, self._limit)
        return text_of(line.data) + "\n"

    def begin(self) -> None:
        """Forget the last row."""
        self.row = []
        self._size = 0
        self.ended = False

    def rewind(self) -> bool:
        """Give the lines after the row's first once more; false (and no more) if too often."""
        self._read_again += self._size
        if self._read_again > _READ_AGAIN:
            self._lines = iter(())
            self._again.clear()
            return False
        self._again.extendleft(reversed(self.row[1:]))
        return True

    def drain(self) -> None:
        """Go on to the end of a quoted cell that was too large."""
        quotes = sum(line.data.count(b'"') for line in self.row if line.data is not None)
        self.row = []
        while quotes % 2 and (line := self._next()) is not None:
            quotes += 0 if line.data is None else line.data.count(b'"')

    def _next(self) -> Line | None:
        return self._again.popleft() if self._again else next(self._lines, None)


def _quoted_rows(lines: Iterable[Line], delimiter: str, limit: int) -> Iterator[Row]:
    # The limit is one of the whole process: it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), min(limit, 2**31 - 1)))
    source = _Source(lines, limit)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        source.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _mended(source, delimiter, error)
        except Rejected as error:
            yield Row(source.row[0].number, error)
            source.drain()
        else:
            if cells:
                yield Row(source.row[0].number, cells)


def _mended(source: _Source, delimiter: str, error: csv.Error) -> Row:
    """Make the best of a row whose quotes are wrong.

    Within one line, quotes are taken as they stand. If the row has run over several lines, or
    to the end of the file, its first line has a quote too many, and the others are read anew.
    """
    first = source.row[0]
    if len(source.row) > 1 or source.ended:
        reason = "a quote that opens here is not closed properly"
        if not source.rewind():
            reason += "; there are too many of those, and the rest of the file is not read"
        return Row(first.number, Rejected(reason))
    try:
        line = text_of(first.data or b"")
        return Row(first.number, next(csv.reader([line], delimiter=delimiter)))
    except csv.Error:
        return Row(first.number, Rejected(f"broken row: {error}"))
