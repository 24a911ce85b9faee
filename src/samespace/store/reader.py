"""Reading an embedded store: one snapshot, exact dense search, BM25, filters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import TracebackType

import numpy as np

from samespace.errors import InputError
from samespace.space import FloatArray, Metric, Vectors
from samespace.store.base import Candidate, Header, StoredChunk
from samespace.store.bm25 import Unusable, View
from samespace.store.catch_up import CATCH_UP_CHUNKS, chunk_texts
from samespace.store.faults import guarded
from samespace.store.lookups import BATCH, Lookups
from samespace.store.rows import STORED_CHUNK, stored_chunk
from samespace.store.schema import Mark
from samespace.store.shared import Rows, Selection, Shared, logger
from samespace.store.where import parse
from samespace.store.where_sql import to_sql
from samespace.store.where_tree import Node
from samespace.vectors.exact import top_k

_SPARE = 16
"""Looked at beyond k from the first, so that ties and dead rows rarely need a second look."""
_WIDEN = 4
_FEW_DOCUMENTS = 1_000
"""Up to so many documents, their chunks are looked up one by one."""
_FEW_CHUNKS = 1_000
"""Up to so many chunks, BM25 is asked for them by row instead of filtering what it finds."""
_GATHER_SHARE = 0.25
"""Up to this share of all vectors, those that a filter accepts are gathered and scored alone."""

_IN_ROWS = "IN (SELECT value FROM json_each(?))"


class EmbeddedReader(Lookups):
    """A consistent view of the last commit. Used by one thread; close it, or use `with`."""

    def __init__(self, shared: Shared, side: int | None = None) -> None:
        self.snapshot = shared.snapshot(side)
        super().__init__(self.snapshot.connection, shared.database, self.snapshot.state)
        self._shared = shared
        self._mapped = self.snapshot.mapped
        self._views: list[View] | None = None
        self._open = True

    def __enter__(self) -> EmbeddedReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def header(self) -> Header:
        """The Space, model and recipe of the side that this view is of."""
        return self.snapshot.header

    def close(self) -> None:
        """End the view."""
        if self._open:
            self._open = False
            self._shared.give(self._connection)

    def dense(self, query: Vectors, k: int, where: str | None = None) -> list[Candidate]:
        """Return the k nearest chunks by exact search, best first, ties by row.

        Args:
            query: exactly one vector, in the store's active space.
            k: at least 1; fewer come back where there are fewer.
            where: a filter (see `samespace.store.where`), or None.

        Raises:
            SpaceMismatch: the query lives in another space.
            FilterError: the filter does not parse.
        """
        space = self.header.space
        space.require(query.space, f"querying {self._shared.path}")
        if len(query) != 1:
            raise InputError(f"expected exactly one query vector, got {len(query)}")
        _require_k(k)
        vector = query.array[0]
        # Vectors of length 1 need no division: their inner product is their cosine.
        metric: Metric = "dot" if space.metric == "cosine" and space.normalized else space.metric
        selection = self._selection(where)
        if selection is None:
            return self._dense_all(vector, k, metric)
        return self._dense_selected(vector, k, metric, selection)

    def lexical(self, query: str, k: int, where: str | None = None) -> list[Candidate]:
        """Return the k best chunks by BM25, best first, ties by row. No committed row is missed.

        The query is no query language: its words are looked for, all else in it is ignored. A
        query without words returns nothing.

        Raises:
            FilterError: the filter does not parse.
        """
        _require_k(k)
        selection = self._selection(where)
        if selection is not None and not len(selection.chunks):
            return []
        terms = self._shared.lexical(self._state.cut).analysis.terms(query)
        if not terms:
            return []
        try:
            return self._best(terms, k, selection)
        except Unusable as error:
            logger.warning("the lexical index is damaged and is left aside: %s", error)
            self._views = self._open_views(distrust=True)
            return self._best(terms, k, selection)

    def stored(self, hashes: Sequence[bytes]) -> tuple[list[bytes], Vectors]:
        """Return those of the hashes that have a vector in the side's space, and their vectors."""
        rows: dict[int, bytes] = {}
        with guarded(self._database, "reading"):
            for start in range(0, len(hashes), BATCH):
                batch = hashes[start : start + BATCH]
                marks = ", ".join("?" * len(batch))
                rows |= self._connection.execute(
                    f"SELECT row, hash FROM vectors WHERE space = ? AND hash IN ({marks})",
                    (self._state.space, *batch),
                ).fetchall()
        places = np.asarray(sorted(rows), np.int64)
        space = self.header.space
        blocks = list(self._mapped.gather(places))
        array = np.concatenate(blocks) if blocks else np.empty((0, space.dimensions), np.float32)
        return [rows[place] for place in places.tolist()], Vectors(array, space, "document")

    def fetch(self, rows: Sequence[int]) -> list[StoredChunk]:
        """Return the chunks with these rows, in the order asked for; unknown rows are left out."""
        with guarded(self._database, "reading"):
            found = {
                row[0]: row
                for row in self._connection.execute(
                    f"{STORED_CHUNK} WHERE c.row {_IN_ROWS}".format(chunks=self._state.chunks),
                    (_numbers(rows),),
                )
            }
        return [stored_chunk(found[row]) for row in rows if row in found]

    def _dense_all(self, vector: FloatArray, k: int, metric: Metric) -> list[Candidate]:
        total = self._mapped.rows
        wanted = k + _SPARE
        while total:
            rows, scores = top_k(vector, self._mapped.blocks(), wanted, metric)
            if not len(rows):
                break
            by_row = dict(zip(rows.tolist(), scores.tolist(), strict=True))
            found = [Candidate(chunk, by_row[row]) for row, chunk in self._chunks_of(list(by_row))]
            found.sort(key=_order)
            # A vector left out could tie with the k-th chunk and belong to an earlier one.
            if wanted >= total or (len(found) >= k and found[k - 1].score > scores[-1]):
                return found[:k]
            wanted *= _WIDEN
        return []

    def _dense_selected(
        self, vector: FloatArray, k: int, metric: Metric, selection: Selection
    ) -> list[Candidate]:
        if not len(selection.chunks):
            return []
        accepted = np.unique(selection.vectors)
        order = np.lexsort((selection.chunks, selection.vectors))
        chunks, vectors = selection.chunks[order], selection.vectors[order]
        wanted = k + _SPARE
        while True:
            if len(accepted) <= _GATHER_SHARE * self._mapped.rows:
                gathered = self._mapped.gather(accepted)
                places, scores = top_k(vector, gathered, wanted, metric)
                rows = accepted[places]
            else:
                mask = np.zeros(self._mapped.rows, np.bool_)
                mask[accepted] = True
                rows, scores = top_k(vector, self._mapped.blocks(), wanted, metric, mask)
            if not len(rows):
                return []
            first = np.searchsorted(vectors, rows, "left")
            last = np.searchsorted(vectors, rows, "right")
            found = [
                Candidate(int(chunk), float(score))
                for a, b, score in zip(first, last, scores, strict=True)
                for chunk in chunks[a:b]
            ]
            found.sort(key=_order)
            if wanted >= len(accepted) or found[min(k, len(found)) - 1].score > scores[-1]:
                return found[:k]
            wanted *= _WIDEN

    def _chunks_of(self, rows: list[int]) -> list[tuple[int, int]]:
        """Return (vector row, chunk row) for the chunks that these vectors belong to."""
        with guarded(self._database, "reading"):
            return self._connection.execute(
                f"SELECT v.row, c.row FROM vectors v JOIN {self._state.chunks} c "
                "ON c.hash = v.hash "
                f"WHERE v.space = ? AND v.row {_IN_ROWS}",
                (self._state.space, _numbers(rows)),
            ).fetchall()

    def _best(self, terms: list[str], k: int, selection: Selection | None) -> list[Candidate]:
        if self._views is None:
            self._views = self._open_views()
        found = [
            candidate
            for view in self._views
            for candidate in self._lexical_in(view, terms, k, selection)
        ]
        return sorted(found, key=_order)[:k]

    def _lexical_in(
        self, view: View, terms: list[str], k: int, selection: Selection | None
    ) -> list[Candidate]:
        only: list[int] | None = None
        if selection is not None and len(selection.chunks) <= _FEW_CHUNKS:
            only = selection.chunks.tolist()
        wanted = k + _SPARE
        while True:
            hits = view.search(terms, wanted, only)
            accepted = self._accepted([row for _, row in hits], selection)
            found = [Candidate(row, score) for score, row in hits if row in accepted]
            found.sort(key=_order)
            if len(hits) < wanted or (len(found) >= k and found[k - 1].score > hits[-1][0]):
                return found[:k]
            wanted *= _WIDEN

    def _accepted(self, rows: list[int], selection: Selection | None) -> set[int]:
        """Return those of the rows that are there, and that the filter accepts."""
        if selection is not None:
            candidates = np.asarray(rows, np.int64)
            return set(candidates[np.isin(candidates, selection.chunks)].tolist())
        with guarded(self._database, "reading"):
            found = self._connection.execute(
                f"SELECT row FROM {self._state.chunks} WHERE row {_IN_ROWS}", (_numbers(rows),)
            )
            return {row for (row,) in found}

    def _open_views(self, *, distrust: bool = False) -> list[View]:
        """Return the indexes that together hold every chunk of this view of the store.

        Args:
            distrust: take the index on disk for damaged, although it could be opened.
        """
        state = self._state
        mark = state.lexical
        view = None if distrust else self._shared.view(mark)
        damaged = view is None and mark.generation > 0
        with guarded(self._database, "reading"):
            last = self._connection.execute(
                f"SELECT coalesce(max(row), 0) FROM {state.chunks}"
            ).fetchone()[0]
            pending = self._connection.execute(
                f"SELECT count(*) FROM {state.chunks} WHERE row > ?", (mark.row,)
            ).fetchone()[0]
        if last and (damaged or pending > CATCH_UP_CHUNKS):
            repaired = self._shared.repair_lexical(state.side, rebuild=damaged)
            # Only of the very commit that is read here: a later one may lack rows of this one.
            if repaired is not None and repaired.change == state.change:
                mark = repaired.lexical
                view = self._shared.view(mark)
        if view is None:
            mark = Mark(state.cut)
        views = [] if view is None else [view]
        if last > mark.row:
            connection = self._connection
            with guarded(self._database, "reading"):
                unseen = self._shared.memory(
                    mark, state.change, last, lambda after: chunk_texts(connection, state, after)
                )
            views.append(unseen)
        return views

    def _selection(self, where: str | None) -> Selection | None:
        """Return the chunks that a filter accepts; None for no filter."""
        if where is None:
            return None
        node = parse(where)
        with guarded(self._database, "reading"):
            return self._shared.selection(self._state, where, lambda: self._select(node))

    def _select(self, node: Node) -> Selection:
        condition, values = to_sql(node)
        numbers = [
            number
            for (number,) in self._connection.execute(
                f"SELECT d.number FROM documents d WHERE {condition}", values
            )
        ]
        if len(numbers) <= _FEW_DOCUMENTS:
            table = self._sorted_by_chunk(f"WHERE c.document {_IN_ROWS}", _numbers(numbers))
            return Selection(table[:, 1].copy(), table[:, 2].copy())
        documents, chunks, vectors = self._shared.row_map(
            self._state, lambda: tuple(self._sorted_by_chunk("").T.copy())
        )
        accepted = np.isin(documents, np.asarray(numbers, np.int64))
        return Selection(chunks[accepted], vectors[accepted])

    def _sorted_by_chunk(self, condition: str, *values: str) -> Rows:
        """Return document number, chunk row and vector row of chunks: shape (n, 3)."""
        chunks = self._state.chunks
        # CROSS JOIN makes SQLite begin with the chunks, of which it reads the index alone.
        triples = self._connection.execute(
            f"SELECT c.document, c.row, v.row FROM {chunks} c INDEXED BY {chunks}_document "
            f"CROSS JOIN vectors v ON v.space = ? AND v.hash = c.hash {condition}",
            (self._state.space, *values),
        ).fetchall()
        table = np.asarray(triples, np.int64).reshape(-1, 3)
        return table[np.argsort(table[:, 1])]


def _require_k(k: int) -> None:
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")


def _order(candidate: Candidate) -> tuple[float, int]:
    return -candidate.score, candidate.row


def _numbers(rows: Sequence[int]) -> str:
    return json.dumps([int(row) for row in rows])
