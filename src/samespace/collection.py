"""The Collection: a recipe, a Space and a Store bound together. The one façade."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from samespace.asking import ask_all
from samespace.embedders import Embedders, loaded
from samespace.errors import DocumentNotFound, InputError, SpaceMismatch
from samespace.handed import add_vectors, named, require_query
from samespace.ingest import Progress, Report
from samespace.ingest.inputs import Inputs, PathLike
from samespace.ingest.prepare import as_cleaned
from samespace.models.agreement import for_canaries
from samespace.models.base import Embedder, Reranker
from samespace.models.cache import Cache
from samespace.models.loading import lasting_name
from samespace.run import Run
from samespace.search import RERANK_DEPTH, Mode, Request, Results, rerank, retrieve
from samespace.space import FloatArray, Space, Vectors, record_canaries
from samespace.store.base import Header, StoredDocument
from samespace.store.embedded import EmbeddedStore
from samespace.store.sides import described_move, history
from samespace.text.chunk import chunk
from samespace.text.load import LoadOptions
from samespace.text.recipe import Recipe
from samespace.types import Chunk, Document, OnLong, Role
from samespace.writing import write

if TYPE_CHECKING:
    from samespace.models.hosted.budget import Budget
    from samespace.verify import Verified

DEFAULT_MODEL = "all-MiniLM-L6-v2"


class Collection:
    """Documents, their chunks and their vectors in one folder, searchable.

    Every vector in it lives in one Space, fixed when the collection is made. Another model is
    refused before anything is embedded.

    >>> import samespace, tempfile
    >>> from samespace.models import HashEmbedder
    >>> folder = tempfile.mkdtemp() + "/kb"
    >>> with samespace.Collection.create(folder, model=HashEmbedder()) as collection:
    ...     report = collection.add(samespace.Document(id="1", text="Cats purr. Dogs bark."))
    ...     collection.search("what does a cat do").hits[0].chunk.document
    '1'
    """

    def __init__(
        self,
        store: EmbeddedStore,
        embedder: Embedder | None = None,
        cache: Cache = True,
        budget: Budget | None = None,
    ) -> None:
        self._store = store
        self._side: int | None = None
        self._embedders = Embedders(store.path, cache, budget)
        if embedder is not None:
            self._embedders.give(embedder, store.header, f"opening {store.path}")

    @classmethod
    def create(
        cls,
        path: PathLike,
        model: PathLike | Embedder = DEFAULT_MODEL,
        *,
        max_tokens: int | None = None,
        overlap: int = 0,
        context: bool = True,
        chunking: str = "structure",
        on_long: OnLong = "split",
        language: str = "en",
        cache: Cache = True,
        budget: Budget | None = None,
    ) -> Collection:
        """Make a new, empty collection.

        Args:
            path: a folder that does not exist yet, or is empty.
            model: a name of the catalog, a model folder, or an object that is an `Embedder`.
            max_tokens: the budget of one chunk; the model's window if None.
            overlap: tokens that neighbouring chunks share at most.
            context: whether title and heading path are embedded with each chunk.
            chunking: "structure", or "document" to keep documents whole where they fit.
            on_long: what happens to a text that does not fit the window: "split", "error", or
                "truncate", which cuts it and counts what was cut.
            language: ISO 639-1 code, for sentences and for lexical analysis.
            cache: whether vectors of a model given by name or folder are looked up in the cache
                that all collections share, and kept there; or a `VectorCache` of one's own.
            budget: what may be spent on a hosted model given by name, canaries included; an
                object has a budget of its own.

        Raises:
            CollectionExists: something is at the path.
            ModelNotFound, WeightsMismatch: the model cannot be had, or is another than pinned.
            InputError: a setting that cannot be.
        """
        EmbeddedStore.require_free(path)
        embedder = loaded(model, cache, budget)
        window = embedder.max_tokens
        if max_tokens is not None and max_tokens > window:
            raise InputError(
                f"max_tokens is {max_tokens}, but the window of {embedder.space.model} is "
                f"{window} tokens; give at most that"
            )
        recipe = Recipe(
            max_tokens=window if max_tokens is None else max_tokens,
            overlap=overlap,
            context=context,
            chunking=chunking,  # type: ignore[arg-type]
            on_long=on_long,
            language=language,
        )
        header = Header(
            space=embedder.space,
            canaries=record_canaries(for_canaries(embedder)),
            model=lasting_name(model),
            recipe=recipe.to_dict(),
            language=language,
        )
        collection = cls(EmbeddedStore.create(path, header), None, cache, budget)
        # Its canaries were recorded a moment ago: there is nothing to compare them with.
        collection._embedders.trust(embedder, header)
        return collection

    @classmethod
    def open(
        cls,
        path: PathLike,
        model: PathLike | Embedder | None = None,
        *,
        cache: Cache = True,
        budget: Budget | None = None,
    ) -> Collection:
        """Open a collection.

        Args:
            path: its folder.
            model: where its model is, if it cannot be found by the name that the collection
                was made with. It must be the same model: its Space is compared. If it only
                computes in another arithmetic, its vectors must be those that were recorded.
            cache, budget: as for `create`.

        Raises:
            CollectionNotFound, CollectionDamaged, FormatTooNew: the folder.
            SpaceMismatch: `model` is another one than the collection's.
        """
        store = EmbeddedStore.open(path)
        try:
            given = None if model is None else loaded(model, cache, budget)
            return cls(store, given, cache, budget)
        except BaseException:
            store.close()
            raise

    @property
    def path(self) -> Path:
        """The folder of the collection."""
        return self._store.path

    @property
    def store(self) -> EmbeddedStore:
        """Where the rows and vectors are: for migrations and checks."""
        return self._store

    @property
    def embedders(self) -> Embedders:
        """The models, by Space: for migrations and checks."""
        return self._embedders

    def at_side(self, number: int) -> Collection:
        """Return a view of another side of the store, to search in, on the same open files."""
        view = copy.copy(self)
        view._side = number
        return view

    @property
    def space(self) -> Space:
        """The Space of every vector that is searched; a migration may switch it."""
        return self._header.space

    @property
    def recipe(self) -> Recipe:
        """How documents are cut; a migration may switch it."""
        return Recipe.from_dict(self._header.recipe)

    @property
    def embedder(self) -> Embedder:
        """The model, loaded when first needed and compared with the collection's Space.

        Raises:
            ModelNotFound: it cannot be found; open the collection with `model=`.
            SpaceMismatch: what was found under its name is another model.
        """
        return self._embedders.of(self._header)

    @property
    def _header(self) -> Header:
        return self._store.header if self._side is None else self._store.side_header(self._side)

    def add(
        self,
        inputs: Inputs,
        *,
        options: LoadOptions | None = None,
        wait: float = 0.0,
        progress: Progress = lambda report: None,
    ) -> Report:
        """Add documents, or bring them up to date; what is unchanged costs nothing.

        Args:
            inputs: files, folders, globs, "-" for standard input, or `Document` objects.
            options: how files are read.
            wait: seconds to wait for another writer.
            progress: called after every commit with the report so far.

        Returns:
            What was added, updated and left alone, and what failed and why.

        Raises:
            InputError: a path that is not there; nothing was changed.
            CollectionLocked: another process is writing.
            SpaceMismatch, ModelDrift: the model is not the collection's.
        """
        return write(self._store, self._embedders, inputs, options, wait, progress, remove=False)

    def sync(
        self,
        inputs: Inputs,
        *,
        options: LoadOptions | None = None,
        wait: float = 0.0,
        progress: Progress = lambda report: None,
    ) -> Report:
        """Do as `add`, and remove the documents that are gone from the inputs.

        Gone is a document that came from a file under the given paths and is there no more.
        A file that is there but cannot be read keeps what it gave before. Where `Document`
        objects are given, every document that was added as an object and is not among them is
        removed. A document that moved with the same content embeds nothing.
        """
        return write(self._store, self._embedders, inputs, options, wait, progress, remove=True)

    def delete(
        self, ids: str | Iterable[str] = (), *, where: str | None = None, wait: float = 0.0
    ) -> int:
        """Delete documents by id, by filter, or both; return how many.

        They are not found any more at once; `compact` erases them physically.

        Raises:
            DocumentNotFound: one of the ids is not there; nothing was deleted.
            FilterError: the filter does not parse.
        """
        names = [ids] if isinstance(ids, str) else list(ids)
        if not names and where is None:
            raise InputError("nothing to delete: give ids or a filter (where=...)")
        with self._store.write(wait) as writer, self._store.read() as reader:
            missing = [name for name in names if reader.content_hash(name) is None]
            if missing:
                raise DocumentNotFound(
                    f"{self.path} has no document {missing[0]!r}"
                    + (f" (nor {len(missing) - 1} more of those given)" if missing[1:] else "")
                    + "; nothing was deleted"
                )
            found = set(names)
            if where is not None:
                found.update(document.id for document in reader.documents(where=where))
            deleted = writer.delete(found)
            writer.commit()
        return deleted

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        mode: Mode = "hybrid",
        where: str | None = None,
        offset: int = 0,
        by_document: bool = False,
        on_long: OnLong = "error",
        reranker: Reranker | None = None,
        rerank_depth: int = RERANK_DEPTH,
        vector: Vectors | None = None,
    ) -> Results:
        """Find the chunks that answer a question.

        Args:
            query: the question.
            k: how many hits, from 1.
            mode: "hybrid" (dense and lexical ranks fused), "dense" or "lexical".
            where: a filter over the documents' metadata, such as `year >= 2020 AND lang = 'en'`.
            offset: how many hits to leave out from the top.
            by_document: at most one hit per document, its best chunk.
            on_long: what happens to a query longer than the model's window: "error", or
                "truncate" where that is asked for by name.
            reranker: ranks the first hits anew, see `samespace.models.load_reranker`.
            rerank_depth: how many hits it ranks anew, at least `offset + k`.
            vector: the question's vector, if it is embedded already: one row of `Vectors` in the
                query role. An array without its Space is refused; see `vectors`.

        Returns:
            The hits, best first; fewer than k where the collection holds fewer.

        Raises:
            InputError: an empty query, k below 1, an unknown mode.
            FilterError: the filter does not parse.
            TooLong: the query does not fit the window.
            SpaceMismatch, ModelDrift: the model is not the collection's.
        """
        if on_long not in ("error", "truncate"):
            raise InputError(f'on_long must be "error" or "truncate" for a query, got {on_long!r}')
        started = time.perf_counter()
        request = Request(query, k, mode, where, offset, by_document)
        if vector is not None:
            require_query(vector)
        if reranker is not None:
            depth = max(request.offset + request.k, rerank_depth)
            request = dataclasses.replace(request, k=depth, offset=0)
        with self._store.read(self._side) as reader:
            header = reader.header
            if vector is not None:
                header.space.require(vector.space, f"querying {self.path}")
            hits = retrieve(
                reader,
                request,
                lambda: vector or self._embedders.query_vector(header, query, on_long),
            )
        if reranker is not None:
            hits = rerank(query, hits, reranker)[offset : offset + k]
        took_ms = (time.perf_counter() - started) * 1000
        bridge = "" if vector is not None or mode == "lexical" else self._embedders.bridge(header)
        return Results(query, mode, header.space.id, took_ms, hits, bridge, header.recipe_id)

    def run(
        self,
        queries: Mapping[str, str],
        k: int = 100,
        *,
        mode: Mode = "hybrid",
        where: str | None = None,
        by_document: bool = True,
        on_long: OnLong = "error",
        reranker: Reranker | None = None,
        rerank_depth: int = RERANK_DEPTH,
        name: str = "",
        progress: Callable[[int], None] = lambda done: None,
    ) -> Run:
        """Ask every query, one after the other as users would, and return all that was found.

        Args:
            queries: {query id: text}.
            k, mode, where, by_document, on_long, reranker, rerank_depth: as in `search`.
            name: what the run is called in reports; made from model and mode if "".
            progress: called after each query with the number of queries done.

        Raises:
            As `search`; SpaceMismatch if a migration switches the collection meanwhile.
        """
        header = self._header
        if mode != "lexical" and queries:
            self._embedders.checked(header)  # loading the model is no part of a query's time

        def search(text: str) -> Results:
            return self.search(
                text,
                k,
                mode=mode,
                where=where,
                by_document=by_document,
                on_long=on_long,
                reranker=reranker,
                rerank_depth=rerank_depth,
            )

        space, recipe = header.space.id, header.recipe_id
        results, took = ask_all(queries, search, space, recipe, progress)
        if self._header.pinned != header.pinned:
            raise SpaceMismatch(
                f"{self.path}: the collection was switched to vectors of the changed model while "
                "the run was made. Make it again",
                {"canaries": (header.pinned, self._header.pinned)},
            )
        parts = (self._embedders.called(header), mode, reranker.name if reranker else "")
        return Run(results, space, recipe, mode, name or " ".join(filter(None, parts)), took)

    def documents(self, *, where: str | None = None) -> Iterator[StoredDocument]:
        """Yield what is known of each document (id, source, title), its text left out."""
        with self._store.read(self._side) as reader:
            yield from reader.documents(where=where)

    def document(self, id: str) -> Document | None:
        """Return one document with its cleaned text, of which its chunks are exact slices."""
        with self._store.read(self._side) as reader:
            return reader.document(id)

    def info(self) -> dict[str, Any]:
        """Return what the collection holds, as plain JSON values."""
        totals = self._store.totals()
        header, recipe = self._header, self.recipe
        space = header.space
        return {
            "path": str(self.path),
            "documents": totals.documents,
            "chunks": totals.chunks,
            "tokens": totals.tokens,
            "tokens_dropped": totals.tokens_dropped,
            "characters_dropped": dict(totals.dropped),
            "vectors": totals.vectors,
            "dead_vectors": totals.dead_vectors,
            "lexical_pending": totals.lexical_pending,
            "bytes": totals.bytes,
            "change": totals.change,
            "space": {"id": space.id, **space.to_dict()},
            "recipe": {"id": recipe.id, **recipe.to_dict()},
            "migration": self._store.ask(described_move),
        }

    def vectors(self, array: FloatArray, role: Role, *, space: str) -> Vectors:
        """Return an array as `Vectors` of this collection, because its Space is named.

        Args:
            array: shape (n, dimensions) or (dimensions,).
            role: the role in which they were embedded.
            space: the id of the Space that they were made in, as whoever made them noted it.

        Raises:
            SpaceMismatch: that is not the collection's Space.
            InvalidVectors: they could not be vectors of it.
        """
        return named(array, role, self.space, space, self.path)

    def chunks(self, document: Document) -> list[Chunk]:
        """Return the chunks that `add` would make of a document; nothing is embedded."""
        cleaned = as_cleaned(document)
        return chunk(cleaned, lambda texts: self.embedder.count(texts), self.recipe)

    def add_vectors(self, inputs: Sequence[str], vectors: Vectors, *, wait: float = 0.0) -> int:
        """Hand in vectors that were made elsewhere: documents added later need not be embedded.

        A few of them are embedded anew, and must come out the same: a label is soon written.

        Args:
            inputs: the exact inputs, as `chunks` gives them (`chunk.input`).
            vectors: one for each, in the document role and in the collection's Space.
            wait: seconds to wait for another writer.

        Returns:
            How many were new.

        Raises:
            SpaceMismatch: they come from another Space.
            InvalidVectors: one is not what the model makes of its input.
        """
        with self._store.write(wait) as writer:
            header = writer.header
            return add_vectors(
                writer,
                inputs,
                vectors,
                lambda texts: self._embedders.embed_documents(header, texts)[0],
                self.path,
            )

    def history(self) -> list[dict[str, Any]]:
        """Return what happened to the collection's Spaces, as plain JSON values, oldest first."""
        return [dataclasses.asdict(event) for event in self._store.ask(history)]

    def verify(self, *, model: bool = True, repair: bool = False, wait: float = 0.0) -> Verified:
        """Look at every row, byte and canary; see `samespace.verify`."""
        from samespace.verify import verify

        return verify(self, model=model, repair=repair, wait=wait)

    def compact(self, *, wait: float = 0.0) -> int:
        """Erase physically what was deleted; return the bytes freed."""
        return self._store.compact(wait)

    def close(self) -> None:
        """Close the files. The collection cannot be used afterwards."""
        self._store.close()

    def __enter__(self) -> Collection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        space = self.space
        return f"Collection({str(self.path)!r}, model={space.model!r}, space={space.id})"
