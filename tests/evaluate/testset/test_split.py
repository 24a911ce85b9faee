"""Tune and test share no document, nor documents of the same text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.errors import InputError
from samespace.evaluate.testset.split import LEAST_OF_SHARE, choose_sides, group

DOCUMENTS = st.lists(
    st.lists(st.sampled_from([f"d{i}" for i in range(40)]), min_size=1), min_size=1
)
SAME = st.dictionaries(st.sampled_from([f"d{i}" for i in range(40)]), st.integers(0, 30))


@given(DOCUMENTS, SAME, st.floats(0, 1), st.integers(0, 5))
def test_no_document_stands_on_both_sides(
    documents: list[list[str]], same: dict[str, int], share: float, seed: int
) -> None:
    groups = group(documents, same)
    assert sorted(question for members in groups.members for question in members) == list(
        range(len(documents))
    )
    try:
        sides = choose_sides(groups, share, seed)
    except InputError:  # the shares that a refused split would have had are tested below
        return
    held: dict[str, set[object]] = {"tune": set(), "test": set()}
    for ids, side in zip(documents, sides, strict=True):
        held[side].update(("text", same[id]) if id in same else ("id", id) for id in ids)
    assert held["tune"] & held["test"] == set()
    assert sides.count("tune") >= LEAST_OF_SHARE * share * len(documents)
    assert sides.count("test") >= LEAST_OF_SHARE * (1 - share) * len(documents)
    assert sides == choose_sides(group(documents, same), share, seed)


@given(DOCUMENTS, SAME)
def test_groups_are_the_connected_components(
    documents: list[list[str]], same: dict[str, int]
) -> None:
    def keys(question: int) -> set[tuple[str, object]]:
        return {("text", same[id]) if id in same else ("id", id) for id in documents[question]}

    members = group(documents, same).members
    for one in members:  # nothing ties two groups together, and each holds together
        for other in members:
            if one is not other:
                assert not any(keys(a) & keys(b) for a in one for b in other)
        reached, waiting = {one[0]}, [one[0]]
        while waiting:
            at = waiting.pop()
            near = {question for question in one if keys(question) & keys(at)} - reached
            reached |= near
            waiting.extend(near)
        assert reached == set(one)


def test_shares_are_kept_where_groups_are_small() -> None:
    sides = choose_sides(group([[f"d{i}"] for i in range(100)], {}), 0.3, 0)
    assert sides.count("tune") == 30


def test_one_side_alone() -> None:
    groups = group([["a"], ["a"], ["b"]], {})
    assert set(choose_sides(groups, 0.0, 0)) == {"test"}
    assert set(choose_sides(groups, 1.0, 0)) == {"tune"}


def test_what_hangs_together_cannot_be_split_and_the_error_has_the_numbers() -> None:
    documents = [["everywhere", f"d{i}"] for i in range(97)] + [["x"], ["y"], ["z"]]
    with pytest.raises(InputError, match=r"of 100 questions 97 hang together.*would hold 3 "):
        choose_sides(group(documents, {}), 0.5, 0)


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_that_is_none(share: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        choose_sides(group([["a"]], {}), share, 0)
