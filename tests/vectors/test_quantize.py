"""Fewer bits: the error is bounded, and rounding twice changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.errors import InputError, InvalidVectors
from samespace.space import Precision
from samespace.vectors.quantize import bytes_per_vector, dequantize, quantize
from tests.vectors.test_matryoshka import shapes, vectors

PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "int8", "binary")
precisions = st.sampled_from(PRECISIONS)


def rounded(array: np.ndarray, precision: Precision, normalize: bool) -> np.ndarray:
    return dequantize(quantize(array, precision), normalize=normalize)


@given(shapes, st.floats(0.01, 100))
def test_error_bounds(shape: tuple[int, int, int], length: float) -> None:
    array = (vectors(shape) * length).astype(np.float32)
    np.testing.assert_array_equal(rounded(array, "float32", False), array)
    np.testing.assert_allclose(rounded(array, "float16", False), array, rtol=2**-11, atol=2**-24)
    step = np.abs(array).max(axis=1, keepdims=True) / 127
    error = np.abs(rounded(array, "int8", False) - array)
    assert (error <= 0.5 * step * (1 + 1e-4)).all()
    signs = rounded(array, "binary", False)
    np.testing.assert_array_equal(signs >= 0, array >= 0)
    means = np.abs(array).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(np.abs(signs), np.broadcast_to(means, signs.shape), rtol=1e-5)


@given(shapes, st.floats(0.5, 2))
def test_no_other_scale_of_the_signs_is_nearer(shape: tuple[int, int, int], other: float) -> None:
    array = vectors(shape)
    signs = rounded(array, "binary", False)
    best = np.square(array - signs).sum(axis=1)
    assert (best <= np.square(array - other * signs).sum(axis=1) + 1e-6).all()


@given(shapes, precisions, st.booleans())
def test_rounding_twice_changes_nothing(
    shape: tuple[int, int, int], precision: Precision, normalize: bool
) -> None:
    array = vectors(shape)
    once = quantize(array, precision)
    again = quantize(dequantize(once, normalize=False), precision)
    np.testing.assert_array_equal(again.codes, once.codes)
    np.testing.assert_allclose(
        dequantize(again, normalize=normalize), dequantize(once, normalize=normalize), rtol=1e-5
    )


@given(shapes, precisions, st.booleans())
def test_a_vector_by_itself(
    shape: tuple[int, int, int], precision: Precision, normalize: bool
) -> None:
    """What a vector is rounded to does not depend on the others in the array."""
    array = vectors(shape)
    alone = [rounded(row[None], precision, normalize) for row in array]
    together = rounded(array, precision, normalize)
    np.testing.assert_array_equal(together, np.concatenate(alone))
    assert together.dtype == np.float32
    if normalize:
        np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


@given(st.integers(1, 2000), precisions)
def test_bytes_are_those_of_the_codes(dimensions: int, precision: Precision) -> None:
    codes = quantize(np.ones((1, dimensions), np.float32), precision).codes
    assert bytes_per_vector(dimensions, precision) == codes.nbytes
    scale = 4 * (precision in ("int8", "binary"))
    assert bytes_per_vector(dimensions, precision, normalized=False) == codes.nbytes + scale


def test_odd_vectors() -> None:
    zero = np.zeros((1, 5), np.float32)
    for precision in PRECISIONS:
        np.testing.assert_array_equal(rounded(zero, precision, False), zero)
    with pytest.raises(InvalidVectors, match="row 0"):
        rounded(zero, "int8", True)
    assert np.isinf(rounded(np.array([[1e6]], np.float32), "float16", False)).all()
    assert rounded(np.empty((0, 7), np.float32), "binary", True).shape == (0, 7)
    tiny = np.array([[1e-44, 0]], np.float32)
    assert np.isfinite(rounded(tiny, "int8", False)).all()


def test_unknown_precision() -> None:
    with pytest.raises(InputError, match="precision must be"):
        quantize(np.ones((1, 2), np.float32), "int4")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="precision must be"):
        bytes_per_vector(2, "int4")  # type: ignore[arg-type]
