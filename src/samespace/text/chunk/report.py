"""How well chunk ends agree with the structure of the text."""

from __future__ import annotations

from collections.abc import Sequence

from samespace.text.chunk.outline import Outline
from samespace.text.chunk.pieces import Cut, block_cuts
from samespace.types import Chunk, Document

__all__ = ["boundary_report"]

NAMES = ("section", "block", "line", "sentence", "word", "inside_word")
OF_CUT = {Cut.ITEM: "line", Cut.LINE: "line", Cut.SENTENCE: "sentence"}


def boundary_report(
    document: Document, chunks: Sequence[Chunk], language: str = "en"
) -> dict[str, int]:
    """Count the chunk ends by what they separate, so that bad cuts do not go unseen.

    The counts of "section", "block", "line" (a list item, a table row, a line of code),
    "sentence", "word" and "inside_word" add up to the number of chunks; the end of the
    document counts as the end of a section. "mid_sentence", "mid_table" and "mid_code" count
    those ends again that leave a sentence of prose, a table or a block of code in two.
    """
    outline = Outline(document)
    report = dict.fromkeys((*NAMES, "mid_sentence", "mid_table", "mid_code"), 0)
    cuts: dict[int, dict[int, str]] = {}
    for chunk in chunks:
        end = chunk.end
        while end < len(document.text) and document.text[end].isspace():
            end += 1
        if end >= len(document.text):
            report["section"] += 1
            continue
        number = outline.block_at(end)
        block = outline.blocks[number]
        if end <= block.start:
            report["section" if outline.opens(number) else "block"] += 1
            continue
        if number not in cuts:
            cuts[number] = {
                _skip(document.text, offset): OF_CUT.get(cut, "block")
                for offset, cut in block_cuts(outline, number, language)
            }
        apart = document.text[end - 1].isspace()
        name = cuts[number].get(end) or ("word" if apart else "inside_word")
        report[name] += 1
        if block.kind in ("table", "code"):
            report["mid_" + block.kind] += 1
        elif name in ("word", "inside_word"):
            report["mid_sentence"] += 1
    return report


def _skip(text: str, offset: int) -> int:
    while offset < len(text) and text[offset].isspace():
        offset += 1
    return offset
