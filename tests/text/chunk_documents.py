"""Documents with structure, written as a list of parts."""

from __future__ import annotations

from samespace.types import Block, BlockKind, Document

Part = tuple[BlockKind, str] | tuple[BlockKind, str, int]


def build(*parts: Part, title: str = "") -> Document:
    """Return a document whose blocks are the parts, a blank line between them.

    A part is (kind, text), or (kind, text, level) for a heading or a definition.
    """
    text = ""
    blocks: list[Block] = []
    for kind, body, *level in parts:
        text += "\n\n" if text else ""
        label = body.splitlines()[0] if level else ""
        blocks.append(Block(len(text), len(text) + len(body), kind, *level, label=label))
        text += body
    return Document("d", text, title, blocks=tuple(blocks))


def prose(words: int, word: str = "word") -> str:
    """Return sentences of eight words each, of about `words` words in total."""
    sentence = f"The {word} " + " ".join([word] * 6) + "."
    return " ".join([sentence] * max(1, words // 8))
