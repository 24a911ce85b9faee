"""A model that changed under its name: nothing of before and after is mixed, and there is a way."""

from __future__ import annotations

from pathlib import Path

import pytest

from samespace import Collection
from samespace.errors import InputError, ModelDrift, SpaceMismatch
from samespace.evaluate import Qrels
from samespace.migrate import Migration, plan
from samespace.models import HashEmbedder
from samespace.models.cache import CachedEmbedder, VectorCache
from samespace.models.derived import DerivedEmbedder
from tests.test_verify import Turning

from .test_migration import contents, document, make, run

COUNT = 30


@pytest.fixture
def model() -> Turning:
    return Turning(max_tokens=40)


def fresh(folder: Path, embedder: HashEmbedder, **recipe: int) -> dict[str, object]:
    with make(folder, embedder, COUNT, **recipe) as kb:
        return contents(kb)


def test_the_remedy_that_drift_names_works(tmp_path: Path, model: Turning) -> None:
    with make(tmp_path / "kb", model, COUNT) as kb:
        with pytest.raises(InputError, match=r"answers as it did.*nothing to migrate"):
            Migration.begin(kb, model)
        asked = len(model.sent)
        plan(kb, model)
        assert len(model.sent) == asked  # a hosted model is not paid for a plan
    with (
        make(tmp_path / "local", HashEmbedder()) as kb,
        pytest.raises(InputError, match="nothing to migrate"),
    ):
        plan(kb, HashEmbedder())
    model.turned = True
    with Collection.open(tmp_path / "kb", model) as kb:
        with pytest.raises(ModelDrift, match="samespace migrate KB --to MODEL"):
            kb.search("violet", mode="dense")
        planned = plan(kb, model)
        assert (planned.fields, planned.settings, planned.computed) == ({}, {}, False)
        assert planned.tokens == kb.info()["tokens"]
        migration = Migration.begin(kb, model, why="the provider changed it")
        assert migration.backfill().embedded == kb.info()["vectors"]
        found = migration.verify()
        assert found.holds
        assert "recorded inputs" in found.why_not
        migration.switch()
        assert len(kb.search("violet", mode="dense")) == 10
        assert contents(kb) == fresh(tmp_path / "fresh", model)
        assert kb.verify().sound
        migration.rollback()
        with pytest.raises(ModelDrift):
            kb.search("violet", mode="dense")
        migration.switch()
        kb.add([document(COUNT)])
        with pytest.raises(ModelDrift):  # of before: it cannot embed what came since
            migration.rollback()
        migration.retire()
        assert kb.verify().sound
        kb.delete(f"doc-{COUNT}")
    model.turned = False
    with Collection.open(tmp_path / "kb", model) as kb:
        run(Migration.begin(kb, model))
        Migration(kb).retire()
        assert contents(kb) == fresh(tmp_path / "again", model)
        assert len(list((tmp_path / "kb/vectors").iterdir())) == 1


def test_a_new_cut_shares_no_vectors_with_what_drifted(tmp_path: Path, model: Turning) -> None:
    with make(tmp_path / "kb", model, COUNT) as kb:
        model.turned = True
        run(Migration.begin(kb, model, max_tokens=24))
        assert contents(kb) == fresh(tmp_path / "fresh", model, max_tokens=24)
        model.turned = False
        with pytest.raises(ModelDrift):
            Collection.open(tmp_path / "kb", model).search("violet", mode="dense")


def test_nothing_is_computed_from_what_drifted(tmp_path: Path, model: Turning) -> None:
    small = DerivedEmbedder(model, dimensions=128, precision="int8")
    with make(tmp_path / "kb", model, COUNT) as kb:
        model.turned = True
        migration = Migration.begin(kb, small)
        filled = migration.backfill()
        assert (filled.computed, filled.embedded) == (0, kb.info()["vectors"])
        assert migration.verify().holds
        migration.switch()
        assert contents(kb) == fresh(tmp_path / "fresh", small)  # type: ignore[arg-type]
    model.turned = False
    with make(tmp_path / "sound", model, COUNT) as kb:
        filled = Migration.begin(kb, small).backfill()
        assert (filled.computed, filled.embedded) == (kb.info()["vectors"], 0)


def test_a_process_that_stood_beside_it_answers_from_no_cache_of_before(
    tmp_path: Path, model: Turning
) -> None:
    """A server with a cache of its own, open since before the provider changed the model."""
    cached = CachedEmbedder(model, VectorCache(tmp_path / "mine"))
    questions = [f"document {i} violet" for i in range(20)]
    with (
        make(tmp_path / "kb", model, COUNT) as kb,
        Collection.open(tmp_path / "kb", cached) as server,
    ):
        for question in questions:
            server.search(question, mode="dense")
        model.turned = True
        other = Turning(max_tokens=40)
        other.turned = True
        run(Migration.begin(kb, other))
        for question in questions:
            found = [hit.chunk.id for hit in server.search(question, mode="dense")]
            assert found == [hit.chunk.id for hit in kb.search(question, mode="dense")]
        server.delete("doc-3")
        server.add([document(3)])
        assert contents(server) == fresh(tmp_path / "fresh", model)


def test_the_same_cached_object_carries_nothing_over(tmp_path: Path, model: Turning) -> None:
    cached = CachedEmbedder(model, VectorCache(tmp_path / "mine"))
    with Collection.create(tmp_path / "kb", cached) as kb:
        kb.add([document(i) for i in range(COUNT)])
        model.turned = True
        migration = Migration.begin(kb)
        filled = migration.backfill()
        assert (filled.embedded, filled.cached) == (kb.info()["vectors"], 0)
        migration.verify()
        migration.switch()
        assert contents(kb) == fresh(tmp_path / "fresh", model)


def test_the_live_side_keeps_its_model_while_its_successor_is_made(tmp_path: Path) -> None:
    old, new = Turning(max_tokens=40), Turning(max_tokens=40)
    new.turned = True
    with make(tmp_path / "kb", old, COUNT) as kb:
        before = [hit.chunk.id for hit in kb.search("violet", mode="dense")]
        migration = Migration.begin(kb, new)
        migration.backfill()
        assert [hit.chunk.id for hit in kb.search("violet", mode="dense")] == before
        found = migration.verify(
            queries={"q": "document 3 violet"}, qrels=Qrels({"q": {"doc-3": 1}})
        )
        assert found.old is not None
        migration.switch()
        kb.add([document(COUNT)])
        migration.rollback()
        assert kb.info()["documents"] == COUNT + 1
        assert kb.verify().sound


def test_drift_during_a_migration_says_how_to_end_it(tmp_path: Path, model: Turning) -> None:
    new = Turning(seed=1, max_tokens=40)
    with make(tmp_path / "kb", model, COUNT) as kb:
        Migration.begin(kb, new)
        new.turned = True
        with pytest.raises(ModelDrift, match=r"End it with --cancel first"):
            Migration.begin(kb, as_it_is(new))
        Migration(kb).cancel()
        run(Migration.begin(kb, new))
        new.turned = False
        with pytest.raises(ModelDrift, match=r"End it with --retire first"):
            Migration.begin(kb, as_it_is(new))


def as_it_is(model: Turning) -> Turning:
    """The same model as another object, as it is now."""
    again = Turning(seed=1, max_tokens=40)
    again.turned = model.turned
    return again


def test_a_condition_on_a_side_that_cannot_be_asked_is_refused_before_the_filling(
    tmp_path: Path, model: Turning
) -> None:
    with make(tmp_path / "kb", model, COUNT) as kb:
        model.turned = True
    with Collection.open(tmp_path / "kb", model) as kb:
        migration = Migration.begin(kb, model)
        with pytest.raises(InputError, match=r"(?s)compares with the old side.*Give a number"):
            migration.require_test(
                queries={"q": "document 3 violet"},
                qrels=Qrels({"q": {"doc-3": 1}}),
                require="ndcg@10 >= old",
            )
        migration.require_test(
            queries={"q": "document 3 violet"},
            qrels=Qrels({"q": {"doc-3": 1}}),
            mode="lexical",  # which asks no model
            require="ndcg@10 >= old",
        )
        assert migration.state == "planned"


def test_a_run_over_a_switch_under_one_space_is_refused(tmp_path: Path) -> None:
    old, new = Turning(max_tokens=40), Turning(max_tokens=40)
    new.turned = True
    with make(tmp_path / "kb", old, COUNT) as kb:
        migration = Migration.begin(kb, new)
        migration.backfill()
        migration.verify()
        queries = {str(i): f"document {i}" for i in range(4)}
        with pytest.raises(SpaceMismatch, match="switched to vectors of the changed model"):
            kb.run(queries, progress=lambda done: migration.switch() if done == 2 else None)


def test_an_old_model_that_is_gone_is_not_in_the_way(tmp_path: Path) -> None:
    make(tmp_path / "kb", HashEmbedder(), COUNT).close()
    with Collection.open(tmp_path / "kb") as kb:  # made with an object, which nobody gives
        migration = Migration.begin(kb, HashEmbedder(seed=1))
        migration.backfill()
        with pytest.raises(InputError, match="compares with the old side"):
            migration.verify(
                queries={"q": "document 3 violet"},
                qrels=Qrels({"q": {"doc-3": 1}}),
                require="ndcg@10 >= old",
            )
        found = migration.verify(
            queries={"q": "document 3 violet"},
            qrels=Qrels({"q": {"doc-3": 1}}),
            require="ndcg@10 >= 0.1",
        )
        assert found.holds
        assert "pass it again" in found.why_not
        assert found.old is None
        migration.switch()
        assert len(kb.search("violet", mode="dense")) == 10
