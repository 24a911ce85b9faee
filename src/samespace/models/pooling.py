"""From token vectors to one vector per text."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from samespace.space import FloatArray, Space

_SMALLEST_NORM = 1e-12


def pool(output: FloatArray, lengths: npt.NDArray[Any], space: Space) -> FloatArray:
    """Pool a model's output and normalize it where the space says so.

    Args:
        output: (texts, tokens, dimensions), padded on the right, or (texts, dimensions) for a
            graph that pools by itself.
        lengths: the number of real tokens of each text.
        space: says the pooling: "mean" of the real tokens, the largest of them in each
            dimension ("max"), the first ("cls"), the last real one ("last"), or "none".

    Returns:
        float32, (texts, dimensions).
    """
    if space.pooling == "none":
        pooled = output
    elif space.pooling == "cls":
        pooled = output[:, 0]
    elif space.pooling == "last":
        pooled = output[np.arange(len(output)), lengths - 1]
    elif space.pooling == "max":
        pooled = np.stack([row[:n].max(axis=0) for row, n in zip(output, lengths, strict=True)])
    else:
        pooled = np.stack([row[:n].mean(axis=0) for row, n in zip(output, lengths, strict=True)])
    if space.normalized:
        norms = np.linalg.norm(pooled, axis=1, keepdims=True)
        pooled = pooled / np.maximum(norms, _SMALLEST_NORM)
    result: FloatArray = np.ascontiguousarray(pooled, dtype=np.float32)
    return result
