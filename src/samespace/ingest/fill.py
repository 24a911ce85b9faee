"""Filling a side from what the store holds: cut, embed, commit, in short steps beside others.

Nothing is remembered but what was committed: what a side lacks is asked of the database, so a
killed run goes on where it was and embeds again at most the step that was under way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial

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
from samespace.space import CANARY_COSINE, Canary, Vectors, least_alike
from samespace.store.base import Header
from samespace.store.embedded import EmbeddedWriter
from samespace.store.sides import Lacking, having, lacking, sides, uncut, without_vector
from samespace.text.chunk import chunk
from samespace.text.recipe import Recipe
from samespace.types import Chunk, Document

STEP_TOKENS = 16_384
"""How many tokens are embedded and committed together, at first."""

STEP_SECONDS = (1.0, 5.0)
"""A step that takes less is doubled the next time, one that takes more is halved."""

STEP_CHUNKS = 4_096
"""How many chunks are committed together at most, where few of them must be embedded."""

ROUNDED_COSINE = 0.95
"""The least likeness of a document's canary rounded now to the same rounded from what is stored."""

STEPS_PER_MINUTE = 12
"""Into so many steps at least what may be embedded in a minute is divided."""

BREATH_SECONDS = 0.05
"""How long the lock is left alone between two steps, so that who waits for it gets it."""

_CHUNKS = 4_096
_DOCUMENTS = 64


@dataclass
class Filled:
    """What became of filling a side; told while it goes on.

    Attributes:
        documents: documents cut.
        embedded, cached, computed: inputs given to the model, found in the cache of vectors, and
            computed from stored vectors.
        tokens: tokens given to the model.
        lacking: what the side lacks now.
        failed: documents that the model cannot take, with the reason.
        model: the name of the model.
        seconds: wall time.
    """

    documents: int = 0
    embedded: int = 0
    cached: int = 0
    computed: int = 0
    tokens: int = 0
    lacking: Lacking = field(default_factory=lambda: Lacking(0, 0))
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    model: str = ""


Progress = Callable[[Filled], None]


@dataclass
class _Step:
    """Inputs to embed and documents to write, in one commit."""

    inputs: dict[bytes, tuple[str, int]] = field(default_factory=dict)
    documents: list[tuple[Document, list[Chunk], list[bytes]]] = field(default_factory=list)
    tokens: int = 0
    chunks: int = 0

    def add(self, hash: bytes, text: str, tokens: int) -> None:
        if hash not in self.inputs:
            self.inputs[hash] = (text, tokens)
            self.tokens += tokens

    def is_full(self, tokens: float) -> bool:
        return self.tokens >= tokens or self.chunks >= STEP_CHUNKS


class Filler:
    """Fills one side of a collection's store.

    Args:
        collection: the collection.
        side: the number of the side.
        tokens_per_minute: at most so many tokens are given to the model in a minute.
        progress: called after every commit.
        wait: seconds to wait for another writer, at every commit.
    """

    def __init__(
        self,
        collection: Collection,
        side: int,
        tokens_per_minute: float = math.inf,
        progress: Progress = lambda filled: None,
        wait: float = math.inf,
    ) -> None:
        self._wait = wait
        self._collection = collection
        self._store = collection.store
        self._side = side
        self._rate = tokens_per_minute
        self._progress = progress
        self._most = min(32 * STEP_TOKENS, tokens_per_minute / STEPS_PER_MINUTE)
        self._size = min(STEP_TOKENS, self._most)
        self._started = self._due = time.monotonic()
        self._header = self._store.side_header(side)
        self.filled = Filled(model=self._header.space.model)
        self._recipe = Recipe.from_dict(self._header.recipe)

    def run(self, writer: EmbeddedWriter | None = None, *, enough: int = 0) -> Filled:
        """Fill until nothing is lacking but what failed.

        Args:
            writer: a writer of this side to use; None takes the lock for each commit.
            enough: stop where no more documents and inputs than this are lacking: beside
                writers that never rest there is no end otherwise.
        """
        filled = self.filled
        before = math.inf
        try:
            while True:
                filled.failed.clear()
                steps = 0
                for step in self._steps():
                    self._take(step, writer)
                    steps += 1
                left = self._store.ask(partial(lacking, side=self._side))
                filled.lacking = left
                self._tell()
                # A pass after which no less is lacking than before is the last: nothing would end
                # beside writers that are faster than this.
                still = left.documents + left.inputs
                if not steps or still <= enough or still >= before:
                    return filled
                before = still
        except (InputError, StoreError):
            self._require_there()
            raise

    def _require_there(self) -> None:
        """Raise InputError if another process has given up the side."""
        retired = [one.number for one in self._store.ask(sides) if one.state == "retired"]
        if self._side in retired:
            raise InputError(
                f"{self._collection.path}: the migration was cancelled while its new side was "
                "being filled"
            )

    def _steps(self) -> Iterator[_Step]:
        yield from self._cutting()
        yield from self._embedding()

    def _cutting(self) -> Iterator[_Step]:
        """Yield steps that cut documents which the side has not cut."""
        after = 0
        step = _Step()
        while found := self._store.ask(
            partial(uncut, side=self._side, after=after, limit=_DOCUMENTS)
        ):
            embedder = self._collection.embedders.checked(self._header)
            for _, id in found:
                self._cut(embedder, id, step)
                if step.is_full(self._size):
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
        step.chunks += len(chunks)
        there = self._store.ask(lambda connection: having(connection, self._side, hashes))
        for piece, hash in zip(chunks, hashes, strict=True):
            if hash not in there:
                step.add(hash, piece.input, piece.tokens)

    def _embedding(self) -> Iterator[_Step]:
        """Yield steps of chunks which lack their vector."""
        after = 0
        step = _Step()
        while found := self._store.ask(
            partial(without_vector, side=self._side, after=after, limit=_CHUNKS)
        ):
            for lack in found:
                step.add(lack.hash, lack.input, lack.tokens)
                step.chunks += 1
                if step.is_full(self._size):
                    yield step
                    step = _Step()
            after = found[-1].row
        if step.inputs:
            yield step

    def _take(self, step: _Step, writer: EmbeddedWriter | None) -> None:
        """Embed and commit one step."""
        time.sleep(max(0.0, self._due - time.monotonic()))
        started, before = time.monotonic(), self.filled.tokens
        parts = self._vectors(step)
        # Time in which nothing was embedded is not saved up.
        self._due = started + (self.filled.tokens - before) / self._rate * 60
        took = time.monotonic() - started
        with self._writing(writer) as writing:
            for hashes, vectors in parts:
                writing.add_vectors(hashes, vectors)
            cut = [
                writing.cut(document, chunks, hashes)
                for document, chunks, hashes in step.documents
                if not writing.missing(hashes)  # erased since they were looked up
            ]
            writing.commit()
        self.filled.documents += sum(cut)
        self._tell()
        least, most = STEP_SECONDS
        if took < least:
            self._size = min(self._size * 2, self._most)
        elif took > most:
            self._size = max(self._size / 2, min(STEP_TOKENS / 4, self._most))
        if writer is None:
            time.sleep(BREATH_SECONDS)

    def _writing(self, writer: EmbeddedWriter | None) -> AbstractContextManager[EmbeddedWriter]:
        if writer is not None:
            return nullcontext(writer)
        return self._store.write(self._wait, self._side)

    def _vectors(self, step: _Step) -> list[tuple[list[bytes], Vectors]]:
        """Return the vectors of a step: computed from those stored where that can be."""
        wanted = dict(step.inputs)
        parts = []
        with self._store.read() as reader:
            if self._is_computed(reader.header):
                hashes, vectors = reader.stored(list(wanted))
                if hashes:
                    parts.append((hashes, derive(vectors, self._header.space)))
                    self.filled.computed += len(hashes)
                for hash in hashes:
                    del wanted[hash]
        if wanted:
            texts = [text for text, _ in wanted.values()]
            vectors, known = self._collection.embedders.embed_documents(self._header, texts)
            parts.append((list(wanted), vectors))
            given = [
                tokens
                for (_, tokens), cached in zip(wanted.values(), known, strict=True)
                if not cached
            ]
            self.filled.embedded += len(given)
            self.filled.cached += len(wanted) - len(given)
            self.filled.tokens += sum(given)
        return parts

    def _is_computed(self, source: Header) -> bool:
        """Say whether vectors are computed from those of the side that is searched.

        The model as it is now must be the one that made those: its canaries of now are what is
        computed from theirs. Documents that are rounded may fall to another side of an edge.
        """
        mine = self._header
        if not is_derived(mine.space, source.space):
            return False
        computed = [
            Canary(
                one.role,
                one.text,
                derive(Vectors(one.vector[None], source.space, one.role), mine.space).array[0],
            )
            for one in source.canaries
        ]
        exact = [
            one for one in mine.canaries if one.role == "query" or mine.space.precision == "float32"
        ]
        return (
            least_alike(exact, computed) >= CANARY_COSINE
            and least_alike(mine.canaries, computed) >= ROUNDED_COSINE
        )

    def _tell(self) -> None:
        self.filled.seconds = time.monotonic() - self._started
        self._progress(self.filled)


def require_full(filled: Filled, path: object) -> None:
    """Raise InputError if documents could not be cut for a side."""
    if filled.failed:
        id, why = next(iter(filled.failed.items()))
        raise InputError(
            f"{path}: {len(filled.failed)} documents cannot be cut for {filled.model}, the first "
            f"is {id!r}: {why}. Delete them, or migrate with other settings"
        )
