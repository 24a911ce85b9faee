"""Changed copies of a model's folder, for benchmarks/canaries.py."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samespace.models import Embedder, OnnxEmbedder
from samespace.models.derived import DerivedEmbedder
from samespace.space import Space, Vectors

WEIGHTS = "model.safetensors"
WINDOW = 64
KEPT = 256


@dataclass(frozen=True)
class Changed:
    """A changed model: what was done, and what runs it.

    Attributes:
        how: what was done, in words.
        embedder: what makes its vectors.
        of_documents: whether it is documents that it changes, rather than queries.
        space: its Space, where `embedder` does not say it.
    """

    how: str
    embedder: Embedder
    of_documents: bool = False
    space: Space | None = None


def copied(source: Path, target: Path) -> Path:
    """Copy a model's folder, its weights as a link."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(WEIGHTS))
    os.symlink((source / WEIGHTS).resolve(), target / WEIGHTS)
    return target


def edit(file: Path, **fields: Any) -> None:
    """Set fields of a JSON file."""
    values = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**values, **fields}), "utf-8")


def reweigh(folder: Path, change: Callable[[str, Any], Any]) -> None:
    """Save other weights: what `change` makes of each tensor by its name, None to leave it out."""
    from safetensors.numpy import load_file, save_file

    made = {name: change(name, tensor) for name, tensor in load_file(folder / WEIGHTS).items()}
    (folder / WEIGHTS).unlink()
    kept = {name: tensor for name, tensor in made.items() if tensor is not None}
    save_file(kept, folder / WEIGHTS)


def loaded(folder: Path) -> Embedder:
    """Load a folder as samespace does."""
    return OnnxEmbedder(folder)


def noisy(folder: Path, share: float) -> Changed:
    """Add noise to every matrix, `share` of the spread of its numbers."""
    rng = np.random.default_rng(0)

    def change(name: str, tensor: Any) -> Any:
        if tensor.ndim != 2 or "position_ids" in name:
            return tensor
        noise = rng.standard_normal(tensor.shape) * share * tensor.std()
        return (tensor + noise).astype(tensor.dtype)

    reweigh(folder, change)
    return Changed(f"noise of {share:.0%} of each matrix' spread", loaded(folder))


def rounded(folder: Path) -> Changed:
    """Round every matrix to 15 steps."""

    def change(name: str, tensor: Any) -> Any:
        if tensor.ndim != 2 or "position_ids" in name:
            return tensor
        step = np.abs(tensor).max() / 7
        return (np.rint(tensor / step) * step).astype(tensor.dtype)

    reweigh(folder, change)
    return Changed("to 4 bits, one scale for a matrix", loaded(folder))


def without_normalization(folder: Path) -> Changed:
    """Leave out the module that brings vectors to length 1."""
    file = folder / "modules.json"
    modules = [m for m in json.loads(file.read_text("utf-8")) if "Normalize" not in m["type"]]
    file.write_text(json.dumps(modules), "utf-8")
    return Changed("vectors are left at their lengths", loaded(folder))


def _wrong_pooling(folder: Path) -> Changed:
    pooling = {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}
    edit(folder / "1_Pooling/config.json", **pooling)
    return Changed("the first token's vector, not the mean", loaded(folder))


def _prompts(folder: Path, query: str, document: str) -> None:
    said = {"query": query, "document": document}
    edit(folder / "config_sentence_transformers.json", prompts=said)


def _missing_prompt(folder: Path) -> Changed:
    _prompts(folder, "", "passage: ")
    return Changed("queries without theirs", loaded(folder))


def _swapped_roles(folder: Path) -> Changed:
    _prompts(folder, "passage: ", "query: ")
    return Changed("each prompt for the other role", loaded(folder))


def _layer_dropped(folder: Path) -> Changed:
    last = json.loads((folder / "config.json").read_text("utf-8"))["num_hidden_layers"] - 1
    edit(folder / "config.json", num_hidden_layers=last)
    gone = f"encoder.layer.{last}."
    reweigh(folder, lambda name, tensor: None if gone in name else tensor)
    return Changed("the last of six", loaded(folder))


def _lower_casing(folder: Path) -> Changed:
    normalizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))["normalizer"]
    edit(folder / "tokenizer.json", normalizer={**normalizer, "lowercase": False})
    edit(folder / "tokenizer_config.json", do_lower_case=False)
    return Changed("off", loaded(folder))


def _truncated_window(folder: Path) -> Changed:
    edit(folder / "sentence_bert_config.json", max_seq_length=WINDOW)
    return Changed(f"{WINDOW} tokens, for documents too", loaded(folder), of_documents=True)


def _integers(folder: Path) -> Changed:
    return Changed("to int8, by samespace itself", OnnxEmbedder(folder, arithmetic="int8"))


def _shuffled_vocabulary(folder: Path) -> Changed:
    model = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]
    words = [word for word, number in model["vocab"].items() if number > 1000]
    numbers = [model["vocab"][word] for word in words]
    random.Random(0).shuffle(numbers)
    vocab = {**model["vocab"], **dict(zip(words, numbers, strict=True))}
    edit(folder / "tokenizer.json", model={**model, "vocab": vocab})
    return Changed("every word has another's vector", loaded(folder))


class Cut:
    """The first numbers of another embedder's vectors; the others are zero."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self.space, self.max_tokens, self.count = inner.space, inner.max_tokens, inner.count

    def embed(self, texts: Sequence[str], role: Any, *, on_long: Any = "error") -> Vectors:
        """Return vectors of the full width."""
        array = self._inner.embed(texts, role, on_long=on_long).array.copy()
        array[:, KEPT:] = 0
        array /= np.linalg.norm(array, axis=1, keepdims=True)
        return Vectors(array, self.space, role)


def _other_dimensions(folder: Path) -> Changed:
    full = loaded(folder)
    cut = DerivedEmbedder(full, dimensions=KEPT).space
    return Changed(f"the first {KEPT} of 384, filled up with zeros", Cut(full), space=cut)


def _fine_tuned(folder: Path) -> Changed:
    return Changed("on pairs of SQuAD", loaded(folder))


CORRUPTIONS: dict[str, Callable[[Path], Changed]] = {
    "wrong pooling": _wrong_pooling,
    "missing prompt": _missing_prompt,
    "other revision": lambda folder: noisy(folder, 0.1),
    "one layer dropped": _layer_dropped,
    "lower-casing switched": _lower_casing,
    "truncated window": _truncated_window,
    "other normalization": without_normalization,
    "rounded weights": _integers,
    "weights rounded cruder": rounded,
    "shuffled vocabulary": _shuffled_vocabulary,
    "other dimensions": _other_dimensions,
    "another fine-tune of the same base": _fine_tuned,
    "swapped roles": _swapped_roles,
}
"""What may go wrong with a model; each changes the folder that it is given."""
