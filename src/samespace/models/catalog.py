"""The catalog: what is known of a model before any file of it is read."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any, get_args

from samespace.errors import ModelError
from samespace.space import Metric, Pooling

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ModelCard:
    """One entry of the catalog: a model by name, pinned by digests.

    Attributes:
        name: how it is called, and the `model` of its Space.
        hub: its repository on the Hugging Face hub.
        weights: sha256 of `weights_file`, hexadecimal.
        tokenizer: digest of its tokenizer.json without truncation and padding.
        pooling: how token vectors become one vector.
        normalized: whether every vector has length 1.
        dimensions: the width of a vector.
        max_tokens: the window that it was published with, special tokens included.
        metric: how two vectors are compared.
        licence: SPDX identifier of the weights' licence.
        aliases: other names for it.
        prompts: what is put before a text, for each role.
        weights_file: the file that `weights` pins.
        package: an importable package that carries the files, or "".
        package_folder: the folder in that package.
        install: the command that installs that package, or "".
    """

    name: str
    hub: str
    weights: str
    tokenizer: str
    pooling: Pooling
    normalized: bool
    dimensions: int
    max_tokens: int
    metric: Metric
    licence: str
    aliases: tuple[str, ...] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)
    weights_file: str = "model.safetensors"
    package: str = ""
    package_folder: str = ""
    install: str = ""

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be 64 lower-case hexadecimal digits, got {value!r}"
            for name, value in (("weights", self.weights), ("tokenizer", self.tokenizer))
            if not _SHA256.fullmatch(value)
        ]
        if self.pooling not in get_args(Pooling):
            problems.append(f"pooling must be one of {get_args(Pooling)}, got {self.pooling!r}")
        if self.metric not in get_args(Metric):
            problems.append(f"metric must be one of {get_args(Metric)}, got {self.metric!r}")
        if self.dimensions < 1 or self.max_tokens < 1:
            problems.append("dimensions and max_tokens must be positive")
        if not set(self.prompts) <= {"query", "document"}:
            problems.append(f"prompts are for query and document, got {sorted(self.prompts)}")
        if problems:
            raise ModelError(f"catalog entry {self.name!r}: {'; '.join(problems)}")


def parse(text: str) -> tuple[ModelCard, ...]:
    """Read a catalog from TOML.

    Raises:
        ModelError: an entry is incomplete or has unknown fields, or a name or a digest of
            weights is used twice.
    """
    known = {f.name for f in dataclasses.fields(ModelCard)}
    cards = []
    for entry in tomllib.loads(text).get("model", []):
        unknown = sorted(set(entry) - known)
        if unknown:
            raise ModelError(f"catalog entry {entry.get('name')!r}: unknown fields {unknown}")
        fields: dict[str, Any] = {**entry, "aliases": tuple(entry.get("aliases", ()))}
        try:
            cards.append(ModelCard(**fields))
        except TypeError as error:
            raise ModelError(f"catalog entry {entry.get('name')!r}: {error}") from error
    taken: set[str] = set()
    for card in cards:
        for name in (card.name, *card.aliases, card.weights):
            if name in taken:
                raise ModelError(f"catalog: {name!r} is used twice")
            taken.add(name)
    return tuple(cards)


@lru_cache(maxsize=1)
def catalog() -> tuple[ModelCard, ...]:
    """Return all entries."""
    text = resources.files("samespace.models").joinpath("catalog.toml").read_text("utf-8")
    return parse(text)


def find(name: str) -> ModelCard | None:
    """Return the entry with this name or alias, or None."""
    return next((c for c in catalog() if name == c.name or name in c.aliases), None)


def find_weights(digest: str) -> ModelCard | None:
    """Return the entry whose weights have this digest, or None."""
    return next((c for c in catalog() if c.weights == digest), None)
