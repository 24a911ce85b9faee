"""Pages of a PDF: running headers go, hyphens are mended, lines become paragraphs again."""

from __future__ import annotations

import re
from collections import Counter

from samespace.text.clean.pieces import Content, Piece
from samespace.text.clean.unicode import fold, normalize

_LIGATURES = {
    "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st",
}  # fmt: skip
_LIGATURE = re.compile("[ﬀ-ﬆ]")
# PDFium writes the hyphen of a word divided over two lines so.
_DIVIDED = re.compile("\ufffe\n?")
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b", re.IGNORECASE)
_PAGE_NUMBER = re.compile(
    r"(?:page\s+)?[-–—]?\s*(?:\d{1,4}|[ivxlc]{1,7})\s*[-–—]?(?:\s*(?:of|/)\s*\d{1,4})?$",
    re.IGNORECASE,
)
_HEADING = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+(?=[A-Z])")
# Lines of contents end with a page's number; formulas and addresses are numbered as well.
_NO_HEADING = re.compile(r"[;={}@∈≤≥<>]|\s\d+$|(?:\. ?){3}")
_NAMED = re.compile(
    r"(?:abstract|introduction|references|conclusions?|acknowledge?ments?|appendix)$"
)
_ITEM = re.compile(r"([-•*‣▪●◦–])\s+(?=\S)|(\(?\d{1,2}[.)]|\([a-z]\))\s+(?=\S)")
_BROKEN = re.compile(r"([^\W\d_]+)[-\u2010]$")
_WORD = re.compile(r"[^\W\d_]+(?:[-\u2010][^\W\d_]+)*")
_END = re.compile(r"[.!?:…。！？][\"')\]”’»\d]{0,4}$")
_EDGE_LINES = 3
_MAX_HEADING = 70
_MAX_RUNNING = 200
_SHORT = 0.85


def read_pages(text: str) -> Content:
    """Return the blocks of pages that are joined by form feeds."""
    content = Content()
    text = _DIVIDED.sub("-\n", text)
    text = _LIGATURE.sub(lambda m: _LIGATURES[m[0]], text)
    pages = [[fold(normalize(line)) for line in page.split("\n")] for page in text.split("\f")]
    if len(pages) > 1:
        pages = _without_running_lines(pages, content.dropped)
    known = Counter(word.lower().replace("\u2010", "-") for word in _WORD.findall(text))
    content.pieces = _paragraphs(_with_breaks(pages), known)
    return content


def _without_running_lines(pages: list[list[str]], dropped: Counter[str]) -> list[list[str]]:
    """Take away what stands at the top or bottom of many pages, numbers aside."""
    edges = [_edges(page) for page in pages]
    seen: Counter[tuple[str, str]] = Counter()
    for page, (top, bottom) in zip(pages, edges, strict=True):
        seen.update({("page-header", _pattern(page[i])) for i in top})
        seen.update({("page-footer", _pattern(page[i])) for i in bottom})
    many = max(2, len(pages) * 3 // 10) if len(pages) > 3 else len(pages)
    result: list[list[str]] = []
    for page, (top, bottom) in zip(pages, edges, strict=True):
        gone: dict[int, str] = {}
        for kind, rows in (("page-header", top), ("page-footer", bottom)):
            for row in rows:
                line = page[row]
                if _PAGE_NUMBER.match(line) and row in (*top[:1], *bottom[:1]):
                    gone[row] = "page-number"
                elif seen[kind, _pattern(line)] >= many and len(line) < _MAX_RUNNING:
                    gone[row] = kind
                else:
                    break  # what lies further inside belongs to the page
        for row, kind in gone.items():
            dropped[kind] += len(page[row])
        result.append([line for row, line in enumerate(page) if row not in gone])
    return result


def _edges(page: list[str]) -> tuple[list[int], list[int]]:
    rows = [row for row, line in enumerate(page) if line]
    half = min(_EDGE_LINES, (len(rows) + 1) // 2)
    return rows[:half], rows[::-1][: min(_EDGE_LINES, len(rows) // 2)]


def _pattern(line: str) -> str:
    return _DIGITS.sub("#", line.lower())


def _with_breaks(pages: list[list[str]]) -> list[str]:
    """Join the pages; the blank line at a page's end is no end of a paragraph."""
    lines: list[str] = []
    for page in pages:
        first = next((row for row, line in enumerate(page) if line), len(page))
        last = len(page)
        while last > first and not page[last - 1]:
            last -= 1
        lines.extend(page[first:last])
    return lines


def _paragraphs(lines: list[str], known: Counter[str]) -> list[Piece]:
    lengths = sorted(len(line) for line in lines if line)
    # The usual length of a full line: most lines are full, the longest are outliers.
    usual = lengths[len(lengths) * 3 // 4] if lengths else 0
    pieces: list[Piece] = []
    current: list[str] = []
    kind = "paragraph"

    def close() -> None:
        nonlocal kind
        if current:
            text = _join(current, known)
            pieces.append(Piece("list" if kind == "list" else "paragraph", text))
            current.clear()
        kind = "paragraph"

    for index, line in enumerate(lines):
        if not line:
            # Some extractors put a blank line after every line; a sentence must have ended.
            if current and (_END.search(current[-1]) or len(current[-1]) < _SHORT * usual):
                close()
            continue
        level = _heading_level(line, lines[index + 1] if index + 1 < len(lines) else "")
        fresh = not current or _END.search(current[-1]) is not None
        if level and (fresh or len(current[-1]) < _SHORT * usual):
            close()
            pieces.append(Piece("heading", line, level, line))
            continue
        item = _ITEM.match(line)
        if item and (fresh or kind == "list" or item[1]):
            close()
            kind = "list"
            line = "- " + line[item.end() :] if item[1] else line
        current.append(line)
        if _END.search(line) and len(line) < _SHORT * usual:
            close()
    close()
    return _join_items(pieces)


def _join_items(pieces: list[Piece]) -> list[Piece]:
    joined: list[Piece] = []
    items: list[str] = []
    for piece in pieces:
        if piece.kind == "list":
            items.append(piece.text)
            continue
        if items:
            joined.append(Piece("list", "\n".join(items)))
            items = []
        joined.append(piece)
    if items:
        joined.append(Piece("list", "\n".join(items)))
    return joined


def _heading_level(line: str, following: str) -> int:
    """Return the level of a numbered or well-known heading on a short line, else 0."""
    if len(line) > _MAX_HEADING or line.endswith((".", ",", ";", ":", "-")):
        return 0
    if _NAMED.match(line.lower()) and line[0].isupper():
        return 1
    number = _HEADING.match(line)
    if number is None or (following and following[0].islower()):
        return 0
    words = line[number.end() :].split()
    letters = sum(word[0].isalpha() for word in words)
    if _NO_HEADING.search(line[number.end() :]):
        return 0
    if "." not in number[1] and (int(number[1]) > 20 or len(words) > 8 or "," in line):
        return 0
    if 2 * letters < len(words) or len(words) > 12:
        return 0
    return min(number[1].count(".") + 1, 6)


def _join(lines: list[str], known: Counter[str]) -> str:
    parts = [lines[0]]
    for line in lines[1:]:
        broken = _BROKEN.search(parts[-1])
        first = _WORD.match(line)
        if broken is None or first is None:
            parts.append(" " + line)
            continue
        head, tail = broken[1], first[0].split("-")[0]
        whole, compound = f"{head}{tail}".lower(), f"{head}-{tail}".lower()
        if known[whole]:
            glue = ""
        elif known[compound] or not (head.islower() and tail.islower()):
            glue = "-"
        else:
            glue = ""
        parts[-1] = parts[-1][:-1] + glue
        parts.append(line)
    return "".join(parts)
