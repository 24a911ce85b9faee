"""The Run: what a system returned for each question, stamped with the Space it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Retrieved:
    """One result: a document, its score, and the span of the chunk that earned it.

    `start` and `end` count code points of the document's cleaned text, as in `Chunk`; both are
    -1 where a run came from elsewhere and only documents are known.
    """

    document: str
    score: float
    start: int = -1
    end: int = -1


@dataclass(frozen=True)
class Run:
    """Ranked results for a set of queries.

    Attributes:
        results: for each query id what was found, best first. A query that found nothing stands
            here with an empty tuple: it was asked.
        space: the id of the Space that the vectors live in; "" for a run made elsewhere.
        recipe: the id of the recipe by which documents were cut; "" for a run made elsewhere.
        mode: how was searched ("dense", "lexical", "hybrid"), or "".
        name: what the system is called in reports.
        took_ms: for each query id how long its search took, in milliseconds, where known.
    """

    results: Mapping[str, tuple[Retrieved, ...]]
    space: str = ""
    recipe: str = ""
    mode: str = ""
    name: str = ""
    took_ms: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.results)

    def documents(self) -> dict[str, dict[str, float]]:
        """Return {query: {document: score}}, a document's score being that of its best chunk."""
        best: dict[str, dict[str, float]] = {}
        for query, found in self.results.items():
            scores = best.setdefault(query, {})
            for item in found:
                scores[item.document] = max(item.score, scores.get(item.document, item.score))
        return best
