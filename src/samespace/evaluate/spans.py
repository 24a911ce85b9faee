"""Judgements by character span: what a search returned of the evidence, and what cutting left.

A chunk that misses half of an answer counts as a hit where documents are judged. By span, both
sides of chunking show: small chunks cut evidence apart, large ones bury it in other text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from samespace.errors import InputError
from samespace.evaluate.evidence import Evidence, Texts
from samespace.evaluate.metrics import Scores
from samespace.run import Retrieved, Run
from samespace.text.chunk.meter import Count, Meter
from samespace.types import Chunk

Span = tuple[int, int]

SPAN_METRICS = ("span_recall", "token_precision", "token_recall", "iou")
LEAST_OVERLAP = 0.5


def overlap(a: Span, b: Span) -> float:
    """Return the characters that two spans share over those of the shorter one, from 0 to 1.

    The overlap coefficient: a small chunk wholly inside the evidence and a large one that holds
    all of it both score 1. Source: Szymkiewicz 1934; Simpson 1943.

    >>> overlap((0, 100), (90, 110)), overlap((0, 100), (20, 30))
    (0.5, 1.0)
    """
    shared = min(a[1], b[1]) - max(a[0], b[0])
    return max(shared, 0) / min(a[1] - a[0], b[1] - b[0])


def evaluate_spans(
    run: Run,
    evidence: Iterable[Evidence],
    texts: Texts,
    count: Count,
    *,
    ks: Sequence[int] = (1, 5, 10),
    least: float = LEAST_OVERLAP,
) -> Scores:
    """Score retrieved chunks against evidence, query by query.

    For each k, over the first k chunks of a query:

    - `span_recall@k`: the share of its spans to which one of the chunks is relevant: they
      overlap by at least `least` (see `overlap`);
    - `token_precision@k`: the share of retrieved tokens that is evidence;
    - `token_recall@k`: the share of the evidence's tokens that was retrieved;
    - `iou@k`: tokens of evidence retrieved, over all tokens that are either.

    A token retrieved twice, by chunks that overlap, is found once and read twice. A query with
    evidence that is not in the run scores 0 (`missing`); one in the run without evidence is left
    out (`unjudged`). Source of the token metrics: Smith and Troynikov, "Evaluating chunking
    strategies for retrieval", Chroma technical report, 2024.

    Args:
        run: from `Collection.run(..., by_document=False)`: chunks with their spans.
        evidence: located, see `locate`.
        texts: gives cleaned texts, see `texts_of`.
        count: the model's own counter, `embedder.count`.
        ks: cutoffs, from 1.
        least: how much overlap makes a chunk relevant, above 0.

    Raises:
        InputError: no evidence, evidence without a span, a run of documents, a document that is
            not there, a cutoff or a share that cannot be.
    """
    gold = _by_query(evidence)
    if not ks or min(ks) < 1:
        raise InputError(f"cutoffs must be at least 1, got {tuple(ks)}")
    if not 0 < least <= 1:
        raise InputError(f"least must lie above 0 and at most at 1, got {least}")
    tokens = _Tokens(texts, count)
    values = {f"{metric}@{k}": np.zeros(len(gold)) for metric in SPAN_METRICS for k in ks}
    for row, (query, spans) in enumerate(gold.items()):
        found = run.results.get(query, ())
        _require_spans(query, found)
        for k in ks:
            for metric, value in _score(found[:k], spans, tokens, least).items():
                values[f"{metric}@{k}"][row] = value
    return Scores(
        queries=tuple(gold),
        values=values,
        missing=tuple(query for query in gold if query not in run.results),
        unjudged=tuple(query for query in run.results if query not in gold),
    )


def survival(chunks: Iterable[Chunk], evidence: Iterable[Evidence]) -> Scores:
    """Return how much of each query's evidence survives cutting in one chunk.

    "survival" is the largest share of a span's characters that one chunk holds, "whole" is 1
    where one chunk holds all of it; both are means over the spans of a query. No search is
    involved: this is what the best search could return in one hit.

    Args:
        chunks: all chunks of the documents that have evidence, in any order.
        evidence: located, see `locate`.

    Raises:
        InputError: no evidence, or evidence without a span.
    """
    gold = _by_query(evidence)
    pieces: dict[str, list[Span]] = {}
    for chunk in chunks:
        pieces.setdefault(chunk.document, []).append((chunk.start, chunk.end))
    best = [
        [_best_share(pieces.get(item.document, []), (item.start, item.end)) for item in items]
        for items in gold.values()
    ]
    return Scores(
        queries=tuple(gold),
        values={
            "survival": np.array([np.mean(shares) for shares in best]),
            "whole": np.array([np.mean([share == 1 for share in shares]) for shares in best]),
        },
    )


class _Tokens:
    """Counts the tokens of spans, each text once."""

    def __init__(self, texts: Texts, count: Count) -> None:
        self._texts = texts
        self._meter = Meter(count)

    def of(self, document: str, spans: Iterable[Span]) -> int:
        text = self._texts(document)
        if text is None:
            raise InputError(f"there is no document {document!r} in the texts; whose run is it?")
        return sum(self._meter.nets([text[start:end] for start, end in spans]))


def _score(
    found: Sequence[Retrieved], gold: Sequence[Evidence], tokens: _Tokens, least: float
) -> dict[str, float]:
    chunks: dict[str, list[Span]] = {}
    for item in found:
        chunks.setdefault(item.document, []).append((item.start, item.end))
    spans: dict[str, list[Span]] = {}
    for evidence in gold:
        spans.setdefault(evidence.document, []).append((evidence.start, evidence.end))
    hits = [
        any(
            overlap(piece, (item.start, item.end)) >= least
            for piece in chunks.get(item.document, [])
        )
        for item in gold
    ]
    wanted = sum(tokens.of(document, _union(parts)) for document, parts in spans.items())
    read = sum(tokens.of(document, parts) for document, parts in chunks.items())
    both = sum(
        tokens.of(document, _shared(_union(parts), _union(spans.get(document, []))))
        for document, parts in chunks.items()
    )
    # A cut inside a word makes it more tokens than it has; shares stay shares.
    both = min(both, wanted, read)
    return {
        "span_recall": sum(hits) / len(hits),
        "token_precision": both / read if read else 0.0,
        "token_recall": both / wanted if wanted else 0.0,
        "iou": both / (wanted + read - both) if both else 0.0,
    }


def _union(spans: Iterable[Span]) -> list[Span]:
    """Return the spans sorted, those that touch or overlap joined."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _shared(a: Sequence[Span], b: Sequence[Span]) -> list[Span]:
    """Return what two unions of spans have in common."""
    pairs = ((max(x[0], y[0]), min(x[1], y[1])) for x in a for y in b)
    return [(start, end) for start, end in pairs if start < end]


def _best_share(pieces: Iterable[Span], span: Span) -> float:
    shared = (min(end, span[1]) - max(start, span[0]) for start, end in pieces)
    return max(0, max(shared, default=0)) / (span[1] - span[0])


def _by_query(evidence: Iterable[Evidence]) -> Mapping[str, list[Evidence]]:
    gold: dict[str, list[Evidence]] = {}
    for item in evidence:
        if not 0 <= item.start < item.end:
            raise InputError(
                f"the evidence of query {item.query!r} has no span ([{item.start}, {item.end})); "
                "find it in the cleaned text first: locate(evidence, texts).require_all()"
            )
        gold.setdefault(item.query, []).append(item)
    if not gold:
        raise InputError("there is no evidence to score against")
    return gold


def _require_spans(query: str, found: Sequence[Retrieved]) -> None:
    for item in found:
        if not 0 <= item.start < item.end:
            raise InputError(
                f"query {query!r}: the run says of document {item.document!r} no span; make it "
                "with Collection.run(..., by_document=False)"
            )
