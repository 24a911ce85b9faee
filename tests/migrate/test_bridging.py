"""A bridge kept in a collection: fitted on its text, used only when asked for, stamped on hits."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace import Collection, Document
from samespace.errors import InputError, ModelDrift, SpaceError, SpaceMismatch
from samespace.evaluate import Qrels
from samespace.migrate import Migration
from samespace.migrate.bridging import build_bridge, measure_bridge, use_bridge
from samespace.models import HashEmbedder
from samespace.models.cache import CachedEmbedder, VectorCache
from samespace.space import Space, Vectors

from .test_migration import WORDS


class Turned(HashEmbedder):
    """The same vectors in another coordinate system: all that a bridge could wish for."""

    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(256, 256)))[0].astype(np.float32)

    @property
    def space(self) -> Space:
        return dataclasses.replace(super().space, model="turned")

    def embed(self, texts: Sequence[str], role: Any, *, on_long: Any = "error") -> Vectors:
        found = HashEmbedder.embed(HashEmbedder(), texts, role, on_long=on_long)
        return Vectors(found.array @ self.turn, self.space, role)


def documents(count: int) -> list[Document]:
    dice = random.Random(5)
    vocabulary = [a + b for a in WORDS for b in WORDS]
    return [
        Document(id=str(i), text=" ".join(dice.choices(vocabulary, k=12))) for i in range(count)
    ]


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    with Collection.create(tmp_path / "kb", HashEmbedder()) as collection:
        collection.add(documents(300))
    return tmp_path / "kb"


QUESTION = "harbourviolet engineengine silkmeadow"


def test_it_is_off_until_asked_for_and_survives_reopening(kb: Path) -> None:
    with Collection.open(kb, HashEmbedder()) as collection:
        own = collection.search(QUESTION, mode="dense")
        assert own.bridge == ""
        bridge = build_bridge(collection, Turned())
        assert bridge.kept > 0.99
        assert collection.search(QUESTION, mode="dense").bridge == ""
    with Collection.open(kb) as collection:
        with pytest.raises(InputError, match="pass it again"):
            collection.search(QUESTION, mode="dense")
        use_bridge(collection, Turned())
        with pytest.raises(InputError, match="put the cache behind it"):
            CachedEmbedder(collection.embedder, VectorCache(kb.parent / "vectors"))
        found = collection.search(QUESTION, mode="dense")
        assert (found.bridge, found.space) == ("turned", own.space)
        assert [hit.chunk.id for hit in found] == [hit.chunk.id for hit in own]
        assert collection.search(QUESTION, mode="lexical").bridge == ""
        assert "turned by a bridge" in collection.run({"q": QUESTION}).name
        with pytest.raises(SpaceError, match="carries queries only"):
            collection.add(Document(id="new", text="a new text"))
        assert collection.info()["documents"] == 300


def test_what_does_not_fit_is_refused(kb: Path) -> None:
    with Collection.open(kb, HashEmbedder()) as collection:
        with pytest.raises(InputError, match="keeps no bridge"):
            use_bridge(collection)
        with pytest.raises(SpaceError, match="good enough"):
            build_bridge(collection, HashEmbedder(seed=1, dimensions=4))
        with pytest.raises(InputError, match="keeps no bridge"):
            use_bridge(collection)
        build_bridge(collection, Turned())
        with pytest.raises(SpaceMismatch, match="was fitted for vectors of turned"):
            use_bridge(collection, HashEmbedder(seed=1))
        with pytest.raises(InputError, match="embedder object"):
            use_bridge(collection)

        class Drifted(Turned):
            turn = Turned.turn[::-1].copy()

        with pytest.raises(ModelDrift):
            use_bridge(collection, Drifted())


def test_it_is_reported_beside_three_baselines(kb: Path) -> None:
    chosen = documents(300)[:40]
    queries = {one.id: " ".join(one.text.split()[2:8]) for one in chosen}
    qrels = Qrels({one.id: {one.id: 1} for one in chosen})
    with Collection.open(kb, HashEmbedder()) as collection:
        bridge = build_bridge(collection, Turned())
        found = measure_bridge(collection, bridge, Turned(), queries, qrels)
        assert found.old is not None
        assert found.adapter.intervals["ndcg@10"].value > 0.5
        for other in (found.old, found.full):
            assert other.kept["ndcg@10"] == pytest.approx(1.0, abs=0.02)
        fitted_on = {one.id: one.text for one in chosen}
        with pytest.raises(InputError, match="among the texts"):
            measure_bridge(collection, bridge, Turned(), fitted_on, qrels)
    with Collection.open(kb) as collection:
        found = measure_bridge(collection, bridge, Turned(), queries, qrels)
        assert found.old is None


def test_repair_drops_nothing_while_a_bridge_stands_in(kb: Path) -> None:
    with Collection.open(kb, HashEmbedder()) as collection:
        build_bridge(collection, Turned())
    (segment,) = kb.glob("vectors/*/*/*.f32")
    array = np.memmap(segment, np.float32, "r+").reshape(-1, 256)
    array[3] = np.nan
    array.flush()
    with Collection.open(kb) as collection:
        use_bridge(collection, Turned())
        found = collection.verify(repair=True, model=False)
        assert "stands in for theirs" in found.problems[-1].says
        assert collection.info()["vectors"] == 300
    with Collection.open(kb, HashEmbedder()) as collection:
        assert collection.verify(repair=True).sound


def test_a_bridge_answers_for_no_other_vectors_of_the_space(kb: Path) -> None:
    """Another process embedded everything anew, because the model had drifted."""

    class Drifted(HashEmbedder):
        def embed(self, texts: Sequence[str], role: Any, *, on_long: Any = "error") -> Vectors:
            made = super().embed(texts, role, on_long=on_long)
            return Vectors(np.roll(made.array, 1, axis=1), made.space, role)

    with Collection.open(kb, HashEmbedder()) as collection:
        build_bridge(collection, Turned())
    with Collection.open(kb) as bridged, Collection.open(kb) as other:
        use_bridge(bridged, Turned())
        bridged.search(QUESTION, mode="dense")
        migration = Migration.begin(other, Drifted())
        migration.backfill()
        migration.verify()
        migration.switch()
        with pytest.raises(InputError, match="pass it again"):
            bridged.search(QUESTION, mode="dense")
