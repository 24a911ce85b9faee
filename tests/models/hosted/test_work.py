"""Requests of bounded size, several at once: nothing lost, nothing mixed up, whatever fails."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samespace.errors import ModelError, TooLong
from samespace.models.hosted.http import Refused, retry_after
from samespace.models.hosted.work import batches, in_parallel


@given(
    st.lists(st.integers(1, 50), max_size=60), st.integers(1, 9), st.none() | st.integers(1, 120)
)
@settings(max_examples=200, deadline=None)
def test_batches_hold_every_text_once_in_order(
    counts: list[int], items: int, tokens: int | None
) -> None:
    made = list(batches(counts, items, tokens))
    assert [i for rows in made for i in rows] == list(range(len(counts)))
    for rows in made:
        assert 1 <= len(rows) <= items
        assert len(rows) == 1 or tokens is None or sum(counts[i] for i in rows) <= tokens
    for rows, after in pairwise(made):
        fits = tokens is None or sum(counts[i] for i in [*rows, after[0]]) <= tokens
        assert len(rows) == items or not fits, "a request is as full as it may be"


def number(rows: list[int], stop: threading.Event) -> list[int]:
    time.sleep(random.random() / 200)
    return [row * 10 for row in rows]


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_every_request_is_answered_once(concurrency: int) -> None:
    requests = list(batches([1] * 50, 4, None))
    found = dict(
        pair
        for rows, answers in in_parallel(requests, number, concurrency)
        for pair in zip(rows, answers, strict=True)
    )
    assert found == {i: i * 10 for i in range(50)}


def test_what_is_too_large_is_sent_in_halves() -> None:
    sent: list[list[int]] = []

    def fetch(rows: list[int], stop: threading.Event) -> list[int]:
        sent.append(rows)
        if len(rows) > 3:
            raise Refused("no", 400, "max 3 tokens per request")
        return rows

    found = [rows for rows, _ in in_parallel([list(range(10)), [10, 11]], fetch, 1)]
    assert sorted(row for rows in found for row in rows) == list(range(12))
    assert sent == [list(range(10)), [0, 1, 2, 3, 4], [0, 1], [2, 3, 4], list(range(5, 10)),
                    [5, 6], [7, 8, 9], [10, 11]]  # fmt: skip


def test_a_text_that_is_too_long_is_named() -> None:
    def fetch(rows: list[int], stop: threading.Event) -> list[int]:
        if 6 in rows:
            raise Refused("they refuse", 400, "maximum context length is 8 tokens")
        return rows

    found: list[int] = []
    with pytest.raises(TooLong, match="text 6: they refuse"):
        collect(in_parallel([list(range(8)), [8, 9]], fetch, 1), found)
    assert found == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("status", "text"), [(401, "invalid token"), (400, "unknown field"), (404, "too many")]
)
def test_what_is_refused_for_another_reason_is_not_sent_again(status: int, text: str) -> None:
    sent: list[list[int]] = []

    def fetch(rows: list[int], stop: threading.Event) -> list[int]:
        sent.append(rows)
        raise Refused("no", status, text)

    with pytest.raises(Refused):
        collect(in_parallel([[0, 1], [2, 3]], fetch, 1), [])
    assert sent == [[0, 1]]


def test_what_was_under_way_is_yielded_before_the_first_error() -> None:
    started = threading.Barrier(3, timeout=10)

    def fetch(rows: list[int], stop: threading.Event) -> list[int]:
        if rows[0] < 3:
            started.wait()
        if rows == [1]:
            raise ModelError("the first")
        time.sleep(0.05)
        if rows == [2]:
            raise ModelError("the second")
        return rows

    found: list[int] = []
    with pytest.raises(ModelError, match="the first"):
        collect(in_parallel([[i] for i in range(20)], fetch, 3), found)
    assert found == [0], "no further request was sent"


def test_whoever_stops_is_not_kept_waiting() -> None:
    began, stopped = threading.Event(), threading.Event()

    def fetch(rows: list[int], stop: threading.Event) -> list[int]:
        if rows == [0]:
            return rows
        began.set()
        stop.wait(60)
        stopped.set()
        return rows

    stream = in_parallel([[0], [1], [2]], fetch, 2)
    assert next(stream)[0] == [0]
    assert began.wait(10)
    started = time.monotonic()
    stream.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 5
    assert stopped.wait(5)


def collect(stream: Iterator[tuple[list[int], list[int]]], found: list[int]) -> None:
    for rows, answers in stream:
        assert rows == answers
        found += rows


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "60"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "60"}, 60.0),
        ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float) -> None:
    httpx = pytest.importorskip("httpx")
    assert retry_after(httpx.Headers(headers)) == seconds


def test_a_date_to_wait_for() -> None:
    httpx = pytest.importorskip("httpx")
    when = formatdate(time.time() + 90, usegmt=True)
    assert 85 < retry_after(httpx.Headers({"Retry-After": when})) <= 90
