"""Where chunks end: along sections, blocks, items, rows, lines and sentences."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from samespace.text.chunk import boundary_report, chunk
from samespace.text.recipe import Recipe
from samespace.types import Block, Chunk, Document
from tests.text.chunk_counters import characters, word_piece
from tests.text.chunk_documents import build, prose

count = word_piece()


def cut(document: Document, max_tokens: int = 64, **options: object) -> list[Chunk]:
    return chunk(document, count, Recipe(max_tokens, context=False, **options))  # type: ignore[arg-type]


def test_small_siblings_share_a_chunk() -> None:
    document = build(
        ("heading", "Guide", 1),
        ("heading", "One", 2),
        ("paragraph", prose(16)),
        ("heading", "Two", 2),
        ("paragraph", prose(16)),
        ("heading", "Appendix", 1),
        ("paragraph", prose(40)),
    )
    assert [c.heading for c in cut(document)] == [("Guide",), ("Appendix",)]


def test_top_sections_stay_apart_unless_both_are_tiny() -> None:
    apart = build(
        ("heading", "One", 1),
        ("paragraph", prose(24)),
        ("heading", "Two", 1),
        ("paragraph", "Short."),
    )
    assert [c.heading for c in cut(apart)] == [("One",), ("Two",)]
    tiny = build(
        ("heading", "One", 1), ("paragraph", "Yes."), ("heading", "Two", 1), ("paragraph", "No.")
    )
    assert [c.heading for c in cut(tiny)] == [("One",)]


def test_a_section_is_not_torn_to_fill_the_chunk_of_another() -> None:
    document = build(
        ("heading", "Guide", 1),
        ("heading", "One", 2),
        ("paragraph", prose(40)),
        ("paragraph", prose(40)),
        ("heading", "Two", 2),
        ("paragraph", prose(40)),
    )
    chunks = cut(document)
    assert [c.heading for c in chunks] == [("Guide",), ("Guide", "One"), ("Guide", "Two")]
    assert boundary_report(document, chunks)["section"] == 2


def test_a_long_section_is_cut_between_paragraphs_into_even_chunks() -> None:
    document = build(("heading", "One", 1), *[("paragraph", prose(16))] * 9)
    chunks = cut(document)
    assert boundary_report(document, chunks)["block"] == len(chunks) - 1
    assert min(c.tokens for c in chunks) > 0.4 * max(c.tokens for c in chunks)


def test_the_last_chunk_of_a_long_paragraph_is_no_crumb() -> None:
    for words in range(56, 300, 8):
        chunks = cut(build(("paragraph", prose(words))))
        assert min(c.tokens for c in chunks) > 0.15 * 64


def test_list_items_table_rows_and_code_lines_stay_whole() -> None:
    items = "\n".join(f"- item {n} with a few words in it" for n in range(30))
    rows = "\n".join(f"cell {n} | some value | another" for n in range(30))
    code = "\n\n".join(f"def f{n}(x):\n    y = x + {n}\n    return y" for n in range(12))
    for kind, text, opening in [
        ("list", items, "- "),
        ("table", rows, "cell"),
        ("code", code, "def"),
    ]:
        document = build((kind, text))  # type: ignore[arg-type]
        chunks = cut(document)
        assert len(chunks) > 2
        assert all(c.text.startswith(opening) for c in chunks)
        report = boundary_report(document, chunks)
        assert report["line"] == len(chunks) - 1
        assert report["mid_code"] + report["mid_table"] == (
            0 if kind == "list" else len(chunks) - 1
        )


def test_items_are_kept_before_nested_items() -> None:
    items = "\n".join(f"- outer {n} of the list\n  - inner one\n  - inner two" for n in range(12))
    assert all(c.text.startswith("- outer") for c in cut(build(("list", items))))


def test_prose_is_cut_between_sentences() -> None:
    document = build(("paragraph", prose(400)))
    report = boundary_report(document, cut(document))
    assert report["sentence"] > 5
    assert report["mid_sentence"] == 0


def test_a_long_sentence_is_cut_at_clauses() -> None:
    sentence = ", ".join(["one two three four five six seven eight"] * 20) + "."
    chunks = cut(build(("paragraph", sentence)))
    assert len(chunks) > 2
    assert all(c.text.rstrip().endswith((",", ".")) for c in chunks)
    assert (
        boundary_report(build(("paragraph", sentence)), chunks)["mid_sentence"] == len(chunks) - 1
    )


def test_words_are_cut_only_where_one_exceeds_the_budget() -> None:
    text = "short words first " + "x" * 50 + " and after"
    chunks = chunk(Document("d", text), characters, Recipe(20))
    inside = [c for c in chunks[:-1] if not c.text[-1].isspace()]
    assert inside
    assert {c.text[-1] for c in inside} == {"x"}


def test_ideographs_are_cut_at_clauses() -> None:
    text = "我们使用相同的模型，" * 40
    chunks = cut(Document("d", text), language="zh")
    assert all(c.text.endswith("，") for c in chunks)


def test_paragraphs_are_inferred_at_blank_lines() -> None:
    document = Document("d", "\n\n".join([prose(32)] * 6) + "\n \t\n" + prose(32))
    chunks = cut(document)
    assert len(chunks) == 7
    assert boundary_report(document, chunks)["block"] == 6


SIZES = st.lists(st.integers(1, 120), min_size=1, max_size=6)


@settings(deadline=None)
@given(SIZES, st.lists(st.integers(1, 4), min_size=6, max_size=6), st.integers(24, 80))
def test_no_heading_is_left_without_its_body(
    sizes: list[int], levels: list[int], budget: int
) -> None:
    parts = []
    for place, (size, level) in enumerate(zip(sizes, levels, strict=False)):
        parts.append(("heading", f"Heading number {place}", level))
        parts.append(("paragraph", prose(size)))
    document = build(*parts)  # type: ignore[arg-type]
    heads = {block.end for block in document.blocks if block.kind == "heading"}
    ends = {c.start + len(c.text.rstrip()) for c in cut(document, budget)}
    assert not heads & ends


def test_a_long_first_sentence_is_cut_rather_than_its_heading_left_alone() -> None:
    sentence = " ".join(["word"] * 58) + "."
    chunks = cut(build(("heading", "The heading of it all", 1), ("paragraph", sentence)))
    assert len(chunks) == 2
    assert chunks[0].text.startswith("The heading of it all\n\nword")


def test_overlap_begins_at_a_sentence_and_never_in_another_section() -> None:
    document = build(
        ("heading", "One", 1),
        ("paragraph", prose(160)),
        ("heading", "Two", 1),
        ("paragraph", prose(100)),
    )
    chunks = cut(document, overlap=16)
    shared = {
        b.heading[0]: document.text[b.start : a.end]
        for a, b in itertools.pairwise(chunks)
        if b.start < a.end
    }
    assert set(shared) == {"One", "Two"}
    assert all(text.startswith("The word") for text in shared.values())
    first_of_two = next(c for c in chunks if c.heading == ("Two",))
    assert first_of_two.text.startswith("Two")


def test_overlap_begins_at_a_word_where_sentences_are_longer() -> None:
    document = Document("d", " ".join(f"word{n}" for n in range(200)))
    chunks = cut(document, overlap=12)
    pairs = list(itertools.pairwise(chunks))
    assert pairs
    assert all(b.start < a.end for a, b in pairs)
    assert all(c.text.startswith("word") for c in chunks)


def test_report_counts_every_kind_of_end() -> None:
    document = Document(
        "d",
        "Head\n\nOne two. Three four.\n\na | b\nc | d",
        blocks=(
            Block(0, 4, "heading", 1, "Head"),
            Block(6, 26, "paragraph"),
            Block(28, 39, "table"),
        ),
    )
    ends = [6, 10, 15, 17, 28, 34, 39]
    pieces = [
        Chunk(str(b), "d", a, b, document.text[a:b]) for a, b in zip([0, *ends], ends, strict=False)
    ]
    assert boundary_report(document, pieces) == {
        "section": 1,
        "block": 2,
        "line": 1,
        "sentence": 1,
        "word": 1,
        "inside_word": 1,
        "mid_sentence": 2,
        "mid_table": 1,
        "mid_code": 0,
    }
