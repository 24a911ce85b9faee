"""The Space: which model, weights, prompt, pooling and dimensions made a vector.

A vector without its space is a number without its unit. A `Space` is pure data and frozen;
device, batch size and runtime are not in it, because they do not change what a vector means.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from samespace.errors import SpaceMismatch
from samespace.types import Role

Pooling = Literal["mean", "cls", "last", "max", "none"]
Metric = Literal["cosine", "dot", "euclidean"]
Precision = Literal["float32", "float16", "int8", "binary"]
Kind = Literal["dense", "sparse", "multi-vector"]
Arithmetic = Literal["float32", "float16", "bfloat16", "int8"]

_LATER = {"precision": "float32", "kind": "dense", "arithmetic": "float32"}
"""Fields that the first definition lacked: left out of the JSON, so that no id changed."""

_REMEDIES = {
    "model": "Another model. The same one under another name is given its name where it is made: "
    "name={mine!r}.",
    "revision": "Another revision of the model: load the one that is expected.",
    "weights": "Another revision or fine-tune of the model: load the files of then.",
    "tokenizer": "Text, or an image, is read in another way: load the model with the tokenizer and "
    "the settings that it had.",
    "pooling": "It is said by the folder's 1_Pooling/config.json, else where the model is made: "
    "pooling={mine!r}.",
    "normalized": "It is said by the folder's modules.json, else where the model is made: "
    "normalized={mine!r}.",
    "native_dimensions": "The model is of another width, which no setting mends.",
    "dimensions": "Ask the model for {mine}: {model}@dimensions={mine}.",
    "metric": "It is said by similarity_fn_name in config_sentence_transformers.json, else where "
    "the model is made: metric={mine!r}.",
    "prompts": "A prompt belongs to the model's settings: load the folder whose "
    "config_sentence_transformers.json has it, else say it where the model is made: prompts=...",
    "modality": "Load the form of the model that takes {mine}.",
    "precision": "Ask for the same rounding of documents: {model}@precision={mine}.",
    "kind": "Load the model in its other form: kind={mine!r}.",
    "arithmetic": "Run the model in {mine}: {model}@arithmetic={mine}.",
}
"""What mends a difference in each field."""


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

    @cached_property
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

    def explain(self, other: Space) -> str:
        """Return a line for each field that differs: what is expected, what came, what mends it."""
        return "\n".join(
            f"  {name}: expected {mine!r}, got {theirs!r}. "
            + _REMEDIES[name].format(mine=mine, model=other.model)
            for name, (mine, theirs) in self.diff(other).items()
        )

    def require(self, other: Space, doing: str) -> None:
        """Raise SpaceMismatch unless `other` is this space.

        Args:
            other: the space that was met.
            doing: what was about to happen, for the message ("querying", "adding to KB").
        """
        fields = self.diff(other)
        if fields:
            raise SpaceMismatch(
                f"{doing}: the vectors come from another space ({other.id}) than the "
                f"collection's ({self.id}), and vectors of two spaces cannot be compared.\n"
                f"{self.explain(other)}\n"
                "To change the collection's model: samespace migrate KB --to MODEL.",
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
