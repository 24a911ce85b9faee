"""The failures that are tried on every provider, and what has to come of each.

The table in docs/hosted.md is made of this, and a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from samespace.errors import InvalidVectors, ModelError, SamespaceError
from samespace.models.hosted.http import Refused
from tests.models.hosted.apis import APIS

RETRIES = 3
TIMEOUT = 0.4
"""Seconds, where the endpoint takes longer."""

INDEXED = tuple(name for name, api in APIS.items() if api.indexed)


@dataclass(frozen=True)
class Tried:
    """One failure.

    Attributes:
        fault: its name in `service`.
        once: what comes of it where one request gets it: the request is sent "again"; the
            results are put in "order" without that (by their index, or by the
            texts that Cohere repeats; Gemini gives nothing to tell by); the call is "refused".
        error: what is raised where every request gets it; None where nothing needs to be.
        requests: how many were sent until then.
        providers: on which it was tried, by the names in `APIS`.
    """

    fault: str
    once: Literal["again", "order", "refused"]
    error: type[SamespaceError] | None
    requests: int
    providers: tuple[str, ...] = tuple(APIS)


def _passing(fault: str) -> Tried:
    return Tried(fault, "again", ModelError, RETRIES + 1)


def _unusable(fault: str, error: type[SamespaceError], *, indexed: bool = False) -> Tried:
    return Tried(fault, "again", error, 3, INDEXED if indexed else tuple(APIS))


TRIED = (
    _passing("429"),
    _passing("429, Retry-After in seconds"),
    _passing("429, Retry-After as a date"),
    _passing("429, retry-after-ms"),
    Tried("429, retryDelay in the body", "again", ModelError, RETRIES + 1, ("gemini",)),
    Tried("429, Retry-After of an hour", "refused", ModelError, 1),
    _passing("500"),
    _passing("503"),
    _passing("no answer in time"),
    _passing("an answer that trickles in for too long"),
    _passing("connection cut in the middle of the answer"),
    _passing("connection closed unanswered"),
    _unusable("an answer that is not JSON", ModelError),
    _unusable("an answer of another shape", ModelError),
    _unusable("an answer that is a list", ModelError),
    Tried("shuffled", "order", None, 0, tuple(name for name in APIS if name != "gemini")),
    _unusable("one result too few", ModelError),
    _unusable("one result too many", ModelError),
    _unusable("an index twice", ModelError, indexed=True),
    _unusable("an index beyond the texts", ModelError, indexed=True),
    _unusable("null in a vector", InvalidVectors),
    _unusable("NaN in a vector", InvalidVectors),
    _unusable("infinity in a vector", InvalidVectors),
    _unusable("a vector of zeros", InvalidVectors),
    _unusable("one dimension too many", InvalidVectors),
    _unusable("one dimension too few", InvalidVectors),
    _unusable("vectors three times as long", InvalidVectors),
    Tried("400", "refused", Refused, 1),
    Tried("401", "refused", Refused, 1),
    Tried("403", "refused", Refused, 1),
    Tried("307", "refused", Refused, 1),
)

WAITS = {
    "429, Retry-After in seconds": 1.0,
    "429, Retry-After as a date": 0.9,
    "429, retry-after-ms": 0.15,
    "429, retryDelay in the body": 0.25,
    "no answer in time": 0.0,
    "an answer that trickles in for too long": 0.0,
}
"""Those that take time, and the seconds that the endpoint asks to wait: a date is cut to whole
seconds."""


def table() -> str:
    """Return the table for the documents."""
    lines = [
        "| what the endpoint did | once | every time | tried on |",
        "|---|---|---|---|",
    ]
    for one in TRIED:
        once = {
            "again": "asked again: every text has its vector",
            "order": "put in order",
            "refused": "",
        }[one.once]
        if one.error is None:
            ever = "put in order"
        else:
            name = {"Refused": "InputError"}.get(one.error.__name__, one.error.__name__)
            ever = f"`{name}` after {one.requests} request{'s' * (one.requests > 1)}"
        where = "all" if one.providers == tuple(APIS) else ", ".join(one.providers)
        lines.append(f"| {one.fault} | {once or ever} | {ever} | {where} |")
    return "\n".join(lines)
