"""One item from the loader to what can be embedded: look up, clean, chunk."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
from dataclasses import dataclass, field

from samespace.errors import MissingExtra, ModelError, SamespaceError, SpaceError, StoreError
from samespace.store.embedded import EmbeddedReader, EmbeddedStore
from samespace.text.chunk import Count, chunk
from samespace.text.clean import clean
from samespace.text.load import FileEnd
from samespace.text.recipe import Recipe
from samespace.types import Block, Chunk, Document, Skip

Item = Document | Skip | FileEnd


@dataclass(frozen=True)
class Seen:
    """What a run came across: needed to know what is gone."""

    ids: set[str] = field(default_factory=set)
    kept_origins: set[str] = field(default_factory=set)
    unfinished: set[str] = field(default_factory=set)
    """Files of which a document was left out: looked at, and reported, again the next time."""

    def keeps(self, origin: str) -> bool:
        """Say whether a file, or a folder above it, is there although it was not read."""
        while origin:
            if origin in self.kept_origins:
                return True
            above = os.path.dirname(origin)
            origin = above if above != origin else ""
        return False


@dataclass(frozen=True)
class Prepared:
    """A cleaned and chunked document that waits to be embedded and written."""

    document: Document
    chunks: list[Chunk]
    hashes: list[bytes]
    is_new: bool


@dataclass(frozen=True)
class Unchanged:
    """A document that is there already, as it is."""

    document: Document


@dataclass(frozen=True)
class File:
    """The end of a file, how many documents it stands for if it was not read, and its size."""

    end: FileEnd
    unchanged: int
    size: int


Queued = Prepared | Skip | File | Unchanged


def input_hash(text: str) -> bytes:
    """Return the key of a document input's vector: 16 bytes of the SHA-256 of the input.

    Space and role are not in it: a store keeps vectors by Space, and all of them are made in
    the document role.
    """
    return hashlib.sha256(text.encode("utf-8")).digest()[:16]


class Known:
    """What the store holds already, asked by one thread, with a view that is never old.

    A view that stayed open for the whole run would keep SQLite from emptying its log, which
    would then grow with the corpus. So it is renewed, and closed before a wait.
    """

    SECONDS = 1.0

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store
        self._reader: EmbeddedReader | None = None
        self._opened = 0.0

    @property
    def reader(self) -> EmbeddedReader:
        """A view of the store, at most a second old."""
        now = time.monotonic()
        if self._reader is None or now - self._opened > self.SECONDS:
            self.close()
            self._reader, self._opened = self._store.read(), now
        return self._reader

    def is_unchanged(self, origin: str, digest: str) -> bool:
        """Say whether a file was taken in whole with this digest."""
        return self.reader.file_digest(origin) == digest

    def close(self) -> None:
        """End the view."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def prepare(reader: EmbeddedReader, count: Count, recipe: Recipe, item: Item, seen: Seen) -> Queued:
    """Return what is to be done about one item."""
    if isinstance(item, Skip):
        if item.origin:
            seen.kept_origins.add(item.origin)
        return item
    if isinstance(item, FileEnd):
        if item.unchanged or item.failed:
            seen.kept_origins.add(item.origin)
        unchanged = reader.count_of(item.origin) if item.unchanged else 0
        if item.origin in seen.unfinished:
            item = dataclasses.replace(item, digest="")
        return File(item, unchanged, _size(item.origin))
    out = _document(reader, count, recipe, item, seen)
    if isinstance(out, Skip):
        seen.unfinished.add(item.origin)
    return out


def _document(
    reader: EmbeddedReader, count: Count, recipe: Recipe, item: Document, seen: Seen
) -> Queued:
    """Clean and chunk one document. Whatever goes wrong with it is about it alone."""
    source = item.source or str(item.id)
    unfit = _unfit(item)
    if unfit:
        return Skip(source, unfit, item.origin)
    if item.id in seen.ids:
        return Skip(source, f"duplicate id {item.id!r} in this run")
    known = reader.content_hash(item.id)
    owner = reader.origin(item.id) if known is not None and item.origin else ""
    if owner != item.origin and owner in seen.kept_origins:
        # That file was passed over, so the loader could not see that both hold this id.
        return Skip(source, f"duplicate id {item.id!r}, held by {owner}", item.origin)
    seen.ids.add(item.id)
    if known == item.content_hash:
        return Unchanged(item)
    try:
        cleaned = as_cleaned(item)
        chunks = chunk(cleaned, count, recipe)
    except (MissingExtra, ModelError, SpaceError, StoreError):
        raise  # this is about the model or the store, and would be said of every document
    except SamespaceError as error:
        return Skip(source, str(error), item.origin)
    except Exception as error:
        return Skip(source, f"could not be read: {type(error).__name__}: {error}", item.origin)
    if not chunks:
        seen.ids.discard(item.id)
        return Skip(source, "empty: no text is left after cleaning")
    hashes = [input_hash(piece.input) for piece in chunks]
    return Prepared(cleaned, chunks, hashes, is_new=known is None)


def _unfit(document: Document) -> str:
    """Return why nothing can be made of a document that a caller put together; "" if it can."""
    for name, value in (("id", document.id), ("text", document.text), ("title", document.title)):
        if not isinstance(value, str):
            return f"the {name} must be a string, got {type(value).__name__}"
    if not document.id:
        return "the id is empty; give each document a name of its own"
    try:
        document.id.encode("utf-8")
    except UnicodeEncodeError:
        return "the id holds a lone surrogate, which is no character"
    return ""


def as_cleaned(document: Document) -> Document:
    """Return a document as it is stored and cut."""
    return _with_text(clean(document))


def _with_text(document: Document) -> Document:
    """Return a document that has only a title with the title as its text: it can be found."""
    title = document.title
    if document.text or not title:
        return document
    heading = Block(0, len(title), "heading", 1, title)
    return dataclasses.replace(document, text=title, blocks=(heading,))


def _size(origin: str) -> int:
    try:
        return os.stat(origin).st_size
    except OSError:
        return 0
