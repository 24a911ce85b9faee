"""Turns a walk over any markup tree into pieces.

HTML, Markdown and reStructuredText differ in syntax and agree in structure, so their readers
only say what opens and closes; how lists, tables and quotes look as text is decided here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from samespace.text.clean.pieces import Content, Piece, trim_code
from samespace.text.clean.unicode import fold

_BREAK = "\v"
_MAX_INDENT = 12
ListKind = Literal["bullet", "ordered", "terms"]


@dataclass(slots=True)
class _List:
    kind: ListKind
    number: int = 1
    marker: str = ""
    terms: list[str] = field(default_factory=list)
    in_term: bool = False


class Builder:
    """Collects text between the opening and closing of blocks; `finish` returns the content."""

    def __init__(self) -> None:
        self.content = Content()
        self._inline: list[str] = []
        self._lists: list[_List] = []
        self._lines: list[str] = []
        self._quotes = 0
        self._tables = 0
        self._cells_open = 0
        self._rows: list[list[str]] = []
        self._cell: list[str] | None = None

    @property
    def dropped(self) -> Counter[str]:
        """Characters removed so far, by kind."""
        return self.content.dropped

    def text(self, text: str) -> None:
        """Add words to the open paragraph."""
        self._inline.append(text)

    def line_break(self) -> None:
        """Break the line inside a paragraph, as an author asked for it; two end the paragraph."""
        if self._cell is None and not self._lists:
            if self._inline and self._inline[-1] == _BREAK:
                self.flush()
            elif self._inline:
                self._inline.append(_BREAK)
        else:
            self._inline.append(" ")

    def last_character(self) -> str:
        """Return the last character of the open paragraph, or ""."""
        return self._inline[-1][-1:] if self._inline else ""

    def flush(self) -> None:
        """End the open paragraph."""
        if not self._inline:
            return
        raw = "".join(self._inline)
        self._inline.clear()
        text = "\n".join(filter(None, map(fold, raw.split(_BREAK))))
        if not text:
            return
        if self._cell is not None:
            self._cell.append(text)
        elif self._lists:
            self._list_line(text)
        else:
            self._add(Piece("quote" if self._quotes else "paragraph", text))

    def heading(self, level: int) -> None:
        """Close the open paragraph as a heading."""
        text = fold("".join(self._inline).replace(_BREAK, " "))
        self._inline.clear()
        if not text:
            return
        if self._cell is not None:
            self._cell.append(text)
            return
        self._break_list()
        self._add(Piece("heading", text, min(max(level, 1), 6), text))

    def code(self, text: str) -> None:
        """Add a block of code as it stands."""
        self.flush()
        if self._cell is not None:
            self._cell.append(fold(text))
            return
        code = trim_code(text)
        if code:
            self._break_list()
            self._add(Piece("code", code))

    def open_quote(self) -> None:
        """Begin a quote; its paragraphs are blocks of their own."""
        self.flush()
        self._quotes += 1

    def close_quote(self) -> None:
        """End the innermost quote."""
        self.flush()
        self._quotes = max(0, self._quotes - 1)

    def open_list(self, kind: ListKind, start: int = 1) -> None:
        """Begin a list, inside of the open item if there is one."""
        self.flush()
        self._lists.append(_List(kind, start))

    def close_list(self) -> None:
        """End the innermost list."""
        self.flush()
        if self._lists:
            self._terms_alone(len(self._lists) - 1)
            self._lists.pop()
        if not self._lists:
            self._break_list()

    def open_item(self, number: int | None = None) -> None:
        """Begin an item; `number` overrides the count."""
        self.flush()
        if not self._lists:
            return
        current = self._lists[-1]
        if number is not None:
            current.number = number
        current.marker = f"{current.number}. " if current.kind == "ordered" else "- "
        current.number += 1

    def close_item(self) -> None:
        """End the item."""
        self.flush()
        if self._lists:
            self._lists[-1].marker = ""

    def open_term(self) -> None:
        """Begin a term; several may share a definition."""
        self.flush()
        if self._lists:
            self._lists[-1].in_term = True

    def close_term(self) -> None:
        """End the term."""
        self.flush()
        if self._lists:
            self._lists[-1].in_term = False

    def open_definition(self) -> None:
        """Begin the definition of the terms before it."""
        self.close_term()

    def close_definition(self) -> None:
        """End the definition."""
        self.flush()
        if self._lists:
            self._terms_alone(len(self._lists) - 1)

    def open_table(self) -> None:
        """Begin a table; one inside of a cell becomes words of the cell."""
        self.flush()
        if self._cell is None:
            self._break_list()
        self._tables += 1

    def open_row(self) -> None:
        """Begin a row of the outermost table."""
        self.flush()
        if self._tables == 1:
            self._rows.append([])

    def open_cell(self) -> None:
        """Begin a cell of the row, or of a first row."""
        self.flush()
        self._cells_open += 1
        if self._tables == 1 and self._cells_open == 1:
            if not self._rows:
                self._rows.append([])
            self._cell = []

    def close_cell(self) -> None:
        """End the cell."""
        self.flush()
        self._cells_open = max(0, self._cells_open - 1)
        if self._cells_open == 0 and self._cell is not None:
            self._rows[-1].append(" ".join(self._cell).replace("\n", " "))
            self._cell = None

    def close_table(self) -> None:
        """End the table and add it as one block."""
        self.flush()
        self._tables = max(0, self._tables - 1)
        if self._tables:
            return
        if self._cell is not None:
            self._cells_open = 1
            self.close_cell()
        self._cells_open = 0
        lines = [" | ".join(row).strip() for row in self._rows if any(row)]
        self._rows = []
        if lines:
            self._add(Piece("table", "\n".join(fold(line) for line in lines)))

    def take(self, pieces: list[Piece]) -> None:
        """Add finished pieces of another reader, here."""
        self.flush()
        for piece in pieces:
            if self._cell is not None:
                self._cell.append(fold(piece.text))
            elif self._lists and piece.kind == "paragraph":
                self._list_line(fold(piece.text))
            else:
                self._break_list()
                self._add(piece)

    def mark(self) -> int:
        """Close what is open and return how many pieces there are."""
        self.flush()
        if self._cell is None:
            self._break_list()
        return len(self.content.pieces)

    def finish(self) -> Content:
        """Close all that is still open and return the content."""
        self.flush()
        if self._tables:
            self._tables = 1
            self.close_table()
        while self._lists:
            self.close_list()
        return self.content

    def _add(self, piece: Piece) -> None:
        self.content.pieces.append(piece)

    def _list_line(self, text: str) -> None:
        text = text.replace("\n", " ")
        depth = len(self._lists) - 1
        current = self._lists[-1]
        if current.in_term:
            current.terms.append(text)
            return
        for outer in range(depth):
            self._terms_alone(outer)
            self._lists[outer].marker = ""
        if current.terms:
            term = ", ".join(current.terms)
            current.terms.clear()
            separator = " " if term.endswith((":", "::")) else ": "
            self._lines.append(self._indent(depth) + term + separator + text)
        elif current.marker:
            self._lines.append(self._indent(depth) + current.marker + text)
            current.marker = ""
        else:
            self._lines.append(self._indent(depth + 1) + text)

    def _terms_alone(self, depth: int) -> None:
        """Write the terms that have no words of their own, so that they are not lost."""
        current = self._lists[depth]
        if current.terms:
            self._lines.append(self._indent(depth) + ", ".join(current.terms))
            current.terms.clear()

    def _break_list(self) -> None:
        for depth in range(len(self._lists)):
            self._terms_alone(depth)
        if self._lines:
            self._add(Piece("list", "\n".join(self._lines)))
            self._lines = []

    @staticmethod
    def _indent(depth: int) -> str:
        # Bounded, or a list nested a hundred thousand deep would be written in gigabytes.
        return "  " * min(depth, _MAX_INDENT)
