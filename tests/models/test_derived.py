"""Fewer dimensions and fewer bits: an embedder like any other, in a Space of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from samespace import Collection, Document
from samespace.errors import InputError, SpaceMismatch
from samespace.models import Embedder, HashEmbedder, OnnxEmbedder
from samespace.models.derived import DerivedEmbedder
from samespace.space import Precision
from tests.models.conftest import Zoo
from tests.models.contract import CHECKS
from tests.models.texts import of_words
from tests.models.tiny import TINY

DERIVED: dict[str, Callable[[Zoo], Embedder]] = {
    # The hash embedder's vectors are the same to the last bit in any batch, so those rounded are.
    "float16": lambda zoo: DerivedEmbedder(HashEmbedder(), precision="float16"),
    "int8": lambda zoo: DerivedEmbedder(HashEmbedder(), precision="int8"),
    "cut": lambda zoo: DerivedEmbedder(zoo.embedder(TINY[0]), dimensions=24),
    "cut-unnormalized": lambda zoo: DerivedEmbedder(zoo.embedder(TINY[1]), dimensions=24),
}
CASES = [
    (check, name)
    for name in DERIVED
    for check in CHECKS
    # A rounded document differs from the query of the same text, by design.
    if "cut" in name or check.__name__ != "check_prompts"
]


@pytest.mark.parametrize(("check", "name"), CASES)
def test_contract(check: Callable[[Embedder], None], name: str, zoo: Zoo) -> None:
    check(DERIVED[name](zoo))


def test_cut_and_rounded(minilm: OnnxEmbedder) -> None:
    texts = [of_words(n) for n in (3, 20, 60)]
    full = minilm.embed(texts, "document").array
    small = DerivedEmbedder(minilm, 128).embed(texts, "document").array
    expected = full[:, :128] / np.linalg.norm(full[:, :128], axis=1, keepdims=True)
    np.testing.assert_allclose(small, expected, atol=1e-6)
    signs = DerivedEmbedder(minilm, 128, "binary").embed(texts, "document").array
    np.testing.assert_allclose(signs, np.where(full[:, :128] >= 0, 1, -1) / 128**0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("precision", "cosine"), [("float16", 0.999999), ("int8", 0.9998), ("binary", 0.7)]
)
def test_a_query_stays_in_full_precision(
    minilm: OnnxEmbedder, precision: Precision, cosine: float
) -> None:
    derived, text = DerivedEmbedder(minilm, precision=precision), ["a question about cells"]
    full = minilm.embed(text, "query").array
    np.testing.assert_array_equal(derived.embed(text, "query").array, full)
    rounded = derived.embed(text, "document").array
    assert cosine < float((rounded @ full.T)[0, 0]) <= 1.000001
    assert not np.array_equal(rounded, full)


def test_a_space_of_its_own(minilm: OnnxEmbedder) -> None:
    derived = DerivedEmbedder(minilm, 64, "int8")
    assert minilm.space.diff(derived.space) == {
        "dimensions": (384, 64),
        "precision": ("float32", "int8"),
    }
    assert DerivedEmbedder(minilm).space == minilm.space
    assert DerivedEmbedder(DerivedEmbedder(minilm, 64), precision="int8").space == derived.space


def test_a_collection_holds_one_of_them_only(tmp_path: Path) -> None:
    base = HashEmbedder()
    cut = DerivedEmbedder(base, 200, "int8")
    with Collection.create(tmp_path / "kb", model=cut) as collection:
        collection.add(Document(id="1", text="a small cat sleeps in the sun"))
        assert collection.search("small cat", mode="dense")[0].chunk.document == "1"
    with pytest.raises(SpaceMismatch, match="precision: expected 'int8', got 'float32'"):
        Collection.open(tmp_path / "kb", model=DerivedEmbedder(base, 200))
    with Collection.open(tmp_path / "kb", model=DerivedEmbedder(base, 200, "int8")) as again:
        assert again.search("small cat", mode="dense")[0].chunk.document == "1"


def test_what_cannot_be() -> None:
    base = HashEmbedder(dimensions=32)
    with pytest.raises(InputError, match="between 1 and the 32 of samespace-hash, got 33"):
        DerivedEmbedder(base, 33)
    with pytest.raises(InputError, match="precision must be"):
        DerivedEmbedder(base, precision="int4")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="rounded to int8 already"):
        DerivedEmbedder(DerivedEmbedder(base, precision="int8"), precision="binary")
