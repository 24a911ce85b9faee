"""The laws of cleaning, over every format and arbitrary text."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samespace.text.clean import clean
from samespace.types import Document
from tests.text.clean_laws import check, cleaned

CODE = ("python", "javascript", "typescript", "tsx", "go", "rust", "java", "c", "cpp", "ruby")
MEDIA = (
    "text/plain",
    "text/markdown",
    "text/x-rst",
    "text/x-asciidoc",
    "text/html",
    "application/pdf",
    "text/x-shell",
    *(f"text/x-{language}" for language in CODE),
)
# fmt: off
MARKUP = st.sampled_from([
    "\n", "\n\n", "    ", "  ", "\t", "# ", "## ", "- ", "* ", "1. ", "> ", "```", "~~~", "---",
    "===", "|", " | ", "a", "word", "Word.", "<p>", "</p>", "<div>", "<table>", "<td>",
    "</table>", "<li>", "<ul>", "</ul>", "<pre>", "<b>", "&amp;", "&#0;", "&shy;", "[", "](", ")",
    "**", "`", "::", ".. ", ":a:`", "|===", "----", "linkgit:", "<<", ">>", "[1]_", "\f",
    "\u00ad", "\u200b", "\ufeff", "\u202e", "\x00", "\ud800", "\u00a0", "e\u0301", "\u05d0",
    "def f():\n", "class A:\n", "{", "}", "(", ";", '"', "'", "//", "#", "func f() {}\n", "\r",
    "\u2028", "<h1>", "</h1>", "<!--", "-->", "<dl><dt>", "<dd>", ": ", "\\", "+\n",
])
# fmt: on
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(MARKUP, max_size=60).map("".join),
    st.lists(st.one_of(MARKUP, st.text(max_size=8)), max_size=40).map("\n".join),
)
UNHURRIED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("media", MEDIA)
def test_blocks_cover_any_text(media: str) -> None:
    @UNHURRIED
    @given(TEXTS)
    def law(text: str) -> None:
        cleaned(text, media)

    law()


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_plain_text_is_clean_after_once(text: str) -> None:
    once = cleaned(text).text
    assert cleaned(once).text == once


# Ligatures are left out: in a PDF they are how letters were set, and are written out.
LETTERS = st.characters(categories=("L", "N"), exclude_characters="ﬀﬁﬂﬃﬄﬅﬆ")


@given(st.text(alphabet=LETTERS, min_size=1, max_size=40))
def test_words_survive_in_every_format(word: str) -> None:
    expected = cleaned(word).text
    for media in MEDIA[:6]:
        assert cleaned(f"before {word} after", media).text == f"before {expected} after"


def test_a_clean_document_is_returned_as_it_is() -> None:
    once = cleaned("# A *b*\n\ntext \\*", "text/markdown")
    assert once.text == "A b\n\ntext *"
    assert clean(once) is once


@pytest.mark.parametrize("media", MEDIA)
@pytest.mark.parametrize("text", ["", " \n\t\n", "\x00\ufeff"])
def test_nothing_remains_of_nothing(media: str, text: str) -> None:
    result = clean(Document(id="d", text=text, media=media))
    assert result.text.strip() == ""
    assert result.blocks == ()


@pytest.mark.parametrize(
    ("media", "pattern"),
    [
        ("text/html", "<div>"),
        ("text/html", "<b><p>x"),
        ("text/html", "<ul><li>x"),
        ("text/html", "<table><tr><td>"),
        ("text/html", "<!--"),
        ("text/html", "<a b='"),
        ("text/html", "<pre>"),
        ("text/markdown", "["),
        ("text/markdown", "![]("),
        ("text/markdown", "> "),
        ("text/markdown", "- "),
        ("text/markdown", "*a_ "),
        ("text/markdown", "<!--"),
        ("text/x-rst", "`a "),
        ("text/x-rst", "*a "),
        ("text/x-rst", "a::\n\n"),
        ("text/x-rst", "|a| "),
        ("text/x-asciidoc", "`a *b _c "),
        ("text/x-asciidoc", "<<a,"),
        ("text/x-asciidoc", "a::\n"),
        ("application/pdf", "a-\n"),
        ("application/pdf", "page 3\f"),
        ("text/plain", "a  b\n"),
        ("text/plain", "\u200b"),
        ("text/x-python", "("),
        ("text/x-javascript", "{"),
        ("text/x-shell", "a\n\n"),
    ],
)
def test_hostile_text_takes_linear_time(media: str, pattern: str) -> None:
    start = time.process_time()
    result = clean(Document(id="d", text=pattern * (300_000 // len(pattern)), media=media))
    check(result)
    assert time.process_time() - start < 6


def test_attributes_without_end_take_linear_time() -> None:
    markup = "<p " + " ".join(f"a{i}=1" for i in range(100_000)) + ">words</p>"
    start = time.process_time()
    assert cleaned(markup, "text/html").text == "words"
    assert time.process_time() - start < 3


def test_a_depth_of_a_hundred_thousand() -> None:
    page = "<div>" * 100_000 + "deep" + "</div>" * 100_000
    assert cleaned(page, "text/html").text == "deep"
    assert "deep" in cleaned("> " * 5_000 + "deep", "text/markdown").text
    nested = "\n".join(" " * i + "- x" for i in range(0, 800, 2))
    assert cleaned(nested, "text/markdown").text.count("x") == 400
    assert cleaned(nested, "text/x-rst").text.count("x") == 400
