"""The facts of a model that its files, the catalog or the caller may state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, get_args

from samespace.errors import InputError, ModelError
from samespace.models.catalog import ModelCard
from samespace.models.digest import tokenizer_digest
from samespace.models.encoder import first_position
from samespace.models.files import JsonFile, read_object
from samespace.models.modules import read_prompts
from samespace.space import Metric, Pooling
from samespace.types import Role

T = TypeVar("T")

_UNLIMITED = 1_000_000
"""Tokenizers without a limit state an absurd one (int(1e30)); anything from here on is none."""

_AS_THE_FILE = ("TokenizersBackend", "PreTrainedTokenizerFast")
"""The classes of transformers that read tokenizer.json as it is."""

_BERT_WORDS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


@dataclass(frozen=True)
class Given:
    """What the caller states, over what the folder says; None leaves it to the folder."""

    name: str | None = None
    pooling: Pooling | None = None
    normalized: bool | None = None
    max_tokens: int | None = None
    metric: Metric | None = None
    prompts: Mapping[Role, str] | None = None

    def __post_init__(self) -> None:
        for field, value, allowed in (
            ("pooling", self.pooling, get_args(Pooling)),
            ("metric", self.metric, get_args(Metric)),
        ):
            if value is not None and value not in allowed:
                raise InputError(f"{field} must be one of {', '.join(allowed)}, got {value!r}")
        for role, prompt in (self.prompts or {}).items():
            if role not in get_args(Role) or not isinstance(prompt, str):
                raise InputError(
                    "prompts must map the roles query and document to texts, "
                    f"got {role!r}: {prompt!r}"
                )


def first(*values: T | None) -> T | None:
    """Return the first value that is not None."""
    return next((value for value in values if value is not None), None)


def stated_prompts(said: JsonFile, known: ModelCard | None, given: Given) -> Mapping[str, str]:
    """Return the prompt of each role: the caller's, else the folder's, else the catalog's."""
    if given.prompts is not None:
        return {str(role): prompt for role, prompt in given.prompts.items()}
    stated = read_prompts(said)
    if stated is not None:
        return stated
    return known.prompts if known else {}


def tokenizer_identity(root: Path) -> str:
    """Return the digest of tokenizer.json.

    Raises:
        ModelError: there is none, or tokenizer_config.json says otherwise.
    """
    file = root / "tokenizer.json"
    if not file.is_file():
        raise ModelError(
            f"{file} is absent. samespace reads a tokenizer from that file alone; make it with "
            "transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
        )
    _check_normalizer(file, read_object(root / "tokenizer_config.json"))
    return tokenizer_digest(file)


def _check_normalizer(file: Path, said: JsonFile) -> None:
    """Refuse two statements of how BERT's words are read.

    Its tokenizers in transformers take what tokenizer_config.json says, and the model was trained
    with one of the two; which, no file says.
    """
    normalizer = read_object(file).values.get("normalizer")
    if said.text("tokenizer_class") in _AS_THE_FILE or not isinstance(normalizer, dict):
        return
    if normalizer.get("type") != "BertNormalizer":
        return
    for field, own in _BERT_WORDS.items():
        stated = said.values.get(field)
        if stated is not None and own in normalizer and stated != normalizer[own]:
            raise ModelError(
                f"{said.path} says {field} {stated!r}, but {file.name} says {own} "
                f"{normalizer[own]!r}, and transformers goes by the former. Write both anew with "
                "it: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
            )


def window(root: Path, config: JsonFile, known: ModelCard | None, given: int | None) -> int:
    """Return the window: what is stated, but never beyond the model's positions.

    Raises:
        InputError: `given` lies beyond them.
        ModelError: nothing states it.
    """
    rows = config.integer("max_position_embeddings")
    positions = None if rows is None else rows - first_position(config)
    if given is not None:
        if given < 1 or (positions is not None and given > positions):
            raise InputError(
                f"max_tokens must lie between 1 and the model's {positions} positions "
                f"({config.path}), got {given}"
            )
        return given
    stated = read_object(root / "tokenizer_config.json").values.get("model_max_length")
    limit = int(stated) if isinstance(stated, (int, float)) and 0 < stated < _UNLIMITED else None
    tokens = first(
        read_object(root / "sentence_bert_config.json").integer("max_seq_length"),
        known.max_tokens if known else None,
        limit,
        positions,
    )
    if tokens is None:
        raise ModelError(
            f"{root / 'sentence_bert_config.json'} does not say max_seq_length, nor does "
            f"{config.path} say max_position_embeddings, so the window is not known. "
            "Say it: max_tokens=512"
        )
    return tokens if positions is None else min(tokens, positions)
