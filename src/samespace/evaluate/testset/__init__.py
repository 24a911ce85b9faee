"""Test sets of one's own: made from headings, from clicks, by a language model, or by hand."""

from samespace.evaluate.testset.clicks import from_clicks
from samespace.evaluate.testset.hand import by_hand
from samespace.evaluate.testset.headings import from_headings
from samespace.evaluate.testset.llm import from_llm
from samespace.evaluate.testset.testset import (
    TestSet,
    read_testset,
    require_tunable,
    write_testset,
)

__all__ = [
    "TestSet",
    "by_hand",
    "from_clicks",
    "from_headings",
    "from_llm",
    "read_testset",
    "require_tunable",
    "write_testset",
]
