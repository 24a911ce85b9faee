"""The other forms that a text's vectors take: sparse weights, and one vector for each token."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from samespace.errors import InvalidVectors
from samespace.space import NORM_TOLERANCE, FloatArray, Space
from samespace.types import Role


@dataclass(frozen=True, eq=False)
class SparseVectors:
    """For each text the weights of some words of a vocabulary, as rows of a CSR matrix.

    Checked at construction: row i has `indices[offsets[i]:offsets[i + 1]]`, strictly ascending
    and below `space.dimensions`, and as many finite `values` that are not zero. A row may be
    empty: a text that no word of the vocabulary stands for.

    Attributes:
        offsets: int64, (n + 1,), from 0 to the number of values.
        indices: int32, (values,): the word's number in the vocabulary.
        values: float32, (values,): its weight.
        space: of kind "sparse".
        role: the role that the texts were embedded in.

    Raises:
        InvalidVectors: for anything else.
    """

    offsets: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    values: FloatArray
    space: Space
    role: Role

    def __post_init__(self) -> None:
        _require_kind(self.space, "sparse")
        _check_offsets(self.offsets, len(self.indices))
        if self.indices.dtype != np.int32 or self.values.dtype != np.float32:
            raise InvalidVectors(
                f"expected indices of dtype int32 and values of float32, got "
                f"{self.indices.dtype} and {self.values.dtype}"
            )
        if self.indices.shape != self.values.shape or self.indices.ndim != 1:
            raise InvalidVectors(
                f"expected as many values as indices in one dimension, got "
                f"{self.values.shape} and {self.indices.shape}"
            )
        if len(self.indices) and not (
            self.indices.min() >= 0 and self.indices.max() < self.space.dimensions
        ):
            raise InvalidVectors(
                f"indices must lie between 0 and {self.space.dimensions - 1}, got "
                f"{self.indices.min()} to {self.indices.max()}"
            )
        inside = np.ones(max(len(self.indices) - 1, 0), dtype=bool)
        starts = self.offsets[1:-1]
        inside[starts[(starts > 0) & (starts < len(self.indices))] - 1] = False
        if (np.diff(self.indices)[inside] <= 0).any():
            raise InvalidVectors("the indices of a row must be strictly ascending")
        if not np.isfinite(self.values).all() or (self.values == 0).any():
            raise InvalidVectors("values must be finite and not zero")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, i: int) -> tuple[npt.NDArray[np.int32], FloatArray]:
        """Return the indices and values of text i."""
        part = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        return self.indices[part], self.values[part]


@dataclass(frozen=True, eq=False)
class MultiVectors:
    """For each text one vector for each of its tokens.

    Checked at construction: text i has the rows `array[offsets[i]:offsets[i + 1]]`, at least
    one, finite, and of length 1 where the space says so.

    Attributes:
        array: float32, (tokens of all texts, space.dimensions).
        offsets: int64, (n + 1,), from 0 to the number of rows.
        space: of kind "multi-vector".
        role: the role that the texts were embedded in.

    Raises:
        InvalidVectors: for anything else.
    """

    array: FloatArray
    offsets: npt.NDArray[np.int64]
    space: Space
    role: Role

    def __post_init__(self) -> None:
        _require_kind(self.space, "multi-vector")
        if self.array.ndim != 2 or self.array.shape[1] != self.space.dimensions:
            raise InvalidVectors(
                f"expected an array of shape (tokens, {self.space.dimensions}) for space "
                f"{self.space.id}, got {self.array.shape}"
            )
        if self.array.dtype != np.float32:
            raise InvalidVectors(f"expected dtype float32, got {self.array.dtype}")
        _check_offsets(self.offsets, len(self.array))
        if (np.diff(self.offsets) == 0).any():
            raise InvalidVectors(f"text {int(np.diff(self.offsets).argmin())} has no vector")
        norms = np.sqrt(np.einsum("ij,ij->i", self.array, self.array))
        if not np.isfinite(norms).all():
            raise InvalidVectors("an array of token vectors holds NaN or infinite values")
        if self.space.normalized and (np.abs(norms - 1) > NORM_TOLERANCE).any():
            raise InvalidVectors(
                f"a token's vector has length {norms[np.abs(norms - 1).argmax()]:.4f}, but space "
                f"{self.space.id} is normalized: expected 1"
            )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, i: int) -> FloatArray:
        """Return the vectors of text i, (tokens, dimensions)."""
        return self.array[int(self.offsets[i]) : int(self.offsets[i + 1])]


def _require_kind(space: Space, kind: str) -> None:
    if space.kind != kind:
        raise InvalidVectors(f"expected a space of kind {kind}, got {space.kind} ({space.id})")


def _check_offsets(offsets: npt.NDArray[np.int64], total: int) -> None:
    if (
        offsets.dtype != np.int64
        or offsets.ndim != 1
        or not len(offsets)
        or offsets[0] != 0
        or offsets[-1] != total
        or (np.diff(offsets) < 0).any()
    ):
        raise InvalidVectors(f"offsets must ascend from 0 to {total} as int64, (n + 1,)")
