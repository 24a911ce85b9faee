"""The walk over a parsed page that says what opens and closes."""

# ruff: noqa: SIM905 - long lists of names read best as running text
from __future__ import annotations

from typing import TYPE_CHECKING

from samespace.text.clean.builder import Builder
from samespace.text.clean.html_rules import NEVER_SHOWN, Strictness, noise

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_PREFORMATTED = frozenset(("pre", "xmp", "listing", "plaintext"))
_BLOCKS = frozenset(
    "address article aside blockquote body center details dialog dir div fieldset figcaption "
    "figure footer form header hgroup hr html legend main nav p section summary option optgroup "
    "search table thead tbody tfoot tr td th caption ul ol menu li dl dt dd label".split()
)
_NOTES = frozenset(("footnotes", "endnotes", "references", "bibliography"))
_PERMALINKS = frozenset(("¶", "#", "§", "🔗", "⚓", "\uf0c1"))
_LAYOUT_SIGNS = "table, pre, h1, h2, h3, h4, h5, h6"
_SMALL_FORM = 500
_PROSE_CELL = 600


class Walk:
    """Reads the elements below a node into a builder, dropping what `strictness` asks for."""

    def __init__(self, builder: Builder, strictness: Strictness, headings: int = 0) -> None:
        self.builder = builder
        self.strictness = strictness
        self.words = 0  # characters of kept text outside of links
        self.mains: list[tuple[str, int, int]] = []  # (kind, first piece, piece after the last)
        self._top_headings = headings
        self._links = 0
        self._articles = 0
        self._in_heading = 0
        self._tables: list[bool] = []  # whether each open table is one of data
        self._starts: list[tuple[str, int]] = []

    def run(self, root: LexborNode) -> None:
        """Walk without recursion, since a page may nest deeper than Python's stack."""
        open_nodes: list[tuple[LexborNode, str]] = []
        node = root.child
        while node is not None:
            tag = node.tag or ""
            child = None
            entered = False
            if tag == "-text":
                self._text(node.text_content or "")
            elif node.is_element_node:
                entered = self._enter(node, tag)
                child = node.child if entered else None
            if child is not None:
                open_nodes.append((node, tag))
                node = child
                continue
            if entered:
                self._leave(tag, node)
            following = node.next
            while following is None and open_nodes:
                node, tag = open_nodes.pop()
                self._leave(tag, node)
                following = node.next
            node = following

    def _text(self, text: str) -> None:
        if not self._links:
            self.words += len(text) if not text.isspace() else 0
        self.builder.text(text)

    def _drop(self, node: LexborNode, kind: str) -> bool:
        size = len(node.text(deep=True))
        if size:
            self.builder.dropped[kind] += size
        return False

    def _enter(self, node: LexborNode, tag: str) -> bool:
        """Open an element; return whether its children are to be read."""
        if tag in NEVER_SHOWN:
            return self._drop(node, tag if tag in ("script", "style") else "hidden")
        attributes = node.attributes
        kind = noise(tag, attributes, self.strictness, in_article=self._articles > 0)
        if kind is not None and not (
            kind == "page-header" and self._top_headings == 1 and node.css_first("h1") is not None
        ):
            self._separate(tag)
            return self._drop(node, kind)
        if tag == "form" and self.strictness and len(node.text(deep=True)) < _SMALL_FORM:
            return self._drop(node, "form")
        if tag in _PREFORMATTED:
            code = _preformatted(node)
            self.words += len(code)
            self.builder.code(code)
            return False
        self._open(node, tag, attributes)
        if tag == "a" and self._in_heading and node.text(deep=True).strip() in _PERMALINKS:
            self._links -= 1
            return self._drop(node, "permalink")
        return True

    def _separate(self, tag: str) -> None:
        if tag not in _BLOCKS:
            return
        if self._in_heading:
            self.builder.text(" ")
        else:
            self.builder.flush()

    def _open(self, node: LexborNode, tag: str, attributes: dict[str, str | None]) -> None:
        builder = self.builder
        self._separate(tag)
        main = _main_kind(tag, attributes)
        if main is not None:
            self._articles += main in ("main", "article")
            self._starts.append((main, builder.mark()))
        if tag in _HEADINGS:
            builder.flush()
            self._in_heading += 1
        elif tag == "a":
            self._links += 1
            # Neighbouring links are set apart by style sheets, not by spaces.
            before = node.prev
            if before is not None and before.tag == "a":
                builder.text(" ")
        elif tag == "br":
            builder.line_break() if not self._in_heading else builder.text(" ")
        elif tag == "img":
            if alt := attributes.get("alt"):
                builder.text(f" {alt} ")
        elif tag == "q":
            builder.text('"')
        elif tag == "rt":
            builder.text("(")
        elif tag == "sup":
            raised = node.text(deep=True).strip()
            if raised.lstrip("-−+").isdigit() and builder.last_character().isalnum():
                builder.text("^")
        elif not self._in_heading:
            self._open_block(node, tag, attributes)

    def _open_block(self, node: LexborNode, tag: str, attributes: dict[str, str | None]) -> None:
        builder = self.builder
        if tag in ("ul", "menu", "dir"):
            builder.open_list("bullet")
        elif tag == "ol":
            builder.open_list("ordered", _number(attributes.get("start"), 1))
        elif tag == "dl":
            builder.open_list("terms")
        elif tag == "li":
            value = attributes.get("value")
            builder.open_item(_number(value, 1) if value else None)
        elif tag == "dt":
            builder.open_term()
        elif tag == "dd":
            builder.open_definition()
        elif tag == "blockquote":
            builder.open_quote()
        elif tag == "table":
            self._tables.append(_holds_data(node, attributes))
            if self._tables[-1]:
                builder.open_table()
        elif self._tables and self._tables[-1]:
            if tag == "tr":
                builder.open_row()
            elif tag in ("td", "th"):
                builder.open_cell()
            elif tag == "caption":
                builder.open_row()
                builder.open_cell()

    def _leave(self, tag: str, node: LexborNode) -> None:
        builder = self.builder
        if tag in _HEADINGS:
            self._in_heading -= 1
            builder.heading(_HEADINGS[tag])
            return
        if tag == "a":
            self._links -= 1
        elif tag == "q":
            builder.text('"')
        elif tag == "rt":
            builder.text(")")
        self._separate(tag)
        if not self._in_heading:
            self._close_block(tag)
        if self._starts and _main_kind(tag, node.attributes) is not None:
            kind, start = self._starts.pop()
            self._articles -= kind in ("main", "article")
            self.mains.append((kind, start, builder.mark()))

    def _close_block(self, tag: str) -> None:
        builder = self.builder
        if tag in ("ul", "ol", "dl", "menu", "dir"):
            builder.close_list()
        elif tag == "li":
            builder.close_item()
        elif tag == "dt":
            builder.close_term()
        elif tag == "dd":
            builder.close_definition()
        elif tag == "blockquote":
            builder.close_quote()
        elif tag == "table":
            if self._tables and self._tables.pop():
                builder.close_table()
        elif tag in ("td", "th", "caption") and self._tables and self._tables[-1]:
            builder.close_cell()


def _main_kind(tag: str, attributes: dict[str, str | None]) -> str | None:
    if tag in ("main", "article"):
        return tag
    if tag not in ("div", "section") or not attributes:
        return None
    if attributes.get("role") == "main":
        return "main"
    if attributes.get("id") in ("content", "main", "main-content", "mw-content-text"):
        return "content"
    if attributes.get("id") in _NOTES or attributes.get("class") in _NOTES:
        return "notes"
    return None


def _holds_data(table: LexborNode, attributes: dict[str, str | None]) -> bool:
    """Tell a table of data from one that only places things on the page."""
    if attributes.get("role") in ("presentation", "none"):
        return False
    part = table.child
    while part is not None:
        if part.is_element_node and part.css_first(_LAYOUT_SIGNS) is not None:
            return False
        part = part.next
    rows = len(table.css("tr"))
    cells = len(table.css("td, th"))
    if cells <= rows or (rows == 1 and table.css_first("th") is None):
        return False
    return len(table.text(deep=True)) < _PROSE_CELL * cells


def _preformatted(pre: LexborNode) -> str:
    parts: list[str] = []
    open_nodes: list[LexborNode] = []
    node = pre.child
    while node is not None:
        child = None
        tag = node.tag
        if tag == "-text":
            parts.append(node.text_content or "")
        elif tag == "br":
            parts.append("\n")
        elif node.is_element_node and tag not in NEVER_SHOWN and tag != "button":
            if tag in _BLOCKS and parts and not parts[-1].endswith("\n"):
                parts.append("\n")
            if noise(tag or "", node.attributes, Strictness.FULL, in_article=True) is None:
                child = node.child
        if child is not None:
            open_nodes.append(node)
            node = child
            continue
        following = node.next
        while following is None and open_nodes:
            following = open_nodes.pop().next
        node = following
    return "".join(parts)


def _number(value: str | None, default: int) -> int:
    try:
        return int((value or "").strip()[:9])
    except ValueError:
        return default
