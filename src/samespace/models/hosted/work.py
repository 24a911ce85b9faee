"""Requests of bounded size, several under way at once."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from samespace.errors import TooLong
from samespace.models.hosted.http import Refused

T = TypeVar("T")

_TOO_MUCH = re.compile(r"token|too (long|many|large)|batch size|at most|context|length", re.I)
"""How providers say that a request or a text is too large; a wrong guess costs a few requests."""
_TOO_LONG = re.compile(r"token|too long|context|length", re.I)


def batches(
    counts: Sequence[int], max_items: int, max_request_tokens: int | None
) -> Iterator[list[int]]:
    """Yield the positions of consecutive texts that fit into one request together.

    >>> list(batches([5, 5, 5, 20, 1], max_items=2, max_request_tokens=12))
    [[0, 1], [2], [3], [4]]
    """
    rows: list[int] = []
    tokens = 0
    for i, count in enumerate(counts):
        full = max_request_tokens is not None and tokens + count > max_request_tokens
        if rows and (full or len(rows) == max_items):
            yield rows
            rows, tokens = [], 0
        rows.append(i)
        tokens += count
    if rows:
        yield rows


def in_parallel(
    requests: Iterable[list[int]],
    fetch: Callable[[list[int], threading.Event], T],
    concurrency: int,
) -> Iterator[tuple[list[int], T]]:
    """Yield positions and what was fetched for them, as requests are answered.

    A request that is refused for its size is sent again in halves. When one fails for good, no
    further one is sent, but those under way are yielded before its error is raised.

    Args:
        requests: the positions of each request's texts.
        fetch: sends one request and waits; the event tells it to stop waiting.
        concurrency: how many requests are under way at once.

    Raises:
        TooLong: the provider refuses one text for its length.
        SamespaceError: what `fetch` raised first.
    """
    waiting = deque(requests)
    under_way: dict[Future[T], list[int]] = {}
    failure: BaseException | None = None
    stop = threading.Event()
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="samespace-hosted")
    try:
        while under_way or (waiting and not failure):
            while waiting and not failure and len(under_way) < concurrency:
                rows = waiting.popleft()
                under_way[pool.submit(fetch, rows, stop)] = rows
            for done in wait(under_way, return_when=FIRST_COMPLETED).done:
                rows = under_way.pop(done)
                error = done.exception()
                if error is None:
                    yield rows, done.result()
                elif len(rows) > 1 and _too_much(error):
                    half = len(rows) // 2
                    waiting.extendleft((rows[half:], rows[:half]))
                else:
                    failure = failure or _explained(error, rows)
        if failure:
            raise failure
    finally:
        # Whoever asks no further is not kept waiting for what is under way.
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _too_much(error: BaseException) -> bool:
    if not isinstance(error, Refused):
        return False
    return error.status == 413 or (
        error.status in (400, 422) and bool(_TOO_MUCH.search(error.text))
    )


def _explained(error: BaseException, rows: list[int]) -> BaseException:
    """Return the error to raise: a single text that is refused for its length is TooLong."""
    if isinstance(error, Refused) and _too_much(error) and _TOO_LONG.search(error.text):
        return TooLong(f"text {rows[0]}: {error}. If it is too long, split it into chunks")
    return error
