"""Runs read from files and written to them, in TREC and in BEIR form."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from os import PathLike
from typing import Any, Literal, NoReturn
from urllib.parse import quote, unquote

from samespace.errors import InputError
from samespace.evaluate.files import read_lines, split_columns, write_lines
from samespace.run import Retrieved, Run

Form = Literal["trec", "beir"]

_STAMP = re.compile(r"samespace:([^:\s]*):([^:\s]*):([^:\s]*):([^:\s]*)")


def write_run(path: str | PathLike[str], run: Run, form: Form = "trec") -> None:
    """Write a run, a document's score being that of its best chunk.

    TREC form has six columns: query, "Q0", document, rank, score, tag. The tag of a run of ours is
    "samespace:<space>:<recipe>:<mode>:<name>"; that of any other is its name. A query that found
    nothing cannot stand in it, and counts as missing when it is read again.

    BEIR form is JSON, {query: {document: score}}. There the stamp stands first as a query that
    found nothing, which whoever evaluates ignores, since nobody judged it.

    Scores are written so that they are read again exactly. Spans and times are not kept.

    Raises:
        InputError: an id with a blank in it, which TREC form cannot hold; the file cannot be
            written.
    """
    if form == "beir":
        record: dict[str, dict[str, float]] = {_stamp(run): {}} if run.space else {}
        write_lines(path, [json.dumps({**record, **run.documents()}, ensure_ascii=False)])
    elif form == "trec":
        write_lines(path, list(_trec_lines(run)))
    else:
        raise InputError(f'form must be "trec" or "beir", got {form!r}')


def read_run(path: str | PathLike[str]) -> Run:
    """Read a run in TREC or in BEIR form, with the stamp that `write_run` left in it.

    The order is by score; the rank column is ignored, as trec_eval does.

    Raises:
        InputError: a line in neither form, a score that is no finite number, a document twice
            under one query; the message names file and line.
    """
    lines = list(read_lines(path))
    if not lines:
        raise InputError(f"{path}: no results in it")
    if lines[0][1].lstrip()[0] == "{" and lines[-1][1].rstrip()[-1] == "}":
        scores, tag = _read_beir(str(path), "\n".join(line for _, line in lines))
    else:
        scores, tag = _read_trec(lines)
    results = {
        query: tuple(
            Retrieved(document, score)
            for document, score in sorted(found.items(), key=lambda item: -item[1])
        )
        for query, found in scores.items()
    }
    stamp = _STAMP.fullmatch(tag)
    if stamp is None:
        return Run(results, name=tag)
    space, recipe, mode, name = stamp.groups()
    return Run(results, space, recipe, mode, unquote(name))


def _stamp(run: Run) -> str:
    return f"samespace:{run.space}:{run.recipe}:{run.mode}:{quote(run.name, safe='')}"


def _trec_lines(run: Run) -> Iterator[str]:
    tag = _stamp(run) if run.space else re.sub(r"\s+", "_", run.name) or "run"
    for query, found in run.documents().items():
        ordered = sorted(found.items(), key=lambda item: -item[1])
        for rank, (document, score) in enumerate(ordered, 1):
            for id in (query, document):
                if not id or re.search(r"[ \t\r\n]", id):
                    raise InputError(
                        f"the id {id!r} cannot stand in TREC form, where blanks separate the "
                        'columns; use BEIR form: form="beir", or a file name that ends in .json'
                    )
            yield f"{query} Q0 {document} {rank} {float(score)!r} {tag}"


def _read_trec(lines: list[tuple[str, str]]) -> tuple[dict[str, dict[str, float]], str]:
    scores: dict[str, dict[str, float]] = {}
    tag = ""
    for where, line in lines:
        columns = split_columns(line)
        if len(columns) != 6:
            raise InputError(
                f'{where}: expected six columns, "query Q0 document rank score tag", or a file '
                f"of JSON, {{query: {{document: score}}}}; got {line[:80]!r}"
            )
        query, _, document, _, text, tag = columns
        try:
            score = float(text)
        except ValueError:
            raise InputError(f"{where}: expected a number as score, got {text!r}") from None
        found = scores.setdefault(query, {})
        if document in found:
            raise InputError(f"{where}: document {document!r} stands twice under query {query!r}")
        found[document] = _finite(score, where)
    return scores, tag


def _read_beir(path: str, text: str) -> tuple[dict[str, dict[str, float]], str]:
    try:
        record = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: expected JSON, {{query: {{document: score}}}}, but: {error}"
        ) from error
    scores: dict[str, dict[str, float]] = {}
    tag = ""
    for query, found in record.items():
        if not isinstance(found, dict):
            raise InputError(
                f"{path}: expected {{query: {{document: score}}}}, got {found!r} for {query!r}"
            )
        if not found and not scores and _STAMP.fullmatch(query):
            tag = query
            continue
        for document, score in found.items():
            if isinstance(score, bool) or not isinstance(score, int | float):
                raise InputError(
                    f"{path}: expected a number as score of {document!r} under {query!r}, "
                    f"got {score!r}"
                )
        where = f"{path}, query {query!r}"
        scores[query] = {id: _finite(score, where) for id, score in found.items()}
    return scores, tag


def _finite(score: float, where: str) -> float:
    with suppress(OverflowError):  # a whole number of JSON may exceed every float
        if math.isfinite(score):
            return float(score)
    raise InputError(f"{where}: expected a finite score, got {str(score)[:80]}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{double!r} stands twice in one JSON object")
    return record


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"expected finite scores, got {text}")
