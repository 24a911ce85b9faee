"""Test sets of one's own: made from headings, from clicks, by a language model, or by hand."""

from samespace.evaluate.testset.headings import from_headings
from samespace.evaluate.testset.testset import (
    TestSet,
    read_testset,
    require_tunable,
    write_testset,
)

__all__ = ["TestSet", "from_headings", "read_testset", "require_tunable", "write_testset"]
