"""What every store must do, written once: subclass `StoreContract` and say how one is made."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samespace.errors import (
    CollectionLocked,
    DocumentNotFound,
    FilterError,
    InputError,
    SpaceMismatch,
)
from samespace.space import Metric
from samespace.store.base import Header
from samespace.types import Block, Chunk, Document

from .helpers import (
    fill,
    found,
    hash_of,
    make_document,
    make_header,
    make_space,
    put,
    query_of,
    vector_of,
    vectors_of,
)

WORDS = ("harbour", "violet", "engine", "granite", "silk", "meadow", "copper", "lantern")


def corpus(n: int = 40) -> list[tuple[Document, list[Chunk], list[bytes]]]:
    return [
        make_document(
            f"doc-{i}",
            f"{WORDS[i % 8]} number {i} and {WORDS[(i * 3 + 1) % 8]}, then some more words. " * 2,
            metadata={"lang": "en" if i % 2 else "de", "n": i, "tags": (f"t{i % 3}", i % 5)},
            source=f"/corpus/{i}.txt",
            title=f"Title {i}",
        )
        for i in range(n)
    ]


class StoreContract:
    """The suite. `create` and `open` are given by the subclass."""

    def create(self, path: Path, header: Header) -> Any:
        raise NotImplementedError

    def open(self, path: Path) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Any:
        store = self.create(tmp_path / "kb", make_header())
        yield store
        store.close()

    def test_header_comes_back(self, tmp_path: Path) -> None:
        header = make_header(make_space(5), language="de")
        self.create(tmp_path / "kb", header).close()
        store = self.open(tmp_path / "kb")
        assert store.header.space == header.space
        assert store.header.recipe == header.recipe
        assert (store.header.model, store.header.language) == ("made-up", "de")
        assert [c.text for c in store.header.canaries] == ["how?", "ありがとう"]
        for mine, theirs in zip(header.canaries, store.header.canaries, strict=True):
            np.testing.assert_array_equal(mine.vector, theirs.vector)
        store.close()

    def test_empty_store_returns_nothing(self, store: Any) -> None:
        with store.read() as reader:
            assert reader.dense(query_of("x"), 5) == []
            assert reader.lexical("harbour", 5) == []
            assert reader.dense(query_of("x"), 5, "lang = 'en'") == []
            assert reader.fetch([1, 2]) == []
            assert list(reader.documents()) == []
            assert reader.document("nothing") is None
        assert store.totals().chunks == 0
        assert store.compact() >= 0

    @pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
    def test_dense_is_exact(self, tmp_path: Path, metric: Metric) -> None:
        space = make_space(metric=metric, normalized=False)
        store = self.create(tmp_path / "kb", make_header(space))
        fill(store, *corpus())
        query = query_of("a question", space)
        q = query.array[0].astype(np.float64)
        with store.read() as reader:
            everything = reader.dense(query, 1000)
            chunks = {s.row: s.chunk for s in reader.fetch([c.row for c in everything])}
            assert len(everything) == len(chunks) == store.totals().chunks
            assert reader.dense(query, 7) == everything[:7]
        for candidate in everything:
            x = vector_of(hash_of(chunks[candidate.row].input), space).astype(np.float64)
            score = {
                "dot": x @ q,
                "cosine": x @ q / (np.linalg.norm(x) * np.linalg.norm(q)),
                "euclidean": -np.linalg.norm(x - q),
            }[metric]
            assert candidate.score == pytest.approx(score, abs=1e-9)
        assert everything == sorted(everything, key=lambda c: (-c.score, c.row))
        store.close()

    def test_k_below_one_is_an_error(self, store: Any) -> None:
        with store.read() as reader:
            with pytest.raises(InputError, match="at least 1"):
                reader.dense(query_of("x"), 0)
            with pytest.raises(InputError, match="at least 1"):
                reader.lexical("x", 0)

    def test_same_text_under_many_ids_is_one_vector_and_ties_by_row(self, store: Any) -> None:
        copies = [make_document(f"copy-{i}", "the very same text") for i in range(60)]
        fill(store, make_document("other", "another text"), *copies)
        assert store.totals().vectors == 2
        with store.read() as reader:
            for hits in (
                reader.dense(query_of("the very same text"), 50),
                reader.lexical("same text", 50),
            ):
                assert found(reader, hits) == [f"copy-{i}#0" for i in range(50)]
        with store.write() as writer:
            assert writer.missing([hash_of("the very same text")]) == []
            writer.delete([f"copy-{i}" for i in range(59)])
            writer.commit()
        with store.read() as reader:
            hits = reader.dense(query_of("the very same text"), 1)
            assert found(reader, hits) == ["copy-59#0"]
        store.compact()
        assert store.totals().vectors == 2

    def test_nothing_is_visible_before_commit(self, store: Any) -> None:
        with store.write() as writer:
            put(writer, *corpus(3), space=store.header.space)
            with store.read() as reader:
                assert list(reader.documents()) == []
                assert reader.lexical("harbour", 5) == []
            writer.commit()
            with store.read() as reader:
                assert len(list(reader.documents())) == 3
            put(writer, *corpus(5), space=store.header.space)
        with store.read() as reader:
            assert len(list(reader.documents())) == 3
        assert store.totals().documents == 3

    def test_a_reader_stays_at_its_commit(self, store: Any) -> None:
        fill(store, *corpus(4))
        with store.read() as before:
            with store.write() as writer:
                writer.delete(["doc-0"])
                put(writer, make_document("new", "harbour again"), space=store.header.space)
                writer.commit()
            assert before.content_hash("doc-0") is not None
            assert before.content_hash("new") is None
            seen = found(before, before.lexical("harbour", 50))
            assert "doc-0#0" in seen
            assert "new#0" not in seen
        with store.read() as after:
            seen = found(after, after.lexical("harbour", 50))
            assert "doc-0#0" not in seen
            assert "new#0" in seen

    def test_replacing_leaves_nothing_of_the_old(self, store: Any) -> None:
        fill(store, make_document("a", "granite " * 30))
        fill(store, make_document("a", "silk"))
        with store.read() as reader:
            assert reader.lexical("granite", 5) == []
            assert found(reader, reader.lexical("silk", 5)) == ["a#0"]
            assert found(reader, reader.dense(query_of("granite"), 50)) == ["a#0"]
            assert reader.document("a").text == "silk"
        assert store.totals().chunks == 1

    def test_putting_the_same_twice_changes_no_result(self, store: Any) -> None:
        fill(store, *corpus())
        first = store.totals()
        fill(store, *corpus())
        again = store.totals()
        assert (first.documents, first.chunks, first.vectors) == (
            again.documents,
            again.chunks,
            again.vectors,
        )

    def test_deleted_is_not_found_at_once(self, store: Any) -> None:
        fill(store, *corpus(10))
        with store.write() as writer:
            assert writer.delete(["doc-0", "doc-8", "nobody"]) == 2
            writer.commit()
            with store.read() as reader:
                ids = found(reader, reader.dense(query_of("x"), 100))
                ids += found(reader, reader.lexical("harbour", 100))
                assert not [id for id in ids if id.startswith(("doc-0#", "doc-8#"))]
                assert ids
                assert reader.document("doc-0") is None
        fill(store, *corpus(1))
        with store.read() as reader:
            assert "doc-0#0" in found(reader, reader.lexical("harbour", 100))

    def test_a_chunk_without_its_vector_is_refused(self, store: Any) -> None:
        document, chunks, hashes = make_document("a", "granite")
        with store.write() as writer:
            writer.put(document, chunks, hashes)
            with pytest.raises(InputError, match="add_vectors"):
                writer.commit()
            writer.add_vectors(hashes, vectors_of(hashes))
            writer.commit()
        with store.read() as reader:
            assert reader.document("a") is not None

    def test_vectors_may_be_committed_before_their_chunks(self, store: Any) -> None:
        document, chunks, hashes = make_document("a", "granite and silk")
        with store.write() as writer:
            writer.add_vectors(hashes, vectors_of(hashes))
            writer.commit()
        with store.read() as reader:
            assert reader.dense(query_of("x"), 5) == []
        with store.write() as writer:
            assert writer.missing([*hashes, hash_of("else"), hash_of("else")]) == [hash_of("else")]
            writer.put(document, chunks, hashes)
            writer.commit()
        with store.read() as reader:
            assert found(reader, reader.dense(query_of("x"), 5)) == ["a#0"]

    def test_another_space_is_refused(self, store: Any) -> None:
        other = make_space(model="another")
        with store.write() as writer, pytest.raises(SpaceMismatch) as error:
            writer.add_vectors([hash_of("a")], vectors_of([hash_of("a")], other))
        assert error.value.fields == {"model": ("made-up", "another")}
        with store.read() as reader, pytest.raises(SpaceMismatch):
            reader.dense(query_of("a", other), 3)

    def test_what_is_not_a_slice_is_refused(self, store: Any) -> None:
        document, chunks, hashes = make_document("a", "granite and silk")
        wrong = Chunk(id="a#0", document="a", start=1, end=8, text="granite")
        foreign = Chunk(id="b#0", document="b", start=0, end=7, text="granite")
        with store.write() as writer:
            for chunk in (wrong, foreign):
                with pytest.raises(InputError):
                    writer.put(document, [chunk], hashes)
            with pytest.raises(InputError, match="one hash"):
                writer.put(document, chunks, [])
            put(writer, (document, chunks, hashes), space=store.header.space)
            stolen = make_document("c", "granite and silk")
            with pytest.raises(InputError, match="UNIQUE"):
                writer.put(
                    stolen[0],
                    [Chunk(id="a#0", document="c", start=0, end=16, text="granite and silk")],
                    stolen[2],
                )
            writer.commit()
        with store.read() as reader:
            assert [document.id for document in reader.documents()] == ["a"]

    def test_document_comes_back_as_it_was(self, store: Any) -> None:
        text = "# Head\n\nfirst part \x00 \U0001f600 \u0627\u0644\u0639\r\n" * 9
        document, chunks, hashes = make_document(
            "a/б\"'%",
            text,
            size=30,
            overlap=7,
            context="Title > Head",
            metadata={"s": "x", "n": 3, "f": 0.5, "b": True, "z": None, "l": ("a", 1, None)},
            title="T",
            source="s.md#1",
            origin="/s.md",
            media="text/markdown",
            blocks=(Block(0, 6, "heading", 1, "Head"), Block(8, 40, "paragraph")),
            dropped={"script": 12},
            content_hash="abc",
        )
        fill(store, (document, chunks, hashes))
        with store.read() as reader:
            assert reader.document(document.id) == document
            rows = [c.row for c in reader.dense(query_of("x"), 1000)]
            stored = {s.chunk.id: s for s in reader.fetch(rows)}
            assert {id: s.chunk for id, s in stored.items()} == {c.id: c for c in chunks}
            one = stored[chunks[0].id]
            assert (one.source, one.title, one.metadata) == ("s.md#1", "T", document.metadata)

    @settings(
        max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        text=st.text(st.characters(codec="utf-8"), max_size=120),
        size=st.integers(2, 30),
        overlap=st.integers(0, 1),
        dropped=st.integers(0, 3),
    )
    def test_any_text_comes_back(
        self, store: Any, text: str, size: int, overlap: int, dropped: int
    ) -> None:
        document, chunks, hashes = make_document("any", text, size=size, overlap=overlap)
        # Chunks that leave stretches uncovered lose nothing either.
        fill(store, (document, chunks[dropped:], hashes[dropped:]))
        with store.read() as reader:
            assert reader.document("any").text == text

    def test_fetch_keeps_order_and_leaves_unknown_rows_out(self, store: Any) -> None:
        fill(store, *corpus(5))
        with store.read() as reader:
            rows = [c.row for c in reader.dense(query_of("x"), 5)]
            assert [s.row for s in reader.fetch([rows[3], 10**9, rows[0]])] == [rows[3], rows[0]]

    def test_filters_apply_to_every_search(self, store: Any) -> None:
        fill(store, *corpus())
        where = "lang = 'en' AND n >= 10 AND tags CONTAINS 't1'"
        expected = {f"doc-{i}" for i in range(40) if i % 2 and i >= 10 and i % 3 == 1}
        with store.read() as reader:
            dense = reader.fetch([c.row for c in reader.dense(query_of("x"), 500, where)])
            assert {s.chunk.document for s in dense} == expected
            lexical = reader.fetch([c.row for c in reader.lexical("number", 500, where)])
            assert {s.chunk.document for s in lexical} == expected
            assert {d.id for d in reader.documents(where=where)} == expected
            some = list(reader.documents(["doc-13", "nobody", "doc-1"], where=where))
            assert [d.id for d in some] == ["doc-13"]
            best = reader.dense(query_of("x"), 500)
            kept = {s.row for s in dense}
            assert reader.dense(query_of("x"), 3, where) == [c for c in best if c.row in kept][:3]
            for search in (reader.dense, reader.lexical):
                query: Any = query_of("x") if search == reader.dense else "number"
                with pytest.raises(FilterError):
                    search(query, 3, "lang =")
            with pytest.raises(FilterError):
                reader.documents(where="")

    def test_a_broad_filter_over_many_documents(self, store: Any) -> None:
        many = [make_document(f"m{i}", f"text {i}", metadata={"odd": i % 2}) for i in range(1300)]
        fill(store, *many)
        with store.read() as reader:
            everything = reader.dense(query_of("x"), 2000)
            odd = {s.row for s in reader.fetch([c.row for c in everything]) if s.metadata["odd"]}
            kept = [c for c in everything if c.row in odd]
            assert reader.dense(query_of("x"), 700, "odd = 1") == kept
            assert len(kept) == 650
            assert reader.dense(query_of("x"), 9, "odd EXISTS") == everything[:9]
            lexical = reader.lexical("text", 2000, "odd EXISTS")
            assert len(lexical) == 1300
            assert {c.row for c in reader.lexical("text", 2000, "odd = 1")} == odd

    def test_documents_in_order(self, store: Any) -> None:
        fill(store, *corpus(6))
        fill(store, *corpus(2))
        with store.read() as reader:
            everything = list(reader.documents())
            assert [d.id for d in everything] == [f"doc-{i}" for i in range(6)]
            assert everything[3].source == "/corpus/3.txt"
            assert everything[3].title == "Title 3"
            ids = [d.id for d in reader.documents(["doc-5", "x", "doc-1"])]
            assert ids == ["doc-5", "doc-1"]

    def test_touch_updates_where_a_document_is(self, store: Any) -> None:
        document, chunks, hashes = make_document("a", "silk", metadata={"v": 1}, origin="/a")
        fill(store, (document, chunks, hashes))
        moved = Document(id="a", text="", source="/b", origin="/b", metadata={"v": 2})
        with store.write() as writer:
            assert writer.touch(moved) is True
            assert writer.touch(moved) is False
            with pytest.raises(DocumentNotFound):
                writer.touch(Document(id="nobody", text=""))
            writer.commit()
        with store.read() as reader:
            found = reader.document("a")
            assert (found.source, found.origin) == ("/b", "/b")
            assert found.metadata == {"v": 1}  # may hold what only cleaning finds
            assert found.text == "silk"
            assert list(reader.origins()) == [("a", "/b")]
            assert [d.id for d in reader.documents(where="v = 1")] == ["a"]
            assert reader.content_hash("a") == document.content_hash

    def test_files_taken_in_whole(self, store: Any) -> None:
        a1 = make_document("a1", "silk", origin="/a")
        a2 = make_document("a2", "more silk", origin="/a")
        fill(store, a1, a2, make_document("b", "meadow", origin="/b"))
        with store.write() as writer:
            for origin in ("/a", "/b"):
                writer.mark_file(origin, "old")
                writer.mark_file(origin, "digest" + origin)
            writer.commit()
            put(writer, a1, space=store.header.space)
            writer.commit()
        with store.read() as reader:
            assert reader.file_digest("/a") == "digest/a"
        with store.write() as writer:
            writer.delete(["a2"])
            writer.commit()
        with store.read() as reader:
            assert reader.file_digest("/a") is None
            assert reader.file_digest("/b") == "digest/b"

    def test_totals_and_ledger(self, store: Any) -> None:
        document, chunks, hashes = make_document("a", "x" * 100, size=50, dropped={"script": 7})
        cut = Chunk(id="a#cut", document="a", start=0, end=50, text="x" * 50, tokens=9, dropped=4)
        fill(store, (document, [cut, *chunks[1:]], hashes))
        fill(store, make_document("b", "meadow", dropped={"script": 1, "nav": 2, "none": 0}))
        totals = store.totals()
        assert (totals.documents, totals.chunks, totals.vectors) == (2, 3, 2)
        assert (totals.tokens, totals.tokens_dropped) == (9 + 50 + 6, 4)
        assert totals.dropped == {"script": 8, "nav": 2}
        assert totals.bytes > 0
        with store.write() as writer:
            writer.delete(["b"])
            writer.commit()
        assert store.totals().dead_vectors == 1
        assert store.totals().change > totals.change
        store.compact()
        assert store.totals().dead_vectors == 0
        with store.read() as reader:
            (entry,) = reader.dropped()
            assert (entry.id, entry.characters, entry.tokens) == ("a", {"script": 7}, 4)

    def test_compact_changes_no_answer(self, store: Any) -> None:
        fill(store, *corpus())
        with store.write() as writer:
            writer.delete([f"doc-{i}" for i in range(0, 40, 3)])
            writer.commit()
        queries = ["violet", "copper lantern", "number 7"]

        def answers() -> list[Any]:
            with store.read() as reader:
                dense = [reader.dense(query_of(query), 20) for query in queries]
                lexical = [found(reader, reader.lexical(query, 200)) for query in queries]
                return [dense, [sorted(ids) for ids in lexical]]

        before = answers()
        store.compact()
        assert answers() == before
        fill(store, *corpus())
        assert store.totals().documents == 40

    @pytest.mark.parametrize(
        "query",
        [
            "git_rebase",
            "ERR_CONNECTION_RESET",
            "0x80070005",
            "C++",
            "foo.bar()",
            'what is "foo.bar"?',
            "title:foo AND (bar",
            "bar]~2^3 -x +y *",
            "naïve",
            "NAIVE",
            "d41d8cd98f00b204e9800998ecf8427ed41d8cd98f00b204e9800998ecf8427e",
        ],
    )
    def test_lexical_finds_identifiers_and_has_no_syntax(self, store: Any, query: str) -> None:
        text = (
            "run git_rebase, then ERR_CONNECTION_RESET (0x80070005) in C++ calls foo.bar() naïve "
            "d41d8cd98f00b204e9800998ecf8427ed41d8cd98f00b204e9800998ecf8427e"
        )
        fill(store, make_document("a", text, size=1000), make_document("b", "nothing of that"))
        with store.read() as reader:
            assert found(reader, reader.lexical(query, 5)) == ["a#0"]

    @pytest.mark.parametrize("query", ["", "   ", "?!", "\u200b", "- - -"])
    def test_a_query_without_words_finds_nothing(self, store: Any, query: str) -> None:
        fill(store, *corpus(3))
        with store.read() as reader:
            assert reader.lexical(query, 5) == []

    def test_context_is_searched_too(self, store: Any) -> None:
        fill(store, make_document("a", "silk", context="Handbook > Granite"))
        with store.read() as reader:
            assert found(reader, reader.lexical("handbook", 5)) == ["a#0"]

    def test_only_one_writer(self, store: Any) -> None:
        with store.write(), pytest.raises(CollectionLocked, match=r"timeout=.*--wait"):
            store.write()
        writer = store.write()
        timer = threading.Timer(0.2, writer.close)
        timer.start()
        with store.write(timeout=10) as second:
            assert second.missing([hash_of("a")]) == [hash_of("a")]
        timer.join()

    def test_readers_in_threads(self, store: Any) -> None:
        fill(store, *corpus())
        with store.read() as reader:
            expected = reader.dense(query_of("x"), 9), reader.lexical("violet", 9)
        seen: list[Any] = []

        def search() -> None:
            for _ in range(10):
                with store.read() as reader:
                    seen.append((reader.dense(query_of("x"), 9), reader.lexical("violet", 9)))

        threads = [threading.Thread(target=search) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seen) == 60
        assert all(one == expected for one in seen)
