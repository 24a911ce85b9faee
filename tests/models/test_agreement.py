"""One space is what was measured to be one: across arithmetics, and across runtimes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import samespace
from samespace.errors import ModelDrift, SpaceMismatch
from samespace.models import Embedder, HashEmbedder, OnnxEmbedder
from samespace.models.agreement import agreement, same_space
from samespace.space import (
    CANARIES,
    CANARY_COSINE,
    Arithmetic,
    Vectors,
    check_canaries,
    record_canaries,
)
from samespace.types import Role
from tests.models.conftest import Zoo
from tests.models.tiny import TINY, Tiny

TEXTS = ["Cats purr when they are content.", "Dogs bark at strangers.", "Whales sing."]


class Moved:
    """An embedder that turns its vectors of some canaries by a stated cosine."""

    def __init__(
        self, inner: Embedder, cosines: dict[str, float], arithmetic: Arithmetic = "float16"
    ) -> None:
        self._inner = inner
        self._cosines = cosines
        self.space = dataclasses.replace(inner.space, arithmetic=arithmetic)
        self.max_tokens = inner.max_tokens

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        return self._inner.count(texts, role)

    def embed(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        on_long: Literal["error", "truncate"] = "error",
    ) -> Vectors:
        array = self._inner.embed(texts, role, on_long=on_long).array.copy()
        for row, text in zip(array, texts, strict=True):
            cosine = self._cosines.get(text, 1.0)
            away = np.roll(row, 1) - (np.roll(row, 1) @ row) * row
            row[:] = cosine * row + np.sqrt(1 - cosine**2) * away / np.linalg.norm(away)
        return Vectors(array, self.space, role)


def test_each_canary_is_measured() -> None:
    wanted = {text: 1 - i / 50 for i, (_, text) in enumerate(CANARIES)}
    seen = agreement(Moved(HashEmbedder(), wanted), HashEmbedder())
    np.testing.assert_allclose(seen.cosines, list(wanted.values()), atol=1e-5)
    assert seen.least == min(seen.cosines)
    assert seen.mean == pytest.approx(np.mean(list(wanted.values())), abs=1e-5)
    assert not seen.one_space


@pytest.mark.parametrize("which", range(len(CANARIES)))
def test_one_canary_decides(which: int) -> None:
    """The quick check at first use sees two canaries; admission sees all."""
    inner = HashEmbedder()
    recorded = record_canaries(lambda t, r: inner.embed(t, r, on_long="truncate"))
    text = CANARIES[which][1]
    near, far = CANARY_COSINE + 3e-5, CANARY_COSINE - 3e-5
    admitted = same_space(Moved(inner, {text: near}), inner.space, recorded, "opening")
    assert admitted.space == inner.space
    with pytest.raises(SpaceMismatch, match=r"opening: the model computes in float16") as caught:
        same_space(Moved(inner, {text: far}), inner.space, recorded, "opening")
    assert f"{far:.4f}" in str(caught.value)
    assert caught.value.fields == {"arithmetic": ("float32", "float16")}


def test_only_arithmetic_may_differ() -> None:
    inner = HashEmbedder()
    recorded = record_canaries(lambda t, r: inner.embed(t, r, on_long="truncate"))
    assert same_space(inner, inner.space, recorded, "opening") is inner
    other = Moved(inner, {})
    other.space = dataclasses.replace(other.space, model="another")
    with pytest.raises(SpaceMismatch, match="model: expected 'samespace-hash', got 'another'"):
        same_space(other, inner.space, recorded, "opening")
    with pytest.raises(SpaceMismatch, match="arithmetic: expected 'float32', got 'float16'"):
        same_space(Moved(inner, {}), inner.space, (), "opening")


def test_a_cache_does_not_answer_for_the_model(tmp_path: Path) -> None:
    from samespace.models.cache import CachedEmbedder, VectorCache

    inner, cache = HashEmbedder(), VectorCache(tmp_path / "cache")
    recorded = record_canaries(lambda t, r: inner.embed(t, r, on_long="truncate"))
    good = CachedEmbedder(Moved(inner, {}), cache)
    for role, text in CANARIES:
        good.embed([text], role, on_long="truncate")
    assert same_space(good, inner.space, recorded, "opening").space == inner.space
    bad = CachedEmbedder(Moved(inner, {text: 0.9 for _, text in CANARIES}), cache)
    with pytest.raises(SpaceMismatch):
        same_space(bad, inner.space, recorded, "opening")


def make(path: Path, model: Embedder) -> None:
    with samespace.Collection.create(path, model=model) as collection:
        collection.add([samespace.Document(id=str(i), text=t) for i, t in enumerate(TEXTS)])


def test_float16_serves_a_float32_collection(tmp_path: Path, bert_folder: Path) -> None:
    kb = tmp_path / "kb"
    make(kb, OnnxEmbedder(bert_folder))
    half = OnnxEmbedder(bert_folder, arithmetic="float16")
    with samespace.Collection.open(kb, model=half) as collection:
        assert collection.embedder.space == collection.space != half.space
        assert collection.search(TEXTS[1], mode="dense").hits[0].chunk.document == "1"
        collection.add(samespace.Document(id="new", text="Bees hum in the garden."))
        assert collection.search("Bees hum in the garden.").hits[0].chunk.document == "new"
    with samespace.Collection.open(kb, model=OnnxEmbedder(bert_folder)) as collection:
        hit = collection.search("Bees hum in the garden.", mode="dense").hits[0]
        assert (hit.chunk.document, round(hit.score, 3)) == ("new", 1.0)


@pytest.mark.parametrize("made", ["float32", "int8"])
def test_int8_and_float32_do_not_mix(
    tmp_path: Path, minilm_folder: Path, minilm: OnnxEmbedder, made: str
) -> None:
    kb = tmp_path / "kb"
    integer = OnnxEmbedder(minilm_folder, arithmetic="int8")
    first, second = (minilm, integer) if made == "float32" else (integer, minilm)
    make(kb, first)
    with pytest.raises(SpaceMismatch, match=rf"made in {made}.* Cosines over 8 canaries: 0\.9"):
        samespace.Collection.open(kb, model=second)
    with samespace.Collection.open(kb, model=first) as collection:
        assert collection.search("a barking dog", mode="dense").hits[0].chunk.document == "1"
        assert collection.info()["documents"] == len(TEXTS)


def torch_embedder(folder: Path) -> Embedder:
    pytest.importorskip("sentence_transformers")
    from samespace.models.torch import TorchEmbedder

    return TorchEmbedder(folder)


@pytest.mark.parametrize("tiny", TINY, ids=lambda t: t.name)
def test_two_runtimes_of_one_space_agree(tiny: Tiny, zoo: Zoo) -> None:
    with_onnx, with_torch = zoo.embedder(tiny), torch_embedder(zoo.folder(tiny))
    assert with_onnx.space == with_torch.space
    assert agreement(with_onnx, with_torch).least > 0.99999


def test_two_runtimes_of_minilm_agree(minilm: OnnxEmbedder, minilm_folder: Path) -> None:
    other = torch_embedder(minilm_folder)
    assert minilm.space == other.space
    assert agreement(minilm, other).least > 0.999999
    check_canaries(other.embed, record_canaries(minilm.embed), quick=False)


def test_float16_of_pytorch(tmp_path: Path, minilm: OnnxEmbedder, minilm_folder: Path) -> None:
    """PyTorch computes in float16 what ONNX Runtime only stores so; it is one Space, measured."""
    pytest.importorskip("sentence_transformers")
    from samespace.models.torch import TorchEmbedder

    computed = TorchEmbedder(minilm_folder, arithmetic="float16")
    stored = OnnxEmbedder(minilm_folder, arithmetic="float16")
    assert computed.space == stored.space
    assert agreement(computed, stored).least > 0.9999
    make(tmp_path / "kb", minilm)
    with samespace.Collection.open(tmp_path / "kb", model=computed) as collection:
        assert collection.search("a barking dog", mode="dense").hits[0].chunk.document == "1"


def test_equal_spaces_are_still_measured_at_first_use(tmp_path: Path) -> None:
    """A runtime that claims the Space but gives other vectors is found out by the canaries."""
    make(tmp_path / "kb", HashEmbedder())
    liar = Moved(HashEmbedder(), {CANARIES[0][1]: 0.99}, arithmetic="float32")
    with (
        samespace.Collection.open(tmp_path / "kb", model=liar) as collection,
        pytest.raises(ModelDrift, match=r"cosine 0\.99000"),
    ):
        collection.search("cats")
