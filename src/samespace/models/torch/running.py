"""A model of sentence-transformers in this process: where it runs, in what arithmetic, how cut."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import numpy as np

from samespace.errors import (
    InputError,
    MissingExtra,
    ModelError,
    SamespaceError,
    WeightsMismatch,
)
from samespace.models.batching import batches
from samespace.models.digest import weights_digest
from samespace.models.tokenizer import TokenIds
from samespace.space import Arithmetic

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
Features = dict[str, Any]

ON_CPU = 2048
ON_GPU = 16384
"""Padded tokens in one batch. A GPU wants more work at a time than a core's cache holds."""

_ARITHMETIC = tuple(a for a in get_args(Arithmetic) if a != "int8")


def libraries() -> tuple[Any, Any]:
    """Import and return torch and sentence_transformers.

    Raises:
        MissingExtra: one of them is not installed.
    """
    purpose = "Running a model with PyTorch"
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("torch", "torch", purpose) from error
    try:
        import sentence_transformers
    except ImportError as error:
        raise MissingExtra("sentence-transformers", "torch", purpose) from error
    return torch, sentence_transformers


def check_arithmetic(arithmetic: Arithmetic) -> None:
    """Raise InputError for an arithmetic that PyTorch is not asked to run here."""
    if arithmetic not in _ARITHMETIC:
        raise InputError(f"arithmetic must be one of {', '.join(_ARITHMETIC)}, got {arithmetic!r}")


class Running:
    """A model that is loaded at its first use and runs one batch at a time, from any thread.

    One at a time, because some architectures keep what they computed for the last batch, and
    because a batch has all cores or the whole device to itself.

    Args:
        load: makes the model, an nn.Module that takes and returns features, on a device.
        files: what pins it; checked against `digest` before it is loaded.
        digest: their digest when the embedder was made.
        device: where it runs: "cuda", "mps", "cpu"...; by default the first of these there is.
    """

    def __init__(
        self,
        load: Callable[[str], Any],
        files: Sequence[Path],
        digest: str,
        device: str | None = None,
    ) -> None:
        self._load = load
        self._files = files
        self._digest = digest
        self._device = device
        self._model: Any = None
        self._loading = threading.Lock()
        self._running = threading.Lock()

    @property
    def model(self) -> Any:
        """The model, loaded.

        Raises:
            MissingExtra: torch or sentence-transformers is not installed.
            WeightsMismatch: a file changed since the embedder was made.
            ModelError: the libraries cannot load it.
        """
        with self._loading:
            if self._model is None:
                _, sentence_transformers = libraries()
                seen = weights_digest(self._files)
                if seen != self._digest:
                    raise WeightsMismatch(
                        f"{self._files[0]} or a file beside it changed since this was made: "
                        f"expected sha256 {self._digest}, seen {seen}. Load it anew"
                    )
                device = self._device or sentence_transformers.util.get_device_name()
                try:
                    with _quiet():
                        self._model = self._load(device).eval().to(device)
                except SamespaceError:
                    raise
                except Exception as error:
                    # The libraries' errors share no base, and a model's own code raises its own.
                    raise ModelError(
                        f"{self._files[0].parent} cannot be loaded by sentence-transformers: "
                        f"{error}"
                    ) from error
            return self._model

    @property
    def padding(self) -> int:
        """The token id that fills a batch up. No real token sees it."""
        padding: int | None = self.model.tokenizer.pad_token_id
        return padding or 0

    def run(
        self,
        ids: Sequence[TokenIds],
        features: Callable[[Sequence[TokenIds]], Features],
        take: Callable[[Features], T],
        share: int = 1,
    ) -> Iterator[tuple[list[int], T]]:
        """Run texts in batches; yield their positions and what is taken. See `run_rows`.

        Args:
            ids: the token ids of each text.
            features: makes the model's input of the token ids of a batch.
            take: as there.
            share: as there.
        """
        lengths = [len(i) for i in ids]
        return self.run_rows(lengths, lambda rows: features([ids[i] for i in rows]), take, share)

    def run_rows(
        self,
        lengths: Sequence[int],
        features: Callable[[list[int]], Features],
        take: Callable[[Features], T],
        share: int = 1,
    ) -> Iterator[tuple[list[int], T]]:
        """Run inputs in batches of similar length; yield their positions and what is taken.

        A batch that does not fit the device's memory is halved.

        Args:
            lengths: how many tokens the model makes of each input.
            features: makes the model's input of the inputs at these positions, on the CPU.
            take: makes the result of the model's output, while no other batch runs.
            share: by how much a batch is smaller than usual, where its output is large.
        """
        torch, _ = libraries()
        device = next(self.model.parameters()).device
        budget = (ON_CPU if device.type == "cpu" else ON_GPU) // share
        todo = list(batches(lengths, budget))[::-1]
        while todo:
            rows = todo.pop()
            inputs = features(rows)
            try:
                with self._running, torch.inference_mode():
                    moved = {k: v.to(device) if hasattr(v, "to") else v for k, v in inputs.items()}
                    taken = take(self.model(moved))
            except torch.OutOfMemoryError as error:
                if len(rows) == 1:
                    raise ModelError(
                        f"one input of {lengths[rows[0]]} tokens does not fit the memory of "
                        f"{device}: {error}"
                    ) from error
                todo += [rows[len(rows) // 2 :], rows[: len(rows) // 2]]
                continue
            yield rows, taken


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from drawing bars and from listing the weights that a model ignores."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def padded(ids: Sequence[TokenIds], padding: int, least: int = 0) -> Features:
    """Return a batch as the features of sentence-transformers, padded on the right.

    Returns:
        input_ids and attention_mask, int64, (texts, longest or `least`).
    """
    import torch

    lengths = np.array([len(i) for i in ids])
    mask = np.arange(max(lengths.max(), least)) < lengths[:, None]
    filled = np.full(mask.shape, padding, dtype=np.int64)
    filled[mask] = np.concatenate(ids)
    return {
        "input_ids": torch.from_numpy(filled),
        "attention_mask": torch.from_numpy(mask.astype(np.int64)),
    }


def as_float32(tensor: torch.Tensor) -> Any:
    """Return a tensor as a float32 array on the CPU."""
    return tensor.float().cpu().numpy()
