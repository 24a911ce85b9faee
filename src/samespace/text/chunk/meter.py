"""Counting tokens in few, large calls: the one cost of chunking that matters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from samespace.errors import InputError

__all__ = ["Count", "Meter"]

Count = Callable[[Sequence[str]], list[int]]
"""Tokens of each text as the model would see it: special tokens and prompt included, untruncated.

`count([""])` is the fixed overhead of every input.
"""


class Meter:
    """A token counter that asks for each text once and remembers the answer."""

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
        """Count, in one call, the texts that are not known yet."""
        missing = list(dict.fromkeys(text for text in texts if text not in self._known))
        if not missing:
            return
        counts = self._count(missing)
        if len(counts) != len(missing):
            raise InputError(
                f"count must return one number for each text: {len(missing)} texts were given, "
                f"{len(counts)} numbers came back"
            )
        self._known.update(zip(missing, counts, strict=True))
