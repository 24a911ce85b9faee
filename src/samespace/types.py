"""The frozen values that travel between the stages: Document, Block, Chunk, Hit.

A stage takes these and returns these; no configuration travels with them.
Offsets are counted in Unicode code points of the cleaned text, as Python counts them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Scalar = str | int | float | bool | None
MetadataValue = Scalar | tuple[Scalar, ...]
"""What a metadata field may hold: a string, a number, a boolean, null, or a flat tuple of those."""

Role = Literal["query", "document"]
"""What a text is embedded as. Many models treat the two differently (prompts, input types)."""

BlockKind = Literal["heading", "paragraph", "list", "table", "code", "quote", "definition"]

OnLong = Literal["split", "error", "truncate"]
"""What happens to a text longer than the model's window."""


@dataclass(frozen=True, slots=True)
class Block:
    """One structural unit of a cleaned text: `text[start:end]`, surrounding whitespace left out.

    The blocks of a document are sorted, do not overlap, and leave only whitespace uncovered.
    A `heading` or a `definition` (a function, a class) opens a section: `level` is its depth
    from 1 (outermost) and `label` its plain name; the section lasts to the next opening block
    of the same or a smaller level. Other kinds have level 0 and no label.
    """

    start: int
    end: int
    kind: BlockKind
    level: int = 0
    label: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One document on its way from a source to chunks.

    Before cleaning, `text` is the markup as loaded and `media` says which; after cleaning,
    `text` is plain text, `blocks` its structure, and `dropped` counts the characters that
    were removed, by kind. `origin` is the absolute path of the file it came from ("" if none);
    `source` is what is shown to people (the path, or path#id for a record of a file).

    `content_hash` identifies what was loaded (media, title, text, metadata) and not where it
    was found, so a moved document has the same one. It survives cleaning.
    """

    id: str
    text: str
    title: str = ""
    source: str = ""
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    media: str = "text/plain"
    origin: str = ""
    blocks: tuple[Block, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    content_hash: str = ""

    def __post_init__(self) -> None:
        if not self.content_hash:
            record = [self.media, self.title, self.text, dict(self.metadata)]
            canonical = json.dumps(record, sort_keys=True, ensure_ascii=True)
            digest = hashlib.sha256(canonical.encode("ascii")).hexdigest()[:32]
            object.__setattr__(self, "content_hash", digest)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of one cleaned document: `document.text[start:end] == chunk.text`, always.

    `context` (title and heading path) is embedded with the text and never mixed into it.
    `heading` is the path of section labels that the chunk lies in, outermost first.
    `tokens` counts what is embedded: special tokens, prompt, context and text together.
    `dropped` counts the tokens that were cut off because the caller asked for truncation.
    """

    id: str
    document: str
    start: int
    end: int
    text: str
    context: str = ""
    heading: tuple[str, ...] = ()
    tokens: int = 0
    dropped: int = 0
    level: int = 0
    parent: str | None = None

    @property
    def input(self) -> str:
        """The exact text that is given to the model."""
        return f"{self.context}\n{self.text}" if self.context else self.text


@dataclass(frozen=True, slots=True)
class Hit:
    """One result of a search.

    `parts` says what made the score: for each retriever its rank (from 1) and raw score,
    as `{"dense": {"rank": 1, "score": 0.71}, "lexical": {"rank": 4, "score": 9.3}}`.
    """

    rank: int
    score: float
    chunk: Chunk
    source: str
    title: str
    metadata: Mapping[str, MetadataValue]
    parts: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Skip:
    """A source, or one record of it, that was not taken in, and why.

    `origin` is set where the file is there but could not be read (whole): what a collection
    holds of it from before then stays, also when the rest is brought in step.
    """

    source: str
    reason: str
    origin: str = ""
