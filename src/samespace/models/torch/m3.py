"""BGE-M3: a dense vector, sparse weights and token vectors from one forward pass.

Chen et al. 2024, arXiv:2402.03216, section 3.2. With h_0 ... h_n the last hidden states, of which
h_0 stands for the whole text, and W the weights of two heads that lie beside the encoder:

- dense: h_0 / |h_0|;
- sparse: for each token of the text relu(W_lex h_t + b), the largest where a token recurs;
- multi-vector: (W_mul h_t + b) / its length, for every token but the first.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from samespace.errors import ModelError, ModelNotFound
from samespace.forms import MultiVectors, SparseVectors
from samespace.models.catalog import ModelCard
from samespace.models.digest import weights_digest
from samespace.models.facts import Given
from samespace.models.files import read_object
from samespace.models.folder import read_folder
from samespace.models.inputs import OnLongText
from samespace.models.modules import read_modules
from samespace.models.reading import folder_reader
from samespace.models.tokenizer import TokenIds
from samespace.models.torch.m3_model import load_m3
from samespace.models.torch.running import Features, Running, as_float32, check_arithmetic, padded
from samespace.space import Arithmetic, FloatArray, Kind, Space, Vectors
from samespace.types import Role

_HEADS: dict[Kind, str] = {"sparse": "sparse_linear.pt", "multi-vector": "colbert_linear.pt"}


@dataclass(frozen=True, eq=False)
class M3Vectors:
    """The three forms of the same texts."""

    dense: Vectors
    sparse: SparseVectors
    multi: MultiVectors


class M3Embedder:
    """Embeds texts with BGE-M3 from a folder, in three forms at once or in one of them.

    `dense`, `sparse` and `multi` are embedders, each of a Space of its own; they share the
    weights in memory. A Space's `weights` digests every file that makes the form: the encoder's,
    and for the sparse and multi-vector forms the head's (sparse_linear.pt, colbert_linear.pt).
    These, and a pytorch_model.bin where there is no safetensors, are read as tensors only; code
    in them is refused.

    Args:
        folder: the model's folder.
        card: the catalog's entry that the folder must hold; pinned weights are checked.
        name: the model's name in its Spaces; by default the catalog's, else the folder's.
        max_tokens: the window, up to the model's positions.
        prompts: what is put before a text, for each role; the model was trained without.
        device: where it runs; by default a GPU if there is one.
        arithmetic: "float32", "bfloat16" or "float16".

    Raises:
        ModelNotFound: the folder is absent, or a file of the model.
        ModelError: a fact is missing or contradictory; the message names the file and the field.
        WeightsMismatch: the weights are not those of `card`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        card: ModelCard | None = None,
        name: str | None = None,
        max_tokens: int | None = None,
        prompts: Mapping[Role, str] | None = None,
        device: str | None = None,
        arithmetic: Arithmetic = "float32",
    ) -> None:
        check_arithmetic(arithmetic)
        given = Given(name, "cls", True, max_tokens, None, prompts)
        found = read_folder(Path(folder), card=card, given=given, runtime="torch")
        modules = read_modules(Path(folder), further=True)
        if modules.pooling not in (None, "cls") or modules.further:
            raise ModelError(
                f"{Path(folder) / 'modules.json'}: BGE-M3's dense vector is that of the first "
                f"token, but the pooling is {modules.pooling!r} with {len(modules.further)} "
                "modules after it: the folder mixes two models"
            )
        for head in _HEADS.values():
            if not (found.root / head).is_file():
                raise ModelNotFound(f"{found.root / head} is absent, a part of BGE-M3")
        self._folder = found
        dense = dataclasses.replace(found.space, arithmetic=arithmetic)
        self._reader = folder_reader(found, dense)
        files = (*found.weights, *(found.root / head for head in _HEADS.values()))
        self._running = Running(
            lambda device: load_m3(found, _HEADS, arithmetic), files, weights_digest(files), device
        )
        self.dense = DenseM3(self, dense)
        self.sparse = SparseM3(self, self._space("sparse", dense))
        self.multi = MultiM3(self, self._space("multi-vector", dense))

    @property
    def max_tokens(self) -> int:
        """The model's window in tokens, special tokens and prompt included."""
        return self._folder.max_tokens

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes, special tokens and prompt included."""
        return self._reader.count(texts, role)

    def embed_all(
        self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error"
    ) -> M3Vectors:
        """Return all three forms of each text, from one forward pass.

        Args:
            texts: what to embed.
            role: "query" or "document".
            on_long: "error", or "truncate" to keep only the first `max_tokens` tokens.

        Raises:
            InputError: a text is blank, is not a string, or holds lone surrogates.
            TooLong: a text exceeds `max_tokens` and `on_long` is "error".
            MissingExtra: torch or sentence-transformers is not installed.
        """
        made = self.run(texts, role, on_long, ("dense", "sparse", "multi-vector"))
        return M3Vectors(
            self.dense.gather(made, role),
            self.sparse.gather(made, role),
            self.multi.gather(made, role),
        )

    def run(
        self, texts: Sequence[str], role: Role, on_long: OnLongText, forms: tuple[Kind, ...]
    ) -> list[dict[Kind, Any]]:
        """Return for each text what was asked for, as `gather` of the forms takes it."""
        ids = self._reader.read(texts, role, on_long)
        made: list[dict[Kind, Any]] = [{} for _ in ids]
        if not ids:
            return made
        padding = self._folder.config.padding_id()

        def features(rows: list[int]) -> Features:
            return {**padded([ids[row] for row in rows], padding), "forms": forms}

        for rows, output in self._running.run_rows([len(i) for i in ids], features, _taken):
            for place, row in enumerate(rows):
                length = len(ids[row])
                if "dense" in forms:
                    made[row]["dense"] = output["dense"][place]
                if "sparse" in forms:
                    weights = output["sparse"][place, :length]
                    made[row]["sparse"] = _largest(ids[row], weights, self._unused)
                if "multi-vector" in forms:
                    made[row]["multi-vector"] = output["multi-vector"][place, 1:length]
        return made

    @cached_property
    def _unused(self) -> TokenIds:
        """Tokens that stand for no word: the model's authors drop their sparse weights."""
        root, tokenizer = self._folder.root, self._reader.tokenizer
        stated = {
            **read_object(root / "special_tokens_map.json").values,
            **read_object(root / "tokenizer_config.json").values,
        }
        named = [stated.get(f"{name}_token") for name in ("cls", "eos", "pad", "unk")]
        texts = [name.get("content") if isinstance(name, dict) else name for name in named]
        around = tokenizer.encode([""])[0]
        return np.array([*around, *(tokenizer.id_of(text) for text in texts if text)], np.int32)

    def _space(self, kind: Literal["sparse", "multi-vector"], dense: Space) -> Space:
        files = (*self._folder.weights, self._folder.root / _HEADS[kind])
        space = dataclasses.replace(dense, kind=kind, weights=weights_digest(files), metric="dot")
        if kind == "multi-vector":
            return dataclasses.replace(space, pooling="none")
        words = self._folder.config.required("vocab_size")
        return dataclasses.replace(
            space, pooling="max", normalized=False, native_dimensions=words, dimensions=words
        )

    def __repr__(self) -> str:
        return f"<M3Embedder {self.dense.space.model}>"


class _Form:
    """One form of the model's: an embedder of its own Space."""

    def __init__(self, model: M3Embedder, space: Space) -> None:
        self._model = model
        self._space = space

    @property
    def space(self) -> Space:
        """The space of every vector that this makes."""
        return self._space

    @property
    def max_tokens(self) -> int:
        """The model's window in tokens, special tokens and prompt included."""
        return self._model.max_tokens

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes, special tokens and prompt included."""
        return self._model.count(texts, role)

    def _made(self, texts: Sequence[str], role: Role, on_long: OnLongText) -> list[dict[Kind, Any]]:
        return self._model.run(texts, role, on_long, (self._space.kind,))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._space.model} space={self._space.id}>"


class DenseM3(_Form):
    """One vector for each text."""

    def embed(self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error") -> Vectors:
        """Return one vector per text, as `M3Embedder.embed_all` makes it."""
        return self.gather(self._made(texts, role, on_long), role)

    def gather(self, made: list[dict[Kind, Any]], role: Role) -> Vectors:
        """Make Vectors of what `M3Embedder.run` made."""
        array = np.empty((len(made), self.space.dimensions), dtype=np.float32)
        for row, one in zip(array, made, strict=True):
            row[:] = one["dense"]
        return Vectors(array, self.space, role)


class SparseM3(_Form):
    """For each text the weights of the tokens that it holds."""

    def embed(
        self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error"
    ) -> SparseVectors:
        """Return the weights of each text, as `M3Embedder.embed_all` makes them."""
        return self.gather(self._made(texts, role, on_long), role)

    def gather(self, made: list[dict[Kind, Any]], role: Role) -> SparseVectors:
        """Make SparseVectors of what `M3Embedder.run` made."""
        parts = [one["sparse"] for one in made]
        empty = (np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32))
        indices, values = (np.concatenate(column) for column in zip(empty, *parts, strict=True))
        return SparseVectors(
            _offsets([len(i) for i, _ in parts]), indices, values, self.space, role
        )


class MultiM3(_Form):
    """For each text one vector for each of its tokens, the first left out.

    The model's authors divide a text's late-interaction score by the number of its query's
    tokens; `samespace.vectors.late.maxsim` does not, and ranks the same.
    """

    def embed(
        self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error"
    ) -> MultiVectors:
        """Return the token vectors of each text, as `M3Embedder.embed_all` makes them."""
        return self.gather(self._made(texts, role, on_long), role)

    def gather(self, made: list[dict[Kind, Any]], role: Role) -> MultiVectors:
        """Make MultiVectors of what `M3Embedder.run` made."""
        parts = [one["multi-vector"] for one in made]
        empty = np.empty((0, self.space.dimensions), dtype=np.float32)
        array = np.concatenate([empty, *parts])
        return MultiVectors(array, _offsets([len(part) for part in parts]), self.space, role)


def _offsets(lengths: list[int]) -> Any:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _largest(ids: TokenIds, weights: FloatArray, unused: TokenIds) -> tuple[TokenIds, FloatArray]:
    """Return each token of a text once, ascending, with the largest of its positive weights."""
    kept = (weights > 0) & ~np.isin(ids, unused)
    tokens, places = np.unique(ids[kept], return_inverse=True)
    largest = np.zeros(len(tokens), dtype=np.float32)
    np.maximum.at(largest, places, weights[kept])
    return tokens.astype(np.int32), largest


def _taken(features: Features) -> dict[str, FloatArray]:
    return {form: as_float32(tensor) for form, tensor in features.items()}
