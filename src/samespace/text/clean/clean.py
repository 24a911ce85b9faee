"""The one way in: chooses the reader by media and joins what it found."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter

from samespace.text.clean.pieces import Content, assemble
from samespace.text.clean.unicode import fold, normalize
from samespace.types import Block, Document

_PDF = "application/pdf"
_SEPARATOR = re.compile(r" [|–—·•»:-]+ ")


def clean(document: Document) -> Document:
    """Return `document` as plain text with blocks, without what nobody reads.

    What an embedding model sees is what it compares: markup, navigation and invisible
    characters are noise in every vector. The readers never raise for odd content; where a
    format's own parser gives up, the text is read as plain text. `dropped` counts the
    characters removed, by kind. A document that has blocks is clean already and is returned
    as it is.
    """
    if document.blocks:
        return document
    dropped: Counter[str] = Counter(document.dropped)
    # Pages are set apart by form feeds, which are line ends everywhere else.
    pages = document.text.split("\f") if document.media == _PDF else [document.text]
    text = "\f".join(normalize(page, dropped, spaces=False) for page in pages)
    if _is_code(document.media):
        from samespace.text.clean.code import read_code

        content = Content()
        body, blocks = read_code(text, document.media.removeprefix("text/x-"))
    else:
        content = _read(text, document.media)
        dropped.update(content.dropped)
        body, blocks = assemble(content.pieces, dropped)
    title = fold(normalize(document.title or content.title or _top_heading(blocks, document.media)))
    if document.media == "text/html":
        title = _without_site(title, blocks)
    return dataclasses.replace(
        document,
        text=body,
        title=title,
        metadata={**content.metadata, **document.metadata},
        blocks=blocks,
        dropped={kind: count for kind, count in sorted(dropped.items()) if count},
    )


def _read(text: str, media: str) -> Content:
    """Read `text` by its media; the readers are imported when their format first appears."""
    if media == "text/html":
        from samespace.text.clean.html import read_html

        return read_html(text)
    if media == "text/markdown":
        from samespace.text.clean.markdown import read_markdown

        return read_markdown(text)
    if media == "text/x-rst":
        from samespace.text.clean.rst import read_rst

        return read_rst(text)
    if media == "text/x-asciidoc":
        from samespace.text.clean.asciidoc import read_asciidoc

        return read_asciidoc(text)
    if media == _PDF:
        from samespace.text.clean.pdf import read_pages

        return read_pages(text)
    from samespace.text.clean.plain import read_plain

    return read_plain(text)


def _is_code(media: str) -> bool:
    return media.startswith("text/x-") and media not in ("text/x-rst", "text/x-asciidoc")


def _without_site(title: str, blocks: tuple[Block, ...]) -> str:
    """Return the heading that the title of a page repeats before the names of section and site.

    A heading that is the title's last part, or not the only one in it, may be the site's name.
    """
    parts = [part.casefold() for part in _SEPARATOR.split(title)]
    labels = dict.fromkeys(block.label for block in blocks if block.kind == "heading")
    found = [label for label in labels if label.casefold() in parts]
    return found[0] if len(found) == 1 and found[0].casefold() != parts[-1] else title


def _top_heading(blocks: tuple[Block, ...], media: str) -> str:
    """Return the first heading of the outermost level that the text has.

    Headings of a PDF are inferred: below other words, the first is more often "Abstract".
    """
    if media == _PDF and blocks and blocks[0].kind != "heading":
        return ""
    headings = [block for block in blocks if block.kind == "heading"]
    return min(headings, key=lambda block: block.level).label if headings else ""
