"""Counting tokens in few, large calls: the one cost of chunking that matters."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from samespace.errors import InputError

__all__ = ["Count", "Meter"]

Count = Callable[[Sequence[str]], list[int]]
"""Tokens of each text as the model would see it: special tokens and prompt included, untruncated.

`count([""])` is the fixed overhead of every input.
"""

# A tokenizer takes some hundred bytes of memory for each token of one call.
LONGEST = 200_000
BATCH = 500_000
SPACE = re.compile(r"\s")


class Meter:
    """A token counter that asks for each text once and remembers the answer.

    It asks for `BATCH` characters in one call, so that memory stays bounded.
    """

    def __init__(self, count: Count) -> None:
        self._count = count
        self._known: dict[str, int] = {}

    def totals(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text, overhead included."""
        self.ask(texts)
        return [self._known[text] for text in texts]

    def nets(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text without the overhead."""
        overhead = self.overhead
        return [max(0, total - overhead) for total in self.totals(texts)]

    def estimates(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text as `nets` does, a very long one counted in parts."""
        parts = [list(_parts(text)) for text in texts]
        counts = iter(self.nets(list(itertools.chain.from_iterable(parts))))
        return [sum(itertools.islice(counts, len(row))) for row in parts]

    def total(self, text: str) -> int:
        """Return the tokens of one text, overhead included."""
        return self.totals([text])[0]

    def net(self, text: str) -> int:
        """Return the tokens of one text without the overhead."""
        return self.nets([text])[0]

    @property
    def overhead(self) -> int:
        """Tokens of the empty text: special tokens and prompt."""
        return self.total("")

    def ask(self, texts: Iterable[str]) -> None:
        """Count, in few calls, the texts that are not known yet."""
        missing = dict.fromkeys(text for text in texts if text not in self._known)
        for batch in _batches(missing):
            counts = self._count(batch)
            if len(counts) != len(batch):
                raise InputError(
                    f"count must return one number for each text: {len(batch)} texts were given, "
                    f"{len(counts)} numbers came back"
                )
            self._known.update(zip(batch, counts, strict=True))


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and size + len(text) > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def _parts(text: str) -> Iterator[str]:
    """Cut a very long text before white space, where no tokenizer joins what was cut."""
    start = 0
    while len(text) - start > LONGEST and (space := SPACE.search(text, start + LONGEST)):
        yield text[start : space.start()]
        start = space.start()
    yield text[start:]
