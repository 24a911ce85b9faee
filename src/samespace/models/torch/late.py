"""Late interaction with PyTorch: one vector for each token, as ColBERT makes them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from samespace.errors import ModelError
from samespace.forms import MultiVectors
from samespace.models.as_trained import check_as_trained
from samespace.models.catalog import ModelCard
from samespace.models.facts import Given
from samespace.models.files import read_object
from samespace.models.inputs import OnLongText
from samespace.models.reading import Reader
from samespace.models.tensors import Tensors
from samespace.models.tokenizer import TextTokenizer, TokenIds
from samespace.models.torch.late_folder import INLINE, LateFolder, read_late
from samespace.models.torch.running import Features, Running, check_arithmetic, libraries, padded
from samespace.models.torch.whole import load_transformer
from samespace.space import Arithmetic, FloatArray, Space
from samespace.types import Role

_KEPT = "special_tokens_mask"
"""The feature that marks the tokens whose vectors are kept, under a name that does not reach the
transformer itself."""


class TorchMultiVectorEmbedder:
    """Embeds texts as one vector for each token, with a ColBERT model from a folder.

    Folders of sentence-transformers' MultiVectorEncoder, of PyLate, and of Stanford's ColBERT.
    Two texts are compared by `samespace.vectors.late.maxsim`. A short query is filled up with
    mask tokens, and the vectors of punctuation are left out of a document, where the model was
    trained so.

    Args:
        folder: the model's folder. Nothing is fetched.
        card: the catalog's entry that the folder must hold.
        name: the model's name in its Space; by default the catalog's, else the folder's.
        max_tokens: the window of documents, up to the model's positions. Queries keep theirs.
        prompts: what is put before a text, for each role, in place of the model's own markers.
        device: where it runs; by default a GPU where there is one.
        arithmetic: "float32", or what the weights are rounded to; it is part of the Space.
        trust_remote_code: run Python code that lies in the folder. The digests do not pin it.

    Raises:
        ModelNotFound: the folder is absent or holds no model.
        ModelError: it is no late-interaction model, or one that samespace does not run.
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
        trust_remote_code: bool = False,
    ) -> None:
        check_arithmetic(arithmetic)
        given = Given(name, None, None, max_tokens, None, prompts)
        read = read_late(Path(folder), card=card, given=given, arithmetic=arithmetic)
        check_as_trained(read_object(read.root / "config.json"), trusted=trust_remote_code)
        self._folder = read

        def tokenizer() -> TextTokenizer:
            return TextTokenizer(
                read.root / "tokenizer.json",
                lowercase=read.lowercase,
                markers=tuple(read.stated.markers.values()),
            )

        def load(device: str) -> Any:
            return _load(read, arithmetic, device, trust_remote_code)

        self._reader = Reader(tokenizer, read.space, read.window)
        self._running = Running(load, read.files, read.space.weights, device)

    @property
    def space(self) -> Space:
        """The space of every vector that this makes, of kind "multi-vector"."""
        return self._folder.space

    @property
    def max_tokens(self) -> int:
        """The window of a document in tokens, special tokens and prompt included."""
        return self._folder.window["document"]

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes, special tokens and prompt included.

        The tokens that fill up a query are not counted. Needs no weights.
        """
        return self._reader.count(texts, role)

    def embed(
        self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error"
    ) -> MultiVectors:
        """Return the token vectors of each text, in the order of the texts.

        Raises:
            InputError: a text is blank, is not a string, or holds lone surrogates.
            TooLong: a text exceeds the window and `on_long` is "error". The window of a query
                is often smaller than `max_tokens`: the message says it.
        """
        ids = self._reader.read(texts, role, on_long)
        found = [np.zeros((0, self.space.dimensions), dtype=np.float32)] * len(ids)
        if ids:
            batches = self._running.run(ids, lambda batch: self._features(batch, role), _taken)
            for rows, (array, counts) in batches:
                if array.shape[1] != self.space.dimensions:
                    raise ModelError(
                        f"{self._folder.root}: the model's vectors are {array.shape[1]} wide, but "
                        f"the folder's configuration says {self.space.dimensions}"
                    )
                for row, part in zip(rows, np.split(array, np.cumsum(counts)[:-1]), strict=True):
                    found[row] = part
        array = np.concatenate([np.zeros((0, self.space.dimensions), np.float32), *found])
        if self.space.normalized:
            array /= np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-12)
        offsets = np.cumsum([0, *(len(part) for part in found)], dtype=np.int64)
        return MultiVectors(array, offsets, self.space, role)

    def _features(self, ids: Sequence[TokenIds], role: Role) -> Features:
        """Return a batch, its queries filled up, with a mask of the vectors that are kept."""
        import torch

        stated = self._folder.stated
        expansion = stated.expansion if role == "query" else None
        features = padded(ids, self._running.padding, expansion.length if expansion else 0)
        real = features["attention_mask"].bool()
        kept = real
        if expansion:
            filled = ~real & (torch.arange(real.shape[1]) < expansion.length)
            features["input_ids"].masked_fill_(filled, self._filler(expansion.token))
            if expansion.attended:
                features["attention_mask"].masked_fill_(filled, 1)
            kept = real | filled
        if stated.skipped and role in stated.skipping:
            found = [self._reader.tokenizer.find(word) for word in stated.skipped]
            skipped = torch.tensor([number for number in found if number is not None])
            kept = kept & ~torch.isin(features["input_ids"], skipped)
        return {**features, _KEPT: kept}

    def _filler(self, token: str | None) -> int:
        if token is not None:
            return self._reader.tokenizer.id_of(token)
        tokenizer = self._running.model.tokenizer
        mask, end = tokenizer.mask_token_id, tokenizer.eos_token_id
        number: int | None = mask if mask is not None else end
        if number is None:
            raise ModelError(
                f"{self._folder.root / 'tokenizer_config.json'} names no mask_token, which short "
                "queries are filled up with"
            )
        return number

    def __repr__(self) -> str:
        return f"<TorchMultiVectorEmbedder {self.space.model} space={self.space.id}>"


def _taken(features: Features) -> tuple[FloatArray, npt.NDArray[Any]]:
    """Return the vectors of all texts of a batch, one after the other, and how many each has."""
    kept = features[_KEPT]
    vectors = features["token_embeddings"][kept]
    return vectors.float().cpu().numpy(), kept.sum(dim=1).cpu().numpy()


def _load(read: LateFolder, arithmetic: Arithmetic, device: str, trust: bool) -> Any:
    """Return the transformer and the projections, which work on tokens.

    Normalization is not among them: the embedder does it, in float32.
    """
    torch, st = libraries()
    from sentence_transformers.base.modules import Dense

    modules = [load_transformer(read.root, arithmetic, trust)]
    if not (read.root / "modules.json").is_file() and not read.projections:
        weight = torch.from_numpy(Tensors(read.weights)[INLINE].copy())
        out, inner = weight.shape
        modules.append(Dense(inner, out, bias=False, activation_function=None, init_weight=weight))
    modules += [Dense.load(str(m.folder), local_files_only=True) for m in read.projections]
    for module in modules[1:]:
        module.module_input_name = module.module_output_name = "token_embeddings"
    return st.SentenceTransformer(modules=modules, device=device)
