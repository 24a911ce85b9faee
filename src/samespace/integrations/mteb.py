"""samespace inside the `mteb` package: an embedder, or a whole collection, on its tasks.

    import mteb
    from samespace.integrations.mteb import SamespaceEncoder, SamespaceSearch
    from samespace.models import load

    model = load("all-MiniLM-L6-v2")
    mteb.evaluate(SamespaceEncoder(model, on_long="truncate"), mteb.get_task("STSBenchmark"))
    mteb.evaluate(SamespaceSearch("runs", model, mode="hybrid"), mteb.get_task("SciFact"))

The first measures the model alone, on any task of texts; the second what `Collection` makes of
it, on retrieval and reranking: cut into chunks, searched by both ways, reranked. Both follow the
protocols of mteb 2.26, and mteb itself is imported only when one of them is made.

mteb keeps results by a model's name and revision. Both are given here so that no two spaces, and
no two recipes or modes, can ever share one.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from samespace.collection import Collection
from samespace.errors import InputError, MissingExtra
from samespace.ingest import Report
from samespace.models.base import Embedder, Reranker
from samespace.search import RERANK_DEPTH, Mode
from samespace.space import FloatArray
from samespace.text.recipe import Recipe
from samespace.types import Document, Role

OnLong = Literal["error", "truncate"]


class Ledger:
    """Counts the texts given to a model and what was cut off them.

    Attributes:
        texts: how many were embedded.
        texts_cut: how many of them did not fit the window and were cut.
        tokens_dropped: how many tokens that cost.
    """

    def __init__(self) -> None:
        self.texts = self.texts_cut = self.tokens_dropped = 0

    def add(self, embedder: Embedder, texts: list[str], role: Role) -> None:
        """Count texts that are about to be embedded with `on_long="truncate"`."""
        over = [tokens - embedder.max_tokens for tokens in embedder.count(texts, role)]
        self.texts += len(texts)
        self.texts_cut += sum(tokens > 0 for tokens in over)
        self.tokens_dropped += sum(tokens for tokens in over if tokens > 0)


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
        _mteb()
        if on_long not in ("error", "truncate"):
            raise InputError(f'on_long must be "error" or "truncate", got {on_long!r}')
        self.embedder = embedder
        self.on_long: OnLong = on_long
        self.ledger = Ledger()

    @property
    def mteb_model_meta(self) -> Any:
        """mteb's description of the model: its name, and the Space id as its revision."""
        return _meta(self.embedder, self.embedder.space.id)

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
        _mteb()
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
        return _meta(self.embedder, _safe("-".join(parts)))

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
        name = _safe(
            f"{task_metadata.name}-{hf_split}-{hf_subset}-{self.embedder.space.id}-{self.recipe.id}"
        )
        path = self.folder / name
        self._collection = (
            Collection.open(path, model=self.embedder)
            if path.exists()
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


def _mteb() -> Any:
    """Return the mteb package, which takes seconds to import."""
    try:
        return importlib.import_module("mteb")
    except ImportError as error:
        raise MissingExtra("mteb", "mteb", "evaluating with mteb") from error


def _meta(embedder: Embedder, revision: str) -> Any:
    space = embedder.space
    models = importlib.import_module("mteb.models.model_meta")
    return models.ModelMeta.create_empty(
        {
            # Not the model's own name: its published results must not be taken for these.
            "name": f"samespace/{_safe(space.model)}",
            "revision": revision,
            "similarity_fn_name": models.ScoringFunction(space.metric),
            "embed_dim": space.dimensions,
            "max_tokens": embedder.max_tokens,
            "use_instructions": bool(space.prompts),
        }
    )


def _safe(name: str) -> str:
    """Return a name that is one part of a path: mteb makes folders of names and revisions."""
    return re.sub(r"[^\w.+-]+", "_", name)


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
