"""HTML: the content stays whole, the page around it goes."""

# ruff: noqa: SIM905 - a list of words reads best as running text
from __future__ import annotations

import re
from collections import Counter

import pytest

from samespace.text.clean import clean
from samespace.types import Document
from tests.datasets import dataset
from tests.text.clean_laws import cleaned, labels, parts

HTML = "text/html"
PROSE = "The quick brown fox jumps over the lazy dog, again and again. " * 6

PAGE = f"""<!DOCTYPE html><html><head><title>Site | Foxes</title><style>p{{color:red}}</style>
<script>var tracking = "<p>not text</p>";</script></head><body class="has-sidebar">
<a class="skip-link" href="#main">Skip to content</a>
<div id="onetrust-consent-sdk"><p>We value your privacy. Accept all cookies?</p></div>
<div class="cookie-banner">This site uses cookies <button>OK</button></div>
<header><h1>Example Site</h1><nav><ul><li><a href="/">Home</a></li></ul></nav></header>
<div role="navigation">Menu</div><ol class="breadcrumbs"><li>Home</li><li>Animals</li></ol>
<main><article><header><h1>Foxes</h1><p>By A. Writer</p></header>
<div class="toc"><p>Contents of this page</p></div>
<p>{PROSE}</p><h2>Habitat<a class="headerlink" href="#h">¶</a></h2>
<p>Forests &amp; <b>fi</b>elds, 10<sup>6</sup> of them.<br>H<sub>2</sub>O.</p>
<aside class="note"><p>Foxes are shy.</p></aside>
<aside>Related pages</aside>
<div class="share-buttons">Tweet this</div><div class="related-posts">Ten badgers</div>
<div class="newsletter-signup">Subscribe</div><p hidden>secret</p><p style="display: none">gone</p>
<footer><p>Written in spring.</p></footer></article></main>
<div class="sidebar">Popular posts</div><form><input><label>Newsletter</label></form>
<footer>© Example Inc.</footer><noscript>Enable JavaScript</noscript></body></html>"""


def test_the_page_around_the_content_goes() -> None:
    document = cleaned(PAGE, HTML)
    for furniture in (
        "tracking color Skip privacy cookies Home Menu Animals Contents Related Tweet secret gone "
        "badgers Subscribe Popular Newsletter Inc. JavaScript ¶ Example"
    ).split():
        assert furniture not in document.text
    assert document.text.startswith("Foxes\n\nBy A. Writer\n\nThe quick brown fox")
    assert "Forests & fields, 10^6 of them.\nH2O." in document.text
    assert "Foxes are shy." in document.text
    assert "Written in spring." in document.text
    assert labels(document) == [(1, "Foxes"), (2, "Habitat")]
    assert document.title == "Foxes"
    for kind in ("script", "style", "navigation", "cookie-notice", "page-header", "page-footer"):
        assert document.dropped[kind] > 0


@pytest.mark.parametrize(
    ("title", "body", "expected"),
    [
        ("Foxes | Animals | Example", "<h1>Foxes</h1><h2>Food</h2>", "Foxes"),
        ("fauna - Do foxes hunt? - Answers", "<h1>Do foxes hunt?</h1>", "Do foxes hunt?"),
        ("Foxes — Zoo", "<h1>Zoo</h1><h2>Foxes</h2>", "Foxes — Zoo"),
        ("Foxes | Zoo", "<h1>Zoo</h1><h2>Food</h2>", "Foxes | Zoo"),
        ("A fox - in short", "<h1>Other</h1>", "A fox - in short"),
        ("Fox-trot", "<h1>Fox</h1>", "Fox-trot"),
    ],
)
def test_the_title_of_a_page_loses_the_name_of_the_site(
    title: str, body: str, expected: str
) -> None:
    page = f"<title>{title}</title>{body}<p>{PROSE}"
    document = clean(Document("d", page, title=title, media=HTML))
    assert document.title == expected


def test_structure_becomes_blocks() -> None:
    document = cleaned(
        "<h1>T</h1><ul><li>a<ul><li>b</li></ul></li><li>c</li></ul><ol start=3><li>x<li>y</ol>"
        "<dl><dt>-p</dt><dt>-u</dt><dd><p>Patch.</p><p>More.</p></dd><dt>alone</dt></dl>"
        "<table><caption>Cap</caption><tr><th>A<th>B<tr><td>1<td><p>2</p><p>3</p></table>"
        "<pre>  if x:\n\n    <b>y</b> &lt; 1\n</pre><blockquote><p>q1<p>q2</blockquote>",
        HTML,
    )
    assert parts(document) == [
        ("heading", "T"),
        ("list", "- a\n  - b\n- c"),
        ("list", "3. x\n4. y"),
        ("list", "-p, -u: Patch.\n  More.\nalone"),
        ("table", "Cap\nA | B\n1 | 2 3"),
        ("code", "  if x:\n\n    y < 1"),
        ("quote", "q1"),
        ("quote", "q2"),
    ]


def test_code_breaks_a_list_and_loses_nothing() -> None:
    document = cleaned("<ol><li>Run<pre>a  b</pre>then</li><li>stop</li></ol>", HTML)
    assert parts(document) == [
        ("list", "1. Run"),
        ("code", "a  b"),
        ("list", "then\n2. stop"),
    ]


def test_words_are_neither_glued_nor_split() -> None:
    markup = (
        "<div>one</div><div>two</div><p>th<i>re</i>e<a>four</a><a>five</a> si&shy;x<img alt=seven>"
    )
    assert cleaned(markup, HTML).text.split() == ["one", "two", "threefour", "five", "six", "seven"]


def test_layout_tables_are_no_tables() -> None:
    document = cleaned("<table><tr><td><h1>T</h1><p>a</p><td><pre>b</pre></table>", HTML)
    assert parts(document) == [("heading", "T"), ("paragraph", "a"), ("code", "b")]


def test_text_is_never_lost_to_a_rule() -> None:
    inside = f"<div class='sidebar'><p>{PROSE}</p></div>"
    assert PROSE.strip() in cleaned(f"<body><p>short</p>{inside}</body>", HTML).text
    assert PROSE.strip() in cleaned(f"<form>{inside}<input></form>", HTML).text
    assert PROSE.strip() in cleaned(f"<nav><p>{PROSE}</p></nav>", HTML).text


def test_the_pages_title_where_no_heading_is() -> None:
    assert cleaned("<title>A  page</title><p>x", HTML).title == "A page"


def test_a_heading_before_the_main_part_stays() -> None:
    page = f"<div><h1>Top</h1><h2>NAME</h2></div><div id=content><p>{PROSE}</p></div><p>after</p>"
    document = cleaned(page, HTML)
    assert document.text == f"Top\n\nNAME\n\n{PROSE.strip()}"
    assert document.dropped["outside-main"] == len("after")


def test_escaped_markup_is_text() -> None:
    assert cleaned("<p>Use &lt;b&gt; for <code>&lt;i></code></p>", HTML).text == "Use <b> for <i>"


def test_manual_pages_keep_their_words() -> None:
    """Every word of the body outside of contents and footer, on every eighth page of Git's."""
    from selectolax.lexbor import LexborHTMLParser

    word = re.compile(r"\w+")
    kept = total = 0
    for path in sorted(dataset("docs-git-html").glob("files/**/*.html"))[::8]:
        markup = path.read_text(encoding="utf-8")
        tree = LexborHTMLParser(markup)
        for node in tree.css("script, style, #footer, #toc, .toc"):
            node.decompose()
        visible = Counter(word.findall(tree.body.text(separator=" "))) if tree.body else Counter()
        document = cleaned(markup, HTML)
        found = Counter(word.findall(document.text))
        kept += (visible & found).total()
        total += visible.total()
        for tag in re.findall(r"<(/?(?:div|span|td|tr|dl|dd|dt|h\d)\b)", document.text):
            assert f"&lt;{tag}" in markup
    assert kept / total > 0.999
