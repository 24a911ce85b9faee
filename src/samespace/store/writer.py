"""Writing an embedded store: one writer, one transaction per commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType

from filelock import BaseFileLock

from samespace.errors import CollectionNotFound, DocumentNotFound, InputError, StoreError
from samespace.space import Vectors
from samespace.store.bm25 import Unusable
from samespace.store.catch_up import CATCH_UP_CHUNKS, catch_up
from samespace.store.faults import fault, guarded
from samespace.store.lookups import BATCH, Lookups
from samespace.store.memory import release_memory
from samespace.store.rows import (
    CHUNK_COLUMNS,
    DOCUMENT_COLUMNS,
    check_chunks,
    chunk_row,
    document_row,
    gaps_json,
)
from samespace.store.schema import (
    live_cuts,
    raise_change,
    read_state,
    read_states,
)
from samespace.store.segments import SegmentWriter
from samespace.store.shared import Shared, logger
from samespace.store.sweep import sweep
from samespace.store.where_sql import metadata_rows
from samespace.types import Chunk, Document


def _marks(columns: str) -> str:
    return ", ".join("?" * len(columns.split(",")))


_INSERT_DOCUMENT = f"INSERT INTO documents ({DOCUMENT_COLUMNS}) VALUES ({_marks(DOCUMENT_COLUMNS)})"
_UPDATE_DOCUMENT = (
    f"UPDATE documents SET ({DOCUMENT_COLUMNS}) = ({_marks(DOCUMENT_COLUMNS)}) WHERE number = ?"
)
_INSERT_CHUNK = f"INSERT INTO {{chunks}} ({CHUNK_COLUMNS}) VALUES ({_marks(CHUNK_COLUMNS)})"

_UNSTORABLE = (
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    UnicodeEncodeError,
    OverflowError,
)
"""What Python's sqlite3 raises for values that cannot be stored or keys that are taken."""


class EmbeddedWriter(Lookups):
    """The one writer of a store. Nothing is visible to readers before `commit`.

    Leaving the `with` block without `commit` rolls back to the last commit. What it is asked
    about documents it answers with its own changes included.

    It writes to one side, the active one unless another is named. What it puts or deletes goes
    from the cuts of all sides: the others lack the document then, until a migration brings them
    in step.
    """

    def __init__(self, shared: Shared, lock: BaseFileLock, side: int | None = None) -> None:
        self._shared = shared
        self._lock = lock
        self._open = True
        self._new_hashes: set[bytes] = set()
        self._chunks_since_catch_up = 0
        try:
            with guarded(shared.database, "opening for writing"):
                connection = shared.connect(write=True)
                self._file = shared.present()
                state = read_state(connection, side)
                if state.side not in {one.side for one in read_states(connection)}:
                    connection.close()
                    raise InputError(
                        f"{shared.path}: side {state.side} was given up; nothing is written to it"
                    )
                super().__init__(connection, shared.database, state)
                self.header = shared.header(connection, state)
                self._cuts = live_cuts(connection)
                self._sweep()
            folder = shared.vector_folder(state)
            self._segments = SegmentWriter(folder, self.header.space.dimensions, state.rows)
        except BaseException:
            lock.release()
            raise

    def __enter__(self) -> EmbeddedWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        hurried = kind is not None and not issubclass(kind, Exception)
        self.close(catch_up_index=not hurried)

    def missing(self, hashes: Sequence[bytes]) -> list[bytes]:
        """Return the hashes that have no vector in the side's space, each once, in order."""
        wanted = list(dict.fromkeys(hashes))
        there: set[bytes] = set()
        with guarded(self._database, "reading"):
            for start in range(0, len(wanted), BATCH):
                batch = wanted[start : start + BATCH]
                marks = ", ".join("?" * len(batch))
                there.update(
                    hash
                    for (hash,) in self._connection.execute(
                        f"SELECT hash FROM vectors WHERE space = ? AND hash IN ({marks})",
                        (self._state.space, *batch),
                    )
                )
        return [hash for hash in wanted if hash not in there]

    def add_vectors(self, hashes: Sequence[bytes], vectors: Vectors) -> None:
        """Append vectors, one for each hash. Hashes that are there already are left as they are.

        Raises:
            SpaceMismatch: the vectors live in another space than the side's.
            WriteFailed: the disk refused; everything since the last commit is rolled back.
        """
        self.header.space.require(vectors.space, f"adding to {self._shared.path}")
        if len(hashes) != len(vectors):
            raise InputError(
                f"expected one hash for each of {len(vectors)} vectors, got {len(hashes)}"
            )
        places = {hash: place for place, hash in reversed(list(enumerate(hashes)))}
        new = self.missing(hashes)
        if not new:
            return
        try:
            with self._changing("adding vectors"):
                first = self._segments.append(vectors.array[[places[hash] for hash in new]])
                self._connection.executemany(
                    "INSERT INTO vectors (space, hash, row) VALUES (?, ?, ?)",
                    [(self._state.space, hash, first + n) for n, hash in enumerate(new)],
                )
        except BaseException:
            # Rows that were written and are not named must not be counted by the next commit.
            self.rollback()
            raise

    def put(self, document: Document, chunks: Sequence[Chunk], hashes: Sequence[bytes]) -> None:
        """Write one cleaned document and all its chunks, replacing a document of the same id.

        `hashes[i]` names the vector of `chunks[i]`; it must be there by the time of `commit`.

        Raises:
            InputError: a chunk is not a slice of the document, its id belongs to another
                document, or metadata cannot be stored. The document is left as it was.
        """
        check_chunks(document, chunks, hashes)
        row = document_row(document)
        fields = list(metadata_rows(document.metadata))
        with self._changing(f"putting document {document.id!r}"):
            number = self._number(document.id)
            if number is None:
                number = self._connection.execute(_INSERT_DOCUMENT, row).lastrowid
                assert number is not None
            else:
                self._remove_parts(number)
                self._forget_file(number, document.origin)
                self._connection.execute(_UPDATE_DOCUMENT, (*row, number))
            self._insert_metadata(number, fields)
            self._insert_chunks(number, document, chunks, hashes)

    def cut(self, document: Document, chunks: Sequence[Chunk], hashes: Sequence[bytes]) -> bool:
        """Write the chunks of a stored document in the cut of this side, which lacks them.

        Returns:
            Whether they were written: not if the document is gone, is another by now, or has
            been cut already.

        Raises:
            InputError: a chunk is not a slice of the document.
        """
        check_chunks(document, chunks, hashes)
        with self._changing(f"cutting document {document.id!r}"):
            found = self._connection.execute(
                "SELECT number FROM documents d WHERE id = ? AND content_hash = ? AND NOT EXISTS "
                f"(SELECT 1 FROM {self._state.gaps} g WHERE g.document = d.number)",
                (document.id, document.content_hash),
            ).fetchone()
            if found is None:
                return False
            self._insert_chunks(found[0], document, chunks, hashes)
        return True

    def touch(self, document: Document) -> bool:
        """Note where an unchanged document is now; return whether anything differed.

        Source and origin are taken from `document`: they are not in its content hash.

        Raises:
            DocumentNotFound: no document has the id.
        """
        where = (document.source, document.origin)
        with guarded(self._database, "reading"):
            row = self._connection.execute(
                "SELECT source, origin FROM documents WHERE id = ?", (document.id,)
            ).fetchone()
        if row is None:
            raise DocumentNotFound(f"{self._shared.path} has no document {document.id!r}")
        if row == where:
            return False
        with self._changing(f"updating document {document.id!r}"):
            self._forget_file(self._number(document.id), document.origin)
            self._connection.execute(
                "UPDATE documents SET source = ?, origin = ? WHERE id = ?", (*where, document.id)
            )
        return True

    def delete(self, ids: Iterable[str]) -> int:
        """Delete documents with all their chunks; return how many there were.

        The files that they came from no longer count as taken in whole.
        """
        deleted = 0
        with self._changing("deleting"):
            for id in ids:
                number = self._number(id)
                if number is None:
                    continue
                self._remove_parts(number)
                self._forget_file(number)
                self._connection.execute("DELETE FROM documents WHERE number = ?", (number,))
                deleted += 1
        return deleted

    def mark_file(self, origin: str, digest: str) -> None:
        """Note that a file was taken in whole, with the digest that it had."""
        with self._changing(f"noting file {origin!r}"):
            self._connection.execute(
                "INSERT INTO files VALUES (?, ?) "
                "ON CONFLICT (origin) DO UPDATE SET digest = excluded.digest",
                (origin, digest),
            )

    def commit(self) -> None:
        """Make everything since the last commit visible, all at once and durably.

        Raises:
            InputError: a chunk names a vector that is not there. Nothing is committed; add it
                and commit again.
            WriteFailed: the disk refused; everything since the last commit is rolled back.
        """
        if not self._connection.in_transaction:
            return
        unknown = self.missing(list(self._new_hashes))
        if unknown:
            named = self._named(unknown)
            if named:
                raise InputError(
                    f"{len(named)} chunks name vectors that were not added, the first for hash "
                    f"{named[0].hex()}; call add_vectors before commit"
                )
        segments = self._segments
        appended = segments.rows - segments.committed
        with self._failing("committing"):
            self._shared.require(self._file)
            if appended:
                segments.sync()
                self._connection.execute(
                    "INSERT INTO batches (space, first, rows, crc32) VALUES (?, ?, ?, ?)",
                    (self._state.space, segments.committed, appended, segments.crc32),
                )
                self._connection.execute(
                    "UPDATE spaces SET rows = ? WHERE number = ?",
                    (segments.rows, self._state.space),
                )
            raise_change(self._connection)
            self._connection.execute("COMMIT")
        segments.confirm()
        self._new_hashes.clear()
        if self._chunks_since_catch_up >= CATCH_UP_CHUNKS:
            self._catch_up()

    def rollback(self) -> None:
        """Forget everything since the last commit."""
        self._new_hashes.clear()
        committed = None
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            committed = read_state(self._connection, self._state.side).rows
        if self._is_there():
            self._segments.rollback(committed)
        else:
            self._segments.close()  # what lies there now is not this collection's

    def _is_there(self) -> bool:
        """Say whether the folder still holds the collection that this writes to."""
        try:
            self._shared.require(self._file)
        except CollectionNotFound:
            return False
        return True

    @contextmanager
    def transaction(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Give the connection for changes to sides, in one commit of their own."""
        with self._changing(doing):
            yield self._connection
        self.commit()

    def close(self, *, catch_up_index: bool = True) -> None:
        """Roll back what was not committed, catch the index up, and let go of the lock."""
        if not self._open:
            return
        self._open = False
        try:
            self.rollback()
            if catch_up_index and self._is_there():
                self._catch_up()
        finally:
            self._segments.close()
            with suppress(sqlite3.Error):
                self._connection.close()
            self._lock.release()

    def _number(self, id: str) -> int | None:
        row = self._connection.execute(
            "SELECT number FROM documents WHERE id = ?", (id,)
        ).fetchone()
        return None if row is None else int(row[0])

    def _remove_parts(self, number: int) -> None:
        for cut in self._cuts:
            self._connection.execute(
                f"INSERT INTO tombstones_{cut} (row) "
                f"SELECT row FROM chunks_{cut} WHERE document = ?",
                (number,),
            )
            self._connection.execute(f"DELETE FROM chunks_{cut} WHERE document = ?", (number,))
            self._connection.execute(f"DELETE FROM gaps_{cut} WHERE document = ?", (number,))
        self._connection.execute("DELETE FROM metadata WHERE document = ?", (number,))

    def _insert_chunks(
        self, number: int, document: Document, chunks: Sequence[Chunk], hashes: Sequence[bytes]
    ) -> None:
        self._connection.executemany(
            _INSERT_CHUNK.format(chunks=self._state.chunks),
            [
                chunk_row(number, position, chunk, hash)
                for position, (chunk, hash) in enumerate(zip(chunks, hashes, strict=True))
            ],
        )
        self._connection.execute(
            f"INSERT INTO {self._state.gaps} VALUES (?, ?)", (number, gaps_json(document, chunks))
        )
        self._new_hashes.update(hashes)
        self._chunks_since_catch_up += len(chunks)

    def _forget_file(self, number: int | None, now: str | None = None) -> None:
        """Let the file that a document came from count as not taken in whole, unless it is now."""
        self._connection.execute(
            "DELETE FROM files WHERE origin IS NOT ? AND origin = "
            "(SELECT origin FROM documents WHERE number = ?)",
            (now, number),
        )

    def _insert_metadata(self, number: int, fields: list[tuple[str, int, str, object]]) -> None:
        self._connection.executemany(
            "INSERT INTO metadata (document, key, position, type, value) VALUES (?, ?, ?, ?, ?)",
            [(number, *field) for field in fields],
        )

    def _named(self, hashes: Sequence[bytes]) -> list[bytes]:
        """Return those of the hashes that a chunk names; a chunk may be gone again by now."""
        return [
            hash
            for hash in hashes
            if self._connection.execute(
                f"SELECT 1 FROM {self._state.chunks} WHERE hash = ? LIMIT 1", (hash,)
            ).fetchone()
        ]

    @contextmanager
    def _changing(self, doing: str) -> Iterator[None]:
        """One change, whole or not at all, within the transaction that `commit` ends."""
        with self._failing(doing):
            self._shared.require(self._file)
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("SAVEPOINT one")
            try:
                yield
            except BaseException as error:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK TO one")
                    self._connection.execute("RELEASE one")
                if isinstance(error, _UNSTORABLE):
                    raise InputError(f"{doing}: refused: {error}") from error
                raise
            self._connection.execute("RELEASE one")

    @contextmanager
    def _failing(self, doing: str) -> Iterator[None]:
        """Roll back to the last commit where the disk or the database refuses."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self.rollback()
            raise fault(error, self._database, doing) from error
        except StoreError:
            self.rollback()
            raise

    def _catch_up(self) -> None:
        """Bring the lexical index in step. It may fail: it is a shadow, and searched without."""
        try:
            catch_up(self._connection, self._shared.lexical(self._state.cut), self._state.side)
            self._chunks_since_catch_up = 0
        except (Unusable, OSError, sqlite3.Error) as error:
            logger.warning(
                "%s: the lexical index could not be brought in step (%s); searches stay complete",
                self._shared.path,
                error,
            )
        release_memory()

    def _sweep(self) -> None:
        """Remove what a killed writer left behind."""
        states = read_states(self._connection)
        sweep(self._shared, states)
        for state in states:
            mark = state.lexical
            self._shared.lexical(state.cut).sweep(mark.generation, mark.generation - 1)
