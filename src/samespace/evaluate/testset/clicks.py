"""Questions from a log of what users asked and what they opened.

The users' own words, and their own answers. The bias is known: users open what was shown to
them, at the top above all, so such a set favours the system that the log comes from.
"""

from __future__ import annotations

import csv
import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.errors import InputError
from samespace.evaluate.files import read_records
from samespace.evaluate.testset.finish import Question, finish, without_near
from samespace.evaluate.testset.near import terms_of
from samespace.evaluate.testset.testset import TestSet, claim, write_testset

if TYPE_CHECKING:
    from samespace.collection import Collection

BIAS = (
    "Clicks follow what was shown, and where: the set favours the system that the log comes "
    "from, and says nothing of documents that it never showed."
)
NAMED_UNKNOWN = 10
GRADES = 3


@dataclass(frozen=True)
class Fields:
    """The names of the columns, or keys, of a log. "" for one that the log does not have.

    Attributes:
        query: what was asked.
        document: the id of the document that was opened.
        count: how often, a whole number; 1 where it is missing.
        session: whose search it was; opening the same document again in it counts no more.
    """

    query: str = "query"
    document: str = "document"
    count: str = "count"
    session: str = ""


@dataclass
class Log:
    """Clicks summed: query (folded) -> document -> count, and how each query was first spelled."""

    clicks: dict[str, Counter[str]] = field(default_factory=dict)
    spelled: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    repeated: int = 0


def from_clicks(
    collection: Collection,
    folder: str | Path,
    log: str | Path,
    *,
    fields: Fields = Fields(),
    min_clicks: int = 1,
    graded: bool = False,
    n: int | None = None,
    seed: int = 0,
    tune_share: float = 0.5,
) -> TestSet:
    """Make a test set from a log of clicks.

    Args:
        collection: the documents.
        folder: where the test set is to lie.
        log: JSON lines (.jsonl, .json), .csv or .tsv, with a header where it is a table.
        fields: what its columns are called.
        min_clicks: how often a document must have been opened for a query to count as an answer.
        graded: grades 1 to 3 by the share of the query's clicks (ceil(3 share)) instead of 1.
        n: how many questions, drawn with the seed; all if None.
        seed: of all draws.
        tune_share: the share of the questions to tune on.

    Raises:
        InputError: a line that cannot be read (file and line), or no question is left, or the
            questions cannot be split, or the folder holds another test set.
    """
    for name, value in (("min_clicks", min_clicks), ("n", 1 if n is None else n)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    read = read_log(log, fields)
    parameters = {
        "log": Path(log).name,
        "log_sha256": _digest(log),
        "fields": asdict(fields),
        "min_clicks": min_clicks,
        "graded": graded,
        "n": n,
        "seed": seed,
        "tune_share": tune_share,
    }
    place = claim(folder, "clicks", parameters)
    held = {known.id for known in collection.documents()}
    dropped: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    questions = []
    for folded, opened in read.clicks.items():
        unknown.update({id: count for id, count in opened.items() if id not in held})
        there = {id: count for id, count in opened.items() if id in held}
        often = {id: count for id, count in there.items() if count >= min_clicks}
        if often:
            grades = _grades(often) if graded else dict.fromkeys(often, 1)
            questions.append(Question(read.spelled[folded], grades, {"made": "clicks"}))
        elif there:
            dropped[f"no document opened {min_clicks} times"] += 1
        else:
            dropped["only documents that are not in the collection"] += 1
    questions = without_near(questions, terms_of(collection.recipe.language), dropped)
    if n is not None and n < len(questions):
        dropped["not drawn"] = len(questions) - n
        places = sorted(random.Random(seed).sample(range(len(questions)), n))
        questions = [questions[place] for place in places]
    testset = finish(
        collection,
        place,
        "clicks",
        parameters,
        questions,
        dropped,
        bias=BIAS,
        rows=read.rows,
        repeated_in_session=read.repeated,
        not_in_the_collection={
            "documents": len(unknown),
            "clicks": sum(unknown.values()),
            "first": list(unknown)[:NAMED_UNKNOWN],
        },
    )
    return write_testset(place, testset)


def read_log(path: str | Path, fields: Fields) -> Log:
    """Read a log and sum its clicks; queries that differ in case and spaces alone are one.

    Raises:
        InputError: the file or a line of it is not what it should be.
    """
    log = Log()
    seen: set[tuple[str, str, str]] = set()
    for where, row in _rows(Path(path)):
        query, document = (_name(row, key, where) for key in (fields.query, fields.document))
        spelled = " ".join(query.split())
        folded = spelled.casefold()
        log.rows += 1
        count = _count(row.get(fields.count) if fields.count else None, where, fields.count)
        if fields.session:
            click = (_name(row, fields.session, where), folded, document)
            if click in seen:
                log.repeated += count
                continue
            seen.add(click)
            count = 1
        if count:
            log.spelled.setdefault(folded, spelled)
            log.clicks.setdefault(folded, Counter())[document] += count
    if not log.clicks:
        raise InputError(f"{path}: expected a log of clicks, got no click in {log.rows} rows")
    return log


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (file:line, fields) of every row."""
    if path.suffix in (".csv", ".tsv"):
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, delimiter="," if path.suffix == ".csv" else "\t")
                for row in reader:
                    yield f"{path}:{reader.line_num}", row
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}: cannot be read as a table: {error}") from error
        return
    if path.suffix not in (".jsonl", ".json", ".ndjson"):
        raise InputError(f"{path}: a log must end in .jsonl, .json, .csv or .tsv")
    yield from read_records(path, 'expected a JSON object such as {"query": ..., "document": ...}')


def _name(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        seen = ", ".join(map(str, row)) or "none"
        raise InputError(
            f"{where}: expected a text in the field {key!r}, got {value!r}; fields seen: {seen} "
            "(name the right ones with --query-field, --document-field, --session-field)"
        )
    return value.strip()


def _count(value: Any, where: str, key: str) -> int:
    if value is None or value == "":
        return 1
    try:
        count = int(value)
        if isinstance(value, bool) or count < 0 or count != float(value):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"{where}: expected a whole number from 0 up in {key!r}, got {value!r}"
        ) from None
    return count


def _grades(opened: Mapping[str, int]) -> dict[str, int]:
    total = sum(opened.values())
    return {id: -(-GRADES * count // total) for id, count in opened.items()}


def _digest(path: str | Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
