"""The documentation strings of Python's own standard library as documents: a demo's corpus.

The sources are parsed and never imported. Each module is a document, each public function,
class and method with a documentation string a section of it.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from samespace.types import Block, Document

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def stdlib_documents() -> Iterator[Document]:
    """Yield one cleaned Document for each public module of the standard library, by name."""
    root = Path(sysconfig.get_path("stdlib"))
    for name in sorted(sys.stdlib_module_names):
        if name.startswith("_") or name in {"antigravity", "idlelib", "lib2to3", "this"}:
            continue
        for path in (root / f"{name}.py", root / name / "__init__.py"):
            if path.is_file():
                document = _document(name, path)
                if document is not None:
                    yield document


def _document(module: str, path: Path) -> Document | None:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    page = _Page()
    page.body(ast.get_docstring(tree, clean=False))
    _sections(page, tree.body, module, 1)
    if not page.blocks:
        return None
    return Document(
        id=module,
        text=page.text,
        title=f"Python module {module}",
        source=str(path),
        media="text/x-python-docs",
        blocks=tuple(page.blocks),
    )


def _sections(page: _Page, body: list[ast.stmt], path: str, level: int) -> None:
    for node in body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        doc = ast.get_docstring(node, clean=False)
        name = f"{path}.{node.name}"
        if doc:
            page.heading(name + _signature(node), level, node.name)
            page.body(doc)
        if isinstance(node, ast.ClassDef) and level < 3:
            _sections(page, node.body, name, level + 1)


def _signature(node: Definition) -> str:
    if isinstance(node, ast.ClassDef):
        return ""
    signature = " ".join(ast.unparse(node.args).split())
    return f"({signature})" if len(signature) <= 80 else "(...)"


class _Page:
    """Text that grows by blocks, a blank line between them."""

    def __init__(self) -> None:
        self.text = ""
        self.blocks: list[Block] = []

    def heading(self, text: str, level: int, label: str) -> None:
        self._append(text, Block(0, 0, "heading", level, label))

    def body(self, doc: str | None) -> None:
        for part in re.split(r"\n\s*\n", inspect.cleandoc(doc or "")):
            part = "".join(c for c in part.strip("\n") if c.isprintable() or c in "\n\t")
            if part.strip():
                kind = "code" if part.startswith((" ", ">>>")) else "paragraph"
                self._append(part, Block(0, 0, kind))  # type: ignore[arg-type]

    def _append(self, text: str, block: Block) -> None:
        if self.text:
            self.text += "\n\n"
        start = len(self.text)
        self.text += text
        self.blocks.append(Block(start, start + len(text), block.kind, block.level, block.label))
