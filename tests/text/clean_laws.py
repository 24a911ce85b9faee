"""What every cleaned document keeps to, whatever it was made from."""

from __future__ import annotations

from samespace.text.clean import clean
from samespace.types import Block, Document


def cleaned(text: str, media: str = "text/plain", title: str = "") -> Document:
    """Clean a text and hold the result to the laws."""
    raw = Document(id="d", text=text, media=media, title=title)
    result = clean(raw)
    check(result)
    assert result.content_hash == raw.content_hash
    return result


def check(document: Document) -> None:
    """Assert that the blocks are sorted, disjoint, trimmed and leave only whitespace uncovered."""
    text = document.text
    assert text == text.strip("\n")
    position = 0
    for block in document.blocks:
        assert position <= block.start < block.end <= len(text)
        assert not text[position : block.start].strip()
        inside = text[block.start : block.end]
        assert inside == inside.strip("\n")
        opens = block.kind in ("heading", "definition")
        assert (block.level > 0) == opens
        position = block.end
    assert not text[position:].strip()


def parts(document: Document) -> list[tuple[str, str]]:
    """Return (kind, text) of each block."""
    return [(b.kind, document.text[b.start : b.end]) for b in document.blocks]


def labels(document: Document) -> list[tuple[int, str]]:
    """Return (level, label) of each block that opens a section."""
    return [(b.level, b.label) for b in document.blocks if isinstance(b, Block) and b.label]
