"""Keeping the first dimensions of vectors.

Models trained with Matryoshka representation learning put what matters most first, so that a
prefix of a vector is a smaller vector of the same text; of other models too a prefix keeps some
of the order. How much is for an evaluation to say.

Source: Kusupati et al., "Matryoshka Representation Learning", NeurIPS 2022.
"""

from __future__ import annotations

import numpy as np

from samespace.errors import InputError, InvalidVectors
from samespace.space import FloatArray


def truncate(array: FloatArray, dimensions: int, *, normalize: bool) -> FloatArray:
    """Return the first dimensions of each vector, as a new array.

    Args:
        array: shape (n, d), float32.
        dimensions: how many to keep, 1 to d.
        normalize: bring what is left back to length 1.

    Returns:
        Shape (n, dimensions), float32.

    Raises:
        InputError: there are fewer dimensions than are to be kept.
        InvalidVectors: nothing is left of a vector: it was zero in all that is kept.

    >>> truncate(np.array([[3.0, 4.0, 12.0]], np.float32), 2, normalize=True).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    if not 1 <= dimensions <= array.shape[1]:
        raise InputError(
            f"dimensions must lie between 1 and the vectors' own {array.shape[1]}, got {dimensions}"
        )
    kept = np.array(array[:, :dimensions], np.float32)
    return unit(kept) if normalize else kept


def unit(array: FloatArray) -> FloatArray:
    """Return each row at length 1; the length is measured in float64, so a row at a time.

    Raises:
        InvalidVectors: a row is all zeros and has no direction.
    """
    norms = np.sqrt(np.square(array.astype(np.float64)).sum(axis=1, keepdims=True))
    if not norms.all():
        raise InvalidVectors(
            f"row {int((norms[:, 0] == 0).argmax())} is all zeros in the dimensions and precision "
            "that are kept: it has no direction. Keep more of it"
        )
    scaled: FloatArray = (array / norms).astype(np.float32)
    return scaled
