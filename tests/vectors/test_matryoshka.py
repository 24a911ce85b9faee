"""Keeping the first dimensions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.errors import InputError, InvalidVectors
from samespace.vectors.matryoshka import truncate

shapes = st.tuples(st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**32 - 1))


def vectors(shape: tuple[int, int, int]) -> np.ndarray:
    rows, dimensions, seed = shape
    array = np.random.default_rng(seed).normal(size=(rows, dimensions))
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)


@given(shapes, st.data())
def test_a_prefix_of_length_one(shape: tuple[int, int, int], data: st.DataObject) -> None:
    array = vectors(shape)
    before = array.copy()
    kept = data.draw(st.integers(1, array.shape[1]))
    cut = truncate(array, kept, normalize=True)
    assert cut.shape == (len(array), kept)
    assert cut.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(cut, axis=1), 1, atol=1e-6)
    lengths = np.linalg.norm(array[:, :kept], axis=1, keepdims=True)
    np.testing.assert_allclose(cut * lengths, array[:, :kept], atol=1e-6)
    plain = truncate(array, kept, normalize=False)
    np.testing.assert_array_equal(plain, array[:, :kept])
    plain += 1
    np.testing.assert_array_equal(array, before)


@given(shapes, st.data())
def test_in_two_steps_as_in_one(shape: tuple[int, int, int], data: st.DataObject) -> None:
    array = vectors(shape)
    first = data.draw(st.integers(1, array.shape[1]))
    second = data.draw(st.integers(1, first))
    steps = truncate(truncate(array, first, normalize=True), second, normalize=True)
    np.testing.assert_allclose(steps, truncate(array, second, normalize=True), atol=1e-6)


@pytest.mark.parametrize("dimensions", [0, -1, 5])
def test_dimensions_that_are_not_there(dimensions: int) -> None:
    with pytest.raises(InputError, match="between 1 and the vectors' own 4"):
        truncate(np.ones((1, 4), np.float32), dimensions, normalize=True)


def test_a_vector_of_which_nothing_is_left() -> None:
    array = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
    with pytest.raises(InvalidVectors, match="row 1 is all zeros"):
        truncate(array, 2, normalize=True)
