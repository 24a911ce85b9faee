"""Whatever maps texts to vectors: local models, and an embedder for tests."""

from samespace.models.base import Embedder, Reranker
from samespace.models.loading import load
from samespace.models.onnx import OnnxEmbedder
from samespace.models.rerank import EmbedderReranker, load_reranker
from samespace.models.testing import HashEmbedder

__all__ = [
    "Embedder",
    "EmbedderReranker",
    "HashEmbedder",
    "OnnxEmbedder",
    "Reranker",
    "load",
    "load_reranker",
]
