"""Filling a side from what the store holds: cut, embed, commit, in short steps beside others.

Nothing is remembered but what was committed: what a side lacks is asked of the database, so a
killed run goes on where it was and embeds again at most the step that was under way.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

from samespace.collection import Collection
from samespace.errors import (
    InputError,
    MissingExtra,
    ModelError,
    SamespaceError,
    SpaceError,
    StoreError,
)
from samespace.ingest.prepare import input_hash
from samespace.models.base import Embedder
from samespace.models.derived import derive, is_derived
from samespace.space import Vectors
from samespace.store.embedded import EmbeddedWriter
from samespace.store.sides import Lacking, having, lacking, uncut, without_vector
from samespace.text.chunk import chunk
from samespace.text.recipe import Recipe
from samespace.types import Chunk, Document

STEP_TOKENS = 16_384
"""How many tokens are embedded and committed together, at first."""

STEP_SECONDS = (1.0, 5.0)
"""A step that takes less is doubled the next time, one that takes more is halved."""

BREATH_SECONDS = 0.05
"""How long the lock is left alone between two steps, so that who waits for it gets it."""

Found = TypeVar("Found")

_CHUNKS = 4_096
_DOCUMENTS = 64


@dataclass
class Filled:
    """What became of filling a side; told while it goes on.

    Attributes:
        documents: documents cut.
        embedded, computed: inputs given to the model, and computed from stored vectors.
        tokens: tokens given to the model.
        lacking: what the side lacks now.
        failed: documents that the new model cannot take, with the reason.
        seconds: wall time.
    """

    documents: int = 0
    embedded: int = 0
    computed: int = 0
    tokens: int = 0
    lacking: Lacking = field(default_factory=lambda: Lacking(0, 0))
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


Progress = Callable[[Filled], None]


@dataclass
class _Step:
    """Inputs to embed and documents to write, in one commit."""

    inputs: dict[bytes, tuple[str, int]] = field(default_factory=dict)
    documents: list[tuple[Document, list[Chunk], list[bytes]]] = field(default_factory=list)
    tokens: int = 0

    def add(self, hash: bytes, text: str, tokens: int) -> None:
        if hash not in self.inputs:
            self.inputs[hash] = (text, tokens)
            self.tokens += tokens


class Filler:
    """Fills one side of a collection's store.

    Args:
        collection: the collection.
        side: the number of the side.
        tokens_per_minute: at most so many tokens are given to the model in a minute.
        progress: called after every commit.
    """

    def __init__(
        self,
        collection: Collection,
        side: int,
        tokens_per_minute: float = math.inf,
        progress: Progress = lambda filled: None,
    ) -> None:
        self._collection = collection
        self._store = collection.store
        self._side = side
        self._rate = tokens_per_minute
        self._progress = progress
        self._size = STEP_TOKENS
        self._started = time.monotonic()
        self.filled = Filled()
        with self._store.read(side) as reader:
            self._header = reader.header
        self._recipe = Recipe.from_dict(self._header.recipe)

    def run(self, writer: EmbeddedWriter | None = None, *, enough: int = 0) -> Filled:
        """Fill until nothing is lacking but what failed.

        Args:
            writer: a writer of this side to use; None takes the lock for each commit, and waits
                as long as another writer holds it.
            enough: stop where no more documents and inputs than this are lacking: beside
                writers that never rest there is no end otherwise.
        """
        filled = self.filled
        while True:
            filled.failed.clear()
            steps = 0
            for step in self._steps():
                self._take(step, writer)
                steps += 1
            filled.lacking = self._store.ask(lambda connection: lacking(connection, self._side))
            self._tell()
            if not steps or filled.lacking.documents + filled.lacking.inputs <= enough:
                return filled

    def _steps(self) -> Iterator[_Step]:
        yield from self._cutting()
        yield from self._embedding()

    def _cutting(self) -> Iterator[_Step]:
        """Yield steps that cut documents which the side has not cut."""
        after = 0
        step = _Step()
        while found := self._store.ask(_behind(uncut, self._side, after, _DOCUMENTS)):
            embedder = self._collection.embedders.checked(self._header)
            for _, id in found:
                self._cut(embedder, id, step)
                if step.tokens >= self._size:
                    yield step
                    step = _Step()
            after = found[-1][0]
        if step.documents:
            yield step

    def _cut(self, embedder: Embedder, id: str, step: _Step) -> None:
        document = self._collection.document(id)
        if document is None:
            return
        try:
            chunks = chunk(document, lambda texts: embedder.count(texts), self._recipe)
        except (MissingExtra, ModelError, SpaceError, StoreError):
            raise  # this is about the model or the store, and would be said of every document
        except SamespaceError as error:
            self.filled.failed[id] = str(error)
            return
        hashes = [input_hash(piece.input) for piece in chunks]
        step.documents.append((document, chunks, hashes))
        there = self._store.ask(lambda connection: having(connection, self._side, hashes))
        for piece, hash in zip(chunks, hashes, strict=True):
            if hash not in there:
                step.add(hash, piece.input, piece.tokens)

    def _embedding(self) -> Iterator[_Step]:
        """Yield steps of chunks which lack their vector."""
        after = 0
        step = _Step()
        while found := self._store.ask(_behind(without_vector, self._side, after, _CHUNKS)):
            for lack in found:
                step.add(lack.hash, lack.input, lack.tokens)
                if step.tokens >= self._size:
                    yield step
                    step = _Step()
            after = found[-1].row
        if step.inputs:
            yield step

    def _take(self, step: _Step, writer: EmbeddedWriter | None) -> None:
        """Embed and commit one step."""
        started = time.monotonic()
        parts = self._vectors(step)
        took = time.monotonic() - started
        with self._writing(writer) as writing:
            for hashes, vectors in parts:
                writing.add_vectors(hashes, vectors)
            cut = [writing.cut(*document) for document in step.documents]
            writing.commit()
        self.filled.documents += sum(cut)
        self._tell()
        least, most = STEP_SECONDS
        if took < least:
            self._size = min(self._size * 2, 32 * STEP_TOKENS)
        elif took > most:
            self._size = max(self._size // 2, STEP_TOKENS // 4)
        if writer is None:
            time.sleep(max(BREATH_SECONDS, self._ahead()))

    def _writing(self, writer: EmbeddedWriter | None) -> AbstractContextManager[EmbeddedWriter]:
        if writer is not None:
            return nullcontext(writer)
        return self._store.write(math.inf, self._side)

    def _vectors(self, step: _Step) -> list[tuple[list[bytes], Vectors]]:
        """Return the vectors of a step: computed from those stored where that can be."""
        wanted = dict(step.inputs)
        parts = []
        with self._store.read() as reader:
            source = reader.header.space
            if is_derived(self._header.space, source):
                hashes, vectors = reader.stored(list(wanted))
                if hashes:
                    parts.append((hashes, derive(vectors, self._header.space)))
                    self.filled.computed += len(hashes)
                for hash in hashes:
                    del wanted[hash]
        if wanted:
            embedder = self._collection.embedders.checked(self._header)
            on_long = "truncate" if self._recipe.on_long == "truncate" else "error"
            texts = [text for text, _ in wanted.values()]
            vectors = embedder.embed(texts, "document", on_long=on_long)  # type: ignore[arg-type]
            parts.append((list(wanted), vectors))
            self.filled.embedded += len(wanted)
            self.filled.tokens += sum(tokens for _, tokens in wanted.values())
        return parts

    def _ahead(self) -> float:
        """Return the seconds by which the tokens so far are ahead of the rate."""
        due = self.filled.tokens / self._rate * 60
        return due - (time.monotonic() - self._started)

    def _tell(self) -> None:
        self.filled.seconds = time.monotonic() - self._started
        self._progress(self.filled)


def _behind(
    question: Callable[[sqlite3.Connection, int, int, int], list[Found]],
    side: int,
    after: int,
    limit: int,
) -> Callable[[sqlite3.Connection], list[Found]]:
    return lambda connection: question(connection, side, after, limit)


def require_full(filled: Filled, path: object) -> None:
    """Raise InputError if documents could not be cut for the new side."""
    if filled.failed:
        id, why = next(iter(filled.failed.items()))
        raise InputError(
            f"{path}: {len(filled.failed)} documents cannot be cut for the new model, the first "
            f"is {id!r}: {why}. Delete them, or cancel and migrate with other settings"
        )
