"""AsciiDoc: structure is kept, directives are dropped and counted."""

from __future__ import annotations

import re
from collections import Counter

from tests.datasets import dataset
from tests.text.clean_laws import cleaned, labels, parts

ADOC = "text/x-asciidoc"


def test_structure_becomes_blocks() -> None:
    document = cleaned(
        "= Title\n:toc:\n\nwrapped *bold*\n_text_ and `code *x*`.\n\nUnder\n-----\n\n"
        "include::x.adoc[]\n// comment\n[[anchor]]\n* a\n** b\n* c\n+\nmore\n\n"
        "//-\n. x\n. y\n\n//-\n"
        "-p::\n-u::\n\tPatch.\n+\n--\nMore.\n\n* item\n--\n\n"
        "[source,c]\n----\nint  x;\n\n  y\n----\n\n....\nlit\n....\n\n"
        "|===\n|A |B\n|1 |2\n|===\n\n____\nquoted\n____\n",
        ADOC,
    )
    assert parts(document) == [
        ("heading", "Title"),
        ("paragraph", "wrapped bold text and code *x*."),
        ("heading", "Under"),
        ("list", "- a\n  - b\n- c\n  more"),
        ("list", "1. x\n2. y"),
        ("list", "-p, -u: Patch.\n  More.\n  - item"),
        ("code", "int  x;\n\n  y"),
        ("code", "lit"),
        ("table", "A | B\n1 | 2"),
        ("quote", "quoted"),
    ]
    assert labels(document) == [(1, "Title"), (2, "Under")]
    assert document.dropped["directive"] > 0
    assert document.dropped["attribute"] > 0
    assert document.dropped["comment"] > 0


def test_inline_marks() -> None:
    raw = (
        "linkgit:git-foo[1] <<id,the text>> <<id>> link:x.html[a page] https://x.y[site] "
        "{asterisk} a_b_c 2 * 3 * 4 HEAD^^ {unknown} &lt;b&gt; kbd:[Ctrl]"
    )
    assert cleaned(raw, ADOC).text == (
        "git-foo(1) the text id a page site * a_b_c 2 * 3 * 4 HEAD^^ {unknown} <b> Ctrl"
    )


def test_manual_sources_read_like_their_pages() -> None:
    """The words of a page that was made from the source, where the source includes no others."""
    word = re.compile(r"[^\W_]{3,}")
    shared = total = 0
    for path in sorted(dataset("docs-git-html").glob("files/git-*.adoc"))[::6]:
        source = path.read_text(encoding="utf-8")
        page = path.with_suffix(".html")
        if "include::" in source or "ifdef" in source or not page.exists():
            continue
        made = Counter(word.findall(cleaned(page.read_text(encoding="utf-8"), "text/html").text))
        read = Counter(word.findall(cleaned(source, ADOC).text))
        shared += (made & read).total()
        total += made.total()
    assert shared / total > 0.98
