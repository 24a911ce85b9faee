"""Near-duplicates are those that a comparison of all pairs finds, at the cost of few."""

from __future__ import annotations

import random
import time
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from samespace.evaluate.testset.near import NEAR, near_duplicates, terms_of

WORDS = "abcdefgh"
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=7).map(" ".join), max_size=25)


def by_all_pairs(texts: list[str], threshold: float) -> list[bool]:
    """Return what the definition says, slowly."""
    kept: list[set[str]] = []
    duplicate = []
    for text in texts:
        found = set(text.split())
        near = any(
            found and other and len(found & other) >= threshold * len(found | other)
            for other in kept
        )
        duplicate.append(near)
        if not near:
            kept.append(found)
    return duplicate


@given(TEXTS, st.sampled_from([0.5, 0.6, 2 / 3, 0.75, NEAR, 0.9, 1.0]))
def test_equals_the_comparison_of_all_pairs(texts: list[str], threshold: float) -> None:
    assert near_duplicates(texts, str.split, threshold) == by_all_pairs(texts, threshold)


def test_spelling_and_stop_words_make_no_other_question() -> None:
    texts = [
        "How do I rotate the signing keys?",
        "how to rotate a signing key",
        "When to rotate the signing keys?",
        "How do I revoke the signing keys?",
        "Wie rotiere ich Schlüssel?",
    ]
    assert near_duplicates(texts, terms_of("en")) == [False, True, False, False, False]


def test_scripts_without_spaces() -> None:
    texts = ["如何更换签名密钥", "如何更换签名密钥?", "如何备份数据库"]
    assert near_duplicates(texts, terms_of("zh")) == [False, True, False]


def test_ten_thousand_questions_take_little_memory_and_time() -> None:
    draw = random.Random(0)
    words = [f"w{number}" for number in range(4_000)]
    weights = [1 / (rank + 1) for rank in range(len(words))]  # as words are: few of them everywhere
    texts = [" ".join(draw.choices(words, weights, k=8)) for _ in range(9_000)]
    texts += [f"{text} again" for text in texts[:1_000]]
    tracemalloc.start()
    started = time.perf_counter()
    near = near_duplicates(texts, str.split)
    took = time.perf_counter() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(near[9_000:]) > 800
    assert peak < 60e6  # a matrix of all pairs in float32 has 400 MB
    assert took < 30
