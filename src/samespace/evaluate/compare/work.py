"""The folder of a comparison: what it is about, what is finished, and the collections.

::

    WORK/comparison.json        the test set, the corpus and the models, by their digests
    WORK/embeddings.sqlite      every embedding, once
    WORK/collections/<key>/     one collection for each index
    WORK/indexes/<key>.json     how long it took so far, and whether it is finished
    WORK/runs/<key>.json        what one configuration found for each query, and when
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from samespace.errors import CollectionLocked, InputError

FORMAT = 1
RECORD = "comparison.json"
Kind = Literal["indexes", "runs"]


def key(value: object) -> str:
    """Return a short digest of plain JSON values: the name of a file that is about them."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]


class Work:
    """A work folder, held by one process at a time."""

    def __init__(self, path: Path) -> None:
        """Open the folder, or make it.

        Raises:
            InputError: the folder holds something else.
            CollectionLocked: another comparison is running in it.
        """
        if path.exists() and not (path / RECORD).exists() and _foreign(path):
            raise InputError(
                f"{path} is not empty and holds no comparison; give a new folder, or one that a "
                "comparison was made in"
            )
        for name in ("collections", "indexes", "runs"):
            (path / name).mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = FileLock(str(path / "lock"))
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise CollectionLocked(f"another comparison is running in {path}") from None

    @property
    def embeddings(self) -> Path:
        """The file of the embedding cache."""
        return self.path / "embeddings.sqlite"

    def collection(self, name: str) -> Path:
        """Return the folder of the collection of one index."""
        return self.path / "collections" / name

    def require(self, facts: Mapping[str, Mapping[str, str]]) -> None:
        """Keep what the comparison is about; refuse to go on with something else.

        Args:
            facts: {"testset" | "corpus" | "model": {name: digest}}. A name that was not there
                before is added.

        Raises:
            InputError: a digest differs from the one kept; says which.
        """
        record = self._read(self.path / RECORD) or {"format": FORMAT}
        if record["format"] != FORMAT:
            raise InputError(
                f"{self.path} was made by another version of samespace (format "
                f"{record['format']}, this one writes {FORMAT}); give a new folder"
            )
        for kind, named in facts.items():
            kept = record.setdefault(kind, {})
            for name, digest in named.items():
                if kept.setdefault(name, digest) != digest:
                    raise InputError(
                        f"{self.path} is a comparison with another {kind}: {name} was "
                        f"{kept[name]}, and is {digest} now. Results of both cannot stand in one "
                        "table; give a new folder"
                    )
        self._write(self.path / RECORD, record)

    def read(self, kind: Kind, name: str) -> dict[str, Any] | None:
        """Return what was kept, or None."""
        return self._read(self.path / kind / f"{name}.json")

    def write(self, kind: Kind, name: str, value: Mapping[str, Any]) -> None:
        """Keep plain JSON values: the file is there whole, or as it was before."""
        self._write(self.path / kind / f"{name}.json", value)

    def close(self) -> None:
        """Let another process have the folder."""
        self._lock.release()

    def __enter__(self) -> Work:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def _write(self, path: Path, value: Mapping[str, Any]) -> None:
        beside = path.with_suffix(".new")
        with beside.open("w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)


def _foreign(path: Path) -> bool:
    """Say whether a folder holds anything that a comparison would not have made by now."""
    ours = {"collections", "indexes", "runs", "lock", "comparison.new"}
    return not path.is_dir() or any(item.name not in ours for item in path.iterdir())
