"""Every combination is there once, has a name of its own, and what cannot be is said."""

from __future__ import annotations

import itertools

import pytest

from samespace.errors import InputError
from samespace.evaluate.compare.grid import Grid, expand, label
from samespace.models import HashEmbedder

MODELS = label([HashEmbedder(64)])


def test_every_combination_once() -> None:
    grid = Grid(
        dimensions=(64, None, 32),
        precisions=("float32", "int8"),
        max_tokens=(128, None, 256),
        overlaps=(0, 16),
        modes=("dense", "lexical"),
    )
    found, skipped = expand(grid, MODELS, ["none", "judge"])
    dense = [item for item in found if item.mode == "dense"]
    lexical = [item for item in found if item.mode == "lexical"]
    assert len(dense) == 2 * 2 * (2 * 2) * 2  # 64 is None, and so is 256
    assert len(lexical) == (2 * 2) * 2  # neither dimensions nor precision play a part
    assert len({item.name for item in found}) == len(found) == 40
    assert skipped == []
    assert dense[0].name == "samespace-hash d64 t128 dense"
    assert lexical[-1].name == "samespace-hash t256 o16 lexical +judge"
    order = [item.index for item in found]
    assert sum(a != b for a, b in itertools.pairwise(order)) + 1 == len(set(order))


def test_what_cannot_be_is_skipped_with_its_reason() -> None:
    grid = Grid(
        dimensions=(32, 65), precisions=("binary",), max_tokens=(128, 300), overlaps=(0, 65)
    )
    found, skipped = expand(grid, MODELS)
    assert [item.name for item in found] == ["samespace-hash d32 binary t128 hybrid"]
    reasons = {item.name: item.reason for item in skipped}
    assert "window of samespace-hash is 256" in reasons["samespace-hash t300 o0 structure"]
    assert "half of max_tokens (64), got 65" in reasons["samespace-hash t128 o65 structure"]
    assert "the 64 of samespace-hash, got 65" in reasons["samespace-hash d65 binary"]


def test_models_of_one_name_are_told_apart() -> None:
    one, two = HashEmbedder(64), HashEmbedder(64, seed=1)
    labels = label([one, two, HashEmbedder(64)])
    assert list(labels) == [f"samespace-hash@{model.space.id[:6]}" for model in (one, two)]


def test_axes_that_cannot_be() -> None:
    with pytest.raises(InputError, match="modes must be of"):
        Grid(modes=("semantic",))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="precisions must be a sequence"):
        Grid(precisions="int8")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="dimensions must be a sequence of at least one"):
        Grid(dimensions=())
