"""Several collections as one: the same answers as one collection of everything, or a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from samespace import Collection, search_together
from samespace.errors import InputError, ModelDrift, SpaceMismatch
from samespace.models import HashEmbedder
from samespace.models.derived import DerivedEmbedder
from samespace.space import CANARIES, QUICK_CANARIES

from .migrate.test_migration import Asked, Counting, document


def make(folder: Path, numbers: range, model: HashEmbedder | None = None) -> Collection:
    collection = Collection.create(folder, model or HashEmbedder())
    collection.add([document(i) for i in numbers])
    return collection


def test_dense_equals_one_collection_of_everything(tmp_path: Path) -> None:
    with (
        make(tmp_path / "a", range(20)) as a,
        make(tmp_path / "b", range(20, 50)) as b,
        make(tmp_path / "all", range(50)) as everything,
    ):
        found = search_together([a, b], "violet engine granite", 20, mode="dense")
        expected = everything.search("violet engine granite", 20, mode="dense")
        assert [(h.chunk.id, h.rank) for h in found] == [(h.chunk.id, h.rank) for h in expected]
        assert [h.score for h in found] == pytest.approx([h.score for h in expected])
        for hit, origin in zip(found, found.origins, strict=True):
            place = a if int(hit.chunk.document.removeprefix("doc-")) < 20 else b
            assert origin == place.path
        assert found.space == a.space.id
        later = search_together([a, b], "violet engine granite", 10, mode="dense", offset=10)
        assert [h.chunk.id for h in later] == [h.chunk.id for h in expected[10:]]


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_lexical_and_hybrid_find_from_all(tmp_path: Path, mode: str) -> None:
    with make(tmp_path / "a", range(20)) as a, make(tmp_path / "b", range(10, 40)) as b:
        found = search_together([a, b], "document 15 violet", 40, mode=mode)  # type: ignore[arg-type]
        assert {origin.name for origin in found.origins} == {"a", "b"}
        both = {
            origin.name
            for hit, origin in zip(found, found.origins, strict=True)
            if hit.chunk.document == "doc-15"
        }
        assert both == {"a", "b"}
        scores = [hit.score for hit in found]
        assert scores == sorted(scores, reverse=True)


def test_two_spaces_are_refused_before_anything_is_embedded(tmp_path: Path) -> None:
    model = Counting()
    others = (HashEmbedder(seed=1), DerivedEmbedder(HashEmbedder(), dimensions=128))
    with make(tmp_path / "a", range(5), model) as a:
        for place, other in enumerate(others):
            with Collection.create(tmp_path / f"b{place}", other) as b:
                model.embed = None  # type: ignore[method-assign,assignment]
                with pytest.raises(SpaceMismatch, match=r"(?s)two spaces.*samespace migrate"):
                    search_together([a, b], "violet")
    with pytest.raises(InputError, match="at least one"):
        search_together([], "violet")


def test_the_canaries_of_each_collection_are_asked_once(tmp_path: Path) -> None:
    model = Asked()
    with make(tmp_path / "a", range(5), model) as a, make(tmp_path / "b", range(5)) as b:
        model.asked.clear()
        for _ in range(3):
            search_together([a, b], "violet", mode="dense")
        # Those of the first were recorded by this very object, and both have the same vectors.
        assert model.asked == ["violet"] * 3
    with Collection.open(tmp_path / "a", model) as a, Collection.open(tmp_path / "b") as b:
        model.asked.clear()
        for _ in range(3):
            search_together([a, b], "violet", mode="dense")
        canaries = [text for _, text in CANARIES[:QUICK_CANARIES]]
        assert model.asked == [*canaries, "violet", "violet", "violet"]


def test_each_collection_is_compared_with_the_model(tmp_path: Path) -> None:
    make(tmp_path / "a", range(5)).close()
    with (
        make(tmp_path / "b", range(5)) as b,
        b.store.write() as writer,
        writer.transaction("moving a canary") as connection,
    ):
        connection.execute(
            "UPDATE canaries SET vector = (SELECT vector FROM canaries WHERE position = 1) "
            "WHERE position = 0"
        )
    with (
        Collection.open(tmp_path / "a", HashEmbedder()) as a,
        Collection.open(tmp_path / "b", HashEmbedder()) as b,
        pytest.raises(ModelDrift),
    ):
        search_together([a, b], "violet", mode="dense")
