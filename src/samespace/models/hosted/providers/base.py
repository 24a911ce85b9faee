"""What a provider's module says: where its interface is, and the form of requests and answers."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from samespace.errors import ModelError
from samespace.space import FloatArray

Request = tuple[str, dict[str, Any]]
"""A path behind the base URL, and a body for JSON."""


@dataclass(frozen=True)
class Picture:
    """An image as it is sent.

    Attributes:
        media_type: "image/jpeg" or "image/png".
        base64: the file.
    """

    media_type: str
    base64: str

    @property
    def uri(self) -> str:
        """The image as a data URI (RFC 2397)."""
        return f"data:{self.media_type};base64,{self.base64}"


@dataclass(frozen=True)
class Asked:
    """What a request for vectors is made from.

    Attributes:
        model: what the provider calls the model.
        texts: with their prompts in front.
        input_type: what the provider is told about them; "" for nothing.
        dimensions: how many to ask for; None for as many as the provider gives by itself.
        multimodal: whether the model takes images as well as texts.
        picture: an image in place of the texts.
    """

    model: str
    texts: Sequence[str]
    input_type: str = ""
    dimensions: int | None = None
    multimodal: bool = False
    picture: Picture | None = None


@dataclass(frozen=True)
class Ranked:
    """What a request for scores is made from.

    Attributes:
        model: what the provider calls the model.
        query: the question.
        texts: what may answer it.
        window: tokens that the model reads of query and text.
    """

    model: str
    query: str
    texts: Sequence[str]
    window: int


@dataclass(frozen=True)
class Provider:
    """One provider's interface, as pure functions.

    Attributes:
        name: how it is called in the catalog.
        url: the base URL as the provider's own Python client has it; "" where each customer has
            another.
        example: what such a one looks like.
        key_envs: the environment variables that may hold the key, the first one first.
        headers: the headers that carry a key.
        max_items: texts of one request where the catalog does not say.
        embed: from what is asked for to a request.
        vectors: from an answer and the texts to one row for each text, in order.
        tokens: from an answer to the tokens that are paid, or None where it does not say.
        input_types: what the roles are called where the catalog does not say.
        rerank: from what is asked for to a request.
        scores: from an answer and the number of texts to one score for each text, in order.
        searches: from an answer to the searches that are paid, or None.
        pictures: whether samespace knows how images are sent there.
        cuts_texts: whether a text to embed that is too long is cut there, and nothing says so.
        cuts_ranked: the same of a text to score.
        query_part: which part of the window the query of a reranker may fill.
        url_of_key: another base URL where the key is for that, or "".
        query: parameters that the base URL may have.
    """

    name: str
    url: str
    key_envs: tuple[str, ...]
    headers: Callable[[str], Mapping[str, str]]
    max_items: int
    embed: Callable[[Asked], Request]
    vectors: Callable[[Any, Sequence[str]], FloatArray]
    tokens: Callable[[Any], int | None]
    input_types: Mapping[str, str] = field(default_factory=dict)
    rerank: Callable[[Ranked], Request] | None = None
    scores: Callable[[Any, int], list[float]] | None = None
    searches: Callable[[Any], int | None] = lambda answer: None
    example: str = ""
    pictures: bool = False
    cuts_texts: bool = False
    cuts_ranked: bool = False
    query_part: float = 1.0
    url_of_key: Callable[[str], str] | None = None
    query: frozenset[str] = frozenset()


def bearer(key: str) -> dict[str, str]:
    """Return the header of a bearer token (RFC 6750)."""
    return {"Authorization": f"Bearer {key}"}


def parsed(text: str) -> Any:
    """Return the JSON of an answer; raise ModelError for anything else."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # Whole: whoever shortens it must have hidden the key before.
        raise ModelError(f"the answer is no JSON: {text}") from None


def in_order(entries: Any, n: int) -> list[Any]:
    """Return entries with an `index` in the order of it; raise ModelError where any is amiss."""
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise ModelError("the answer holds no list of results")
    if sorted(str(e.get("index")) for e in entries) != sorted(map(str, range(n))):
        raise ModelError(
            f"expected {n} results with the indices 0 to {n - 1}, got {len(entries)} results"
        )
    return sorted(entries, key=lambda entry: int(entry["index"]))


def matrix(rows: Any, n: int) -> FloatArray:
    """Return vectors as an array, shape (n, dimensions), float32.

    Args:
        rows: lists of numbers, or base64 of little-endian float32.
        n: how many there must be.

    Raises:
        ModelError: there are more or fewer, or what is there are no vectors of one length.
    """
    if not isinstance(rows, list) or len(rows) != n:
        seen = len(rows) if isinstance(rows, list) else "none"
        raise ModelError(f"expected {n} vectors, got {seen}")
    try:
        # What overflows is infinite, and refused as that.
        with np.errstate(over="ignore"):
            return np.array([_row(row) for row in rows], dtype=np.float32)
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise ModelError(f"the answer holds no vectors of one length: {error}") from None


def _row(row: Any) -> FloatArray:
    if isinstance(row, str):
        return np.frombuffer(base64.b64decode(row, validate=True), dtype="<f4")
    if not isinstance(row, list):
        raise TypeError(f"expected a list of numbers, got {type(row).__name__}")
    return np.asarray(row, dtype=np.float32)


def numbers(entries: Sequence[Any], name: str) -> list[float]:
    """Return the number that each entry has under a name; raise ModelError where one has none."""
    try:
        return [float(entry[name]) for entry in entries]
    except (LookupError, TypeError, ValueError, OverflowError):
        raise ModelError(f"the answer holds a result without {name}") from None


def count_at(answer: Any, *path: str) -> int | None:
    """Return the count at a path of names, or None where there is none.

    0 is none: servers that do not count say so, and nothing takes no tokens.
    """
    count = at(answer, *path)
    return count if isinstance(count, int) and 0 < count < 2**53 else None


def at(answer: Any, *path: str) -> Any:
    """Return what is at a path of names, or None."""
    for name in path:
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer
