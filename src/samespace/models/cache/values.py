"""What the cache keeps of one input's vectors: their bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from samespace.forms import MultiVectors, SparseVectors
from samespace.space import Space, Vectors
from samespace.types import Role

Form = Vectors | SparseVectors | MultiVectors


def to_bytes(vectors: Form) -> list[bytes]:
    """Return the bytes of each row: numbers as little-endian float32, sparse indices before them.

    A sparse row begins with how many weights it has.
    """
    if isinstance(vectors, Vectors):
        return [row.tobytes() for row in np.ascontiguousarray(vectors.array, dtype="<f4")]
    rows = []
    for i in range(len(vectors)):
        if isinstance(vectors, MultiVectors):
            rows.append(vectors.row(i).astype("<f4").tobytes())
        else:
            indices, values = vectors.row(i)
            count = struct.pack("<I", len(indices))
            rows.append(count + indices.astype("<i4").tobytes() + values.astype("<f4").tobytes())
    return rows


def from_bytes(rows: Sequence[bytes], space: Space, role: Role) -> Form:
    """Return the vectors of rows that `to_bytes` gave, in a space of the same kind.

    Raises:
        InvalidVectors, ValueError: a row is of another space's shape.
    """
    if space.kind == "dense":
        array = np.frombuffer(b"".join(rows), dtype="<f4").astype(np.float32)
        return Vectors(array.reshape(len(rows), space.dimensions), space, role)
    if space.kind == "multi-vector":
        lengths = [len(row) // (4 * space.dimensions) for row in rows]
        array = np.frombuffer(b"".join(rows), dtype="<f4").astype(np.float32)
        return MultiVectors(array.reshape(-1, space.dimensions), _offsets(lengths), space, role)
    lengths = [struct.unpack_from("<I", row)[0] for row in rows]
    indices = [np.frombuffer(r, "<i4", n, 4) for r, n in zip(rows, lengths, strict=True)]
    values = [np.frombuffer(r, "<f4", n, 4 + 4 * n) for r, n in zip(rows, lengths, strict=True)]
    return SparseVectors(
        _offsets(lengths),
        np.concatenate([np.empty(0, np.int32), *indices]).astype(np.int32),
        np.concatenate([np.empty(0, np.float32), *values]).astype(np.float32),
        space,
        role,
    )


def _offsets(lengths: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.array(lengths, dtype=np.int64))]).astype(np.int64)
