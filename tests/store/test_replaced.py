"""A folder that is replaced under an open collection is never taken for what was opened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samespace import Collection
from samespace.errors import CollectionNotFound
from samespace.models import HashEmbedder
from tests.migrate.test_migration import contents, document, make

DOORS: dict[str, Callable[[Collection], Any]] = {
    "add": lambda kb: kb.add([document(99)]),
    "add nothing": lambda kb: kb.add([]),
    "delete": lambda kb: kb.delete("doc-1"),
    "sync": lambda kb: kb.sync([document(1)]),
    "compact": lambda kb: kb.compact(),
    "repair": lambda kb: kb.store.mend(()),
    "dense search": lambda kb: kb.search("violet", mode="dense"),
    "lexical search": lambda kb: kb.search("violet", mode="lexical"),
    "info": lambda kb: kb.info(),
    "verify": lambda kb: kb.verify(),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("other", [HashEmbedder(seed=1), HashEmbedder(dimensions=512)])
def test_another_collection_in_its_place_is_refused_and_left_alone(
    tmp_path: Path, door: str, other: HashEmbedder
) -> None:
    with make(tmp_path / "kb", HashEmbedder(), 5) as kb:
        kb.search("violet")
        shutil.rmtree(tmp_path / "kb")
        with make(tmp_path / "kb", other, 3) as new:
            before = contents(new)
            with pytest.raises(CollectionNotFound, match=r"another collection.*Open it again"):
                DOORS[door](kb)
            assert contents(new) == before
            assert new.verify().sound
    with Collection.open(tmp_path / "kb", other) as again:
        assert contents(again) == before


@pytest.mark.parametrize("door", DOORS)
def test_a_collection_that_is_gone_is_not_answered_from_memory(tmp_path: Path, door: str) -> None:
    with make(tmp_path / "kb", HashEmbedder(), 5) as kb:
        kb.search("violet")
        (tmp_path / "kb").rename(tmp_path / "elsewhere")
        with pytest.raises(CollectionNotFound, match="not here any more"):
            DOORS[door](kb)
        (tmp_path / "elsewhere").rename(tmp_path / "kb")
        assert len(kb.search("violet")) > 0


def test_a_restored_backup_is_read_anew(tmp_path: Path) -> None:
    with make(tmp_path / "kb", HashEmbedder(), 3) as kb:
        kb.compact()
        shutil.copytree(tmp_path / "kb", tmp_path / "backup")
        kb.add([document(7)])
        assert "doc-7" in {hit.chunk.document for hit in kb.search("document 7", 50)}
        (tmp_path / "kb").rename(tmp_path / "old")
        (tmp_path / "backup").rename(tmp_path / "kb")
        assert {hit.chunk.document for hit in kb.search("document 7", 50)} <= {
            "doc-0",
            "doc-1",
            "doc-2",
        }
        kb.add([document(8)])
        assert kb.info()["documents"] == 4
        assert kb.verify().sound
