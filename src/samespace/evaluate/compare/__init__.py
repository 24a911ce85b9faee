"""Comparing configurations: a grid of them on one test set."""

from samespace.evaluate.compare.compare import compare
from samespace.evaluate.compare.grid import Configuration, Grid, Index, Skipped
from samespace.evaluate.compare.result import Comparison, Cost, Row, pareto
from samespace.evaluate.compare.runner import Step

__all__ = [
    "Comparison",
    "Configuration",
    "Cost",
    "Grid",
    "Index",
    "Row",
    "Skipped",
    "Step",
    "compare",
    "pareto",
]
