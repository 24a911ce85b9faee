"""Voyage's embeddings and reranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.models.hosted.api import Api, Refused, Row, Served, Wanted, packed, strings


class Voyage(Api):
    """POST /v1/embeddings, /v1/multimodalembeddings and /v1/rerank.

    Sources: https://docs.voyageai.com/reference/embeddings-api, /multimodal-embeddings-api and
    /reranker-api
    (fields, 1,000 texts, tokens of a request by model, truncation true where nothing is said);
    the official client reads "detail" of an error's body.
    """

    provider = "voyage"
    key_env = "VOYAGE_API_KEY"
    kinds: Mapping[str, str] = {"query": "query", "document": "document"}
    models = (
        Served("voyage-3.5", 1024, 32_000, 1000, (2048, 512, 256), 320_000),
        Served("voyage-3-large", 1024, 32_000, 1000, (2048, 512, 256), 120_000),
    )
    tiny = Served("tiny-voyage", 16, 200, 4, (8,), 400)
    reranker = Served("tiny-rerank-voyage", 0, 200, 1000)
    packed = True
    too_many = "The batch size limit is {limit}. Your batch size is {got}."
    too_long = (
        "One of your inputs has {got} tokens, above the model's context length of {limit} tokens."
    )
    too_much = (
        "Request to model failed. The max allowed tokens per submitted batch is {limit}. Your "
        "batch has {got} tokens after truncation. Please lower the number of tokens in the batch."
    )

    def wanted(self, path: str, query: Mapping[str, str], body: Any) -> Wanted:
        if path == "/v1/rerank":
            return self.ranked(body)
        name = {"/v1/embeddings": "input", "/v1/multimodalembeddings": "inputs"}.get(path)
        if name is None:
            raise Refused(404, "Not Found")
        self.fields(
            body,
            {"model": str, name: (str, list)},
            {
                "input_type": (None, "query", "document"),
                "truncation": bool,
                "output_dimension": (None, int),
                "output_dtype": (None, "float"),
                "encoding_format": (None, "base64"),
            },
        )
        served = self.served(body["model"])
        if ("multimodal" in served.name) != (name == "inputs"):
            raise Refused(400, f"Model {served.name} is not supported by this endpoint.")
        given = [self._text(one) for one in body[name]] if name == "inputs" else body[name]
        wanted = Wanted(
            served,
            strings(given, Refused(400, f"{name}: expected a string or strings")),
            body.get("input_type") or "",
            body.get("output_dimension") or served.dimensions,
            body.get("encoding_format") == "base64",
        )
        return self.limited(wanted, cuts=body.get("truncation", True))

    def _text(self, one: Any) -> str:
        """Return the one text of an input that might hold images as well."""
        self.fields(one, {"content": list})
        if len(one["content"]) != 1:
            raise Refused(400, "expected one piece of content")
        self.fields(one["content"][0], {"type": "text", "text": str})
        text: str = one["content"][0]["text"]
        return text

    def ranked(self, body: Any) -> Wanted:
        """Check a request to rerank."""
        self.fields(
            body,
            {"model": str, "query": str, "documents": list},
            {"top_k": (None, int), "truncation": bool, "return_documents": bool},
        )
        served = self.served(body["model"], reranker=True)
        texts = strings(body["documents"], Refused(400, "documents: expected strings"))
        wanted = Wanted(served, texts, query=body["query"])
        return self.limited(wanted, cuts=body.get("truncation", True))

    def embeddings(self, wanted: Wanted, rows: Sequence[Row]) -> Any:
        used = {"total_tokens": wanted.used()}
        if "multimodal" in wanted.served.name:
            used |= {"text_tokens": wanted.used(), "image_pixels": 0, "video_pixels": 0}
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "embedding": packed(row, wanted.base64), "index": i}
                for i, row in rows
            ],
            "model": wanted.served.name,
            "usage": used,
        }

    def ranking(self, wanted: Wanted, scores: Sequence[tuple[int, float | None]]) -> Any:
        return {
            "object": "list",
            "data": [{"relevance_score": score, "index": i} for i, score in scores],
            "model": wanted.served.name,
            "usage": {"total_tokens": wanted.used()},
        }

    def error(self, status: int, message: str) -> Any:
        return {"detail": message}
