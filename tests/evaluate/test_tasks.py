"""The task families: equal to scipy and scikit-learn, and strict about what they are given."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics
from sklearn.metrics.pairwise import paired_cosine_distances
from sklearn.neighbors import KNeighborsClassifier

from samespace.errors import InputError, SpaceMismatch
from samespace.evaluate.metrics import evaluate
from samespace.evaluate.tasks import (
    average_precision,
    classification,
    clustering,
    pair_classification,
    pearson,
    reranking,
    similarity,
    spearman,
    v_measure,
)
from samespace.evaluate.tasks.classification import macro_f1
from samespace.evaluate.tasks.inputs import pair_scores
from samespace.models import HashEmbedder
from samespace.space import Vectors
from tests.datasets import dataset

EMBEDDER = HashEmbedder()
TEXTS = [f"{animal} {verb}" for animal in ("cat", "dog", "cow") for verb in ("eats", "sleeps")]

few = st.integers(0, 4)
several = st.lists(st.tuples(few, few), min_size=3, max_size=40)


def embed(texts: list[str], role: str = "document") -> Vectors:
    return EMBEDDER.embed(texts, role)  # type: ignore[arg-type]


def records(name: str, file: str) -> list[dict[str, str]]:
    with (dataset(name) / file).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@given(several)
def test_correlations_equal_scipy_with_many_ties(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=np.float64).T
    if len(set(x)) < 2 or len(set(y)) < 2:
        with pytest.raises(InputError, match="scores that vary"):
            spearman(x, y)
        return
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-12)
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y)[0], abs=1e-12)


def test_similarity_of_a_thousand_random_pairs_equals_scipy() -> None:
    rng = np.random.default_rng(0)
    a = embed([" ".join(rng.choice(TEXTS, 3)) for _ in range(1000)])
    b = embed([" ".join(rng.choice(TEXTS, 3)) for _ in range(1000)])
    gold = rng.integers(0, 6, 1000).astype(float)
    cosine = pair_scores(a, b)
    assert np.abs(1 - paired_cosine_distances(a.array, b.array) - cosine).max() < 1e-6
    found = similarity(a, b, gold)
    assert found.spearman == pytest.approx(stats.spearmanr(cosine, gold)[0], abs=1e-12)
    assert found.pearson == pytest.approx(stats.pearsonr(cosine, gold)[0], abs=1e-12)


def test_similarity_tells_alike_sentences_from_others() -> None:
    rows = records("stsb-multi", "en.test.jsonl")
    a, b = (embed([str(row[side]) for row in rows]) for side in ("sentence1", "sentence2"))
    found = similarity(a, b, [float(row["score"]) for row in rows])
    assert found.pairs == 1379
    # Hashed words and their parts; a bag of words reaches about 0.6.
    assert 0.5 < found.spearman < 0.8


@given(st.lists(st.tuples(few, st.booleans()), min_size=2, max_size=40))
def test_average_precision_equals_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([float(score) for score, _ in rows])
    labels = [int(label) for _, label in rows]
    if len(set(labels)) < 2:
        with pytest.raises(InputError, match="both kinds"):
            average_precision(scores, labels)
        return
    expected = metrics.average_precision_score(labels, scores)
    assert average_precision(scores, labels) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.tuples(st.sampled_from(TEXTS), st.booleans()), min_size=2, max_size=30))
def test_thresholds_of_pairs_give_the_best_that_any_threshold_gives(
    rows: list[tuple[str, bool]],
) -> None:
    labels = np.array([int(label) for _, label in rows])
    if len(set(labels)) < 2:
        return
    a, b = embed([text for text, _ in rows]), embed([TEXTS[0]] * len(rows))
    found = pair_classification(a, b, labels)
    scores = pair_scores(a, b)
    cuts = [*np.unique(scores), np.inf]
    assert found.f1 == pytest.approx(max(metrics.f1_score(labels, scores >= cut) for cut in cuts))
    assert found.f1 == pytest.approx(metrics.f1_score(labels, scores >= found.threshold))
    assert found.accuracy == pytest.approx(max(((scores >= c) == labels).mean() for c in cuts))
    at = ((scores >= found.accuracy_threshold) == labels).mean()
    assert found.accuracy == pytest.approx(at)


@given(several)
def test_v_measure_equals_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, clusters = np.array(pairs).T
    found = v_measure(labels, clusters)
    expected = metrics.homogeneity_completeness_v_measure(labels, clusters)
    assert (found.homogeneity, found.completeness, found.v_measure) == pytest.approx(
        expected, abs=1e-9
    )


@given(several)
def test_macro_f1_equals_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    expected = metrics.f1_score(truth, predicted, average="macro", zero_division=0)
    assert macro_f1(truth, predicted) == pytest.approx(expected, abs=1e-12)


def test_the_nearest_neighbour_equals_scikit_learn_and_ties_go_to_the_nearest() -> None:
    train, test = (
        records("banking77", "train.jsonl")[::25],
        records("banking77", "test.jsonl")[::30],
    )
    x, y = embed([row["text"] for row in train]), [row["label"] for row in train]
    z, truth = embed([row["text"] for row in test]), [row["label"] for row in test]
    theirs = KNeighborsClassifier(1, metric="cosine", algorithm="brute").fit(x.array, y)
    expected = (theirs.predict(z.array) == np.array(truth)).mean()
    assert classification(x, y, z, truth, method="knn", k=1).accuracy == pytest.approx(expected)
    # Two neighbours of two classes are one vote each: the nearer decides, as with one.
    two = embed(["cat eats", "dog sleeps"])
    asked = embed(["cat eats", "dog sleeps"])
    assert classification(two, ["b", "a"], asked, ["b", "a"], method="knn", k=2).accuracy == 1.0


def test_classification_draws_few_examples_and_says_how_far_the_draws_differ() -> None:
    train, test = records("banking77", "train.jsonl"), records("banking77", "test.jsonl")[::10]
    kept = {"card_arrival", "card_linking", "exchange_rate", "atm_support"}
    train = [row for row in train if row["label"] in kept]
    test = [row for row in test if row["label"] in kept]
    x, y = embed([row["text"] for row in train]), [row["label"] for row in train]
    z, truth = embed([row["text"] for row in test]), [row["label"] for row in test]
    few = classification(x, y, z, truth, samples_per_label=4, experiments=5)
    assert len(few.accuracies) == len(few.macro_f1s) == 5
    assert len(set(few.accuracies)) > 1
    assert few.accuracy_std == pytest.approx(np.std(few.accuracies, ddof=1))
    assert few == classification(x, y, z, truth, samples_per_label=4, experiments=5)
    everything = classification(x, y, z, truth)
    assert everything.accuracy > few.accuracy > 0.5
    assert everything.accuracy_std == 0.0


def test_clustering_finds_two_topics_and_the_seed_decides() -> None:
    rows = records("banking77", "train.jsonl")
    kept = [row for row in rows if row["label"] in ("card_arrival", "exchange_rate")]
    vectors, labels = embed([row["text"] for row in kept]), [row["label"] for row in kept]
    found = clustering(vectors, labels)
    assert found == clustering(vectors, labels, seed=42)
    assert 0.3 < found.v_measure <= 1.0
    shuffled = list(np.random.default_rng(0).permutation(labels))
    assert clustering(vectors, shuffled).v_measure < 0.05


def test_reranking_scores_the_order_as_evaluate_does() -> None:
    queries = embed(["the cat sleeps", "a dog eats"], "query")
    groups = [["cow eats", "cat sleeps", "dog"], ["dog eats", "cat"]]
    labels = [[0, 1, 0], [0, 1]]
    found = reranking(queries, [embed(group) for group in groups], labels)
    assert found.scores.values["mrr"].tolist() == [1.0, 0.5]
    assert found.mrr == found.map == 0.75
    run, qrels = {"0": {"x": 0.3, "y": 0.7}}, {"0": {"x": 1}}
    assert evaluate(run, qrels, ("mrr",)).mean("mrr") == 0.5


@pytest.mark.parametrize("label", [0.5, math.nan])
def test_a_label_between_grades_is_refused(label: float) -> None:
    queries = embed(["the cat sleeps"], "query")
    with pytest.raises(InputError, match="query 0: labels must be whole numbers"):
        reranking(queries, [embed(["cat", "dog"])], [[label, 1]])  # type: ignore[list-item]


def test_a_query_without_a_relevant_candidate_is_scored_as_trec_eval_scores_it() -> None:
    queries = embed(["the cat sleeps", "a dog eats"], "query")
    candidates = [embed(["cat sleeps"]), embed(["cow"])]
    found = reranking(queries, candidates, [[1], [0]])
    expected = evaluate({"0": {"0": 1.0}, "1": {"0": 1.0}}, {"0": {"0": 1}, "1": {"0": 0}})
    assert found.scores.queries == expected.queries


OTHER = HashEmbedder(seed=1)


@pytest.mark.parametrize(
    "compare",
    [
        lambda a, b: similarity(a, b, [1.0, 2.0]),
        lambda a, b: pair_classification(a, b, [0, 1]),
        lambda a, b: classification(a, ["x", "y"], b, ["x", "y"], method="knn"),
        lambda a, b: reranking(a, [b, b], [[1, 0], [0, 1]]),
    ],
)
def test_two_spaces_are_never_compared(compare: Callable[[Vectors, Vectors], object]) -> None:
    texts = ["cat", "dog"]
    same = EMBEDDER.embed(texts, "document")
    compare(same, EMBEDDER.embed(["cat", "cow"], "document"))
    with pytest.raises(SpaceMismatch):
        compare(same, OTHER.embed(texts, "document"))


def refused() -> list[tuple[str, Callable[[], object], str]]:
    two, three = embed(["cat", "dog"]), embed(["cat", "dog", "cow"])
    none = Vectors(np.empty((0, two.array.shape[1]), np.float32), two.space, "document")
    return [
        ("lengths", lambda: similarity(two, three, [1.0, 2.0]), "2 a, 3 b, 2 gold"),
        ("gold constant", lambda: similarity(two, cow_and_dog(), [1.0, 1.0]), "vary"),
        ("gold nan", lambda: similarity(two, cow_and_dog(), [1.0, float("nan")]), "finite"),
        ("empty", lambda: similarity(none, none, []), "empty"),
        ("labels", lambda: pair_classification(two, two, [0, 2]), "labels 0"),
        ("one kind", lambda: pair_classification(two, two, [1, 1]), "both kinds"),
        ("class", lambda: classification(two, ["x", "x"], two, ["x", "y"]), "only"),
        ("no class", lambda: clustering(two, ["x", "x"]), "only"),
        ("clusters", lambda: clustering(two, ["x"]), "2 vectors, 1 labels"),
        (
            "experiments",
            lambda: classification(two, ["x", "y"], two, ["x", "y"], experiments=3),
            "samples_per_label",
        ),
        ("k", lambda: classification(two, ["x", "y"], two, ["x", "y"], k=0), "at least 1"),
        (
            "method",
            lambda: classification(two, ["x", "y"], two, ["x", "y"], method="svm"),  # type: ignore[arg-type]
            "logistic",
        ),
        ("candidates", lambda: reranking(two, [two], [[1, 0]]), "2 queries, 1 candidates"),
        ("grades", lambda: reranking(two, [two, two], [[1], [0, 1]]), "2 candidates, 1 labels"),
        ("no grade", lambda: reranking(two, [two, two], [[0, 0], [0, 0]]), "nothing to bring"),
    ]


def cow_and_dog() -> Vectors:
    return embed(["cow", "dog"])


@pytest.mark.parametrize("case", refused(), ids=lambda case: case[0])
def test_what_cannot_be_evaluated_is_refused(
    case: tuple[str, Callable[[], object], str],
) -> None:
    _, call, message = case
    with pytest.raises(InputError, match=message):
        call()
