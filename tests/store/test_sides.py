"""Sides of a store, and the upgrade of a store that was written before there were any."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from samespace.errors import SpaceMismatch
from samespace.store.embedded import EmbeddedStore
from samespace.store.headers import add_side
from samespace.store.schema import MIGRATIONS, read_state
from samespace.store.sides import give_up, history, lacking, set_side, sides, uncut, without_vector

from .contract import corpus
from .helpers import fill, found, make_document, make_header, make_space, put, query_of, vectors_of


def downgraded(kb: Path) -> None:
    """Write the database anew as format 1 had it."""
    old = kb / "old.sqlite3"
    database = sqlite3.connect(old)
    database.executescript(MIGRATIONS[0])
    database.execute("ATTACH ? AS now", (str(kb / "samespace.sqlite3"),))
    with database:
        for statement in (
            "INSERT INTO meta SELECT key, value FROM now.meta WHERE key != 'format'",
            "INSERT INTO meta VALUES ('format', 1)",
            "INSERT INTO meta SELECT 'recipe', recipe FROM now.cuts",
            "INSERT INTO meta SELECT 'model', model FROM now.sides",
            "INSERT INTO meta SELECT 'lexical_generation', lexical_generation FROM now.cuts",
            "INSERT INTO meta SELECT 'lexical_row', lexical_row FROM now.cuts",
            "INSERT INTO meta SELECT 'lexical_tombstone', lexical_tombstone FROM now.cuts",
            "INSERT INTO spaces SELECT number, id, json, 'active', generation, rows "
            "FROM now.spaces",
            "INSERT INTO documents SELECT * FROM now.documents",
            "UPDATE documents SET gaps = "
            "(SELECT gaps FROM now.gaps_1 WHERE document = documents.number)",
            "INSERT INTO chunks SELECT * FROM now.chunks_1",
            "INSERT INTO tombstones SELECT * FROM now.tombstones_1",
            *(
                f"INSERT INTO {table} SELECT * FROM now.{table}"
                for table in ("canaries", "metadata", "vectors", "batches", "files")
            ),
        ):
            database.execute(statement)
    database.execute("PRAGMA journal_mode = WAL")
    database.close()
    for log in kb.glob("samespace.sqlite3*"):
        log.unlink()
    for log in kb.glob("old.sqlite3-*"):
        log.unlink()
    old.rename(kb / "samespace.sqlite3")


def test_a_store_of_format_1_is_brought_up_to_date(tmp_path: Path) -> None:
    documents = corpus()
    with EmbeddedStore.create(tmp_path / "kb", make_header()) as store:
        fill(store, *documents)
        with store.write() as writer:
            writer.delete([documents[1][0].id])
            writer.commit()
        with store.read() as reader:
            before = [reader.document(one.id) for one in reader.documents()]
            dense = found(reader, reader.dense(query_of("x"), 100))
            lexical = found(reader, reader.lexical("harbour", 100))
    downgraded(tmp_path / "kb")
    with EmbeddedStore.open(tmp_path / "kb") as store:
        assert store.check() == []
        assert store.header.recipe == make_header().recipe
        assert store.header.space == make_space()
        with store.read() as reader:
            assert [reader.document(one.id) for one in reader.documents()] == before
            assert found(reader, reader.dense(query_of("x"), 100)) == dense
            assert found(reader, reader.lexical("harbour", 100)) == lexical
        (event,) = store.ask(history)
        assert (event.time, event.event) == ("", "made")
        fill(store, make_document("new", "harbour again"))
        assert store.check() == []
        store.compact()
        assert store.check() == []
    with EmbeddedStore.open(tmp_path / "kb") as store:
        assert [side.state for side in store.ask(sides)] == ["active"]


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedStore:
    store = EmbeddedStore.create(tmp_path / "kb", make_header())
    fill(store, *corpus(6))
    return store


def another(store: EmbeddedStore, *, shared: bool) -> int:
    """Add a side in another space, with the present cut or one of its own."""
    header = make_header(make_space(5, model="other"))
    with store.write() as writer, writer.transaction("adding") as connection:
        cut = read_state(connection).cut if shared else None
        return add_side(connection, header, "building", cut)


def test_a_side_lacks_what_it_has_not_got(store: EmbeddedStore) -> None:
    shared, own = another(store, shared=True), another(store, shared=False)
    totals = store.totals()
    lack = store.ask(lambda connection: lacking(connection, shared))
    assert (lack.documents, lack.inputs) == (0, totals.vectors)
    lack = store.ask(lambda connection: lacking(connection, own))
    assert (lack.documents, lack.inputs) == (6, 0)
    first = store.ask(lambda connection: uncut(connection, own, 0, 4))
    rest = store.ask(lambda connection: uncut(connection, own, first[-1][0], 100))
    assert len(first) + len(rest) == 6
    inputs = store.ask(lambda connection: without_vector(connection, shared, 0, 1000))
    assert {one.hash for one in inputs} == {hash for *_, hashes in corpus(6) for hash in hashes}


@pytest.mark.parametrize("shared", [True, False])
def test_a_side_is_filled_searched_and_given_up(store: EmbeddedStore, shared: bool) -> None:
    side = another(store, shared=shared)
    space = make_space(5, model="other")
    with store.write(side=side) as writer:
        with pytest.raises(SpaceMismatch):
            writer.add_vectors([b"h" * 16], vectors_of([b"h" * 16]))
        for document, chunks, hashes in corpus(6):
            new = writer.missing(hashes)
            if new:
                writer.add_vectors(new, vectors_of(new, space))
            if not shared:
                assert writer.cut(document, chunks, hashes)
                assert not writer.cut(document, chunks, hashes)
        writer.commit()
    assert not store.ask(lambda connection: lacking(connection, side))
    with store.read(side) as new_reader, store.read() as old_reader:
        assert new_reader.header.space == space
        there = found(new_reader, new_reader.dense(query_of("x", space), 100))
        here = found(old_reader, old_reader.dense(query_of("x"), 100))
        assert sorted(there) == sorted(here)
        assert found(new_reader, new_reader.lexical("harbour", 9)) == found(
            old_reader, old_reader.lexical("harbour", 9)
        )
        with pytest.raises(SpaceMismatch):
            new_reader.dense(query_of("x"), 3)
    assert store.check() == []
    # What is put or deleted goes from all sides.
    document = make_document("doc-0", "harbour changed", title="Other")
    with store.write() as writer:
        put(writer, document, space=make_space())
        writer.commit()
    lack = store.ask(lambda connection: lacking(connection, side))
    assert (lack.documents, lack.inputs) == ((0, 1) if shared else (1, 0))
    with store.write() as writer, writer.transaction("giving up") as connection:
        give_up(connection, side)
    store.compact()
    assert [one.state for one in store.ask(sides)] == ["active", "retired"]
    assert [path.name for path in (store.path / "vectors").iterdir()] == [make_space().id]
    assert not list(store.path.glob("lexical-*"))
    assert store.check() == []
    # The same space again begins anew.
    again = another(store, shared=shared)
    assert store.ask(lambda connection: lacking(connection, again))
    assert store.check() == []


def test_a_reader_keeps_its_side_while_another_becomes_active(store: EmbeddedStore) -> None:
    side = another(store, shared=True)
    with store.write(side=side) as writer:
        hashes = [hash for *_, of_one in corpus(6) for hash in of_one]
        new = writer.missing(hashes)
        writer.add_vectors(new, vectors_of(new, make_space(5, model="other")))
        writer.commit()
    with store.read() as before:
        with store.write() as writer, writer.transaction("switching") as connection:
            set_side(connection, 1, "kept")
            set_side(connection, side, "active")
        assert before.header.space == make_space()
        assert len(before.dense(query_of("x"), 3)) == 3
        with store.read() as after:
            assert after.header.space == make_space(5, model="other")
            assert store.header.space == after.header.space
        with store.write() as writer, writer.transaction("giving up") as connection:
            give_up(connection, 1)
        assert len(before.dense(query_of("y"), 3)) == 3
    with store.read() as after:
        assert len(after.dense(query_of("x", make_space(5, model="other")), 3)) == 3
