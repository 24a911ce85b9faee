"""Plain text: paragraphs, lists and what must keep its lines, told apart by their look.

Joining lines that belong apart (verse, logs, tables) destroys them, while leaving wrapped prose
in lines only looks untidy; so lines are joined where the breaks were forced by a width, and
nowhere else. Reading the result again gives the same text.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from samespace.text.clean.pieces import Content, Piece
from samespace.text.clean.unicode import fold, normalize

_INDENTED = re.compile(r"(?: {4}|\t)")
_ITEM = re.compile(r"([ \t]*)(?:([-*+•‣▪●–])|(\d{1,3})[.)])[ \t]+(?=\S)(?=.*[^\s=_*~#+-])")
_UNDERLINE = re.compile(r"([=\-~^*#+\"'])\1{2,}$")
_RULE = re.compile(r"(?:[-=_*~#+] ?){3,}$")
_NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2}){1,4})\.?[ \t]+(?=[^\W\d_]\S)")
_CHAPTER = re.compile(r"(?:chapter|part|appendix)[ \t]+(?:\d{1,3}|[ivxlc]{1,7}|[a-z])\b", re.I)
_COLUMNS = re.compile(r"\S(?: {3,}|[ ]*\t+[ ]*)\S")
_CODE_END = re.compile(r"[{};\\]$|^[<{}]|^\s*(?:#include|import |from \S+ import|def |class )")
_SENTENCE_END = re.compile(r"[.!?:;,…。！？][\"')\]”’»]*$")
_MAX_HEADING = 90
_NARROW = 40
_WIDE = 180


@dataclass(frozen=True, slots=True)
class _Group:
    """Lines between blank lines, and how many blank lines stand before them."""

    lines: list[str]
    gap: int


def read_plain(text: str) -> Content:
    """Return the blocks of a plain text."""
    content = Content()
    levels: dict[str, int] = {}
    text = normalize(text)
    code: list[str] = []
    for group in _groups(_dedent(text.split("\n"))):
        if _is_indented(group.lines):
            code.extend([""] * group.gap if code else [])
            code.extend(group.lines)
            continue
        if code:
            content.pieces.append(Piece("code", "\n".join(code)))
            code = []
        _read_group(group.lines, content, levels)
    if code:
        content.pieces.append(Piece("code", "\n".join(code)))
    content.pieces = _join_lists(content.pieces)
    return content


def _groups(lines: list[str]) -> list[_Group]:
    groups: list[_Group] = []
    current: list[str] = []
    gap = 0
    before = 0
    for line in lines:
        line = line.rstrip()
        if line:
            if not current:
                before = gap
            current.append(line)
            gap = 0
            continue
        if current:
            groups.append(_Group(current, before))
            current = []
        gap += 1
    if current:
        groups.append(_Group(current, before))
    return groups


def _dedent(lines: list[str]) -> list[str]:
    """Take away the margin that all lines share."""
    margin: int | None = None
    for line in lines:
        stripped = line.lstrip(" ")
        if stripped.strip():
            indent = len(line) - len(stripped)
            margin = indent if margin is None else min(margin, indent)
            if margin == 0:
                return lines
    return [line[margin:] for line in lines]


def _is_indented(lines: list[str]) -> bool:
    return all(map(_INDENTED.match, lines)) and not _ITEM.match(lines[0])


def _read_group(lines: list[str], content: Content, levels: dict[str, int]) -> None:
    while lines:
        heading = _heading(lines, levels)
        if heading is None:
            break
        taken, piece = heading
        content.pieces.append(piece)
        if taken > 1:
            content.dropped["markup"] += len(lines[1])
        lines = lines[taken:]
    if not lines:
        return
    if all(_RULE.match(fold(line)) for line in lines):
        content.dropped["rule"] += sum(map(len, lines))
        return
    start = _list_start(lines)
    if start is not None:
        if start:
            content.pieces.extend(_prose(lines[:start]))
        content.pieces.append(_list(lines[start:]))
    else:
        content.pieces.extend(_prose(lines))


def _heading(lines: list[str], levels: dict[str, int]) -> tuple[int, Piece] | None:
    """Return how many lines a heading at the top of the group takes, and the heading."""
    first = label = fold(lines[0])
    if len(first) > _MAX_HEADING or not any(map(str.isalpha, first)):
        return None
    if len(lines) > 1 and "|" not in first:
        below = fold(lines[1])
        mark = _UNDERLINE.match(below)
        if mark and abs(len(below) - len(first)) <= 2 and not _ITEM.match(first):
            level = levels.setdefault(mark[1], min(len(levels) + 1, 6))
            return 2, Piece("heading", label, level, label)
    if len(lines) > 1 or _SENTENCE_END.search(first):
        return None
    if number := _NUMBERED.match(first):
        return 1, Piece("heading", label, min(number[1].count(".") + 1, 6), label)
    if _CHAPTER.match(first):
        return 1, Piece("heading", label, 1, label)
    return None


def _list_start(lines: list[str]) -> int | None:
    items = [i for i, line in enumerate(lines) if _ITEM.match(line)]
    if not items:
        return None
    if items[0] == 0 or len(items) > 1 or lines[items[0] - 1].endswith(":"):
        return items[0]
    return None


def _list(lines: list[str]) -> Piece:
    written: list[str] = []
    indents: list[int] = []
    for line in lines:
        item = _ITEM.match(line)
        if item is None:
            written[-1] += " " + fold(line)
            continue
        indent = len(item[1].expandtabs(4))
        while indents and indents[-1] > indent:
            indents.pop()
        if not indents or indents[-1] < indent:
            indents.append(indent)
        marker = "- " if item[2] else f"{item[3]}. "
        written.append("  " * (len(indents) - 1) + marker + fold(line[item.end() :]))
    return Piece("list", "\n".join(written))


def _prose(lines: list[str]) -> list[Piece]:
    """Return lines that are no list: joined where a width broke them, else as they stand."""
    folded = [fold(line) for line in lines]
    if len(lines) == 1:
        return [Piece("paragraph", folded[0])]
    if all("|" in line for line in lines):
        return [Piece("table", "\n".join(line.strip() for line in lines))]
    columns = sum(1 for line in lines if _COLUMNS.search(line))
    if 2 * columns > len(lines):
        return [Piece("code", "\n".join(lines))]
    code = sum(1 for line in lines if _CODE_END.search(line))
    if 3 * code > len(lines) or _indented_inside(lines):
        return [Piece("code", "\n".join(lines))]
    width = max(map(len, folded))
    if width > _WIDE:
        return [Piece("paragraph", line) for line in folded]
    if width >= _NARROW and _wrapped(folded, width):
        return [Piece("paragraph", " ".join(folded))]
    return [Piece("paragraph", "\n".join(folded))]


def _indented_inside(lines: list[str]) -> bool:
    """Tell code, whose lines step in and out, from a paragraph with a first or hanging indent."""
    indents = {len(line) - len(line.lstrip()) for line in lines[1:]}
    return len(indents) > 1 and sum(line[0].isspace() for line in lines) * 3 >= len(lines)


def _wrapped(lines: list[str], width: int) -> bool:
    """Tell whether the lines end where they do because the next word did not fit.

    A line that ends a sentence or a clause may be short: people break there on purpose.
    """
    forced = 0
    for line, following in itertools.pairwise(lines):
        next_word = len(following.split(" ", 1)[0])
        if len(line) + 1 + next_word > 0.8 * width or _SENTENCE_END.search(line):
            forced += 1
    return forced >= 0.8 * (len(lines) - 1)


def _join_lists(pieces: list[Piece]) -> list[Piece]:
    """Make one list of items that blank lines set apart."""
    joined: list[list[str]] = []
    kinds: list[Piece] = []
    for piece in pieces:
        if piece.kind == "list" and kinds and kinds[-1].kind == "list":
            previous = joined[-1][-1].rsplit("\n", 1)[-1].lstrip()
            if previous.startswith("- ") == piece.text.startswith("- "):
                joined[-1].append(piece.text)
                continue
        joined.append([piece.text])
        kinds.append(piece)
    return [
        Piece(piece.kind, "\n".join(texts), piece.level, piece.label)
        for piece, texts in zip(kinds, joined, strict=True)
    ]
