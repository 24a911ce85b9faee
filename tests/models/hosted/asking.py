"""How the tests ask a provider on the loopback, and what they should get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from samespace.models.catalog import ModelCard
from samespace.models.hosted import HostedEmbedder, HostedReranker
from samespace.types import Role
from tests.models.hosted.api import Api, relevance, vector
from tests.models.hosted.service import Service

TEXTS = [
    "How do I reset my password?",
    "Café au lait, naïve façade: 3.14159 kg of Größe",
    "東京の人口はどのくらいですか",
    "Съешь ещё этих мягких булок",
    "def add(a: int, b: int) -> int:\n    return a + b",
    "ERROR 0x80070005 access denied",
    "👩‍👩‍👧‍👦 family",
    "a",
    'quotes " and \\ backslashes',
    "the last of them",
]


def card(api: Api) -> ModelCard:
    """Return the catalog entry that the small model of a provider would have."""
    tiny = api.tiny
    return ModelCard(
        name=tiny.name,
        provider=api.provider,
        kinds=("dense",),
        dimensions=tiny.dimensions,
        matryoshka=tiny.shorter,
        max_tokens=tiny.window,
        normalized=True,
        metric="cosine",
        input_types={role: kind for role, kind in api.kinds.items() if kind},
        price_per_million=2.0,
        max_items=tiny.items,
        max_request_tokens=tiny.total,
    )


def hosted(server: Service, **options: Any) -> HostedEmbedder:
    """Return an embedder of the provider's small model; `fields` changes its catalog entry."""
    fields = options.pop("fields", {})
    if server.api.key_env == "AZURE_OPENAI_API_KEY":
        options = {"provider": "azure", **options}
    chosen = replace(card(server.api), **fields)
    return HostedEmbedder(chosen, base_url=server.url, **{"concurrency": 1, **options})


def reranker(server: Service, **options: Any) -> HostedReranker:
    """Return the provider's small reranker."""
    served = server.api.reranker
    assert served is not None
    chosen = ModelCard(
        name=served.name,
        provider=server.api.provider,
        kinds=("cross-encoder",),
        max_tokens=served.window,
        max_items=4,
        price_per_million=2.0,
    )
    chosen = replace(chosen, **options.pop("fields", {}))
    return HostedReranker(chosen, base_url=server.url, **{"concurrency": 1, **options})


def right(api: Api, texts: Sequence[str], role: Role, dimensions: int | None = None) -> np.ndarray:
    """Return the vectors that the texts have in that role."""
    tiny = api.tiny
    rows = [vector(text, api.kinds[role], tiny.dimensions)[:dimensions] for text in texts]
    array = np.array(rows, dtype=np.float32).reshape(len(texts), dimensions or tiny.dimensions)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def right_scores(query: str, texts: Sequence[str]) -> list[float]:
    """Return the scores that the texts have for a query."""
    return [relevance(query, text) for text in texts]
