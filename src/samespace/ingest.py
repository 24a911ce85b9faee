"""The way of the data into a store: load, clean, chunk, embed, write, all at once.

Three stages run side by side: one thread loads, cleans and chunks; a small pool embeds; the
caller's thread writes. Between them stand bounded buffers, so that memory does not grow with
the corpus. Chunks are embedded in windows of many documents (sorted by length inside the
embedder), and each window is one commit: killed at any moment, what was committed stays, and
the next run embeds only the rest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from samespace.errors import SamespaceError
from samespace.space import Vectors
from samespace.store.embedded import EmbeddedReader, EmbeddedStore, EmbeddedWriter
from samespace.text.chunk import Count, chunk
from samespace.text.clean import clean
from samespace.text.load import FileEnd
from samespace.text.recipe import Recipe
from samespace.types import Block, Chunk, Document, Skip

Item = Document | Skip | FileEnd

BUFFER_CHARACTERS = 4_000_000
"""How much cleaned text may wait between chunking and embedding."""

WINDOW_TOKENS = 16_384
"""How many tokens are embedded and committed together, at first."""

WINDOW_SECONDS = (1.0, 5.0)
"""A window that takes less is doubled the next time, one that takes more is halved: a slow model
loses little when it is killed, and a fast one does not spend its time on commits."""


@dataclass
class Report:
    """What became of one run of `add` or `sync`.

    `chunks` and `tokens` count what the documents added or updated hold; `embedded_tokens` only
    what was given to the model (the rest had a vector already); `tokens_dropped` what was cut
    off because the collection was made with `on_long="truncate"`. `dropped` counts the
    characters that cleaning removed, by kind; `bytes_read` how much of the input is behind.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: list[Skip] = field(default_factory=list)
    chunks: int = 0
    tokens: int = 0
    embedded_tokens: int = 0
    tokens_dropped: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    bytes_read: int = 0
    seconds: float = 0.0

    @property
    def documents(self) -> int:
        """How many documents were seen and are in the collection now."""
        return self.added + self.updated + self.unchanged


Progress = Callable[[Report], None]


@dataclass(frozen=True)
class Seen:
    """What a run came across: needed to know what is gone."""

    ids: set[str]
    kept_origins: set[str]

    def keeps(self, origin: str) -> bool:
        """Say whether a file, or a folder above it, is there although it was not read."""
        while origin:
            if origin in self.kept_origins:
                return True
            above = os.path.dirname(origin)
            origin = above if above != origin else ""
        return False


@dataclass(frozen=True)
class Prepared:
    """A cleaned and chunked document that waits to be embedded and written."""

    document: Document
    chunks: list[Chunk]
    hashes: list[bytes]
    is_new: bool


def input_hash(text: str) -> bytes:
    """Return the key of a document input's vector: 16 bytes of the SHA-256 of the input.

    Space and role are not in it: a store keeps vectors by Space, and all of them are made in
    the document role.
    """
    return hashlib.sha256(text.encode("utf-8")).digest()[:16]


class Known:
    """What the store holds already, asked by one thread, with a view that is never old.

    A view that stayed open for the whole run would keep SQLite from emptying its log, which
    would then grow with the corpus.
    """

    SECONDS = 1.0

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store
        self._reader: EmbeddedReader | None = None
        self._opened = 0.0

    @property
    def reader(self) -> EmbeddedReader:
        """A view of the store, at most a second old."""
        now = time.monotonic()
        if self._reader is None or now - self._opened > self.SECONDS:
            self.close()
            self._reader, self._opened = self._store.read(), now
        return self._reader

    def is_unchanged(self, origin: str, digest: str) -> bool:
        """Say whether a file was taken in whole with this digest."""
        return self.reader.file_digest(origin) == digest

    def close(self) -> None:
        """End the view."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def ingest(
    known: Known,
    writer: EmbeddedWriter,
    count: Count,
    embed: Callable[[list[str]], Vectors],
    recipe: Recipe,
    items: Iterable[Item],
    report: Report,
    progress: Progress = lambda report: None,
) -> Seen:
    """Bring every item into the store; count into `report` as it goes.

    Args:
        known: where documents that are there already are looked up.
        writer: its writer, whose lock is held.
        count: counts tokens as the model does.
        embed: makes document vectors, after having checked the space.
        recipe: how documents are cut.
        items: what the loader yields.
        report: filled as windows are committed.
        progress: called after every commit.

    Returns:
        What was seen: ids of documents, and origins that are there although not read anew.
    """
    started = time.perf_counter()
    seen = Seen(set(), set())
    buffer = _Buffer(BUFFER_CHARACTERS)
    producer = threading.Thread(
        target=_produce,
        args=(known, count, recipe, items, seen, buffer),
        name="samespace-load",
        daemon=True,
    )
    producer.start()
    pool = ThreadPoolExecutor(2, thread_name_prefix="samespace-embed")
    windows = _Windows(writer, pool, embed, report)
    try:
        for item in buffer:
            windows.take(item)
            if windows.committed():
                report.seconds = time.perf_counter() - started
                progress(report)
        windows.finish()
        buffer.raise_error()
    finally:
        buffer.stop()
        pool.shutdown(wait=True, cancel_futures=True)
        producer.join()
    report.seconds = time.perf_counter() - started
    progress(report)
    return seen


def _produce(
    known: Known,
    count: Count,
    recipe: Recipe,
    items: Iterable[Item],
    seen: Seen,
    buffer: _Buffer,
) -> None:
    try:
        for item in items:
            for out in _prepare(known.reader, count, recipe, item, seen):
                if not buffer.put(out, _weight(out)):
                    return
        buffer.close(None)
    except BaseException as error:
        buffer.close(error)
    finally:
        known.close()


@dataclass(frozen=True)
class _Unchanged:
    document: Document


@dataclass(frozen=True)
class _File:
    """The end of a file, how many documents it stands for if it was not read, and its size."""

    end: FileEnd
    unchanged: int
    size: int


_Queued = Prepared | Skip | _File | _Unchanged


def _size(origin: str) -> int:
    try:
        return os.stat(origin).st_size
    except OSError:
        return 0


def _prepare(
    reader: EmbeddedReader, count: Count, recipe: Recipe, item: Item, seen: Seen
) -> Iterator[_Queued]:
    if isinstance(item, Skip):
        if item.origin:
            seen.kept_origins.add(item.origin)
        yield item
        return
    if isinstance(item, FileEnd):
        if item.unchanged or item.failed:
            seen.kept_origins.add(item.origin)
        yield _File(item, reader.count_of(item.origin) if item.unchanged else 0, _size(item.origin))
        return
    if item.id in seen.ids:
        yield Skip(item.source or item.id, f"duplicate id {item.id!r} in this run")
        return
    known = reader.content_hash(item.id)
    seen.ids.add(item.id)
    if known == item.content_hash:
        yield _Unchanged(item)
        return
    try:
        cleaned = _with_text(clean(item))
        chunks = chunk(cleaned, count, recipe)
    except SamespaceError as error:
        yield Skip(item.source or item.id, str(error), item.origin)
        return
    if not chunks:
        yield Skip(item.source or item.id, "empty: no text is left after cleaning")
        return
    hashes = [input_hash(piece.input) for piece in chunks]
    yield Prepared(cleaned, chunks, hashes, is_new=known is None)


def _with_text(document: Document) -> Document:
    """Return a document that has only a title with the title as its text: it can be found."""
    title = document.title
    if document.text or not title:
        return document
    heading = Block(0, len(title), "heading", 1, title)
    return dataclasses.replace(document, text=title, blocks=(heading,))


def _weight(item: _Queued) -> int:
    return len(item.document.text) + 100 if isinstance(item, Prepared) else 100


class _Windows:
    """Collects prepared documents into windows, embeds them ahead, and commits them in order."""

    AHEAD = 2

    def __init__(
        self,
        writer: EmbeddedWriter,
        pool: ThreadPoolExecutor,
        embed: Callable[[list[str]], Vectors],
        report: Report,
    ) -> None:
        self.writer = writer
        self.pool = pool
        self.embed = embed
        self.report = report
        self.size = WINDOW_TOKENS
        self.in_flight: deque[_Window] = deque()
        self.embedding: set[bytes] = set()
        self.open = _Window()
        self.failed_origins: set[str] = set()
        self._committed = False
        self._within = 0

    def take(self, item: _Queued) -> None:
        if isinstance(item, Prepared):
            self._take_chunks(item)
        self.open.items.append(item)
        if self.open.tokens >= self.size or len(self.open.items) >= 1024:
            self._close()

    def committed(self) -> bool:
        done, self._committed = self._committed, False
        return done

    def finish(self) -> None:
        self._close()
        while self.in_flight:
            self._commit()

    def _take_chunks(self, item: Prepared) -> None:
        tokens = {h: (c.input, c.tokens) for c, h in zip(item.chunks, item.hashes, strict=True)}
        for key in self.writer.missing(item.hashes):
            if key in self.embedding:
                continue
            self.embedding.add(key)
            text, count = tokens[key]
            self.open.hashes.append(key)
            self.open.texts.append(text)
            self.open.tokens += count
            if self.open.tokens >= self.size:
                self._close()

    def _close(self) -> None:
        window, self.open = self.open, _Window()
        if window.texts:
            window.future = self.pool.submit(_timed, self.embed, window.texts)
        self.in_flight.append(window)
        while len(self.in_flight) > self.AHEAD:
            self._commit()

    def _commit(self) -> None:
        window = self.in_flight.popleft()
        if window.future is not None:
            vectors, seconds = window.future.result()
            self.writer.add_vectors(window.hashes, vectors)
            self._adapt(seconds)
        for item in window.items:
            self._write(item)
        self.writer.commit()
        self.embedding.difference_update(window.hashes)
        self.report.embedded_tokens += window.tokens
        self._committed = True

    def _adapt(self, seconds: float) -> None:
        least, most = WINDOW_SECONDS
        if seconds < least:
            self.size = min(self.size * 2, 32 * WINDOW_TOKENS)
        elif seconds > most:
            self.size = max(self.size // 2, WINDOW_TOKENS // 4)

    def _write(self, item: _Queued) -> None:
        report = self.report
        if isinstance(item, Skip):
            report.failed.append(item)
            self.failed_origins.add(item.origin)
        elif isinstance(item, _Unchanged):
            report.unchanged += 1
            self.writer.touch(item.document)
            self._read(len(item.document.text))
        elif isinstance(item, _File):
            report.unchanged += item.unchanged
            report.bytes_read += item.size - self._within
            self._within = 0
            end = item.end
            if end.digest and not end.unchanged and end.origin not in self.failed_origins:
                self.writer.mark_file(end.origin, end.digest)
        else:
            self.writer.put(item.document, item.chunks, item.hashes)
            report.added += item.is_new
            report.updated += not item.is_new
            report.chunks += len(item.chunks)
            report.tokens += sum(piece.tokens for piece in item.chunks)
            report.tokens_dropped += sum(piece.dropped for piece in item.chunks)
            for kind, count in item.document.dropped.items():
                report.dropped[kind] = report.dropped.get(kind, 0) + count
            self._read(len(item.document.text))

    def _read(self, characters: int) -> None:
        """Count what was read of a file that has not ended yet, about: its end sets it right."""
        self._within += characters
        self.report.bytes_read += characters


@dataclass
class _Window:
    items: list[_Queued] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    tokens: int = 0
    future: Future[tuple[Vectors, float]] | None = None


def _timed(embed: Callable[[list[str]], Vectors], texts: list[str]) -> tuple[Vectors, float]:
    started = time.perf_counter()
    vectors = embed(texts)
    return vectors, time.perf_counter() - started


class _Buffer:
    """A queue between two threads, bounded by weight and not by the number of items."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[tuple[_Queued, int]] = deque()
        self._held = 0
        self._closed = False
        self._stopped = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, item: _Queued, weight: int) -> bool:
        """Add an item, waiting for room; return False once the reader has stopped."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or self._held == 0 or self._held + weight <= self._capacity
            )
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

    def __iter__(self) -> Iterator[_Queued]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._items) or self._closed)
                if not self._items:
                    return
                item, weight = self._items.popleft()
                self._held -= weight
                self._changed.notify_all()
            yield item
