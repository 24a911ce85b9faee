"""The texts that a static model is fitted on: passages, cut as a collection cuts them.

What is fitted on passages of about the length that will be searched, with their titles before
them, finds more than what is fitted on as much text in sentences.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from samespace.models.base import Embedder
from samespace.text.chunk import chunk
from samespace.text.clean import clean
from samespace.text.recipe import Recipe
from samespace.types import Document

T = TypeVar("T")

LONGEST = 256
"""Tokens, where the model's window is wider: what a passage of a longer text means is a mixture."""


def passages(
    texts: Iterable[str | Document], embedder: Embedder, characters: int, seed: int
) -> list[str]:
    """Cut texts into passages that fit the model's window, and return a random sample, in order.

    Memory is bounded by the sample, however many texts there are.

    Args:
        texts: documents, or the plain text of each.
        embedder: the model that will read the passages.
        characters: how many the passages may have together.
        seed: the same seed and texts give the same sample.
    """
    chance = random.Random(seed)
    some = _sample(_documents(texts), lambda document: len(document.text), characters, chance)
    recipe = Recipe(max_tokens=min(embedder.max_tokens, LONGEST))
    pieces = (
        piece.input for document in some for piece in chunk(clean(document), embedder.count, recipe)
    )
    return _sample(pieces, len, characters, chance)


def _documents(texts: Iterable[str | Document]) -> Iterator[Document]:
    for number, text in enumerate(texts):
        yield text if isinstance(text, Document) else Document(id=str(number), text=text)


def _sample(
    items: Iterable[T], size: Callable[[T], int], most: int, chance: random.Random
) -> list[T]:
    """Return items at random, in order, of at most this size together, or a single larger one."""
    kept: list[tuple[float, int, T]] = []
    total = 0
    for number, item in enumerate(items):
        heapq.heappush(kept, (chance.random(), number, item))
        total += size(item)
        while total > most and len(kept) > 1:
            total -= size(heapq.heappop(kept)[2])
    return [item for _, _, item in sorted(kept, key=lambda entry: entry[1])]
