"""Plain text: wrapped prose is joined, everything else keeps its lines."""

from __future__ import annotations

from tests.text.clean_laws import cleaned, labels, parts

WRAPPED = (
    "It was the best of times, it was the worst of times, it was\n"
    "the age of wisdom, it was the age of foolishness, it was the\n"
    "epoch of belief."
)


def test_wrapped_prose_is_joined() -> None:
    document = cleaned(f"{WRAPPED}\n\n\n{WRAPPED}\n")
    joined = WRAPPED.replace("\n", " ")
    assert parts(document) == [("paragraph", joined), ("paragraph", joined)]


def test_verse_logs_tables_and_code_keep_their_lines() -> None:
    verse = "Tyger Tyger, burning bright,\nIn the forests of the night;\nWhat immortal hand"
    log = "12:00:01   INFO    started\n12:00:02   WARN    slow"
    table = "a | b\n1 | 2"
    code = "def f(x):\n    if x:\n        return 1\n    return 2"
    indented = "    $ git init\n\n    $ git add ."
    document = cleaned("\n\n".join([verse, log, table, code, f"Run:\n\n{indented}"]))
    assert parts(document) == [
        ("paragraph", verse),
        ("code", log),
        ("table", table),
        ("code", code),
        ("paragraph", "Run:"),
        ("code", indented),
    ]


def test_lists_are_kept() -> None:
    document = cleaned("Need:\n* one\n  goes on\n    + sub\n\n* two\n\n1) x\n2) y\n")
    assert parts(document) == [
        ("paragraph", "Need:"),
        ("list", "- one goes on\n  - sub\n- two"),
        ("list", "1. x\n2. y"),
    ]


def test_only_unmistakable_headings() -> None:
    document = cleaned(
        "Title\n=====\n\nSub\n---\nText.\n\n3.2 Results\n\n3.2 is a number.\n\nShort"
    )
    assert labels(document) == [(1, "Title"), (2, "Sub"), (2, "3.2 Results")]
    assert document.title == "Title"
    assert document.text == "Title\n\nSub\n\nText.\n\n3.2 Results\n\n3.2 is a number.\n\nShort"


def test_a_title_is_not_replaced() -> None:
    assert cleaned("Title\n=====\n\nx", title="Given").title == "Given"


def test_a_record_is_its_line() -> None:
    text = "One sentence. Another, with  two   spaces."
    assert cleaned(text).text == "One sentence. Another, with two spaces."
