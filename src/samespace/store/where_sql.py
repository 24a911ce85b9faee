"""A filter as SQL: text that holds only question marks, and their values beside it.

Neither a value nor the name of a field ever becomes part of the SQL text. Conditions are about
`documents d`; metadata has one row per field, or one per member where the field is a list.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from samespace.errors import InputError
from samespace.store.where_tree import (
    And,
    Compare,
    Contains,
    Exists,
    Field,
    In,
    Node,
    Not,
    Or,
    StartsWith,
)
from samespace.types import MetadataValue, Scalar

_MEMBER = "list "
"""Before the type of a value that is a member of a list."""

Fragment = tuple[str, tuple[Any, ...]]
MetadataRow = tuple[str, int, str, Any]


def typed(value: Scalar) -> tuple[str, Any]:
    """Return the name of a value's type and the value as SQLite compares it.

    Whole numbers beyond 64 bits are compared as floats. NaN equals nothing, itself neither.
    """
    if value is None:
        return "null", 0
    if isinstance(value, bool):
        return "boolean", int(value)
    if isinstance(value, str):
        return "string", value
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return "number", value
        try:
            return "number", float(value)
        except OverflowError:
            return "number", math.copysign(math.inf, value)
    if isinstance(value, float):
        return "number", value
    raise InputError(
        f"metadata holds a {type(value).__name__}; expected strings, numbers, booleans, null, "
        "or flat lists of those"
    )


def metadata_rows(metadata: Mapping[str, MetadataValue]) -> Iterator[MetadataRow]:
    """Yield (key, position, type, value) for the fields of one document.

    Raises:
        InputError: a value is none of the allowed kinds.
    """
    for key, value in metadata.items():
        if isinstance(value, tuple | list):
            yield key, 0, "list", 0
            for position, member in enumerate(value, 1):
                kind, stored = typed(member)
                yield key, position, _MEMBER + kind, stored
        else:
            kind, stored = typed(value)
            yield key, 0, kind, stored


def to_sql(node: Node) -> Fragment:
    """Return the condition on `documents d` and its parameters."""
    match node:
        case And(parts):
            return _joined(" AND ", parts)
        case Or(parts):
            return _joined(" OR ", parts)
        case Not(inner):
            sql, values = to_sql(inner)
            return f"NOT ({sql})", values
        case Exists(field):
            return _exists(field)
        case Compare(field, "!=", value):
            return _other(field, _equal(field, (value,)))
        case Compare(field, "=", value):
            return _equal(field, (value,))
        case Compare(field, operator, value):
            return _ordered(field, operator, value)
        case In(field, members, negated):
            equal = _equal(field, members)
            return _other(field, equal) if negated else equal
        case Contains(field, value):
            return _contains(field, value)
        case StartsWith(field, value):
            return _with_string(field, "instr({}, ?) = 1", value)


def _joined(word: str, parts: tuple[Node, ...]) -> Fragment:
    compiled = [to_sql(part) for part in parts]
    sql = word.join(f"({part})" for part, _ in compiled)
    return sql, tuple(value for _, values in compiled for value in values)


def _metadata(field: Field, condition: str, *values: Any) -> Fragment:
    sql = (
        f"d.number IN (SELECT m.document FROM metadata m WHERE m.key = ? AND {condition})"
        if condition
        else "d.number IN (SELECT m.document FROM metadata m WHERE m.key = ?)"
    )
    return sql, (field.name, *values)


def _exists(field: Field) -> Fragment:
    return ("1", ()) if field.built_in else _metadata(field, "")


def _other(field: Field, equal: Fragment) -> Fragment:
    exists, names = _exists(field)
    return f"({exists}) AND NOT ({equal[0]})", (*names, *equal[1])


def _equal(field: Field, values: tuple[Scalar, ...]) -> Fragment:
    pairs = [typed(value) for value in values]
    if field.built_in:
        strings = tuple(value for kind, value in pairs if kind == "string")
        marks = ", ".join("?" * len(strings))
        return (f"d.{field.name} IN ({marks})", strings) if strings else ("0", ())
    conditions, parameters = [], []
    for kind in sorted({kind for kind, _ in pairs}):
        same = [value for found, value in pairs if found == kind]
        conditions.append(f"(m.type = ? AND m.value IN ({', '.join('?' * len(same))}))")
        parameters += [kind, *same]
    return _metadata(field, f"({' OR '.join(conditions)})", *parameters)


def _ordered(field: Field, operator: str, value: Scalar) -> Fragment:
    kind, stored = typed(value)
    if field.built_in:
        return (f"d.{field.name} {operator} ?", (stored,)) if kind == "string" else ("0", ())
    return _metadata(field, f"m.type = ? AND m.value {operator} ?", kind, stored)


def _contains(field: Field, value: Scalar) -> Fragment:
    kind, stored = typed(value)
    if field.built_in:
        return _with_string(field, "instr({}, ?) > 0", value) if kind == "string" else ("0", ())
    member = "(m.type = ? AND m.value = ?)"
    parameters = [_MEMBER + kind, stored]
    if kind == "string":
        member = f"({member} OR (m.type = 'string' AND instr(m.value, ?) > 0))"
        parameters.append(stored)
    return _metadata(field, member, *parameters)


def _with_string(field: Field, condition: str, value: Scalar) -> Fragment:
    if field.built_in:
        return condition.format(f"d.{field.name}"), (value,)
    return _metadata(field, f"m.type = 'string' AND {condition.format('m.value')}", value)
