"""Vectors on disk: append-only files of float32 rows, mapped into memory as they are.

The row number is the position: row r is row r % ROWS_PER_SEGMENT of file r // ROWS_PER_SEGMENT.
How many rows exist is said by the database alone. Bytes beyond do not exist; the next writer
overwrites them.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from samespace.errors import CollectionDamaged
from samespace.space import FloatArray
from samespace.store.faults import damaged
from samespace.vectors.exact import BLOCK_ROWS

ROWS_PER_SEGMENT = 65_536
ON_DISK = np.dtype("<f4")


def segment_path(folder: Path, number: int) -> Path:
    """Return where one segment of a generation lies."""
    return folder / f"{number:06d}.f32"


class Mapped:
    """The committed rows of one generation, mapped read-only."""

    def __init__(self, folder: Path, rows: int, dimensions: int) -> None:
        """Map the files; nothing is read.

        Raises:
            CollectionDamaged: a file is missing or shorter than what was committed.
        """
        self.rows = rows
        self.dimensions = dimensions
        self.segments: list[FloatArray] = []
        for number in range(-(-rows // ROWS_PER_SEGMENT)):
            held = min(ROWS_PER_SEGMENT, rows - number * ROWS_PER_SEGMENT)
            self.segments.append(_map(segment_path(folder, number), held, dimensions))

    @classmethod
    def salvaged(cls, folder: Path, rows: int, dimensions: int) -> Mapped:
        """Map what there is of the files, however much is missing; see `held`."""
        mapped = cls(folder, 0, dimensions)
        width = dimensions * ON_DISK.itemsize
        for number in range(-(-rows // ROWS_PER_SEGMENT)):
            path = segment_path(folder, number)
            there = path.stat().st_size // width if path.is_file() else 0
            held = min(ROWS_PER_SEGMENT, rows - number * ROWS_PER_SEGMENT, there)
            empty = np.empty((0, dimensions), np.float32)
            mapped.segments.append(_map(path, held, dimensions) if held else empty)
        mapped.rows = rows
        return mapped

    def held(self, row: int) -> bool:
        """Say whether the files hold a row."""
        number, position = divmod(row, ROWS_PER_SEGMENT)
        return number < len(self.segments) and position < len(self.segments[number])

    def blocks(self) -> Iterator[FloatArray]:
        """Yield all rows in order, as blocks of at most BLOCK_ROWS."""
        for segment in self.segments:
            for start in range(0, len(segment), BLOCK_ROWS):
                yield segment[start : start + BLOCK_ROWS]

    def gather(self, rows: npt.NDArray[np.int64]) -> Iterator[FloatArray]:
        """Yield copies of these rows (sorted), as blocks of at most BLOCK_ROWS."""
        for start in range(0, len(rows), BLOCK_ROWS):
            wanted = rows[start : start + BLOCK_ROWS]
            block = np.empty((len(wanted), self.dimensions), np.float32)
            segments, positions = np.divmod(wanted, ROWS_PER_SEGMENT)
            for number in np.unique(segments):
                here = segments == number
                block[here] = self.segments[number][positions[here]]
            yield block


def _map(path: Path, rows: int, dimensions: int) -> FloatArray:
    expected = rows * dimensions * ON_DISK.itemsize
    try:
        size = path.stat().st_size
        if size >= expected:
            return np.memmap(path, ON_DISK, "r", shape=(rows, dimensions)).view(np.ndarray)
    except FileNotFoundError as error:
        raise damaged(path, f"the file is missing; expected {expected} bytes") from error
    except OSError as error:
        raise damaged(path, f"the file cannot be mapped: {error}") from error
    raise damaged(path, f"expected at least {expected} bytes, got {size}")


class SegmentWriter:
    """Appends rows behind the committed ones of one generation."""

    def __init__(self, folder: Path, dimensions: int, committed: int) -> None:
        self.folder = folder
        self.dimensions = dimensions
        self.committed = committed
        self.rows = committed
        self.crc32 = 0
        self._files: dict[int, BinaryIO] = {}
        self._new_entries = False

    def append(self, array: FloatArray) -> int:
        """Write rows behind the last and return the number of the first of them.

        Raises:
            OSError: the disk refused. Call `rollback` then.
        """
        first = self.rows
        rows = np.ascontiguousarray(array, dtype=ON_DISK)
        at = 0
        while at < len(rows):
            number, position = divmod(first + at, ROWS_PER_SEGMENT)
            part = rows[at : at + ROWS_PER_SEGMENT - position]
            file = self._open(number)
            file.seek(position * self.dimensions * ON_DISK.itemsize)
            file.write(part.data)
            at += len(part)
        self.crc32 = zlib.crc32(rows.data, self.crc32)
        self.rows += len(rows)
        return first

    def sync(self) -> None:
        """Bring everything that was appended to the disk."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        if self._new_entries:
            sync_folder(self.folder)
            sync_folder(self.folder.parent)
            sync_folder(self.folder.parent.parent)
            self._new_entries = False

    def confirm(self) -> None:
        """Note that what was appended is committed now."""
        self.committed = self.rows
        self.crc32 = 0
        tail = self.rows // ROWS_PER_SEGMENT
        for number in [n for n in self._files if n < tail]:
            self._files.pop(number).close()

    def rollback(self, committed: int | None = None) -> None:
        """Forget what is not committed; `committed` says how many rows are, if that is known."""
        self.close()
        if committed is not None:
            self.committed = committed
            with suppress(OSError):
                trim(self.folder, committed, self.dimensions)
        self.rows = self.committed
        self.crc32 = 0

    def close(self) -> None:
        """Close the files; what they still buffer and is not committed is of no use."""
        while self._files:
            _, file = self._files.popitem()
            try:
                file.close()
            except OSError:
                # Closing flushes. Where the disk refuses even now, only uncommitted rows are lost.
                continue

    def _open(self, number: int) -> BinaryIO:
        if number not in self._files:
            path = segment_path(self.folder, number)
            first = number * ROWS_PER_SEGMENT
            held = min(max(self.committed - first, 0), ROWS_PER_SEGMENT)
            expected = held * self.dimensions * ON_DISK.itemsize
            if not path.exists():
                if held:
                    raise damaged(path, f"the file is missing; expected {expected} bytes")
                self.folder.mkdir(parents=True, exist_ok=True)
                self._new_entries = True
            file = open(path, "r+b" if path.exists() else "x+b")  # noqa: SIM115
            self._files[number] = file
            if file.seek(0, os.SEEK_END) < expected:
                raise damaged(path, f"expected at least {expected} bytes")
            file.truncate(expected)
        return self._files[number]


def trim(folder: Path, rows: int, dimensions: int) -> None:
    """Cut away the bytes beyond the committed rows, and the files that hold nothing else."""
    for path in sorted(folder.glob("*.f32")):
        first = int(path.stem) * ROWS_PER_SEGMENT
        expected = min(max(rows - first, 0), ROWS_PER_SEGMENT) * dimensions * ON_DISK.itemsize
        if not expected:
            path.unlink()
        elif path.stat().st_size > expected:
            os.truncate(path, expected)


def checksum(mapped: Mapped, first: int, rows: int) -> int:
    """Return the CRC-32 of committed rows, as `SegmentWriter` counted it when it wrote them."""
    value = 0
    while rows:
        number, position = divmod(first, ROWS_PER_SEGMENT)
        part = mapped.segments[number][position : position + rows][:BLOCK_ROWS]
        if not len(part):
            raise CollectionDamaged(f"rows from {first} on are named but were never written")
        value = zlib.crc32(np.ascontiguousarray(part, dtype=ON_DISK).data, value)
        first, rows = first + len(part), rows - len(part)
    return value


def sync_folder(folder: Path) -> None:
    """Bring the entries of a folder to the disk, where the system lets a folder be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        return
    finally:
        os.close(handle)


def bytes_below(folder: Path) -> int:
    """Return the size of all files in a folder and below it."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_size
            except FileNotFoundError:  # noqa: PERF203
                continue
    return total
