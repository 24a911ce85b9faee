"""Jupyter notebooks (nbformat 3 and 4) as Markdown: prose, fenced code, short text outputs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from samespace.text.load.decode import decode, scrub
from samespace.text.load.outcome import Content, Rejected, brief

OUTPUT_LIMIT = 2000
"""Characters: a longer text output of a cell is left out (and counted as dropped)."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_FENCE = re.compile(r"`{3,}")


def parse_notebook(data: bytes) -> Content:
    """Turn a notebook into Markdown.

    Raises:
        Rejected: it is not a notebook's JSON.
    """
    try:
        notebook = json.loads(decode(data))
    except (ValueError, RecursionError) as error:
        raise Rejected(f"broken notebook: {brief(error)}") from error
    cells = _cells(notebook)
    if cells is None:
        raise Rejected("broken notebook: no list of cells (expected nbformat 3 or 4)")
    meta = notebook.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    language = _language(meta)
    parts: list[str] = []
    dropped = 0
    for cell in cells:
        if isinstance(cell, dict):
            blocks, lost = _cell(cell, language)
            parts += blocks
            dropped += lost
    title = meta.get("title")
    return Content(
        scrub("\n\n".join(parts)),
        title=scrub(" ".join(title.split())) if isinstance(title, str) else "",
        dropped={"notebook output": dropped} if dropped else {},
    )


def _cells(notebook: object) -> list[Any] | None:
    if not isinstance(notebook, dict):
        return None
    cells = notebook.get("cells")
    if isinstance(cells, list):
        return cells
    sheets = notebook.get("worksheets")
    if not isinstance(sheets, list):
        return None
    return [
        cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells") or []
    ]


def _language(meta: Mapping[str, Any]) -> str:
    for place, key in (("language_info", "name"), ("kernelspec", "language")):
        value = meta.get(place)
        name = value.get(key) if isinstance(value, dict) else None
        if isinstance(name, str) and re.fullmatch(r"[\w+#.-]+", name):
            return name.lower()
    return "python"


def _cell(cell: Mapping[str, Any], language: str) -> tuple[list[str], int]:
    """Return the cell's blocks and how many characters of output were left out."""
    kind = cell.get("cell_type")
    source = _joined(cell.get("source", cell.get("input")))
    if kind == "heading":
        level = cell.get("level")
        marks = "#" * (min(max(level, 1), 6) if isinstance(level, int) else 1)
        return ([f"{marks} {' '.join(source.split())}"] if source.strip() else []), 0
    if kind != "code":
        text = source.strip("\n")
        return ([text if kind != "raw" else _fenced(text, "text")] if text.strip() else []), 0
    own = cell.get("language")
    blocks = []
    if source.strip():
        blocks.append(_fenced(source, own.lower() if isinstance(own, str) and own else language))
    dropped = 0
    for output in _outputs(cell):
        if len(output) > OUTPUT_LIMIT:
            dropped += len(output)
        elif output.strip():
            blocks.append(_fenced(output, "text"))
    return blocks, dropped


def _outputs(cell: Mapping[str, Any]) -> Iterator[str]:
    """Give the text outputs: streams joined, results in plain text, no pictures or tracebacks."""
    outputs = cell.get("outputs")
    stream = ""
    for output in outputs if isinstance(outputs, list) else []:
        if not isinstance(output, dict):
            continue
        if output.get("output_type") == "stream":
            stream += _joined(output.get("text"))
            continue
        if stream:
            yield _plain(stream)
            stream = ""
        data = output.get("data", output)
        if not isinstance(data, dict) or any(
            str(key).startswith(("image/", "png")) for key in data
        ):
            continue  # the text beside a picture is only `<Figure size 640x480>`
        yield _plain(_joined(data.get("text/plain", data.get("text"))))
    if stream:
        yield _plain(stream)


def _joined(source: object) -> str:
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""


def _plain(text: str) -> str:
    """Take out terminal colours, and what a progress bar overwrote."""
    lines = _ANSI.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def _fenced(code: str, language: str) -> str:
    longest = max((len(run) for run in _FENCE.findall(code)), default=2)
    fence = "`" * max(3, longest + 1)
    body = code.strip("\n")
    return f"{fence}{language}\n{body}\n{fence}"
