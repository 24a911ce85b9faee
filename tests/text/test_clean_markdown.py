"""Markdown: marks go, structure stays, front matter becomes metadata."""

from __future__ import annotations

from samespace.text.clean import clean
from samespace.types import Document
from tests.datasets import dataset
from tests.text.clean_laws import check, cleaned, labels, parts

MD = "text/markdown"


def test_structure_becomes_blocks() -> None:
    document = cleaned(
        "# A *b* `c`\n\nwrapped\nline with [a link](http://x.y), ![alt](i.png) and ~~old~~.\n\n"
        "Under\n-----\n\n- one\n  - two\n- three\n\n1. x\n\n   y\n\n"
        "> quoted\n\n```python\ndef f():\n\n    return '**'\n```\n\n"
        "| A | B |\n|---|:-:|\n| `1` | 2 \\| 3 |\n",
        MD,
    )
    assert parts(document) == [
        ("heading", "A b c"),
        ("paragraph", "wrapped line with a link, alt and old."),
        ("heading", "Under"),
        ("list", "- one\n  - two\n- three"),
        ("list", "1. x\n  y"),
        ("quote", "quoted"),
        ("code", "def f():\n\n    return '**'"),
        ("table", "A | B\n1 | 2 | 3"),
    ]
    assert labels(document) == [(1, "A b c"), (2, "Under")]
    assert document.title == "A b c"


def test_attributes_of_headings_are_taken_off() -> None:
    document = cleaned(
        "# Top {#top}\n\n## Next {: .wide #n data=1 }\n\n## Sets {1, 2}\n\n## `{#each}`\n\n"
        "a {#b}\n",
        MD,
    )
    assert labels(document) == [(1, "Top"), (2, "Next"), (2, "Sets {1, 2}"), (2, "{#each}")]
    assert document.text.endswith("a {#b}")
    assert document.dropped == {"attributes": len(" {#top}") + len(" {: .wide #n data=1 }")}


def test_front_matter_becomes_metadata() -> None:
    raw = Document(
        id="d",
        media=MD,
        metadata={"status": "mine"},
        text='---\ntitle: "A: b"\neip: 1\nstatus: Final\nversion: 3.10\ndraft: true\n'
        "requires: [1, 2]\ntags:\n  - a\n  - b\nempty:\n---\n\nBody --- here.\n",
    )
    document = clean(raw)
    check(document)
    assert document.title == "A: b"
    assert document.text == "Body --- here."
    assert document.metadata == {
        "title": "A: b",
        "eip": 1,
        "status": "mine",
        "version": "3.10",
        "draft": True,
        "requires": (1, 2),
        "tags": ("a", "b"),
    }
    assert document.dropped["front-matter"] > 0


def test_a_rule_is_not_front_matter() -> None:
    assert cleaned("---\nJust words.\n\n---\n\nMore.", MD).text == "Just words.\n\nMore."


def test_html_inside_is_read_as_html() -> None:
    document = cleaned(
        "a <b>bold</b> c<br>d <!-- hidden -->\n\n<details>\n<summary>More</summary>\n\n*text*\n\n"
        "</details>\n\n<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>\n\n"
        "<!-- gone -->\n\n`<i>` stays\n",
        MD,
    )
    assert document.text == "a bold c\nd\n\nMore\n\ntext\n\nA | B\n1 | 2\n\n<i> stays"
    assert document.dropped["comment"] > 0


def test_footnotes_stay() -> None:
    text = cleaned("Word[^1].\n\n[^1]: https://example.org\n\n[x]: https://gone.org\n", MD).text
    assert text == "Word[^1].\n\n[^1]: https://example.org"


def test_nesting_beyond_the_parser_keeps_the_words() -> None:
    assert "deep" in cleaned("> " * 500 + "deep", MD).text


def test_proposals_lose_their_marks() -> None:
    for path in sorted(dataset("docs-eips").glob("files/EIPS/*.md"))[::40]:
        document = cleaned(path.read_text(encoding="utf-8"), MD)
        assert document.metadata["eip"]
        prose = [text for kind, text in parts(document) if kind in ("paragraph", "heading")]
        assert prose
        assert not [text for text in prose if text.startswith(("# ", "## ", "```"))]
