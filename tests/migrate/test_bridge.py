"""A bridge is fitted honestly, refused where it is weak, and never taken for the old model."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.errors import (
    InputError,
    InvalidVectors,
    ModelDrift,
    ModelError,
    ModelNotFound,
    SpaceError,
    SpaceMismatch,
)
from samespace.migrate.bridge import Bridge, BridgedEmbedder, fit_bridge, three_baselines
from samespace.migrate.bridge.bridge import text_digest
from samespace.migrate.bridge.fit import LEAST_TEXTS, _recall, stand_in
from samespace.migrate.bridge.maps import candidates, low_rank, procrustes, ridge
from samespace.models import Embedder, HashEmbedder, OnnxEmbedder, load
from samespace.models.agreement import for_canaries
from samespace.models.catalog import find
from samespace.models.weights import locate
from samespace.run import Retrieved, Run
from samespace.space import FloatArray, Metric, Vectors, record_canaries
from samespace.types import Role
from samespace.vectors.exact import top_k
from tests.datasets import dataset

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MINILM = "all-MiniLM-L6-v2"
TEXTS = 500
"""More to fit on than MiniLM has dimensions, so that a rotation of it is determined."""


class Turned:
    """Another model: the vectors of one, multiplied by a matrix with orthonormal rows."""

    def __init__(self, inner: Embedder, matrix: np.ndarray[Any, Any]) -> None:
        self._inner, self.matrix = inner, matrix.astype(np.float32)
        self.space = dataclasses.replace(
            inner.space,
            model="turned",
            native_dimensions=matrix.shape[1],
            dimensions=matrix.shape[1],
        )
        self.max_tokens = inner.max_tokens

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        return self._inner.count(texts, role)

    def embed(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        on_long: Literal["error", "truncate"] = "error",
    ) -> Vectors:
        array = self._inner.embed(texts, role, on_long=on_long).array @ self.matrix
        return Vectors(array, self.space, role)


def orthonormal(rows: int, columns: int) -> np.ndarray[Any, Any]:
    """A random matrix of which the shorter sides are orthonormal."""
    tall = np.random.default_rng(0).normal(size=(max(rows, columns), min(rows, columns)))
    made = np.linalg.qr(tall)[0]
    return made if rows >= columns else made.T


def records(name: str) -> list[dict[str, Any]]:
    lines = (dataset("scifact") / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def titles() -> list[str]:
    different = {text_digest(r["title"]): r["title"] for r in records("corpus.jsonl")}
    return list(different.values())[:TEXTS]


@pytest.fixture(scope="module")
def questions() -> dict[str, str]:
    return {str(record["_id"]): record["text"] for record in records("queries.jsonl")[:100]}


def asking(new: Embedder) -> Any:
    return lambda texts: new.embed(texts, "query")


def fitted(new: Embedder, old: Embedder, texts: Sequence[str], **settings: Any) -> Bridge:
    return fit_bridge(
        new.embed(texts, "document"),
        old.embed(texts, "document"),
        texts=texts,
        ask=asking(new),
        canaries=record_canaries(for_canaries(new)),
        **settings,
    )


NEW = HashEmbedder(64)
OLD = Turned(NEW, orthonormal(64, 64))


@pytest.fixture(scope="module")
def bridge(titles: list[str]) -> Bridge:
    return fitted(NEW, OLD, titles)


# The maps


@given(
    n=st.integers(1, 30), d=st.integers(1, 12), e=st.integers(1, 12), seed=st.integers(0, 2**32 - 1)
)
def test_procrustes_is_orthonormal_and_no_rotation_fits_better(
    n: int, d: int, e: int, seed: int
) -> None:
    dice = np.random.default_rng(seed)
    a, b = dice.normal(size=(n, d)), dice.normal(size=(n, e))
    rotation = procrustes(a, b)
    product = rotation.T @ rotation if d >= e else rotation @ rotation.T
    np.testing.assert_allclose(product, np.eye(min(d, e)), atol=1e-9)
    other = np.linalg.qr(dice.normal(size=(max(d, e), min(d, e))))[0]
    other = other if d >= e else other.T
    assert ((a @ rotation) * b).sum() >= ((a @ other) * b).sum() - 1e-9


def test_ridge_is_that_of_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    dice = np.random.default_rng(0)
    x, y = dice.normal(size=(80, 20)) + 1, dice.normal(size=(80, 7)) - 2
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    strength = 0.3
    alpha = strength * np.trace(a.T @ a) / 20
    reference = linear_model.Ridge(alpha=alpha).fit(x, y)
    np.testing.assert_allclose(ridge(a, b, strength), reference.coef_.T, atol=1e-10)
    by_name = {map.name: map for map in candidates(x.astype(np.float32), y.astype(np.float32))}
    found = by_name["ridge 0.1"]
    reference = linear_model.Ridge(alpha=alpha / 3).fit(x, y)
    np.testing.assert_allclose(x @ found.matrix + found.offset, reference.predict(x), atol=1e-5)


def test_low_rank_is_the_best_of_its_rank() -> None:
    dice = np.random.default_rng(1)
    a, b = dice.normal(size=(60, 12)), dice.normal(size=(60, 9))
    full = ridge(a, b, 0.1)
    np.testing.assert_allclose(low_rank(a, b, full, 9), full, atol=1e-10)
    reduced = low_rank(a, b, full, 3)
    assert np.linalg.matrix_rank(reduced) == 3
    # The same from the singular vectors of what the regression with rows of its own fits.
    held_back = 0.1 * np.trace(a.T @ a) / 12
    fits = np.vstack([a, np.sqrt(held_back) * np.eye(12)]) @ full
    leading = np.linalg.svd(fits)[2][:3]
    np.testing.assert_allclose(reduced, full @ leading.T @ leading, atol=1e-9)


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_recall_is_that_of_the_exact_search(metric: Metric) -> None:
    dice = np.random.default_rng(2)
    rows = dice.normal(size=(500, 8)).astype(np.float32) + 0.5
    queries = rows[:40] + dice.normal(size=(40, 8)).astype(np.float32)
    exact = [i in top_k(query, [rows], 7, metric)[0].tolist() for i, query in enumerate(queries)]
    assert 0.1 < np.mean(exact) < 0.9
    assert _recall(queries, rows, 7, metric) == np.mean(exact)


def test_a_piece_stands_in_for_a_question(titles: list[str]) -> None:
    for text in (*titles[:100], "ab", "x", "東京都の人口は何人ですか。北京有多少人口。"):
        piece = stand_in(text)
        assert piece
        assert piece in " ".join(text.split())
        assert len(piece) <= max(1, (len(text) + 1) // 2)
        assert stand_in(text) == piece


# Fitting


def test_an_exact_rotation_is_recovered(bridge: Bridge) -> None:
    assert bridge.method == "procrustes"
    assert bridge.kept == pytest.approx(1.0, abs=0.005)
    assert 0.5 < bridge.full <= 1
    np.testing.assert_allclose(bridge.matrix, OLD.matrix, atol=1e-3)
    assert not bridge.offset.any()
    assert bridge.fitted_on + bridge.held_out == len(bridge.texts)
    assert bridge.recall == bridge.recalls["procrustes"]
    assert bridge.recall >= max(bridge.recalls.values()) - 0.06  # one standard error of a hundred


@pytest.mark.parametrize("width", [32, 96])
def test_widths_may_differ(titles: list[str], questions: dict[str, str], width: int) -> None:
    def stretched(narrow: Embedder) -> FloatArray:
        return narrow.embed(list(questions.values()), "query").array

    narrow, wide = sorted((64, width))
    inner = HashEmbedder(narrow)
    outer = Turned(inner, orthonormal(narrow, wide))
    new, old = (inner, outer) if width > 64 else (outer, inner)
    bridge = fitted(new, old, titles)
    assert bridge.matrix.shape == (64, width)
    assert bridge.kept == pytest.approx(1.0, abs=0.03)
    mapped = BridgedEmbedder(new, bridge).embed(list(questions.values()), "query")
    assert mapped.space == old.space
    assert (mapped.array * stretched(old)).sum(axis=1).min() > 0.999


def test_the_same_again_and_another_seed(bridge: Bridge, titles: list[str]) -> None:
    assert fitted(NEW, OLD, titles).to_bytes() == bridge.to_bytes()
    assert fitted(NEW, OLD, titles, seed=1).to_bytes() != bridge.to_bytes()


def test_texts_that_occur_twice_count_once(bridge: Bridge, titles: list[str]) -> None:
    twice = fitted(NEW, OLD, [*titles, *(title.upper() for title in titles[:50])])
    np.testing.assert_allclose(twice.matrix, bridge.matrix, atol=1e-6)
    assert (twice.fitted_on, twice.held_out) == (bridge.fitted_on, bridge.held_out)


def test_unrelated_spaces_are_refused(titles: list[str]) -> None:
    old = OLD.embed(titles, "document")
    mixed = np.random.default_rng(0).permutation(len(titles))
    settings: Any = {
        "texts": titles,
        "ask": asking(NEW),
        "canaries": record_canaries(for_canaries(NEW)),
    }
    unrelated = Vectors(old.array[mixed], old.space, "document")
    new = NEW.embed(titles, "document")
    with pytest.raises(
        SpaceError, match=r"at least 0\.8 of what full re-embedding finds"
    ) as caught:
        fit_bridge(new, unrelated, **settings)
    for told in ("procrustes: 0.", "ridge 0.1: 0.", "low-rank 32, ridge 1: 0."):
        assert told in str(caught.value)
    by_chance = fit_bridge(new, unrelated, require=0, **settings)
    assert by_chance.recall < 0.1


def test_too_few_texts_are_refused(titles: list[str]) -> None:
    few = titles[: LEAST_TEXTS - 1]
    with pytest.raises(InputError, match=rf"at least {LEAST_TEXTS} different texts.* got 199"):
        fitted(NEW, OLD, few)
    with pytest.raises(InputError, match=r"at least 800 .* recall@40"):
        fitted(NEW, OLD, titles, k=40)


def test_what_does_not_belong_together_is_refused(titles: list[str]) -> None:
    new, old = NEW.embed(titles, "document"), OLD.embed(titles, "document")
    asked = NEW.embed(titles, "query")
    fewer = Vectors(old.array[:-1], old.space, "document")
    good: Any = {
        "texts": titles,
        "ask": asking(NEW),
        "canaries": record_canaries(for_canaries(NEW)),
    }
    for source, target, other, says in [
        (new, fewer, {}, "500 new vectors, 499 old ones and 500 texts"),
        (new, old, {"texts": titles[1:]}, "and 499 texts"),
        (asked, old, {}, "in the roles 'query' and 'document'"),
        (new, new, {}, "nothing to bridge"),
        (new, old, {"require": 1.2}, "from 0 to 1, got 1.2"),
        (new, old, {"k": 0}, "k must be at least 1"),
        (new, old, {"methods": ["neural"]}, "methods are some of procrustes, ridge, low-rank"),
        (new, old, {"canaries": ()}, "and canaries"),
        (new, old, {"ask": asking(OLD)}, "ask must embed questions by the new model"),
        (new, old, {"ask": lambda t: NEW.embed(t, "document")}, "in the role 'query'"),
    ]:
        with pytest.raises(InputError, match=says):
            fit_bridge(source, target, **{**good, **other})


# Applying, keeping


def test_apply_keeps_role_and_length_and_refuses_other_spaces(bridge: Bridge) -> None:
    for role in ("query", "document"):
        made = bridge.apply(NEW.embed(["cells divide", "proteins fold"], role))
        assert (made.space, made.role) == (OLD.space, role)
        np.testing.assert_allclose(np.linalg.norm(made.array, axis=1), 1, atol=1e-6)
    with pytest.raises(SpaceMismatch, match="fitted for vectors of samespace-hash") as caught:
        bridge.apply(OLD.embed(["cells divide"], "query"))
    assert caught.value.fields["model"] == ("samespace-hash", "turned")


def test_what_comes_out_as_zero_is_refused(bridge: Bridge) -> None:
    nothing = dataclasses.replace(bridge, matrix=np.zeros_like(bridge.matrix))
    with pytest.raises(InvalidVectors, match="all zeros"):
        nothing.apply(NEW.embed(["cells divide"], "query"))


def test_round_trip(bridge: Bridge) -> None:
    again = Bridge.from_bytes(bridge.to_bytes())
    assert again.to_bytes() == bridge.to_bytes()
    plain = {f.name for f in dataclasses.fields(Bridge)} - {"matrix", "offset", "canaries"}
    assert {name: getattr(again, name) for name in plain} == {
        name: getattr(bridge, name) for name in plain
    }
    np.testing.assert_array_equal(again.matrix, bridge.matrix)
    np.testing.assert_array_equal(again.offset, bridge.offset)
    BridgedEmbedder(NEW, again).check(quick=False)


def test_changed_bytes_are_refused(bridge: Bridge) -> None:
    data = bridge.to_bytes()
    for place in [*range(60), *range(60, len(data), 499), len(data) - 1]:
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(ModelError, match="no bridge, or changed"):
            Bridge.from_bytes(bytes(changed))
    for cut in (b"", data[:30], data[:-1], data + b"x"):
        with pytest.raises(ModelError, match="no bridge, or changed"):
            Bridge.from_bytes(cut)


# Embedding


def test_queries_are_embedded_and_documents_refused(bridge: Bridge) -> None:
    bridged = BridgedEmbedder(NEW, bridge)
    assert isinstance(bridged, Embedder)
    assert bridged.bridged
    assert (bridged.space, bridged.max_tokens) == (OLD.space, NEW.max_tokens)
    assert bridged.count(["cells divide"], "query") == NEW.count(["cells divide"], "query")
    made = bridged.embed(["cells divide"], "query").array
    np.testing.assert_allclose(made, OLD.embed(["cells divide"], "query").array, atol=1e-3)
    with pytest.raises(SpaceError, match="a bridge carries queries only"):
        bridged.embed(["cells divide"], "document")
    with pytest.raises(SpaceError, match="a bridge carries queries only"):
        bridged.stream(["cells divide"], "document")


def test_another_model_or_a_changed_one_is_refused(bridge: Bridge) -> None:
    with pytest.raises(SpaceMismatch, match="fitted for vectors of"):
        BridgedEmbedder(HashEmbedder(64, seed=1), bridge)
    BridgedEmbedder(NEW, bridge).check()
    changed = Turned(NEW, orthonormal(64, 64))
    changed.space = NEW.space
    with pytest.raises(ModelDrift):
        BridgedEmbedder(changed, bridge).check()


# The three baselines


def ranked(
    queries: Mapping[str, str], embedder: Embedder, titles: Sequence[str], stored: Embedder
) -> Run:
    documents = stored.embed(titles, "document").array
    found = {}
    for id, text in queries.items():
        rows, scores = top_k(embedder.embed([text], "query").array[0], [documents], 10)
        pairs = zip(rows, scores, strict=True)
        found[id] = tuple(Retrieved(str(row), float(score)) for row, score in pairs)
    return Run(found, embedder.space.id)


def test_the_adapter_beside_both_baselines(
    bridge: Bridge, titles: list[str], questions: dict[str, str]
) -> None:
    full = ranked(questions, NEW, titles, NEW)
    # Relevant is what the new model finds second: a rotation must find it there too.
    qrels = {query: {found[1].document: 1} for query, found in full.results.items()}
    bridged = BridgedEmbedder(NEW, bridge)
    seen = three_baselines(
        questions,
        qrels,
        bridge,
        adapter=lambda asked: ranked(asked, bridged, titles, OLD),
        full=full,
        old=lambda asked: ranked(asked, OLD, titles, OLD),
    )
    assert seen.old is not None
    for baseline in (seen.old, seen.full):
        assert baseline.report.scores.mean("recall@10") == 1.0
        assert baseline.kept["recall@10"] == pytest.approx(1.0)
        assert baseline.kept["ndcg@10"] == pytest.approx(1.0, abs=0.02)
        assert baseline.paired["ndcg@10"].queries == len(questions)
    told = json.loads(json.dumps(seen.to_dict()))
    assert told["adapter"]["metrics"]["recall@10"]["value"] == 1.0
    assert told["old"]["kept"]["recall@10"] == 1.0
    alone = three_baselines(questions, qrels, bridge, adapter=seen.adapter.run, full=full)
    assert alone.old is None
    assert alone.to_dict()["old"] is None


def test_a_query_that_was_fitted_on_is_refused_before_it_is_asked(
    bridge: Bridge, titles: list[str]
) -> None:
    def never(asked: Mapping[str, str]) -> Run:
        raise AssertionError("was asked")

    queries = {"a": "how do cells divide", "b": f"  {titles[3].upper()} "}
    with pytest.raises(InputError, match="1 of the queries are among the texts"):
        three_baselines(queries, {"a": {"1": 1}, "b": {"1": 1}}, bridge, adapter=never, full=never)


def test_a_run_of_another_space_is_refused(
    bridge: Bridge, titles: list[str], questions: dict[str, str]
) -> None:
    full = ranked(questions, NEW, titles, NEW)
    qrels = {query: {"1": 1} for query in questions}
    with pytest.raises(SpaceMismatch, match="adapter: expected a run in the space of turned"):
        three_baselines(questions, qrels, bridge, adapter=full, full=full)


# Real models


def other_model() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "other_model", BENCHMARKS / "peers/other_model.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_minilm_and_the_same_with_other_axes(
    titles: list[str], questions: dict[str, str], tmp_path: Path
) -> None:
    card = find(MINILM)
    assert card is not None
    try:
        folder = locate(card)
    except ModelNotFound:
        pytest.skip(f"the weights of {MINILM} are absent")
    new = load(MINILM)
    other_model().make(folder, tmp_path / "permuted")
    old = OnnxEmbedder(tmp_path / "permuted")
    asked = list(questions.values())
    theirs = old.embed(asked, "query").array
    assert (new.embed(asked, "query").array * theirs).sum(axis=1).max() < 0.5
    bridge = fitted(new, old, titles)
    assert bridge.method == "procrustes"
    assert bridge.kept > 0.99
    ours = BridgedEmbedder(new, bridge).embed(asked, "query").array
    assert (ours * theirs).sum(axis=1).min() > 0.99
    hashed = HashEmbedder()
    with pytest.raises(SpaceError, match="no bridge from all-MiniLM-L6-v2 to samespace-hash"):
        fitted(new, hashed, titles)


def test_figures_in_the_documents_are_the_saved_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("bridge")
    page = benchmark.PAGE.read_text(encoding="utf-8")
    assert benchmark.renewed(page) == page, "run: python benchmarks/bridge.py --table"
    assert "refused" in page
