"""The catalog: what is known of a model before any file of it is read."""

from samespace.models.catalog.add import add
from samespace.models.catalog.card import Fact, Figure, ModelCard
from samespace.models.catalog.read import catalog, find, find_weights, parse
from samespace.models.catalog.select import select

__all__ = [
    "Fact",
    "Figure",
    "ModelCard",
    "add",
    "catalog",
    "find",
    "find_weights",
    "parse",
    "select",
]
