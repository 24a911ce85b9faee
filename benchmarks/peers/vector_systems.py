"""Each vector search system: built into a folder, opened from it, asked.

Every class has `build(base, folder)`, `open(folder, base)`, `ladder` (its search settings, the
cheapest first), `search(query, setting)` for one query and, where the system offers it,
`batch(queries, setting)`. Row numbers are ids. Vectors have length 1, so that the inner product
is the cosine. All graphs have the same M and efConstruction.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from harness import size_mb

from common import percentile

K = 10
THREADS = 2
M = 32
EF_CONSTRUCTION = 200
"""The default of hnswlib, the largest of all: no graph is built worse than its makers advise."""
EF = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768)
TIE = 1e-6
"""A score this close to the tenth best is as good: float32 sums differ by their order."""

Setting = dict[str, int]


def lists(count: int) -> int:
    """Return the power of two nearest 4 sqrt(n) lists of an inverted file.

    https://github.com/facebookresearch/faiss/wiki/Guidelines-to-choose-an-index has 4 sqrt(n) to
    16 sqrt(n) below a million.
    """
    return int(2 ** round(np.log2(4 * np.sqrt(count))))


class Samespace:
    """samespace's own exact search: a scan of memory-mapped float32, as its store does it.

    It has no approximate index yet, and takes one query at a time.
    """

    ladder: Sequence[Setting] = ({},)

    def build(self, base: Any, folder: Path) -> None:
        from samespace.store.segments import SegmentWriter

        (folder / "0/0").mkdir(parents=True)
        writer = SegmentWriter(folder / "0/0", base.shape[1], 0)
        writer.append(base)
        writer.sync()
        writer.close()

    def open(self, folder: Path, base: Any) -> None:
        from samespace.store.segments import Mapped
        from samespace.vectors.exact import top_k

        self.mapped = Mapped(folder / "0/0", len(base), base.shape[1])
        self.top_k = top_k

    def search(self, query: Any, setting: Setting) -> Any:
        return self.top_k(query, self.mapped.blocks(), K, "dot")[0]


class Faiss:
    """faiss, by its index factory; saved with write_index."""

    factory = "Flat"
    ladder: Sequence[Setting] = ({},)

    def build(self, base: Any, folder: Path) -> None:
        import faiss

        faiss.omp_set_num_threads(THREADS)
        name = self.factory.format(lists=lists(len(base)))
        index = faiss.index_factory(base.shape[1], name, faiss.METRIC_INNER_PRODUCT)
        if hasattr(index, "hnsw"):
            index.hnsw.efConstruction = EF_CONSTRUCTION
        # faiss asks for at least 39 training vectors for each list and takes 256 at most.
        some = np.random.default_rng(0).permutation(len(base))[: 64 * lists(len(base))]
        if not index.is_trained:
            index.train(np.ascontiguousarray(base[np.sort(some)]))
        index.add(np.ascontiguousarray(base))
        faiss.write_index(index, str(folder / "index"))

    def open(self, folder: Path, base: Any) -> None:
        import faiss

        faiss.omp_set_num_threads(THREADS)
        self.index = faiss.read_index(str(folder / "index"))
        self.space = faiss.ParameterSpace()
        self.set: Setting = {}

    def search(self, query: Any, setting: Setting) -> Any:
        return self.batch(query[None], setting)[0]

    def batch(self, queries: Any, setting: Setting) -> Any:
        if setting != self.set:
            for name, value in setting.items():
                self._apply(name, value)
            self.set = setting
        return self.index.search(queries, K)[1]

    def _apply(self, name: str, value: int) -> None:
        self.space.set_index_parameter(self.index, name, value)


class FaissHnsw(Faiss):
    """faiss HNSW over float32: "the best option" where memory allows (its guidelines)."""

    factory = f"HNSW{M}"
    ladder = tuple({"efSearch": ef} for ef in EF)


class FaissRefined(Faiss):
    """An inverted file of codes, whose best are scored again in float32 (IndexRefineFlat)."""

    ladder = tuple(
        {"nprobe": nprobe, "k_factor": factor}
        for nprobe, factor in (
            *((8, 4), (16, 4), (16, 10), (32, 10), (64, 10)),
            *((64, 20), (128, 20), (256, 20), (256, 40), (512, 40)),
        )
    )

    def _apply(self, name: str, value: int) -> None:
        import faiss

        if name == "k_factor":
            self.index.k_factor = float(value)
        else:
            inner = faiss.extract_index_ivf(self.index.base_index)
            inner.nprobe = value


class FaissPq(FaissRefined):
    """IVF-PQ with 4-bit codes of two dimensions each and fast scan, refined."""

    factory = "IVF{lists},PQ192x4fs,RFlat"


class FaissRabitq(FaissRefined):
    """IVF-RaBitQ, one bit a dimension after a random rotation, fast scan, refined."""

    factory = "RR384,IVF{lists},RaBitQfs,RFlat"


class Usearch:
    """usearch: https://unum-cloud.github.io/usearch/python."""

    dtype = "f32"
    ladder = tuple({"expansion_search": ef} for ef in EF)

    def build(self, base: Any, folder: Path) -> None:
        from usearch.index import Index

        index = Index(
            ndim=base.shape[1],
            metric="ip",
            dtype=self.dtype,
            connectivity=M,
            expansion_add=EF_CONSTRUCTION,
        )
        index.add(np.arange(len(base)), np.ascontiguousarray(base), threads=THREADS)
        index.save(str(folder / "index"))

    def open(self, folder: Path, base: Any) -> None:
        from usearch.index import Index

        index = Index.restore(str(folder / "index"))
        assert index is not None
        self.index = index

    def search(self, query: Any, setting: Setting) -> Any:
        self._apply(setting)
        return self.index.search(query, K).keys

    def batch(self, queries: Any, setting: Setting) -> Any:
        self._apply(setting)
        return self.index.search(queries, K, threads=THREADS).keys

    def _apply(self, setting: Setting) -> None:
        if setting:
            self.index.expansion_search = setting["expansion_search"]


class UsearchHalf(Usearch):
    """The same with vectors kept in float16, which its documentation advises."""

    dtype = "f16"


class Hnswlib:
    """hnswlib: https://github.com/nmslib/hnswlib."""

    ladder = tuple({"ef": ef} for ef in EF)

    def build(self, base: Any, folder: Path) -> None:
        import hnswlib

        index = hnswlib.Index(space="ip", dim=base.shape[1])
        index.init_index(max_elements=len(base), ef_construction=EF_CONSTRUCTION, M=M)
        index.set_num_threads(THREADS)
        index.add_items(np.ascontiguousarray(base), np.arange(len(base)))
        index.save_index(str(folder / "index"))

    def open(self, folder: Path, base: Any) -> None:
        import hnswlib

        self.index = hnswlib.Index(space="ip", dim=base.shape[1])
        self.index.load_index(str(folder / "index"))
        self.index.set_num_threads(THREADS)

    def search(self, query: Any, setting: Setting) -> Any:
        return self.batch(query[None], setting)[0]

    def batch(self, queries: Any, setting: Setting) -> Any:
        if setting:
            self.index.set_ef(setting["ef"])
        return self.index.knn_query(queries, k=K)[0]


class Lance:
    """LanceDB: https://docs.lancedb.com/indexing/vector-index; the index kinds below."""

    ladder: Sequence[Setting] = tuple(
        {"nprobes": nprobes, "refine_factor": factor}
        for nprobes, factor in ((10, 5), (20, 5), (20, 10), (40, 10), (80, 20), (160, 40))
    )
    index: ClassVar[dict[str, Any]] = {}

    def build(self, base: Any, folder: Path) -> None:
        import lancedb
        import pyarrow as pa

        schema = pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), base.shape[1]))])

        def batches() -> Any:
            for start in range(0, len(base), 50_000):
                part = np.ascontiguousarray(base[start : start + 50_000])
                vectors = pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), base.shape[1])
                ids = pa.array(np.arange(start, start + len(part)))
                yield pa.RecordBatch.from_arrays([ids, vectors], schema=schema)

        table = lancedb.connect(folder).create_table("vectors", batches(), schema=schema)
        if self.index:
            width = {"ef_construction": EF_CONSTRUCTION} if "m" in self.index else {}
            table.create_index(metric="cosine", **self.index, **width)

    def open(self, folder: Path, base: Any) -> None:
        import lancedb

        self.table = lancedb.connect(folder).open_table("vectors")

    def search(self, query: Any, setting: Setting) -> Any:
        found = self.table.search(query).distance_type("cosine").limit(K).select(["id"])
        for name, value in setting.items():
            found = getattr(found, name)(value)
        return found.to_arrow()["id"].to_numpy()


class LanceFlat(Lance):
    """Without an index, as its documentation advises up to about 100,000 rows."""

    ladder = ({},)


class LancePq(Lance):
    """IVF_PQ, its default kind; the number of partitions and of sub-vectors its own."""

    index: ClassVar[dict[str, Any]] = {"index_type": "IVF_PQ"}


class LanceHnsw(Lance):
    """IVF_HNSW_SQ, "high recall"; one partition "works well for most tables"."""

    index: ClassVar[dict[str, Any]] = {
        "index_type": "IVF_HNSW_SQ",
        "num_partitions": 1,
        "m": M,
    }
    # ef may not be below the k * refine_factor that are scored again.
    ladder = tuple({"ef": ef, "refine_factor": 2} for ef in EF if ef >= 2 * K)


class Chroma:
    """Chroma: https://docs.trychroma.com/docs/collections/configure; its HNSW."""

    ladder = tuple({"ef_search": ef} for ef in EF)

    def build(self, base: Any, folder: Path) -> None:
        client = self._client(folder)
        collection = client.create_collection(
            "vectors",
            embedding_function=None,
            configuration={
                "hnsw": {
                    "space": "cosine",
                    "max_neighbors": M,
                    "ef_construction": EF_CONSTRUCTION,
                    "num_threads": THREADS,
                }
            },
        )
        most = client.get_max_batch_size()
        for start in range(0, len(base), most):
            part = np.ascontiguousarray(base[start : start + most])
            collection.add(ids=[str(i) for i in range(start, start + len(part))], embeddings=part)
        # Its writer folds what was added into the graph at the next query.
        collection.query(query_embeddings=np.ascontiguousarray(base[:1]), n_results=1)

    def open(self, folder: Path, base: Any) -> None:
        self.folder = folder
        self.collection = self._client(folder).get_collection("vectors", embedding_function=None)
        self.set: Setting = {}

    def search(self, query: Any, setting: Setting) -> Any:
        return self.batch(query[None], setting)[0]

    def batch(self, queries: Any, setting: Setting) -> Any:
        if setting != self.set:
            self._apply(setting)
        found = self.collection.query(query_embeddings=queries, n_results=K, include=[])
        return np.array([[int(i) for i in ids] for ids in found["ids"]])

    def _apply(self, setting: Setting) -> None:
        from chromadb.api.shared_system_client import SharedSystemClient

        self.collection.modify(configuration={"hnsw": dict(setting)})
        # An index that is loaded keeps the ef that it was loaded with.
        SharedSystemClient.clear_system_cache()
        self.open(self.folder, None)
        self.set = setting

    def _client(self, folder: Path) -> Any:
        import chromadb
        from chromadb.config import Settings

        return chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))


SYSTEMS: dict[str, Any] = {
    "samespace": Samespace,
    "faiss Flat": Faiss,
    f"faiss HNSW{M}": FaissHnsw,
    "faiss IVF-PQ, refined": FaissPq,
    "faiss IVF-RaBitQ, refined": FaissRabitq,
    "usearch f32": Usearch,
    "usearch f16": UsearchHalf,
    "hnswlib": Hnswlib,
    "LanceDB, no index": LanceFlat,
    "LanceDB IVF_PQ": LancePq,
    "LanceDB IVF_HNSW_SQ": LanceHnsw,
    "Chroma": Chroma,
}


def build(system: str, data: str, folder: str) -> dict[str, Any]:
    """Build a system's index into an empty folder."""
    base = np.load(Path(data) / "base.npy", mmap_mode="r")
    one = SYSTEMS[system]()
    started = time.perf_counter()
    one.build(base, Path(folder))
    seconds = time.perf_counter() - started
    return {"build_s": seconds, "megabytes": size_mb(Path(folder))}


def tune(system: str, data: str, folder: str, targets: list[float]) -> dict[str, Any]:
    """Find for each recall the cheapest setting that reaches it, on questions kept for this."""
    one, base = _opened(system, data, folder)
    if len(one.ladder) == 1:
        return {"points": {str(target): one.ladder[0] for target in targets}, "ladder": []}
    asked = np.load(Path(data) / "tuning.npy")
    floor = np.load(Path(data) / "tuning-scores.npy")[:, K - 1]
    found: list[tuple[Setting, float]] = []
    for setting in one.ladder:
        rows = [one.search(query, setting) for query in asked]
        found.append((setting, recall(base, asked, rows, floor)))
        if found[-1][1] >= max(targets):
            break
    points = {}
    for target in targets:
        good = [setting for setting, reached in found if reached >= target]
        points[str(target)] = good[0] if good else max(found, key=lambda one: one[1])[0]
    return {"points": points, "ladder": found}


def query(
    system: str, data: str, folder: str, points: dict[str, Setting], exact_queries: int
) -> dict[str, Any]:
    """Open a system and time it: one query per call, then all of them at once."""
    started = time.perf_counter()
    one, base = _opened(system, data, folder)
    asked = np.load(Path(data) / "queries.npy")
    floor = np.load(Path(data) / "queries-scores.npy")[:, K - 1]
    one.search(asked[0], {})
    opened = time.perf_counter() - started
    # A scan takes its time and has no recall to find out: fewer of them will do.
    count = exact_queries if len(one.ladder) == 1 else len(asked)
    done: dict[str, Any] = {}
    for target, setting in points.items():
        twin = next((t for t in done if points[t] == setting), None)
        done[target] = done[twin] if twin else _timed(one, base, asked[:count], floor, setting)
    return {"open_s": opened, "points": done}


def _timed(one: Any, base: Any, asked: Any, floor: Any, setting: Setting) -> dict[str, Any]:
    for vector in asked[:10]:
        one.search(vector, setting)
    times, rows = [], []
    for vector in asked:
        started = time.perf_counter()
        rows.append(one.search(vector, setting))
        times.append(1000 * (time.perf_counter() - started))
    answer = {
        "p50_ms": percentile(times, 50),
        "p99_ms": percentile(times, 99),
        "recall": recall(base, asked, rows, floor),
    }
    if hasattr(one, "batch"):
        started = time.perf_counter()
        one.batch(asked, setting)
        answer["batch_qps"] = len(asked) / (time.perf_counter() - started)
    return answer


def recall(base: Any, asked: Any, rows: Sequence[Any], floor: Any) -> float:
    """Return the mean share of the ten found whose score is at least the tenth best there is."""
    right = 0
    for query, found, least in zip(asked, rows, floor, strict=False):
        ids = np.unique(np.asarray(found, np.int64))
        right += int((base[ids[ids >= 0]] @ query >= least - TIE).sum())
    return right / (K * len(asked))


def _opened(system: str, data: str, folder: str) -> tuple[Any, Any]:
    base = np.load(Path(data) / "base.npy", mmap_mode="r")
    one = SYSTEMS[system]()
    one.open(Path(folder), base)
    return one, base
