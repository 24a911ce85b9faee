"""Sparse text embedding with PyTorch: SPLADE, by sentence-transformers' SparseEncoder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from samespace.errors import ModelError, ModelNotFound
from samespace.forms import SparseVectors
from samespace.models.as_trained import check_as_trained
from samespace.models.catalog import ModelCard, find
from samespace.models.digest import weights_digest
from samespace.models.facts import Given, stated_prompts, tokenizer_identity, window
from samespace.models.files import read_object
from samespace.models.folder import check_card, folder_name, hub_name, torch_weights
from samespace.models.inputs import OnLongText
from samespace.models.modules import list_modules, read_metric
from samespace.models.reading import Reader
from samespace.models.tokenizer import TextTokenizer
from samespace.models.torch.running import Features, Running, check_arithmetic, libraries, padded
from samespace.models.torch.whole import load_transformer
from samespace.models.weights import check_weights
from samespace.space import Arithmetic, FloatArray, Space
from samespace.types import Role

_SHARE = 4
"""The output is as wide as the vocabulary: batches are this much smaller than a dense model's."""

_MASKED = ("Transformer", "MLMTransformer")


@dataclass(frozen=True)
class SparseFolder:
    """A SPLADE model on disk, ready to run; `files` are what its weights are pinned by."""

    root: Path
    files: tuple[Path, ...]
    max_tokens: int
    lowercase: bool
    space: Space


class TorchSparseEmbedder:
    """Embeds texts as weights of the words of a vocabulary, with a SPLADE model from a folder.

    A text's weight for a word is the largest over its tokens of log(1 + relu(logit)), where the
    logits are those of a masked language model (SPLADE v2, arXiv:2109.10086, equations 1 and 6).
    The Space's `weights` also pin the pooling module's configuration.

    Args:
        folder: the model's folder. Nothing is fetched.
        card: the catalog's entry that the folder must hold.
        name: the model's name in its Space; by default the catalog's, else the folder's.
        pooling: "max", to state it for a folder without modules.json.
        max_tokens: the window, up to the model's positions.
        prompts: what is put before a text, for each role.
        device: where it runs; by default a GPU where there is one.
        arithmetic: "float32", or what the weights are rounded to; it is part of the Space.
        trust_remote_code: run Python code that lies in the folder. The digests do not pin it.

    Raises:
        ModelNotFound: the folder is absent or holds no model.
        ModelError: it is no SPLADE model, or one that samespace does not run.
        WeightsMismatch: the weights are not those of `card`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        card: ModelCard | None = None,
        name: str | None = None,
        pooling: Literal["max"] | None = None,
        max_tokens: int | None = None,
        prompts: Mapping[Role, str] | None = None,
        device: str | None = None,
        arithmetic: Arithmetic = "float32",
        trust_remote_code: bool = False,
    ) -> None:
        check_arithmetic(arithmetic)
        given = Given(name, pooling, None, max_tokens, None, prompts)
        read = read_sparse(Path(folder), card=card, given=given, arithmetic=arithmetic)
        check_as_trained(read_object(read.root / "config.json"), trusted=trust_remote_code)
        self._folder = read
        file = read.root / "tokenizer.json"
        self._reader = Reader(
            lambda: TextTokenizer(file, lowercase=read.lowercase),
            read.space,
            {"query": read.max_tokens, "document": read.max_tokens},
        )

        def load(device: str) -> Any:
            return _load(Path(folder), read, arithmetic, device, trust_remote_code)

        self._running = Running(load, read.files, read.space.weights, device)

    @property
    def space(self) -> Space:
        """The space of every vector that this makes, of kind "sparse"."""
        return self._folder.space

    @property
    def max_tokens(self) -> int:
        """The model's window in tokens, special tokens and prompt included."""
        return self._folder.max_tokens

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes, special tokens and prompt included."""
        return self._reader.count(texts, role)

    def embed(
        self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error"
    ) -> SparseVectors:
        """Return the weights of each text, in the order of the texts.

        Raises:
            InputError: a text is blank, is not a string, or holds lone surrogates.
            TooLong: a text exceeds `max_tokens` and `on_long` is "error".
        """
        ids = self._reader.read(texts, role, on_long)
        found: list[tuple[npt.NDArray[Any], FloatArray]] = [_NOTHING] * len(ids)
        if ids:
            padding = self._running.padding
            batches = self._running.run(
                ids, lambda batch: padded(batch, padding), self._weights, _SHARE
            )
            for rows, weights in batches:
                for row, pair in zip(rows, weights, strict=True):
                    found[row] = pair
        counts = np.array([len(indices) for indices, _ in found], dtype=np.int64)
        return SparseVectors(
            offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            indices=np.concatenate([_NOTHING[0], *(i for i, _ in found)]).astype(np.int32),
            values=np.concatenate([_NOTHING[1], *(v for _, v in found)]),
            space=self.space,
            role=role,
        )

    def _weights(self, features: Features) -> list[tuple[npt.NDArray[Any], FloatArray]]:
        """Return the word numbers and weights of each text: only those travel to the CPU."""
        made = features["sentence_embedding"]
        if made.shape[1] != self.space.dimensions:
            raise ModelError(
                f"{self._folder.root}: the model gives weights to {made.shape[1]} words, but "
                f"config.json says vocab_size {self.space.dimensions}"
            )
        indices = [row.nonzero()[:, 0] for row in made]
        return [
            (found.cpu().numpy(), row[found].float().cpu().numpy())
            for row, found in zip(made, indices, strict=True)
        ]

    def __repr__(self) -> str:
        return f"<TorchSparseEmbedder {self.space.model} space={self.space.id}>"


def _load(
    folder: Path, read: SparseFolder, arithmetic: Arithmetic, device: str, trust: bool
) -> Any:
    _, st = libraries()
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    stated = list_modules(folder)[1:]
    pooling = (
        SpladePooling.load(str(stated[0].folder), local_files_only=True)
        if stated
        else SpladePooling("max")
    )
    transformer = load_transformer(read.root, arithmetic, trust, "fill-mask")
    return st.SparseEncoder(modules=[transformer, pooling], device=device)


_NOTHING: tuple[npt.NDArray[Any], FloatArray] = (
    np.zeros(0, dtype=np.int64),
    np.zeros(0, dtype=np.float32),
)


def read_sparse(
    folder: Path, *, card: ModelCard | None, given: Given, arithmetic: Arithmetic
) -> SparseFolder:
    """Read a SPLADE model's folder, without loading weights.

    Raises:
        ModelNotFound: there is no folder, or no model in it.
        ModelError: a fact is missing, or beyond what samespace can run.
        WeightsMismatch: the weights are not those of `card`.
    """
    if not folder.is_dir():
        raise ModelNotFound(f"there is no folder {folder}; expected one with a model's files")
    modules, file = list_modules(folder), folder / "modules.json"
    kinds = [module.kind for module in modules]
    if modules and (kinds[0] not in _MASKED or kinds[1:] != ["SpladePooling"]):
        raise ModelError(
            f"{file}: expected a masked language model (Transformer) and SpladePooling, got "
            f"{', '.join(kinds)}"
        )
    if not modules and "max" not in (given.pooling, card.pooling if card else None):
        raise ModelError(
            f"{file} is absent, so it is not known how token logits become one weight for each "
            'word. Say it: TorchSparseEmbedder(folder, pooling="max") for SPLADE v2 and v3'
        )
    root = modules[0].folder if modules else folder
    config = read_object(root / "config.json")
    if not config.values:
        raise ModelNotFound(f"{folder} holds no model: {config.path} is absent or empty")
    if not any(name.endswith("ForMaskedLM") for name in config.texts("architectures")):
        raise ModelError(
            f"{config.path}: architectures is {config.values.get('architectures')!r}; SPLADE "
            "needs the head of a masked language model (...ForMaskedLM)"
        )
    said = read_object(folder / "config_sentence_transformers.json")
    pooling = modules[1].config.values.get("pooling_strategy", "max") if modules else "max"
    for field, path, value, wanted in (
        ("pooling_strategy", file, pooling, "max"),
        ("max_active_dims", said.path, said.values.get("max_active_dims"), None),
    ):
        if value != wanted:
            raise ModelError(f"{path}: {field} is {value!r}; samespace runs only {wanted!r}")
    if card and card.weights:
        check_weights(root / card.weights_file, card)
    files = torch_weights(root) + (modules[1].files if modules else ())
    known = card or find(hub_name(folder))
    lowercase = bool(read_object(root / "sentence_bert_config.json").values.get("do_lower_case"))
    words = config.required("vocab_size")
    prompts = stated_prompts(said, known, given)
    space = Space(
        model=given.name or (known.name if known else folder_name(folder)),
        revision="",
        weights=weights_digest(files),
        tokenizer=tokenizer_identity(root) + "+lowercase" * lowercase,
        pooling="max",
        normalized=False,
        native_dimensions=words,
        dimensions=words,
        metric=read_metric(said) or "dot",
        prompts=tuple(sorted((role, prompt) for role, prompt in prompts.items() if prompt)),
        kind="sparse",
        arithmetic=arithmetic,
    )
    if card:
        check_card(folder, card, space)
    max_tokens = window(root, config, known, given.max_tokens)
    return SparseFolder(root, files, max_tokens, lowercase, space)
