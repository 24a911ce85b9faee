"""What became of a run, and how it is told while it goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from samespace.types import Skip

if TYPE_CHECKING:
    from samespace.models.hosted.budget import Usage


@dataclass
class Report:
    """What became of one run of `add` or `sync`.

    `chunks` and `tokens` count what the documents added or updated hold; `embedded_tokens` only
    what was given to the model, `cached_tokens` what the cache of vectors knew (the rest had a
    vector in the collection already); `tokens_dropped` what was cut off because the collection
    was made with `on_long="truncate"`. `estimated` says that the model's provider gives no
    tokenizer, so that all counts of tokens are estimates on the upper side; `usage` what a hosted
    model was asked since it was loaded, as its provider counted it. `dropped` counts the
    characters that cleaning removed, by kind; `bytes_read` how much of the input is behind.
    `passed_over` counts the names in folders that were left alone by rule: hidden or ignored.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: list[Skip] = field(default_factory=list)
    chunks: int = 0
    tokens: int = 0
    embedded_tokens: int = 0
    cached_tokens: int = 0
    tokens_dropped: int = 0
    estimated: bool = False
    usage: Usage | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)
    bytes_read: int = 0
    seconds: float = 0.0

    @property
    def documents(self) -> int:
        """How many documents were seen and are in the collection now."""
        return self.added + self.updated + self.unchanged


Progress = Callable[[Report], None]
