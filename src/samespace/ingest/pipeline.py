"""The way of the data into a store: load, clean, chunk, embed, write, all at once.

Three stages run side by side: one thread loads, cleans and chunks; a small pool embeds; the
caller's thread writes. Between them stand bounded buffers, so that memory does not grow with
the corpus. Chunks are embedded in windows of many documents (sorted by length inside the
embedder), and each window is one commit: killed at any moment, what was committed stays, and
the next run embeds only the rest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from samespace.ingest.buffer import Buffer
from samespace.ingest.prepare import Item, Known, Prepared, Queued, Seen, prepare
from samespace.ingest.report import Progress, Report
from samespace.ingest.windows import Embed, Windows
from samespace.store.embedded import EmbeddedWriter
from samespace.text.chunk import Count
from samespace.text.recipe import Recipe

BUFFER_CHARACTERS = 4_000_000
"""How much cleaned text may wait between chunking and embedding."""

PATIENCE_SECONDS = 2.0
"""How long a run that failed waits for the thread that reads; it ends with its next item."""


def ingest(
    known: Known,
    writer: EmbeddedWriter,
    count: Count,
    embed: Embed,
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
        embed: makes document vectors, after having checked the space, and says of each whether
            the cache knew it.
        recipe: how documents are cut.
        items: what the loader yields.
        report: filled as windows are committed.
        progress: called after every commit.

    Returns:
        What was seen: ids of documents, and origins that are there although not read anew.
    """
    started = time.perf_counter()
    seen = Seen()
    buffer: Buffer[Queued] = Buffer(BUFFER_CHARACTERS)
    producer = threading.Thread(
        target=_produce,
        args=(known, count, recipe, items, seen, buffer),
        name="samespace-load",
        daemon=True,
    )
    producer.start()
    pool = ThreadPoolExecutor(2, thread_name_prefix="samespace-embed")
    windows = Windows(writer, pool, embed, report)
    ended = interrupted = False
    try:
        for item in buffer:
            windows.take(item)
            if windows.committed():
                report.seconds = time.perf_counter() - started
                progress(report)
        windows.finish()
        buffer.raise_error()
        ended = True
    except KeyboardInterrupt:
        interrupted = True
        raise
    finally:
        buffer.stop()
        # Who interrupts does not wait for a hosted model, which may be asked again for minutes.
        pool.shutdown(wait=not interrupted, cancel_futures=True)
        # After an error or an interrupt it may wait for input (a pipe) that never comes.
        producer.join(None if ended else PATIENCE_SECONDS)
    report.seconds = time.perf_counter() - started
    progress(report)
    return seen


def _produce(
    known: Known,
    count: Count,
    recipe: Recipe,
    items: Iterable[Item],
    seen: Seen,
    buffer: Buffer[Queued],
) -> None:
    try:
        for item in items:
            out = prepare(known.reader, count, recipe, item, seen)
            weight = _weight(out)
            if buffer.is_full(weight):
                known.close()
            if not buffer.put(out, weight):
                return
        buffer.close(None)
    except BaseException as error:
        buffer.close(error)
    finally:
        known.close()


def _weight(item: Queued) -> int:
    return len(item.document.text) + 100 if isinstance(item, Prepared) else 100
