"""A file to which JSON objects are appended, each on disk before the next one is asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samespace.errors import InputError


class Lines:
    """Appends JSON objects to a file that may be killed at any moment.

    Attributes:
        read: the objects that were in the file when it was opened. A last line without an end,
            which was being written when the process was killed, is taken off the file.
    """

    def __init__(self, path: Path) -> None:
        self.read: list[dict[str, Any]] = []
        whole = 0
        data = path.read_bytes() if path.exists() else b""
        for number, line in enumerate(data.splitlines(keepends=True), 1):
            if not line.endswith(b"\n"):
                break
            try:
                record = json.loads(line)
            except ValueError as error:
                raise InputError(f"{path}:{number}: expected a JSON object: {error}") from error
            if not isinstance(record, dict):
                raise InputError(f"{path}:{number}: expected a JSON object, got {line[:80]!r}")
            self.read.append(record)
            whole += len(line)
        try:
            self._file = path.open("ab")
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}") from error
        self._file.truncate(whole)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write an object; it is on disk when this returns."""
        self._file.write(json.dumps(record).encode("ascii") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
