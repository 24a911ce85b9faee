"""Whatever maps texts and images to vectors, or pairs to scores."""

from samespace.models.base import Embedder, MultiVectorEmbedder, Reranker, SparseEmbedder
from samespace.models.loading import load
from samespace.models.onnx import OnnxEmbedder
from samespace.models.rerank import (
    EmbedderReranker,
    MultiVectorReranker,
    SparseReranker,
    load_reranker,
)
from samespace.models.static import StaticEmbedder
from samespace.models.testing import HashEmbedder

__all__ = [
    "Embedder",
    "EmbedderReranker",
    "HashEmbedder",
    "MultiVectorEmbedder",
    "MultiVectorReranker",
    "OnnxEmbedder",
    "Reranker",
    "SparseEmbedder",
    "SparseReranker",
    "StaticEmbedder",
    "load",
    "load_reranker",
]
