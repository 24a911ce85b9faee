"""Records to documents: the fields of one JSON object or one row of a table."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from samespace.text.load.decode import scrub
from samespace.text.load.options import LoadOptions
from samespace.text.load.outcome import Rejected, brief, oversized
from samespace.text.load.stream import Line, text_of
from samespace.types import Document, MetadataValue, Scalar

_DEPTH = 3
_NAMED = 12
_JSON_TYPES = {
    dict: "an object", list: "a list", bool: "a boolean", int: "a number", float: "a number",
    type(None): "null", str: "a string",
}  # fmt: skip
_MISSING = object()

Record = dict[str, Any] | Rejected
"""The fields of a record, or the reason why it has none."""


class Ids:
    """Remembers the ids of the records of a run, by digest, and where each was first seen."""

    def __init__(self) -> None:
        self._files: list[str] = []
        self._seen: dict[bytes, tuple[int, int]] = {}

    def claim(self, name: str, origin: str, line: int) -> tuple[str, int] | None:
        """Take an id; return (file, line) of the record that has it already, if one does."""
        if not self._files or self._files[-1] != origin:
            self._files.append(origin)
        key = hashlib.blake2b(name.encode("utf-8"), digest_size=16).digest()
        file, first = self._seen.setdefault(key, (len(self._files) - 1, line))
        if (self._files[file], first) == (origin, line):
            return None
        return self._files[file], first


def record_document(record: Mapping[str, Any], origin: str, options: LoadOptions) -> Document:
    """Make the document of one record.

    A record without an id gets one made from its content, so that it keeps it when lines are
    added above it.

    Raises:
        Rejected: the text is missing, is not a string, or is empty as the title is.
    """
    fields = dict(record)
    text = _take(fields, options.text_field)
    if text is _MISSING:
        raise missing_text(list(record), options.text_field)
    if not isinstance(text, str):
        raise Rejected(
            f"field {options.text_field!r} is {_JSON_TYPES.get(type(text), 'no string')}, "
            "expected a string"
        )
    title = _take(fields, options.title_field)
    key = _take(fields, options.id_field)
    text = scrub(text)
    title = " ".join(scrub(str(title)).split()) if _is_name(title) else ""
    if not text.strip() and not title:
        raise Rejected("empty", failed=False)
    metadata: dict[str, MetadataValue] = {}
    for name, value in fields.items():
        _flatten(scrub(name), value, metadata, _DEPTH)
    document = Document("", text, title=title, metadata=metadata, origin=origin)
    name = scrub(str(key)).strip() if _is_name(key) else ""
    name = name or document.content_hash
    return dataclasses.replace(document, id=name, source=f"{origin}#{name}")


def missing_text(seen: list[str], field: str) -> Rejected:
    """Reject a record, or a whole table, that does not have the text field."""
    names = ", ".join(scrub(name)[:60] for name in seen[:_NAMED]) or "none"
    more = f", and {len(seen) - _NAMED} more" if len(seen) > _NAMED else ""
    return Rejected(
        f"no field {field!r}; fields seen: {names}{more} (name the right one with --text-field)"
    )


def json_record(line: Line, limit: int) -> Record | None:
    """Parse one line of JSONL, or say why it is no record; None for a blank line."""
    if line.data is None:
        return oversized(line.length, limit)
    if not line.data.strip():
        return None
    try:
        record = json.loads(text_of(line.data))
    except json.JSONDecodeError as error:
        return Rejected(f"broken JSON: {error.msg} at column {error.colno}")
    except Rejected as error:
        return error
    except (ValueError, RecursionError) as error:
        return Rejected(f"broken JSON: {brief(error)}")
    if not isinstance(record, dict):
        return Rejected(f"not a JSON object but {_JSON_TYPES[type(record)]}")
    return record


def json_array(text: str, field: str) -> list[dict[str, Any]] | None:
    """Return the objects of a JSON array of records; None for any other text."""
    if not text.lstrip().startswith("["):
        return None
    try:
        records = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not records or not all(isinstance(record, dict) for record in records):
        return None
    if not any(_take(dict(record), field) is not _MISSING for record in records):
        return None
    return list(records)


def _take(fields: dict[str, Any], name: str) -> Any:
    """Remove and return a field; a dotted name reaches into nested objects."""
    if name in fields:
        return fields.pop(name)
    outer, dot, inner = name.partition(".")
    nested = fields.get(outer)
    if not dot or not isinstance(nested, dict):
        return _MISSING
    rest = dict(nested)
    fields[outer] = rest
    return _take(rest, inner)


def _is_name(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _flatten(name: str, value: Any, into: dict[str, MetadataValue], depth: int) -> None:
    """Put a value under its name: objects become dotted names, what is too deep JSON text."""
    if isinstance(value, dict) and depth > 1:
        for key, inner in value.items():
            _flatten(f"{name}.{scrub(key)}", inner, into, depth - 1)
    elif isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        into[name] = tuple(_scalar(item) for item in value)
    elif isinstance(value, dict | list):
        into[name] = scrub(json.dumps(value, ensure_ascii=False, sort_keys=True))
    else:
        into[name] = _scalar(value)


def _scalar(value: Any) -> Scalar:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return str(value)  # no database holds it as a number
    if value is None or isinstance(value, bool | int):
        return value
    return scrub(str(value))
