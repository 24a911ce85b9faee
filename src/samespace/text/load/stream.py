"""Large files in small pieces: chunks of bytes, digests, and lines of a bounded length."""

from __future__ import annotations

import codecs
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from samespace.text.load.decode import bom, decode, detect, scrub
from samespace.text.load.outcome import Rejected

CHUNK = 2**20


class Line(NamedTuple):
    """One line without its line break; `data` is None where it was longer than the limit."""

    number: int
    data: bytes | None
    length: int


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """Read a file to its end, a megabyte at a time."""
    while piece := file.read(CHUNK):
        yield piece


def digest(pieces: Iterable[bytes]) -> str:
    """Return the sha256 of all bytes, hexadecimal."""
    state = hashlib.sha256()
    for piece in pieces:
        state.update(piece)
    return state.hexdigest()


def unzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Read a gzip stream to its end, a megabyte of what is unpacked at a time.

    Raises:
        Rejected: the stream is broken or cut off; what came before it was given already.
    """
    stream = zlib.decompressobj(wbits=31)
    try:
        for piece in pieces:
            while piece:
                if stream.eof:  # files may be one stream after another, padded with zeros
                    piece = piece.lstrip(b"\0")
                    stream = zlib.decompressobj(wbits=31) if piece else stream
                yield stream.decompress(piece, CHUNK)
                piece = stream.unused_data if stream.eof else stream.unconsumed_tail
        yield stream.flush()
    except zlib.error as error:
        raise Rejected(f"broken gzip file: {error}") from error
    if not stream.eof:
        raise Rejected("broken gzip file: it ends too early")


def utf8(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Turn a stream of text into UTF-8 without a byte order mark.

    Lines are found by the byte of the line feed, which UTF-16 and UTF-32 do not have. The
    encoding is told by the mark, or by the first piece.
    """
    iterator = iter(pieces)
    first = next(iterator, b"")
    while first and len(first) < 4 and (more := next(iterator, b"")):
        first += more
    encoding, length = bom(first)
    encoding = encoding or detect(_whole_letters(first))
    first = first[length:]
    if encoding == "utf-8":
        yield first
        yield from iterator
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    yield decoder.decode(first).encode("utf-8", "replace")
    for piece in iterator:
        yield decoder.decode(piece).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _whole_letters(piece: bytes) -> bytes:
    """Cut a piece of UTF-8 back to where no letter is split; leave others as they are."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(piece)
    except UnicodeDecodeError:
        return piece
    for back in range(1, min(4, len(piece)) + 1):
        if piece[-back] >= 0xC0:
            return piece[:-back]
        if piece[-back] < 0x80:
            break
    return piece


def lines(pieces: Iterable[bytes], limit: int) -> Iterator[Line]:
    """Split into lines at line feeds; of a line above `limit` bytes only the length is kept."""
    number = 1
    held: list[bytes] = []
    length = 0

    def line(last: bytes) -> Line:
        total = length + len(last)
        if total > limit:
            return Line(number, None, total)
        return Line(number, b"".join([*held, last]), total)

    for piece in pieces:
        *whole, tail = piece.split(b"\n")
        for part in whole:
            yield line(part)
            number, length = number + 1, 0
            held.clear()
        length += len(tail)
        if length <= limit:
            held.append(tail)
        else:
            held.clear()
    if length:
        yield line(b"")


def text_of(data: bytes) -> str:
    """Decode one line: UTF-8, or else a guess for this line alone."""
    try:
        return scrub(data.decode("utf-8"))
    except UnicodeDecodeError:
        return decode(data)
