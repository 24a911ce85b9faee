"""Batches: every text once, little padding, and never more than the budget."""

from __future__ import annotations

import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.models.batching import batches, workers


@given(st.lists(st.integers(1, 600), max_size=200), st.integers(1, 1024))
def test_batches(lengths: list[int], budget: int) -> None:
    cut = list(batches(lengths, budget))
    assert sorted(i for batch in cut for i in batch) == list(range(len(lengths)))
    for batch in cut:
        assert len(batch) * max(lengths[i] for i in batch) <= budget or len(batch) == 1
    longest = [max(lengths[i] for i in batch) for batch in cut]
    assert longest == sorted(longest, reverse=True)
    for batch, after in itertools.pairwise(cut):
        # Nothing that would still have fitted was left for the next batch.
        assert (len(batch) + 1) * lengths[batch[0]] > budget
        assert min(lengths[i] for i in batch) >= max(lengths[i] for i in after)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_workers_follow_the_cores_that_are_allowed() -> None:
    allowed = os.sched_getaffinity(0)
    assert workers() == min(len(allowed), 8)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert workers() == 1
    finally:
        os.sched_setaffinity(0, allowed)
