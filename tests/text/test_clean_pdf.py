"""Pages of a PDF: furniture goes, words and paragraphs become whole."""

from __future__ import annotations

from tests.text.clean_laws import cleaned, labels, parts

PDF = "application/pdf"
LINE = "which fills the whole width of this page with its words"


def pages(*bodies: str) -> str:
    return "\f".join(
        f"Journal of Foxes, Vol. {n}\n{body}\nPage {n} of {len(bodies)}"
        for n, body in enumerate(bodies, 1)
    )


def test_running_lines_and_page_numbers_go() -> None:
    bodies = [f"Body {word} is a sentence of its own." for word in ("one", "two", "three", "four")]
    document = cleaned(pages(*bodies), PDF)
    assert "Journal" not in document.text
    assert "Page" not in document.text
    for body in bodies:
        assert body in document.text
    assert document.dropped["page-header"] > 0
    assert document.dropped["page-number"] == 4 * len("Page 1 of 4")


def test_lines_become_paragraphs() -> None:
    text = f"A first line {LINE}\n{LINE}\nand it ends here.\nA second one {LINE}\n{LINE}\nends too."
    assert parts(cleaned(text, PDF)) == [
        ("paragraph", f"A first line {LINE} {LINE} and it ends here."),
        ("paragraph", f"A second one {LINE} {LINE} ends too."),
    ]


def test_a_paragraph_runs_over_the_page() -> None:
    text = f"It begins here {LINE}\n{LINE} and\n\n1\n\fgoes on {LINE}\nto its end.\n\n2\n"
    document = cleaned(text, PDF)
    assert document.text == f"It begins here {LINE} {LINE} and goes on {LINE} to its end."
    assert document.dropped["page-number"] == 2


def test_hyphens_are_mended() -> None:
    text = (
        "well-known state-of-the-art and exam-\nple of a well-\nknown thing, coope-\nrates with "
        "Smith-\nJones; conven\ufffetional of\ufb01ce.\nAn example cooperates."
    )
    joined = cleaned(text, PDF).text.replace("\n\n", " ")
    assert joined == (
        "well-known state-of-the-art and example of a well-known thing, cooperates with "
        "Smith-Jones; conventional office. An example cooperates."
    )


def test_only_safe_headings_are_headings() -> None:
    text = (
        f"Abstract\nSome words {LINE}\n{LINE}.\n3 Results\nWe saw {LINE}\n{LINE}.\n"
        f"3.2 Further Results\nWe saw {LINE}\n{LINE}\n7 Foxes were seen by us in the year of\n"
        f"{LINE}.\n4 Contents 12\n"
    )
    assert labels(cleaned(text, PDF)) == [
        (1, "Abstract"),
        (1, "3 Results"),
        (2, "3.2 Further Results"),
    ]


def test_items_are_a_list() -> None:
    text = f"We need:\n• one thing {LINE}\n{LINE};\n• another thing.\nThen we go.\n"
    assert parts(cleaned(text, PDF))[1] == (
        "list",
        f"- one thing {LINE} {LINE};\n- another thing.",
    )


def test_a_heading_below_other_words_is_no_title() -> None:
    body = f"Abstract\nSome words {LINE}\n{LINE}.\n1 Results\nWe saw {LINE}\n{LINE}.\n"
    assert cleaned(body, PDF).title == "Abstract"
    below = cleaned(f"On the Foxes of Kent by A. Writer\n\n{body}", PDF)
    assert labels(below)[0] == (1, "Abstract")
    assert below.title == ""
