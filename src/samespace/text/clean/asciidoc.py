"""AsciiDoc, read line by line: structure is kept, directives are dropped and counted.

A full processor would include files and evaluate attributes; neither belongs in a cleaner.
"""

from __future__ import annotations

import re

from samespace.text.clean.asciidoc_inline import plain
from samespace.text.clean.builder import Builder, ListKind
from samespace.text.clean.frontmatter import split_front_matter
from samespace.text.clean.pieces import Content

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)")
_FENCE = re.compile(r"(-{4,}|\.{4,}|={4,}|_{4,}|\*{4,}|\+{4,}|/{4,}|--|```)\w*$")
_UNDERLINE = re.compile(r"([=\-~^+])\1+$")
_LEVELS = {"=": 1, "-": 2, "~": 3, "^": 4, "+": 5}
_ATTRIBUTE = re.compile(r":!?\w[\w-]*!?:(?: .*)?$")
_BLOCK_ATTRIBUTE = re.compile(r"\[[^\]]{0,300}\]\]?$")
_DIRECTIVE = re.compile(r"(?:include|ifdef|ifndef|ifeval|endif|toc|image|video|audio)::\S*\[.*\]$")
_BULLET = re.compile(r"[ \t]*(-|\*{1,5})[ \t]+(?=\S)")
_ORDERED = re.compile(r"[ \t]*(?:(\.{1,5})|\d{1,3}\.|<(?:\d{1,2}|\.)>|[a-z]\.)[ \t]+(?=\S)")
_TERM = re.compile(r"[ \t]*(\S.{0,300}?)(:{2,4}|;;)(?:[ \t]+(.*))?$")
_TITLE = re.compile(r"\.(?![. ])(\S.*)$")
_VERBATIM = frozenset(("listing", "literal", "source", "verse", "synopsis"))
_DEEP = 4
_MAX_LINE = 20_000


def read_asciidoc(text: str) -> Content:
    """Return the blocks of an AsciiDoc text."""
    fields, body = split_front_matter(text)
    content = _Reader(body.split("\n")).read()
    content.metadata.update(fields)
    return content


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0
        self.builder = Builder()
        self.open: list[str] = []  # the markers of the open lists, outermost first
        self.fences: list[tuple[str, int]] = []  # open blocks and how many lists were open
        self.blank = True  # a block may begin here
        self.continues = False  # a `+` joined the next block to the open item
        self.term = False  # a term waits for its definition
        self.style = ""

    def read(self) -> Content:
        while self.at < len(self.lines):
            line = self.lines[self.at].rstrip()
            self.at += 1
            if len(line) > _MAX_LINE:
                self.builder.text(line + "\n")
            elif not self._markup(line) and not self._heading(line) and not self._list_line(line):
                self._words(line)
        self.fences.clear()
        self._close_lists()
        return self.builder.finish()

    def _markup(self, line: str) -> bool:
        """Read a line that holds no words; return whether it was one."""
        if not line:
            self.builder.flush()
            self.blank = True
        elif line == "+" and self.open:
            self.builder.flush()
            self.blank = self.continues = True
        elif (fence := _FENCE.match(line)) and not (line == "--" and not self._may_open()):
            self._fenced(fence[1])
        elif line.startswith("|==="):
            self._table()
        elif line.startswith("//"):
            if line == "//-":
                self._close_lists()
            self._drop("comment", line)
        elif _ATTRIBUTE.match(line) and self.blank:
            self._drop("attribute", line)
        elif _DIRECTIVE.match(line):
            self._drop("directive", line)
        elif self.blank and _BLOCK_ATTRIBUTE.match(line):
            self._drop("attribute", line)
            self.style = line[1:-1].split(",")[0].strip()
        else:
            return False
        return True

    def _drop(self, kind: str, text: str) -> None:
        self.builder.dropped[kind] += len(text)

    def _may_open(self) -> bool:
        return self.blank or any(fence == "--" for fence, _ in self.fences)

    def _heading(self, line: str) -> bool:
        if self.continues or not self.blank:
            return False
        level = 0
        if match := _HEADING.match(line):
            level, words = len(match[1]), match[2]
        else:
            below = self.lines[self.at].rstrip() if self.at < len(self.lines) else ""
            mark = _UNDERLINE.match(below)
            if mark and abs(len(below) - len(line)) <= 2 and not line[0].isspace():
                level, words = _LEVELS[mark[1]], line
                self.at += 1
                self._drop("markup", below)
        if not level:
            return False
        self._close_lists()
        self.builder.text(plain(words))
        self.builder.heading(level)
        return True

    def _fenced(self, fence: str) -> None:
        self.builder.flush()
        style, self.style = self.style, ""
        self.blank = True
        marks = [mark for mark, _ in self.fences]
        if fence in marks:
            while self.fences:
                mark, lists = self.fences.pop()
                if mark[0] == "_":
                    self.builder.close_quote()
                if mark == fence:
                    self._close_lists(lists)
                    return
        verbatim = fence[0] in "-.+/`" and fence != "--"
        if not self.continues and not (verbatim and self.open):
            self._close_lists()
        self.continues = False
        if verbatim or style in _VERBATIM:
            self._verbatim(fence)
            return
        if fence[0] == "_":
            self.builder.open_quote()
        self.fences.append((fence, len(self.open)))

    def _verbatim(self, fence: str) -> None:
        end = self.at
        while end < len(self.lines) and self.lines[end].rstrip() != fence:
            end += 1
        body = "\n".join(self.lines[self.at : end])
        self.at = end + 1
        if fence[0] == "/":
            self._drop("comment", body)
        else:
            self.builder.code(body)

    def _table(self) -> None:
        if not self.continues:
            self._close_lists()
        self.continues = False
        groups: list[list[str]] = [[]]
        while self.at < len(self.lines):
            line = self.lines[self.at].strip()
            self.at += 1
            if line.startswith("|==="):
                break
            if line:
                groups[-1].append(line)
            elif groups[-1]:
                groups.append([])
        # Either each line is a row, or each cell has its own line and blank lines part the rows.
        by_line = any(line.count("|") > 1 for group in groups for line in group)
        builder = self.builder
        builder.open_table()
        for group in groups:
            if not by_line:
                builder.open_row()
            for line in group:
                before, *cells = line.split("|")
                if by_line and cells:
                    builder.close_cell()
                    builder.open_row()
                if before.strip() and not cells:
                    builder.text(" " + plain(before))
                for cell in cells:
                    builder.close_cell()
                    builder.open_cell()
                    builder.text(plain(cell.strip()))
            builder.close_cell()
        builder.close_table()
        self.blank = True

    def _list_line(self, line: str) -> bool:
        if not self.blank and not self.open:
            return False
        if bullet := _BULLET.match(line):
            self._item(bullet[1], "bullet", line[bullet.end() :])
        elif ordered := _ORDERED.match(line):
            self._item(ordered[1] or "1.", "ordered", line[ordered.end() :])
        elif term := _TERM.match(line):
            self._enter(term[2], "terms")
            self.builder.open_term()
            self.builder.text(plain(term[1]))
            self.builder.close_term()
            self.term = True
            self.blank = True
            if term[3]:
                self._paragraph(term[3])
        else:
            return False
        return True

    def _item(self, marker: str, kind: ListKind, words: str) -> None:
        self._enter(marker, kind)
        self.builder.open_item()
        self._paragraph(words)

    def _enter(self, marker: str, kind: ListKind) -> None:
        """Go back to the open list of this marker, or open one inside of the last."""
        self.builder.flush()
        floor = self.fences[-1][1] if self.fences else 0
        if marker in self.open[floor:]:
            self._close_lists(floor + self.open[floor:].index(marker) + 1)
        else:
            self.open.append(marker)
            self.builder.open_list(kind)

    def _words(self, line: str) -> None:
        indent = len(line) - len(line.lstrip())
        if self.blank:
            if title := _TITLE.match(line):
                self.builder.flush()
                self.builder.text(plain(title[1]))
                self.builder.flush()
                return
            if not indent and not self.continues and not self.term:
                self._close_lists()
            literal = (
                indent and not self.term and (not self.open or indent >= _DEEP or "\t" in line)
            )
            if literal or self.style in _VERBATIM:
                self._literal(line)
                return
        self._paragraph(line)

    def _paragraph(self, line: str) -> None:
        if line.endswith(" +"):
            self.builder.text(plain(line[:-2].strip()))
            self.builder.line_break()
        else:
            self.builder.text(plain(line.strip()) + "\n")
        self.blank = self.continues = self.term = False
        self.style = ""

    def _literal(self, line: str) -> None:
        lines = [line]
        while self.at < len(self.lines):
            following = self.lines[self.at].rstrip()
            if not following or following == "+" or _FENCE.match(following):
                break
            lines.append(following)
            self.at += 1
        if self.style in ("verse", "synopsis"):
            lines = [plain(line) for line in lines]
        self.style = ""
        self.continues = self.term = False
        self.builder.code("\n".join(lines))

    def _close_lists(self, depth: int = 0) -> None:
        """Close the lists deeper than `depth`, but none that was open before the open block."""
        self.builder.flush()
        floor = max(depth, self.fences[-1][1] if self.fences else 0)
        while len(self.open) > floor:
            self.open.pop()
            self.builder.close_list()
        self.term = False
