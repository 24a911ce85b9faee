"""Real collections of files: every file is a document or a Skip, and no text is lost."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from samespace.text.load import LoadOptions
from samespace.types import Document

from ..datasets import dataset
from .load_files import loaded


@pytest.mark.parametrize("name", ["docs-peps", "docs-git-html", "docs-eips"])
def test_every_file_is_a_document_or_a_skip(name: str) -> None:
    folder = dataset(name) / "files"
    files = {str(path) for path in folder.rglob("*") if path.is_file()}
    result = loaded(folder, LoadOptions(hidden=True))
    taken = {document.origin for document in result.documents}
    skipped = {skip.source for skip in result.skips}
    assert taken | skipped == files == {end.origin for end in result.ends}
    assert not taken & skipped
    assert all(skip.reason.startswith("duplicate of ") for skip in result.skips)
    for document in result.documents:
        if document.media != "application/pdf":
            with open(document.origin, encoding="utf-8", newline="") as file:
                assert document.text == file.read().removeprefix("\ufeff")


def test_formats_and_titles_of_the_git_manual() -> None:
    result = loaded(dataset("docs-git-html") / "files")
    media = Counter(document.media for document in result.documents)
    assert set(media) == {"text/x-asciidoc", "text/html"}
    pages = [document for document in result.documents if document.media == "text/html"]
    assert sum(bool(page.title) for page in pages) >= 0.95 * len(pages)
    assert len({page.title for page in pages if page.title}) > 100


def test_pdfs_of_the_eips_have_text() -> None:
    result = loaded(str(dataset("docs-eips") / "files" / "**" / "*.pdf"))
    assert len(result.documents) == 26
    for document in result.documents:
        assert document.text.count("\f") == int(str(document.metadata["pages"])) - 1
        assert len(document.text) > 5_000


def test_scifact_is_whole() -> None:
    path = dataset("scifact") / "corpus.jsonl"
    with path.open(encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    result = loaded(path)
    assert result.skips == []
    assert len(result.documents) == 5183 == result.ends[0].documents
    for record, document in zip(records, result.documents, strict=True):
        assert isinstance(document, Document)
        assert (document.id, document.text) == (record["_id"], record["text"])
        assert document.title == " ".join(record["title"].split())
