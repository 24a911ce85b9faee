"""A file that was opened: its format, the digest of its bytes, and a way to its content."""

from __future__ import annotations

import hashlib
import itertools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from samespace.text.load.formats import (
    FORMATS,
    HEAD,
    Format,
    Unsupported,
    by_content,
    by_name,
    is_gzip,
    is_json_object,
)
from samespace.text.load.options import LoadOptions
from samespace.text.load.outcome import Rejected, oversized
from samespace.text.load.stream import chunks, digest, unzipped


@dataclass(frozen=True)
class Opened:
    """What is known of a file before it is parsed.

    Attributes:
        format: how it is to be read.
        content: sha256 of its bytes; "" where they can be read only once.
        data: all of its bytes, for a format that is read at once.
        pieces: its bytes one after the other, for a format of lines (unpacked).
    """

    format: Format
    content: str
    data: bytes = b""
    pieces: Iterator[bytes] | None = None


def open_file(path: str, options: LoadOptions) -> Opened:
    """Open a file, tell its format and take its digest.

    Raises:
        Rejected: empty, too large, or of a format that is not read.
        OSError: it cannot be read.
    """
    named = FORMATS[options.format] if options.format else by_name(path)
    if isinstance(named, Unsupported):
        raise _unsupported(named)
    with open(path, "rb") as file:
        head = file.read(HEAD)
        fmt = _format(head, named, options)
        if fmt.lines:
            content = digest(itertools.chain([head], chunks(file)))
            return Opened(fmt, content, pieces=_pieces(path, is_gzip(head)))
        told = os.fstat(file.fileno()).st_size
        if told > options.max_bytes:
            raise oversized(told, options.max_bytes)
        data = head + file.read(max(0, options.max_bytes + 1 - len(head)))
    if len(data) > options.max_bytes:  # it grew in between, or did not tell its size
        raise oversized(len(data), options.max_bytes)
    return Opened(fmt, hashlib.sha256(data).hexdigest(), data=data)


def open_stdin(options: LoadOptions) -> Opened:
    """Take standard input, as JSONL if its first line is a JSON object and no format is forced.

    Raises:
        Rejected: empty, too large, or of a format that is not read.
    """
    if sys.stdin is None:
        raise Rejected("there is no standard input")
    pieces = chunks(sys.stdin.buffer)
    first = b""
    while b"\n" not in first and len(first) <= options.max_bytes:
        piece = next(pieces, b"")
        first += piece
        if not piece:
            break
    named = FORMATS[options.format] if options.format else None
    if named is None and is_json_object(first.partition(b"\n")[0]):
        named = FORMATS["jsonl"]
    fmt = _format(first, named, options)
    rest = itertools.chain([first], pieces)
    if fmt.lines:
        return Opened(fmt, "", pieces=unzipped(rest) if is_gzip(first) else rest)
    held = []
    size = 0
    for piece in rest:
        held.append(piece)
        size += len(piece)
        if size > options.max_bytes:
            raise Rejected(f"{oversized(size, options.max_bytes).reason}; more was not read")
    return Opened(fmt, "", data=b"".join(held))


def _format(head: bytes, named: Format | None, options: LoadOptions) -> Format:
    if not head:
        raise Rejected("empty", failed=False)
    fmt = named if named is not None and options.format else by_content(head, named)
    if isinstance(fmt, Unsupported):
        raise _unsupported(fmt)
    return fmt


def _unsupported(found: Unsupported) -> Rejected:
    return Rejected(f"unsupported format: {found.label}", failed=False)


def _pieces(path: str, packed: bool) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from unzipped(chunks(file)) if packed else chunks(file)
