"""Models run by PyTorch through sentence-transformers (extra "torch")."""

from samespace.models.torch.dense import TorchEmbedder
from samespace.models.torch.image_text import ImageTextEmbedder
from samespace.models.torch.late import TorchMultiVectorEmbedder
from samespace.models.torch.m3 import M3Embedder, M3Vectors
from samespace.models.torch.reranker import TorchReranker
from samespace.models.torch.sparse import TorchSparseEmbedder

__all__ = [
    "ImageTextEmbedder",
    "M3Embedder",
    "M3Vectors",
    "TorchEmbedder",
    "TorchMultiVectorEmbedder",
    "TorchReranker",
    "TorchSparseEmbedder",
]
