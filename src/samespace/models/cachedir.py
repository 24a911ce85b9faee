"""Where derived files are kept between runs: small, disposable, and never required."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path


def cache_dir() -> Path | None:
    """Return the folder for derived files, or None where the system names no home.

    It is $SAMESPACE_CACHE if that is set, else the platform's usual place for caches
    (~/.cache/samespace on Linux). It may not exist yet.
    """
    named = os.environ.get("SAMESPACE_CACHE")
    if named:
        return Path(os.path.expanduser(named))
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        return home / "Library/Caches/samespace"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local") / "samespace/cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "samespace"


def write_quietly(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; a disk that refuses does not matter."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
