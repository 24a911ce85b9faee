"""What every way of making a test set ends with: near-duplicates out, splits, and the record."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from samespace.errors import InputError
from samespace.evaluate.evidence import Evidence, write_evidence
from samespace.evaluate.qrels import Qrels
from samespace.evaluate.queries import Query
from samespace.evaluate.testset.near import NEAR, Terms, near_duplicates
from samespace.evaluate.testset.split import choose_sides, group
from samespace.evaluate.testset.testset import MADE, TestSet, read_testset
from samespace.types import Document

if TYPE_CHECKING:
    from samespace.collection import Collection

Span = tuple[str, int, int, str]
"""A document, where in its cleaned text an answer starts and ends, and the words of it."""

NEAR_DUPLICATE = "near-duplicate of an earlier question"


@dataclass(frozen=True)
class Question:
    """A question on its way into a test set.

    Attributes:
        text: what is asked.
        grades: the judged documents and their grades.
        metadata: what else is known of it.
    """

    text: str
    grades: Mapping[str, int]
    metadata: Mapping[str, Any] = field(default_factory=dict)


AnyQuestion = TypeVar("AnyQuestion", bound=Question)


def without_near(
    questions: Sequence[AnyQuestion], terms: Terms, dropped: Counter[str]
) -> list[AnyQuestion]:
    """Return the questions of which none is a near-duplicate of an earlier one."""
    near = near_duplicates([question.text for question in questions], terms)
    dropped[NEAR_DUPLICATE] += sum(near)
    return [question for question, is_near in zip(questions, near, strict=True) if not is_near]


def finish(
    collection: Collection,
    place: Path,
    way: str,
    parameters: Mapping[str, Any],
    questions: Sequence[Question],
    dropped: Mapping[str, int],
    **record: Any,
) -> TestSet:
    """Put the questions on their sides and write down how the set was made.

    Args:
        collection: what the questions are about.
        place: where the set is to lie. What was on the tune side of a set that lies there
            already does not come to the test side.
        way: "headings", "clicks", "llm" or "hand".
        parameters: all that the way was given, with "seed" and "tune_share".
        questions: at least one.
        dropped: what was left out, counted by reason.
        record: what else belongs into testset.json.

    Raises:
        InputError: there is no question, or they cannot be split.
    """
    left_out = {reason: count for reason, count in sorted(dropped.items()) if count}
    if not questions:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in left_out.items())
        raise InputError(f"no question is left to make a test set of ({reasons or 'none seen'})")
    sides, disjoint_by = _sides(collection, questions, parameters, _tuned(place, questions))
    queries = tuple(
        Query(f"q{number:05d}", question.text, {"split": side, **question.metadata})
        for number, (question, side) in enumerate(zip(questions, sides, strict=True), 1)
    )
    grades = [dict(question.grades) for question in questions]
    judgements = {query.id: judged for query, judged in zip(queries, grades, strict=True)}
    facts = collection.info()
    made = {
        "way": way,
        "parameters": dict(parameters),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "samespace": _version(),
        "collection": {
            "name": collection.path.name,
            "model": collection.space.model,
            "space": collection.space.id,
            "recipe": collection.recipe.id,
            "change": facts["change"],
            "documents": facts["documents"],
        },
        "questions": len(queries),
        "judgements": sum(map(len, grades)),
        "documents_judged": len({id for judged in grades for id in judged}),
        "dropped": left_out,
        "near_duplicate": f"Jaccard similarity of the terms at least {NEAR}",
        "splits": {
            "tune": sides.count("tune"),
            "test": sides.count("test"),
            "disjoint_by": disjoint_by,
        },
        **record,
    }
    return TestSet(queries, Qrels(judgements), made)


def write_spans(path: Path, testset: TestSet, spans: Mapping[int, Span]) -> None:
    """Write the spans that answer the questions, given by the number of the question."""
    write_evidence(
        path, [Evidence(testset.queries[at].id, *span) for at, span in sorted(spans.items())]
    )


def _sides(
    collection: Collection,
    questions: Sequence[Question],
    parameters: Mapping[str, Any],
    tuned: frozenset[int],
) -> tuple[list[str], str]:
    """Return the side of each question, and by which documents the sides are disjoint.

    Judgements by hand grade many documents 0 and so tie all questions together; what must not
    stand on both sides are the documents that answer.
    """
    judged = [list(question.grades) for question in questions]
    answering = [[id for id, grade in q.grades.items() if grade > 0] for q in questions]
    share, seed = parameters["tune_share"], parameters["seed"]
    documents = (collection.document(id) for ids in judged for id in ids)
    same = {document.id: _digest(document) for document in documents if document is not None}
    try:
        return choose_sides(group(judged, same), share, seed, tuned), "judged documents"
    except InputError:
        if judged == answering:
            raise
        return choose_sides(group(answering, same), share, seed, tuned), "relevant documents"


def _tuned(place: Path, questions: Sequence[Question]) -> frozenset[int]:
    """Return the numbers of the questions that were on the tune side of the set at the place."""
    before: set[str] = set()
    if (place / MADE).exists():
        queries = read_testset(place).queries
        before = {query.text for query in queries if query.metadata.get("split") == "tune"}
    return frozenset(at for at, question in enumerate(questions) if question.text in before)


def _digest(document: Document) -> str:
    """Return what documents of the same text have in common."""
    text = " ".join(document.text.casefold().split())
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _version() -> str:
    from importlib.metadata import version

    return version("samespace")
