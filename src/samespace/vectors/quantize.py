"""Vectors in fewer bits, and back.

Each vector is rounded by itself, with no calibration over a corpus: the same vector gives the
same codes whatever it is stored with. What only the length of a vector needs is left out where
vectors have length 1, because normalizing gives it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from samespace.errors import InputError
from samespace.space import FloatArray, Precision
from samespace.vectors.matryoshka import unit

INT8_MAX = 127


@dataclass(frozen=True, eq=False)
class Quantized:
    """Vectors in a precision.

    Attributes:
        codes: shape (n, d), float32, float16 or int8; for "binary" shape (n, ceil(d / 8)),
            uint8, eight signs in a byte, the first in its highest bit, 1 for zero and above.
        scales: shape (n,), float32: what the codes are multiplied with; ones for floats.
        precision: the name of the form.
        dimensions: d.
    """

    codes: npt.NDArray[Any]
    scales: FloatArray
    precision: Precision
    dimensions: int


def quantize(array: FloatArray, precision: Precision) -> Quantized:
    """Return vectors in a precision.

    "int8" is symmetric: scale = max |x| / 127, codes = round(x / scale), so each number errs by
    at most half a scale. "binary" keeps the signs; its scale is the mean of |x|, which makes the
    squared error least (Rastegari et al., "XNOR-Net", ECCV 2016, section 3.1).

    Args:
        array: shape (n, d), float32, finite. For "float16" numbers beyond 65,504 become
            infinite, which `Vectors` refuses.
        precision: "float32", "float16", "int8" or "binary".

    Raises:
        InputError: there is no such precision.
    """
    rows, dimensions = array.shape
    scales = np.ones(rows, np.float32)
    codes: npt.NDArray[Any]
    if precision == "float32":
        codes = array.copy()
    elif precision == "float16":
        with np.errstate(over="ignore"):
            codes = array.astype(np.float16)
    elif precision == "int8":
        largest = np.abs(array).max(axis=1, initial=0)
        scales = (largest / INT8_MAX).astype(np.float32)
        safe = np.where(scales > 0, scales, 1)[:, None]
        codes = np.clip(np.rint(array / safe), -INT8_MAX, INT8_MAX).astype(np.int8)
    elif precision == "binary":
        scales = np.abs(array).mean(axis=1, dtype=np.float64).astype(np.float32)
        codes = np.packbits(array >= 0, axis=1)
    else:
        raise InputError(_unknown(precision))
    return Quantized(codes, scales, precision, dimensions)


def dequantize(quantized: Quantized, *, normalize: bool) -> FloatArray:
    """Return the vectors that the codes stand for: shape (n, d), float32.

    Args:
        quantized: what `quantize` returned.
        normalize: bring each to length 1; the scales then make no difference.

    Raises:
        InvalidVectors: a vector is all zeros and is to be normalized.
    """
    codes = quantized.codes
    if quantized.precision == "binary":
        codes = np.unpackbits(codes, axis=1, count=quantized.dimensions) * np.float32(2) - 1
    array = codes.astype(np.float32)
    return unit(array) if normalize else array * quantized.scales[:, None]


def bytes_per_vector(dimensions: int, precision: Precision, *, normalized: bool = True) -> int:
    """Return what one vector takes; without normalization int8 and binary keep a scale of 4 bytes.

    >>> [bytes_per_vector(384, name) for name in ("float32", "float16", "int8", "binary")]
    [1536, 768, 384, 48]
    """
    widths = {
        "float32": 4 * dimensions,
        "float16": 2 * dimensions,
        "int8": dimensions,
        "binary": -(-dimensions // 8),
    }
    if precision not in widths:
        raise InputError(_unknown(precision))
    return widths[precision] + (0 if normalized or precision.startswith("float") else 4)


def _unknown(precision: str) -> str:
    return f'precision must be "float32", "float16", "int8" or "binary", got {precision!r}'
