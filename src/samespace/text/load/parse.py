"""Which parser reads which format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from samespace.text.load.decode import decode
from samespace.text.load.opened import Opened
from samespace.text.load.options import LoadOptions
from samespace.text.load.outcome import Content, Rejected
from samespace.text.load.records import Record, json_array, json_record, missing_text
from samespace.text.load.stream import Line, lines, utf8
from samespace.text.load.table import Header, rows


def parse(opened: Opened, options: LoadOptions) -> Content:
    """Read a file that is one document.

    Raises:
        Rejected: with the reason why it cannot be.
    """
    name, data = opened.format.name, opened.data
    if name == "pdf":
        from samespace.text.load.pdf import parse_pdf

        return parse_pdf(data)
    if name == "docx":
        from samespace.text.load.office import parse_docx

        return parse_docx(data, options.max_bytes)
    if name == "notebook":
        from samespace.text.load.notebook import parse_notebook

        return parse_notebook(data)
    if name == "html":
        from samespace.text.load.html import parse_html

        return parse_html(data)
    return Content(decode(data))


def records(opened: Opened, options: LoadOptions) -> Iterator[tuple[int, Record]] | None:
    """Read a file of records, each with its line (in a JSON array: its place, from 1).

    Returns None for a file that is one document; a JSON file is that unless it is an array of
    objects with the text field.
    """
    if opened.format.name == "json":
        found = json_array(decode(opened.data), options.text_field)
        return None if found is None else iter(list[tuple[int, Record]](enumerate(found, start=1)))
    if opened.pieces is None:
        return None
    source = lines(utf8(opened.pieces), options.max_bytes)
    if opened.format.name == "jsonl":
        return _jsonl(source, options)
    return _table(source, opened.format.name, options)


def _jsonl(source: Iterable[Line], options: LoadOptions) -> Iterator[tuple[int, Record]]:
    for line in source:
        record = json_record(line, options.max_bytes)
        if record is not None:
            yield line.number, record


def _table(source: Iterable[Line], kind: str, options: LoadOptions) -> Iterator[tuple[int, Record]]:
    header: Header | None = None
    for number, cells in rows(source, kind, options.text_field, options.max_bytes):
        if isinstance(cells, Rejected):
            yield number, cells
        elif header is None:
            header = Header(cells, options.text_field)
            if not header.has_text:
                raise missing_text(header.names, options.text_field)
        else:
            yield number, header.record(cells)
