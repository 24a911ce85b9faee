"""The laws of chunking, over any Unicode text, any blocks, any budget and four counters."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import pytest
import regex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samespace.errors import InputError, TooLong
from samespace.text.chunk import Count, boundary_report, chunk
from samespace.text.recipe import Recipe
from samespace.types import Block, Chunk, Document
from tests.text.chunk_counters import COUNTERS, byte_level, characters, word_piece

KINDS = ["heading", "paragraph", "list", "table", "code", "quote", "definition"]
WORDS = ["the", "protein", "Dr.", "a", "unbelievable", "naïve", "漢字", "नमस्ते", "سلام", "e\u0301e"]
ODD = [
    "👨‍👩‍👧‍👦",
    "🇩🇪🇫🇷",
    "x" * 150,
    "\u200b",
    "\x00",
    "\u0301",
    "한국",
    "- item",
    "1. one",
    "a|b",
    "\ufdfa",
]
MARKS = [
    ". ",
    "! ",
    ", ",
    ": ",
    "\n",
    "\n\n",
    " ",
    "  ",
    "。",
    "\r\n",
    "\n    ",
    "\u3000",
    " \u0301",
]
FRAGMENTS = st.sampled_from([*WORDS, *ODD, *MARKS, *MARKS])
CHARACTERS = st.characters(exclude_categories=("Cs",))
TEXTS = (
    st.lists(FRAGMENTS | CHARACTERS, max_size=40) | st.lists(FRAGMENTS, min_size=60, max_size=200)
).map("".join)
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Return a document; half of them have blocks that cover all but white space."""
    text = draw(TEXTS)
    title = draw(st.sampled_from(["", "A title", "  Guide\n to it", "long title " * 30]) | TEXTS)
    blocks: list[Block] = []
    if draw(st.booleans()):
        inner = st.sets(st.integers(0, max(0, len(text))), max_size=8)
        bounds = sorted({0, len(text), *draw(inner)})
        for start, end in itertools.pairwise(bounds):
            part = text[start:end]
            if part.strip():
                start += len(part) - len(part.lstrip())
                end = start + len(part.strip())
                kind = draw(st.sampled_from(KINDS))
                opens = kind in ("heading", "definition")
                level = draw(st.integers(1, 4)) if opens else 0
                label = " ".join(text[start:end].split())[:80] if opens else ""
                blocks.append(Block(start, end, kind, level, label))
    return Document("d", text, title, blocks=tuple(blocks))


COUNTS = st.sampled_from(sorted(COUNTERS)).map(lambda name: COUNTERS[name]())
BUDGETS = st.integers(40, 120)


def check(document: Document, chunks: Sequence[Chunk], count: Count, recipe: Recipe) -> None:
    """Assert what holds for the chunks of any document under any recipe."""
    for c in chunks:
        assert document.text[c.start : c.end] == c.text
        assert c.text.strip()
        assert c.tokens <= recipe.max_tokens
        assert c.document == document.id
    if recipe.on_long == "split":
        assert [c.tokens for c in chunks] == count([c.input for c in chunks])
    assert len({c.id for c in chunks}) == len(chunks)
    assert bool(chunks) == bool(document.text.strip())


def check_partition(
    document: Document, chunks: Sequence[Chunk], count: Count, recipe: Recipe
) -> None:
    """Assert that the chunks are the text, save white space that a budget cannot hold."""
    text = document.text
    bounds = [0, *(edge for c in chunks for edge in (c.start, c.end)), len(text)]
    gaps = [text[a:b] for a, b in zip(bounds[::2], bounds[1::2], strict=True)]
    for c, gap in zip(chunks, gaps[1:], strict=True):
        assert not gap.strip()
        if gap:
            assert c.dropped
        if gap and recipe.on_long == "split":
            starts = [match.start() for match in regex.finditer(r"\X", c.text)]
            last = c.text[max(at for at in starts if not c.text[at].isspace()) :] + gap
            with_gap = f"{c.context}\n{last}" if c.context else last
            assert count([with_gap])[0] > recipe.max_tokens
    if chunks and gaps[0]:
        assert not gaps[0].strip()
        assert count([gaps[0] + chunks[0].text[0]])[0] > recipe.max_tokens
    assert not any(c.text[0].isspace() for c in chunks[1:])


@SLOW
@given(documents(), COUNTS, BUDGETS, st.booleans())
def test_chunks_partition_the_text(
    document: Document, count: Count, budget: int, context: bool
) -> None:
    recipe = Recipe(budget, context=context)
    chunks = chunk(document, count, recipe)
    check(document, chunks, count, recipe)
    check_partition(document, chunks, count, recipe)
    assert sum(boundary_report(document, chunks).values()) >= len(chunks)


@SLOW
@given(documents(), COUNTS, BUDGETS, st.integers(0, 60))
def test_overlap(document: Document, count: Count, budget: int, overlap: int) -> None:
    recipe = Recipe(budget, overlap=min(overlap, budget // 2))
    chunks = chunk(document, count, recipe)
    check(document, chunks, count, recipe)
    overhead = count([""])[0]
    for before, after in itertools.pairwise(chunks):
        assert before.start < after.start
        assert before.end < after.end
        assert not document.text[before.end : after.start].strip()
        shared = document.text[after.start : before.end]
        assert count([shared])[0] - overhead <= recipe.overlap


@SLOW
@given(documents(), COUNTS)
def test_no_cut_within_a_grapheme_cluster(document: Document, count: Count) -> None:
    inside = {
        offset
        for match in regex.finditer(r"\X", document.text)
        for offset in range(match.start() + 1, match.end())
        if count([match.group()])[0] < 20
    }
    assert not inside & {c.start for c in chunk(document, count, Recipe(64))}


@SLOW
@given(documents(), COUNTS, BUDGETS, st.sampled_from(["structure", "document"]))
def test_truncation_is_counted(
    document: Document, count: Count, budget: int, chunking: str
) -> None:
    recipe = Recipe(budget, chunking=chunking, on_long="truncate", context=False)  # type: ignore[arg-type]
    chunks = chunk(document, count, recipe)
    check(document, chunks, count, recipe)
    check_partition(document, chunks, count, recipe)
    for c, total in zip(chunks, count([c.input for c in chunks]), strict=True):
        assert c.tokens + c.dropped >= total
        assert c.dropped == 0 or c.tokens == recipe.max_tokens or c.tokens == total
    if chunking == "document":
        assert len(chunks) <= 1


@SLOW
@given(documents(), COUNTS, BUDGETS, st.sampled_from(["structure", "document"]))
def test_error_refuses_or_fits(
    document: Document, count: Count, budget: int, chunking: str
) -> None:
    recipe = Recipe(budget, chunking=chunking, on_long="error")  # type: ignore[arg-type]
    chunks: list[Chunk] = []
    refusal = ""
    try:
        chunks = chunk(document, count, recipe)
    except TooLong as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith("document 'd'")
        assert f"the budget is {budget}" in refusal
        return
    check(document, chunks, count, recipe)
    assert [c.tokens for c in chunks] == count([c.input for c in chunks])
    assert chunking == "structure" or len(chunks) <= 1


@SLOW
@given(documents(), COUNTS, BUDGETS, st.integers(0, 20))
def test_same_in_same_out(document: Document, count: Count, budget: int, overlap: int) -> None:
    recipe = Recipe(budget, overlap=overlap)
    assert chunk(document, count, recipe) == chunk(document, count, recipe)


@SLOW
@given(documents(), COUNTS, BUDGETS)
def test_document_mode_keeps_whole_what_fits(document: Document, count: Count, budget: int) -> None:
    recipe = Recipe(budget, chunking="document")
    chunks = chunk(document, count, recipe)
    check(document, chunks, count, recipe)
    structure = chunk(document, count, dataclasses.replace(recipe, chunking="structure"))
    if len(chunks) > 1:
        assert [c.text for c in chunks] == [c.text for c in structure]


@SLOW
@given(TEXTS, st.integers(16, 30))
def test_smallest_budgets(text: str, budget: int) -> None:
    """White space that alone exceeds the budget is left out and counted, nothing else."""
    recipe = Recipe(budget)
    spaced = text.replace(" ", " " * 25)
    chunks = chunk(Document("d", spaced), characters, recipe)
    check(Document("d", spaced), chunks, characters, recipe)
    bounds = [0, *(edge for c in chunks for edge in (c.start, c.end)), len(spaced)]
    gaps = [spaced[a:b] for a, b in zip(bounds[::2], bounds[1::2], strict=True)]
    if chunks:
        assert "".join(gaps).strip() == ""
        assert sum(map(len, gaps)) == sum(c.dropped for c in chunks)


def test_id_is_of_document_span_and_recipe() -> None:
    recipe = Recipe(32)
    text = "One sentence of some words here. " * 20
    chunks = chunk(Document("a", text), word_piece(), recipe)
    assert all(regex.fullmatch("[0-9a-f]{32}", c.id) for c in chunks)
    other = chunk(Document("b", text), word_piece(), recipe)
    again = chunk(Document("a", text), word_piece(), dataclasses.replace(recipe, overlap=1))
    assert len({c.id for c in [*chunks, *other, *again]}) == 3 * len(chunks)


def test_too_long_names_the_ways_out() -> None:
    recipe = Recipe(16, chunking="document", on_long="error")
    with pytest.raises(TooLong, match=r"'pep-8'.* takes 102 tokens, the budget is 16.*truncate"):
        chunk(Document("pep-8", "x" * 100), characters, recipe)


def test_prompt_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(InputError, match="take 20"):
        chunk(Document("d", "text"), lambda texts: [20 + len(t) for t in texts], Recipe(16))


def test_one_character_over_budget_is_refused() -> None:
    with pytest.raises(TooLong, match="cannot be cut any further"):
        chunk(Document("d", "ab"), lambda ts: [50 * len(t) for t in ts], Recipe(16))


def test_cluster_over_budget_is_cut_between_code_points() -> None:
    text = "a" + "\u0301" * 100
    chunks = chunk(Document("d", text), characters, Recipe(16))
    assert "".join(c.text for c in chunks) == text
    assert max(c.tokens for c in chunks) <= 16


def test_wrong_blocks_are_refused() -> None:
    document = Document("d", "abc", blocks=(Block(0, 9, "paragraph"),))
    with pytest.raises(InputError, match="within the text"):
        chunk(document, characters, Recipe(16))


def test_counter_of_wrong_length_is_refused() -> None:
    with pytest.raises(InputError, match="one number for each text"):
        chunk(Document("d", "abc"), lambda texts: [1], Recipe(16))


def test_byte_level_counts_are_not_additive() -> None:
    """The law would be idle if the test's tokenizer were additive."""
    count = byte_level()
    overhead = count([""])[0]
    whole, *parts = (n - overhead for n in count(["retrieval works", "retr", "ieval", " works"]))
    assert whole != sum(parts)
