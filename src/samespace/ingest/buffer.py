"""A queue between two threads, bounded by weight."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Buffer(Generic[T]):
    """A queue between two threads, bounded by weight and not by the number of items."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[tuple[T, int]] = deque()
        self._held = 0
        self._closed = False
        self._stopped = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def is_full(self, weight: int) -> bool:
        """Say whether an item of this weight would have to wait. One item always has room."""
        return self._held > 0 and self._held + weight > self._capacity

    def put(self, item: T, weight: int) -> bool:
        """Add an item, waiting for room; return False once the reader has stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not self.is_full(weight))
            if self._stopped:
                return False
            self._items.append((item, weight))
            self._held += weight
            self._changed.notify_all()
            return True

    def close(self, error: BaseException | None) -> None:
        """Say that nothing more comes, and why, if it is an error."""
        with self._changed:
            self._closed, self._error = True, error
            self._changed.notify_all()

    def raise_error(self) -> None:
        """Raise what ended the producer, once everything before it is taken care of."""
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Say that nothing more will be read."""
        with self._changed:
            self._stopped = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._items) or self._closed)
                if not self._items:
                    return
                item, weight = self._items.popleft()
                self._held -= weight
                self._changed.notify_all()
            yield item
