"""Digests of a model's files, each computed once as long as the file stays as it is."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from samespace.errors import ModelError
from samespace.models.cachedir import cache_dir, write_quietly

_BLOCK = 1 << 20
_KEPT = 500
_SETTLED_NS = 2_000_000_000
"""A file changed more recently than this is not remembered: a second change could leave the
same time stamp (the clock of some file systems ticks once in two seconds)."""

_memory: dict[str, tuple[list[int], str]] = {}
_lock = threading.Lock()


def weights_digest(files: Sequence[Path]) -> str:
    """Return the SHA-256 of a model's weights, hexadecimal.

    For one file it is the file's own digest, as model hubs publish it. Several files (shards,
    external data) are digested as lines of name and digest, in the order of the names.
    """
    if len(files) == 1:
        return file_digest(files[0])
    lines = "".join(f"{f.name} {file_digest(f)}\n" for f in sorted(files, key=lambda f: f.name))
    return hashlib.sha256(lines.encode("utf-8")).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hexadecimal."""
    return _remembered("sha256", path, _sha256)


def tokenizer_digest(path: Path) -> str:
    """Return the SHA-256 of a tokenizer.json, its truncation and padding left out.

    Those two say how a batch was cut once, not how text becomes tokens. The rest is digested
    as canonical JSON (sorted keys, no spaces, ASCII), so that formatting does not matter.
    """
    return _remembered("tokenizer", path, _canonical_tokenizer)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _canonical_tokenizer(path: Path) -> str:
    try:
        definition = json.loads(path.read_bytes())
        kept = {k: v for k, v in definition.items() if k not in ("truncation", "padding")}
    except (ValueError, AttributeError) as error:
        raise ModelError(f"{path} is not a tokenizer definition in JSON: {error}") from error
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _remembered(kind: str, path: Path, compute: Callable[[Path], str]) -> str:
    key = f"{kind}:{path.resolve()}"
    try:
        before = _stamp(path)
        return _looked_up(key, path, before, compute)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}") from error


def _looked_up(key: str, path: Path, before: list[int], compute: Callable[[Path], str]) -> str:
    with _lock:
        if not _memory:
            _memory.update(_read())
        found = _memory.get(key)
    if found is not None and found[0] == before:
        return found[1]
    digest = compute(path)
    if _stamp(path) != before:
        raise ModelError(f"{path} changed while it was read; load it again once it is complete")
    if time.time_ns() - max(before[1], before[2]) > _SETTLED_NS:
        with _lock:
            _memory.pop(key, None)
            _memory[key] = (before, digest)
            _write()
    return digest


def _stamp(path: Path) -> list[int]:
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _file() -> Path | None:
    folder = cache_dir()
    return folder / "digests.json" if folder else None


def _read() -> dict[str, tuple[list[int], str]]:
    file = _file()
    if file is None:
        return {}
    try:
        records: dict[str, Any] = json.loads(file.read_bytes())
        return {str(k): ([int(n) for n in v[0]], str(v[1])) for k, v in records.items()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return {}


def _write() -> None:
    file = _file()
    if file is None:
        return
    # Another process may have written since: what it learnt is kept too.
    merged = {**_read(), **_memory}
    recent = dict(list(merged.items())[-_KEPT:])
    write_quietly(file, json.dumps(recent).encode("ascii"))
