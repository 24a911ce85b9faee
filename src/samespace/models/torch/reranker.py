"""Cross-encoders with PyTorch: a model that reads query and text together and scores the pair."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samespace.errors import ModelError, ModelNotFound, TooLong
from samespace.models.as_trained import check_as_trained
from samespace.models.catalog import ModelCard, find
from samespace.models.digest import weights_digest
from samespace.models.facts import tokenizer_identity, window
from samespace.models.files import JsonFile, read_object
from samespace.models.folder import folder_name, hub_name, torch_weights
from samespace.models.inputs import OnLongText, check_on_long, check_texts
from samespace.models.modules import list_modules
from samespace.models.tensors import Tensors
from samespace.models.torch.running import Features, Running, check_arithmetic, libraries
from samespace.models.weights import check_weights
from samespace.space import Arithmetic

_PAIRS_AT_ONCE = 256
_UNCUT = {"text": {"truncation": False}}


class TorchReranker:
    """Scores how well texts answer a query with a cross-encoder from a folder.

    Scores are those of sentence-transformers' `CrossEncoder.predict`: whatever activation the
    folder names, else a sigmoid. A model that judges by an answer in words ("yes" or "no", as
    Qwen3-Reranker) runs where its folder has sentence-transformers' modules.json, which says
    which words and in which frame.

    Args:
        folder: the model's folder. Nothing is fetched.
        card: the catalog's entry that the folder must hold.
        name: what it is called in reports; by default the catalog's name, else the folder's.
        max_tokens: the window of a pair, up to the model's positions.
        on_long: what happens to a pair beyond the window: "error", or "truncate" by name, which
            shortens the longer of query and text.
        prompt: an instruction before every pair, in place of the folder's own.
        device: where it runs; by default a GPU where there is one.
        arithmetic: what the weights are rounded to.
        trust_remote_code: run Python code that lies in the folder. The digests do not pin it.

    Raises:
        ModelNotFound: the folder is absent or holds no model.
        ModelError: it is no cross-encoder, or what it lacks would be guessed.
        WeightsMismatch: the weights are not those of `card`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        card: ModelCard | None = None,
        name: str | None = None,
        max_tokens: int | None = None,
        on_long: OnLongText = "error",
        prompt: str | None = None,
        device: str | None = None,
        arithmetic: Arithmetic = "float32",
        trust_remote_code: bool = False,
    ) -> None:
        check_on_long(on_long)
        check_arithmetic(arithmetic)
        path = Path(folder)
        if not path.is_dir():
            raise ModelNotFound(f"there is no folder {path}; expected one with a model's files")
        modules = list_modules(path)
        root = modules[0].folder if modules else path
        config = read_object(root / "config.json")
        _check_architecture(path, config, stated=bool(modules))
        check_as_trained(config, trusted=trust_remote_code)
        if card and card.weights:
            check_weights(root / card.weights_file, card)
        weights = torch_weights(root, card)
        files = weights + tuple(f for m in modules[1:] for f in m.files)
        digest = weights_digest(files)
        known = card or find(hub_name(path))
        self._root = root
        self._name = name or (known.name if known else folder_name(path))
        self._identity = f"{digest}+{tokenizer_identity(root)}"
        if arithmetic != "float32":
            self._identity += f"+{arithmetic}"
        self._max_tokens = window(root, config, known, max_tokens)
        self._on_long = on_long
        self._prompt = prompt
        self._reading = threading.Lock()

        def load(device: str) -> Any:
            torch, st = libraries()
            model = st.CrossEncoder(
                str(path),
                device=device,
                local_files_only=True,
                trust_remote_code=trust_remote_code,
                model_kwargs={"dtype": getattr(torch, arithmetic)},
            )
            _check_head(model, config.path, weights)
            model.max_seq_length = self._max_tokens
            return model

        self._running = Running(load, files, digest, device)

    @property
    def name(self) -> str:
        """What it is called in reports."""
        return self._name

    @property
    def identity(self) -> str:
        """What pins it: the digests of its weights and tokenizer, and arithmetic beside float32."""
        return self._identity

    @property
    def max_tokens(self) -> int:
        """The window in tokens, for query and text together with all that frames them."""
        return self._max_tokens

    def count(self, query: str, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text takes together with the query; nothing is cut."""
        checked = check_texts(texts, blank=True)
        lengths: list[int] = []
        for start in range(0, len(checked), _PAIRS_AT_ONCE):
            features = self._read(query, checked[start : start + _PAIRS_AT_ONCE], cut=False)
            lengths += features["attention_mask"].sum(dim=1).tolist()
        return lengths

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the score of each text, in the order of the texts; higher answers better.

        Raises:
            InputError: query or a text is blank, is not a string, or holds lone surrogates.
            TooLong: a pair exceeds `max_tokens` and `on_long` is "error".
        """
        check_texts([query], blank=False)
        checked = check_texts(texts, blank=False)
        scores: list[float] = []
        for start in range(0, len(checked), _PAIRS_AT_ONCE):
            scores += self._score(query, checked[start : start + _PAIRS_AT_ONCE], start)
        return scores

    def _score(self, query: str, texts: Sequence[str], first: int) -> list[float]:
        features = self._read(query, texts, cut=False)
        lengths = features["attention_mask"].sum(dim=1).tolist()
        longest = max(lengths)
        if longest > self._max_tokens:
            if self._on_long == "error":
                raise TooLong(
                    f"text {first + lengths.index(longest)} takes {longest} tokens with the "
                    f"query, but the window of {self._name} is {self._max_tokens}. Rerank "
                    'shorter chunks, or make the reranker with on_long="truncate"'
                )
            features = self._read(query, texts, cut=True)
            lengths = features["attention_mask"].sum(dim=1).tolist()
        scores = [0.0] * len(texts)
        for rows, found in self._running.run_rows(
            lengths, lambda rows: _part(features, rows), self._take
        ):
            for row, score in zip(rows, found, strict=True):
                scores[row] = score
        bad = [i for i, score in enumerate(scores) if not math.isfinite(score)]
        if bad:
            raise ModelError(
                f"{self._name} scores text {first + bad[0]} as {scores[bad[0]]}; expected a "
                "finite number"
            )
        return scores

    def _read(self, query: str, texts: Sequence[str], *, cut: bool) -> Features:
        """Return all pairs as features, padded to the longest."""
        model = self._running.model
        prompt = self._prompt
        if prompt is None and model.default_prompt_name is not None:
            prompt = model.prompts.get(model.default_prompt_name)
        # The tokenizer keeps its truncation as a state of its own.
        with self._reading:
            features: Features = model.preprocess(
                [(query, text) for text in texts],
                prompt=prompt,
                processing_kwargs=None if cut else _UNCUT,
            )
        return features

    def _take(self, features: Features) -> list[float]:
        scores = self._running.model.activation_fn(features["scores"].float())
        found: list[float] = scores.reshape(-1).tolist()
        return found

    def __repr__(self) -> str:
        return f"<TorchReranker {self._name}>"


def _part(features: Features, rows: list[int]) -> Features:
    """Return some rows of padded features, with no more padding than they need."""
    mask = features["attention_mask"][rows]
    used = mask.any(dim=0).nonzero()[:, 0]
    columns = slice(int(used[0]), int(used[-1]) + 1)
    full = features["attention_mask"].shape
    return {
        name: value[rows][:, columns] if getattr(value, "shape", None) == full else value
        for name, value in features.items()
    }


def _check_architecture(folder: Path, config: JsonFile, *, stated: bool) -> None:
    if not config.values:
        raise ModelNotFound(f"{folder} holds no model: {config.path} is absent or empty")
    architectures = config.texts("architectures")
    if any(a.endswith("ForSequenceClassification") for a in architectures):
        return
    if not stated:
        raise ModelError(
            f"{config.path}: architectures is {list(architectures)}; a cross-encoder has one that "
            "ends in ForSequenceClassification, or a modules.json of sentence-transformers that "
            "says how its answer becomes a score. From another model the scores would be random"
        )


def _check_head(model: Any, config: Path, weights: Sequence[Path]) -> None:
    """Refuse a model that scores several classes, or whose head transformers made up."""
    if model.num_labels != 1:
        raise ModelError(
            f"{config} names {model.num_labels} labels: the model sorts pairs into classes, and "
            "which of them means that a text answers a query is not known"
        )
    loaded = model[0].model
    if type(loaded).__name__.endswith("ForSequenceClassification"):
        base = f"{loaded.base_model_prefix}."
        heads = {name for name, _ in loaded.named_parameters() if not name.startswith(base)}
        missing = sorted(heads - set(Tensors(weights).names()))
        if missing:
            raise ModelError(
                f"{weights[0]} lacks the head that scores a pair ({', '.join(missing)}); "
                "transformers would make up a random one"
            )
