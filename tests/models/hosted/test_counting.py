"""Counts of a hosted model's tokens: exact with its tokenizer, else on the upper side."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from samespace.errors import InputError, ModelNotFound, TooLong
from samespace.models.hosted import HostedEmbedder, HostedReranker
from samespace.models.hosted.counting import (
    CL100K_MODELS,
    Counter,
    Estimate,
    FileCounter,
    TiktokenCounter,
    cached_cl100k,
    counter,
)
from samespace.models.hosted.estimate import SPECIAL, estimate
from tests.datasets import dataset
from tests.models.texts import SCRIPTS, of_words


def rows(name: str, file: str, *fields: str) -> list[str]:
    """Return some texts of a data set."""
    lines = (dataset(name) / file).read_text("utf-8").splitlines()
    chosen = random.Random(0).sample(lines, min(200, len(lines)))
    return ["\n".join(json.loads(line)[field] for field in fields) for line in chosen]


@pytest.fixture(scope="module")
def wordpiece(minilm_folder: Path) -> FileCounter:
    return FileCounter(minilm_folder)


@pytest.fixture(scope="module")
def cl100k() -> TiktokenCounter:
    encoding = cached_cl100k()
    if encoding is None:
        pytest.skip("cl100k_base is not in tiktoken's cache: set TIKTOKEN_CACHE_DIR")
    return TiktokenCounter(encoding)


ENGLISH: dict[str, Callable[[], list[str]]] = {
    "biomedicine": lambda: rows("scifact", "corpus.jsonl", "title", "text"),
    "answers": lambda: rows("stackfaq", "corpus.jsonl", "title", "text"),
    "python": lambda: rows("conala", "train.jsonl", "intent", "code"),
    "shell": lambda: rows("nl2bash", "pairs.jsonl", "query", "command"),
}


@pytest.mark.parametrize("name", ENGLISH)
def test_the_estimate_is_above_word_pieces(name: str, wordpiece: FileCounter) -> None:
    texts = ENGLISH[name]()
    estimated, counted = estimate(texts), wordpiece.count(texts)
    assert all(e >= c for e, c in zip(estimated, counted, strict=True))
    assert sum(estimated) < 2.2 * sum(counted)


@pytest.mark.parametrize("name", [*ENGLISH, "de", "es", "fr", "zh"])
def test_the_estimate_is_above_byte_pairs(name: str, cl100k: TiktokenCounter) -> None:
    texts = ENGLISH[name]() if name in ENGLISH else _sentences(name)
    estimated, counted = estimate(texts), cl100k.count(texts)
    assert all(e >= c for e, c in zip(estimated, counted, strict=True))
    assert sum(estimated) < 2.5 * sum(counted)


def _sentences(language: str) -> list[str]:
    lines = (dataset("stsb-multi") / f"{language}.dev.jsonl").read_text("utf-8").splitlines()
    return [" ".join(v for v in json.loads(x).values() if isinstance(v, str)) for x in lines[:300]]


def test_the_estimate_is_above_every_script(cl100k: TiktokenCounter, wordpiece: Counter) -> None:
    texts = [text for text in SCRIPTS if not text.startswith("<s>")]
    for each in (cl100k, wordpiece):
        for text, e, c in zip(texts, estimate(texts), each.count(texts), strict=True):
            assert e >= c, text


def test_the_estimate_is_no_wild_guess() -> None:
    """It stays below one token for each byte and one for each text's frame."""
    for text in SCRIPTS:
        assert estimate([text])[0] <= SPECIAL + 1.2 * len(text.encode()) + 1, text


def test_the_estimate_never_falls_when_a_text_grows() -> None:
    for text in SCRIPTS:
        counts = estimate([text[:i] for i in range(len(text) + 1)])
        assert counts == sorted(counts)
    assert estimate([""]) == [SPECIAL]


@pytest.mark.parametrize("kind", ["wordpiece", "cl100k"])
def test_a_text_is_cut_to_what_fits(kind: str, request: pytest.FixtureRequest) -> None:
    exact: Counter = request.getfixturevalue(kind)
    texts = [*SCRIPTS, of_words(300), "naïve 東京の人口 👩‍👩‍👧‍👦 ფართო " * 30]
    for text in texts:
        whole = exact.count([text])[0]
        for most in (-3, 0, 5, 17, 100, whole, whole + 1):
            cut = exact.cut(text, most)
            assert text.startswith(cut)
            taken = exact.count([cut])[0]
            assert taken <= most or not cut
            if most >= whole:
                assert taken == whole
            elif most > 20:
                assert taken >= most - 3


def test_without_a_tokenizer_nothing_is_cut() -> None:
    with pytest.raises(InputError, match=r"tokenizer=.*tokenizer\.json"):
        Estimate().cut("a text", 1)


def test_the_best_counter_is_taken(minilm_folder: Path, tmp_path: Path) -> None:
    assert counter("text-embedding-3-small", minilm_folder).exact
    assert counter("embed-v4.0", None).exact is False
    assert (
        counter("any", minilm_folder / "tokenizer.json").count(["a b"])
        == counter("any", minilm_folder).count(["a b"])
        == [4]
    )
    with pytest.raises(ModelNotFound, match=r"no tokenizer\.json"):
        counter("any", tmp_path)


def test_tiktoken_fetches_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert cached_cl100k() is None
    # A file that is not the vocabulary: tiktoken itself would fetch it anew.
    (tmp_path / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4").write_text("IQ== 0\n")
    assert cached_cl100k() is None
    for model in CL100K_MODELS:
        assert isinstance(counter(model, None), Estimate)
    assert HostedEmbedder("text-embedding-3-small").exact_counts is False


def test_the_vocabulary_of_openai_is_used_where_it_is(cl100k: TiktokenCounter) -> None:
    embedder = HostedEmbedder("text-embedding-3-small")
    assert embedder.exact_counts
    # From tiktoken's own description.
    assert embedder.count(["tiktoken is great!"]) == [6]


def test_a_count_beside_an_input_type_is_an_estimate(minilm_folder: Path) -> None:
    """The provider puts words before the text that it does not publish."""
    exact = HostedEmbedder("mistral-embed", tokenizer=minilm_folder)
    told = HostedEmbedder("embed-v4.0", tokenizer=minilm_folder)
    assert exact.exact_counts
    assert not told.exact_counts
    assert exact.count(["a small cat"]) == [5]
    assert told.count(["a small cat"], "query")[0] > 5


def test_room_is_left_for_what_the_estimate_misses_where_texts_are_cut_unseen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of random hexadecimal digits it can miss a sixth: see benchmarks/token_estimate.py."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    digits = hashlib.sha256(b"digits")
    text = ""
    while estimate([text])[0] < 2048 * 6 // 7:
        digits.update(b"more")
        text += digits.hexdigest()[:20]
    assert estimate([text])[0] < 2048
    for embedder in (
        HostedEmbedder("gemini-embedding-001"),
        HostedEmbedder(
            "text-embedding-3-small", base_url="http://localhost:11434/v1", max_tokens=2048
        ),
    ):
        assert embedder.max_tokens == 1638
        with pytest.raises(TooLong, match="1638"):
            embedder.embed([text], "document")
    for name in ("rerank-v3.5", "jina-reranker-v2-base-multilingual"):
        model = HostedReranker(name, max_tokens=2048)
        with pytest.raises(TooLong, match="1638"):
            model.score("question", [text])
    assert HostedEmbedder("voyage-3.5").max_tokens == 32_000


def test_the_whole_window_is_filled_where_the_count_is_exact(minilm_folder: Path) -> None:
    assert HostedEmbedder("gemini-embedding-001", tokenizer=minilm_folder).max_tokens == 2048
