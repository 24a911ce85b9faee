"""Cohere's embeddings and reranking, version 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.models.hosted.api import Api, Refused, Row, Served, Wanted, packed, strings


class Cohere(Api):
    """POST /v2/embed and /v2/rerank.

    Sources: https://docs.cohere.com/reference/embed and /reference/rerank (fields, 96 texts,
    truncate "END" where nothing is said); https://docs.cohere.com/reference/errors.
    Embeddings carry no index; the texts are repeated beside them.
    """

    provider = "cohere"
    key_env = "CO_API_KEY"
    kinds: Mapping[str, str] = {"query": "search_query", "document": "search_document"}
    models = (
        Served("embed-v4.0", 1536, 128_000, 96, (1024, 512, 256)),
        Served("embed-english-v3.0", 1024, 512, 96),
    )
    tiny = Served("tiny-cohere", 16, 200, 4, (8,))
    reranker = Served("tiny-rerank-cohere", 0, 200, 1000)
    base = ""
    indexed = False
    too_many = "invalid request: total number of texts must be at most {limit} - received {got}"
    too_long = "invalid request: one of the texts is too long: {got} tokens, at most {limit}"

    def wanted(self, path: str, query: Mapping[str, str], body: Any) -> Wanted:
        if path == "/v2/rerank":
            return self.ranked(body)
        if path != "/v2/embed":
            raise Refused(404, f"path {path} not found")
        self.fields(
            body,
            {"model": str, "input_type": str, "texts": list},
            {
                "embedding_types": list,
                "output_dimension": int,
                "truncate": ("NONE", "START", "END"),
                "max_tokens": int,
            },
        )
        served = self.served(body["model"])
        if body["input_type"] not in (*self.kinds.values(), "classification", "clustering"):
            raise Refused(400, "invalid request: valid input_type must be provided")
        if body.get("embedding_types", ["float"]) not in (["float"], ["base64"]):
            raise Refused(400, "invalid request: unsupported embedding type")
        texts = strings(body["texts"], Refused(400, "invalid request: texts"))
        wanted = Wanted(
            served,
            texts,
            body["input_type"],
            body.get("output_dimension", served.dimensions),
            body.get("embedding_types") == ["base64"],
        )
        return self.limited(wanted, cuts=body.get("truncate", "END") != "NONE")

    def ranked(self, body: Any) -> Wanted:
        """Check a request to rerank."""
        self.fields(
            body,
            {"model": str, "query": str, "documents": list},
            {"top_n": int, "max_tokens_per_doc": int},
        )
        served = self.served(body["model"], reranker=True)
        texts = strings(body["documents"], Refused(400, "invalid request: documents"))
        return self.limited(Wanted(served, texts, query=body["query"]), cuts=True)

    def embeddings(self, wanted: Wanted, rows: Sequence[Row]) -> Any:
        kind = "base64" if wanted.base64 else "float"
        return {
            "id": "5a0b1c2d-0000-4000-8000-000000000000",
            "embeddings": {kind: [packed(row, wanted.base64) for _, row in rows]},
            "texts": [wanted.texts[i % len(wanted.texts)] for i, _ in rows],
            "response_type": "embeddings_by_type",
            "meta": {
                "api_version": {"version": "2"},
                "billed_units": {"input_tokens": wanted.used()},
            },
        }

    def ranking(self, wanted: Wanted, scores: Sequence[tuple[int, float | None]]) -> Any:
        return {
            "id": "5a0b1c2d-0000-4000-8000-000000000001",
            "results": [{"index": i, "relevance_score": score} for i, score in scores],
            "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
        }

    def error(self, status: int, message: str) -> Any:
        return {"id": "5a0b1c2d-0000-4000-8000-000000000002", "message": message}
