"""The passages that a static model is fitted on: cut as a collection cuts, a bounded sample."""

from __future__ import annotations

from pydoc import getdoc

from samespace.models import HashEmbedder
from samespace.models.distill.passages import LONGEST, passages
from samespace.types import Document

MODULES = ("argparse", "collections", "email", "logging", "statistics", "subprocess")
TEXTS = [getdoc(v) for name in MODULES for v in vars(__import__(name)).values()]
EMBEDDER = HashEmbedder()


def joined(texts: list[str]) -> str:
    return "".join("".join(text.split()) for text in texts)


def test_passages_fill_the_window_and_hold_the_whole_text() -> None:
    text = " ".join(" ".join(TEXTS).split())
    found = passages([text], EMBEDDER, 10**9, 0)
    assert joined(found) == joined([text])
    counts = EMBEDDER.count(found)
    assert max(counts) <= EMBEDDER.max_tokens
    assert sorted(counts)[len(counts) // 2] > EMBEDDER.max_tokens // 2
    wide = passages([text], HashEmbedder(max_tokens=8_000), 10**9, 0)
    assert max(EMBEDDER.count(wide)) <= LONGEST


def test_titles_come_along_and_markup_does_not() -> None:
    page = Document("d", "Some *marked* text.", title="Top", media="text/markdown")
    assert passages([page], EMBEDDER, 10**9, 0) == ["Top\nSome marked text."]


def test_a_sample_is_bounded_spread_and_repeatable() -> None:
    some = passages(iter(TEXTS), EMBEDDER, 20_000, 1)
    assert 17_000 < sum(map(len, some)) <= 20_000
    assert some == passages(TEXTS, EMBEDDER, 20_000, 1)
    assert some != passages(TEXTS, EMBEDDER, 20_000, 2)
    whole = passages(TEXTS, EMBEDDER, 10**9, 1)
    places = [whole.index(one) / len(whole) for one in some]
    assert min(places) < 0.2
    assert max(places) > 0.8


def test_one_long_text_is_sampled_within() -> None:
    some = passages([" ".join(TEXTS)], EMBEDDER, 5_000, 0)
    assert 3_000 < sum(map(len, some)) <= 5_000


def test_blank_texts_give_nothing() -> None:
    assert passages(["", " \n\t"], EMBEDDER, 1_000, 0) == []
