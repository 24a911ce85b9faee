"""What the operating system and SQLite say, in the words of `samespace.errors`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from samespace.errors import CollectionDamaged, CollectionLocked, StoreError, WriteFailed

_REFUSED = ("disk is full", "readonly", "read-only", "disk i/o error", "unable to open")
_RESTORE = "Restore the folder from a backup, or make a new collection and add the documents again."


def damaged(path: Path, seen: str) -> CollectionDamaged:
    """Return the error for a file of a collection that cannot be used as it is."""
    return CollectionDamaged(f"{path}: {seen}. {_RESTORE}")


def fault(error: Exception, path: Path, doing: str) -> StoreError:
    """Return the store's error for one of SQLite or of the operating system.

    Args:
        error: a sqlite3.Error or an OSError.
        path: the file or folder that it is about.
        doing: what was being done, for the message ("reading", "committing").
    """
    said = str(error)
    lower = said.lower()
    if isinstance(error, OSError) or any(words in lower for words in _REFUSED):
        return WriteFailed(
            f"{path}: {doing} failed: {said}. What was committed before is intact. Free some "
            "space or make the folder writable, and run the same again: it goes on from there."
        )
    if "locked" in lower or "busy" in lower:
        return CollectionLocked(f"{path}: {doing} had to wait too long ({said}). Try again.")
    return damaged(path, f"{doing} failed: {said}{_details(path)}")


@contextmanager
def guarded(path: Path, doing: str) -> Iterator[None]:
    """Turn errors of SQLite and of the operating system into the store's own."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise fault(error, path, doing) from error


def _details(database: Path) -> str:
    """Return what SQLite's own check finds; run only once something is known to be wrong."""
    try:
        connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
        try:
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
        finally:
            connection.close()
    except (sqlite3.Error, OSError):
        return ""
    return "" if found == ["ok"] else f" ({'; '.join(found)})"
