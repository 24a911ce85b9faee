"""The sections of a cleaned document, and where its text may not be cut at all."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterator

from samespace.errors import InputError
from samespace.types import Block, Document

__all__ = ["OPENING", "Outline", "inside_clusters", "normal"]

OPENING = ("heading", "definition")
"""The kinds of block that open a section."""

BLANK_LINE = re.compile(r"\n\s*\n")
# What joins its neighbour into one user-perceived character (UAX 29). A text without any of
# these has no cluster of several code points but the line end \r\n.
JOINING = (
    r"[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}\p{GCB=Prepend}\p{GCB=RI}"
    r"\p{GCB=L}\p{GCB=V}\p{GCB=T}\p{GCB=LV}\p{GCB=LVT}]"
)


class Outline:
    """The blocks of a document with the path of labels in which each lies.

    `paths[k]` is the heading path of block k, its own label included where it opens a section;
    `sections[k]` is the index of the block that opened the section of block k, or -1.
    """

    def __init__(self, document: Document) -> None:
        self.text = document.text
        self.blocks = document.blocks or tuple(_paragraphs(document.text))
        _check(document.id, self.blocks, len(document.text))
        self.paths: list[tuple[str, ...]] = []
        self.sections: list[int] = []
        self._open_sections()
        self._starts = [block.start for block in self.blocks]
        self._openers = [number for number in range(len(self.blocks)) if self.opens(number)]
        self._opener_starts = [self.blocks[number].start for number in self._openers]

    def opens(self, block: int) -> bool:
        """Return whether block number `block` opens a section."""
        return self.blocks[block].kind in OPENING

    def level(self, block: int) -> int:
        """Return the depth of the section that the block opens, from 1."""
        return max(1, self.blocks[block].level)

    def block_at(self, offset: int) -> int:
        """Return the number of the block that holds the offset, or the last one before it."""
        return max(0, bisect_right(self._starts, offset) - 1)

    def first_heading(self, start: int, end: int) -> str:
        """Return the label of the first section that opens in text[start:end], or ""."""
        place = bisect_left(self._opener_starts, start)
        if place < len(self._openers) and self._opener_starts[place] < end:
            return self.blocks[self._openers[place]].label
        return ""

    @property
    def flat(self) -> bool:
        """Whether no section starts behind the first block."""
        return not any(self.opens(block) for block in range(1, len(self.blocks)))

    def _open_sections(self) -> None:
        stack: list[tuple[int, int]] = []
        for number in range(len(self.blocks)):
            if self.opens(number):
                while stack and stack[-1][0] >= self.level(number):
                    stack.pop()
                stack.append((self.level(number), number))
            labels = (normal(self.blocks[opener].label) for _, opener in stack)
            self.paths.append(tuple(label for label in labels if label))
            self.sections.append(stack[-1][1] if stack else -1)


def normal(label: str) -> str:
    """Return a label or a title on one line."""
    return " ".join(label.split())


def inside_clusters(text: str) -> Container[int]:
    """Return the offsets that lie within a grapheme cluster of several code points."""
    import regex

    if text.isascii() or not regex.search(JOINING, text):
        return ()
    return {
        offset
        for match in regex.finditer(r"\X", text)
        for offset in range(match.start() + 1, match.end())
    }


def _paragraphs(text: str) -> Iterator[Block]:
    """Infer the blocks of a document that has none: paragraphs, ended by blank lines."""
    start = 0
    for gap in [*(match.span() for match in BLANK_LINE.finditer(text)), (len(text), len(text))]:
        part = text[start : gap[0]]
        if part and not part.isspace():
            lead = len(part) - len(part.lstrip())
            yield Block(start + lead, start + len(part.rstrip()), "paragraph")
        start = gap[1]


def _check(document: str, blocks: tuple[Block, ...], length: int) -> None:
    """Refuse blocks that are not sorted spans of the text."""
    end = 0
    for block in blocks:
        if not end <= block.start <= block.end <= length:
            raise InputError(
                f"document {document!r}: blocks must be sorted, must not overlap and must lie "
                f"within the text (0 to {length}); seen {block.kind} {block.start} to "
                f"{block.end} after one that ends at {end}"
            )
        end = block.end
