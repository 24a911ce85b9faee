"""Does a collection hold the documents that were judged? If not, its scores mean nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from samespace.collection import Collection
from samespace.errors import InputError
from samespace.evaluate.metrics import Judgements
from samespace.evaluate.qrels import Qrels
from samespace.text.load import load
from samespace.types import Document


def absent_documents(
    collection: Collection, qrels: Judgements, where: str | None = None
) -> set[str]:
    """Return the ids of the judged documents that the collection does not hold.

    Args:
        collection: what is to be evaluated.
        qrels: the judgements.
        where: the filter of the search; what it leaves out counts as not held.

    Raises:
        InputError: it holds none of them: every score would be 0 and look like a finding.
    """
    judged = _judged(qrels)
    held = {document.id for document in collection.documents(where=where)}
    if not held:
        none = "is empty" if where is None else f"has no document that the filter accepts: {where}"
        raise InputError(f"{collection.path} {none}")
    if judged.isdisjoint(held):
        if where is not None:
            absent_documents(collection, qrels)  # raises if it is not for the filter
            raise InputError(f"the filter accepts no judged document: {where}")
        raise InputError(
            f"no judged document is in {collection.path}: its documents have ids such as "
            f"{min(held)!r}, the judgements name such as {min(judged)!r}; "
            "index the corpus by the same ids (of JSON lines and tables: --id-field)"
        )
    return judged - held


def whole_documents(collection: Collection) -> Iterator[Document]:
    """Yield every document of a collection with its text."""
    for stored in collection.documents():
        document = collection.document(stored.id)
        if document is not None:  # deleted since
            yield document


def require_corpus(collection: Collection, corpus: Path, qrels: Judgements) -> None:
    """Refuse a collection that holds the judged documents with another text than the corpus.

    A test set that was made from headings has a corpus without those headings; in the original
    text every question would find itself.

    Args:
        collection: what is to be evaluated.
        corpus: the corpus of the test set, JSON lines in BEIR form.
        qrels: the judgements of the test set.

    Raises:
        InputError: a judged document is not there, or not with the text of the corpus.
    """
    held = {document.id: document.content_hash for document in collection.documents()}
    other = other_documents(held, corpus, qrels)
    if other:
        raise InputError(
            f"the questions of this test set stand in the text that they were made from, so it "
            f"has a corpus of its own, without them. {collection.path} was not built from that "
            f"corpus, or not from its present state: {len(other)} of the judged documents differ, "
            f"such as {other[0]!r}. Build it, and evaluate that:\n"
            f"  samespace sync {corpus} --into {corpus.parent / 'kb'}\n"
            f"  samespace eval {corpus.parent / 'kb'} --testset {corpus.parent}"
        )


def other_documents(held: Mapping[str, str], corpus: Path, qrels: Judgements) -> list[str]:
    """Return the ids of the judged documents of a corpus that are not held with its content.

    Args:
        held: {document id: digest of its content}.
        corpus: the corpus of a test set.
        qrels: its judgements.
    """
    judged = _judged(qrels)
    return [
        item.id
        for item in load(corpus)
        if isinstance(item, Document)
        and item.id in judged
        and held.get(item.id) != item.content_hash
    ]


def _judged(qrels: Judgements) -> set[str]:
    return (qrels if isinstance(qrels, Qrels) else Qrels(qrels)).documents()
