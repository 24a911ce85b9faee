"""One form of Unicode for every cleaned text.

The same word typed in two ways must be the same tokens, and what nobody sees must not be
embedded. What readers of a script need stays: joiners in Persian, Indic scripts and emoji,
direction marks beside right-to-left letters, combining marks, variation selectors.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_NEWLINES = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Soft hyphen, byte order mark, word joiner, invisible operators, deprecated format characters
# and interlinear annotation: none of them is seen, each of them splits a word for a tokenizer.
_INVISIBLE = re.compile("[\u00ad\ufeff\u2060-\u2064\u206a-\u206f\ufff9-\ufffb]")
# Tag letters spell the flags of England, Scotland and Wales after a black flag; elsewhere they
# are an alphabet that people cannot see.
_TAGS = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)|[\U000e0000-\U000e007f]")
# Thai, Lao, Tibetan, Myanmar and Khmer mark the ends of words with a zero-width space.
_SPACELESS = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"
_ZERO_WIDTH = re.compile(f"(?<=[{_SPACELESS}])\u200b+(?=[{_SPACELESS}])|(\u200b+)")
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_OVERRIDE = re.compile("[\u202d\u202e]")
_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u061b\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_FOLD = re.compile("[ \t\n\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_PLAIN_ASCII = re.compile(r"[\t\n\x20-\x7e]*\Z")


def normalize(text: str, dropped: Counter[str] | None = None, *, spaces: bool = True) -> str:
    """Return `text` in NFC, with \\n as its only line end and without invisible characters.

    `spaces` turns non-breaking and other exotic spaces into plain ones; code keeps them.
    Removed characters are added to `dropped` as "control" and "invisible".
    Applying it twice gives what applying it once gives.
    """
    if _PLAIN_ASCII.match(text):
        return text
    counts: Counter[str] = Counter() if dropped is None else dropped
    text = _NEWLINES.sub("\n", text)
    text = _remove(_CONTROL, text, counts, "control")
    if text.isascii():
        return text
    text = _SURROGATE.sub("\ufffd", text)
    text = _remove(_INVISIBLE, text, counts, "invisible")
    before = len(text)
    text = _TAGS.sub(lambda m: m[1] or "", text)
    text = _ZERO_WIDTH.sub(lambda m: "" if m[1] else "\u200b", text)
    if _DIRECTION.search(text):
        kept = _OVERRIDE if _RIGHT_TO_LEFT.search(text) else _DIRECTION
        text = kept.sub("", text)
    if before > len(text):
        counts["invisible"] += before - len(text)
    if spaces:
        text = _SPACES.sub(" ", text)
    return unicodedata.normalize("NFC", text)


def fold(text: str) -> str:
    """Return `text` on one line: each run of whitespace becomes one space, none at the ends."""
    return _FOLD.sub(" ", text).strip(" ")


def _remove(pattern: re.Pattern[str], text: str, dropped: Counter[str], kind: str) -> str:
    result = pattern.sub("", text)
    if len(result) < len(text):
        dropped[kind] += len(text) - len(result)
    return result
