"""mteb runs our embedder and our collection, and finds the scores that our own functions find.

The tasks are mteb's own kinds over local data; nothing is asked of the hub.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mteb
import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from mteb.abstasks import (
    AbsTaskClassification,
    AbsTaskClusteringLegacy,
    AbsTaskPairClassification,
    AbsTaskRetrieval,
    AbsTaskSTS,
)
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models import EncoderProtocol, SearchProtocol
from mteb.types import PromptType

from samespace import Collection, Document
from samespace.errors import InputError, MissingExtra, TooLong
from samespace.evaluate.metrics import evaluate
from samespace.evaluate.tasks import (
    classification,
    clustering,
    pair_classification,
    reranking,
    similarity,
)
from samespace.integrations.mteb import SamespaceEncoder, SamespaceSearch
from samespace.models import EmbedderReranker, HashEmbedder, load
from samespace.models.base import Embedder
from samespace.space import Vectors
from samespace.types import Role
from tests.datasets import dataset

EMBEDDER = HashEmbedder()
PROMPTED = HashEmbedder(prompts={"query": "ask: ", "document": "read: "})


def records(name: str, file: str) -> list[dict[str, Any]]:
    with (dataset(name) / file).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def metadata(name: str, kind: str, score: str, category: str = "t2t") -> TaskMetadata:
    return TaskMetadata(
        name=name,
        description="local data",
        reference=None,
        dataset={"path": "local/data", "revision": "1"},
        type=kind,
        category=category,
        modalities=["text"],
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score=score,
        date=None,
        domains=None,
        task_subtypes=None,
        license=None,
        annotations_creators=None,
        dialect=None,
        sample_creation=None,
        bibtex_citation=None,
    )


class Local:
    """Data given when the task is made, in place of those of the hub."""

    def __init__(self, data: Any) -> None:
        super().__init__()
        self.given = data

    def load_data(self, *args: Any, **kwargs: Any) -> None:
        self.dataset, self.data_loaded = self.given, True


class LocalSTS(Local, AbsTaskSTS):
    metadata = metadata("LocalSTS", "STS", "cosine_spearman")


class LocalPairs(Local, AbsTaskPairClassification):
    metadata = metadata("LocalPairs", "PairClassification", "similarity_ap")


class LocalIntents(Local, AbsTaskClassification):
    metadata = metadata("LocalIntents", "Classification", "accuracy", "t2c")
    n_experiments = 3
    samples_per_label = 4


class LocalTopics(Local, AbsTaskClusteringLegacy):
    metadata = metadata("LocalTopics", "Clustering", "v_measure", "t2c")


class LocalRetrieval(Local, AbsTaskRetrieval):
    metadata = metadata("LocalRetrieval", "Retrieval", "ndcg_at_10")


class LocalReranking(Local, AbsTaskRetrieval):
    metadata = metadata("LocalReranking", "Reranking", "map_at_1000")


def scores(model: object, task: Any, cache: Path | None = None) -> dict[str, Any]:
    results = mteb.evaluate(
        model,
        task,
        cache=None if cache is None else mteb.ResultCache(cache),
        co2_tracker=False,
        show_progress_bar=False,
    )
    found: dict[str, Any] = results.task_results[0].scores["test"][0]
    return found


def embed(texts: list[str], role: Role = "document", embedder: Embedder = EMBEDDER) -> Vectors:
    return embedder.embed(texts, role, on_long="truncate")


def test_similarity_by_mteb_with_the_real_model_equals_ours() -> None:
    rows = records("stsb-multi", "en.test.jsonl")[::12]
    model = load("all-MiniLM-L6-v2")
    task = LocalSTS(DatasetDict({"test": Dataset.from_list(rows)}))
    theirs = scores(SamespaceEncoder(model), task)
    a, b = (embed([row[side] for row in rows], "document", model) for side in SIDES)
    ours = similarity(a, b, [row["score"] for row in rows])
    # mteb computes cosines in float32, where some pairs tie or change places.
    assert theirs["cosine_spearman"] == pytest.approx(ours.spearman, abs=1e-4)
    assert theirs["spearman"] == pytest.approx(ours.spearman, abs=1e-4)
    assert theirs["pearson"] == pytest.approx(ours.pearson, abs=1e-6)


SIDES = ("sentence1", "sentence2")


def test_pair_classification_by_mteb_equals_ours() -> None:
    rows = records("mrpc", "test.jsonl")[:400]
    data = [
        {f"sentence{i}": row[f"text{i}"] for i in (1, 2)} | {"labels": row["label"]} for row in rows
    ]
    theirs = scores(
        SamespaceEncoder(EMBEDDER), LocalPairs(DatasetDict({"test": Dataset.from_list(data)}))
    )
    a, b = (embed([row[side] for row in rows]) for side in ("text1", "text2"))
    ours = pair_classification(a, b, [row["label"] for row in rows])
    assert theirs["similarity_ap"] == pytest.approx(ours.average_precision, abs=1e-4)
    assert theirs["similarity_f1"] == pytest.approx(ours.f1, abs=1e-4)
    assert theirs["similarity_accuracy"] == pytest.approx(ours.accuracy, abs=1e-3)


def test_classification_by_mteb_draws_and_scores_as_ours() -> None:
    kept = {"card_arrival", "card_linking", "exchange_rate", "atm_support", "age_limit"}
    train, test = (
        [row for row in records("banking77", f"{split}.jsonl") if row["label"] in kept]
        for split in ("train", "test")
    )
    numbers = {label: i for i, label in enumerate(sorted(kept))}
    splits = {
        name: Dataset.from_list([{**row, "label": numbers[row["label"]]} for row in rows])
        for name, rows in (("train", train), ("test", test))
    }
    theirs = scores(SamespaceEncoder(EMBEDDER), LocalIntents(DatasetDict(splits)))
    ours = classification(
        embed([row["text"] for row in train]),
        [row["label"] for row in train],
        embed([row["text"] for row in test]),
        [row["label"] for row in test],
        samples_per_label=4,
        experiments=3,
    )
    each = [experiment["accuracy"] for experiment in theirs["scores_per_experiment"]]
    assert each == pytest.approx(list(ours.accuracies), abs=1e-9)
    assert theirs["f1"] == pytest.approx(ours.macro_f1, abs=1e-9)


def test_clustering_by_mteb_equals_ours() -> None:
    rows = records("stackoverflow-titles", "all.jsonl")[:300]
    texts, labels = [row["text"] for row in rows], [row["label"] for row in rows]
    data = Dataset.from_list([{"sentences": texts, "labels": labels}])
    theirs = scores(SamespaceEncoder(EMBEDDER), LocalTopics(DatasetDict({"test": data})))
    assert theirs["v_measure"] == pytest.approx(
        clustering(embed(texts), labels).v_measure, abs=1e-6
    )


def cranfield() -> tuple[list[dict[str, str]], list[dict[str, str]], dict[str, dict[str, int]]]:
    corpus = records("cranfield", "corpus.jsonl")[:400]
    queries = {row["_id"]: row["text"] for row in records("cranfield", "queries.jsonl")}
    known = {row["_id"] for row in corpus}
    qrels: dict[str, dict[str, int]] = {}
    for line in (dataset("cranfield") / "qrels.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        if document in known and int(grade) > 0:
            qrels.setdefault(query, {})[document] = int(grade)
    qrels = dict(list(qrels.items())[:60])
    return (
        [{"id": row["_id"], "title": row["title"], "text": row["text"]} for row in corpus],
        [{"id": query, "text": queries[query]} for query in qrels],
        qrels,
    )


def retrieval(top_ranked: dict[str, list[str]] | None = None) -> LocalRetrieval:
    corpus, queries, qrels = cranfield()
    split = {
        "corpus": Dataset.from_list(corpus),
        "queries": Dataset.from_list(queries),
        "relevant_docs": qrels,
        "top_ranked": top_ranked,
    }
    kind = LocalRetrieval if top_ranked is None else LocalReranking
    return kind({"default": {"test": split}})


def equal(theirs: dict[str, Any], found: dict[str, dict[str, float]]) -> None:
    qrels = cranfield()[2]
    ours = evaluate(found, qrels, ("ndcg@10", "recall@100", "map@100"))
    for metric in ours.values:
        name = metric.replace("@", "_at_")
        assert theirs[name] == pytest.approx(ours.mean(metric), abs=1e-4), metric
    assert theirs["ndcg_at_10"] > 0.2


def test_retrieval_by_an_encoder_equals_ours_with_the_roles_of_both_sides() -> None:
    theirs = scores(SamespaceEncoder(PROMPTED, on_long="truncate"), retrieval())
    corpus, queries, _ = cranfield()
    texts = [f"{row['title']} {row['text']}".strip() for row in corpus]
    nearness = (
        embed([row["text"] for row in queries], "query", PROMPTED).array
        @ embed(texts, "document", PROMPTED).array.T
    )
    found = {
        query["id"]: {row["id"]: float(s) for row, s in zip(corpus, line, strict=True)}
        for query, line in zip(queries, nearness, strict=True)
    }
    equal(theirs, found)


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_retrieval_by_a_collection_equals_what_the_collection_finds(
    mode: Any, tmp_path: Path
) -> None:
    model = SamespaceSearch(tmp_path / "mteb", EMBEDDER, mode=mode, settings={"max_tokens": 128})
    theirs = scores(model, retrieval())
    corpus, queries, _ = cranfield()
    with Collection.create(tmp_path / "own", EMBEDDER, max_tokens=128) as collection:
        collection.add(Document(id=r["id"], title=r["title"], text=r["text"]) for r in corpus)
        found = collection.run({q["id"]: q["text"] for q in queries}, 1000, mode=mode).documents()
    equal(theirs, found)
    (report,) = model.reports.values()
    assert report.documents == 400 - len(report.failed)
    assert model.ledger.texts == 60


def test_a_second_run_embeds_nothing_and_a_reranker_reads_what_was_found(tmp_path: Path) -> None:
    plain = scores(SamespaceSearch(tmp_path, EMBEDDER), retrieval())
    reranker = EmbedderReranker(EMBEDDER)
    model = SamespaceSearch(tmp_path, EMBEDDER, reranker=reranker, rerank_depth=20)
    reranked = scores(model, retrieval())
    (report,) = model.reports.values()
    assert (report.added, report.embedded_tokens) == (0, 0)
    assert reranked["ndcg_at_10"] != plain["ndcg_at_10"]
    assert reranked["recall_at_100"] == reranked["recall_at_20"]


def test_reranking_by_mteb_orders_only_the_candidates(tmp_path: Path) -> None:
    corpus, queries, qrels = cranfield()
    ids = [row["id"] for row in corpus]
    rng = np.random.default_rng(0)
    candidates = {
        query: list(dict.fromkeys([*relevant, *rng.choice(ids, 8)]))
        for query, relevant in qrels.items()
    }
    theirs = scores(SamespaceEncoder(EMBEDDER, on_long="truncate"), retrieval(candidates))
    texts = {row["id"]: f"{row['title']} {row['text']}".strip() for row in corpus}
    ours = reranking(
        embed([row["text"] for row in queries], "query"),
        [embed([texts[id] for id in candidates[row["id"]]]) for row in queries],
        [[qrels[row["id"]].get(id, 0) for id in candidates[row["id"]]] for row in queries],
    )
    assert theirs["map_at_1000"] == pytest.approx(ours.map, abs=1e-4)
    model = SamespaceSearch(tmp_path, EMBEDDER, mode="dense")
    model.index(
        corpus,
        task_metadata=LocalReranking.metadata,
        hf_split="test",
        hf_subset="default",
        encode_kwargs={},
        num_proc=None,
    )
    found = model.search(
        queries,
        task_metadata=LocalReranking.metadata,
        hf_split="test",
        hf_subset="default",
        top_k=1000,
        encode_kwargs={},
        top_ranked={**candidates, queries[0]["id"]: []},
        num_proc=None,
    )
    assert found[queries[0]["id"]] == {}
    assert all(set(found[q["id"]]) <= set(candidates[q["id"]]) for q in queries[1:])
    assert sum(map(len, found.values())) > 300
    model.close()


def test_results_of_two_spaces_recipes_or_modes_are_never_taken_for_one_another(
    tmp_path: Path,
) -> None:
    task = LocalSTS(
        DatasetDict({"test": Dataset.from_list(records("stsb-multi", "en.test.jsonl")[:80])})
    )
    first = scores(SamespaceEncoder(EMBEDDER), task, tmp_path)
    counted = Counting(EMBEDDER)
    again = scores(SamespaceEncoder(counted), task, tmp_path)
    assert again["spearman"] == pytest.approx(first["spearman"], abs=1e-6)
    assert counted.calls == 0  # the same space: from mteb's cache
    other = scores(SamespaceEncoder(HashEmbedder(seed=1)), task, tmp_path)
    assert other["spearman"] != first["spearman"]
    metas = [
        SamespaceEncoder(EMBEDDER).mteb_model_meta,
        SamespaceEncoder(HashEmbedder(seed=1)).mteb_model_meta,
        SamespaceSearch(tmp_path, EMBEDDER).mteb_model_meta,
        SamespaceSearch(tmp_path, EMBEDDER, mode="dense").mteb_model_meta,
        SamespaceSearch(tmp_path, EMBEDDER, settings={"overlap": 8}).mteb_model_meta,
        SamespaceSearch(tmp_path, EMBEDDER, reranker=EmbedderReranker(EMBEDDER)).mteb_model_meta,
    ]
    assert len({(meta.name, meta.revision) for meta in metas}) == len(metas)
    assert all("/" not in meta.revision for meta in metas)
    assert metas[0].revision == EMBEDDER.space.id


class Counting:
    """An embedder that counts how often it is asked."""

    def __init__(self, embedder: Embedder) -> None:
        self.space, self.max_tokens, self.count = (
            embedder.space,
            embedder.max_tokens,
            embedder.count,
        )
        self.embedder, self.calls = embedder, 0

    def embed(self, texts: Any, role: Any, *, on_long: Any = "error") -> Vectors:
        self.calls += 1
        return self.embedder.embed(texts, role, on_long=on_long)


def test_both_are_what_mteb_asks_for_and_only_that(tmp_path: Path) -> None:
    encoder, search = SamespaceEncoder(EMBEDDER), SamespaceSearch(tmp_path, EMBEDDER)
    assert isinstance(encoder, EncoderProtocol)
    assert not isinstance(encoder, SearchProtocol)
    assert isinstance(search, SearchProtocol)
    assert not isinstance(search, EncoderProtocol)


ABOUT = {"task_metadata": LocalSTS.metadata, "hf_split": "test", "hf_subset": "default"}


def test_the_prompt_type_chooses_the_role() -> None:
    encoder = SamespaceEncoder(PROMPTED)
    for prompt_type, role in (
        (PromptType.query, "query"),
        (PromptType.document, "document"),
        (None, "document"),
    ):
        found = encoder.encode([{"text": ["keys"]}], prompt_type=prompt_type, **ABOUT)
        assert (found == PROMPTED.embed(["keys"], role).array).all()  # type: ignore[arg-type]


def test_long_texts_are_refused_or_cut_and_counted(tmp_path: Path) -> None:
    batch = [{"text": ["word " * 300, "short"]}]
    with pytest.raises(TooLong):
        SamespaceEncoder(EMBEDDER).encode(batch, **ABOUT)
    encoder = SamespaceEncoder(EMBEDDER, on_long="truncate")
    assert encoder.encode(batch, **ABOUT).shape == (2, EMBEDDER.space.dimensions)
    ledger = encoder.ledger
    assert (ledger.texts, ledger.texts_cut, ledger.tokens_dropped) == (2, 1, 300 - 256)
    with pytest.raises(InputError, match="on_long"):
        SamespaceEncoder(EMBEDDER, on_long="split")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="precision"):
        encoder.encode(batch, precision="int8", **ABOUT)
    with pytest.raises(InputError, match="with text, got image"):
        encoder.encode([{"image": []}], **ABOUT)
    with pytest.raises(InputError, match="index"):
        SamespaceSearch(tmp_path, EMBEDDER).search(
            [], top_k=1, encode_kwargs={}, num_proc=None, **ABOUT
        )


def test_without_mteb_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mteb", None)
    for make in (lambda: SamespaceEncoder(EMBEDDER), lambda: SamespaceSearch(tmp_path, EMBEDDER)):
        with pytest.raises(MissingExtra, match=r"samespace\[mteb\]"):
            make()
