"""Questions and judgements by hand: the user asks, sees candidates and grades them.

Candidates are pooled from dense and lexical search, as TREC pools its runs, and shown without
scores in an order that does not tell which search found them. A document that neither finds is
never seen, so it counts as not relevant: the judgements are as deep as the pool.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from samespace.errors import InputError
from samespace.evaluate.testset.finish import Question, finish, without_near
from samespace.evaluate.testset.near import terms_of
from samespace.evaluate.testset.session import Session
from samespace.evaluate.testset.testset import TestSet, claim, write_testset
from samespace.types import Hit

if TYPE_CHECKING:
    from samespace.collection import Collection

JUDGEMENTS = "judgements.jsonl"
DEPTH = 10
BIAS = "Only what dense and lexical search of this collection found was judged."

Answer = Literal[0, 1, 2, "skip", "undo", "next", "quit"]
"""A grade (0 not relevant, 1 relevant, 2 answers the question), or what to do instead."""


class Judge(Protocol):
    """Whoever asks and judges: a person at a terminal, or a test."""

    def question(self) -> str | None:
        """Return the next question, or None if there is none."""

    def grade(self, query: str, hit: Hit, seen: int, total: int) -> Answer:
        """Return what is thought of a candidate; `seen` of `total` were judged before it."""


def by_hand(
    collection: Collection,
    folder: str | Path,
    judge: Judge,
    *,
    queries: Sequence[str] = (),
    depth: int = DEPTH,
    seed: int = 0,
    tune_share: float = 0.5,
) -> TestSet | None:
    """Go through questions with a judge, and write a test set of those that are done.

    Every judgement is in `folder/judgements.jsonl` before the next candidate is shown; started
    again, the session goes on where it stopped.

    Args:
        collection: the documents.
        folder: where the test set is to lie.
        judge: is asked.
        queries: the questions; the judge is asked for them where there are none.
        depth: how many documents of each search are pooled.
        seed: of all draws.
        tune_share: the share of the questions to tune on.

    Returns:
        The set, or None as long as no finished question has a relevant document.

    Raises:
        InputError: the questions cannot be split (every judgement is saved), or the folder
            holds another test set.
    """
    if depth < 1:
        raise InputError(f"depth must be at least 1, got {depth}")
    parameters = {"depth": depth, "seed": seed, "tune_share": tune_share}
    place = claim(folder, "hand", parameters)
    session = Session(place / JUDGEMENTS)
    try:
        for query in queries:
            session.open(" ".join(query.split()))
        _hold(collection, session, judge, asks=not queries, depth=depth, seed=seed)
        dropped: Counter[str] = Counter()
        questions = _questions(session, dropped)
    finally:
        session.close()
    questions = without_near(questions, terms_of(collection.recipe.language), dropped)
    if not questions:
        return None
    try:
        testset = finish(collection, place, "hand", parameters, questions, dropped, bias=BIAS)
    except InputError as error:
        raise InputError(f"every judgement is saved in {place}, but {error}") from error
    return write_testset(place, testset)


def pool(collection: Collection, query: str, depth: int, seed: int) -> list[Hit]:
    """Return the best documents of dense and of lexical search, each once.

    They are drawn in turns, and a coin says each time which search is the first of the two
    (team-draft interleaving: Radlinski, Kurup, Joachims, CIKM 2008), so the best come early
    and the place tells nothing.
    """
    digest = hashlib.sha256(f"{seed} {query}".encode()).digest()
    coin = random.Random(digest)
    lists = [
        list(collection.search(query, depth, mode=mode, by_document=True, on_long="truncate").hits)
        for mode in ("dense", "lexical")
    ]
    pooled: dict[str, Hit] = {}
    while any(lists):
        for hits in coin.sample(lists, 2):
            while hits and hits[0].chunk.document in pooled:
                hits.pop(0)
            if hits:
                hit = hits.pop(0)
                pooled[hit.chunk.document] = hit
    return list(pooled.values())


def _hold(
    collection: Collection, session: Session, judge: Judge, *, asks: bool, depth: int, seed: int
) -> None:
    """Ask until the judge ends the session or there is nothing left to judge."""
    pools: dict[str, list[Hit]] = {}
    while True:
        query = session.current
        if query is None:
            text = judge.question() if asks else None
            if text is None or not text.strip():
                return
            session.open(" ".join(text.split()))
            continue
        if query not in pools:
            pools = {query: pool(collection, query, depth, seed)}
        judged = session.judged(query)
        left = [hit for hit in pools[query] if hit.chunk.document not in judged]
        if not left:
            session.done(query)
            continue
        total = len(pools[query])
        answer = judge.grade(query, left[0], total - len(left), total)
        if answer == "quit":
            return
        if answer == "undo":
            session.undo()
        elif answer == "next":
            session.done(query)
        else:
            grade = None if answer == "skip" else answer
            session.judge(query, left[0].chunk.document, grade)


def _questions(session: Session, dropped: Counter[str]) -> list[Question]:
    questions = []
    for query in session.queries:
        judged = session.judged(query)
        grades = {document: grade for document, grade in judged.items() if grade is not None}
        if not session.is_done(query):
            dropped["not finished"] += 1
        elif not any(grade > 0 for grade in grades.values()):
            dropped["nothing relevant found"] += 1
        else:
            questions.append(Question(query, grades, {"made": "hand"}))
    return questions
