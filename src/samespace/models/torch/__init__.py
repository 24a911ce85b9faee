"""Models run by PyTorch through sentence-transformers (extra "torch")."""

from samespace.models.torch.dense import TorchEmbedder

__all__ = ["TorchEmbedder"]
