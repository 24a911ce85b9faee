"""Vectors that were made elsewhere and are handed in: never without their Space."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from samespace.errors import InputError, InvalidVectors, SpaceMismatch
from samespace.ingest.prepare import input_hash
from samespace.space import CANARY_COSINE, FloatArray, Space, Vectors, likeness
from samespace.store.embedded import EmbeddedWriter
from samespace.types import Role


def named(array: FloatArray, role: Role, space: Space, id: str, path: object) -> Vectors:
    """Return an array as `Vectors` of a space, because whoever made it names that space's id.

    Raises:
        SpaceMismatch: another id is named.
        InvalidVectors: they could not be vectors of the space.
    """
    if id != space.id:
        raise SpaceMismatch(
            f"{path}: the vectors are named of space {id}, but the collection's is {space.id} "
            f"({space.model}). Embed them with its model",
            {"id": (space.id, id)},
        )
    # Its own copy: what is refilled after it was checked is not what was checked.
    mine = np.atleast_2d(np.array(array, np.float32))
    mine.flags.writeable = False
    return Vectors(mine, space, role)


def require_query(vector: object) -> None:
    """Raise InputError unless it is one row of `Vectors` in the query role."""
    if not isinstance(vector, Vectors) or vector.role != "query" or len(vector) != 1:
        raise InputError(
            "expected one row of Vectors in the query role; an array needs its Space named: "
            'collection.vectors(array, "query", space=ID)'
        )


def add_vectors(
    writer: EmbeddedWriter,
    inputs: Sequence[str],
    vectors: Vectors,
    embed: Callable[[list[str]], Vectors],
    path: object,
) -> int:
    """Commit the vectors of inputs; return how many were new.

    The first, the middle and the last are embedded anew and must come out the same: what is
    labelled as of a Space is soon labelled wrongly, and shifted by one as soon.

    Raises:
        InputError: they are no `Vectors` of documents, or not one for each input.
        SpaceMismatch: they come from another Space.
        InvalidVectors: one is not what the model makes of its input.
    """
    texts = list(inputs)
    if not isinstance(vectors, Vectors) or vectors.role != "document":
        raise InputError(
            "expected Vectors in the document role; an array needs its Space named: "
            'collection.vectors(array, "document", space=ID)'
        )
    space = writer.header.space
    space.require(vectors.space, f"adding to {path}")
    if len(texts) != len(vectors):
        raise InputError(f"expected a vector for each of {len(texts)} inputs, got {len(vectors)}")
    places = sorted({0, len(texts) // 2, len(texts) - 1}) if texts else []
    made = embed([texts[place] for place in places]) if places else vectors
    for row, place in enumerate(places):
        seen = float(likeness(made.array[row : row + 1], vectors.array[place : place + 1])[0, 0])
        if not seen >= CANARY_COSINE:
            raise InvalidVectors(
                f"{path}: vector {place} is not what {space.model} makes of its input: likeness "
                f"{seen:.4f}, expected at least {CANARY_COSINE}. Nothing was added; see that "
                "inputs and vectors are in the same order, and that this model made them, in the "
                "length that it makes them"
            )
    hashes = [input_hash(text) for text in texts]
    new = len(writer.missing(hashes))
    writer.add_vectors(hashes, vectors)
    writer.commit()
    return new
