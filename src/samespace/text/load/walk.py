"""Walking folders: sorted, links last, every folder once, and no way around in circles."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from samespace.text.load.ignore import Ignore
from samespace.text.load.options import LoadOptions
from samespace.text.load.outcome import Rejected, brief
from samespace.text.load.paths import COLLECTION, STDIN

_VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".jj"})

FOLDER = Rejected("not a file but a folder", failed=False)
"""What `check_kind` says about a folder."""


class Found(NamedTuple):
    """A file to load, or a path that cannot be and why."""

    path: str
    problem: Rejected | None = None


class Walker:
    """Walks the folders of one run.

    Links are followed after everything that is really there, so that a file within the
    walk is found under its own name and not under a link's.
    """

    def __init__(self, options: LoadOptions) -> None:
        self._options = options
        self._folders: dict[tuple[int, int], str] = {}
        self.passed_over: Counter[str] = Counter()
        """Names that were left alone by rule: "hidden" and "ignored" (a folder counts once)."""

    def find(self, path: str) -> Iterator[Found]:
        """Find what a path stands for: itself, or the files below it in the order of names."""
        found = Found(path) if path == STDIN else check_kind(path)
        if found.problem is FOLDER:
            yield from self._walk(path)
        else:
            yield found

    def _walk(self, root: str) -> Iterator[Found]:
        ignored = Ignore(root) if self._options.gitignore else None
        links: list[str] = []
        yield from self._below(root, ignored, links)
        while links:  # more are added by the folders that are linked
            batch, links = sorted(links, key=_order), []
            for link in batch:
                yield from self._link(link, ignored, links)

    def _below(self, root: str, ignored: Ignore | None, links: list[str]) -> Iterator[Found]:
        waiting = [(root, True)]
        while waiting:
            path, is_folder = waiting.pop()
            if not is_folder:
                yield check_kind(path)
                continue
            try:
                known = self._visit(path)
                if known is not None:
                    if known != path:
                        yield Found(path, Rejected(f"duplicate of {known}", failed=False))
                    continue
                entries = self._entries(path, ignored, links)
            except Rejected as problem:
                yield Found(path, problem)
                continue
            except OSError as error:
                yield Found(path, Rejected(f"unreadable: {brief(error)}"))
                continue
            waiting.extend(reversed(entries))

    def _visit(self, folder: str) -> str | None:
        """Note a folder; return the path under which it was walked already, if it was."""
        info = os.stat(folder)
        if not info.st_ino:  # a file system without numbers for its files
            return None
        known = self._folders.setdefault((info.st_dev, info.st_ino), folder)
        return None if known is folder else known

    def _entries(
        self, folder: str, ignored: Ignore | None, links: list[str]
    ) -> list[tuple[str, bool]]:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: _order(entry.name))
        if any(entry.name == COLLECTION for entry in entries):
            raise Rejected("a samespace collection: what it holds is no document", failed=False)
        found = []
        for entry in entries:
            name = entry.name
            if name in _VERSION_CONTROL:
                continue
            if name.startswith(".") and not self._options.hidden:
                self.passed_over["hidden"] += 1
                continue
            is_link = entry.is_symlink()
            is_folder = not is_link and entry.is_dir(follow_symlinks=False)
            if ignored is not None and ignored(entry.path, is_folder):
                self.passed_over["ignored"] += 1
                continue
            if not is_link:
                found.append((entry.path, is_folder))
            elif self._options.follow_links:
                links.append(entry.path)
        return found

    def _link(self, link: str, ignored: Ignore | None, links: list[str]) -> Iterator[Found]:
        found = check_kind(link)
        if found.problem is not FOLDER:
            yield found
            return
        target = os.path.realpath(link)
        here = os.path.realpath(os.path.dirname(link))
        if os.path.join(here, "").startswith(os.path.join(target, "")):
            yield Found(link, Rejected("symbolic-link loop", failed=False))
        elif ignored is None or not ignored(link, True):
            yield from self._below(link, ignored, links)


def check_kind(path: str) -> Found:
    """Say whether a path is a file that can be opened without waiting for ever.

    The problem of a folder is `FOLDER` itself.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if os.path.islink(path):
            loop = error.errno == errno.ELOOP
            reason = "symbolic-link loop" if loop else "dangling symbolic link"
            return Found(path, Rejected(reason if loop else f"unreadable: {reason}"))
        return Found(path, Rejected(f"unreadable: {brief(error)}"))
    if stat.S_ISREG(mode):
        return Found(path)
    if stat.S_ISDIR(mode):
        return Found(path, FOLDER)
    kinds = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    kind = next((name for is_kind, name in kinds if is_kind(mode)), "a device")
    return Found(path, Rejected(f"not a file but {kind}", failed=False))


def _order(name: str) -> bytes:
    return os.fsencode(name)
