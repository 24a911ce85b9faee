"""reStructuredText: nothing included, nothing unknown, nothing lost."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.datasets import dataset
from tests.text.clean_laws import cleaned, labels, parts

RST = "text/x-rst"


def test_structure_becomes_blocks() -> None:
    document = cleaned(
        "Title\n=====\n\nwrapped *a*\n**b** ``c`` `text <http://x.y>`_ |s| [1]_ x_.\n\n"
        ".. |s| replace:: the *substitute*\n\n"
        "Sub\n---\n\n- a\n\n  - b\n- c\n\nterm\n    meaning\n\n"
        "See::\n\n    x = 1\n\n    y\n\n===  ===\nA    B\n===  ===\n1    2\n===  ===\n\n"
        "    a quote\n\n| one\n| two\n\n.. [1] A note.\n\n.. a comment\n",
        RST,
    )
    assert parts(document) == [
        ("heading", "Title"),
        ("paragraph", "wrapped a b c text the substitute [1] x."),
        ("heading", "Sub"),
        ("list", "- a\n  - b\n- c"),
        ("list", "term: meaning"),
        ("paragraph", "See:"),
        ("code", "x = 1\n\ny"),
        ("table", "A | B\n1 | 2"),
        ("quote", "a quote"),
        ("paragraph", "one\ntwo"),
        ("paragraph", "[1] A note."),
    ]
    assert labels(document) == [(1, "Title"), (2, "Sub")]
    assert document.dropped["comment"] > 0


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        (":pep:`484`", "PEP 484"),
        (":pep:`8#names`", "PEP 8"),
        (":rfc:`2822`", "RFC 2822"),
        (":func:`foo`", "foo"),
        (":py:class:`~a.b.C`", "C"),
        (":ref:`the text <label>`", "the text"),
        (":zork:`thing`", "thing"),
        (":math:`a < b`", "a < b"),
        ("x\\ :sup:`2`", "x^2"),
    ],
)
def test_roles_are_their_words(markup: str, words: str) -> None:
    assert cleaned(markup, RST).text == words


def test_directives_keep_their_words() -> None:
    text = cleaned(
        ".. note:: Mind\n   this.\n\n.. code-block:: c\n   :emphasize-lines: 1\n\n   int  x;\n\n"
        ".. zork:: argument\n   :option: 1\n\n   Body *text*.\n\n   .. zork::\n\n      Inner.\n\n"
        ".. versionadded:: 3.8\n\n.. toctree::\n\n   gone\n\n.. raw:: html\n\n   <b>gone</b>\n",
        RST,
    ).text
    assert text == "Note: Mind this.\n\nint  x;\n\nargument\n\nBody text.\n\nInner.\n\n3.8"


def test_files_are_never_included(capfd: pytest.CaptureFixture[str]) -> None:
    text = cleaned(
        ".. include:: /etc/hostname\n\n.. csv-table::\n   :file: /etc/passwd\n\nx\n", RST
    )
    assert "root:" not in text.text
    assert text.text.endswith("x")
    assert capfd.readouterr().err == ""


def test_a_misplaced_heading_is_not_lost() -> None:
    text = cleaned(
        "A\n=\n\nx\n\nB\n-\n\ny\n\nC\n~\n\nz\n\nD\n^\n\n- i\n\n  E\n  =\n\n  w\n", RST
    ).text
    assert {"x", "y", "z", "E", "w"} <= set(text.split())


def test_a_proposals_header_becomes_metadata() -> None:
    document = cleaned(
        "PEP: 8\nTitle: Style: a Guide\nAuthor: A <a@b.c>,\n        B\nPython-Version: 3.10\n\n"
        "Abstract\n========\n\nText.\n",
        RST,
    )
    assert document.title == "PEP 8 – Style: a Guide"
    assert document.metadata["pep"] == 8
    assert document.metadata["author"] == "A <a@b.c>, B"
    assert document.metadata["python-version"] == "3.10"
    assert document.text == "Abstract\n\nText."


def test_proposals_keep_their_words() -> None:
    """Nearly every word of the source, on some PEPs; targets of links and comments go."""
    word = re.compile(r"[^\W_]+")
    kept = total = 0
    for path in sorted(dataset("docs-peps").glob("files/peps/pep-*.rst"))[::60]:
        source = path.read_text(encoding="utf-8")
        document = cleaned(source, RST)
        assert document.title
        assert not re.search(r":(?:pep|func|class|ref):`", document.text)
        body = source.partition("\n\n")[2]
        body = re.sub(r"^\.\. .*(?:\n(?:   .*|\s*))*|<[^>]*>`|^   :.*", "", body, flags=re.M)
        words, found = Counter(word.findall(body)), Counter(word.findall(document.text))
        kept += (words & found).total()
        total += words.total()
    assert kept / total > 0.98
