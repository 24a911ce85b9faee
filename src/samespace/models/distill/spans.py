"""The texts that a static model is fitted on: spans of real text, from a phrase to a passage."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterable, Iterator

from samespace.text.sentences import sentences

SHORTEST, LONGEST = 40, 1_000
"""Characters: about a question, and about what fits a window of 256 tokens. A static model meets
queries and passages, and a mean of ten words is made otherwise than one of two hundred."""


def sample(texts: Iterable[str], characters: int, seed: int) -> list[str]:
    """Cut texts into spans and return a random sample of them, in order.

    Memory is bounded by the sample, however many texts there are.

    Args:
        texts: plain text, without markup.
        characters: how many the spans may have together.
        seed: the same seed and texts give the same sample.
    """
    chance = random.Random(seed)
    kept: list[tuple[float, int, str]] = []
    total = 0
    for number, span in enumerate(s for text in texts for s in _spans(text, chance)):
        heapq.heappush(kept, (chance.random(), number, span))
        total += len(span)
        while total > characters:
            total -= len(heapq.heappop(kept)[2])
    return [span for _, _, span in sorted(kept, key=lambda entry: entry[1])]


def _spans(text: str, chance: random.Random) -> Iterator[str]:
    """Yield runs of whole sentences, their lengths spread evenly on a logarithmic scale."""
    start, wanted = 0, _length(chance)
    for _, end in sentences(text):
        while end - start > LONGEST:
            yield from _filled(text[start : start + LONGEST])
            start += LONGEST
        if end - start >= wanted:
            yield from _filled(text[start:end])
            start, wanted = end, _length(chance)
    yield from _filled(text[start:])


def _filled(span: str) -> Iterator[str]:
    if stripped := span.strip():
        yield stripped


def _length(chance: random.Random) -> float:
    return math.exp(chance.uniform(math.log(SHORTEST), math.log(LONGEST)))
