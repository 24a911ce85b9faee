"""Tune and test, disjoint by document.

A setting that was chosen by one question of a document knows that document; a second question
of it is no test any more. So questions that share a document stand on one side, and questions
of two documents with the same text as well.
"""

from __future__ import annotations

import random
from collections.abc import Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from samespace.errors import InputError

LEAST_OF_SHARE = 0.5
"""A side that gets less than this part of what it was to hold is no split any more."""


@dataclass(frozen=True)
class Groups:
    """Questions that hang together: each group goes to one side as a whole, largest first."""

    members: tuple[tuple[int, ...], ...]

    @property
    def largest(self) -> int:
        """How many questions the largest group has."""
        return len(self.members[0]) if self.members else 0


def group(documents: Sequence[Iterable[str]], same: Mapping[str, Hashable]) -> Groups:
    """Return the connected components of questions over the documents that they share.

    Args:
        documents: for each question its documents.
        same: for each document what it is the same as: a digest of its text. Documents that
            are not in it stand for themselves alone.

    >>> group([["a"], ["b"], ["a", "c"], ["d"]], {"b": 1, "d": 1}).members
    ((0, 2), (1, 3))
    """
    above = list(range(len(documents)))

    def root(question: int) -> int:
        while above[question] != question:
            above[question] = above[above[question]]
            question = above[question]
        return question

    first: dict[tuple[bool, Hashable], int] = {}
    for question, ids in enumerate(documents):
        for id in ids:
            key = (id in same, same.get(id, id))
            above[root(question)] = root(first.setdefault(key, question))
    members: dict[int, list[int]] = {}
    for question in range(len(documents)):
        members.setdefault(root(question), []).append(question)
    ordered = sorted(members.values(), key=lambda group: (-len(group), group[0]))
    return Groups(tuple(tuple(group) for group in ordered))


def choose_sides(
    groups: Groups, tune_share: float, seed: int, tuned: Container[int] = ()
) -> list[str]:
    """Return "tune" or "test" for each question.

    The groups, the largest first and equal ones in an order drawn with the seed, go each to
    the side that is farther from holding its share.

    Args:
        groups: the questions, so that each group is to stay whole.
        tune_share: the share of the questions to tune on, from 0 (all test) to 1 (all tune).
        seed: for the draw.
        tuned: questions that may have been tuned on before; their groups never come to the test.

    Raises:
        InputError: the share is none, or the groups are too few or too large for it.
    """
    if not 0 <= tune_share <= 1:
        raise InputError(f"the share to tune on must lie between 0 and 1, got {tune_share}")
    total = sum(map(len, groups.members))
    wanted = {"tune": tune_share * total, "test": (1 - tune_share) * total}
    held = {"tune": 0, "test": 0}
    drawn = list(groups.members)
    random.Random(seed).shuffle(drawn)
    sides = [""] * total
    fixed = {members for members in drawn if any(question in tuned for question in members)}
    for members in sorted(drawn, key=lambda members: (members not in fixed, -len(members))):
        side = max(wanted, key=lambda side: wanted[side] - held[side])
        side = "tune" if members in fixed else side
        held[side] += len(members)
        for question in members:
            sides[question] = side
    for side, count in held.items():
        if wanted[side] and count < max(1.0, LEAST_OF_SHARE * wanted[side]):
            raise InputError(
                f"no split: of {total} questions {groups.largest} hang together through shared "
                f"documents, so the {side} side would hold {count} where {wanted[side]:.3g} were "
                "asked for. Make more questions of other documents, or one side only "
                "(--tune-share 0: all test; 1: all tune)"
            )
    return sides
