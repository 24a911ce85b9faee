"""A collection on mteb's retrieval and reranking tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from samespace.collection import Collection
from samespace.errors import InputError
from samespace.ingest import Report
from samespace.integrations.mteb.shared import Ledger, OnLong, describe, require_mteb, safe
from samespace.models.base import Embedder, Reranker
from samespace.search import RERANK_DEPTH, Mode
from samespace.store.embedded import EmbeddedStore
from samespace.text.recipe import Recipe
from samespace.types import Document


class SamespaceSearch:
    """A `Collection` as mteb's SearchProtocol.

    Each corpus becomes a collection of its own under `folder`, which later runs find again and
    bring in step instead of embedding it anew. A document's score is that of its best chunk.

    Args:
        folder: where the collections are made.
        embedder: the model.
        mode: "hybrid", "dense" or "lexical".
        settings: of `Collection.create`: max_tokens, overlap, context, chunking, on_long (of
            documents; they are split unless it says otherwise), language.
        on_long: what happens to a query beyond the window: "error", or "truncate", which cuts it
            and counts it in `ledger`.
        reranker: ranks the first `rerank_depth` chunks of each query anew; then mteb is given
            the documents of these only, so its recall beyond them is that of the depth.

    Attributes:
        ledger: what was cut off queries.
        reports: for each corpus what became of it; `failed` lists documents left out because
            they hold no text, `tokens_dropped` what was cut off documents.

    Raises:
        MissingExtra: mteb is not installed.
        InputError: settings that cannot be.
    """

    def __init__(
        self,
        folder: str | Path,
        embedder: Embedder,
        *,
        mode: Mode = "hybrid",
        settings: Mapping[str, Any] | None = None,
        on_long: OnLong = "error",
        reranker: Reranker | None = None,
        rerank_depth: int = RERANK_DEPTH,
    ) -> None:
        require_mteb()
        self.folder = Path(folder)
        self.embedder = embedder
        self.mode: Mode = mode
        self.settings = {"max_tokens": embedder.max_tokens, **(settings or {})}
        self.recipe = Recipe(**self.settings)
        self.on_long: OnLong = on_long
        self.reranker = reranker
        self.rerank_depth = rerank_depth
        self.ledger = Ledger()
        self.reports: dict[str, Report] = {}
        self._collection: Collection | None = None

    @property
    def mteb_model_meta(self) -> Any:
        """mteb's description: the revision names Space, recipe, mode and reranker."""
        parts = [self.embedder.space.id, self.recipe.id, self.mode]
        if self.reranker is not None:
            parts += [self.reranker.name, str(self.rerank_depth)]
        return describe(self.embedder, safe("-".join(parts)))

    def index(
        self,
        corpus: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        encode_kwargs: Any,
        num_proc: int | None,
        **kwargs: Any,
    ) -> None:
        """Make the collection of a corpus, or bring the one of an earlier run in step.

        Raises:
            As `Collection.create` and `Collection.sync`.
        """
        self.close()
        name = safe(
            f"{task_metadata.name}-{hf_split}-{hf_subset}-{self.embedder.space.id}-{self.recipe.id}"
        )
        path = self.folder / name
        self._collection = (
            Collection.open(path, model=self.embedder)
            if EmbeddedStore.exists(path)
            else Collection.create(path, self.embedder, **self.settings)
        )
        self.reports[name] = self._collection.sync(_document(row) for row in corpus)

    def search(
        self,
        queries: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        top_k: int,
        encode_kwargs: Any,
        top_ranked: Mapping[str, Iterable[str]] | None = None,
        num_proc: int | None,
        **kwargs: Any,
    ) -> dict[str, dict[str, float]]:
        """Return {query: {document: score}}, at most `top_k` documents each.

        Reranking tasks give the candidates of each query (`top_ranked`); only these are ranked.

        Raises:
            TooLong: a query exceeds the window and `on_long` is "error".
            InputError: nothing was indexed, or a query is no text.
        """
        if self._collection is None:
            raise InputError("nothing was indexed: mteb calls index() before search()")
        texts = dict(_query(row) for row in queries)
        if self.on_long == "truncate":
            self.ledger.add(self.embedder, list(texts.values()), "query")
        else:
            self.ledger.texts += len(texts)
        found: dict[str, dict[str, float]] = {}
        for query, text in texts.items():
            candidates = None if top_ranked is None else list(top_ranked.get(query, ()))
            if candidates == []:
                found[query] = {}
                continue
            run = self._collection.run(
                {query: text},
                top_k if self.reranker is None else min(top_k, self.rerank_depth),
                mode=self.mode,
                where=None if candidates is None else _only(candidates),
                on_long=self.on_long,
                reranker=self.reranker,
                rerank_depth=self.rerank_depth,
            )
            found |= run.documents()
        return found

    def close(self) -> None:
        """Close the collection that was indexed last."""
        if self._collection is not None:
            self._collection.close()
            self._collection = None


def _document(row: Mapping[str, Any]) -> Document:
    return Document(id=str(row["id"]), title=row.get("title") or "", text=row["text"])


def _query(row: Mapping[str, Any]) -> tuple[str, str]:
    text = row["text"]
    if not isinstance(text, str):
        raise InputError(f"query {row['id']!r}: expected a text, got a {type(text).__name__}")
    # As mteb itself joins them for the models that it ships.
    instruction = row.get("instruction")
    return str(row["id"]), f"{text} {instruction}" if instruction else text


def _only(documents: Iterable[str]) -> str:
    """Return the filter that accepts these documents and no others."""
    quoted = ", ".join("'" + document.replace("'", "''") + "'" for document in documents)
    return f"id IN ({quoted})"
