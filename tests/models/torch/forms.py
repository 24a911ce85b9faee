"""Sparse and multi-vector embedders as dense ones, so that the one contract holds them too."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from samespace.space import Vectors
from samespace.types import Role


class Flat:
    """Everything that the contract asks for, with each text's vectors laid out in one row.

    Sparse weights are written out; of token vectors mean and largest are taken.
    """

    def __init__(self, embedder: Any) -> None:
        self._embedder = embedder
        space = embedder.space
        wide = space.dimensions * (2 if space.kind == "multi-vector" else 1)
        self.space = dataclasses.replace(
            space, kind="dense", normalized=False, native_dimensions=wide, dimensions=wide
        )

    @property
    def max_tokens(self) -> int:
        return int(self._embedder.max_tokens)

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        return list(self._embedder.count(texts, role))

    def embed(self, texts: Sequence[str], role: Role, *, on_long: Any = "error") -> Vectors:
        made = self._embedder.embed(texts, role, on_long=on_long)
        array = np.zeros((len(made), self.space.dimensions), dtype=np.float32)
        for i in range(len(made)):
            if made.space.kind == "sparse":
                indices, values = made.row(i)
                array[i, indices] = values
            else:
                rows = made.row(i)
                array[i] = np.concatenate([rows.mean(axis=0), rows.max(axis=0)])
        return Vectors(array, self.space, role)
