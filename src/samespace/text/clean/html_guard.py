"""Bounds on what a page may do to the parser.

The HTML standard's algorithm is quadratic in the depth of open elements, and unclosed formatting
elements are repeated in every paragraph that follows. Browsers cap the depth at 512; so is it
here, before parsing, and only for pages that need it.
"""

# ruff: noqa: SIM905 - long lists of names read best as running text
from __future__ import annotations

import re
from collections import Counter

MAX_DEPTH = 400
_MAX_FORMATTING = 12
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)")
_WHOLE_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)([^<>]*>?)")
# Each attribute is compared with all before it; the length spares images that are data.
_LONG_TAG = re.compile(r"<([a-zA-Z][a-zA-Z0-9-]*)[^<>]{5000,}>")
_MAX_ATTRIBUTES = 200
_FORMATTING = frozenset("b big code em font i nobr s small strike strong tt u a".split())
_VOID = frozenset(
    "area base br col embed hr img input link meta param source track wbr keygen frame".split()
)
# Their end tags may be left out, and the next of them closes the one before: never deep alone.
_SELF_CLOSING = frozenset(
    "p li dt dd td th tr option optgroup thead tbody tfoot colgroup rt rp html head body".split()
)
_NOT_COUNTED = _VOID | _SELF_CLOSING


def guard(markup: str) -> str:
    """Return `markup` unchanged, or, where it nests beyond measure, without the excess tags."""
    markup = _LONG_TAG.sub(_bare, markup)
    if markup.count("<") < _MAX_FORMATTING or not _excessive(markup):
        return markup
    return _flatten(markup)


def _bare(match: re.Match[str]) -> str:
    return match[0] if match[0].count("=") < _MAX_ATTRIBUTES else f"<{match[1]}>"


def _excessive(markup: str) -> bool:
    opened: Counter[str] = Counter()
    depth = formatting = 0
    for closing, name in _TAG.findall(markup):
        name = name.lower()
        if name in _NOT_COUNTED:
            continue
        if not closing:
            opened[name] += 1
            depth += 1
            formatting += name in _FORMATTING
            if depth > MAX_DEPTH or formatting > _MAX_FORMATTING:
                return True
        elif opened[name]:
            opened[name] -= 1
            depth -= 1
            formatting -= name in _FORMATTING
    return False


def _flatten(markup: str) -> str:
    opened: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    depth = 0

    def keep(match: re.Match[str]) -> str:
        nonlocal depth
        name = match[2].lower()
        if name in _FORMATTING:
            return ""
        if name in _NOT_COUNTED:
            return match[0]
        if not match[1]:
            if depth >= MAX_DEPTH:
                skipped[name] += 1
                return " "
            opened[name] += 1
            depth += 1
        elif skipped[name]:
            skipped[name] -= 1
            return " "
        elif opened[name]:
            opened[name] -= 1
            depth -= 1
        return match[0]

    return _WHOLE_TAG.sub(keep, markup)
