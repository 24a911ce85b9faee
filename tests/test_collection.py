"""The laws over a whole collection, with the test embedder: fast, and the real store beneath."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

import samespace
from samespace import Collection, Document
from samespace.errors import (
    CollectionExists,
    CollectionLocked,
    DocumentNotFound,
    FilterError,
    InputError,
    ModelDrift,
    SpaceMismatch,
    TooLong,
)
from samespace.models import HashEmbedder
from samespace.search import Results
from samespace.space import Vectors
from samespace.types import Block, Role

CATS = Document(id="cats", title="Cats", text="Cats purr when they are content.")
DOGS = Document(id="dogs", title="Dogs", text="Dogs bark at the postman every morning.")
BIRDS = Document(id="birds", title="Birds", text="Birds sing at dawn to mark their territory.")
ALL = [CATS, DOGS, BIRDS]


class Counting(HashEmbedder):
    """The test embedder, counting what it is asked to embed."""

    embedded: list[tuple[str, Role]]

    def embed(self, texts, role, *, on_long="error"):  # type: ignore[no-untyped-def]
        self.__dict__.setdefault("embedded", []).extend((text, role) for text in texts)
        return super().embed(texts, role, on_long=on_long)


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    return tmp_path / "kb"


def ids(results: Results) -> list[str]:
    return [hit.chunk.document for hit in results]


def test_adds_and_finds(kb: Path) -> None:
    with Collection.create(kb, HashEmbedder()) as collection:
        report = collection.add(ALL)
        assert (report.added, report.updated, report.unchanged, report.failed) == (3, 0, 0, [])
        assert report.tokens == report.embedded_tokens > 0
        for mode in ("dense", "lexical", "hybrid"):
            results = collection.search("why do cats purr", 2, mode=mode)
            assert ids(results)[0] == "cats"
            hit = results[0]
            assert hit.rank == 1
            assert hit.title == "Cats"
            document = collection.document("cats")
            assert document is not None
            assert document.text[hit.chunk.start : hit.chunk.end] == hit.chunk.text
            assert set(hit.parts) == ({"dense", "lexical"} if mode == "hybrid" else {mode})


def test_adding_twice_changes_nothing_and_embeds_nothing(kb: Path) -> None:
    embedder = Counting()
    with Collection.create(kb, embedder) as collection:
        collection.add(ALL)
        before, embedded = collection.info(), len(embedder.embedded)
        report = collection.add(ALL)
        assert (report.added, report.unchanged, report.embedded_tokens) == (0, 3, 0)
        assert len(embedder.embedded) == embedded
        assert {**collection.info(), "bytes": 0, "change": 0} == {
            **before,
            "bytes": 0,
            "change": 0,
        }


def test_same_text_under_two_ids_is_two_rows_and_one_embedding(kb: Path) -> None:
    embedder = Counting()
    with Collection.create(kb, embedder) as collection:
        embedder.embedded.clear()
        collection.add([CATS, dataclasses.replace(CATS, id="cats again")])
        assert len(embedder.embedded) == 1
        assert collection.info()["documents"] == 2
        assert collection.info()["vectors"] == 1
        assert sorted(ids(collection.search("cats", 5, mode="dense"))) == ["cats", "cats again"]


def test_only_what_changed_is_embedded(kb: Path) -> None:
    embedder = Counting()
    with Collection.create(kb, embedder) as collection:
        collection.add(ALL)
        embedder.embedded.clear()
        changed = Document(id="dogs", title="Dogs", text="Dogs sleep most of the day.")
        report = collection.add([CATS, changed, BIRDS])
        assert (report.updated, report.unchanged) == (1, 2)
        assert [role for _, role in embedder.embedded] == ["document"]
        assert ids(collection.search("postman", 3, mode="lexical")) == []
        assert ids(collection.search("sleep", 3, mode="lexical")) == ["dogs"]


def test_sync_removes_what_is_gone(kb: Path) -> None:
    with Collection.create(kb, HashEmbedder()) as collection:
        collection.add(ALL)
        report = collection.sync([CATS, BIRDS])
        assert (report.removed, report.unchanged) == (1, 2)
        assert collection.document("dogs") is None
        assert ids(collection.search("dogs bark postman", 3, mode="lexical")) == []


def test_sync_of_files_leaves_others_alone_and_a_moved_file_embeds_nothing(
    kb: Path, tmp_path: Path
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# Apples\n\nApples are picked in autumn.")
    (docs / "b.md").write_text("# Pears\n\nPears ripen after they are picked.")
    with Collection.create(kb, HashEmbedder()) as collection:
        collection.add([CATS])
        collection.add(docs)
        (docs / "new").mkdir()
        (docs / "a.md").rename(docs / "new" / "fruit.md")
        (docs / "b.md").unlink()
        report = collection.sync(docs)
        assert (report.added, report.removed, report.embedded_tokens) == (1, 2, 0)
        assert collection.document("cats") is not None
        results = collection.search("apples autumn", 1)
        assert results[0].source == str(docs / "new" / "fruit.md")
        assert results[0].title == "Apples"


def test_a_file_that_cannot_be_read_keeps_what_it_gave(kb: Path, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    page = docs / "a.md"
    page.write_text("# Apples\n\nApples are picked in autumn.")
    with Collection.create(kb, HashEmbedder()) as collection:
        collection.add(docs)
        page.write_bytes(b"%PDF-1.7\x00\x01\x02\xff\xfe broken \x00\x00")
        report = collection.sync(docs)
        assert [Path(skip.source).name for skip in report.failed] == ["a.md"]
        assert report.removed == 0
        assert len(collection.search("apples", 3, mode="lexical")) == 1


def test_delete_by_id_and_by_filter(kb: Path) -> None:
    with Collection.create(kb, HashEmbedder()) as collection:
        collection.add([dataclasses.replace(d, metadata={"n": i}) for i, d in enumerate(ALL)])
        with pytest.raises(DocumentNotFound, match="nothing was deleted"):
            collection.delete(["cats", "no such"])
        assert collection.info()["documents"] == 3
        assert collection.delete("cats", where="n >= 2") == 2
        assert [d.id for d in collection.documents()] == ["dogs"]


def test_deleted_text_is_gone_from_disk_after_compact(kb: Path) -> None:
    with Collection.create(kb, HashEmbedder()) as collection:
        collection.add([*ALL, Document(id="secret", text="xylophonequartz is the password")])
        collection.delete("secret")
        assert collection.search("xylophonequartz", 5, mode="lexical").hits == ()
        collection.compact()
        assert ids(collection.search("why do cats purr", 1)) == ["cats"]
    for path in kb.rglob("*"):
        if path.is_file():
            assert b"xylophonequartz" not in path.read_bytes(), path


def test_small_and_odd(kb: Path) -> None:
    with Collection.create(kb, HashEmbedder()) as collection:
        for mode in ("dense", "lexical", "hybrid"):
            assert len(collection.search("anything", 5, mode=mode)) == 0
        collection.add(ALL)
        assert len(collection.search("cats dogs birds", 50)) == 3
        assert len(collection.search("cats", 50, offset=3, mode="dense")) == 0
        for query in ("", "  \n\t"):
            with pytest.raises(InputError, match="empty"):
                collection.search(query)
        for k in (0, -3, 1.5, True):
            with pytest.raises(InputError, match="whole number"):
                collection.search("cats", k)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="mode"):
            collection.search("cats", mode="fuzzy")  # type: ignore[arg-type]
        with pytest.raises(FilterError):
            collection.search("cats", where="title = ")
        with pytest.raises(TooLong, match="lexical"):
            collection.search("cat " * 1000)
        assert len(collection.search("cat " * 1000, on_long="truncate")) == 3


def test_offset_and_pages_agree(kb: Path) -> None:
    documents = [Document(id=str(i), text=f"page {i} of the cat book") for i in range(40)]
    with Collection.create(kb, HashEmbedder()) as collection:
        collection.add(documents)
        for mode in ("dense", "lexical", "hybrid"):
            whole = ids(collection.search("cat book", 40, mode=mode))
            pages = [
                collection.search("cat book", 10, mode=mode, offset=offset)
                for offset in (0, 10, 20, 30)
            ]
            assert [id for page in pages for id in ids(page)] == whole
            assert [hit.rank for hit in pages[2]] == list(range(21, 31))


def test_one_hit_per_document_on_request(kb: Path) -> None:
    text = "\n\n".join(f"Paragraph {i} is about cats and more cats." for i in range(99))
    long = Document(id="long", text=text)
    with Collection.create(kb, HashEmbedder(), max_tokens=64) as collection:
        collection.add([long, *ALL])
        assert ids(collection.search("cats", 4, mode="dense")).count("long") > 1
        grouped = ids(collection.search("cats", 4, by_document=True))
        assert sorted(grouped) == ["birds", "cats", "dogs", "long"]


def test_another_space_is_refused_before_anything_is_embedded(kb: Path) -> None:
    with Collection.create(kb, HashEmbedder(seed=1)) as collection:
        collection.add(CATS)
    other = Counting(seed=2)
    with pytest.raises(SpaceMismatch) as caught:
        samespace.open(kb, model=other)
    assert "weights" in caught.value.fields
    assert "embedded" not in other.__dict__


def test_a_model_that_drifted_is_refused(kb: Path) -> None:
    with Collection.create(kb, HashEmbedder()) as collection:
        collection.add(CATS)

    class Drifted(HashEmbedder):
        def embed(self, texts, role, *, on_long="error"):  # type: ignore[no-untyped-def]
            vectors = super().embed(texts, role, on_long=on_long)
            return Vectors(vectors.array[:, ::-1].copy(), vectors.space, vectors.role)

    with samespace.open(kb, model=Drifted()) as collection:
        with pytest.raises(ModelDrift):
            collection.search("cats")
        with pytest.raises(ModelDrift):
            collection.add(DOGS)
        assert collection.info()["documents"] == 1


def test_a_second_writer_is_told(kb: Path) -> None:
    with Collection.create(kb, HashEmbedder()) as collection:

        def documents() -> Iterator[Document]:
            yield CATS
            with samespace.open(kb, model=HashEmbedder()) as second:
                with pytest.raises(CollectionLocked):
                    second.add(DOGS)
                assert second.search("cats") is not None
            yield BIRDS

        assert collection.add(documents()).added == 2


def test_an_error_in_the_middle_keeps_what_was_committed(kb: Path) -> None:
    def numbered() -> Iterator[Document]:
        for i in range(3000):
            yield Document(id=str(i), text=f"document number {i}")

    def documents() -> Iterator[Document]:
        yield from numbered()
        raise RuntimeError("the source broke")

    with Collection.create(kb, HashEmbedder()) as collection:
        with pytest.raises(RuntimeError, match="the source broke"):
            collection.add(documents())
        kept = collection.info()["documents"]
        assert 0 < kept <= 3000
        report = collection.add(numbered())
        assert report.unchanged == kept
        assert report.added == 3000 - kept


def test_what_is_not_a_document_is_refused(kb: Path) -> None:
    with Collection.create(kb, HashEmbedder()) as collection:
        for wrong in ([CATS, "a path"], ["a path", CATS], [42], {"id": "x"}, 42):
            with pytest.raises(InputError):
                collection.add(wrong)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="no such"):
            collection.add("no such folder")
        report = collection.add([CATS, dataclasses.replace(DOGS, id="cats")])
        assert [skip.reason for skip in report.failed] == ["duplicate id 'cats' in this run"]


def test_ledger_on_long(kb: Path, tmp_path: Path) -> None:
    long = Document(id="long", text="one two three four five " * 100)
    with Collection.create(kb, HashEmbedder(max_tokens=64)) as split:
        report = split.add(long)
        assert report.chunks > 5
        assert report.tokens_dropped == split.info()["tokens_dropped"] == 0
    cut = Collection.create(
        tmp_path / "cut", HashEmbedder(max_tokens=64), chunking="document", on_long="truncate"
    )
    with cut:
        report = cut.add(long)
        assert (report.chunks, report.tokens) == (1, 64)
        embedder = HashEmbedder(max_tokens=64)
        whole = embedder.count([long.text.strip()])[0]
        assert report.tokens_dropped == cut.info()["tokens_dropped"] == whole - 64
    refused = Collection.create(
        tmp_path / "refused", HashEmbedder(max_tokens=64), chunking="document", on_long="error"
    )
    with refused:
        report = refused.add([long, CATS])
        assert (report.added, len(report.failed)) == (1, 1)
        assert "64" in report.failed[0].reason


def test_create_refuses_what_is_there(kb: Path, tmp_path: Path) -> None:
    Collection.create(kb, HashEmbedder()).close()
    with pytest.raises(CollectionExists):
        Collection.create(kb, HashEmbedder())
    with pytest.raises(InputError, match="window"):
        Collection.create(tmp_path / "other", HashEmbedder(max_tokens=64), max_tokens=65)
    with pytest.raises(InputError, match="ISO 639"):
        Collection.create(tmp_path / "other", HashEmbedder(), language="English")
    assert not (tmp_path / "other").exists()


def test_a_document_that_is_only_a_title_can_be_found(kb: Path) -> None:
    with Collection.create(kb, HashEmbedder()) as collection:
        report = collection.add([CATS, Document(id="bare", title="On sorting by address", text="")])
        assert (report.added, report.failed) == (2, [])
        hit = collection.search("sorting by address", 1)[0]
        assert (hit.chunk.document, hit.chunk.text) == ("bare", "On sorting by address")
        assert hit.chunk.context == ""


def test_what_cleaning_found_survives_being_added_again(kb: Path) -> None:
    page = Document(id="p", media="text/markdown", text="---\nteam: storage\n---\n# Disks\n\nFull.")
    with Collection.create(kb, HashEmbedder()) as collection:
        collection.add(page)
        report = collection.add(dataclasses.replace(page, source="elsewhere.md"))
        assert report.unchanged == 1
        (hit,) = collection.search("disks", where="team = 'storage'")
        assert (hit.source, hit.title) == ("elsewhere.md", "Disks")


def test_one_bad_document_stops_nothing(kb: Path) -> None:
    nested = Document(id="nested", text="some text", metadata={"a": {"b": 1}})  # type: ignore[dict-item]
    torn = Document(id="torn", text="before \ud800 after", blocks=(Block(0, 14, "paragraph"),))
    loose = Document(id="loose", text="short", blocks=(Block(3, 99, "paragraph"),))
    with Collection.create(kb, HashEmbedder()) as collection:
        report = collection.add([CATS, nested, torn, loose, DOGS])
        assert report.added == 2
        assert [skip.source for skip in report.failed] == ["nested", "torn", "loose"]
        assert all(skip.reason for skip in report.failed)
        assert collection.add([CATS, DOGS]).unchanged == 2


def test_what_is_left_out_is_reported_every_time(kb: Path, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.html").write_text("<html><script>only()</script></html>")
    (docs / "b.html").write_text("<p>Some words.</p>")
    with Collection.create(kb, HashEmbedder()) as collection:
        first, again = collection.add(docs), collection.add(docs)
        assert [skip.source for skip in first.failed] == [str(docs / "a.html")]
        assert again.failed == first.failed
        assert (again.unchanged, again.embedded_tokens) == (1, 0)
