"""`verify` sees every damage, and mends what can be mended from the stored text."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace import Collection
from samespace.errors import CollectionLocked
from samespace.models import HashEmbedder
from samespace.space import Vectors

from .migrate.test_migration import contents, document

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


def test_nothing_is_dropped_where_the_model_is_not_to_be_had(kb: Path) -> None:
    overwrite(kb, 3, 0)
    with Collection.open(kb) as collection, pytest.raises(Exception, match="pass it again"):
        collection.verify(repair=True)
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
