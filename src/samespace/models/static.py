"""Static models: a vector for each token, and a text's vector is their mean."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from samespace.errors import InputError, ModelError, ModelNotFound, WeightsMismatch
from samespace.models.catalog import ModelCard, find, find_weights
from samespace.models.digest import weights_digest
from samespace.models.facts import Given, first, stated_prompts, tokenizer_identity
from samespace.models.files import read_object
from samespace.models.folder import check_card, hub_name
from samespace.models.inputs import OnLongText
from samespace.models.modules import list_modules, read_metric
from samespace.models.reading import Reader
from samespace.models.tokenizer import TextTokenizer, TokenIds
from samespace.models.weights import check_weights
from samespace.space import FloatArray, Metric, Space, Vectors
from samespace.types import Role

WINDOW = 512
"""Where nothing states a window. A mean has no positions, so any length could be embedded; but
model2vec cuts here unless told otherwise, and the mean of a whole book is near nothing."""

_TABLES = ("embeddings", "embedding.weight")
"""The names of the table in model2vec's files and in sentence-transformers'."""


class StaticEmbedder:
    """Embeds texts as the mean of their tokens' vectors: no context, no order, great speed.

    It reads the folders of model2vec (potion models; `samespace models distill` writes them) and
    of sentence-transformers' StaticEmbedding. A vector equals that of model2vec for the former:
    tokens that the vocabulary does not know are left out of the mean, but a text of nothing else
    gets the vector of the unknown token, where model2vec gives zeros. sentence-transformers keeps
    unknown tokens in the mean, and so does this for its folders.

    Args:
        folder: the model's folder.
        card: the catalog's entry that the folder must hold; what it pins is checked.
        name: the model's name in its Space; by default the catalog's, else the folder's.
        normalized: whether vectors are brought to length 1.
        max_tokens: the window; any is possible.
        metric: how vectors are compared.
        prompts: what is put before a text, for each role.

    Raises:
        ModelNotFound: the folder is absent or holds no static model.
        ModelError: a file of it is damaged.
        WeightsMismatch: the weights are not those of `card`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        card: ModelCard | None = None,
        name: str | None = None,
        normalized: bool | None = None,
        max_tokens: int | None = None,
        metric: Metric | None = None,
        prompts: Mapping[Role, str] | None = None,
    ) -> None:
        given = Given(name, None, normalized, max_tokens, metric, prompts)
        self._folder = _read(Path(folder), card, given)
        self._lock = threading.Lock()
        self._table: FloatArray | None = None
        window: dict[Role, int] = dict.fromkeys(("query", "document"), self.max_tokens)
        self._reader = Reader(lambda: self._tokenizer, self.space, window)

    @property
    def space(self) -> Space:
        """The space of every vector that this makes."""
        return self._folder.space

    @property
    def max_tokens(self) -> int:
        """The window in tokens, prompt included."""
        return self._folder.max_tokens

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes, prompt included; nothing is truncated."""
        return self._reader.count(texts, role)

    def embed(self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error") -> Vectors:
        """Return one vector per text, in the order of the texts.

        Raises:
            InputError: a text is blank, is not a string, holds lone surrogates, or no token of
                it has a vector other than zero.
            TooLong: a text exceeds `max_tokens` and `on_long` is "error".
        """
        read = self._reader.read(texts, role, on_long)
        table = self._loaded()
        array = np.empty((len(read), self.space.dimensions), dtype=np.float32)
        for i, ids in enumerate(read):
            array[i] = table[self._known(ids)].mean(axis=0)
        norms = np.linalg.norm(array, axis=1, keepdims=True)
        if not norms.all():
            raise InputError(
                f"text {int((norms[:, 0] == 0).argmax())} holds no token that {self.space.model} "
                "has a vector for: it has no direction. Leave it out of the call"
            )
        if self.space.normalized:
            array /= norms
        return Vectors(array, self.space, role)

    def _known(self, ids: TokenIds) -> TokenIds:
        """Return the tokens that count: of model2vec's models those that are known, if any is."""
        unknown = self._tokenizer.unknown
        if unknown is None or self._folder.table != "embeddings":
            return ids
        known = ids[ids != unknown]
        return known if len(known) else ids

    @cached_property
    def _tokenizer(self) -> _BareTokenizer:
        return _BareTokenizer(self._folder.root / "tokenizer.json")

    def _loaded(self) -> FloatArray:
        with self._lock:
            if self._table is None:
                table = _load(self._folder)
                size = self._tokenizer.size
                if len(table) < size:
                    raise ModelError(
                        f"{self._folder.root}: {len(table)} vectors for a vocabulary of {size} "
                        "tokens: model.safetensors and tokenizer.json belong to two models"
                    )
                self._table = table
            return self._table

    def __repr__(self) -> str:
        return f"<StaticEmbedder {self.space.model} space={self.space.id}>"


class _BareTokenizer(TextTokenizer):
    """A tokenizer that adds no special tokens, whatever its file says of them."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self._tokenizer.post_processor = None
        self._special = 0

        self.size = int(self._tokenizer.get_vocab_size())
        self.unknown = self._unknown()

    def _unknown(self) -> int | None:
        """Return the number of the token for what the vocabulary lacks, None if there is none."""
        model = json.loads(self._tokenizer.to_str())["model"]
        if model.get("unk_token") is not None:
            return self._tokenizer.token_to_id(str(model["unk_token"]))
        number = model.get("unk_id")
        return None if number is None else int(number)


@dataclass(frozen=True)
class _Folder:
    """A static model on disk: where its files lie, and the name of its table of vectors."""

    root: Path
    table: str
    max_tokens: int
    space: Space


def _read(folder: Path, card: ModelCard | None, given: Given) -> _Folder:
    if not folder.is_dir():
        raise ModelNotFound(f"there is no folder {folder}; expected one with a model's files")
    modules = list_modules(folder)
    kinds = [module.kind for module in modules]
    if kinds not in ([], ["StaticEmbedding"], ["StaticEmbedding", "Normalize"]):
        raise ModelError(
            f"{folder / 'modules.json'}: expected StaticEmbedding and perhaps Normalize, "
            f"got {', '.join(kinds)}"
        )
    root = modules[0].folder if modules else folder
    weights = root / "model.safetensors"
    if not weights.is_file():
        raise ModelNotFound(f"{folder} holds no static model: {weights} is absent")
    if card and card.weights:
        check_weights(weights, card)
    table, (tokens, dimensions) = _shape(weights)
    if not tokens:
        raise ModelError(f"{weights}: the table of vectors is empty")
    digest = weights_digest([weights])
    known = card or find_weights(digest) or find(hub_name(folder))
    config = read_object(root / "config.json")
    said = read_object(folder / "config_sentence_transformers.json")
    normalized = given.normalized
    if normalized is None:
        stated = config.values.get("normalize") if table == "embeddings" else None
        normalized = "Normalize" in kinds if stated is None else bool(stated)
    space = Space(
        model=given.name or (known.name if known else folder.resolve().name),
        revision="",
        weights=digest,
        tokenizer=tokenizer_identity(root),
        pooling="mean",
        normalized=normalized,
        native_dimensions=dimensions,
        dimensions=dimensions,
        metric=first(given.metric, read_metric(said), known.metric if known else None) or "cosine",
        prompts=tuple(sorted((r, p) for r, p in stated_prompts(said, known, given).items() if p)),
    )
    if card:
        check_card(folder, card, space)
    limit = known.max_tokens if known else None
    window = first(given.max_tokens, config.integer("max_length"), limit, WINDOW)
    if not window or window < 1:
        raise InputError(f"max_tokens must be at least 1, got {window}")
    return _Folder(root, table, window, space)


def _shape(weights: Path) -> tuple[str, tuple[int, int]]:
    """Return the name of the table in the file and its shape, from the header alone."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="numpy") as tensors:
            name = next((n for n in _TABLES if n in tensors.keys()), None)  # noqa: SIM118
            if name is None:
                raise ModelError(f"{weights}: expected a tensor named {' or '.join(_TABLES)}")
            shape = tuple(tensors.get_slice(name).get_shape())
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{weights} is not a whole safetensors file: {error}") from error
    if len(shape) != 2:
        raise ModelError(f"{weights}: {name} must have two dimensions, got {shape}")
    return name, (int(shape[0]), int(shape[1]))


def _load(folder: _Folder) -> FloatArray:
    """Return the vectors of all tokens, float32, shape (tokens, dimensions).

    Where the vocabulary was quantized, `mapping` says which row is a token's, and `weights` what
    it is multiplied by (model2vec).
    """
    from safetensors.numpy import load_file

    file = folder.root / "model.safetensors"
    seen = weights_digest([file])
    if seen != folder.space.weights:
        raise WeightsMismatch(
            f"{file} changed since this embedder was made: expected sha256 "
            f"{folder.space.weights}, seen {seen}. Load it anew"
        )
    tensors = load_file(file)
    table = tensors[folder.table]
    if "mapping" in tensors:
        table = table[tensors["mapping"]]
    table = table.astype(np.float32)
    if "weights" in tensors:
        table = table * tensors["weights"].astype(np.float32)[:, None]
    return table
