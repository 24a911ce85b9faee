"""What the rest of the house asks of a store: three small protocols and their values.

A store is bound to Space ids and knows no model. Chunks are named by `row`, an integer that is
never used twice in one store. Vectors are named by the hash of the input that they were made
from, so that the same text under two ids is two rows and one vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from samespace.space import Canary, Space, Vectors
from samespace.text.recipe import Recipe
from samespace.types import Chunk, Document, MetadataValue


@dataclass(frozen=True)
class Header:
    """What is fixed of a side: when a collection is made, and when a migration makes another.

    `model` is how the user named the model (a name or a folder): a hint for loading, never an
    identity. `recipe` is a JSON object that the store keeps and does not read. `language` is an
    ISO 639-1 code that chooses the lexical analysis.
    """

    space: Space
    canaries: tuple[Canary, ...]
    model: str
    recipe: Mapping[str, object]
    language: str = "en"

    @cached_property
    def recipe_id(self) -> str:
        """The id of the recipe."""
        return Recipe.from_dict(self.recipe).id

    @cached_property
    def pinned(self) -> str:
        """What a model is held against: a digest of the Space and of the canaries."""
        digest = hashlib.sha256(self.space.canonical().encode("ascii"))
        for canary in self.canaries:
            digest.update(canary.vector.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk found by one retriever: its row and that retriever's raw score."""

    row: int
    score: float


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk with what is shown of its document."""

    row: int
    chunk: Chunk
    source: str
    title: str
    metadata: Mapping[str, MetadataValue]


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """What a store knows of one document, its text left out."""

    id: str
    source: str
    origin: str
    content_hash: str
    title: str


@dataclass(frozen=True)
class Totals:
    """Counts over a whole store; `bytes` is its size on disk."""

    documents: int
    chunks: int
    tokens: int
    tokens_dropped: int
    vectors: int
    dead_vectors: int
    bytes: int
    change: int
    lexical_pending: int
    dropped: Mapping[str, int] = field(default_factory=dict)


class Reader(Protocol):
    """A consistent view of the last commit. Used by one thread; close it (or use `with`)."""

    @property
    def header(self) -> Header:
        """What is fixed of what this view searches."""

    def dense(self, query: Vectors, k: int, where: str | None = None) -> list[Candidate]:
        """Return the k nearest chunks by exact inner product, best first, ties by row.

        Args:
            query: exactly one vector, in the store's active space.
            where: a filter (see `samespace.store.where`), or None.

        Raises:
            SpaceMismatch: the query lives in another space.
        """

    def lexical(self, query: str, k: int, where: str | None = None) -> list[Candidate]:
        """Return the k best chunks by BM25, best first, ties by row. No committed row is missed."""

    def fetch(self, rows: Sequence[int]) -> list[StoredChunk]:
        """Return the chunks with these rows, in the order asked for; unknown rows are left out."""

    def documents(
        self, ids: Iterable[str] | None = None, *, where: str | None = None
    ) -> Iterator[StoredDocument]:
        """Yield the documents with these ids, or all; those that a filter accepts."""

    def document(self, id: str) -> Document | None:
        """Return one document with its cleaned text put together again, or None."""


class Writer(Protocol):
    """The one writer of a store. Nothing is visible to readers before `commit`.

    Leaving the `with` block without `commit` rolls back to the last commit.
    """

    def missing(self, hashes: Sequence[bytes]) -> list[bytes]:
        """Return the hashes that have no vector in the active space, each once, in order."""

    def add_vectors(self, hashes: Sequence[bytes], vectors: Vectors) -> None:
        """Append vectors, one for each hash. Hashes that are there already are left as they are.

        Raises:
            SpaceMismatch: the vectors live in another space than the store's.
        """

    def put(self, document: Document, chunks: Sequence[Chunk], hashes: Sequence[bytes]) -> None:
        """Write one cleaned document and all its chunks, replacing a document of the same id.

        `hashes[i]` names the vector of `chunks[i]`; it must be there by the time of `commit`.
        """

    def delete(self, ids: Iterable[str]) -> int:
        """Delete documents with all their chunks; return how many there were."""

    def commit(self) -> None:
        """Make everything since the last commit visible, all at once and durably."""


class Store(Protocol):
    """Rows and vectors on disk."""

    @property
    def header(self) -> Header:
        """What is fixed of the active side, as of the last commit."""

    def read(self) -> AbstractContextManager[Reader]:
        """Return a new reader on the last commit."""

    def write(self, timeout: float = 0.0) -> AbstractContextManager[Writer]:
        """Take the write lock and return the writer.

        Raises:
            CollectionLocked: another process holds it and `timeout` seconds have passed.
        """

    def totals(self) -> Totals:
        """Count everything."""

    def compact(self, timeout: float = 0.0) -> int:
        """Physically erase what was deleted; return the number of bytes freed."""
