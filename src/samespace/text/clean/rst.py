"""reStructuredText, as docutils reads it."""

# ruff: noqa: SIM905 - long lists of names read best as running text
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from samespace.text.clean.builder import Builder
from samespace.text.clean.frontmatter import split_header
from samespace.text.clean.pieces import Content
from samespace.text.clean.plain import read_plain

# A node of docutils; its stubs do not say what kinds of children each kind has.
_Node = Any

# docutils searches each opening mark's end to the end of the paragraph, which no paragraph of
# people's makes long and a hostile one makes quadratic.
_LONG_PARAGRAPH = 50_000
# Each directive and each literal block copies the lines that are still to come.
_COPIED_LINES = 300_000_000
_ADMONITIONS = frozenset("attention caution danger error hint important note tip warning".split())
_SKIPPED = frozenset("target pending raw docinfo decoration meta colspec".split())
_ERROR = 3


def read_rst(text: str) -> Content:
    """Return the blocks of a reStructuredText; a proposal's header becomes title and metadata."""
    fields, body = split_header(text)
    content = _read(body)
    if fields:
        content.dropped["front-matter"] += len(text) - len(body)
        content.metadata.update(fields)
        # Proposals are called by their number, which stands nowhere else in them.
        number = f"PEP {fields['pep']} – " if "pep" in fields else ""
        content.title = f"{number}{fields['title']}"
    return content


def _read(text: str) -> Content:
    if _hostile(text):
        return read_plain(text)
    from samespace.text.clean.rst_parser import parse

    try:
        document = parse(text)
    except Exception:  # whatever docutils stumbles over, the words are there to be read
        return read_plain(text)
    reader = _Reader(document)
    try:
        reader.blocks(document)
    except RecursionError:
        return read_plain(text)
    return reader.builder.finish()


def _hostile(text: str) -> bool:
    copies = text.count("::") + text.count("\n.. ")
    return copies * text.count("\n") > _COPIED_LINES or any(
        len(part) > _LONG_PARAGRAPH for part in text.split("\n\n")
    )


class _Reader:
    def __init__(self, document: _Node) -> None:
        self.builder = Builder()
        self.level = 0
        self.prefix = ""  # the name of an admonition, for its first paragraph
        self.substitutions = {
            name.lower(): node for name, node in document.substitution_defs.items()
        }

    def blocks(self, node: _Node) -> None:
        for child in node.children:
            self.block(child)

    def block(self, node: _Node) -> None:
        builder = self.builder
        name = node.tagname
        if name in _SKIPPED:
            return
        method: Callable[[_Node], None] | None = getattr(self, f"_{name}", None)
        if method is not None:
            method(node)
        elif name in _ADMONITIONS:
            builder.flush()
            self.prefix = f"{name.capitalize()}: "
            self.blocks(node)
        elif name in ("paragraph", "rubric", "caption", "attribution", "term", "field_name"):
            builder.flush()
            builder.text(self.prefix)
            self.prefix = ""
            self.inline(node)
            builder.flush()
        elif name in ("literal_block", "doctest_block", "math_block"):
            builder.code(node.astext())
        elif name in ("comment", "substitution_definition"):
            builder.dropped["comment"] += len(node.astext())
        elif node.children:
            self.blocks(node)
        else:
            self.inline_node(node)

    def inline(self, node: _Node) -> None:
        for child in node.children:
            self.inline_node(child)

    def inline_node(self, node: _Node) -> None:
        name = node.tagname
        if name == "#text":
            self.builder.text(node.astext())
        elif name == "image":
            self.builder.text(f" {node.get('alt', '')} ")
        elif name == "footnote_reference":
            self.builder.text(f"[{node.astext() or '#'}]")
        elif name == "citation_reference":
            self.builder.text(f"[{node.astext()}]")
        elif name == "substitution_reference":
            known = self.substitutions.pop(node.astext().lower(), None)
            if known is None:
                self.builder.text(node.astext())
            else:
                self.inline(known)
                self.substitutions[node.astext().lower()] = known
        elif name == "superscript" and node.astext().isdigit():
            self.builder.text("^" + node.astext())
        elif name not in ("system_message", "raw", "comment"):
            self.inline(node)

    def _section(self, node: _Node) -> None:
        self.level += 1
        self.blocks(node)
        self.level -= 1

    def _title(self, node: _Node) -> None:
        self.builder.flush()
        self.inline(node)
        if node.parent.tagname in ("section", "document"):
            self.builder.heading(max(self.level, 1))
        else:
            self.builder.flush()

    def _bullet_list(self, node: _Node) -> None:
        self.builder.open_list("bullet")
        self._items(node)

    def _enumerated_list(self, node: _Node) -> None:
        self.builder.open_list("ordered", int(node.get("start", 1)))
        self._items(node)

    def _items(self, node: _Node) -> None:
        for item in node.children:
            self.builder.open_item()
            self.blocks(item)
            self.builder.close_item()
        self.builder.close_list()

    def _definition_list(self, node: _Node) -> None:
        self.builder.open_list("terms")
        for item in node.children:
            for part in item.children:
                if part.tagname == "definition":
                    self.builder.open_definition()
                    self.blocks(part)
                    self.builder.close_definition()
                else:
                    self._term_of(part)
        self.builder.close_list()

    _field_list = _option_list = _definition_list

    def _definition_list_item(self, node: _Node) -> None:
        self.blocks(node)

    def _term_of(self, node: _Node) -> None:
        builder = self.builder
        if node.tagname in ("field_body", "description"):
            builder.open_definition()
            self.blocks(node)
            builder.close_definition()
            return
        builder.open_term()
        if node.tagname == "option_group":
            builder.text(", ".join(_option(option) for option in node.children))
        else:
            self.inline(node)
        builder.close_term()

    def _line_block(self, node: _Node) -> None:
        for line in node.children:
            if line.tagname == "line_block":
                self._line_block(line)
            else:
                self.inline(line)
                self.builder.line_break()
        if node.parent.tagname != "line_block":
            self.builder.flush()

    def _block_quote(self, node: _Node) -> None:
        self.builder.open_quote()
        self.blocks(node)
        self.builder.close_quote()

    def _table(self, node: _Node) -> None:
        builder = self.builder
        builder.open_table()
        for part in node.children:
            if part.tagname == "title":
                builder.open_row()
                builder.open_cell()
                self.inline(part)
                builder.close_cell()
            else:
                self.blocks(part)
        builder.close_table()

    def _row(self, node: _Node) -> None:
        self.builder.open_row()
        self.blocks(node)

    def _entry(self, node: _Node) -> None:
        self.builder.open_cell()
        self.blocks(node)
        self.builder.close_cell()

    def _footnote(self, node: _Node) -> None:
        builder = self.builder
        builder.flush()
        label = next((c.astext() for c in node.children if c.tagname == "label"), "#")
        builder.text(f"[{label}] ")
        for child in node.children:
            if child.tagname == "paragraph":
                self.inline(child)
                builder.flush()
            elif child.tagname != "label":
                self.block(child)

    _citation = _footnote

    def _image(self, node: _Node) -> None:
        self.builder.flush()
        self.builder.text(node.get("alt", ""))
        self.builder.flush()

    def _system_message(self, node: _Node) -> None:
        """Keep the source that docutils could not place and shows in its message only."""
        if node.get("level", 0) < _ERROR:
            return
        for child in node.children:
            if child.tagname == "literal_block":
                self.builder.take(read_plain(child.astext()).pieces)


def _option(node: _Node) -> str:
    return "".join(
        child.get("delimiter", "") + child.astext()
        if child.tagname == "option_argument"
        else child.astext()
        for child in node.children
    )
