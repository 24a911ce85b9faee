"""The catalog: what is known of a model before any file of it is read."""

from samespace.models.catalog.card import Fact, Figure, ModelCard
from samespace.models.catalog.read import catalog, find, find_weights, parse

__all__ = ["Fact", "Figure", "ModelCard", "catalog", "find", "find_weights", "parse"]
