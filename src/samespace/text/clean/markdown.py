"""Markdown, as CommonMark reads it, with tables and strikethrough."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from samespace.text.clean.builder import Builder
from samespace.text.clean.frontmatter import split_front_matter
from samespace.text.clean.html import read_fragment
from samespace.text.clean.pieces import Content
from samespace.text.clean.plain import read_plain

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.token import Token

_MAX_NESTING = 60
# Beyond these the parser's time grows with the square of the length; prose never comes near.
_LONG_INLINE = 20_000
_LONG_LINE = 200_000
_MARKS = re.compile(r"(?<!\\)(?:\*{1,3}|~~|`+|(?<!\w)_{1,2}|_{1,2}(?!\w))")
_LINK = re.compile(r"!?\[([^\[\]]{0,500})\]\([^()\s]{0,2000}\)")
_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9-]*)")
_HEADING_ATTRIBUTES = re.compile(r"\s\{:?\s*[#.][^{}\s]+(?:\s+[^{}\n]{0,200})?\}\Z")


def read_markdown(text: str) -> Content:
    """Return the blocks of a Markdown text; its front matter becomes title and metadata."""
    fields, body = split_front_matter(text)
    tokens = _parse(body)
    if tokens is None:
        content = read_plain(body)
    else:
        reader = _Reader()
        reader.read(tokens[0], tokens[1])
        content = reader.builder.finish()
    if len(body) < len(text):
        content.dropped["front-matter"] += len(text) - len(body)
    content.metadata.update(fields)
    title = fields.get("title")
    if isinstance(title, str):
        content.title = title
    return content


def _parse(text: str) -> tuple[list[Token], dict[str, Any]] | None:
    """Return block tokens and link definitions, or None where the text nests beyond reading."""
    if any(len(line) > _LONG_LINE for line in text.split("\n")):
        return None
    env: dict[str, Any] = {}
    tokens = _parser().parse(text, env)
    # The parser drops what lies deeper than its limit, without a word.
    if any(token.level >= _MAX_NESTING - 2 for token in tokens):
        return None
    return tokens, env


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import reference

    def not_a_footnote(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        at = state.bMarks[start] + state.tShift[start]
        return not state.src.startswith("[^", at) and reference(state, start, end, silent)

    parser = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING})
    parser.enable(["table", "strikethrough"])
    parser.block.ruler.at("reference", not_a_footnote)
    # Words between marks are read block by block, so that a hostile one can be set aside.
    parser.core.ruler.disable("inline")
    return parser


class _Reader:
    def __init__(self) -> None:
        self.builder = Builder()

    def read(self, tokens: Sequence[Token], env: dict[str, Any]) -> None:
        builder = self.builder
        in_heading = False
        for token in tokens:
            kind = token.type
            if kind == "inline":
                words = self._without_attributes(token.content) if in_heading else token.content
                self._inline(words, env)
            elif kind in ("paragraph_open", "paragraph_close"):
                builder.flush()
            elif kind == "heading_open":
                builder.flush()
                in_heading = True
            elif kind == "heading_close":
                builder.heading(int(token.tag[1]))
                in_heading = False
            elif kind in ("fence", "code_block"):
                builder.code(token.content)
            elif kind == "html_block":
                self._html_block(token.content)
            elif kind in _EVENTS:
                _EVENTS[kind](builder)
            elif kind == "ordered_list_open":
                builder.open_list("ordered", int(token.attrs.get("start", 1) or 0))

    def _html_block(self, markup: str) -> None:
        """Read a block of HTML; a tag alone on its lines only wraps the Markdown around it."""
        kept = _without_comments(markup)
        if len(kept) < len(markup):
            self.builder.dropped["comment"] += len(markup) - len(kept)
        if kept.strip():
            read_fragment(kept, self.builder)

    def _without_attributes(self, heading: str) -> str:
        """Take off the `{#id .class}` that Pandoc, kramdown and their like read for themselves."""
        kept = _HEADING_ATTRIBUTES.sub("", heading) if heading.endswith("}") else heading
        self.builder.dropped["attributes"] += len(heading) - len(kept)
        return kept

    def _inline(self, text: str, env: dict[str, Any]) -> None:
        if len(text) > _LONG_INLINE:
            self.builder.text(_MARKS.sub("", _LINK.sub(r"\1", text)))
            return
        for token in self._parse_inline(text, env):
            self._inline_token(token)

    def _parse_inline(self, text: str, env: dict[str, Any]) -> list[Token]:
        tokens: list[Token] = []
        parser = _parser()
        parser.inline.parse(text, parser, env, tokens)
        return tokens

    def _inline_token(self, token: Token) -> None:
        builder = self.builder
        kind = token.type
        if kind in ("text", "code_inline"):
            builder.text(token.content)
        elif kind == "softbreak":
            builder.text("\n")
        elif kind == "hardbreak":
            builder.line_break()
        elif kind == "image":
            for child in token.children or ():
                self._inline_token(child)
        elif kind == "html_inline":
            self._html_inline(token.content)
        elif kind.endswith(("_open", "_close")):
            pass
        else:
            builder.text(token.content)

    def _html_inline(self, markup: str) -> None:
        match = _TAG.match(markup)
        if match is None:
            self.builder.dropped["comment"] += len(markup)
        elif match[1].lower() == "br":
            self.builder.line_break()
        elif match[1].lower() in ("p", "div", "li", "td", "hr", "img"):
            self.builder.text(" ")


def _without_comments(markup: str) -> str:
    parts: list[str] = []
    position = 0
    while (start := markup.find("<!--", position)) >= 0:
        end = markup.find("-->", start + 4)
        parts.append(markup[position:start])
        if end < 0:
            return "".join(parts)
        position = end + 3
    return "".join(parts) + markup[position:]


def _open_bullets(builder: Builder) -> None:
    builder.open_list("bullet")


_EVENTS: dict[str, Callable[[Builder], None]] = {
    "bullet_list_open": _open_bullets,
    "bullet_list_close": Builder.close_list,
    "ordered_list_close": Builder.close_list,
    "list_item_open": Builder.open_item,
    "list_item_close": Builder.close_item,
    "blockquote_open": Builder.open_quote,
    "blockquote_close": Builder.close_quote,
    "table_open": Builder.open_table,
    "table_close": Builder.close_table,
    "tr_open": Builder.open_row,
    "th_open": Builder.open_cell,
    "th_close": Builder.close_cell,
    "td_open": Builder.open_cell,
    "td_close": Builder.close_cell,
}
