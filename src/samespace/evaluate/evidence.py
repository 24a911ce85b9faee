"""Evidence: the span of a document that answers a query, checked against the cleaned text.

Judgements by document say that an answer is somewhere in it; judgements by span say where. They
do not depend on how documents are cut, so the same evidence compares any two chunkers.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os import PathLike
from typing import Any

from samespace.collection import Collection
from samespace.errors import InputError
from samespace.evaluate.files import read_records, write_lines
from samespace.text.clean import clean
from samespace.text.clean.unicode import normalize
from samespace.types import Document

Texts = Callable[[str], str | None]
"""Gives the cleaned text of a document by its id, or None where there is no such document."""

_SOLID = re.compile(r"\S")
_EXPECTED = (
    'expected a JSON object such as {"query": "q1", "document": "d7", "start": 120, "end": 164} '
    'or with "text", the words of the span, in place of or beside the offsets'
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The span `[start, end)` of one document that answers one query.

    Offsets count code points of the cleaned text, as in `Chunk`; -1 where only the words of the
    span are known (`text`), which `locate` then finds. A query may have several.
    """

    query: str
    document: str
    start: int = -1
    end: int = -1
    text: str = ""


@dataclass(frozen=True)
class Located:
    """What `locate` found, and what it did not, each with the reason."""

    found: tuple[Evidence, ...]
    lost: tuple[tuple[Evidence, str], ...]

    def require_all(self) -> tuple[Evidence, ...]:
        """Return all evidence, or raise InputError that counts and names what was not found."""
        if self.lost:
            told = "".join(
                f"\n  query {item.query!r}, document {item.document!r}: {reason}"
                for item, reason in self.lost[:10]
            )
            more = f"\n  and {len(self.lost) - 10} more" if len(self.lost) > 10 else ""
            total = len(self.found) + len(self.lost)
            raise InputError(
                f"{len(self.lost)} of {total} spans of evidence are not in the cleaned texts:"
                f"{told}{more}"
            )
        return self.found


def read_evidence(path: str | PathLike[str]) -> tuple[Evidence, ...]:
    """Read evidence, one JSON object a line: query, document, start and end, or text, or both.

    Raises:
        InputError: a line that is not such an object; the message names file and line.
    """
    evidence = tuple(_evidence(where, record) for where, record in read_records(path, _EXPECTED))
    if not evidence:
        raise InputError(f"{path}: no evidence in it")
    return evidence


def write_evidence(path: str | PathLike[str], evidence: Iterable[Evidence]) -> None:
    """Write evidence in the form that `read_evidence` reads."""
    write_lines(path, (json.dumps(_record(item), ensure_ascii=False) for item in evidence))


def texts_of(collection: Collection) -> Texts:
    """Return what gives the cleaned texts of a collection; the last 256 are kept in memory."""

    @functools.lru_cache(maxsize=256)
    def text(id: str) -> str | None:
        document = collection.document(id)
        return None if document is None else document.text

    return text


def locate(evidence: Iterable[Evidence], texts: Texts) -> Located:
    """Find each span in the cleaned text of its document.

    Cleaning joins lines and drops invisible characters, so offsets counted in the raw text point
    elsewhere; the words of the span find it again, as given or as cleaning leaves them. White
    space is not compared. Words that occur more than once are taken where they lie nearest to
    `start`.

    Args:
        evidence: with offsets, words, or both. Offsets alone are only checked to lie inside.
        texts: gives cleaned texts, see `texts_of`.

    Returns:
        Evidence with the offsets and words of the cleaned text, white space at its ends left
        out; and what could not be located. Nothing is left out in silence.
    """
    solid = functools.lru_cache(maxsize=256)(_solid)
    found: list[Evidence] = []
    lost: list[tuple[Evidence, str]] = []
    for item in evidence:
        text = texts(item.document)
        if text is None:
            lost.append((item, "there is no such document"))
            continue
        span = _find(item, solid(text)) if item.text else _inside(item, text)
        if isinstance(span, str):
            lost.append((item, span))
            continue
        start, end = span
        found.append(dataclasses.replace(item, start=start, end=end, text=text[start:end]))
    return Located(tuple(found), tuple(lost))


@dataclass(frozen=True, slots=True)
class _Solid:
    """A text without its white space, and where each of its characters stood."""

    text: str
    places: list[int]


def _solid(text: str) -> _Solid:
    places = [match.start() for match in _SOLID.finditer(text)]
    return _Solid("".join(text[place] for place in places), places)


def _inside(item: Evidence, text: str) -> tuple[int, int] | str:
    if not 0 <= item.start < item.end <= len(text):
        return f"[{item.start}, {item.end}) is no span of its {len(text)} characters"
    words = text[item.start : item.end]
    if not words.strip():
        return f"[{item.start}, {item.end}) holds nothing but white space"
    leading = len(words) - len(words.lstrip())
    return item.start + leading, item.start + len(words.rstrip())


def _find(item: Evidence, solid: _Solid) -> tuple[int, int] | str:
    if not item.text.strip():
        return "its words are nothing but white space"
    # A quotation is taken as it stands first: cleaning reads its beginning as a line's.
    matches = _matches(item.text, solid) or _matches(clean(Document("", item.text)).text, solid)
    if not matches:
        return f"its words are not in the cleaned text: {item.text[:60]!r}"
    if len(matches) > 1 and item.start < 0:
        return f"its words occur {len(matches)} times, and no start says which: {item.text[:60]!r}"
    return min(matches, key=lambda match: abs(match[0] - item.start))


def _matches(text: str, solid: _Solid) -> list[tuple[int, int]]:
    """Return every span of the cleaned text that holds these words."""
    words = "".join(normalize(text).split())
    matches = []
    at = solid.text.find(words) if words else -1
    while at >= 0:
        matches.append((solid.places[at], solid.places[at + len(words) - 1] + 1))
        at = solid.text.find(words, at + 1)
    return matches


def _record(item: Evidence) -> dict[str, Any]:
    record: dict[str, Any] = {"query": item.query, "document": item.document}
    if item.start >= 0:
        record |= {"start": item.start, "end": item.end}
    return record | {"text": item.text} if item.text else record


def _evidence(where: str, record: dict[str, Any]) -> Evidence:
    for name in ("query", "document"):
        if not isinstance(record.get(name), str) or not record[name]:
            raise InputError(f"{where}: {_EXPECTED}, got {record.get(name)!r} as {name}")
    start, end, text = record.get("start", -1), record.get("end", -1), record.get("text", "")
    for name, value in (("start", start), ("end", end)):
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError(f"{where}: {name} must be a whole number, got {value!r}")
    if not isinstance(text, str):
        raise InputError(f"{where}: text must be a string, got {text!r}")
    spans = 0 <= start < end
    if not spans and not ((start, end) == (-1, -1) and text.strip()):
        raise InputError(f"{where}: {_EXPECTED}, got the span [{start}, {end})")
    return Evidence(record["query"], record["document"], start, end, text)
