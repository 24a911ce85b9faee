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
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from samespace.errors import CollectionLocked, InputError
from samespace.store.faults import guarded

FORMAT = 1
RECORD = "comparison.json"
Kind = Literal["indexes", "runs"]


def key(value: object) -> str:
    """Return a short digest of plain JSON values: the name of a file that is about them."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]


class Work:
    """A work folder, held by one process at a time."""

    def __init__(self, path: Path, facts: Mapping[str, Mapping[str, str]]) -> None:
        """Open the folder, or make it.

        Args:
            path: the folder.
            facts: what the comparison is about: {"testset" | "corpus" | "model": {name: digest}}.
                A name that was not there before is added.

        Raises:
            InputError: the folder holds something else; a digest differs from the one kept; what
                is kept cannot be read, so that nobody knows what the folder is about.
            CollectionLocked: another comparison is running in it.
            WriteFailed: the disk refused.
        """
        if path.exists() and not (path / RECORD).exists() and _foreign(path):
            raise InputError(
                f"{path} is not empty and holds no comparison; give a new folder, or one that a "
                "comparison was made in"
            )
        self.path = path
        self._lock = FileLock(str(path / "lock"))
        with guarded(path, "opening"):
            for name in ("collections", "indexes", "runs"):
                (path / name).mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise CollectionLocked(f"another comparison is running in {path}") from None
        try:
            self._require(facts)
        except BaseException:
            self.close()
            raise

    @property
    def embeddings(self) -> Path:
        """The file of the embedding cache."""
        return self.path / "embeddings.sqlite"

    def collection(self, name: str) -> Path:
        """Return the folder of the collection of one index."""
        return self.path / "collections" / name

    def _require(self, facts: Mapping[str, Mapping[str, str]]) -> None:
        """Keep what the comparison is about; refuse to go on with something else."""
        path = self.path / RECORD
        record: dict[str, Any] | None = {"format": FORMAT}
        if path.exists():
            record = self._read(path)
        if record is None:
            raise InputError(f"{path} is damaged; give a new folder")
        if record.get("format") != FORMAT:
            raise InputError(
                f"{self.path} was made by another version of samespace (format "
                f"{record.get('format')}, this one writes {FORMAT}); give a new folder"
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
        self._write(path, record)

    def read(self, kind: Kind, name: str) -> dict[str, Any] | None:
        """Return what was kept, or None."""
        return self._read(self.path / kind / f"{name}.json")

    def write(self, kind: Kind, name: str, value: Mapping[str, Any]) -> None:
        """Keep plain JSON values: the file is there whole, or as it was before."""
        self._write(self.path / kind / f"{name}.json", value)

    def remove(self, folder: Path) -> None:
        """Remove a collection, or what there is of it."""
        with guarded(folder, "removing"):
            if folder.exists():
                shutil.rmtree(folder)

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
        with guarded(path, "writing"):
            with beside.open("w", encoding="utf-8") as file:
                json.dump(value, file, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)


def _foreign(path: Path) -> bool:
    """Say whether a folder holds anything that a comparison would not have made by now."""
    ours = {"collections", "indexes", "runs", "lock", "comparison.new"}
    return not path.is_dir() or any(item.name not in ours for item in path.iterdir())
