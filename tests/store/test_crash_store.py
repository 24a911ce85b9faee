"""Killed at random moments while writing: whole documents, true vectors, and on to the end."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from samespace.store import writer as writer_module
from samespace.store.embedded import EmbeddedStore

from .helpers import (
    found,
    killed_after,
    make_document,
    make_header,
    put,
    query_of,
    vector_of,
)

KILLS = 30
DOCUMENTS = 200


def add_everything(kb: Path, ready: Callable[[], None] = lambda: None) -> None:
    writer_module.CATCH_UP_CHUNKS = 60
    with EmbeddedStore.open(kb) as store, store.write(timeout=10) as writer:
        ready()
        for i in range(DOCUMENTS):
            if writer.content_hash(f"d{i}") is None:
                put(writer, numbered(i), space=store.header.space)
                writer.commit()


def numbered(i: int):  # type: ignore[no-untyped-def]
    words = " ".join(f"w{(i * 7 + j) % 50}" for j in range(10 + i % 30))
    return make_document(f"d{i}", f"document {i} says {words}", size=30, metadata={"i": i})


def require_sound(kb: Path) -> int:
    """Check what is there against the generator; return how many documents there are."""
    with EmbeddedStore.open(kb) as store:
        assert store.check() == []
        space = store.header.space
        with store.read() as reader:
            ids = [document.id for document in reader.documents()]
            for id in ids:
                document, chunks, _ = numbered(int(id[1:]))
                assert reader.document(id) == document
                count = reader.snapshot.connection.execute(
                    "SELECT count(*) FROM chunks_1 c JOIN documents d ON d.number = c.document "
                    "WHERE d.id = ?",
                    (id,),
                ).fetchone()[0]
                assert count == len(chunks)
            mapped = reader.snapshot.mapped
            for hash, row in reader.snapshot.connection.execute("SELECT hash, row FROM vectors"):
                assert (mapped.segments[0][row] == vector_of(hash, space)).all()
            if ids:
                expected = {f"d{i}#0" for i in map(int, (id[1:] for id in ids))}
                assert set(found(reader, reader.lexical("document", 10_000))) == expected
                best = reader.dense(query_of(numbered(int(ids[-1][1:]))[1][0].input), 1)
                assert found(reader, best) == [f"{ids[-1]}#0"]
        return len(ids)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_killed_at_thirty_random_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kb = tmp_path / "kb"
    EmbeddedStore.create(kb, make_header()).close()
    dice = random.Random()
    before, interrupted = 0, 0
    for _ in range(KILLS):
        interrupted += killed_after(dice.uniform(0, 0.15), lambda ready: add_everything(kb, ready))
        now = require_sound(kb)
        assert now >= before, "a committed document was lost"
        before = now
        if now == DOCUMENTS:
            with EmbeddedStore.open(kb) as store, store.write() as writer:
                writer.delete([f"d{i}" for i in range(0, DOCUMENTS, 2)])
                writer.commit()
            before = DOCUMENTS // 2
    assert interrupted > KILLS // 3
    monkeypatch.setattr(writer_module, "CATCH_UP_CHUNKS", 60)
    add_everything(kb)
    assert require_sound(kb) == DOCUMENTS
