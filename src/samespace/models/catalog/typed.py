"""Whether what a TOML file says has the types that an entry wants."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin, get_type_hints


def mistyped(table: object, kind: type) -> list[str]:
    """Return what is wrong with a TOML table from which a dataclass is to be made.

    Unknown fields, missing ones, and values of another type than the field's; that a value is
    one of those allowed is left to the dataclass.
    """
    if not isinstance(table, dict):
        return [f"expected a table, got {table!r}"]
    hints = _hints(kind)
    required = [f.name for f in dataclasses.fields(kind) if _is_required(f)]
    unknown = sorted(set(table) - set(hints))
    problems = [f"unknown fields {', '.join(unknown)}"] if unknown else []
    problems += [f"{name} is missing" for name in required if name not in table]
    problems += [
        f"{name} must be {_said(hints[name])}, got {value!r}"
        for name, value in table.items()
        if name in hints and not _fits(value, hints[name])
    ]
    return problems


@lru_cache(maxsize=8)
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _fits(value: object, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is tuple:
        return isinstance(value, list) and all(_fits(one, inner[0]) for one in value)
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(one, inner[1]) for one in value.values())
    if origin is Literal:
        return isinstance(value, str)
    if inner:
        return any(_fits(value, one) for one in inner)
    if dataclasses.is_dataclass(hint):
        return isinstance(value, dict)
    # A bool is an int to isinstance, and a point in time is a day.
    return type(value) in ((int, float) if hint is float else (hint,))


def _said(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is tuple:
        return f"a list, each {_said(inner[0])}"
    if origin is Mapping:
        return "a table of texts"
    if origin is Literal:
        return "a text"
    if inner:
        return " or ".join(_said(one) for one in inner if one is not type(None))
    names = {str: "a text", int: "an integer", float: "a number", bool: "true or false"}
    return names.get(hint, "a table" if dataclasses.is_dataclass(hint) else f"a {hint.__name__}")
