"""Dense text embedding with PyTorch, by the modules of sentence-transformers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samespace.errors import ModelError
from samespace.models.catalog import ModelCard
from samespace.models.facts import Given
from samespace.models.folder import ModelFolder, read_folder
from samespace.models.inputs import OnLongText
from samespace.models.modules import read_modules
from samespace.models.reading import folder_reader
from samespace.models.torch.devices import Devices
from samespace.models.torch.running import (
    Features,
    Running,
    as_float32,
    check_arithmetic,
    libraries,
    padded,
)
from samespace.models.torch.whole import load_transformer
from samespace.space import Arithmetic, FloatArray, Metric, Pooling, Space, Vectors
from samespace.types import Role

_POOLINGS = {"mean": "mean", "cls": "cls", "last": "lasttoken", "max": "max"}


class TorchEmbedder:
    """Embeds texts with a model from a folder, by any architecture that transformers knows.

    Its Space is that of `OnnxEmbedder` for the same folder and the same weights, so either may
    run what the other indexed. It runs more: Dense modules after the pooling, last-token models
    such as Qwen3-Embedding, ModernBERT, T5. Texts are read by the tokenizer.json, are cut into
    batches by length, and are never truncated unless asked.

    In bfloat16 and float16 a vector depends a little on what else is in its batch (about 1e-2
    and 1e-3); in float32 it does not.

    Args:
        folder: the model's folder. Nothing is fetched.
        card: the catalog's entry that the folder must hold; what it pins is checked.
        name: the model's name in its Space; by default the catalog's, else the folder's.
        pooling: "mean", "cls", "last" or "max".
        normalized: whether vectors are brought to length 1.
        max_tokens: the window, up to the model's positions.
        metric: how vectors are compared.
        prompts: what is put before a text, for each role.
        device: where it runs; by default a GPU where there is one.
        devices: several of them ("cuda:0", "cuda:1"), with one process for each. `close` ends
            them.
        arithmetic: "float32", or what the weights are rounded to; it is part of the Space.
        trust_remote_code: run Python code that lies in the folder. The digests do not pin it.

    Raises:
        ModelNotFound: the folder is absent or holds no model.
        ModelError: a fact is missing or contradictory; the message names the file and field.
        WeightsMismatch: the weights are not those of `card`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        card: ModelCard | None = None,
        name: str | None = None,
        pooling: Pooling | None = None,
        normalized: bool | None = None,
        max_tokens: int | None = None,
        metric: Metric | None = None,
        prompts: Mapping[Role, str] | None = None,
        device: str | None = None,
        devices: Sequence[str] = (),
        arithmetic: Arithmetic = "float32",
        trust_remote_code: bool = False,
    ) -> None:
        check_arithmetic(arithmetic)
        given = Given(name, pooling, normalized, max_tokens, metric, prompts)
        read = read_folder(
            Path(folder),
            card=card,
            given=given,
            runtime="torch",
            trust_remote_code=trust_remote_code,
        )
        self._folder = read
        self._space = dataclasses.replace(read.space, arithmetic=arithmetic)
        self._reader = folder_reader(read, self._space)

        def load(device: str) -> Any:
            return _load(Path(folder), read, arithmetic, device, trust_remote_code)

        self._running = Running(load, read.weights, read.space.weights, device)
        self._devices = Devices(self._running, devices) if devices else None

    @property
    def space(self) -> Space:
        """The space of every vector that this makes."""
        return self._space

    @property
    def max_tokens(self) -> int:
        """The model's window in tokens, special tokens and prompt included."""
        return self._folder.max_tokens

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes, special tokens and prompt included.

        Counted by the model's own tokenizer; nothing is truncated. Needs no weights.
        """
        return self._reader.count(texts, role)

    def embed(self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error") -> Vectors:
        """Return one vector per text, in the order of the texts.

        Raises:
            InputError: a text is blank, is not a string, or holds lone surrogates.
            TooLong: a text exceeds `max_tokens` and `on_long` is "error".
        """
        ids = self._reader.read(texts, role, on_long)
        array = np.empty((len(ids), self._space.dimensions), dtype=np.float32)
        if ids and self._devices:
            prompt = self._space.prompt(role)
            array[:] = self._checked(self._devices.encode([prompt + text for text in texts]))
        elif ids:
            padding = self._running.padding
            batches = self._running.run(ids, lambda batch: padded(batch, padding), _pooled)
            for rows, pooled in batches:
                array[rows] = self._checked(pooled)
        if self._space.normalized:
            # Once more in float32: the length of a vector in half precision is only near 1.
            array /= np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-12)
        return Vectors(array, self._space, role)

    def close(self) -> None:
        """End the processes of `devices`; the next `embed` starts them again."""
        if self._devices:
            self._devices.close()

    def _checked(self, pooled: FloatArray) -> FloatArray:
        if pooled.shape[1] != self._space.native_dimensions:
            raise ModelError(
                f"{self._folder.root}: the model's vectors are {pooled.shape[1]} wide, but the "
                f"folder's configuration says {self._space.native_dimensions}"
            )
        return pooled

    def __repr__(self) -> str:
        return f"<TorchEmbedder {self._space.model} space={self._space.id}>"


def _pooled(features: Features) -> FloatArray:
    array: FloatArray = as_float32(features["sentence_embedding"])
    return array


def _load(folder: Path, read: ModelFolder, arithmetic: Arithmetic, device: str, trust: bool) -> Any:
    """Return the modules of a folder, with the pooling that the Space says.

    Normalization is not among them: the embedder does it, in float32.
    """
    _, st = libraries()
    from sentence_transformers.sentence_transformer import modules

    transformer = load_transformer(read.root, arithmetic, trust)
    width = transformer.get_embedding_dimension()
    further = [
        getattr(modules, module.kind).load(str(module.folder), local_files_only=True)
        for module in read_modules(folder, further=True).further
    ]
    pooling = modules.Pooling(width, _POOLINGS[read.space.pooling])
    model = st.SentenceTransformer(modules=[transformer, pooling, *further], device=device)
    model.max_seq_length = read.max_tokens
    return model
