"""The spans that a static model is fitted on: real text, of all lengths, a bounded sample."""

from __future__ import annotations

from pydoc import getdoc

from hypothesis import given, settings
from hypothesis import strategies as st

from samespace.models.distill.spans import LONGEST, sample

MODULES = ("argparse", "collections", "email", "logging", "statistics", "subprocess")
TEXTS = [getdoc(v) for name in MODULES for v in vars(__import__(name)).values()]


def joined(texts: list[str]) -> str:
    return "".join("".join(text.split()) for text in texts)


def test_spans_are_the_text_in_order_and_lose_nothing() -> None:
    spans = sample(TEXTS, 10**9, 0)
    assert joined(spans) == joined(TEXTS)
    assert all(span == span.strip() for span in spans)


def test_lengths_are_mixed() -> None:
    lengths = sorted(map(len, sample([" ".join(TEXTS)], 10**9, 0)))
    assert lengths[-1] <= LONGEST + 1
    assert lengths[len(lengths) // 5] < 250
    assert lengths[-len(lengths) // 5] > 350


def test_a_sample_is_bounded_spread_and_repeatable() -> None:
    text = TEXTS * 3
    some = sample(iter(text), 20_000, 1)
    assert 18_000 < sum(map(len, some)) <= 20_000
    assert some == sample(text, 20_000, 1)
    assert some != sample(text, 20_000, 2)
    whole = sample(text, 10**9, 1)
    places = [whole.index(span) / len(whole) for span in some]
    assert min(places) < 0.1
    assert max(places) > 0.25  # the same text comes three times: its first copy is found


@settings(max_examples=60)
@given(st.lists(st.text(alphabet="ab. \n東。é!", max_size=2_500), max_size=4))
def test_any_text(texts: list[str]) -> None:
    spans = sample(texts, 10**9, 0)
    assert joined(spans) == joined(texts)
    assert all(0 < len(span) <= LONGEST + 50 for span in spans)
