"""The Space: which model, weights, prompt, pooling and dimensions made a vector.

A vector without its space is a number without its unit. A `Space` is pure data and frozen;
device, batch size and runtime are not in it, because they do not change what a vector means.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from samespace.errors import InvalidVectors, ModelDrift, SpaceMismatch
from samespace.types import Role

FloatArray = npt.NDArray[np.float32]
Pooling = Literal["mean", "cls", "last", "max", "none"]
Metric = Literal["cosine", "dot", "euclidean"]
Precision = Literal["float32", "float16", "int8", "binary"]
Kind = Literal["dense", "sparse", "multi-vector"]
Arithmetic = Literal["float32", "float16", "bfloat16", "int8"]

NORM_TOLERANCE = 1e-3

_LATER = {"precision": "float32", "kind": "dense", "arithmetic": "float32"}
"""Fields that the first definition lacked: left out of the JSON, so that no id changed."""


@dataclass(frozen=True)
class Space:
    """The pinned identity of a vector space.

    Two vectors may be compared only if their spaces have the same `id`.

    Attributes:
        model: the name of the model.
        revision: the published revision, or "" where the weights digest pins it.
        weights: sha256 of the weights file, hexadecimal, or "" for a hosted model.
        tokenizer: digest of the tokenizer's definition, truncation and padding left out.
        pooling: how token vectors become one vector.
        normalized: whether every vector has length 1.
        native_dimensions: what the model puts out.
        dimensions: what is kept of it (the first ones: Matryoshka truncation).
        metric: how two vectors are compared.
        prompts: what is put before a text, as sorted (role, prompt) pairs; for a hosted model
            the input type that it is given.
        modality: "text", or "text+image" where both have vectors in the space.
        precision: what the numbers of a document's vector were rounded to.
        kind: one vector for a text ("dense"), one weight for each word of a vocabulary
            ("sparse"; `dimensions` is its size), or one vector for each token ("multi-vector").
        arithmetic: what the model's weights were rounded to when it ran.
    """

    model: str
    revision: str
    weights: str
    tokenizer: str
    pooling: Pooling
    normalized: bool
    native_dimensions: int
    dimensions: int
    metric: Metric = "cosine"
    prompts: tuple[tuple[str, str], ...] = ()
    modality: str = "text"
    precision: Precision = "float32"
    kind: Kind = "dense"
    arithmetic: Arithmetic = "float32"

    def canonical(self) -> str:
        """Return the canonical JSON that the id is made from: sorted keys, no spaces, ASCII."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @property
    def id(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.canonical().encode("ascii")).hexdigest()[:16]

    def prompt(self, role: Role) -> str:
        """Return what is put before a text in this role ("" for nothing)."""
        return dict(self.prompts).get(role, "")

    def diff(self, other: Space) -> dict[str, tuple[object, object]]:
        """Return the fields that differ, each with (mine, other's); empty when equal."""
        return {
            f.name: (getattr(self, f.name), getattr(other, f.name))
            for f in dataclasses.fields(self)
            if getattr(self, f.name) != getattr(other, f.name)
        }

    def require(self, other: Space, doing: str) -> None:
        """Raise SpaceMismatch unless `other` is this space.

        Args:
            other: the space that was met.
            doing: what was about to happen, for the message ("querying", "adding to KB").
        """
        fields = self.diff(other)
        if fields:
            lines = "".join(
                f"\n  {name}: expected {mine!r}, got {theirs!r}"
                for name, (mine, theirs) in fields.items()
            )
            raise SpaceMismatch(
                f"{doing}: the vectors come from another space ({other.id}) than the "
                f"collection's ({self.id}).{lines}\n"
                "Use the model that the collection was made with, or make a new collection "
                "with this one; vectors of two spaces cannot be compared.",
                fields,
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values; what came later is left out at its default."""
        values = dataclasses.asdict(self)
        values["prompts"] = dict(self.prompts)
        for name, default in _LATER.items():
            if values[name] == default:
                del values[name]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Space:
        """Make a Space from what `to_dict` returned."""
        prompts = tuple(sorted((str(k), str(v)) for k, v in dict(values["prompts"]).items()))
        return cls(**{**values, "prompts": prompts})


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


CANARIES: tuple[tuple[Role, str], ...] = (
    ("query", "How do I reset my password?"),
    ("document", "Café au lait, naïve façade: 3.14159 kg of Größe at 25 °C."),
    ("document", "The mitochondrion is the powerhouse of the cell."),
    ("query", "ERROR 0x80070005 access denied /etc/passwd"),
    ("document", "def add(a: int, b: int) -> int:\n    return a + b"),
    ("query", "東京の人口はどのくらいですか"),
    ("document", "Съешь ещё этих мягких французских булок, да выпей чаю."),
    (
        "document",
        "Retrieval systems compare vectors. If two vectors were made by different models, the "
        "comparison still returns a number, and nothing about that number says that it is "
        "meaningless. The failure is silent: scores look normal, the order of the results does "
        "not. A system that remembers which model, which weights, which prompt and which "
        "pooling made each vector can refuse; a system that remembers only the dimension "
        "cannot, because many models share one.",
    ),
)
"""Fixed inputs whose vectors are kept with a collection. Never edited once released: a
collection compares only the canaries that it recorded itself."""

QUICK_CANARIES = 2
"""How many of them, from the first, are checked at the first use of a model in a process."""

CANARY_COSINE = 0.9999
"""The least cosine at which a canary counts as unmoved. Float32 runtimes of one model agree to
0.99999; int8 of the same weights falls to about 0.98 and counts as another space."""

EmbedFunction = Callable[[Sequence[str], Role], Vectors]


@dataclass(frozen=True)
class Canary:
    """One fixed input, its role, and the vector that it had: shape (dimensions,), float32."""

    role: Role
    text: str
    vector: FloatArray


def record_canaries(embed: EmbedFunction) -> tuple[Canary, ...]:
    """Embed the fixed inputs and return them with their vectors."""
    return tuple(Canary(role, text, _one(embed, text, role)) for role, text in CANARIES)


def check_canaries(embed: EmbedFunction, recorded: Sequence[Canary], *, quick: bool = True) -> None:
    """Raise ModelDrift if the model answers the recorded inputs with other vectors.

    Args:
        embed: the model's `embed`.
        recorded: what was recorded when the collection was made.
        quick: check only the first `QUICK_CANARIES`.
    """
    for canary in recorded[:QUICK_CANARIES] if quick else recorded:
        now = _one(embed, canary.text, canary.role)
        norms = float(np.linalg.norm(now) * np.linalg.norm(canary.vector))
        cosine = float(now @ canary.vector) / norms
        if cosine < CANARY_COSINE:
            raise ModelDrift(
                f"the model answers a recorded {canary.role} with another vector than when the "
                f"collection was made: cosine {cosine:.5f}, expected at least {CANARY_COSINE} "
                f"({canary.text[:40]!r}). Its weights, tokenizer, pooling or prompt changed "
                "under the same name. Use the model as it was, or make a new collection."
            )


def _one(embed: EmbedFunction, text: str, role: Role) -> FloatArray:
    vector: FloatArray = embed([text], role).array[0]
    return vector
