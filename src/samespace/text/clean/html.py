"""HTML: the words of a page's content, without the page around them.

The tree is walked here, on lexbor's parser, because a library for main content loses too much of
documentation: resiliparse's keeps 99.0 % of the words of 272 manual pages where this keeps 99.8 %,
loses more than a tenth of 23 pages where this loses it of none, and gives tables and lists of
terms no structure (benchmarks/html_pages.py).

Loss is the worse error: where little of the prose remains, the page is read again with fewer
rules, down to everything that is visible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from samespace.text.clean.builder import Builder
from samespace.text.clean.html_guard import guard
from samespace.text.clean.html_rules import Strictness
from samespace.text.clean.html_walk import Walk
from samespace.text.clean.pieces import Content
from samespace.text.clean.unicode import fold

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser

_FAIR_SHARE = 0.35
_MOST = 0.5
_MAX_CANDIDATES = 100
_UNSEEN = frozenset(("script", "style", "hidden"))
_PREFERENCE = ("main", "article", "content")


def read_html(markup: str) -> Content:
    """Return the content of a page: its main part where the page says which, without furniture."""
    from selectolax.lexbor import LexborHTMLParser

    if not markup.strip():
        return Content()
    parser = LexborHTMLParser(guard(markup))
    content, words = _read(parser, Strictness.FULL)
    # What visibly went is counted in `dropped`; only where it is a lot does a second look pay.
    gone = sum(n for kind, n in content.dropped.items() if kind not in _UNSEEN)
    if words <= gone:
        visible, all_words = _read(parser, Strictness.VISIBLE)
        if words < _FAIR_SHARE * all_words:
            content, words = _read(parser, Strictness.SEMANTIC)
        if words < _FAIR_SHARE * all_words:
            content = visible
    title = parser.css_first("title")
    # Site and section stand in it too; the content's own heading is the better one.
    if title is not None and not any(piece.kind == "heading" for piece in content.pieces):
        content.title = fold(title.text(deep=True))
    return content


def read_fragment(markup: str, builder: Builder) -> None:
    """Add a piece of HTML inside another markup, whole: nobody's navigation stands there."""
    from selectolax.lexbor import LexborHTMLParser

    parser = LexborHTMLParser(guard(markup))
    if parser.body is not None:
        Walk(builder, Strictness.VISIBLE).run(parser.body)
    builder.flush()


def _read(parser: LexborHTMLParser, strictness: Strictness) -> tuple[Content, int]:
    builder = Builder()
    walk = Walk(builder, strictness, headings=len(parser.css("h1")))
    if parser.root is not None:
        walk.run(parser.root)
    content = builder.finish()
    if strictness is not Strictness.FULL:
        return content, walk.words
    _keep_main(content, walk.mains)
    kept = sum(len(piece.text) for piece in content.pieces)
    return content, min(walk.words, kept)


def _keep_main(content: Content, mains: list[tuple[str, int, int]]) -> None:
    """Cut the content down to the part marked as main, where that holds most of the words."""
    pieces = content.pieces
    sizes = [len(piece.text) for piece in pieces]
    total = sum(sizes)
    candidates = [
        (sum(sizes[start:end]), kind, start, end) for kind, start, end in mains[:_MAX_CANDIDATES]
    ]
    for preferred in _PREFERENCE:
        size, _, start, end = max(
            (c for c in candidates if c[1] == preferred), default=(0, "", 0, 0)
        )
        if size > _MOST * total:
            break
    else:
        return
    tops = [i for i, piece in enumerate(pieces) if piece.kind == "heading" and piece.level == 1]
    if tops and tops[0] < start and not any(start <= top < end for top in tops):
        # The page's own heading stands just before its content.
        start = max(top for top in tops if top < start)
    kept = set(range(start, end))
    for _, kind, first, last in candidates:
        if kind == "notes":
            kept.update(range(first, last))
    dropped = total - sum(sizes[i] for i in kept)
    if dropped:
        content.dropped["outside-main"] += dropped
    content.pieces = [pieces[i] for i in sorted(kept)]
