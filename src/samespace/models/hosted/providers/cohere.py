"""Cohere's embeddings and reranking, version 2.

Sources: https://docs.cohere.com/reference/embed and https://docs.cohere.com/reference/rerank.
Embeddings carry no index; the texts come back beside them, so that their order can be checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from samespace.models.hosted.providers.base import (
    Asked,
    Provider,
    Ranked,
    Request,
    at,
    bearer,
    count_at,
    in_order,
    matrix,
    numbers,
)
from samespace.space import FloatArray


def embed(asked: Asked) -> Request:
    """Return the request for some texts; a text beyond the window is an error, never cut."""
    body: dict[str, Any] = {
        "model": asked.model,
        "input_type": asked.input_type,
        "embedding_types": ["float"],
        "truncate": "NONE",
    }
    if not asked.picture:
        body["texts"] = list(asked.texts)
    elif "-v3.0" in asked.model:
        body |= {"images": [asked.picture.uri], "input_type": "image"}
    else:
        image = {"type": "image_url", "image_url": {"url": asked.picture.uri}}
        body["inputs"] = [{"content": [image]}]
    if asked.dimensions is not None:
        body["output_dimension"] = asked.dimensions
    return "/v2/embed", body


def vectors(answer: Any, texts: Sequence[str]) -> FloatArray:
    """Return the vectors of an answer, in the order of the texts that it repeats."""
    array = matrix(at(answer, "embeddings", "float"), len(texts))
    repeated = at(answer, "texts")
    # Only where they are the same texts: the order is all that they are needed for.
    if not isinstance(repeated, list) or sorted(map(str, repeated)) != sorted(texts):
        return array
    place = {text: i for i, text in enumerate(repeated)}
    return array[[place[text] for text in texts]]


def rerank(ranked: Ranked) -> Request:
    """Return the request for the scores of some texts, which are cut at 4,096 tokens unasked."""
    return "/v2/rerank", {
        "model": ranked.model,
        "query": ranked.query,
        "documents": list(ranked.texts),
        "max_tokens_per_doc": ranked.window,
    }


def scores(answer: Any, n: int) -> list[float]:
    """Return the scores of an answer, by their index."""
    return numbers(in_order(at(answer, "results"), n), "relevance_score")


COHERE = Provider(
    name="cohere",
    url="https://api.cohere.com",
    key_envs=("CO_API_KEY",),
    headers=bearer,
    max_items=96,
    embed=embed,
    vectors=vectors,
    tokens=lambda answer: count_at(answer, "meta", "billed_units", "input_tokens"),
    input_types={"query": "search_query", "document": "search_document"},
    pictures=True,
    rerank=rerank,
    scores=scores,
    cuts_ranked=True,
    searches=lambda answer: count_at(answer, "meta", "billed_units", "search_units"),
    # A longer query is cut without a word: https://docs.cohere.com/docs/rerank-best-practices
    query_part=0.5,
)
