"""A model that changed under its name: nothing of before and after is mixed, and there is a way."""

from __future__ import annotations

from pathlib import Path

import pytest

from samespace import Collection
from samespace.errors import InputError, ModelDrift
from samespace.evaluate import Qrels
from samespace.migrate import Migration, plan
from samespace.models import HashEmbedder
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
        with pytest.raises(InputError, match="nothing to migrate"):
            plan(kb, model)
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
