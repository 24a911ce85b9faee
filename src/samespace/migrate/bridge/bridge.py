"""The Bridge: a fitted map from a new model's vectors into the space of one that is gone."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from samespace.errors import InputError, ModelError, SpaceMismatch
from samespace.migrate.bridge.maps import mapped
from samespace.space import Canary, FloatArray, Space, Vectors

_MAGIC = b"samespace bridge 2\n"
_TEXT_BYTES = 16
_PLAIN = ("method", "recall", "full", "k", "fitted_on", "held_out", "seed")
"""The fields of a bridge that are JSON values as they are."""


@dataclass(frozen=True, eq=False)
class Bridge:
    """What maps queries of one model into the space of another, and how well it was seen to.

    It is for a collection whose own model can no longer be called, until it is migrated. Mapped
    vectors are near what the old model would have made, never the same.

    Attributes:
        source: the space of the new model.
        target: the space of the collection, in which mapped vectors live.
        method: the name of the map that was chosen.
        matrix: shape (source.dimensions, target.dimensions), float32.
        offset: shape (target.dimensions,), float32.
        recall: the share of held-out texts that are among the first k where a piece of each is
            asked through the bridge. The map was chosen by it.
        recalls: the same of every map that was tried, by name.
        full: the same by full re-embedding: by the new model, among its own vectors.
        k: see `recall`.
        fitted_on: how many texts it was fitted on.
        held_out: how many texts `recall` is the mean over.
        seed: decided which texts are which.
        canaries: of the new model, at the time of fitting.
        texts: digests of all texts that it was fitted on or chosen by, see `text_digest`.

    Raises:
        InputError: the arrays do not fit the spaces, or there are no canaries.
    """

    source: Space
    target: Space
    method: str
    matrix: FloatArray
    offset: FloatArray
    recall: float
    recalls: Mapping[str, float]
    full: float
    k: int
    fitted_on: int
    held_out: int
    seed: int
    canaries: tuple[Canary, ...]
    texts: frozenset[bytes]

    def __post_init__(self) -> None:
        width, narrow = self.source.dimensions, self.target.dimensions
        seen = (self.matrix.shape, self.offset.shape, {c.vector.shape for c in self.canaries})
        expected = ((width, narrow), (narrow,), {(width,)})
        if seen != expected:
            raise InputError(
                f"a bridge has a matrix, an offset and canaries of the shapes {expected}, "
                f"got {seen}"
            )

    @property
    def kept(self) -> float:
        """How much of what full re-embedding finds the bridge finds: `recall` / `full`."""
        return self.recall / self.full if self.full else 0.0

    def apply(self, vectors: Vectors) -> Vectors:
        """Return vectors of the new model as vectors of the old space, in the same role.

        Raises:
            SpaceMismatch: they are not of the model that the bridge was fitted for.
            InvalidVectors: one comes out as zero, so that it has no direction.
        """
        self.require_source(vectors.space)
        array = mapped(vectors.array, self.matrix, self.offset, normalize=self.target.normalized)
        return Vectors(array, self.target, vectors.role)

    def require_source(self, space: Space) -> None:
        """Raise SpaceMismatch unless the space is that of the model that it was fitted for."""
        fields = self.source.diff(space)
        if fields:
            raise SpaceMismatch(
                f"the bridge was fitted for vectors of {self.source.model} ({self.source.id}), "
                f"these are of {space.model} ({space.id}).\n{self.source.explain(space)}\n"
                "Use the model that it was fitted for, or fit a bridge for this one.",
                fields,
            )

    def require_unseen(self, queries: Iterable[str]) -> None:
        """Raise InputError if one of the queries is among the texts that the bridge was made by."""
        seen = [query for query in queries if text_digest(query) in self.texts]
        if seen:
            raise InputError(
                f"{len(seen)} of the queries are among the texts that the bridge was fitted on, "
                f"such as {seen[0][:80]!r}: what it scores on them says nothing about others. "
                "Leave them out of the test, or fit the bridge without them"
            )

    def to_bytes(self) -> bytes:
        """Return the bridge as bytes: an npz file, without pickle, behind its SHA-256.

        The same bridge gives the same bytes.
        """
        header = {
            "source": self.source.to_dict(),
            "target": self.target.to_dict(),
            "canaries": [[canary.role, canary.text] for canary in self.canaries],
            "recalls": dict(self.recalls),
            **{name: getattr(self, name) for name in _PLAIN},
        }
        buffer = io.BytesIO()
        np.savez(
            buffer,
            header=np.frombuffer(json.dumps(header).encode("ascii"), np.uint8),
            matrix=self.matrix,
            offset=self.offset,
            canaries=np.array([canary.vector for canary in self.canaries]),
            texts=np.frombuffer(b"".join(sorted(self.texts)), np.uint8),
        )
        payload = buffer.getvalue()
        return _MAGIC + hashlib.sha256(payload).digest() + payload

    @classmethod
    def from_bytes(cls, data: bytes) -> Bridge:
        """Return the bridge that `to_bytes` gave.

        Raises:
            ModelError: the bytes are no bridge, or are not what was saved.
        """
        start = len(_MAGIC) + hashlib.sha256().digest_size
        digest, payload = data[len(_MAGIC) : start], data[start:]
        if not data.startswith(_MAGIC) or hashlib.sha256(payload).digest() != digest:
            raise ModelError(
                "these bytes are no bridge, or changed since it was saved: expected "
                f"{_MAGIC.decode().strip()!r}, a digest, and content that has it. Fit it again"
            )
        with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
            header = json.loads(arrays["header"].tobytes())
            texts = arrays["texts"].tobytes()
            return cls(
                source=Space.from_dict(header["source"]),
                target=Space.from_dict(header["target"]),
                matrix=arrays["matrix"],
                offset=arrays["offset"],
                recalls=header["recalls"],
                canaries=tuple(
                    Canary(role, text, vector)
                    for (role, text), vector in zip(
                        header["canaries"], arrays["canaries"], strict=True
                    )
                ),
                texts=frozenset(
                    texts[i : i + _TEXT_BYTES] for i in range(0, len(texts), _TEXT_BYTES)
                ),
                **{name: header[name] for name in _PLAIN},
            )


def text_digest(text: str) -> bytes:
    """Return what a text is known by: the same for any white space and case.

    >>> text_digest("How do I  reset it?") == text_digest("how do i reset it?\\n")
    True
    """
    plain = " ".join(text.casefold().split())
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()[:_TEXT_BYTES]
