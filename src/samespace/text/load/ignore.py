"""What `.gitignore` files leave out, as git itself applies them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_Rules = tuple[tuple[str, "GitIgnoreSpec"], ...]


class Ignore:
    """The rules of one walk: every `.gitignore` from the top of the checkout downwards.

    Where the folder that is walked is itself ignored by the rules above it, it was named on
    purpose, and those rules do not count.
    """

    def __init__(self, root: str) -> None:
        self._rules: dict[str, _Rules] = {}
        outer: _Rules = ()
        top = _checkout(root)
        if top is not None:
            outer = _read(os.path.join(top, ".git", "info", "exclude"), top)
            outer = self._descend(top, root, outer)
        self._rules[root] = (*outer, *_read(os.path.join(root, ".gitignore"), root))

    def __call__(self, path: str, folder: bool) -> bool:
        """Say whether a file or a folder below the root is left out."""
        return _ignored(self._of(os.path.dirname(path)), path, folder)

    def _of(self, folder: str) -> _Rules:
        found = self._rules.get(folder)
        if found is None:
            own = _read(os.path.join(folder, ".gitignore"), folder)
            found = self._rules[folder] = (*self._of(os.path.dirname(folder)), *own)
        return found

    def _descend(self, top: str, root: str, rules: _Rules) -> _Rules:
        """Collect the rules of the folders from the top to above the root."""
        folder = top
        for name in os.path.relpath(root, top).split(os.sep) if root != top else ():
            rules = (*rules, *_read(os.path.join(folder, ".gitignore"), folder))
            folder = os.path.join(folder, name)
            if _ignored(rules, folder, True):
                return ()
        return rules


def _checkout(folder: str) -> str | None:
    """Find the folder at or above this one that holds `.git`."""
    while not os.path.lexists(os.path.join(folder, ".git")):
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return None
    return folder


def _read(path: str, folder: str) -> _Rules:
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            patterns = file.read().splitlines()
    except OSError:
        return ()
    from pathspec import GitIgnoreSpec

    try:
        spec = GitIgnoreSpec.from_lines(patterns)
    except ValueError:  # one pattern is not valid: git passes over it
        spec = GitIgnoreSpec.from_lines(filter(_valid, patterns))
    return ((os.path.join(folder, ""), spec),)


def _valid(pattern: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([pattern])
    except ValueError:
        return False
    return True


def _ignored(rules: _Rules, path: str, folder: bool) -> bool:
    for base, spec in reversed(rules):  # the deepest file that says anything decides
        relative = path[len(base) :] + ("/" if folder else "")
        include = spec.check_file(relative).include
        if include is not None:
            return include
    return False
