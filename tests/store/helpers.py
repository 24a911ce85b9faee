"""Spaces, headers, documents and vectors for tests of stores: small, made up, repeatable."""

from __future__ import annotations

import hashlib
import os
import signal
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from samespace.space import Canary, FloatArray, Metric, Space, Vectors
from samespace.store.base import Header
from samespace.types import Chunk, Document, MetadataValue, Role

DIMENSIONS = 8


def make_space(
    dimensions: int = DIMENSIONS,
    *,
    model: str = "made-up",
    metric: Metric = "cosine",
    normalized: bool = True,
) -> Space:
    return Space(
        model=model,
        revision="1",
        weights="",
        tokenizer="",
        pooling="mean",
        normalized=normalized,
        native_dimensions=dimensions,
        dimensions=dimensions,
        metric=metric,
        prompts=(("document", "passage: "), ("query", "query: ")),
    )


def make_header(space: Space | None = None, language: str = "en") -> Header:
    space = space or make_space()
    canaries = (
        Canary("query", "how?", vector_of(b"how?", space)),
        Canary("document", "ありがとう", vector_of(b"arigato", space)),
    )
    return Header(space, canaries, "made-up", {"max_tokens": 64, "context": True}, language)


def hash_of(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def vector_of(hash: bytes, space: Space) -> FloatArray:
    """The one vector that an input of this hash has."""
    dice = np.random.default_rng(int.from_bytes(hash[:8], "big"))
    vector = dice.standard_normal(space.dimensions).astype(np.float32)
    if space.normalized:
        vector /= np.linalg.norm(vector)
    return vector


def vectors_of(
    hashes: Sequence[bytes], space: Space | None = None, role: Role = "document"
) -> Vectors:
    space = space or make_space()
    array = np.stack([vector_of(hash, space) for hash in hashes])
    return Vectors(array, space, role)


def query_of(text: str, space: Space | None = None) -> Vectors:
    return vectors_of([hash_of(text)], space, "query")


def make_document(
    id: str,
    text: str,
    *,
    size: int = 40,
    overlap: int = 0,
    context: str = "",
    metadata: Mapping[str, MetadataValue] | None = None,
    **fields: Any,
) -> tuple[Document, list[Chunk], list[bytes]]:
    """A document cut into stretches of `size` characters, and the hashes of its chunks."""
    document = Document(id=id, text=text, metadata=metadata or {}, **fields)
    chunks = []
    for n, start in enumerate(range(0, len(text), size - overlap)):
        end = min(start + size, len(text))
        chunks.append(
            Chunk(
                id=f"{id}#{n}",
                document=id,
                start=start,
                end=end,
                text=text[start:end],
                context=context,
                heading=("Top", context) if context else (),
                tokens=end - start,
            )
        )
        if end == len(text):
            break
    return document, chunks, [hash_of(chunk.input) for chunk in chunks]


def put(writer: Any, *documents: tuple[Document, list[Chunk], list[bytes]], space: Space) -> None:
    """Put documents with their vectors; the caller commits."""
    for document, chunks, hashes in documents:
        missing = writer.missing(hashes)
        if missing:
            writer.add_vectors(missing, vectors_of(missing, space))
        writer.put(document, chunks, hashes)


def fill(store: Any, *documents: tuple[Document, list[Chunk], list[bytes]]) -> None:
    """Put documents with their vectors in one commit."""
    with store.write() as writer:
        put(writer, *documents, space=store.header.space)
        writer.commit()


def found(reader: Any, candidates: Sequence[Any]) -> list[str]:
    """The chunk ids of candidates, in order."""
    return [stored.chunk.id for stored in reader.fetch([c.row for c in candidates])]


def killed_after(seconds: float, work: Callable[[Callable[[], None]], None]) -> bool:
    """Run `work` in a child process and kill it so long after it said that it is ready.

    The child is a fork: it starts at once. Returns whether it was killed before its end.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            work(lambda: os.close(writing))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "the child failed"
    return os.WIFSIGNALED(status)
