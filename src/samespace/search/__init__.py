"""Search: retrievers, fusion and the hits that come of them."""

from samespace.search.fusion import reciprocal_rank_fusion
from samespace.search.rerank import RERANK_DEPTH, rerank
from samespace.search.retrieve import MODES, Mode, Request, Results, retrieve

__all__ = [
    "MODES",
    "RERANK_DEPTH",
    "Mode",
    "Request",
    "Results",
    "reciprocal_rank_fusion",
    "rerank",
    "retrieve",
]
