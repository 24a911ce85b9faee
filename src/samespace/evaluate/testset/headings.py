"""Questions from headings and titles: the author's own words for what a section says.

The heading leads to its section and the title to its body. Both are removed from the text that
is to be searched, which is why this way writes a corpus of its own: in the collection itself
every heading would find itself, in the text and in the context of the chunks.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from samespace.errors import InputError
from samespace.evaluate.corpus import whole_documents
from samespace.evaluate.testset.altered import Phrase, alter, phrase, says_little_else, section_end
from samespace.evaluate.testset.finish import Question, Span, finish, without_near, write_spans
from samespace.evaluate.testset.near import Terms, terms_of
from samespace.evaluate.testset.testset import CORPUS, EVIDENCE, TestSet, claim, write_testset
from samespace.types import Document

if TYPE_CHECKING:
    from samespace.collection import Collection

LEAST_TERMS = 3
"""Terms that a heading needs to say what it is about without the headings above it; numbers and
stop words are not counted. A title stands alone and needs one less."""
LONGEST = 200
"""Characters; longer labels are cut when documents are cleaned."""
LEAST_ANSWER = 20
"""Terms that the text below a heading needs to be an answer."""
_LOOKED_AT = 2_000
"""Characters of a section in which its terms are counted."""

_NUMBER = re.compile(r"^(?:[\dIVX]+[.)]?)(?:\d+[.)]?)*\s+(?=\D)")
_GENERIC = """abstract; acknowledgements; acknowledgments; additional information; additional notes;
additional resources; alternatives considered; appendix; author information; authors and
contributors; backward compatibility; backwards compatibility; bug fixes; change history; change
log; changelog; code examples; code of conduct; common problems; conclusion; conclusions; contents;
copyright notice; discussion; document history; example code; example usage; examples; external
links; frequently asked questions; further information; further reading; future directions; future
work; general information; getting started; how to teach this; implementation details;
implementation notes; introduction; known issues; known limitations; license information; materials
and methods; new features; next steps; open issues; open questions; other changes; other
considerations; prior art; problem statement; quick start; reference implementation; references;
rejected alternatives; rejected ideas; related work; release history; release notes; release
schedule; revision history; security considerations; security implications; see also; supplementary
material; table of contents; test cases; usage examples; version history; what's new"""
GENERIC = frozenset(map(phrase, _GENERIC.split(";")))
"""Headings that say what kind of section this is, and not what it is about."""


@dataclass(frozen=True)
class _Asked(Question):
    """A question with the number of the block that it is the heading of; None for a title."""

    heading: int | None = None


@dataclass(frozen=True)
class _Candidate:
    """A heading (the number of its block) or a title (None) that may become a question."""

    document: str
    heading: int | None
    label: str
    answered: bool


def from_headings(
    collection: Collection,
    folder: str | Path,
    *,
    n: int = 200,
    seed: int = 0,
    tune_share: float = 0.5,
) -> TestSet:
    """Make a test set from the headings and titles of a collection, with its altered corpus.

    Evaluate it on a collection of `folder/corpus.jsonl`, which holds every document under its
    own id, with its title but for the titles asked, and without metadata.

    Args:
        collection: the documents; nothing is embedded.
        folder: where the test set is to lie.
        n: how many questions, drawn with the seed, from as many documents as there are.
        seed: of all draws.
        tune_share: the share of the questions to tune on.

    Raises:
        InputError: there is no heading or title that is a question, the questions cannot be
            split, or the folder holds another test set.
    """
    if n < 1:
        raise InputError(f"n must be at least 1, got {n}")
    parameters = {"n": n, "seed": seed, "tune_share": tune_share}
    place = claim(folder, "headings", parameters)
    terms = terms_of(collection.recipe.language)
    dropped: Counter[str] = Counter()
    questions = without_near(_questions(collection, terms, dropped), terms, dropped)
    chosen = _draw(questions, n, seed)
    dropped["not drawn"] = len(questions) - len(chosen)
    spans = _write_corpus(collection, place / CORPUS, chosen)
    sections = sum(question.heading is not None for question in chosen)
    testset = finish(
        collection,
        place,
        "headings",
        parameters,
        chosen,
        dropped,
        corpus=CORPUS,
        kinds={"heading": sections, "title": len(chosen) - sections},
        sections_without_evidence=sections - len(spans),
    )
    write_spans(place / EVIDENCE, testset, spans)
    return write_testset(place, testset)


def _questions(collection: Collection, terms: Terms, dropped: Counter[str]) -> list[_Asked]:
    """Return every heading and title that is a question, in the order of the documents."""
    candidates: list[_Candidate] = []
    places: Counter[Phrase] = Counter()
    for document in whole_documents(collection):
        for candidate in _candidates(document, terms):
            places[phrase(candidate.label)] += 1
            candidates.append(candidate)
    questions = []
    for candidate in candidates:
        reason = _unfit(candidate, places, terms)
        if reason:
            dropped[reason] += 1
            continue
        metadata = {"made": "title" if candidate.heading is None else "heading"}
        questions.append(
            _Asked(candidate.label, {candidate.document: 1}, metadata, candidate.heading)
        )
    return questions


def _candidates(document: Document, terms: Terms) -> Iterator[_Candidate]:
    """Yield the title and the headings that are not the title again."""
    if document.title:
        answered = _answers(document, 0, len(document.blocks), terms)
        yield _Candidate(document.id, None, _label(document.title), answered)
    for number, block in enumerate(document.blocks):
        if block.kind != "heading" or _repeats(block.label, document.title):
            continue
        answered = _answers(document, number, section_end(document.blocks, number), terms)
        yield _Candidate(document.id, number, _label(block.label), answered)


def _repeats(label: str, title: str) -> bool:
    """Say whether a heading is the title, or one of the two is most of the other."""
    words, titled = phrase(label), phrase(title)
    return words == titled or any(
        len(part) > 1 and says_little_else(whole, [part])
        for whole, part in ((label, titled), (title, words))
    )


def _answers(document: Document, start: int, end: int, terms: Terms) -> bool:
    """Say whether the blocks have enough text besides headings."""
    parts: list[str] = []
    length = 0
    for block in document.blocks[start:end]:
        if block.kind != "heading" and length < _LOOKED_AT:
            text = document.text[block.start : block.end][:_LOOKED_AT]
            parts.append(text)
            length += len(text)
    return len(terms(" ".join(parts))) >= LEAST_ANSWER


def _label(label: str) -> str:
    return _NUMBER.sub("", label).strip()


def _unfit(candidate: _Candidate, places: Counter[Phrase], terms: Terms) -> str:
    """Return why a heading is no question; "" if it is one."""
    words = phrase(candidate.label)
    telling = [term for term in terms(candidate.label) if not term[0].isdigit()]
    if words in GENERIC:
        return "generic"
    if len(telling) < LEAST_TERMS - (candidate.heading is None):
        return "too short, or numbers"
    if len(candidate.label) >= LONGEST:
        return "too long"
    if places[words] > 1:
        return "ambiguous: stands above several texts"
    if not candidate.answered:
        return "too little text below"
    return ""


def _draw(questions: Sequence[_Asked], n: int, seed: int) -> list[_Asked]:
    """Draw n questions, a second one of a document only after one of every document."""
    shuffled = list(questions)
    random.Random(seed).shuffle(shuffled)
    drawn: Counter[str] = Counter()
    rounds: defaultdict[int, list[_Asked]] = defaultdict(list)
    for question in shuffled:
        (document,) = question.grades
        rounds[drawn[document]].append(question)
        drawn[document] += 1
    return [question for turn in sorted(rounds) for question in rounds[turn]][:n]


def _write_corpus(
    collection: Collection, path: Path, questions: Sequence[_Asked]
) -> dict[int, Span]:
    """Write every document without what is asked of it; return the spans of the sections.

    A section that cleaning changes has no span.
    """
    asked: defaultdict[str, list[tuple[int, int | None]]] = defaultdict(list)
    for number, question in enumerate(questions):
        (id,) = question.grades
        asked[id].append((number, question.heading))
    spans: dict[int, Span] = {}
    with path.open("w", encoding="utf-8") as file:
        for document in whole_documents(collection):
            of_this = asked.get(document.id, [])
            headings = [heading for _, heading in of_this if heading is not None]
            altered = alter(document, headings, title=len(headings) < len(of_this))
            record = {"_id": document.id, "title": altered.title, "text": altered.text}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            for number, heading in of_this:
                if heading is not None and heading in altered.spans:
                    spans[number] = (document.id, *altered.spans[heading])
    return spans
