"""Models behind an HTTP interface: OpenAI and all that speaks its protocol, Cohere, Voyage,
Gemini, Mistral, Jina."""

from samespace.models.hosted.budget import Budget, Usage
from samespace.models.hosted.embedder import HostedEmbedder
from samespace.models.hosted.reranker import HostedReranker

__all__ = ["Budget", "HostedEmbedder", "HostedReranker", "Usage"]
