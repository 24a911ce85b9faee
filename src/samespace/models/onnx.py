"""Dense text embedding with ONNX Runtime, without PyTorch."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from samespace.errors import InputError, WeightsMismatch
from samespace.models.batching import BUDGET, batches, workers
from samespace.models.catalog import ModelCard
from samespace.models.digest import weights_digest
from samespace.models.encoder import read_encoder
from samespace.models.facts import Given
from samespace.models.folder import read_folder
from samespace.models.inputs import OnLongText
from samespace.models.reading import folder_reader
from samespace.models.session import Loaded, Session
from samespace.models.tokenizer import TokenIds
from samespace.space import Arithmetic, FloatArray, Metric, Pooling, Space, Vectors
from samespace.types import Role

_MOST_THREADS = 4
"""For one text: the layers of a short one have no work for more."""

_KEPT_TWICE = 256 * 2**20
"""Bytes of weights up to which a process holds both sessions: the second is a second copy."""

_ARITHMETIC: tuple[Arithmetic, ...] = ("float32", "float16", "int8")


class OnnxEmbedder:
    """Embeds texts with a model from a folder: safetensors of a BERT-like encoder, or ONNX.

    Making one is cheap: configurations and digests are read, weights are not. The runtime is
    imported and the weights are mapped at the first `embed`. What the folder says (pooling,
    normalization, window, prompts, metric) is taken as it is; what it does not say must be
    given here.

    Args:
        folder: the model's folder.
        card: the catalog's entry that the folder must hold; weights and tokenizer are checked.
        name: the model's name in its Space; by default the catalog's, else the folder's.
        pooling: "mean", "cls", "last", or "none" for an ONNX graph that pools by itself.
        normalized: whether vectors are brought to length 1.
        max_tokens: the window, up to the model's positions.
        metric: how vectors are compared.
        prompts: what is put before a text, for each role.
        arithmetic: "float32"; "float16", for half the memory and all but the same vectors; or
            "int8", for more speed and vectors that are only near. It is part of the Space.

    Raises:
        InputError: `arithmetic` is not one of these.
        ModelNotFound: the folder is absent or holds no model.
        ModelError: a fact is missing or contradictory, or the model is of a kind that
            samespace does not run; the message names the file and the field.
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
        arithmetic: Arithmetic = "float32",
    ) -> None:
        if arithmetic not in _ARITHMETIC:
            raise InputError(
                f"arithmetic must be one of {', '.join(_ARITHMETIC)} on ONNX Runtime, got "
                f"{arithmetic!r}"
            )
        given = Given(name, pooling, normalized, max_tokens, metric, prompts)
        self._folder = read_folder(Path(folder), card=card, given=given)
        self._space = dataclasses.replace(self._folder.space, arithmetic=arithmetic)
        self._reader = folder_reader(self._folder, self._space)
        self._lock = threading.Lock()
        self._narrow: Session | None = None
        self._wide: Session | None = None
        self._wide_in = 0

    @property
    def space(self) -> Space:
        """The space of every vector that this makes."""
        return self._space

    @property
    def max_tokens(self) -> int:
        """The model's window in tokens, special tokens and prompt included."""
        return self._folder.max_tokens

    def require_runnable(self) -> None:
        """Raise ModelError if the architecture is not one that runs here; loads no weights."""
        if self._folder.kind == "safetensors":
            read_encoder(self._folder.config)

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes, special tokens and prompt included.

        Counted by the model's own tokenizer; nothing is truncated. Needs no weights.
        """
        return self._reader.count(texts, role)

    def embed(self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error") -> Vectors:
        """Return one vector per text, in the order of the texts.

        Args:
            texts: what to embed; the role's prompt is put before each by this method.
            role: "query" or "document".
            on_long: "error", or "truncate" to keep only the first `max_tokens` tokens.

        Raises:
            InputError: a text is blank, is not a string, or holds lone surrogates.
            TooLong: a text exceeds `max_tokens` and `on_long` is "error".
        """
        ids = self._reader.read(texts, role, on_long)
        array = np.empty((len(ids), self.space.dimensions), dtype=np.float32)
        if ids:
            self._run(ids, array)
        return Vectors(array, self.space, role)

    def _run(self, ids: Sequence[TokenIds], array: FloatArray) -> None:
        session = self._session_for(len(ids))

        def run(rows: list[int]) -> None:
            array[rows] = session.run([ids[i] for i in rows])

        # In int8 one scale rounds all that is in a batch: each text must be alone in its own.
        budget = 1 if self._space.arithmetic == "int8" else BUDGET
        cut = list(batches([len(i) for i in ids], budget))
        parallel = min(workers(), len(cut))
        if parallel == 1:
            for rows in cut:
                run(rows)
            return
        # Threads of its own for each call: they cost a fraction of one batch, and none is left
        # behind in a process that forks.
        with ThreadPoolExecutor(parallel, thread_name_prefix="samespace-embed") as pool:
            for _ in pool.map(run, cut):
                pass

    def _session_for(self, texts: int) -> Session:
        """Return the session for a call: one text alone gets several cores, many get one each."""
        with self._lock:
            here, threads = os.getpid(), min(workers(), _MOST_THREADS)
            large = sum(file.stat().st_size for file in self._folder.weights) > _KEPT_TWICE
            # A fork has the wide session, but not its threads.
            wide = texts == 1 and threads > 1 and self._wide_in in (0, here)
            if wide and not (large and self._narrow):
                if self._wide is None:
                    self._wide, self._wide_in = self._open(threads), here
                return self._wide
            if self._narrow is None:
                self._narrow = self._open(1)
                if large and self._wide_in == here:
                    self._wide = None
            return self._narrow

    def _open(self, threads: int) -> Session:
        other = self._narrow or self._wide
        if other:
            return Session(other.model, threads)
        seen = weights_digest(self._folder.weights)
        if seen != self.space.weights:
            raise WeightsMismatch(
                f"{self._folder.weights[0]} changed since this embedder was made: "
                f"expected sha256 {self.space.weights}, seen {seen}. Load it anew"
            )
        return Session(Loaded.read(self._folder, self._space.arithmetic), threads)

    def __repr__(self) -> str:
        return f"<OnnxEmbedder {self.space.model} space={self.space.id}>"
