"""The fields that stand above a text: front matter of Markdown pages, headers of proposals.

Only scalar fields and flat lists become metadata; a full YAML reader is not needed for them,
and nothing in a document's header is ever executed or expanded.
"""

from __future__ import annotations

import re

from samespace.types import MetadataValue, Scalar

_FENCES = {"---": ("---", "..."), "+++": ("+++",)}
_MAX_LINES = 500
_FIELD = re.compile(r"([A-Za-z_][\w .-]{0,60}?)\s?[:=](?:\s+(.*)|)$")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9]\d{0,17})$")
_FLOAT = re.compile(r"[-+]?\d{1,17}\.\d{1,17}$")
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None, "~": None}
_HEADER = re.compile(r"([A-Z][A-Za-z-]{1,40}):(?:[ \t]+(.*)|)$")


def split_front_matter(text: str) -> tuple[dict[str, MetadataValue], str]:
    """Return the fields between `---` (or `+++`) lines at the top, and the text after them."""
    first, _, _ = text.partition("\n")
    closing = _FENCES.get(first.rstrip())
    if closing is None:
        return {}, text
    lines = text.split("\n", _MAX_LINES)[1:_MAX_LINES]
    end = next((i for i, line in enumerate(lines) if line.rstrip() in closing), None)
    if end is None:
        return {}, text
    fields: dict[str, MetadataValue] = {}
    key = ""
    for line in lines[:end]:
        match = _FIELD.match(line)
        if match:
            key, value = match[1].strip(), (match[2] or "").strip()
            fields[key] = _value(value)
        elif key and line.lstrip().startswith("- "):
            known = fields[key]
            items = known if isinstance(known, tuple) else ()
            fields[key] = (*items, _scalar(line.lstrip()[2:].strip()))
    if lines[:end] and not fields:
        return {}, text  # a rule above and below a paragraph, not a header
    rest = text.split("\n", end + 2)
    return {k: v for k, v in fields.items() if v != ""}, rest[-1] if len(rest) > end + 2 else ""


def split_header(text: str) -> tuple[dict[str, MetadataValue], str]:
    """Return the `Name: value` lines at the top of a proposal, and the text after them.

    A line that begins with a space goes on with the value before it.
    """
    stripped = text.lstrip("\n")
    head, _, rest = stripped.partition("\n\n")
    fields: dict[str, str] = {}
    key = ""
    for line in head.split("\n"):
        match = _HEADER.match(line)
        if match:
            key = match[1]
            fields[key] = (match[2] or "").strip()
        elif key and line.startswith((" ", "\t")):
            fields[key] = f"{fields[key]} {line.strip()}".strip()
        else:
            return {}, text
    if len(fields) < 3 or "Title" not in fields:
        return {}, text
    return {key.lower(): _scalar(value) for key, value in fields.items() if value}, rest


def _value(text: str) -> MetadataValue:
    if text.startswith("[") and text.endswith("]") and "[" not in text[1:]:
        return tuple(_scalar(part.strip()) for part in text[1:-1].split(",") if part.strip())
    if text in ("|", ">", "|-", ">-") or text.startswith(("{", "&", "*", "!")):
        return ""
    return _scalar(text)


def _scalar(text: str) -> Scalar:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text) and str(float(text)) == text:  # 3.10 is a version
        return float(text)
    return text
