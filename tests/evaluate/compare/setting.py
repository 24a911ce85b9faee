"""A small corpus with questions, and an embedder that counts what it is asked."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from samespace import Document
from samespace.evaluate.qrels import Qrels
from samespace.evaluate.queries import Query
from samespace.evaluate.testset import TestSet
from samespace.models import HashEmbedder
from samespace.space import CANARIES, Vectors

_WORDS = """
harbour violet engine granite silk meadow copper lantern orchard compass thunder velvet
glacier saffron timber mirror falcon anchor marble willow cinder beacon harvest ribbon
"""
WORDS = _WORDS.split()


def corpus(documents: int) -> list[Document]:
    dice = random.Random(5)
    return [
        Document(
            id=f"d{i}",
            title=f"Title {i} {dice.choice(WORDS)}",
            text="\n\n".join(
                " ".join(dice.choices(WORDS, k=dice.randint(8, 40))) + "."
                for _ in range(dice.randint(1, 4))
            ),
        )
        for i in range(documents)
    ]


def questions(documents: list[Document], queries: int, split: bool = False) -> TestSet:
    """Questions that are some words of a document, which answers them."""
    dice = random.Random(6)
    asked, judged = [], {}
    for i in range(queries):
        document = documents[i * len(documents) // queries]
        words = dice.sample(document.text.replace(".", "").split(), 5)
        side = {"split": "tune" if i % 2 else "test"} if split else {}
        asked.append(Query(f"q{i}", " ".join(words), side))
        judged[f"q{i}"] = {document.id: 1, dice.choice(documents).id: 0}
    return TestSet(tuple(asked), Qrels(judged), {})


class Counting(HashEmbedder):
    """Counts how often each text was embedded in each role."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.asked: Counter[tuple[str, str]] = Counter()

    def embed(self, texts: Sequence[str], role: Any, *, on_long: Any = "error") -> Vectors:
        vectors = super().embed(texts, role, on_long=on_long)
        self.asked.update((role, text) for text in texts)
        return vectors

    @property
    def beyond_canaries(self) -> Counter[tuple[str, str]]:
        return Counter({key: n for key, n in self.asked.items() if key not in CANARIES})
