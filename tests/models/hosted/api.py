"""What a provider documents about its interface: fields, limits, the forms of its answers.

The "model" behind every interface gives each text a vector that depends on the text and on its
input type alone, so that any mix-up of texts, roles or batches shows.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

WORD = re.compile(r"\w+|[^\w\s]+")
"""What the models count as a token."""

Row = tuple[int, Sequence[float | None]]
"""One result: which text it belongs to, and its vector (null where a fault put one)."""


def tokens(text: str) -> int:
    """Return how many tokens a text has."""
    return len(WORD.findall(text))


def cut(text: str, window: int) -> str:
    """Return the first `window` tokens of a text, as a model cuts that was not told otherwise."""
    ends = [found.end() for found in WORD.finditer(text)]
    return text if len(ends) <= window else text[: ends[window - 1]]


def vector(text: str, kind: str, dimensions: int) -> np.ndarray:
    """Return the one vector of a text of an input type: float32, of length 1."""
    digest = hashlib.sha256(f"{kind}\n{text}".encode()).digest()
    drawn = np.random.default_rng(int.from_bytes(digest[:8], "big")).standard_normal(dimensions)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def relevance(query: str, text: str) -> float:
    """Return the one score of a text for a query, between 0 and 1."""
    digest = hashlib.sha256(f"{query}\n{text}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


@dataclass(frozen=True)
class Served:
    """A model behind an interface, with its documented limits.

    Attributes:
        name: as the interface calls it.
        dimensions: of a vector; 0 for a reranker.
        shorter: smaller widths that may be asked for.
        window: tokens of one text.
        items: texts of one request.
        total: tokens of one request, where that is limited.
    """

    name: str
    dimensions: int
    window: int
    items: int
    shorter: tuple[int, ...] = ()
    total: int | None = None


@dataclass(frozen=True)
class Wanted:
    """What a valid request asks for."""

    served: Served
    texts: tuple[str, ...]
    kind: str = ""
    dimensions: int = 0
    base64: bool = False
    normalized: bool = True
    query: str | None = None

    def rows(self) -> list[Row]:
        """Return the right answer; a shortened vector has its length only where it is asked."""
        found: list[Row] = []
        for i, text in enumerate(self.texts):
            whole = vector(text, self.kind, self.served.dimensions)[: self.dimensions]
            if self.normalized:
                whole = (whole / np.linalg.norm(whole)).astype(np.float32)
            found.append((i, [float(x) for x in whole]))
        return found

    def scores(self) -> list[tuple[int, float | None]]:
        """Return the right ranking, best first."""
        scored = [(i, relevance(self.query or "", text)) for i, text in enumerate(self.texts)]
        return [*sorted(scored, key=lambda pair: -pair[1])]

    def used(self) -> int:
        """Return the tokens to pay for; a query counts with every text."""
        return sum(tokens(text) + tokens(self.query or "") for text in self.texts)


class Refused(Exception):
    """A request that the interface does not accept."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """The interface of one provider. A subclass says what is special about it."""

    provider: str
    key_env: str
    kinds: Mapping[str, str] = {"query": "", "document": ""}
    """What the interface calls the roles; "" where it does not tell them apart."""
    models: tuple[Served, ...]
    tiny: Served
    """A model that no provider has, small and with narrow limits, for quick tests."""
    reranker: Served | None = None
    key = "sk-loopback-0f1e2d3c4b5a69788796a5b4c3d2e1f0"
    base = "/v1"
    invalid = 400
    """The status of a request with a missing, unknown or mistyped field."""
    indexed = True
    """Whether every result says which text it belongs to."""
    packed = False
    """Whether vectors are asked for as base64."""
    too_many = "at most {limit} texts, got {got}"
    too_long = "at most {limit} tokens in a text, got {got}"
    too_much = "at most {limit} tokens in a request, got {got}"

    def served(self, name: object, *, reranker: bool = False) -> Served:
        """Return the model of that name."""
        for one in (*self.models, self.tiny, *([self.reranker] if self.reranker else [])):
            if one.name == name and (one.dimensions == 0) == reranker:
                return one
        raise Refused(404, f"the model {name!r} does not exist")

    def serving(self, served: Served) -> Api:
        """Return the same interface with one more model."""
        other = copy(self)
        other.models = (*self.models, served)
        return other

    def key_sent(self, headers: Mapping[str, str]) -> str:
        """Return the key of a request, "" if there is none."""
        return headers.get("authorization", "").removeprefix("Bearer ")

    def wanted(self, path: str, query: Mapping[str, str], body: Any) -> Wanted:
        """Check a request and return what it asks for; raise Refused."""
        raise NotImplementedError

    def embeddings(self, wanted: Wanted, rows: Sequence[Row]) -> Any:
        """Return the body of an answer."""
        raise NotImplementedError

    def ranking(self, wanted: Wanted, scores: Sequence[tuple[int, float | None]]) -> Any:
        """Return the body of an answer of a reranker."""
        raise NotImplementedError

    def error(self, status: int, message: str) -> Any:
        """Return the body of a refusal."""
        raise NotImplementedError

    def fields(
        self, body: Any, required: Mapping[str, Any], optional: Mapping[str, Any] | None = None
    ) -> None:
        """Refuse a body with missing, unknown or mistyped fields."""
        if not isinstance(body, dict):
            raise Refused(self.invalid, "expected an object")
        known = {**required, **(optional or {})}
        for name in required:
            if name not in body:
                raise Refused(self.invalid, f"{name}: field required")
        for name, value in body.items():
            if name not in known:
                raise Refused(self.invalid, f"{name}: extra fields not permitted")
            allowed = known[name] if isinstance(known[name], tuple) else (known[name],)
            if not any(_fits(value, one) for one in allowed):
                raise Refused(self.invalid, f"{name}: invalid value {value!r}")

    def limited(self, wanted: Wanted, *, cuts: bool = False) -> Wanted:
        """Refuse a request beyond the limits; `cuts`: texts beyond the window are cut instead."""
        served, texts = wanted.served, wanted.texts
        if not texts or not all(isinstance(t, str) and t for t in texts):
            raise Refused(self.invalid, "expected texts that are not empty")
        if len(texts) > served.items:
            raise Refused(400, self.too_many.format(limit=served.items, got=len(texts)))
        if wanted.dimensions not in (0, served.dimensions, *served.shorter):
            raise Refused(400, f"{wanted.dimensions} dimensions are not supported")
        if cuts:
            texts = tuple(cut(text, served.window) for text in texts)
        longest = max(map(tokens, texts))
        if longest > served.window:
            raise Refused(400, self.too_long.format(limit=served.window, got=longest))
        total = sum(map(tokens, texts))
        if served.total is not None and total > served.total:
            raise Refused(400, self.too_much.format(limit=served.total, got=total))
        return replace(wanted, texts=texts)


def _fits(value: object, allowed: object) -> bool:
    """Say whether a value has an allowed type, or is an allowed value."""
    if isinstance(allowed, type):
        return type(value) is allowed
    return type(value) is type(allowed) and value == allowed


def packed(row: Sequence[float | None], base64_asked: bool) -> Any:
    """Return a vector as it is sent: base64 of little-endian float32, or numbers."""
    if not base64_asked or None in row:
        return list(row)
    return base64.b64encode(np.asarray(row, dtype="<f4").tobytes()).decode("ascii")


def strings(value: object, message: Refused) -> tuple[str, ...]:
    """Return a list of strings, or one string as such a list."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise message
