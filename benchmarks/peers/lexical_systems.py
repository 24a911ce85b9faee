"""Each lexical search system: an index on disk of (id, text), asked with plain questions.

Every class has `index(texts, folder)`, `open(folder)` and `search(query, k)`, which returns
(positions of texts, best first). English stop words and stemming everywhere; k1 and b are each
system's own.
"""

from __future__ import annotations

import json
import random
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
from corpus import questions
from harness import size_mb

from common import dataset, ndcg, percentile, read_jsonl, read_qrels

DEPTH = 10
THREADS = 2
QUESTIONS = 500
"""Asked of the sentences."""


class Samespace:
    """samespace's lexical index, as its store makes and asks it (tantivy; k1 1.2, b 0.75).

    Timed without the rest of the collection: no database, no vectors, no chunks.
    """

    def __init__(self) -> None:
        from samespace.store.bm25 import Analysis
        from samespace.store.schema import Mark

        self.analysis = Analysis.of("en")
        self.mark = Mark

    def index(self, texts: list[str], folder: Path) -> None:
        self._folder(folder).build(None, self._mark(len(texts)), enumerate(texts))

    def open(self, folder: Path) -> None:
        rows = int((folder / "rows").read_text())
        self.view = self._folder(folder).open(self._mark(rows))

    def search(self, query: str, k: int) -> list[int]:
        terms = self.analysis.terms(query)
        return [row for _, row in self.view.search(terms, k, None)]

    def _folder(self, folder: Path) -> Any:
        from samespace.store.lexical import LexicalFolder

        return LexicalFolder(folder, "peers", self.analysis)

    def _mark(self, rows: int) -> Any:
        return self.mark(1, rows, 0)


class Bm25s:
    """bm25s: https://github.com/xhluca/bm25s, with PyStemmer, as its front page has it.

    Lucene's BM25 (its default), k1 1.5, b 0.75.
    """

    def __init__(self) -> None:
        import Stemmer

        self.stemmer = Stemmer.Stemmer("english")

    def index(self, texts: list[str], folder: Path) -> None:
        import bm25s

        tokens = bm25s.tokenize(texts, stopwords="en", stemmer=self.stemmer, show_progress=False)
        retriever = bm25s.BM25()
        retriever.index(tokens, show_progress=False)
        retriever.save(str(folder / "index"))

    def open(self, folder: Path) -> None:
        import bm25s

        self.bm25s = bm25s
        self.retriever = bm25s.BM25.load(str(folder / "index"))

    def search(self, query: str, k: int) -> list[int]:
        tokens = self.bm25s.tokenize(
            query, stopwords="en", stemmer=self.stemmer, show_progress=False
        )
        rows, scores = self.retriever.retrieve(tokens, k=k, show_progress=False)
        # It pads with rows that match no term.
        return [int(row) for row, score in zip(rows[0], scores[0], strict=True) if score > 0]


class Bm25sNumba(Bm25s):
    """The same with `backend="numba"`, its documented fast path."""

    def open(self, folder: Path) -> None:
        super().open(folder)
        self.retriever.backend = "numba"
        self.retriever.activate_numba_scorer()


class Tantivy:
    """tantivy: https://github.com/quickwit-oss/tantivy-py (its analyzer en_stem, k1 1.2, b 0.75).

    Written with its own default of threads; its analyzer en_stem keeps stop words, so one with
    them removed is registered, as its documentation shows.
    """

    def _schema(self) -> Any:
        import tantivy

        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("row", stored=True)
        builder.add_text_field("text", tokenizer_name="english", index_option="freq")
        return builder.build()

    def _register(self, index: Any) -> Any:
        from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

        analyzer = (
            TextAnalyzerBuilder(Tokenizer.simple())
            .filter(Filter.remove_long(40))
            .filter(Filter.lowercase())
            .filter(Filter.stopword("english"))
            .filter(Filter.stemmer("english"))
            .build()
        )
        index.register_tokenizer("english", analyzer)
        return index

    def index(self, texts: list[str], folder: Path) -> None:
        import tantivy

        (folder / "index").mkdir()
        index = self._register(tantivy.Index(self._schema(), path=str(folder / "index")))
        writer = index.writer(heap_size=128_000_000, num_threads=THREADS)
        for row, text in enumerate(texts):
            writer.add_document(tantivy.Document(row=row, text=text))
        writer.commit()
        writer.wait_merging_threads()

    def open(self, folder: Path) -> None:
        import tantivy

        self.tantivy = self._register(tantivy.Index.open(str(folder / "index")))
        self.searcher = self.tantivy.searcher()

    def search(self, query: str, k: int) -> list[int]:
        # Its query language gives meaning to marks that questions hold.
        words = " ".join(re.findall(r"\w+", query))
        parsed = self.tantivy.parse_query(words, ["text"])
        hits = self.searcher.search(parsed, k).hits
        return [int(self.searcher.doc(address)["row"][0]) for _, address in hits]


class Lance:
    """LanceDB's full text: https://docs.lancedb.com/search/full-text-search.

    Its defaults: words, lower case, English stemming and stop words, ASCII folding.
    """

    def index(self, texts: list[str], folder: Path) -> None:
        import lancedb
        import pyarrow as pa

        data = pa.table({"row": list(range(len(texts))), "text": texts})
        table = lancedb.connect(folder).create_table("texts", data)
        table.create_fts_index("text")

    def open(self, folder: Path) -> None:
        import lancedb

        self.table = lancedb.connect(folder).open_table("texts")

    def search(self, query: str, k: int) -> list[int]:
        found = self.table.search(query, query_type="fts").limit(k).select(["row"]).to_arrow()
        return [int(row) for row in found["row"].to_pylist()]


SYSTEMS = {
    "samespace": Samespace,
    "bm25s": Bm25s,
    "bm25s, numba": Bm25sNumba,
    "tantivy": Tantivy,
    "LanceDB full text": Lance,
}


def texts_of(
    name: str, count: int, sentences: str
) -> tuple[list[str], list[str], list[str], list[str]]:
    """Return (ids, texts, query ids, queries); of sentences, ids are empty."""
    if name == "sentences":
        return [], json.loads(Path(sentences).read_text("utf-8")), [], questions(QUESTIONS)
    folder = dataset(name)
    records = read_jsonl(folder / "corpus.jsonl")
    judged = read_qrels(folder / "qrels.tsv")
    asked = [q for q in read_jsonl(folder / "queries.jsonl") if q["_id"] in judged]
    random.Random(0).shuffle(asked)
    asked = asked[:count]
    texts = [f"{r.get('title', '')}\n{r['text']}".strip() for r in records]
    return [r["_id"] for r in records], texts, [q["_id"] for q in asked], [q["text"] for q in asked]


def measure(system: str, name: str, count: int, folder: str, sentences: str) -> dict[str, Any]:
    """Index one set of texts, open the index, ask every question, and judge what is found."""
    ids, texts, query_ids, queries = texts_of(name, count, sentences)
    root = Path(folder)
    one: Any = SYSTEMS[system]()
    started = time.perf_counter()
    one.index(texts, root)
    seconds = time.perf_counter() - started
    answer: dict[str, Any] = {"index_s": seconds, "megabytes": size_mb(root)}
    (root / "rows").write_text(str(len(texts)))
    started = time.perf_counter()
    one.open(root)
    one.search(queries[0], DEPTH)
    answer["open_s"] = time.perf_counter() - started
    for query in queries[:10]:
        one.search(query, DEPTH)
    times, found = [], []
    for query in queries:
        started = time.perf_counter()
        found.append(one.search(query, DEPTH))
        times.append(1000 * (time.perf_counter() - started))
    answer |= {
        "texts": len(texts),
        "queries": len(queries),
        "p50_ms": percentile(times, 50),
        "p99_ms": percentile(times, 99),
    }
    if ids:
        judged = read_qrels(dataset(name) / "qrels.tsv")
        scores = [
            ndcg([ids[row] for row in rows], judged[query])
            for query, rows in zip(query_ids, found, strict=True)
        ]
        answer["ndcg@10"] = float(np.mean(scores))
    return answer
