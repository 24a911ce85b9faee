"""The TestSet: questions, judgements and how they were made, as a folder of plain files.

::

    queries.jsonl    BEIR: _id, text, metadata {"split": "tune" | "test"}
    qrels.tsv        BEIR: query, document, grade
    testset.json     how it was made: way, parameters, Space, counts, what was dropped and why
    corpus.jsonl     BEIR; only where the searched text had to be altered
    evidence.jsonl   the span that answers each question, where it is known

A system that was tuned on the questions it is tested with looks better than it is, so each
question carries its split, and whatever tunes calls `require_tunable` or `TestSet.for_tuning`.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from samespace.errors import InputError
from samespace.evaluate.files import write_lines
from samespace.evaluate.qrels import Qrels, read_qrels, write_qrels
from samespace.evaluate.queries import Query, read_queries, write_queries

Split = Literal["tune", "test"]
SPLITS: tuple[Split, ...] = ("tune", "test")

QUERIES = "queries.jsonl"
QRELS = "qrels.tsv"
MADE = "testset.json"
BEGUN = "testset.json.new"
CORPUS = "corpus.jsonl"
EVIDENCE = "evidence.jsonl"


@dataclass(frozen=True)
class TestSet:
    """Questions with their judgements.

    Attributes:
        queries: the questions; `metadata["split"]` says on which side each stands.
        qrels: the judgements of these questions.
        made: how the set was made, as in testset.json.
        corpus: the documents to search, where they are not those of the collection itself.
        evidence: the spans that answer, in the cleaned text of the searched documents.
    """

    __test__ = False  # for pytest, which collects classes of this name

    queries: tuple[Query, ...]
    qrels: Qrels
    made: Mapping[str, Any]
    corpus: Path | None = None
    evidence: Path | None = None

    def split(self, name: Split) -> TestSet:
        """Return one side of the set.

        Raises:
            InputError: there is no such side, or no question stands on it.
        """
        if name not in SPLITS:
            raise InputError(f'the splits of a test set are "tune" and "test", got {name!r}')
        sides = Counter(query.metadata.get("split", "neither") for query in self.queries)
        there = ", ".join(f"{side} {count}" for side, count in sides.items())
        return self._only(
            [query for query in self.queries if query.metadata.get("split") == name],
            f"the test set has no question of the {name} split; it has: {there}",
        )

    def for_tuning(self) -> TestSet:
        """Return the questions that may be tuned on.

        Raises:
            InputError: all questions are of the test split.
        """
        return self._only(
            [query for query in self.queries if query.metadata.get("split") != "test"],
            "every question of this set is of the test split, and a system tuned on its test "
            "looks better than it is; make a set with a tune split (--tune-share 0.5)",
        )

    def _only(self, queries: list[Query], otherwise: str) -> TestSet:
        if not queries:
            raise InputError(otherwise)
        judged = {
            query.id: self.qrels.judgements[query.id]
            for query in queries
            if query.id in self.qrels.judgements
        }
        return dataclasses.replace(self, queries=tuple(queries), qrels=Qrels(judged))


def require_tunable(queries: Iterable[Query]) -> None:
    """Refuse questions of a test split. Whatever chooses settings by questions calls this first.

    Raises:
        InputError: a question is of the test split.
    """
    held = [query.id for query in queries if query.metadata.get("split") == "test"]
    if held:
        raise InputError(
            f"{len(held)} of the questions are of the test split (the first: {held[0]!r}), and a "
            "system tuned on its test looks better than it is. Tune on the tune split: "
            "read_testset(folder).for_tuning()"
        )


def read_testset(folder: str | os.PathLike[str]) -> TestSet:
    """Read a test set from its folder.

    Raises:
        InputError: a file is missing or is not what it should be, or a question has no
            judgement, or a judgement no question.
    """
    place = Path(folder)
    made = _read_made(place / MADE)
    if made is None:
        raise InputError(
            f"{place} is no test set: it has no {MADE}. Make one with: "
            f"samespace testset KB --out {place}"
        )
    corpus = _file(place / CORPUS)
    if made.get("corpus") and corpus is None:
        raise InputError(f"{place}: the test set was made with {CORPUS}, which is missing")
    queries, qrels = read_queries(place / QUERIES), read_qrels(place / QRELS)
    lost = sorted(set(qrels.judgements).symmetric_difference(query.id for query in queries))
    if lost:
        raise InputError(
            f"{place}: {len(lost)} questions stand in one of {QUERIES} and {QRELS} only, such as "
            f"{lost[0]!r}; a question and its judgements come and go together"
        )
    return TestSet(queries, qrels, made, corpus, _file(place / EVIDENCE))


def write_testset(folder: str | os.PathLike[str], testset: TestSet) -> TestSet:
    """Write questions, judgements and, last of all, testset.json; return the set as it lies there.

    corpus.jsonl and evidence.jsonl are written by the way that makes them.

    Raises:
        InputError: another test set lies there.
    """
    place = claim(folder, testset.made["way"], testset.made["parameters"])
    write_queries(place / QUERIES, testset.queries)
    write_qrels(place / QRELS, testset.qrels)
    _write_made(place / BEGUN, testset.made)
    os.replace(place / BEGUN, place / MADE)
    return dataclasses.replace(
        testset, corpus=_file(place / CORPUS), evidence=_file(place / EVIDENCE)
    )


def claim(folder: str | os.PathLike[str], way: str, parameters: Mapping[str, Any]) -> Path:
    """Make the folder the place of a test set, and return it.

    A set made in the same way with the same parameters is written anew: a session that is
    taken up again adds to its own set. A place where nothing came to be (the name of the model
    was mistyped) is free.

    Raises:
        InputError: the folder holds something else, or cannot be written to.
    """
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise InputError(f"{place} is a file; a test set is a folder, give another")
    finished = _read_made(place / MADE)
    there = finished or _read_made(place / BEGUN)
    if there is None:
        files = [name for name in (QUERIES, QRELS, CORPUS, EVIDENCE) if (place / name).exists()]
        if files:
            raise InputError(
                f"{place} holds a {files[0]} but no {MADE}, so it is not to be written over; "
                "give another folder"
            )
    elif not _is_bare(place) and _identity(there, finished) != _identity(
        {"way": way, "parameters": parameters}, finished
    ):
        raise InputError(
            f"{place} holds another test set (from {there.get('way')}, parameters "
            f"{json.dumps(there.get('parameters'))}, not {json.dumps(dict(parameters))}); give "
            "another folder, or delete that one"
        )
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {place}: {error.strerror}") from error
    if finished is None:
        _write_made(place / BEGUN, {"way": way, "parameters": dict(parameters)})
    return place


def _file(path: Path) -> Path | None:
    return path if path.is_file() else None


def _is_bare(place: Path) -> bool:
    """Say whether a set was begun there and nothing more."""
    return all(path.name == BEGUN or not path.stat().st_size for path in place.iterdir())


def _identity(made: Mapping[str, Any], finished: Mapping[str, Any] | None) -> tuple[Any, ...]:
    """Return what two sets have in common that are one: the sides, once chosen, as well."""
    parameters = dict(made.get("parameters", {}))
    if finished is None:
        parameters.pop("tune_share", None)
    return made.get("way"), parameters


def _write_made(path: Path, made: Mapping[str, Any]) -> None:
    write_lines(path, [json.dumps(made, ensure_ascii=False, indent=2)])


def _read_made(path: Path) -> dict[str, Any] | None:
    """Return what testset.json says, or None if there is none."""
    if not path.is_file():
        return None
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected a JSON object, got broken JSON: {error}") from error
    if not isinstance(made, dict) or not isinstance(made.get("parameters", {}), dict):
        raise InputError(f"{path}: expected a JSON object with parameters, got something else")
    return made
