"""Sentences of a text, as exact spans, in the languages that `sentencex` knows."""

from __future__ import annotations

import re

__all__ = ["sentences"]

WINDOW = 8_000
"""Characters given to the segmenter at once: its cost grows with the square of unclosed quotes."""

PARAGRAPH_END = re.compile(r"\n\s*\n\s*")
SENTENCE_END = re.compile(r"(?:[.!?…؟۔।॥][\"'”’»)\]]*\s+|[。！？｡][」』”’）]*\s*|\n\s*\n\s*)")
# The segmenter aborts on an initial after white space of several bytes ("\xa0B."), so it is
# shown plain spaces; each stands for one code point, which keeps every offset.
PLAIN_SPACE = {code: " " for code in range(0x80, 0x3001) if chr(code).isspace()}


def sentences(text: str, language: str = "en") -> list[tuple[int, int]]:
    """Return the spans of the sentences of `text`, in order, as code point offsets.

    The spans partition the text exactly: the first starts at 0, each starts where the one
    before ends, the last ends at `len(text)`. White space belongs to the sentence before it.
    A blank line always ends a sentence. Time grows linearly with the length of the text.

    `language` is an ISO 639-1 code; the rules of an unknown one are those of its closest
    relative, or English.

    >>> sentences("Dr. Lee left. Why?")
    [(0, 14), (14, 18)]
    """
    ends: list[int] = []
    start = 0
    for paragraph in PARAGRAPH_END.finditer(text):
        _paragraph_ends(text, start, paragraph.end(), language, ends)
        start = paragraph.end()
    _paragraph_ends(text, start, len(text), language, ends)
    return _spans(text, ends)


def _paragraph_ends(text: str, start: int, end: int, language: str, ends: list[int]) -> None:
    """Append the ends of the sentences of text[start:end], seen through a sliding window."""
    size = WINDOW
    while start < end:
        stop = min(start + size, end)
        found = _segment(text[start:stop], language)
        if stop < end and len(found) == 1 and size < 4 * WINDOW:
            size *= 2
            continue
        # The last sentence of a window may go on behind it: it is looked at again, from its
        # own start, unless it is all there is.
        complete = found if stop == end or len(found) == 1 else found[:-1]
        ends.extend(start + length for length in complete)
        start += complete[-1]
        size = WINDOW


def _segment(piece: str, language: str) -> list[int]:
    """Return the ends of the sentences of a short piece; the last one is `len(piece)`."""
    import sentencex

    plain = piece if piece.isascii() else piece.translate(PLAIN_SPACE)
    try:
        parts = sentencex.segment(language, plain)
    except BaseException as error:
        # A panic of the segmenter is no Exception; it must not end the run of a whole corpus.
        if type(error).__name__ != "PanicException":
            raise
        return _rule_of_thumb(piece)
    if "".join(parts) != plain:
        return _rule_of_thumb(piece)
    ends = []
    end = 0
    for part in parts:
        end += len(part)
        ends.append(end)
    return ends or [len(piece)]


def _rule_of_thumb(piece: str) -> list[int]:
    """Return sentence ends by punctuation alone."""
    ends = [match.end() for match in SENTENCE_END.finditer(piece)]
    return ends if ends and ends[-1] == len(piece) else [*ends, len(piece)]


def _spans(text: str, ends: list[int]) -> list[tuple[int, int]]:
    """Make spans of the ends, giving white space to the sentence before it."""
    spans: list[tuple[int, int]] = []
    start = 0
    for end in ends:
        if end <= start:
            continue
        while end < len(text) and text[end].isspace():
            end += 1
        if start and text[start:end].isspace():
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
        start = end
    return spans
