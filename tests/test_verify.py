"""`verify` sees every damage, and mends what can be mended from the stored text."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace import Collection
from samespace.errors import CollectionLocked, ModelDrift
from samespace.migrate import Migration
from samespace.models import HashEmbedder
from samespace.space import CANARIES, Space, Vectors
from samespace.verify import SAMPLED

from .migrate.test_migration import Asked, Counting, contents, document

DOCUMENTS = 20


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    with Collection.create(tmp_path / "kb", HashEmbedder(max_tokens=40)) as collection:
        collection.add([document(i) for i in range(DOCUMENTS)])
        assert collection.verify().sound
    return tmp_path / "kb"


def segment(kb: Path) -> Path:
    (path,) = kb.glob("vectors/*/*/*.f32")
    return path


def overwrite(kb: Path, row: int, value: float) -> None:
    array = np.memmap(segment(kb), np.float32, "r+").reshape(-1, 256)
    array[row] = value
    array.flush()


def cut_short(kb: Path) -> None:
    path = segment(kb)
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2 + 100)


def sql(statement: str) -> Callable[[Path], None]:
    def change(kb: Path) -> None:
        database = sqlite3.connect(kb / "samespace.sqlite3")
        with database:
            database.execute(statement)
        database.close()

    return change


def flip(pattern: str) -> Callable[[Path], None]:
    def change(kb: Path) -> None:
        path = max(kb.glob(pattern), key=lambda found: found.stat().st_size)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 8
        path.write_bytes(content)

    return change


MENDABLE = {
    "a flipped bit in a vector": (flip("vectors/*/*/*.f32"), "other bytes than were written"),
    "a NaN": (lambda kb: overwrite(kb, 3, np.nan), "NaN"),
    "a vector of zeros": (lambda kb: overwrite(kb, 4, 0), "are zero"),
    "another length": (lambda kb: overwrite(kb, 5, 1), "another length"),
    "a short file": (cut_short, "expected at least"),
    "a missing file": (lambda kb: segment(kb).unlink(), "is missing"),
    "a vector that nobody names": (sql("DELETE FROM vectors WHERE row = 3"), "without their"),
    "lost checksums": (sql("DELETE FROM batches"), "checksums cover 0"),
    "a damaged index": (flip("lexical/*/*.term"), "lexical index"),
    "an index of other rows": (
        sql("UPDATE cuts SET lexical_row = lexical_row + 7"),
        "index of something else",
    ),
    "metadata of nobody": (
        sql("INSERT INTO metadata VALUES (999, 'k', 0, 'number', 1)"),
        "metadata rows without",
    ),
}


@pytest.mark.parametrize("name", MENDABLE)
def test_it_is_seen_and_mended(kb: Path, name: str, tmp_path: Path) -> None:
    damage, says = MENDABLE[name]
    shutil.copytree(kb, tmp_path / "sound")
    damage(kb)
    with Collection.open(kb, HashEmbedder(max_tokens=40)) as collection:
        found = collection.verify()
        assert not found.sound
        assert says in " ".join(problem.says for problem in found.problems)
        mended = collection.verify(repair=True)
        assert mended.sound, mended.problems
        assert mended.repaired
        assert collection.verify().sound
        with Collection.open(tmp_path / "sound", HashEmbedder(max_tokens=40)) as before:
            assert contents(collection) == contents(before)
            for mode in ("dense", "lexical"):
                one, two = (
                    side.search("violet engine", 10, mode=mode) for side in (collection, before)
                )
                assert [h.chunk.id for h in one] == [h.chunk.id for h in two]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (sql("UPDATE chunks_1 SET text = upper(text) WHERE row = 2"), "not what was embedded"),
        (sql("UPDATE chunks_1 SET text = text || 'x' WHERE row = 2"), "another length"),
        (sql("UPDATE chunks_1 SET context = 'Other' WHERE row = 2"), "not what was embedded"),
        (sql("DELETE FROM chunks_1 WHERE row = 2"), "do not make up its text"),
    ],
)
def test_a_damaged_text_is_taken_anew_from_its_source(
    kb: Path, tmp_path: Path, damage: Callable[[Path], None], says: str
) -> None:
    shutil.copytree(kb, tmp_path / "sound")
    damage(kb)
    with Collection.open(kb, HashEmbedder(max_tokens=40)) as collection:
        found = collection.verify(repair=True)
        assert says in " ".join(problem.says for problem in found.problems)
        report = collection.add([document(i) for i in range(DOCUMENTS)])
        assert (report.updated, report.unchanged) == (1, DOCUMENTS - 1)
        assert collection.verify().sound
        with Collection.open(tmp_path / "sound", HashEmbedder(max_tokens=40)) as before:
            assert contents(collection) == contents(before)


class Turning(HashEmbedder):
    """A hosted model: its Space names no weights, and one day it makes other vectors."""

    turned = False

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **settings)
        self.sent: list[str] = []

    @property
    def space(self) -> Space:
        return dataclasses.replace(super().space, weights="", model="hosted")

    def embed(self, texts: Sequence[str], role: Any, *, on_long: Any = "error") -> Vectors:
        self.sent.extend(texts)
        made = super().embed(texts, role, on_long=on_long).array
        return Vectors(np.roll(made, 1, axis=1) if self.turned else made, self.space, role)


def test_a_model_that_changed_is_a_problem_that_no_repair_mends(kb: Path) -> None:
    class Turned(HashEmbedder):
        def embed(self, texts: Sequence[str], role: Any, *, on_long: Any = "error") -> Vectors:
            found = super().embed(texts, role, on_long=on_long)
            return Vectors(np.roll(found.array, 1, axis=1), found.space, role)

    with Collection.open(kb, Turned(max_tokens=40)) as collection:
        found = collection.verify(repair=True)
        assert [problem.part for problem in found.problems] == ["model"]
        assert found.canaries is not None
        assert found.canaries < 0.9
        assert collection.verify(model=False).sound


def test_what_two_sides_share_is_told_and_mended_once(tmp_path: Path) -> None:
    model = Counting(max_tokens=40)
    with Collection.create(tmp_path / "kb", model) as kb:
        kb.add([document(i) for i in range(DOCUMENTS)])
        before, rows = contents(kb), kb.info()["vectors"]
        Migration.begin(kb, max_tokens=24).backfill()
        assert kb.info()["vectors"] > rows  # both cuts have their vectors in one space
        overwrite(tmp_path / "kb", 3, 0)
        found = kb.verify()
        assert len(found.problems) == len({problem.says for problem in found.problems}) == 2
        model.embedded.clear()
        assert kb.verify(repair=True, model=False).sound
        assert len(model.embedded) == max(len(problem.rows) for problem in found.problems)
        assert contents(kb) == before
        Migration(kb).verify()
        Migration(kb).switch()
        with Collection.create(tmp_path / "fresh", HashEmbedder(), max_tokens=24) as fresh:
            fresh.add([document(i) for i in range(DOCUMENTS)])
            assert contents(kb) == contents(fresh)


def test_rows_that_were_renumbered_since_they_were_seen_are_not_dropped(tmp_path: Path) -> None:
    model = Counting(max_tokens=40)
    with Collection.create(tmp_path / "kb", model) as kb:
        for i in range(DOCUMENTS):
            kb.add([document(i)])  # a commit, and a checksum, for each
        overwrite(tmp_path / "kb", kb.info()["vectors"] - 1, 0)
        problems = kb.store.check()
        kb.delete(["doc-0", "doc-1"])
        kb.compact()
        kb.store.mend(problems)
        lost = [problem.says for problem in kb.store.check()]
        assert len(lost) == 1
        assert int(lost[0].split(": ")[1].split()[0]) <= 4, lost
        assert kb.verify(repair=True).sound
        with Collection.create(tmp_path / "fresh", HashEmbedder(max_tokens=40)) as fresh:
            fresh.add([document(i) for i in range(2, DOCUMENTS)])
            assert contents(kb) == contents(fresh)


def test_each_canary_is_embedded_once(kb: Path) -> None:
    model = Asked(max_tokens=40)
    with Collection.open(kb, model) as collection:
        assert collection.verify().canaries == pytest.approx(1)
    canaries = [text for _, text in CANARIES]
    assert sorted(text for text in model.asked if text in canaries) == sorted(canaries)
    assert len(model.asked) == len(canaries) + SAMPLED


def test_nothing_is_dropped_where_the_model_is_not_to_be_had(kb: Path) -> None:
    overwrite(kb, 3, 0)
    flip("lexical/*/*.term")(kb)
    with Collection.open(kb) as collection:
        found = collection.verify(repair=True, model=False)
        assert {problem.part for problem in found.problems} == {"vectors", "model"}
        assert "pass it again" in found.problems[-1].says
        assert [problem.part for problem in found.repaired] == ["lexical"]
    with Collection.open(kb, HashEmbedder(max_tokens=40)) as collection:
        assert collection.verify(repair=True).sound


def test_a_space_under_another_id_is_seen(kb: Path) -> None:
    sql("UPDATE spaces SET json = replace(json, '\"none\"', '\"cls\"')")(kb)
    with Collection.open(kb) as collection:
        (problem,) = collection.verify(model=False).problems
        assert problem.part == "database"
        assert "its fields make" in problem.says


def test_repair_waits_for_nobody_unless_told(kb: Path) -> None:
    overwrite(kb, 3, 0)
    with (
        Collection.open(kb, HashEmbedder(max_tokens=40)) as collection,
        collection.store.write(),
        pytest.raises(CollectionLocked),
    ):
        collection.verify(repair=True)


def test_without_sound_canaries_nothing_is_known(kb: Path, tmp_path: Path) -> None:
    shutil.copytree(kb, tmp_path / "other")
    sql("DELETE FROM canaries")(kb)
    with Collection.open(kb, HashEmbedder(max_tokens=40)) as collection:
        found = collection.verify()
        assert "no canaries" in found.problems[0].says
        assert found.canaries is None
    spoilt = np.full(256, np.nan, "<f4").tobytes().hex()
    sql(f"UPDATE canaries SET vector = x'{spoilt}' WHERE position = 0")(tmp_path / "other")
    with Collection.open(tmp_path / "other", HashEmbedder(max_tokens=40)) as collection:
        with pytest.raises(ModelDrift):
            collection.search("violet", mode="dense")
        found = collection.verify()
        assert "is damaged: row 0 holds NaN" in found.problems[0].says
        assert found.canaries == 0.0


def test_vectors_of_another_model_among_them_are_seen(tmp_path: Path) -> None:
    """As a server leaves them whose provider changed the model while it was writing."""
    model = Turning()
    with Collection.create(tmp_path / "kb", model) as kb:
        kb.add([document(i) for i in range(10)])
        model.turned = True
        kb.add([document(i) for i in range(10, 20)])
        model.turned = False
        (problem,) = kb.verify().problems
        assert problem.part == "model"
        assert "stored vectors that were looked at are not what the model makes" in problem.says


def test_a_hosted_model_is_asked_again_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Turning()
    with Collection.create(tmp_path / "kb", model) as kb:
        kb.add([document(1)])
        model.turned = True
        kb.search("violet", mode="dense")
        monkeypatch.setattr("samespace.embedders.RECHECK_SECONDS", 0.0)
        with pytest.raises(ModelDrift):
            kb.add([document(2)])
        with pytest.raises(ModelDrift):
            kb.search("violet", mode="dense")
        assert kb.info()["documents"] == 1
