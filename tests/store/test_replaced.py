"""A folder that is replaced under an open collection is never taken for what was opened."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from samespace import Collection, Document
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


def test_what_is_being_written_when_the_folder_is_replaced_harms_nothing(tmp_path: Path) -> None:
    """The same model, so that the files of both have the same names."""
    new: list[Collection] = []

    def documents() -> Iterator[Document]:
        yield from (document(i) for i in range(100, 103))
        shutil.rmtree(tmp_path / "kb")
        new.append(make(tmp_path / "kb", HashEmbedder(), 30))
        yield from (document(i) for i in range(103, 140))

    with make(tmp_path / "kb", HashEmbedder(), 5) as kb:
        with pytest.raises(CollectionNotFound):
            kb.add(documents())
        with new[0] as there, make(tmp_path / "fresh", HashEmbedder(), 30) as fresh:
            assert there.verify().sound
            assert contents(there) == contents(fresh)


def test_an_idle_writer_cuts_nothing_off(tmp_path: Path) -> None:
    with make(tmp_path / "kb", HashEmbedder(), 2) as kb:
        writer = kb.store.write()
        shutil.rmtree(tmp_path / "kb")
        with make(tmp_path / "kb", HashEmbedder(), 30) as new:
            with pytest.raises(CollectionNotFound):
                writer.delete(["doc-1"])
            writer.close()
            assert new.verify().sound


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root may")
def test_a_log_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    """A copy without the shared memory, in a folder that the reader may not write."""
    with make(tmp_path / "kb", HashEmbedder(), 5) as kb, kb.store.read():
        kb.add([document(9)])
        shutil.copytree(tmp_path / "kb", tmp_path / "copy")
    (tmp_path / "copy" / "samespace.sqlite3-shm").unlink()
    assert (tmp_path / "copy" / "samespace.sqlite3-wal").stat().st_size
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == 0 and Path(tempfile.gettempdir()) in path.parents:
            path.chmod(0o755)
    code = (
        "import os, sys\n"
        "from samespace.store.embedded import EmbeddedStore\n"
        "from samespace.errors import StoreError\n"
        "os.setuid(65534)\n"
        "try: print(EmbeddedStore.open(sys.argv[1]).totals().documents)\n"
        "except StoreError as error: print(type(error).__name__)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "copy")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stdout.strip() in ("6", "WriteFailed"), said
