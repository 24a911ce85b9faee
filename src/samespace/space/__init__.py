"""The Space of vectors, the vectors that carry it, and the canaries by which a model is known."""

from samespace.space.canaries import (
    CANARIES,
    CANARY_COSINE,
    QUICK_CANARIES,
    Canary,
    EmbedFunction,
    canary_cosines,
    canary_likeness,
    check_canaries,
    least_alike,
    likeness,
    record_canaries,
    require_unmoved,
)
from samespace.space.identity import Arithmetic, Kind, Metric, Pooling, Precision, Space
from samespace.space.vectors import NORM_TOLERANCE, FloatArray, Vectors

__all__ = [
    "CANARIES",
    "CANARY_COSINE",
    "NORM_TOLERANCE",
    "QUICK_CANARIES",
    "Arithmetic",
    "Canary",
    "EmbedFunction",
    "FloatArray",
    "Kind",
    "Metric",
    "Pooling",
    "Precision",
    "Space",
    "Vectors",
    "canary_cosines",
    "canary_likeness",
    "check_canaries",
    "least_alike",
    "likeness",
    "record_canaries",
    "require_unmoved",
]
