"""One entry of the catalog: everything about a model that must not be forgotten."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, get_args

from samespace.errors import ModelError
from samespace.space import Metric, Pooling

Kind = Literal["dense", "sparse", "multi-vector", "static", "image-text", "cross-encoder"]
Provider = Literal[
    "huggingface", "openai", "azure", "cohere", "voyage", "gemini", "mistral", "jina", "samespace"
]
ROLES = ("query", "document")

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_FACT = {"name", "aliases", "provider", "hub", "package", "package_folder", "install"} | {
    "base_url", "key_variable", "weights_file", "files", "unsupported", "mind", "figures", "facts",
    "origin",
}  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """Where some fields of an entry come from.

    Attributes:
        fields: the names of the entry's fields.
        source: the address of the page, or the file of the model, that says so.
        read: the day on which it was read there.
    """

    fields: tuple[str, ...]
    source: str
    read: date


@dataclass(frozen=True)
class Figure:
    """One published result, never one of samespace's own.

    Attributes:
        benchmark: for example "MTEB English v1 retrieval (15 tasks)".
        metric: for example "nDCG@10".
        value: as published, with its unit (0 to 100 for most).
        source: the address of the page that says so.
        read: the day on which it was read there.
    """

    benchmark: str
    metric: str
    value: float
    source: str
    read: date


@dataclass(frozen=True)
class ModelCard:
    """A model by name. What is not known of it is None or empty, never guessed.

    Attributes:
        name: how it is called, and the `model` of its Space.
        provider: who runs it, or "huggingface" where its weights are open.
        kinds: what it makes. Cross-encoders score pairs and make no vectors.
        hub: its repository on the Hugging Face hub, or "".
        aliases: other names for it.
        revision: the hub's commit that `weights` were taken from, or "".
        weights: sha256 of `weights_file`, hexadecimal, or "" where it is not pinned.
        weights_file: the file that `weights` pins.
        files: further files without which the others would make another model.
        unsupported: why samespace does not run it, one sentence, or "".
        tokenizer: digest of its tokenizer.json without truncation and padding, or "".
        dimensions: the width of a vector; of a token's vector for a multi-vector model.
        matryoshka: the smaller widths that it was trained for.
        max_tokens: the window, special tokens included.
        pooling: how token vectors become one vector.
        normalized: whether every vector has length 1 as the model gives it.
        metric: how two vectors are compared.
        prompts: what is put before a text, for each role.
        input_types: what a hosted model is told in place of a prompt, for each role.
        symmetric: whether queries and documents are embedded alike.
        languages: ISO 639-1 codes, or ("multilingual",) where the publisher only counts them.
        modalities: "text", "image"; what it takes.
        retrieval: whether it was trained to find documents for queries.
        price_per_million: US dollars for a million tokens of text, list price.
        price_per_thousand_searches: US dollars, of a hosted reranker that is paid by search.
        max_items: how many texts one request may hold.
        max_request_tokens: how many tokens all texts of one request may have.
        licence: SPDX identifier of the weights' licence, or its name where it has none.
        commercial: whether that licence allows commercial use.
        family: the name of the one space that several models share, or of the model whose it is.
        mind: what a user of it must mind, one sentence each.
        figures: published results.
        facts: where each of the fields above comes from.
        base_url: where a hosted model is called, if not at its provider's own address: a server
            of one's own (vLLM, TEI, Ollama, LM Studio) or a resource of Azure.
        key_variable: the environment variable that holds its key, if not the provider's own.
        package: an importable package that carries the files, or "".
        package_folder: the folder in that package.
        install: the command that installs that package, or "".
        origin: the file that this entry was read from.
    """

    name: str
    provider: Provider
    kinds: tuple[Kind, ...]
    hub: str = ""
    aliases: tuple[str, ...] = ()
    revision: str = ""
    weights: str = ""
    weights_file: str = "model.safetensors"
    files: tuple[str, ...] = ()
    unsupported: str = ""
    tokenizer: str = ""
    dimensions: int | None = None
    matryoshka: tuple[int, ...] = ()
    max_tokens: int | None = None
    pooling: Pooling | None = None
    normalized: bool | None = None
    metric: Metric | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    input_types: Mapping[str, str] = field(default_factory=dict)
    symmetric: bool | None = None
    languages: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ("text",)
    retrieval: bool | None = None
    price_per_million: float | None = None
    price_per_thousand_searches: float | None = None
    max_items: int | None = None
    max_request_tokens: int | None = None
    licence: str = ""
    commercial: bool | None = None
    family: str = ""
    mind: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    facts: tuple[Fact, ...] = ()
    base_url: str = ""
    key_variable: str = ""
    package: str = ""
    package_folder: str = ""
    install: str = ""
    origin: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        problems = self._malformed()
        if problems:
            raise ModelError(
                f"{self.origin or 'catalog'}: entry {self.name!r}: {'; '.join(problems)}"
            )

    @property
    def embeds(self) -> bool:
        """Whether it makes vectors, rather than scores of pairs."""
        return self.kinds != ("cross-encoder",)

    @property
    def hosted(self) -> bool:
        """Whether it is called over the network."""
        return self.provider not in ("huggingface", "samespace")

    def _malformed(self) -> list[str]:
        problems = [
            f"{name} must be 64 lower-case hexadecimal digits, got {value!r}"
            for name, value in (("weights", self.weights), ("tokenizer", self.tokenizer))
            if value and not _SHA256.fullmatch(value)
        ]
        choices: tuple[tuple[str, object, tuple[object, ...]], ...] = (
            ("provider", self.provider, get_args(Provider)),
            ("pooling", self.pooling, (None, *get_args(Pooling))),
            ("metric", self.metric, (None, *get_args(Metric))),
            *(("kinds", kind, get_args(Kind)) for kind in self.kinds),
            *(("modalities", one, ("text", "image")) for one in self.modalities),
        )
        problems += [
            f"{name} must be one of {', '.join(str(a) for a in allowed if a)}, got {value!r}"
            for name, value, allowed in choices
            if value not in allowed
        ]
        for name in ("price_per_million", "price_per_thousand_searches"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                problems.append(f"{name} must be 0 or more, got {value}")
        sourced = [name for fact in self.facts for name in fact.fields]
        known = {f.name for f in dataclasses.fields(self)} - _NO_FACT
        for name in dict.fromkeys(sourced):
            if name not in known:
                problems.append(f"facts name {name!r}, which is no field that takes a source")
            elif sourced.count(name) > 1:
                problems.append(f"facts name {name!r} twice")
        if not self.name.strip():
            problems.append("name is empty")
        if not self.kinds:
            problems.append("kinds must name at least one")
        for name in ("dimensions", "max_tokens", "max_items", "max_request_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                problems.append(f"{name} must be positive, got {value}")
        wide = [d for d in self.matryoshka if self.dimensions is None or d >= self.dimensions]
        if wide or any(d < 1 for d in self.matryoshka):
            problems.append("matryoshka must list widths below dimensions")
        for name in ("prompts", "input_types"):
            if not set(getattr(self, name)) <= set(ROLES):
                problems.append(f"{name} are for query and document, got {getattr(self, name)}")
        if self.embeds and self.dimensions is None and "sparse" not in self.kinds:
            problems.append("dimensions are missing")
        if self.provider == "huggingface" and not self.hub:
            problems.append("hub is missing")
        return problems

    def unsourced(self) -> list[str]:
        """Return what is wrong with `facts`: fields without a source, sources of nothing.

        The catalog itself holds every entry to this; one's own entries may leave sources out.
        """
        stated = {
            f.name
            for f in dataclasses.fields(self)
            if f.name not in _NO_FACT and getattr(self, f.name) not in (None, "", (), {})
        }
        sourced = [name for fact in self.facts for name in fact.fields]
        problems = [f"{name} has no source" for name in sorted(stated - set(sourced))]
        problems += [
            f"a source for {name}, which is not stated" for name in sourced if name not in stated
        ]
        return problems
