"""The tree of a filter: frozen values that mean a condition on one document, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from samespace.types import Scalar

BUILT_IN = ("id", "source", "title", "media")
Operator = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a document: a built-in one, or a name in its metadata."""

    name: str
    built_in: bool


@dataclass(frozen=True, slots=True)
class Compare:
    """`field operator value`."""

    field: Field
    operator: Operator
    value: Scalar


@dataclass(frozen=True, slots=True)
class In:
    """`field IN (values)`, or NOT IN."""

    field: Field
    values: tuple[Scalar, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Contains:
    """`field CONTAINS value`."""

    field: Field
    value: Scalar


@dataclass(frozen=True, slots=True)
class StartsWith:
    """`field STARTS WITH value`."""

    field: Field
    value: str


@dataclass(frozen=True, slots=True)
class Exists:
    """`field EXISTS`."""

    field: Field


@dataclass(frozen=True, slots=True)
class Not:
    """`NOT inner`."""

    inner: Node


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them."""

    parts: tuple[Node, ...]


Node = Compare | In | Contains | StartsWith | Exists | Not | And | Or
