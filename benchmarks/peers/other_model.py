"""Another model of the same architecture and dimension, exactly as good as the first.

The order of the hidden dimensions is permuted in every weight that touches them. Such a model
ranks texts as the first does, to the last digit, since a cosine does not ask for the order; but
its vectors and those of the first have nothing to say to each other.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

SEED = 0

_WEIGHTS = "model.safetensors"
_OUT_OF_HIDDEN = (
    "_embeddings.weight",
    "self.query.weight",
    "self.key.weight",
    "self.value.weight",
    "intermediate.dense.weight",
    "pooler.dense.weight",
)
"""Matrices whose second axis is the hidden dimension."""
_INTO_HIDDEN = (
    "LayerNorm.weight",
    "LayerNorm.bias",
    "output.dense.weight",
    "output.dense.bias",
)
"""Matrices and vectors whose first axis is the hidden dimension."""


def make(model: Path, folder: Path) -> np.ndarray:
    """Write the permuted model into the folder and return the permutation, (hidden,) int64.

    A vector of the new model is `vector[permutation]` of the old.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(model, folder)
    tensors = load_file(model / _WEIGHTS)
    (hidden,) = tensors["embeddings.LayerNorm.weight"].shape
    order = np.random.default_rng(SEED).permutation(hidden)
    for name, tensor in tensors.items():
        if name.endswith(_OUT_OF_HIDDEN):
            tensors[name] = np.ascontiguousarray(tensor[:, order])
        elif name.endswith(_INTO_HIDDEN):
            tensors[name] = np.ascontiguousarray(tensor[order])
    save_file(tensors, folder / _WEIGHTS, metadata={"format": "pt"})
    return order
