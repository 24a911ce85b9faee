"""Space, Vectors and canaries: ids that never change, and doors that stay shut."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.errors import InvalidVectors, ModelDrift, SpaceMismatch
from samespace.models import HashEmbedder
from samespace.space import (
    CANARIES,
    QUICK_CANARIES,
    Space,
    Vectors,
    check_canaries,
    record_canaries,
)

SPACE = Space(
    model="all-MiniLM-L6-v2",
    revision="",
    weights="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    tokenizer="t",
    pooling="mean",
    normalized=True,
    native_dimensions=384,
    dimensions=384,
    prompts=(("document", "passage: "), ("query", "query: ")),
)
OTHER = {
    "model": "other",
    "revision": "abc",
    "weights": "00",
    "tokenizer": "u",
    "pooling": "cls",
    "normalized": False,
    "native_dimensions": 768,
    "dimensions": 256,
    "metric": "dot",
    "prompts": (),
    "modality": "image",
    "precision": "int8",
    "kind": "sparse",
    "arithmetic": "int8",
}


def test_golden_id() -> None:
    assert SPACE.id == "417eae806afd26be"
    # Fields that came later are left out at their defaults, so that ids stay what they were.
    assert not {"precision", "kind", "arithmetic"} & set(SPACE.to_dict())


def test_every_field_is_in_the_id_and_in_the_diff() -> None:
    assert set(OTHER) == {field.name for field in dataclasses.fields(Space)}
    ids = {SPACE.id}
    for name, value in OTHER.items():
        other = dataclasses.replace(SPACE, **{name: value})
        assert SPACE.diff(other) == {name: (getattr(SPACE, name), value)}
        ids.add(other.id)
    assert len(ids) == len(OTHER) + 1


def test_round_trip() -> None:
    again = Space.from_dict(SPACE.to_dict())
    assert again == SPACE
    assert again.id == SPACE.id
    assert again.prompt("query") == "query: "


def test_mismatch_names_the_fields() -> None:
    other = dataclasses.replace(SPACE, pooling="cls", dimensions=256)
    with pytest.raises(SpaceMismatch) as caught:
        SPACE.require(other, "querying kb")
    assert caught.value.fields == {"pooling": ("mean", "cls"), "dimensions": (384, 256)}
    message = str(caught.value)
    assert "querying kb" in message
    assert "pooling: expected 'mean', got 'cls'" in message


def unit(rows: int) -> np.ndarray:  # type: ignore[type-arg]
    array = np.random.default_rng(0).normal(size=(rows, 384)).astype(np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


@given(value=st.sampled_from([np.nan, np.inf, -np.inf]), row=st.integers(0, 4))
def test_not_finite_is_refused(value: float, row: int) -> None:
    array = unit(5)
    array[row, 7] = value
    with pytest.raises(InvalidVectors, match=f"row {row}"):
        Vectors(array, SPACE, "document")


def test_zero_wrong_length_shape_and_dtype_are_refused() -> None:
    assert len(Vectors(unit(3), SPACE, "query")) == 3
    zero = unit(3)
    zero[1] = 0
    for array, says in [
        (zero, "row 1 is all zeros"),
        (unit(3) * np.float32(1.01), "length 1.01"),
        (unit(3)[:, :256], r"\(n, 384\)"),
        (unit(3)[0], r"\(n, 384\)"),
        (unit(3).astype(np.float64), "float32"),
    ]:
        with pytest.raises(InvalidVectors, match=says):
            Vectors(array, SPACE, "document")


def test_canaries_cover_both_roles_and_the_quick_ones_too() -> None:
    assert {role for role, _ in CANARIES} == {"query", "document"}
    assert {role for role, _ in CANARIES[:QUICK_CANARIES]} == {"query", "document"}
    assert len({text for _, text in CANARIES}) == len(CANARIES)


def test_a_moved_canary_is_drift() -> None:
    embedder = HashEmbedder()
    recorded = record_canaries(embedder.embed)
    check_canaries(embedder.embed, recorded, quick=False)
    with pytest.raises(ModelDrift, match="cosine"):
        check_canaries(HashEmbedder(seed=5).embed, recorded)
    last = dataclasses.replace(recorded[-1], vector=recorded[0].vector)
    check_canaries(embedder.embed, [*recorded[:-1], last])
    with pytest.raises(ModelDrift):
        check_canaries(embedder.embed, [*recorded[:-1], last], quick=False)
