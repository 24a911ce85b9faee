"""How many tokens a text takes, where the model's own tokenizer is not at hand.

The estimate errs on the upper side: a text that is said to fit does fit, and a budget is not
passed. It adds up a weight for each character, by its script, chosen above what tokenizers of 32
to 131 thousand pieces need: benchmarks/token_estimate.py measures it on some ninety languages.
For English it is 1.4 to 2 times the true count; a single text in a language that those tokenizers
hardly know (Indonesian, Luganda, Welsh, Xhosa), or a string of random digits and letters, can take
a fifth more than it says. Where a script was not measured, a character weighs about as many tokens
as it has UTF-8 bytes, which is the bound for every tokenizer that falls back to bytes.

Being a sum, it never falls when a text grows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SPECIAL = 4
"""Tokens that a model may put around each text."""

_HUNDREDTHS: tuple[tuple[int, int], ...] = (
    (0x00, 100),  # control characters
    (0x09, 50),  # tab and line breaks
    (0x0E, 100),
    (0x20, 10),  # space: mostly one token with the word behind it
    (0x21, 100),  # punctuation and digits, each a token to the most careful tokenizers
    (0x41, 110),  # capital letters: acronyms, identifiers, base64
    (0x5B, 100),
    (0x61, 40),  # small letters
    (0x7B, 100),
    (0x80, 200),
    (0xC0, 320),  # accented Latin letters: the languages that have them take shorter pieces
    (0x250, 200),  # phonetic letters, modifiers, combining marks
    (0x370, 150),  # Greek
    (0x400, 100),  # Cyrillic
    (0x530, 230),  # Armenian
    (0x590, 160),  # Hebrew
    (0x600, 150),  # Arabic
    (0x700, 200),
    (0x800, 300),
    (0x900, 160),  # Devanagari
    (0x980, 320),  # the other scripts of India
    (0xE00, 150),  # Thai
    (0xE80, 320),
    (0x1E00, 320),  # Vietnamese letters
    (0x2000, 200),  # punctuation
    (0x2070, 300),
    (0x3000, 150),  # Japanese syllables and punctuation
    (0x3100, 300),
    (0x3400, 180),  # Chinese characters
    (0xA000, 300),
    (0xAC00, 200),  # Korean syllables
    (0xD7B0, 300),
    (0x10000, 400),
)
_STARTS = np.array([start for start, _ in _HUNDREDTHS], dtype=np.uint32)
_WEIGHTS = np.array([weight for _, weight in _HUNDREDTHS], dtype=np.int64)
_ASCII = np.array(
    [_WEIGHTS[np.searchsorted(_STARTS, code, "right") - 1] for code in range(128)], dtype=np.int64
)


def estimate(texts: Sequence[str]) -> list[int]:
    """Return how many tokens each text takes at most, special tokens included.

    >>> estimate(["", "hello world", "東京の人口"])
    [4, 9, 13]
    """
    return [SPECIAL - int(-_hundredths(text) // 100) for text in texts]


def _hundredths(text: str) -> int:
    if text.isascii():
        return int(_ASCII[np.frombuffer(text.encode("ascii"), dtype=np.uint8)].sum())
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    return int(_WEIGHTS[np.searchsorted(_STARTS, codes, "right") - 1].sum())
