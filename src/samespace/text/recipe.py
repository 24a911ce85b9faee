"""The recipe by which a cleaned document becomes chunks: fixed with the collection."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from samespace.errors import InputError
from samespace.types import OnLong

CHUNKER_VERSION = 1
"""Raised when the same recipe starts to give other chunks."""


@dataclass(frozen=True)
class Recipe:
    """How documents are cut.

    Attributes:
        max_tokens: the budget of one chunk in the model's own tokens: special tokens, prompt,
            context and text together.
        overlap: how many tokens of text neighbouring chunks share, at most (0: none).
        context: whether title and heading path are embedded with each chunk.
        chunking: "structure" cuts by headings, paragraphs, lists, tables, code and sentences;
            "document" keeps a document whole where it fits.
        on_long: what happens to a text that does not fit: "split", "error" or "truncate".
        language: ISO 639-1 code, for sentences and for lexical analysis.
    """

    max_tokens: int
    overlap: int = 0
    context: bool = True
    chunking: Literal["structure", "document"] = "structure"
    on_long: OnLong = "split"
    language: str = "en"
    version: int = CHUNKER_VERSION

    def __post_init__(self) -> None:
        if self.max_tokens < 16:
            raise InputError(f"max_tokens must be at least 16, got {self.max_tokens}")
        if not 0 <= self.overlap <= self.max_tokens // 2:
            raise InputError(
                f"overlap must lie between 0 and half of max_tokens ({self.max_tokens // 2}), "
                f"got {self.overlap}"
            )
        if self.chunking not in ("structure", "document"):
            raise InputError(f'chunking must be "structure" or "document", got {self.chunking!r}')
        if self.on_long not in ("split", "error", "truncate"):
            raise InputError(
                f'on_long must be "split", "error" or "truncate", got {self.on_long!r}'
            )

        if not re.fullmatch("[a-z]{2,3}", self.language):
            raise InputError(
                f'language must be an ISO 639 code such as "en" or "de", got {self.language!r}'
            )

    @property
    def id(self) -> str:
        """A short digest of all fields; part of every chunk's id."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Make a Recipe from what `to_dict` returned."""
        return cls(**values)
