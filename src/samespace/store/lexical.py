"""The lexical index: tantivy's BM25 over `context` and text of each chunk.

The index is a shadow of the database. Each generation is a folder that never changes once the
database names it: the next one is made beside it from hard links to its files, which tantivy
never changes either, and from what was committed since. So a reader never meets an index that
is being written, and one that a killed writer left half made is named by nobody.

`files.json` in the folder says whose index it is, what it has seen, and the size, time and
CRC-32 of each file. A file whose size and time are as noted is trusted; any other is read.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from samespace.store.analysis import analysis_id
from samespace.store.bm25 import Analysis, Unusable, View, index_document, index_schema, unusable
from samespace.store.schema import Mark
from samespace.store.segments import sync_folder

FILES = "files.json"
HEAP_BYTES = 64_000_000

_Files = dict[str, tuple[int, int, int]]
"""Of each file its size in bytes, its time of change in nanoseconds, its CRC-32."""


class LexicalFolder:
    """The generations of one collection's lexical index."""

    def __init__(self, folder: Path, collection: str, analysis: Analysis) -> None:
        self.folder = folder
        self.collection = collection
        self.analysis = analysis

    def path(self, generation: int) -> Path:
        """Return where a generation lies."""
        return self.folder / f"{generation:06d}"

    def open(self, mark: Mark) -> View:
        """Open a generation that the database names.

        Raises:
            Unusable: it is missing, damaged, or another's.
        """
        import tantivy

        path = self.path(mark.generation)
        try:
            noted = json.loads((path / FILES).read_text("ascii"))
            if noted["identity"] != self._identity(mark):
                raise Unusable(f"{path} is the index of something else")
            for name, (size, time, crc32) in noted["files"].items():
                found = os.stat(path / name)
                if found.st_size != size:
                    raise Unusable(f"{path / name} has another size than when it was written")
                if found.st_mtime_ns != time and _crc32(path / name) != crc32:
                    raise Unusable(f"{path / name} has other bytes than when it was written")
            return View(tantivy.Index.open(str(path)))
        except Unusable:
            raise
        except BaseException as error:
            raise unusable(error, path) from error

    def build(
        self,
        base: Mark | None,
        mark: Mark,
        rows: Iterable[tuple[int, str]],
        deleted: Sequence[int] = (),
    ) -> None:
        """Make a generation from another and what came after it, or from nothing.

        Args:
            base: the generation to start from; None starts empty.
            mark: the new generation, and what it will have seen.
            rows: (row, text) of each chunk to add.
            deleted: rows to take out of the base.

        Raises:
            Unusable: the base cannot be used.
            OSError: the disk refused.
        """
        if base is not None:
            self.open(base)
        path = self.path(mark.generation)
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True)
        try:
            if base is not None:
                self._link(base, path)
            self._write(path, base is None, rows, deleted)
            self._note(path, mark, {} if base is None else self._noted(base))
        except BaseException as error:
            shutil.rmtree(path, ignore_errors=True)
            if isinstance(error, OSError):
                raise
            raise unusable(error, path) from error

    def dead(self, mark: Mark) -> int:
        """Return how many deleted rows a generation still holds; they blur its statistics."""
        try:
            meta = json.loads((self.path(mark.generation) / "meta.json").read_text("utf-8"))
            deletes = [segment.get("deletes") for segment in meta["segments"]]
            return sum(int(found["num_deleted_docs"]) for found in deletes if found)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise unusable(error, self.path(mark.generation)) from error

    def sweep(self, *keep: int) -> None:
        """Remove all generations but these; what another process still holds goes next time."""
        names = {self.path(generation).name for generation in keep}
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.name not in names:
                    shutil.rmtree(path, ignore_errors=True)

    def problems(self, mark: Mark) -> list[str]:
        """Read every file of a generation and return what is wrong with it."""
        path = self.path(mark.generation)
        try:
            self.open(mark)
        except Unusable as error:
            return [f"lexical index: {error} (it is rebuilt by the next search or write)"]
        return [
            f"lexical index: {path / name} has other bytes than when it was written; delete the "
            "folder, it is rebuilt"
            for name, (_, _, crc32) in self._noted(mark).items()
            if _crc32(path / name) != crc32
        ]

    def _identity(self, mark: Mark) -> dict[str, object]:
        return {
            "collection": self.collection,
            "analysis": analysis_id(self.analysis.language),
            "generation": mark.generation,
            "row": mark.row,
            "tombstone": mark.tombstone,
        }

    def _link(self, base: Mark, path: Path) -> None:
        source = self.path(base.generation)
        for name in self._noted(base):
            if name.endswith(".json"):
                shutil.copy2(source / name, path / name)
                continue
            try:
                os.link(source / name, path / name)
            except OSError:
                shutil.copy2(source / name, path / name)

    def _write(
        self, path: Path, empty: bool, rows: Iterable[tuple[int, str]], deleted: Sequence[int]
    ) -> None:
        import tantivy

        index = (
            tantivy.Index(index_schema(), path=str(path))
            if empty
            else tantivy.Index.open(str(path))
        )
        index.config_reader("manual")
        index.register_tokenizer("samespace", self.analysis.analyzer)
        # One thread: its rows lie in order, and the same rows always give the same index.
        writer = index.writer(HEAP_BYTES, 1)
        if deleted:
            # By query: tantivy-py's deletion by term makes a signed term, which matches no row.
            gone = tantivy.Query.term_set_query(index.schema, "row", list(deleted))
            writer.delete_documents_by_query(gone)
        for row, text in rows:
            writer.add_document(index_document(row, text))
        writer.commit()
        writer.wait_merging_threads()

    def _noted(self, mark: Mark) -> _Files:
        note = json.loads((self.path(mark.generation) / FILES).read_text("ascii"))
        return {name: tuple(noted) for name, noted in note["files"].items()}

    def _note(self, path: Path, mark: Mark, known: _Files) -> None:
        files: _Files = {}
        for file in sorted(path.iterdir()):
            if file.suffix == ".lock":
                continue
            found = file.stat()
            before = known.get(file.name)
            if before and before[:2] == (found.st_size, found.st_mtime_ns):
                files[file.name] = before
            else:
                files[file.name] = (found.st_size, found.st_mtime_ns, _crc32(file))
        note = {"identity": self._identity(mark), "files": files}
        with open(path / FILES, "w", encoding="ascii") as handle:
            json.dump(note, handle)
            handle.flush()
            os.fsync(handle.fileno())
        sync_folder(path)
        sync_folder(self.folder)


def _crc32(path: Path) -> int:
    value = 0
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            value = zlib.crc32(part, value)
    return value
