"""An embedder on mteb's tasks."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from samespace.errors import InputError
from samespace.integrations.mteb.shared import Ledger, OnLong, describe, require_mteb
from samespace.models.base import Embedder
from samespace.space import FloatArray
from samespace.types import Role


class SamespaceEncoder:
    """An `Embedder` as mteb's EncoderProtocol.

    mteb's prompt type chooses the role: a query is embedded as "query", a document as
    "document". Tasks that treat both sides alike (similarity, pair classification,
    classification, clustering) name no prompt type; their texts are embedded as "document".
    mteb's own instructions are not used: prompts are the Space's.

    Args:
        embedder: the model.
        on_long: "error" refuses a text beyond the window; "truncate" cuts it, as the models that
            mteb ships do without a word, and counts it in `ledger`. Figures to be compared with
            the leaderboard's want "truncate".

    Raises:
        MissingExtra: mteb is not installed.
    """

    def __init__(self, embedder: Embedder, *, on_long: OnLong = "error") -> None:
        require_mteb()
        if on_long not in ("error", "truncate"):
            raise InputError(f'on_long must be "error" or "truncate", got {on_long!r}')
        self.embedder = embedder
        self.on_long: OnLong = on_long
        self.ledger = Ledger()

    @property
    def mteb_model_meta(self) -> Any:
        """mteb's description of the model: its name, and the Space id as its revision."""
        return describe(self.embedder, self.embedder.space.id)

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        **kwargs: Any,
    ) -> FloatArray:
        """Return one vector per text of all batches, shape (n, dimensions), float32.

        Raises:
            TooLong: a text exceeds the window and `on_long` is "error".
            InputError: an input without text, or mteb asks for another precision.
        """
        if kwargs.get("precision") not in (None, "float32"):
            raise InputError(
                f"mteb asks for precision {kwargs['precision']!r}, but the precision of vectors "
                "belongs to their Space; give an embedder that has it"
            )
        role: Role = (
            "query" if getattr(prompt_type, "value", prompt_type) == "query" else "document"
        )
        texts: list[str] = []
        for batch in inputs:
            if "text" not in batch:
                raise InputError(f"expected inputs with text, got {', '.join(batch)}")
            texts.extend(batch["text"])
        if self.on_long == "truncate":
            self.ledger.add(self.embedder, texts, role)
        else:
            self.ledger.texts += len(texts)
        return self.embedder.embed(texts, role, on_long=self.on_long).array

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Return the nearness of every pair on the space's metric, shape (n, m)."""
        return self._select("select_similarity", embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Return the nearness of row i and row i on the space's metric, shape (n,)."""
        return self._select("select_pairwise_similarity", embeddings1, embeddings2)

    def _select(self, function: str, a: Any, b: Any) -> Any:
        functions = importlib.import_module("mteb.similarity_functions")
        metric = functions.ScoringFunction(self.embedder.space.metric)
        return getattr(functions, function)(a, b, metric)
