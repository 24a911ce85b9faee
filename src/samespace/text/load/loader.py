"""Files to documents: one file after the other, and nothing that a file holds stops the run."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from samespace.text.load.formats import Unsupported, by_name
from samespace.text.load.opened import Opened, open_file, open_stdin
from samespace.text.load.options import FileEnd, LoadOptions
from samespace.text.load.outcome import Rejected, brief
from samespace.text.load.parse import parse, records
from samespace.text.load.paths import STDIN, Paths, origin_of, resolve
from samespace.text.load.records import Ids, Record, record_document
from samespace.text.load.walk import Found, Walker
from samespace.types import Document, Skip

Unchanged = Callable[[str, str], bool]


def load(
    paths: Paths,
    options: LoadOptions | None = None,
    unchanged: Unchanged = lambda origin, digest: False,
    passed_over: Counter[str] | None = None,
) -> Iterator[Document | Skip | FileEnd]:
    """Turn files, folders, globs and standard input into documents.

    Each file gives its documents, a `Skip` for whatever could not be taken in, and then a
    `FileEnd`. Files are read one after the other and record files line by line, so memory
    does not grow with the input. The `text` of a document is still markup: `media` says which.

    A file's document has the absolute path as id, source and origin, and a title only if the
    content gives one, so that moving a file changes nothing that is embedded. A record has its
    own id, and one made from its content where it has none.

    Args:
        paths: files, folders (walked recursively, in the order of names), globs (`**` too),
            and "-" for standard input; a single path is taken as well.
        options: how to read; `LoadOptions()` by default.
        unchanged: asked with (origin, digest) before a file is parsed; if it says true, the
            file is passed over with `FileEnd(unchanged=True)`. What it raises goes through.
        passed_over: filled with how many names in folders were left alone by rule: "hidden"
            and "ignored" (by a `.gitignore`); a folder counts once.

    Raises:
        InputError: a path does not exist or a glob matches nothing; raised by the call
            itself, before anything is read.
    """
    options = options or LoadOptions()
    return _Run(options, unchanged, passed_over).all(resolve(paths, options))


def total_bytes(paths: Paths, options: LoadOptions | None = None) -> int:
    """Return how many bytes `load` would read: the size of the files whose names it knows.

    0 where standard input is among them, because nobody can know.

    Raises:
        InputError: as `load` does.
    """
    options = options or LoadOptions()
    resolved = resolve(paths, options)
    if STDIN in resolved:
        return 0
    walker = Walker(options)
    found = {item.path for path in resolved for item in walker.find(path) if not item.problem}
    return sum(map(_size, found))


def _size(path: str) -> int:
    try:
        return 0 if isinstance(by_name(path), Unsupported) else os.stat(path).st_size
    except OSError:
        return 0


@dataclass
class _Tally:
    """What is known about the file at hand so far."""

    documents: int = 0
    failed: bool = False
    again: bool = False  # the outcome depends on other files, or is worth repeating

    def skip(self, source: str, error: Rejected, origin: str) -> Skip:
        self.failed = self.failed or error.failed
        return Skip(source, error.reason, origin if error.failed else "")

    def skip_all(self, origin: str, error: Rejected) -> Skip:
        """Skip the file, or the rest of it; this is said again in the next run."""
        self.again = True
        return self.skip(origin, error, origin)


class _Run:
    def __init__(
        self, options: LoadOptions, unchanged: Unchanged, passed_over: Counter[str] | None
    ) -> None:
        self._options = options
        self._unchanged = unchanged
        self._walker = Walker(options)
        if passed_over is not None:
            self._walker.passed_over = passed_over
        self._ids = Ids()
        self._origins: set[str] = set()
        self._contents: dict[str, str] = {}

    def all(self, paths: list[str]) -> Iterator[Document | Skip | FileEnd]:
        for found in itertools.chain.from_iterable(map(self._walker.find, paths)):
            origin = origin_of(found.path)
            if origin not in self._origins:
                self._origins.add(origin)
                yield from self._file(found, origin)

    def _file(self, found: Found, origin: str) -> Iterator[Document | Skip | FileEnd]:
        """Give what one file holds, and how it ended."""
        tally = _Tally()
        try:
            if found.problem is not None:
                raise found.problem
            opened = open_stdin(self._options) if origin == STDIN else self._open(found.path)
        except Exception as error:
            yield tally.skip_all(origin, _rejected(error))
            yield FileEnd(origin, "", False, tally.failed, 0)
            return
        key = self._options.digest(opened.content, opened.format) if opened.content else ""
        if key and self._unchanged(origin, key):
            self._contents[opened.content] = origin
            yield FileEnd(origin, key, True, False, 0)
            return
        try:
            for item in self._items(opened, origin, tally):
                tally.documents += isinstance(item, Document)
                yield item
        except Exception as error:  # whatever a parser raises is about this file alone
            yield tally.skip_all(origin, _rejected(error))
        if tally.documents and opened.content:
            self._contents[opened.content] = origin
        whole = not (tally.failed or tally.again)
        yield FileEnd(origin, key if whole else "", False, tally.failed, tally.documents)

    def _open(self, path: str) -> Opened:
        opened = open_file(path, self._options)
        first = self._contents.get(opened.content)
        if first is not None:
            raise Rejected(f"duplicate of {first}", failed=False)
        return opened

    def _items(self, opened: Opened, origin: str, tally: _Tally) -> Iterator[Document | Skip]:
        found = records(opened, self._options)
        if found is not None:
            number = 0
            for number, record in found:
                yield self._record(record, origin, number, tally)
            if not number:
                raise Rejected("empty", failed=False)
            return
        content = parse(opened, self._options)
        if not content.text.strip():
            raise Rejected("empty", failed=False)
        yield Document(
            origin,
            content.text,
            title=content.title,
            source=origin,
            metadata=content.metadata,
            media=opened.format.media,
            origin=origin,
            dropped=content.dropped,
        )
        for part, reason in content.skipped:
            yield tally.skip(origin + part, Rejected(reason), origin)

    def _record(self, record: Record, origin: str, number: int, tally: _Tally) -> Document | Skip:
        """Make the document of a record, unless another record of this run has its id."""
        try:
            if isinstance(record, Rejected):
                raise record
            document = record_document(record, origin, self._options)
        except Rejected as error:
            return tally.skip(f"{origin}:{number}", error, origin)
        first = self._ids.claim(document.id, origin, number)
        if first is None:
            return document
        file, line = first
        if file != origin:  # to be taken in once the other file is gone
            tally.again = True
        where = f"at line {line}" if file == origin else f"in {file}:{line}"
        reason = f"duplicate id {document.id[:80]!r}, first seen {where}"
        return Skip(f"{origin}:{number}", reason)


def _rejected(error: Exception) -> Rejected:
    if isinstance(error, Rejected):
        return error
    kind = "unreadable: " if isinstance(error, OSError) else "could not be parsed: "
    return Rejected(kind + brief(error))
