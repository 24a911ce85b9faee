"""Documents and chunks as rows of the database, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from samespace.errors import InputError
from samespace.store.base import StoredChunk
from samespace.types import Block, Chunk, Document, MetadataValue

DOCUMENT_COLUMNS = (
    "id, source, origin, title, media, content_hash, metadata, chars, dropped, blocks, gaps"
)
CHUNK_COLUMNS = (
    "id, document, position, start, stop, text, context, heading, tokens, dropped, level, parent, "
    "hash"
)
STORED_CHUNK = (
    "SELECT c.row, c.id, d.id, c.start, c.stop, c.text, c.context, c.heading, c.tokens, "
    "c.dropped, c.level, c.parent, d.source, d.title, d.metadata "
    "FROM {chunks} c JOIN documents d ON d.number = c.document"
)
"""With the name of a cut's table of chunks to be filled in."""

_UNUSED = ""
"""What stands in `documents.gaps`: each cut has a table of its own for them."""

Piece = tuple[int, str]
"""A stretch of a document's text: where it starts, and the text."""


def to_json(value: object) -> str:
    """Return compact JSON in ASCII."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


def metadata_to_json(metadata: object) -> str:
    """Return metadata as JSON with sorted keys, so that equal metadata is equal text."""
    try:
        return json.dumps(metadata, separators=(",", ":"), ensure_ascii=True, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise InputError(f"metadata cannot be stored as JSON: {error}") from error


def metadata_from_json(stored: str) -> dict[str, MetadataValue]:
    """Return metadata as it was put: lists come back as tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(stored).items()}


def check_chunks(document: Document, chunks: Sequence[Chunk], hashes: Sequence[bytes]) -> None:
    """Raise InputError unless the chunks are exact slices of the document, one hash for each."""
    if len(chunks) != len(hashes):
        raise InputError(
            f"document {document.id!r}: expected one hash for each of {len(chunks)} chunks, "
            f"got {len(hashes)}"
        )
    for chunk in chunks:
        if chunk.document != document.id:
            raise InputError(
                f"chunk {chunk.id!r} belongs to document {chunk.document!r}, not {document.id!r}"
            )
        sliced = 0 <= chunk.start <= chunk.end and document.text[chunk.start : chunk.end]
        if sliced != chunk.text:
            raise InputError(
                f"chunk {chunk.id!r} is not the slice {chunk.start}:{chunk.end} of document "
                f"{document.id!r}; a chunk is an exact slice of the cleaned text"
            )


def document_row(document: Document) -> tuple[Any, ...]:
    """Return the values of DOCUMENT_COLUMNS."""
    return (
        document.id,
        document.source,
        document.origin,
        document.title,
        document.media,
        document.content_hash,
        metadata_to_json(dict(document.metadata)),
        len(document.text),
        to_json({kind: count for kind, count in document.dropped.items() if count}),
        to_json([[b.start, b.end, b.kind, b.level, b.label] for b in document.blocks]),
        _UNUSED,
    )


def gaps_json(document: Document, chunks: Sequence[Chunk]) -> str:
    """Return, as JSON, what the chunks leave out of the document's text."""
    return to_json(gaps(document.text, [(chunk.start, chunk.text) for chunk in chunks]))


def chunk_row(number: int, position: int, chunk: Chunk, hash: bytes) -> tuple[Any, ...]:
    """Return the values of CHUNK_COLUMNS; `number` is the document's."""
    return (
        chunk.id,
        number,
        position,
        chunk.start,
        chunk.end,
        chunk.text,
        chunk.context,
        to_json(chunk.heading) if chunk.heading else "",
        chunk.tokens,
        chunk.dropped,
        chunk.level,
        chunk.parent,
        hash,
    )


def stored_chunk(row: tuple[Any, ...]) -> StoredChunk:
    """Return the value for one row of STORED_CHUNK."""
    (number, id, document, start, stop, text, context, heading, tokens, dropped, level, parent) = (
        row[:12]
    )
    chunk = Chunk(
        id=id,
        document=document,
        start=start,
        end=stop,
        text=text,
        context=context,
        heading=tuple(json.loads(heading)) if heading else (),
        tokens=tokens,
        dropped=dropped,
        level=level,
        parent=parent,
    )
    return StoredChunk(number, chunk, row[12], row[13], metadata_from_json(row[14]))


def stored_document(row: tuple[Any, ...], held: str, pieces: Iterable[Piece]) -> Document | None:
    """Return a document from the values of DOCUMENT_COLUMNS, its gaps and its chunks' texts.

    None if they do not make up the text that was put.
    """
    id, source, origin, title, media, content_hash, metadata, chars, dropped, blocks, _ = row
    text = assemble([*pieces, *((start, part) for start, part in json.loads(held))])
    if len(text) != chars:
        return None
    return Document(
        id=id,
        text=text,
        title=title,
        source=source,
        metadata=metadata_from_json(metadata),
        media=media,
        origin=origin,
        blocks=tuple(Block(*block) for block in json.loads(blocks)),
        dropped=json.loads(dropped),
        content_hash=content_hash,
    )


def gaps(text: str, pieces: Iterable[Piece]) -> list[Piece]:
    """Return the stretches of a text that no piece covers: usually none."""
    found: list[Piece] = []
    at = 0
    for start, part in [*sorted(pieces), (len(text), "")]:
        if start > at:
            found.append((at, text[at:start]))
        at = max(at, start + len(part))
    return found


def assemble(pieces: Iterable[Piece]) -> str:
    """Put a text together again from pieces that cover it and may overlap."""
    parts: list[str] = []
    at = 0
    for start, part in sorted(pieces):
        end = start + len(part)
        if end > at and start <= at:
            parts.append(part[at - start :])
            at = end
    return "".join(parts)
