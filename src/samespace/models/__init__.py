"""Whatever maps texts to vectors: local models, and an embedder for tests."""

from samespace.models.base import Embedder
from samespace.models.loading import load
from samespace.models.onnx import OnnxEmbedder
from samespace.models.testing import HashEmbedder

__all__ = ["Embedder", "HashEmbedder", "OnnxEmbedder", "load"]
