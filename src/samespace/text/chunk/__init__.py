"""Cutting cleaned documents into chunks."""

from samespace.text.chunk.chunk import chunk
from samespace.text.chunk.meter import Count
from samespace.text.chunk.report import boundary_report

__all__ = ["Count", "boundary_report", "chunk"]
