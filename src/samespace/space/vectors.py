"""Vectors: an array that never goes without its Space and role."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from samespace.errors import InvalidVectors
from samespace.space.identity import Space
from samespace.types import Role

FloatArray = npt.NDArray[np.float32]

NORM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Vectors:
    """An array of vectors, the space they live in, and the role they were embedded in.

    Checked at construction, so that what exists is sound: shape (n, space.dimensions),
    dtype float32, finite, not zero, and of length 1 where the space says so.

    Raises:
        InvalidVectors: for anything else, naming the first offending row.
    """

    array: FloatArray
    space: Space
    role: Role

    def __post_init__(self) -> None:
        array = self.array
        expected = self.space.dimensions
        if array.ndim != 2 or array.shape[1] != expected:
            raise InvalidVectors(
                f"expected an array of shape (n, {expected}) for space {self.space.id}, "
                f"got {array.shape}"
            )
        if array.dtype != np.float32:
            raise InvalidVectors(f"expected dtype float32, got {array.dtype}")
        norms = np.sqrt(np.einsum("ij,ij->i", array, array))
        bad = ~np.isfinite(norms)
        if bad.any():
            raise InvalidVectors(f"row {int(bad.argmax())} holds NaN or infinite values")
        bad = norms == 0
        if bad.any():
            raise InvalidVectors(f"row {int(bad.argmax())} is all zeros: it has no direction")
        if self.space.normalized:
            bad = np.abs(norms - 1) > NORM_TOLERANCE
            if bad.any():
                row = int(bad.argmax())
                raise InvalidVectors(
                    f"row {row} has length {norms[row]:.4f}, but space {self.space.id} is "
                    "normalized: expected 1"
                )

    def __len__(self) -> int:
        return int(self.array.shape[0])
