"""What users do to a collection without meaning harm, through the public interface."""

from __future__ import annotations

import multiprocessing
import random
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

import samespace
from samespace.errors import CollectionExists
from samespace.models import HashEmbedder
from samespace.types import Document


def _create(path: str, barrier: Barrier) -> None:
    embedder = HashEmbedder()
    barrier.wait(30)
    try:
        samespace.Collection.create(path, embedder).close()
    except CollectionExists:
        raise SystemExit(17) from None


def test_of_processes_that_create_at_once_one_succeeds(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    path = tmp_path / "kb"
    for _ in range(3):
        barrier = context.Barrier(3)
        processes = [context.Process(target=_create, args=(str(path), barrier)) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert sorted(process.exitcode or 0 for process in processes) == [0, 17, 17]
        with samespace.open(path, HashEmbedder()) as collection:
            assert collection.info()["documents"] == 0
        for file in path.iterdir():
            file.unlink()


def test_the_collection_inside_its_documents_is_no_document(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Cats\n\nCats purr.")
    kb = tmp_path / "kb"
    with samespace.Collection.create(kb, HashEmbedder()) as collection:
        assert collection.add(tmp_path).added == 1
    with samespace.open(kb, HashEmbedder()) as collection:
        for paths in (tmp_path, kb, str(tmp_path / "*"), kb / "lexical" / ".."):
            report = collection.add(paths)
            assert report.added == 0
            assert [(Path(skip.source), "collection" in skip.reason) for skip in report.failed] == [
                (kb, True)
            ]
        assert collection.add(str(tmp_path / "**/*.*")).added == 0
        assert [Path(document.source).name for document in collection.documents()] == ["a.md"]


@pytest.mark.parametrize("by_document", [False, True])
@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_pages_are_disjoint_complete_and_one_ranking(
    tmp_path: Path, mode: samespace.search.Mode, by_document: bool
) -> None:
    rng = random.Random(1)
    words = [f"word{number}" for number in range(60)]
    documents = [
        Document(id=str(number), text=" ".join(rng.choices(words, k=rng.randint(5, 60))) + ".")
        for number in range(400)
    ]
    with samespace.Collection.create(tmp_path / "kb", HashEmbedder(), max_tokens=32) as collection:
        collection.add(documents)

        def page(k: int, offset: int = 0) -> list[tuple[int, str, float]]:
            hits = collection.search(
                "word1 word2 word3", k, mode=mode, offset=offset, by_document=by_document
            )
            return [(hit.rank, hit.chunk.id, hit.score) for hit in hits]

        whole = page(5_000)
        pages: list[tuple[int, str, float]] = []
        while found := page(37, len(pages)):
            pages += found
    assert pages == whole
    assert len({id for _, id, _ in whole}) == len(whole) >= 250
    assert [score for *_, score in whole] == sorted((score for *_, score in whole), reverse=True)
    if by_document and mode != "lexical":
        assert len(whole) == 400
