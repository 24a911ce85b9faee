"""Search: retrievers, fusion and the hits that come of them."""

from samespace.search.fusion import reciprocal_rank_fusion
from samespace.search.retrieve import MODES, Mode, Request, Results, retrieve

__all__ = ["MODES", "Mode", "Request", "Results", "reciprocal_rank_fusion", "retrieve"]
