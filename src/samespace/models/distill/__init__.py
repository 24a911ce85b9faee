"""Static models made from any dense one, on the CPU, in minutes."""

from samespace.models.distill.distill import distill

__all__ = ["distill"]
