"""The pieces that a text is put together from: rows, items, lines, sentences, and finer ones."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from samespace.text.chunk.outline import Outline
from samespace.text.sentences import sentences
from samespace.types import Block

__all__ = ["NEVER", "Cut", "Piece", "Stage", "block_cuts", "finer", "pieces"]

NEVER = 1_000
"""The level of a piece that opens no section: deeper than any heading."""


class Cut(IntEnum):
    """What a cut before a piece separates, from the most welcome to the least."""

    SECTION = 0
    BLOCK = 1
    ITEM = 2
    LEAD = 3
    SENTENCE = 4
    LINE = 5
    CLAUSE = 6
    WORD = 7
    PART = 8
    CLUSTER = 9
    POINT = 10


class Stage(IntEnum):
    """How far a piece has been cut up; each stage is finer than the one before."""

    WHOLE = 0
    LINES = 1
    PHRASES = 2
    WORDS = 3
    PART_GROUPS = 4
    PARTS = 5
    CLUSTER_GROUPS = 6
    CLUSTERS = 7
    POINTS = 8


@dataclass(slots=True)
class Piece:
    """text[start:end], with the white space behind it, and what a cut before it would separate.

    `weight` is its tokens, `room` what a chunk that starts with it may weigh, `limit` what it
    may weigh itself. `level` is the depth of the section it opens, `crossing` the price of
    keeping it in one chunk with what lies before. `first` and `stop` leave out white space
    that exceeds every budget.
    """

    start: int
    end: int
    cut: Cut
    block: int
    level: int = NEVER
    weight: float = 0.0
    room: float = 0.0
    limit: float = 0.0
    crossing: float = 0.0
    glued: bool = False
    stage: Stage = Stage.WHOLE
    first: int = field(default=-1)
    stop: int = field(default=-1)

    def __post_init__(self) -> None:
        if self.first < 0:
            self.first = self.start
        if self.stop < 0:
            self.stop = self.end

    @property
    def opening(self) -> bool:
        """Whether this piece begins with the heading that opens its section."""
        return self.level != NEVER


BLANK = re.compile(r"\n[^\S\n]*\n\s*")
LINE = re.compile(r"\n\s*")
# Bullets, "1." "a)" "(iv)" "#." at the start of a line.
ITEM = re.compile(
    r"^[^\S\n]*(?:[-*+•‣◦▪–]|\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})[.)]|#\.)[^\S\n]", re.M
)
WORD = re.compile(r"\S+\s*")
CLAUSE_END = (",", ";", ":", "|", "—", "–", "、", "，", "；", "：", "،", "؛")


def pieces(outline: Outline, language: str, inside: Container[int]) -> list[Piece]:
    """Return the pieces of a text, which they partition; no weights yet.

    A cut lies before a character that is not white space and never within a grapheme cluster.
    """
    text = outline.text
    found: list[Piece] = []
    for number, block in enumerate(outline.blocks):
        opens = outline.opens(number)
        for offset, cut in block_cuts(outline, number, language):
            start = _skip(text, offset)
            if start >= len(text) or (found and start <= found[-1].start) or start in inside:
                continue
            starts_block = offset == block.start
            level = outline.level(number) if opens and starts_block else NEVER
            found.append(Piece(start, start, cut, number, level))
    if not found:
        found.append(Piece(0, len(text), Cut.BLOCK, 0))
    found[0].start = 0
    for piece, following in zip(found, [*found[1:], None], strict=True):
        piece.end = following.start if following else len(text)
        piece.first, piece.stop = piece.start, piece.end
    return found


def finer(
    text: str, piece: Piece, stage: Stage, grain: int, inside: Container[int]
) -> list[tuple[int, Cut]]:
    """Return the cuts within a piece at a stage, the start of the piece first.

    In the stages of groups, neighbours are left together up to `grain` characters, so that a
    text of millions of words or characters is not counted one by one.
    """
    part = text[piece.start : piece.end]
    marks: Iterable[tuple[int, Cut]]
    if stage == Stage.LINES:
        marks = ((match.end(), Cut.LINE) for match in LINE.finditer(part))
    elif stage == Stage.PHRASES:
        marks = _thin(_words(part), grain)
    elif stage == Stage.WORDS:
        marks = _words(part)
    elif stage == Stage.PART_GROUPS:
        marks = _thin(_parts(part), grain)
    elif stage == Stage.PARTS:
        marks = _parts(part)
    elif stage == Stage.CLUSTER_GROUPS:
        marks = ((offset, Cut.CLUSTER) for offset in range(grain, len(part), grain))
    else:
        cut = Cut.POINT if stage == Stage.POINTS else Cut.CLUSTER
        marks = ((offset, cut) for offset in range(len(part)))
    found = [(piece.start, piece.cut)]
    # Before the first cut there must be something to embed.
    last = _skip(text, piece.start)
    for mark, cut in marks:
        offset = piece.start + mark
        while offset < piece.end and (
            text[offset].isspace() or (stage != Stage.POINTS and offset in inside)
        ):
            offset += 1
        if last < offset < piece.end:
            found.append((offset, cut))
            last = offset
    return found


def block_cuts(outline: Outline, number: int, language: str) -> Iterator[tuple[int, Cut]]:
    """Yield the cuts of one block: its start, then those within."""
    block = outline.blocks[number]
    text = outline.text
    yield block.start, _before(outline, number)
    part = text[block.start : block.end]
    if block.kind in ("paragraph", "quote"):
        inner = _sentences(part, language)
    elif block.kind == "list":
        inner = _items(part, language)
    elif block.kind == "table":
        inner = [(match.end(), Cut.ITEM) for match in LINE.finditer(part)]
    elif block.kind == "heading":
        inner = []
    else:
        inner = _code(part)
    for offset, cut in inner:
        yield block.start + offset, cut


def _before(outline: Outline, number: int) -> Cut:
    """Return what the start of a block separates."""
    if outline.opens(number) or number == 0:
        return Cut.SECTION
    previous = outline.blocks[number - 1]
    here = outline.blocks[number]
    leads = previous.kind == "paragraph" and here.kind in ("list", "table", "code", "quote")
    if leads and _last(outline.text, previous) in (":", "："):
        return Cut.LEAD
    return Cut.BLOCK


def _last(text: str, block: Block) -> str:
    return text[block.start : block.end].rstrip()[-1:]


def _sentences(part: str, language: str) -> list[tuple[int, Cut]]:
    return [(start, Cut.SENTENCE) for start, _ in sentences(part, language)[1:]]


def _items(part: str, language: str) -> list[tuple[int, Cut]]:
    """Cut a list before its items; those of a list within the list count as lines."""
    starts = [match.start() for match in ITEM.finditer(part)]
    if not starts:
        return [(match.end(), Cut.ITEM) for match in LINE.finditer(part)]
    indents = [_skip(part, start) - start for start in starts]
    outer = min(indents[1:], default=0)  # the block starts behind the first item's indent
    cuts: list[tuple[int, Cut]] = []
    for start, indent, end in zip(starts, indents, [*starts[1:], len(part)], strict=True):
        cuts.append((start, Cut.ITEM if indent <= outer else Cut.LINE))
        mark = ITEM.match(part, start)
        body = mark.end() if mark else start
        cuts += [(body + offset, cut) for offset, cut in _sentences(part[body:end], language)]
    return cuts if starts[0] == 0 else [*_sentences(part[: starts[0]], language), *cuts]


def _code(part: str) -> list[tuple[int, Cut]]:
    """Cut code between its lines, best at blank ones."""
    blank = {match.end() for match in BLANK.finditer(part)}
    ends = (match.end() for match in LINE.finditer(part))
    return [(end, Cut.ITEM if end in blank else Cut.LINE) for end in ends]


def _words(part: str) -> Iterator[tuple[int, Cut]]:
    """Yield the starts of words, as separated by white space."""
    clause = False
    for match in WORD.finditer(part):
        yield match.start(), Cut.CLAUSE if clause else Cut.WORD
        clause = match.group().rstrip().endswith(CLAUSE_END)


def _parts(part: str) -> Iterator[tuple[int, Cut]]:
    """Yield the word boundaries of UAX 29: within "a-b/c", between ideographs."""
    import regex

    for match in regex.finditer(r"(?w)\b", part):
        offset = match.start()
        clause = offset > 0 and part[offset - 1] in CLAUSE_END
        yield offset, Cut.CLAUSE if clause else Cut.PART


def _thin(marks: Iterable[tuple[int, Cut]], grain: int) -> Iterator[tuple[int, Cut]]:
    """Keep marks that lie `grain` characters apart, or half as many where a clause ends."""
    start = 0
    for offset, cut in marks:
        if offset - start >= (grain // 2 if cut == Cut.CLAUSE else grain):
            yield offset, cut
            start = offset


def _skip(text: str, offset: int) -> int:
    """Return the first offset from `offset` on that is not white space."""
    while offset < len(text) and text[offset].isspace():
        offset += 1
    return offset
