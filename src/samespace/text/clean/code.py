"""Source code: the text as it is, with a block for each definition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from samespace.text.clean.grammars import GRAMMARS, WRAPPERS, Grammar, new_parser
from samespace.text.clean.pieces import MAX_LABEL
from samespace.text.clean.unicode import fold
from samespace.types import Block

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

# Error recovery takes minutes on a long text that is no program. Steps are counted and not
# seconds, so that the same text is cut alike on any machine; ordinary code needs a half of this.
_LONG = 300_000
_STEPS_PER_BYTE = 0.012
_READ = 65_536
_CLOSERS = frozenset("})];, \t")
_ANNOTATIONS = frozenset(("annotation", "marker_annotation", "decorator"))
_CLOSING_WORDS = frozenset(("end", "fi", "done", "esac"))


@dataclass(frozen=True, slots=True)
class _Definition:
    first: int  # row of its first line, comments above it included
    last: int
    level: int
    label: str


def read_code(text: str, language: str) -> tuple[str, tuple[Block, ...]]:
    """Return the code without blank lines around it, and its blocks."""
    text = text.strip("\n")
    if not text.strip():
        return "", ()
    lines = text.split("\n")
    definitions: list[_Definition] = []
    if language in GRAMMARS:
        definitions = _definitions(text, lines, language)
    cuts = _cuts(lines, definitions) if definitions else _paragraphs(lines)
    return text, tuple(_blocks(lines, cuts))


def _paragraphs(lines: list[str]) -> list[tuple[int, _Definition | None]]:
    """Cut where a blank line stands before an unindented one."""
    cuts: list[tuple[int, _Definition | None]] = [(0, None)]
    for row in range(1, len(lines)):
        line = lines[row]
        if line and not line[0].isspace() and line[0] not in _CLOSERS:
            before = lines[row - 1]
            if not before or before.isspace():
                cuts.append((row, None))
    return cuts


def _cuts(lines: list[str], definitions: list[_Definition]) -> list[tuple[int, _Definition | None]]:
    """Return the rows at which a block begins, with the definition that begins there."""
    cuts: list[tuple[int, _Definition | None]] = [(0, None)]
    end = -1
    for definition in definitions:
        first = definition.first
        if 0 <= end < first - 1 and any(map(_has_words, lines[end + 1 : first])):
            cuts.append((end + 1, None))
        if first <= cuts[-1][0] and cuts[-1][1] is not None:
            continue  # on the line of the definition before it
        cuts.append((first, definition))
        end = definition.last
    if 0 <= end < len(lines) - 1 and any(map(_has_words, lines[end + 1 :])):
        cuts.append((end + 1, None))
    return cuts


def _has_words(line: str) -> bool:
    """Tell whether a line is more than what closes the lines before it."""
    return line.strip() not in _CLOSING_WORDS and not _CLOSERS.issuperset(line)


def _blocks(lines: list[str], cuts: list[tuple[int, _Definition | None]]) -> Iterator[Block]:
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    rows = [row for row, _ in cuts] + [len(lines)]
    for index, (row, definition) in enumerate(cuts):
        first, last = row, rows[index + 1]
        while first < last and not lines[first].strip():
            first += 1
        while last > first and not lines[last - 1].strip():
            last -= 1
        if first == last:
            continue
        start, end = starts[first], starts[last] - 1
        if definition is None:
            yield Block(start, end, "code")
        else:
            yield Block(start, end, "definition", definition.level, definition.label)


def _definitions(text: str, lines: list[str], language: str) -> list[_Definition]:
    grammar = GRAMMARS[language]
    source = text.encode("utf-8")
    tree = _parse(source, language)
    if tree is None:
        return []
    found: list[_Definition] = []
    stack: list[tuple[Node, int, int]] = [(tree.root_node, 1, -1)]
    while stack:
        node, level, wrapped = stack.pop()
        kind = node.type
        children: list[Node] = []
        function = kind in grammar.functions
        container = kind in grammar.containers
        if (function or container) and _defines(node):
            row = node.start_point.row if wrapped < 0 else wrapped
            floor = found[-1].first if found else -1
            first = _with_comments(lines, row, floor, grammar)
            found.append(_Definition(first, _last_row(node), level, _label(source, node)))
            if container:
                children, level, wrapped = node.children, level + 1, -1
        elif kind == "lexical_declaration" and _is_function_value(node):
            row = node.start_point.row if wrapped < 0 else wrapped
            floor = found[-1].first if found else -1
            first = _with_comments(lines, row, floor, grammar)
            name = node.named_children[0].child_by_field_name("name")
            end = name.end_byte if name is not None else node.end_byte
            found.append(
                _Definition(first, _last_row(node), level, _words(source, node.start_byte, end))
            )
        elif kind in WRAPPERS or (container and not _defines(node)):
            children = node.children
            if kind in ("decorated_definition", "export_statement", "template_declaration"):
                wrapped = node.start_point.row if wrapped < 0 else wrapped
            else:
                wrapped = -1
        elif kind in ("declaration", "type_declaration"):
            children = node.children
        stack.extend((child, level, wrapped) for child in reversed(children))
    return found


def _parse(source: bytes, language: str) -> Tree | None:
    """Return the syntax tree, or None where finding it takes beyond measure."""
    steps = 0
    limit = _STEPS_PER_BYTE * len(source) if len(source) > _LONG else float("inf")

    def stop(*_: object) -> bool:
        nonlocal steps
        steps += 1
        return steps > limit

    def read(offset: int, _: object) -> bytes:
        return source[offset : offset + _READ]

    try:
        return new_parser(language).parse(read, progress_callback=stop)
    except ValueError:
        return None


def _defines(node: Node) -> bool:
    """Tell `struct point {...}` from a mere mention of it."""
    kind = node.type
    if kind.endswith("_specifier") and kind != "class_specifier":
        return node.child_by_field_name("body") is not None
    if kind in ("class", "module"):
        return node.is_named and node.child_by_field_name("name") is not None
    return True


def _is_function_value(node: Node) -> bool:
    declared = node.named_children
    value = declared[0].child_by_field_name("value") if len(declared) == 1 else None
    return value is not None and value.type in (
        "arrow_function",
        "function_expression",
        "function",
        "class",
    )


def _last_row(node: Node) -> int:
    end = node.end_point
    return end.row if end.column else max(node.start_point.row, end.row - 1)


def _with_comments(lines: list[str], row: int, floor: int, grammar: Grammar) -> int:
    """Return the first row of the comments and decorators that stand directly above `row`."""
    while row - 1 > floor and lines[row - 1].lstrip().startswith(grammar.comments):
        row -= 1
    return row


def _label(source: bytes, node: Node) -> str:
    name = node.child_by_field_name("name")
    if node.type == "type_declaration":
        named = (spec.child_by_field_name("name") for spec in node.named_children)
        return "type " + ", ".join(_words(source, n.start_byte, n.end_byte) for n in named if n)
    end = node.end_byte
    if name is not None and node.type != "impl_item":
        end = name.end_byte
    elif declarator := _declarator(node):
        end = declarator.end_byte
        kind = node.child_by_field_name("type") if node.type == "type_definition" else None
        body = kind.child_by_field_name("body") if kind else None
        if body:  # `typedef struct {...} name`
            head = _words(source, node.start_byte, body.start_byte)
            return f"{head} {_words(source, declarator.start_byte, end)}"
    elif body := node.child_by_field_name("body"):
        end = body.start_byte
    return _words(source, _first_word(node), end)


def _first_word(node: Node) -> int:
    """Return where a definition begins behind the annotations before it."""
    children = node.children
    if children and children[0].type == "modifiers":
        children = [*children[0].children, *children[1:]]
    words = (child.start_byte for child in children if child.type not in _ANNOTATIONS)
    return next(words, node.start_byte)


def _declarator(node: Node) -> Node | None:
    """Return the name inside C's declarators: `int *name(int a)`."""
    found = None
    node_or_none = node.child_by_field_name("declarator")
    while node_or_none is not None:
        found = node_or_none
        node_or_none = found.child_by_field_name("declarator")
    return found


def _words(source: bytes, start: int, end: int) -> str:
    text = source[start : min(end, start + 4 * MAX_LABEL)].decode("utf-8", errors="ignore")
    kept = [line for line in text.split("\n") if not line.lstrip().startswith(("@", "#["))]
    return fold(" ".join(kept))[:MAX_LABEL]
