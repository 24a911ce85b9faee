"""What a folder of a late-interaction model (ColBERT) says becomes of a text's tokens."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from samespace.errors import ModelError
from samespace.models.files import JsonFile, read_object
from samespace.models.modules import Module, check_transformer
from samespace.types import Role

_ALLOWED = ("Transformer", "Dense", "MultiVectorMask", "Normalize")
_PYLATE = ("query_prefix", "document_prefix", "do_query_expansion", "skiplist_words")
_CLASSIC = 32
"""ColBERT's length of an expanded query, where a folder does not say it."""


@dataclass(frozen=True)
class Expansion:
    """How a short query is filled up (ColBERT's query augmentation, arXiv:2004.12832).

    Attributes:
        length: to how many tokens.
        token: with which, None for the tokenizer's mask or, without one, end of sequence.
        attended: whether the query's other tokens see them.
        ceiling: whether a query may not be longer than `length`.
    """

    length: int
    token: str | None = None
    attended: bool = False
    ceiling: bool = True


@dataclass(frozen=True)
class Stated:
    """What becomes of the tokens, beside the transformer.

    Attributes:
        expansion: how queries are filled up, None for not at all.
        lengths: the longest text for a role, special tokens included, where it is stated.
        markers: what stands before a text of a role, as a token of the vocabulary.
        skipped: the words whose vectors are left out.
        skipping: the roles in which they are.
        normalized: whether every vector is brought to length 1.
    """

    expansion: Expansion | None
    lengths: Mapping[Role, int | None]
    markers: Mapping[Role, str] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    skipping: tuple[str, ...] = ("document",)
    normalized: bool = True

    @property
    def digest(self) -> str:
        """SHA-256 of what changes which vectors a text has: all but lengths and normalization."""
        expansion = dataclasses.asdict(self.expansion) if self.expansion else None
        kept = [expansion, dict(self.markers), self.skipped, self.skipping if self.skipped else ()]
        canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    def window(self, role: Role, whole: int) -> int:
        """Return how many tokens a text of a role may take, of the `whole` that the model takes."""
        length = self.lengths.get(role)
        if role == "query" and self.expansion:
            if self.expansion.ceiling:
                return min(self.expansion.length, whole)
            length = max(length, self.expansion.length) if length else None
        return min(length or whole, whole)


def read_stated(
    folder: Path, modules: Sequence[Module], config: JsonFile, said: JsonFile
) -> Stated:
    """Read what sentence-transformers, PyLate or Stanford's ColBERT wrote.

    Args:
        folder: the model's folder.
        modules: what modules.json lists.
        config: the transformer's config.json.
        said: config_sentence_transformers.json.

    Raises:
        ModelError: it is no late-interaction model, or has modules that samespace does not run.
    """
    kinds = [module.kind for module in modules]
    if not modules and "HF_ColBERT" in config.texts("architectures"):
        return _stanford(read_object(folder / "artifact.metadata"))
    if modules and kinds[0] == "Transformer" and set(kinds) <= set(_ALLOWED):
        if "MultiVectorMask" in kinds:
            return _native(modules)
        marked = said.text("model_type") == "ColBERT" or any(n in said.values for n in _PYLATE)
        if marked and "Dense" in kinds:
            return _pylate(said)
    raise ModelError(
        f"{folder} holds no late-interaction model: expected the modules {', '.join(_ALLOWED)} of "
        "sentence-transformers, a ColBERT of PyLate, or one of Stanford's (HF_ColBERT in "
        f"config.json); modules.json names {', '.join(kinds) or 'nothing'}. From another model "
        "the projection of its tokens would be random"
    )


def _native(modules: Sequence[Module]) -> Stated:
    config = read_object(modules[0].folder / "sentence_bert_config.json")
    check_transformer(config)
    mask = next(module.config for module in modules if module.kind == "MultiVectorMask")
    if mask.values.get("keep_only_token_ids"):
        raise ModelError(
            f"{mask.path}: keep_only_token_ids is for documents that are images, which samespace "
            "does not run here"
        )
    return Stated(
        expansion=_expansion(config, config.values.get("query_expansion")),
        lengths=_lengths(config),
        skipped=mask.texts("skiplist_words"),
        skipping=mask.texts("skiplist_tasks") or ("document",),
        normalized=any(module.kind == "Normalize" for module in modules),
    )


def _pylate(said: JsonFile) -> Stated:
    lengths, values = _lengths(said), said.values
    if "query_expansion" in values or values.get("do_query_expansion") is False:
        expansion = _expansion(said, values.get("query_expansion"))
    else:
        attended = bool(values.get("attend_to_expansion_tokens"))
        expansion = Expansion(lengths["query"] or _CLASSIC, attended=attended)
    silent = values.get("skiplist_words") is None
    return Stated(
        expansion=expansion,
        lengths=lengths,
        markers={
            role: said.text(name)
            for role, name in _roles("query_prefix", "document_prefix").items()
            if said.text(name)
        },
        skipped=tuple(string.punctuation) if silent else said.texts("skiplist_words"),
    )


def _stanford(metadata: JsonFile) -> Stated:
    values = metadata.values
    if not values:
        raise ModelError(
            f"{metadata.path} is absent, so it is not known how long queries and documents are, "
            "and which of their tokens count. Fetch it from the model's repository"
        )
    if metadata.text("similarity") not in ("", "cosine"):
        raise ModelError(
            f"{metadata.path}: similarity is {values['similarity']!r}; samespace compares tokens "
            "by cosine"
        )
    return Stated(
        expansion=Expansion(
            metadata.integer("query_maxlen") or _CLASSIC,
            attended=bool(values.get("attend_to_mask_tokens")),
        ),
        lengths={"query": None, "document": metadata.integer("doc_maxlen")},
        markers={
            "query": (metadata.text("query_token_id") or "[unused0]") + " ",
            "document": (metadata.text("doc_token_id") or "[unused1]") + " ",
        },
        skipped=tuple(string.punctuation) if values.get("mask_punctuation", True) else (),
    )


def _lengths(config: JsonFile) -> dict[Role, int | None]:
    names = _roles("query_length", "document_length")
    return {role: config.integer(name) for role, name in names.items()}


def _roles(query: str, document: str) -> dict[Role, str]:
    return {"query": query, "document": document}


def _expansion(config: JsonFile, value: object) -> Expansion | None:
    if value is None:
        return None
    stated = JsonFile(config.path, value if isinstance(value, dict) else {})
    strategy = stated.text("strategy")
    if strategy not in ("fixed", "min"):
        raise ModelError(
            f"{config.path}: query_expansion must say the strategy fixed or min, got {value!r}"
        )
    return Expansion(
        length=stated.required("length"),
        token=stated.text("token") or None,
        attended=bool(stated.values.get("attend")),
        ceiling=strategy == "fixed",
    )
