"""Gemini's embeddings.

Source: https://ai.google.dev/api/embeddings#method:-models.batchembedcontents. Embeddings carry
no index: they come in the order of the requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from samespace.models.hosted.providers.base import Asked, Provider, Request, at, count_at, matrix
from samespace.space import FloatArray


def embed(asked: Asked) -> Request:
    """Return the request for some texts, each a content of its own."""
    model = f"models/{asked.model.removeprefix('models/')}"
    common: dict[str, Any] = {"model": model}
    if asked.input_type:
        common["taskType"] = asked.input_type
    if asked.dimensions is not None:
        common["outputDimensionality"] = asked.dimensions
    parts: list[dict[str, Any]] = [{"text": text} for text in asked.texts]
    if asked.picture:
        image = {"mime_type": asked.picture.media_type, "data": asked.picture.base64}
        parts = [{"inline_data": image}]
    requests = [{**common, "content": {"parts": [part], "role": "user"}} for part in parts]
    return f"/v1beta/{model}:batchEmbedContents", {"requests": requests}


def vectors(answer: Any, texts: Sequence[str]) -> FloatArray:
    """Return the vectors of an answer."""
    entries = at(answer, "embeddings")
    rows = [at(entry, "values") for entry in entries] if isinstance(entries, list) else None
    return matrix(rows, len(texts))


GEMINI = Provider(
    name="gemini",
    url="https://generativelanguage.googleapis.com",
    # In the order of the official client.
    key_envs=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    headers=lambda key: {"x-goog-api-key": key},
    max_items=100,
    embed=embed,
    vectors=vectors,
    pictures=True,
    cuts_texts=True,
    tokens=lambda answer: count_at(answer, "usageMetadata", "promptTokenCount"),
)
