"""Qrels: which document answers which query, and how well; their files in BEIR and TREC form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Literal

from samespace.errors import InputError
from samespace.evaluate.files import read_lines, split_columns, write_lines

HEADER = "query-id\tcorpus-id\tscore"


@dataclass(frozen=True)
class Qrels:
    """Judgements: query -> document -> grade.

    A document is relevant to a query from grade 1 upwards; its grade is its gain. 0 says that it
    was judged and is not relevant; a negative grade counts as not relevant too, as in trec_eval.
    """

    judgements: Mapping[str, Mapping[str, int]]

    def __len__(self) -> int:
        return len(self.judgements)

    def documents(self) -> set[str]:
        """Return the ids of all judged documents."""
        return {document for judged in self.judgements.values() for document in judged}


def read_qrels(path: str | PathLike[str]) -> Qrels:
    """Read judgements in BEIR or in TREC form; the columns of the first line tell which.

    BEIR form: query, document and grade, separated by single tabs, with or without a header;
    ids may hold spaces. TREC form: query, iteration (ignored), document and grade, separated by
    blanks. Grades are whole numbers.

    Raises:
        InputError: a line in neither form, a grade that is no whole number, a pair that was
            judged otherwise before; the message names file and line.
    """
    judgements: dict[str, dict[str, int]] = {}
    for where, (query, document, text) in _rows(path):
        if not re.fullmatch(r"[+-]?\d{1,15}", text, re.ASCII):
            raise InputError(f"{where}: expected a whole number as grade, got {text[:80]!r}")
        grade = int(text)
        judged = judgements.setdefault(query, {})
        if judged.setdefault(document, grade) != grade:
            raise InputError(
                f"{where}: query {query!r} and document {document!r} are judged {grade}, but "
                f"were judged {judged[document]} before; keep one of the two"
            )
    if not judgements:
        raise InputError(f"{path}: no judgements in it")
    return Qrels(judgements)


def write_qrels(
    path: str | PathLike[str], qrels: Qrels, form: Literal["beir", "trec"] = "beir"
) -> None:
    """Write judgements in BEIR form (with its header) or in TREC form.

    Raises:
        InputError: an id that the form cannot hold.
    """
    if form not in ("beir", "trec"):
        raise InputError(f'form must be "beir" or "trec", got {form!r}')

    def lines() -> Iterator[str]:
        if form == "beir":
            yield HEADER
        for query, judged in qrels.judgements.items():
            for document, grade in judged.items():
                for id in (query, document):
                    _require_writable(id, form)
                middle = "\t" if form == "beir" else " 0 "
                yield f"{query}{middle}{document}{middle[0]}{grade}"

    write_lines(path, list(lines()))


def _require_writable(id: str, form: str) -> None:
    forbidden = r"[\t\r\n]" if form == "beir" else r"[ \t\r\n]"
    if not id or re.search(forbidden, id):
        remedy = "" if form == "beir" or re.search(r"[\t\r\n]", id) else '; use form="beir"'
        raise InputError(f"the id {id!r} cannot stand in a file of {form} form{remedy}")


def _rows(path: str | PathLike[str]) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Yield (file:line, (query, document, grade)) of either form, a header left out."""
    beir = None
    for where, line in read_lines(path):
        tabbed = line.split("\t")
        first = beir is None
        if first:
            beir = len(tabbed) == 3
        columns = tabbed if beir else split_columns(line)
        if len(columns) != (3 if beir else 4) or not all(columns):
            wanted = "query, document, grade separated by single tabs"
            if not beir:
                wanted += ', or "query 0 document grade" separated by blanks'
            raise InputError(f"{where}: expected {wanted}; got {line[:80]!r}")
        query, document, grade = columns[0], columns[-2], columns[-1]
        if not (first and beir and not re.search(r"\d", grade)):
            yield where, (query, document, grade.strip(" "))
