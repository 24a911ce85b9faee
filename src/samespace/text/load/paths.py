"""What the given paths cover: files, folders, globs, standard input."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Union

from samespace.errors import InputError
from samespace.text.load.ignore import Ignore
from samespace.text.load.options import LoadOptions

STDIN = "-"
COLLECTION = "samespace.sqlite3"
"""The file that makes a folder a collection: what lies in one is no document."""

Paths = Union[str, "os.PathLike[str]", Iterable[Union[str, "os.PathLike[str]"]]]

_MAGIC = re.compile(r"[*?\[]")


def origin_of(path: str) -> str:
    """Return the name under which a path is known: the path, if it is Unicode at all.

    Bytes in a file name that are not UTF-8 become `\\xe9`: no database holds them otherwise.
    """
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    return path


def resolve(paths: Paths, options: LoadOptions) -> list[str]:
    """Turn the given paths into absolute paths of files and folders, and "-".

    Raises:
        InputError: a path does not exist or a glob matches nothing; all are named.
    """
    given = _given(paths)
    if not given:
        raise InputError("no paths given: expected files, folders, globs or '-'")
    found: dict[str, None] = {}
    problems = []
    for path in given:
        if path == STDIN:
            found[STDIN] = None
            continue
        absolute = os.path.abspath(path)
        if os.path.exists(absolute):
            found[absolute] = None
        elif os.path.lexists(absolute):
            target = os.readlink(absolute)
            problems.append(f"{path!r} is a symbolic link to {target!r}, which does not exist")
        elif _MAGIC.search(path):
            matched = list(_expand(absolute, options))
            found.update(dict.fromkeys(matched))
            if not matched:
                left = " (files that .gitignore leaves out do not count)"
                hint = left if options.gitignore else ""
                problems.append(f"no file matches {path!r}; looked for {absolute}{hint}")
        else:
            problems.append(f"{path!r} does not exist; looked for {absolute}")
    if problems:
        raise InputError("; ".join(problems))
    return list(found)


def scope(paths: Paths, options: LoadOptions | None = None) -> list[str]:
    """Return the absolute paths of the files and folders that the given paths cover now.

    A glob stands for what it matches at present; use `in_scope` to ask about a file that may
    be gone.

    Raises:
        InputError: as `load` does.
    """
    return [origin_of(path) for path in resolve(paths, options or LoadOptions())]


def in_scope(origin: str, paths: Paths) -> bool:
    """Say whether a file, even one that is gone, is covered by the given paths.

    It is where it is one of them, lies below one of them, or would match one of the globs
    (or lie below a folder that does): after `docs/old.md` was deleted, a sync of `docs/*.md`
    may forget it. Whether the file is hidden or ignored makes no difference below a folder.
    """
    for path in _given(paths):
        if STDIN in (path, origin):
            if path == origin:
                return True
            continue
        absolute = origin_of(os.path.abspath(path))
        if origin == absolute or origin.startswith(os.path.join(absolute, "")):
            return True
        if _MAGIC.search(path) and not os.path.lexists(path):
            parts = tuple(absolute.split(os.sep))
            if _matches(tuple(origin.split(os.sep)), parts):
                return True
    return False


def _given(paths: Paths) -> list[str]:
    several = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    given = [os.fspath(path) for path in several]
    for path in given:
        if not isinstance(path, str) or not path:
            raise InputError(f"expected a path, got {path!r}")
    return [os.path.expanduser(path) if path.startswith("~") else path for path in given]


@lru_cache(maxsize=256)
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


def _fits(name: str, pattern: str) -> bool:
    """Match one name; as in a shell, a wildcard does not match a leading dot."""
    if not _MAGIC.search(pattern):
        return name == pattern
    if name.startswith(".") and not pattern.startswith("."):
        return False
    return _regex(pattern).match(name) is not None


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Match a path, or one of the folders above it, part by part; `**` spans any number."""
    reached = {0}  # positions in the pattern that the parts so far may have led to
    for part in parts:
        reached = _closed(reached, pattern)
        if len(pattern) in reached:
            return True
        step = set()
        for position in reached:
            if pattern[position] == "**":
                if not part.startswith("."):
                    step.add(position)
            elif _fits(part, pattern[position]):
                step.add(position + 1)
        reached = step
    return len(pattern) in _closed(reached, pattern)


def _closed(reached: set[int], pattern: tuple[str, ...]) -> set[int]:
    closed = set(reached)
    for position in range(len(pattern)):
        if position in closed and pattern[position] == "**":
            closed.add(position + 1)
    return closed


def _expand(absolute: str, options: LoadOptions) -> Iterator[str]:
    """Find what a glob matches, sorted; folders that match stand for all they hold."""
    parts = absolute.split(os.sep)
    first = next(i for i, part in enumerate(parts) if _MAGIC.search(part))
    base = os.sep.join(parts[:first]) or os.sep
    if not os.path.isdir(base):
        return
    ignored = Ignore(base) if options.gitignore else None
    yield from dict.fromkeys(_below(base, tuple(parts[first:]), ignored))


def _below(folder: str, pattern: tuple[str, ...], ignored: Ignore | None) -> Iterator[str]:
    if not pattern:
        yield folder
        return
    part, rest = pattern[0], pattern[1:]
    if part == "**":
        if not rest:
            yield folder
            return
        yield from _below(folder, rest, ignored)
    elif not _MAGIC.search(part):
        path = os.path.join(folder, part)
        if os.path.isdir(path) if rest else os.path.exists(path):
            yield from _below(path, rest, ignored)
        return
    for name, is_folder in _names(folder):
        path = os.path.join(folder, name)
        if part == "**":
            if not is_folder or name.startswith(".") or os.path.islink(path):
                continue
        elif not _fits(name, part) or (rest and not is_folder):
            continue
        if ignored is None or not ignored(path, is_folder):
            yield from _below(path, pattern if part == "**" else rest, ignored)


def _names(folder: str) -> list[tuple[str, bool]]:
    try:
        with os.scandir(folder) as listing:
            names = sorted((entry.name, entry.is_dir()) for entry in listing)
    except OSError:
        return []
    return [] if any(name == COLLECTION for name, _ in names) else names
