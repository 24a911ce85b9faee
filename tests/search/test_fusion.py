"""Reciprocal rank fusion against values computed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.search.fusion import reciprocal_rank_fusion
from samespace.store.base import Candidate


def test_scores_as_published() -> None:
    dense = [Candidate(1, 0.9), Candidate(2, 0.8), Candidate(3, 0.7)]
    lexical = [Candidate(3, 14.0), Candidate(4, 11.0)]
    fused = reciprocal_rank_fusion({"dense": dense, "lexical": lexical})
    assert [item.row for item in fused] == [3, 1, 2, 4]
    assert fused[0].score == pytest.approx(1 / 63 + 1 / 61)
    assert fused[1].score == pytest.approx(1 / 61)
    assert fused[0].parts == {
        "dense": {"rank": 3, "score": 0.7},
        "lexical": {"rank": 1, "score": 14.0},
    }


def test_ties_keep_the_smaller_row_first() -> None:
    fused = reciprocal_rank_fusion({"a": [Candidate(9, 1.0)], "b": [Candidate(4, 1.0)]})
    assert [item.row for item in fused] == [4, 9]


rankings = st.lists(st.integers(0, 50), unique=True, max_size=20)


@given(first=rankings, second=rankings, scale=st.floats(1e-3, 1e3))
def test_raw_scores_do_not_matter(first: list[int], second: list[int], scale: float) -> None:
    def fuse(factor: float) -> list[int]:
        lists = {
            "a": [Candidate(row, factor * (100 - i)) for i, row in enumerate(first)],
            "b": [Candidate(row, 100.0 - i) for i, row in enumerate(second)],
        }
        return [item.row for item in reciprocal_rank_fusion(lists)]

    assert fuse(1.0) == fuse(scale)
    assert sorted(fuse(1.0)) == sorted({*first, *second})
