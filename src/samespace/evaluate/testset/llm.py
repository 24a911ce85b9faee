"""Questions from a language model, kept only where their own passage answers them and no other.

A model that is asked for a question also asks ones that nothing answers, or that half the
collection answers. So each question is checked by two more calls: given its passage alone, the
model must answer with a quote that stands there, letter by letter; given the best passages of
other documents, it must not find an answer.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.errors import InputError
from samespace.evaluate.testset.chat import BudgetSpent, Chat, Journal, Message
from samespace.evaluate.testset.finish import Question, Span, finish, without_near, write_spans
from samespace.evaluate.testset.headings import LEAST_ANSWER
from samespace.evaluate.testset.near import Terms, terms_of
from samespace.evaluate.testset.prompts import (
    AGAIN,
    ASK,
    ELSEWHERE,
    PROMPTS,
    PROMPTS_VERSION,
    QUOTE,
    Malformed,
    fill,
    locate,
    parse,
)
from samespace.evaluate.testset.testset import EVIDENCE, TestSet, claim, write_testset
from samespace.text.chunk import chunk

if TYPE_CHECKING:
    from samespace.collection import Collection
    from samespace.types import Chunk

ANSWERS = "answers.jsonl"
OTHERS = 3
"""Passages of other documents, the best by hybrid search, that must not answer a question."""
WORKERS = 4
LEAST_TERMS = 2
LONGEST = 300
BIAS = (
    "The questions were written by a language model that saw the passage: they lean on its words "
    "and favour what a model finds worth asking, not what users ask."
)
_OF_THE_PASSAGE = re.compile(
    r"\b(?:(?:this|the|that) (?:given |above |following )?(?:passage|text|document|excerpt|"
    r"section|snippet|author))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Passage:
    chunk: Chunk
    title: str


@dataclass(frozen=True)
class _Generated(Question):
    """A question with the span of the quote that answers it."""

    span: Span = ("", -1, -1, "")


def from_llm(
    collection: Collection,
    folder: str | Path,
    url: str,
    model: str,
    *,
    key_env: str = "OPENAI_API_KEY",
    n: int = 100,
    seed: int = 0,
    tune_share: float = 0.5,
    max_calls: int | None = None,
    workers: int = WORKERS,
) -> TestSet:
    """Make a test set by a language model behind an OpenAI-compatible endpoint.

    Every answer is kept in `folder/answers.jsonl` at once: a run that is interrupted, or stops
    because its calls are spent, goes on from there when it is started again.

    Args:
        collection: the documents. Passages are its chunks, one of each document before a
            second one of any.
        folder: where the test set is to lie.
        url: the base of the endpoint, such as https://api.openai.com/v1.
        model: the name of the model there.
        key_env: the environment variable with the key.
        n: how many questions to make; fewer where passages or calls run out.
        seed: of all draws; sent to the endpoint too, with temperature 0.
        tune_share: the share of the questions to tune on.
        max_calls: how many requests may be sent in this run, failed ones included.
        workers: how many questions are worked on at the same time.

    Raises:
        MissingExtra: httpx is not installed.
        InputError: the endpoint refuses; no question is left; they cannot be split; the folder
            holds another test set.
        ModelError: the endpoint cannot be reached.
    """
    if n < 1 or workers < 1:
        raise InputError(f"n and workers must be at least 1, got {n} and {workers}")
    terms = terms_of(collection.recipe.language)
    dropped: Counter[str] = Counter()
    kept: list[_Generated] = []
    stopped = ""
    parameters = {
        "model": model,
        "n": n,
        "seed": seed,
        "tune_share": tune_share,
        "prompts_version": PROMPTS_VERSION,
        "temperature": 0,
        "other_passages": OTHERS,
    }
    place = claim(folder, "llm", parameters)
    journal = Journal(place / ANSWERS)
    pool = ThreadPoolExecutor(workers)
    try:
        with Chat(url, model, journal, key_env=key_env, seed=seed, max_calls=max_calls) as chat:
            passages = _passages(collection, terms, seed)
            while len(kept) < n and not stopped:
                wave = list(islice(passages, n - len(kept)))
                if not wave:
                    break
                outcomes = pool.map(lambda one: _make(collection, chat, terms, one), wave)
                for outcome in outcomes:
                    if outcome is None:
                        stopped = f"the budget of {max_calls} calls is spent"
                    elif isinstance(outcome, str):
                        dropped[outcome] += 1
                    else:
                        kept.append(outcome)
                kept = without_near(kept, terms, dropped)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        journal.close()
    testset = finish(
        collection,
        place,
        "llm",
        parameters,
        kept,
        dropped,
        bias=BIAS,
        endpoint=chat.url,
        prompts=PROMPTS,
        usage={"requests_of_this_run": chat.calls, **chat.usage},
        stopped=stopped,
    )
    write_spans(place / EVIDENCE, testset, {at: question.span for at, question in enumerate(kept)})
    return write_testset(place, testset)


def _passages(collection: Collection, terms: Terms, seed: int) -> Iterator[_Passage]:
    """Yield the chunks of a collection in an order drawn with the seed, documents in turn.

    Of chunks with the same text only one: a question about it is ambiguous whoever asks.
    """
    draw = random.Random(seed)
    ids = [known.id for known in collection.documents()]
    draw.shuffle(ids)
    seen: set[str] = set()
    waiting: list[list[_Passage]] = []
    for id in ids:
        document = collection.document(id)
        if document is None:
            continue
        chunks = chunk(document, lambda texts: collection.embedder.count(texts), collection.recipe)
        fresh = {piece.text: piece for piece in chunks if piece.text not in seen}
        seen.update(fresh)
        fit = [
            _Passage(piece, document.title)
            for piece in fresh.values()
            if len(terms(piece.text)) >= LEAST_ANSWER
        ]
        draw.shuffle(fit)
        if fit:
            waiting.append(fit)
            yield fit.pop()
    while waiting := [fit for fit in waiting if fit]:
        for fit in waiting:
            yield fit.pop()


def _make(
    collection: Collection, chat: Chat, terms: Terms, passage: _Passage
) -> _Generated | str | None:
    """Return a question with its quote, why there is none, or None if no calls are left."""
    piece = passage.chunk
    about = " > ".join(part for part in (passage.title, *piece.heading) if part)
    try:
        text = _ask(
            chat,
            fill(ASK, title=f' called "{about}"' if about else "", passage=piece.text),
            "question",
            str,
        )
        reason = _unfit(text, terms)
        if reason:
            return reason
        text = " ".join(text.split())
        quote = _ask(chat, fill(QUOTE, passage=piece.text, question=text), "quote", str)
        if quote is None:
            return "its passage does not answer it"
        found = locate(quote, piece.text)
        if found is None:
            return "the quote does not stand in the passage"
        others = _others(collection, text, piece.document)
        if others and _ask(chat, fill(ELSEWHERE, passages=others, question=text), "answered", bool):
            return "another document answers it too"
    except Malformed:
        return "malformed answer"
    except BudgetSpent:
        return None
    start, end = found
    span = (piece.document, piece.start + start, piece.start + end, piece.text[start:end])
    return _Generated(text, {piece.document: 1}, {"made": "llm"}, span)


def _ask(chat: Chat, messages: Sequence[Message], key: str, kind: type) -> Any:
    """Ask, and once more if the answer is not what was asked for."""
    content = chat.ask(messages)
    try:
        return parse(content, key, kind)
    except Malformed as error:
        again = [
            *messages,
            {"role": "assistant", "content": content},
            {"role": "user", "content": AGAIN.format(reason=error)},
        ]
    return parse(chat.ask(again), key, kind)


def _unfit(question: str | None, terms: Terms) -> str:
    """Return why a text is no question of a user; "" if it may be one."""
    if question is None or not question.strip():
        return "the model found nothing worth asking"
    if len(question) > LONGEST:
        return "too long"
    if len(terms(question)) < LEAST_TERMS:
        return "too short"
    if _OF_THE_PASSAGE.search(question):
        return "speaks of the passage"
    return ""


def _others(collection: Collection, question: str, source: str) -> str:
    """Return the best passages of other documents, as the model gets them."""
    hits = collection.search(question, OTHERS + 1, by_document=True, on_long="truncate")
    texts = [hit.chunk.input for hit in hits if hit.chunk.document != source][:OTHERS]
    return "\n\n".join(f"<passage>\n{text}\n</passage>" for text in texts)
