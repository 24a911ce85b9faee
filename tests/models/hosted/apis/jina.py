"""Jina's embeddings and reranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.models.hosted.api import Api, Refused, Row, Served, Wanted, packed, strings


class Jina(Api):
    """POST /v1/embeddings and /v1/rerank.

    Sources: https://api.jina.ai/redoc and the fields that https://docs.jina.ai lists; the limit
    of 512 inputs and the form of errors as users report them:
    langgenius/dify-official-plugins#1997. Vectors have length 1 only where that is asked.
    """

    provider = "jina"
    key_env = "JINA_API_KEY"
    kinds: Mapping[str, str] = {"query": "retrieval.query", "document": "retrieval.passage"}
    models = (
        Served("jina-embeddings-v3", 1024, 8192, 512, (768, 512, 256, 128, 64, 32)),
        Served("jina-embeddings-v4", 2048, 32_768, 512, (1024, 512, 256, 128)),
    )
    tiny = Served("tiny-jina", 16, 200, 4, (8,))
    reranker = Served("tiny-rerank-jina", 0, 200, 512)
    packed = True
    invalid = 422
    too_many = "Validation error: 'body' Each input list can contain at most {limit} items."
    too_long = "Input text exceeds maximum length of {limit} tokens: {got}. Set truncate to true."

    def wanted(self, path: str, query: Mapping[str, str], body: Any) -> Wanted:
        if path == "/v1/rerank":
            return self.ranked(body)
        if path != "/v1/embeddings":
            raise Refused(404, "Not Found")
        self.fields(
            body,
            {"model": str, "input": list},
            {
                "task": (*self.kinds.values(), "text-matching", "classification", "separation"),
                "dimensions": int,
                "normalized": bool,
                "late_chunking": False,
                "truncate": bool,
                "embedding_type": ("float", "base64"),
            },
        )
        served = self.served(body["model"])
        wanted = Wanted(
            served,
            strings(body["input"], Refused(422, "input: expected strings")),
            body.get("task", ""),
            body.get("dimensions", served.dimensions),
            body.get("embedding_type") == "base64",
            bool(body.get("normalized", False)),
        )
        return self.limited(wanted, cuts=body.get("truncate", False))

    def ranked(self, body: Any) -> Wanted:
        """Check a request to rerank."""
        self.fields(
            body,
            {"model": str, "query": str, "documents": list},
            {"top_n": int, "return_documents": bool, "truncation": bool},
        )
        served = self.served(body["model"], reranker=True)
        texts = strings(body["documents"], Refused(422, "documents: expected strings"))
        return self.limited(Wanted(served, texts, query=body["query"]), cuts=True)

    def embeddings(self, wanted: Wanted, rows: Sequence[Row]) -> Any:
        used = wanted.used()
        return {
            "model": wanted.served.name,
            "object": "list",
            "usage": {"total_tokens": used, "prompt_tokens": used},
            "data": [
                {"object": "embedding", "index": i, "embedding": packed(row, wanted.base64)}
                for i, row in rows
            ],
        }

    def ranking(self, wanted: Wanted, scores: Sequence[tuple[int, float | None]]) -> Any:
        return {
            "model": wanted.served.name,
            "object": "list",
            "usage": {"total_tokens": wanted.used()},
            "results": [{"index": i, "relevance_score": score} for i, score in scores],
        }

    def error(self, status: int, message: str) -> Any:
        return {"detail": f"[RID: 0123456789abcdef] {message}"}
