"""The context of chunks: title and heading path, within a quarter of the budget."""

from __future__ import annotations

from samespace.text.chunk import chunk
from samespace.text.recipe import Recipe
from samespace.types import Chunk, Document
from tests.text.chunk_counters import characters, word_piece
from tests.text.chunk_documents import build, prose

count = word_piece()


def cut(document: Document, max_tokens: int = 64) -> list[Chunk]:
    return chunk(document, count, Recipe(max_tokens))


def test_title_and_path_without_what_the_text_shows() -> None:
    document = build(
        ("heading", "Naming", 1),
        ("paragraph", prose(40)),
        ("heading", "Constants", 2),
        ("paragraph", prose(80)),
        title="Style Guide",
    )
    chunks = cut(document)
    assert [(c.heading, c.context) for c in chunks] == [
        (("Naming",), "Style Guide"),
        (("Naming", "Constants"), "Style Guide > Naming"),
        (("Naming", "Constants"), "Style Guide > Naming > Constants"),
    ]
    assert chunks[1].input == "Style Guide > Naming\n" + chunks[1].text


def test_a_title_equal_to_the_first_heading_is_not_repeated() -> None:
    document = build(("heading", "Style guide", 1), ("paragraph", prose(100)), title="Style  Guide")
    first, *rest = cut(document)
    assert first.context == ""
    assert {c.context for c in rest} == {"Style Guide > Style guide"}
    same = build(("heading", "Guide", 1), ("paragraph", prose(100)), title="Guide")
    assert [c.context for c in cut(same)][:2] == ["", "Guide"]


def test_context_can_be_left_out() -> None:
    document = build(("heading", "Naming", 1), ("paragraph", prose(80)), title="Style Guide")
    chunks = chunk(document, count, Recipe(64, context=False))
    assert {c.context for c in chunks} == {""}
    assert {c.heading for c in chunks} == {("Naming",)}
    assert sum(c.dropped for c in chunks) == 0


def test_long_paths_lose_outer_headings_first() -> None:
    document = build(
        ("heading", "An outer heading of several words", 1),
        ("heading", "A middle heading that alone takes most of all the room there is", 2),
        ("heading", "Inner", 3),
        ("paragraph", prose(200)),
        title="The title",
    )
    last = cut(document)[-1]
    assert last.context == "The title > Inner"
    assert last.dropped == 0
    assert last.heading[0] == "An outer heading of several words"


def test_a_long_title_is_cut_between_words_and_counted_once() -> None:
    title = " ".join(f"word{n}" for n in range(40))
    document = Document("d", prose(200), title)
    chunks = chunk(document, characters, Recipe(200))
    context = chunks[0].context
    assert title.startswith(context + " ")
    assert 198 // 4 < len(context) <= 198 // 2
    assert all(len(c.context) <= 198 // 2 for c in chunks)
    assert chunks[0].dropped == len(title) - len(context)
    assert sum(c.dropped for c in chunks[1:]) == 0


def test_a_title_cut_in_some_contexts_only_is_not_lost() -> None:
    title = "A title of some words"
    document = build(
        ("paragraph", prose(8)),
        ("heading", "A quite long heading that leaves the title next to no room", 1),
        ("paragraph", prose(200)),
        title=title,
    )
    chunks = cut(document)
    assert chunks[0].context == title
    assert not chunks[-1].context.startswith(title)
    assert sum(c.dropped for c in chunks) == 0


def test_context_takes_at_most_a_quarter_and_half_where_the_document_begins() -> None:
    for words in (1, 5, 20, 100):
        for label in ("Short", "long heading " * 20):
            document = build(
                ("heading", label, 1), ("paragraph", prose(100)), title="title " * words
            )
            for c in cut(document):
                limit = 62 // 2 if c.start < document.blocks[0].end else 62 // 4
                assert count([c.context + "\n"])[0] - 2 <= limit


def test_a_long_title_is_embedded_whole_at_the_beginning() -> None:
    title = " ".join(f"word{n}" for n in range(12))
    document = build(("paragraph", "Short."), ("paragraph", prose(200)), title=title)
    chunks = chunk(document, characters, Recipe(198))
    assert chunks[0].context == title
    assert chunks[-1].context != title
    assert sum(c.dropped for c in chunks) == 0


def test_a_title_of_one_giant_word_leaves_the_text() -> None:
    document = Document("d", "Some text here.", "x" * 500)
    (only,) = chunk(document, characters, Recipe(100))
    assert only.context == ""
    assert only.dropped == 500
