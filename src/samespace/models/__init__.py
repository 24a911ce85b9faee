"""Whatever maps texts to vectors."""

from samespace.models.base import Embedder
from samespace.models.testing import HashEmbedder

__all__ = ["Embedder", "HashEmbedder"]
