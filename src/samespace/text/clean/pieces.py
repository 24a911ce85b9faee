"""What every reader of a format yields, and how it becomes text and blocks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from samespace.text.clean.unicode import fold, normalize
from samespace.types import Block, BlockKind, MetadataValue

_BLANK_EDGES = re.compile(r"\A(?:[^\S\n]*\n)+")
MAX_LABEL = 200
"""A label longer than this is cut at a word: it names a section and is repeated in each chunk."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One block before it has a place: its kind and its text."""

    kind: BlockKind
    text: str
    level: int = 0
    label: str = ""


@dataclass(slots=True)
class Content:
    """All that a reader found in one document."""

    pieces: list[Piece] = field(default_factory=list)
    title: str = ""
    metadata: dict[str, MetadataValue] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)


def assemble(pieces: Iterable[Piece], dropped: Counter[str]) -> tuple[str, tuple[Block, ...]]:
    """Join the pieces by blank lines and return the text with the blocks that lie in it."""
    parts: list[str] = []
    blocks: list[Block] = []
    position = 0
    for piece in pieces:
        text = _tidy(piece, dropped)
        if not text:
            continue
        if parts:
            parts.append("\n\n")
            position += 2
        # A list keeps the indentation of its first line in the text, outside of the block.
        inset = len(text) - len(text.lstrip()) if piece.kind == "list" else 0
        label = _shorten(fold(normalize(piece.label))) if piece.label else ""
        blocks.append(Block(position + inset, position + len(text), piece.kind, piece.level, label))
        parts.append(text)
        position += len(text)
    return "".join(parts), tuple(blocks)


def trim_code(text: str) -> str:
    """Return code without blank lines before and whitespace after it; its indentation stays."""
    return _BLANK_EDGES.sub("", text).rstrip()


def _tidy(piece: Piece, dropped: Counter[str]) -> str:
    if piece.kind in ("code", "definition"):
        return trim_code(normalize(piece.text, dropped, spaces=False))
    text = normalize(piece.text, dropped)
    lines = text.split("\n")
    if text is not piece.text:
        # What was removed may have stood between two spaces, or alone on its line.
        lines = [_indentation(line) + fold(line) for line in lines]
    tidy = str.rstrip if piece.kind == "list" else str.strip
    return "\n".join(filter(None, map(tidy, lines)))


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]


def _shorten(label: str) -> str:
    if len(label) <= MAX_LABEL:
        return label
    cut = label.rfind(" ", MAX_LABEL // 2, MAX_LABEL)
    return label[: cut if cut > 0 else MAX_LABEL]
