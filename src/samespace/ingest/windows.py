"""Windows: what is embedded and committed together."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from samespace.errors import InputError
from samespace.ingest.prepare import File, Prepared, Queued, Unchanged
from samespace.ingest.report import Report
from samespace.space import Vectors
from samespace.store.embedded import EmbeddedWriter
from samespace.types import Skip

WINDOW_TOKENS = 16_384
"""How many tokens are embedded and committed together, at first."""

WINDOW_SECONDS = (1.0, 5.0)
"""A window that takes less is doubled the next time, one that takes more is halved: a slow model
loses little when it is killed, and a fast one does not spend its time on commits."""

Embed = Callable[[list[str]], tuple[Vectors, list[bool]]]
"""Makes document vectors, and says of each whether the cache knew it."""


class Windows:
    """Collects prepared documents into windows, embeds them ahead, and commits them in order."""

    AHEAD = 2

    def __init__(
        self,
        writer: EmbeddedWriter,
        pool: ThreadPoolExecutor,
        embed: Embed,
        report: Report,
    ) -> None:
        self.writer = writer
        self.pool = pool
        self.embed = embed
        self.report = report
        self.size = WINDOW_TOKENS
        self.in_flight: deque[Window] = deque()
        self.embedding: set[bytes] = set()
        self.open = Window()
        self.refused_origins: set[str] = set()
        self._committed = False
        self._within = 0

    def take(self, item: Queued) -> None:
        """Take the next item; may embed and commit what came before it."""
        if isinstance(item, Prepared):
            self._take_chunks(item)
        self.open.items.append(item)
        if self.open.tokens >= self.size or len(self.open.items) >= 1024:
            self._close()

    def committed(self) -> bool:
        """Say whether anything was committed since this was last asked."""
        done, self._committed = self._committed, False
        return done

    def finish(self) -> None:
        """Embed and commit what is left."""
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
            self.open.counts.append(count)
            self.open.tokens += count
            if self.open.tokens >= self.size:
                self._close()

    def _close(self) -> None:
        window, self.open = self.open, Window()
        if window.texts:
            window.future = self.pool.submit(_timed, self.embed, window.texts)
        self.in_flight.append(window)
        while len(self.in_flight) > self.AHEAD:
            self._commit()

    def _commit(self) -> None:
        window = self.in_flight.popleft()
        if window.future is not None:
            vectors, cached, seconds = window.future.result()
            found = sum(n for n, known in zip(window.counts, cached, strict=True) if known)
            self.report.cached_tokens += found
            self.report.embedded_tokens += window.tokens - found
            self.writer.add_vectors(window.hashes, vectors)
            self._adapt(seconds)
        for item in window.items:
            self._write(item)
        self.writer.commit()
        self.embedding.difference_update(window.hashes)
        self._committed = True

    def _adapt(self, seconds: float) -> None:
        least, most = WINDOW_SECONDS
        if seconds < least:
            self.size = min(self.size * 2, 32 * WINDOW_TOKENS)
        elif seconds > most:
            self.size = max(self.size // 2, WINDOW_TOKENS // 4)

    def _write(self, item: Queued) -> None:
        report = self.report
        if isinstance(item, Skip):
            report.failed.append(item)
        elif isinstance(item, Unchanged):
            report.unchanged += 1
            self.writer.touch(item.document)
            self._read(len(item.document.text))
        elif isinstance(item, File):
            report.unchanged += item.unchanged
            report.bytes_read += item.size - self._within
            self._within = 0
            end = item.end
            if end.digest and not end.unchanged and end.origin not in self.refused_origins:
                self.writer.mark_file(end.origin, end.digest)
        else:
            self._put(item)

    def _put(self, item: Prepared) -> None:
        report = self.report
        try:
            self.writer.put(item.document, item.chunks, item.hashes)
        except InputError as error:
            document = item.document
            self.refused_origins.add(document.origin)
            skip = Skip(document.source or document.id, str(error), document.origin)
            report.failed.append(skip)
            return
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
class Window:
    """Items in order, and the inputs among them that are embedded for it."""

    items: list[Queued] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    tokens: int = 0
    future: Future[tuple[Vectors, list[bool], float]] | None = None


def _timed(embed: Embed, texts: list[str]) -> tuple[Vectors, list[bool], float]:
    started = time.perf_counter()
    vectors, cached = embed(texts)
    return vectors, cached, time.perf_counter() - started
