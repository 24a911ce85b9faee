"""BM25 by tantivy: one opened index, on disk or in memory, and what goes into it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from samespace.store.analysis import analyzer, prepare_query, prepare_text
from samespace.store.schema import Mark

if TYPE_CHECKING:
    import tantivy

SMALL_HEAP_BYTES = 15_000_000

Scored = tuple[float, int]
"""A BM25 score and a chunk's row."""


class Unusable(Exception):
    """An index that is missing, damaged, or not this collection's. Never leaves the store."""


@dataclass(frozen=True)
class Analysis:
    """A language's analyzer, made once."""

    language: str
    analyzer: tantivy.TextAnalyzer

    @classmethod
    def of(cls, language: str) -> Analysis:
        """Make the analyzer of a language."""
        return cls(language, analyzer(language))

    def terms(self, query: str) -> list[str]:
        """Return the distinct terms of a query, in order."""
        return list(dict.fromkeys(self.analyzer.analyze(prepare_query(query))))


class View:
    """One opened index, in a folder or in memory."""

    def __init__(self, index: tantivy.Index) -> None:
        index.config_reader("manual")
        self.searcher = index.searcher()
        self.schema = index.schema
        self.documents = self.searcher.num_docs

    def search(self, terms: Sequence[str], limit: int, only: Sequence[int] | None) -> list[Scored]:
        """Return the `limit` best rows by BM25, best first; `only` restricts to some rows.

        Raises:
            Unusable: the index turned out to be damaged.
        """
        try:
            return self._search(terms, limit, only)
        except BaseException as error:
            raise unusable(error, "searching") from error

    def _search(self, terms: Sequence[str], limit: int, only: Sequence[int] | None) -> list[Scored]:
        import tantivy

        limit = min(limit, self.documents)
        if not limit:
            return []
        either = tantivy.Query.boolean_query(
            [
                (
                    tantivy.Occur.Should,
                    tantivy.Query.term_query(self.schema, "text", term, index_option="freq"),
                )
                for term in terms
            ]
        )
        if only is not None:
            chosen = tantivy.Query.term_set_query(self.schema, "row", list(only))
            must = tantivy.Occur.Must
            either = tantivy.Query.boolean_query(
                [(must, either), (must, tantivy.Query.const_score_query(chosen, 0.0))]
            )
        hits = self.searcher.search(either, limit, count=False).hits
        rows = self.searcher.fast_field_values("row", [address for _, address in hits])
        return [(float(hit[0]), int(row or 0)) for hit, row in zip(hits, rows, strict=True)]


class Memory:
    """An index in memory of the rows that the one on disk has not seen yet."""

    def __init__(self, analysis: Analysis, base: Mark) -> None:
        import tantivy

        self.base = base
        self.change = 0
        self.seen = base.row
        self._index = tantivy.Index(index_schema())
        self._index.register_tokenizer("samespace", analysis.analyzer)
        self.view = View(self._index)

    def extend(self, rows: Iterable[tuple[int, str]], change: int) -> None:
        """Add rows beyond `seen`, in ascending order, as they are at a change of the store."""
        self.change = change
        writer = self._index.writer(SMALL_HEAP_BYTES, 1)
        for row, text in rows:
            writer.add_document(index_document(row, text))
            self.seen = row
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        self.view = View(self._index)


def index_schema() -> tantivy.Schema:
    """Return the fields of the index: the chunk's row, and its text, of which only terms stay."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("row", indexed=True, fast=True)
    builder.add_text_field("text", tokenizer_name="samespace", index_option="freq")
    return builder.build()


def index_document(row: int, text: str) -> tantivy.Document:
    """Return what is added to the index for one chunk."""
    import tantivy

    document = tantivy.Document()
    document.add_unsigned("row", row)
    document.add_text("text", prepare_text(text))
    return document


def unusable(error: BaseException, path: object) -> BaseException:
    """Return the error as Unusable, unless it is an interrupt.

    Tantivy raises ValueError for most damage, and for some it panics: a BaseException.
    """
    if isinstance(error, Exception) or type(error).__name__ == "PanicException":
        return Unusable(f"{path}: {error}")
    return error
