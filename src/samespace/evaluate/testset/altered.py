"""The altered corpus: documents as plain text, without the headings that became questions.

A question that is a heading of the text it searches finds itself. So the heading goes, wherever
it stands on a line of its own; the rest is written as plain text that is read back with the
same headings, lists and code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from samespace.text.clean import clean
from samespace.types import Block, Document

Phrase = tuple[str, ...]

_ITEM = re.compile(r"^(\d+)[.)]\s+")
_WORD = re.compile(r"\w+")
_MARKS = '=-~^"#'
LITTLE = 2
"""A line with so many words besides the asked ones, numbers not counted, says little else."""


@dataclass(frozen=True)
class Altered:
    """A document as written into the altered corpus.

    Attributes:
        title: "" where it was asked for.
        text: plain text, to be cleaned as such.
        spans: for each section asked for (its heading's block number) where its text starts
            and ends in the cleaned text, and the text itself; a section of which cleaning
            changes the words is not in it.
    """

    title: str
    text: str
    spans: Mapping[int, tuple[int, int, str]]


def phrase(text: str) -> Phrase:
    """Return the words of a heading or a line as they are compared, without leading numbers.

    >>> phrase("3.1. Why not a List?")
    ('why', 'not', 'a', 'list')
    """
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    first = next((place for place, word in enumerate(words) if not word.isdigit()), len(words))
    return tuple(words[first:])


def section_end(blocks: tuple[Block, ...], heading: int) -> int:
    """Return the number of the block behind the section that block `heading` opens."""
    for number in range(heading + 1, len(blocks)):
        block = blocks[number]
        if block.level and block.level <= blocks[heading].level:
            return number
    return len(blocks)


def says_little_else(line: str, asked: Iterable[Phrase]) -> bool:
    """Say whether a line is one of the phrases, with at most `LITTLE` words about it.

    >>> says_little_else("Title: Why not a list", [phrase("Why Not a List?")])
    True
    """
    words = phrase(line)
    for wanted in asked:
        size = len(wanted)
        for start in range(len(words) - size + 1):
            if words[start : start + size] == wanted:
                others = words[:start] + words[start + size :]
                if sum(not word.isdigit() for word in others) <= LITTLE:
                    return True
    return False


def alter(document: Document, headings: Iterable[int], *, title: bool) -> Altered:
    """Return a document without the headings, and the title, that are asked for.

    Args:
        document: cleaned, with its blocks.
        headings: the numbers of the blocks that are asked for.
        title: whether the title is asked for.
    """
    numbers = list(headings)
    asked = {phrase(document.blocks[number].label) for number in numbers}
    if title:
        asked.add(phrase(document.title))
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    at = 0
    for block in document.blocks:
        text = _written(document.text, block, asked)
        if text:
            parts.append(text)
            places.append((at, at + len(text)))
            at += len(text) + 2
        else:
            places.append((at, at))
    written = "\n\n".join(parts)
    name = "" if title else document.title
    spans: dict[int, tuple[int, int, str]] = {}
    if numbers:
        read = clean(Document(document.id, written, title=name)).text
        for number in numbers:
            last = section_end(document.blocks, number) - 1
            span = _located(written, read, places[number][0], places[last][1])
            if span:
                spans[number] = (*span, read[slice(*span)])
    return Altered(name, written, spans)


def _written(text: str, block: Block, asked: set[Phrase]) -> str:
    """Return a block as plain text in which it is recognized; "" if nothing of it is left."""
    start = block.start
    while start and text[start - 1] == " ":  # the first item of a list may be indented
        start -= 1
    lines = text[start : block.end].split("\n")
    kept = [line for line in lines if not (asked and says_little_else(line, asked))]
    if not "".join(kept).strip():
        return ""
    if block.kind == "heading" and len(kept) == 1:
        return _heading(kept[0].strip(), min(max(block.level, 1), len(_MARKS)))
    if block.kind in ("code", "definition"):
        return "\n".join(f"    {line}" if line else "" for line in kept)
    return "\n".join(kept)


@lru_cache(maxsize=4096)
def _heading(label: str, level: int) -> str:
    """Return a heading with a line below it, if plain text has such a heading.

    "1. Keys" is an item of a list there, "1 Keys" is not.
    """
    for shown in (label, _ITEM.sub(r"\1 ", label)):
        underlined = f"{shown}\n{_MARKS[level - 1] * max(3, len(shown))}"
        blocks = clean(Document("", underlined)).blocks
        if [(block.kind, block.label) for block in blocks] == [("heading", shown)]:
            return underlined
    return label


def _located(written: str, read: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the lines of the cleaned text that hold `written[start:end]`, or None.

    Cleaning plain text joins lines and drops marks; letters and digits it leaves alone, so
    the n-th of them is the n-th before and after.
    """
    before, inside = _letters(written[:start]), _letters(written[start:end])
    places = [place for place, character in enumerate(read) if character.isalnum()]
    letters = "".join(read[place] for place in places)
    if not inside or letters != _letters(written):
        return None
    first, last = places[len(before)], places[len(before) + len(inside) - 1]
    line = read.rfind("\n", 0, first) + 1
    while read[line] == " ":
        line += 1
    stop = read.find("\n", last)
    return line, len(read) if stop < 0 else stop


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))
