"""Evidence by span: located in the cleaned text, and scored as worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace import Collection, Document
from samespace.errors import InputError
from samespace.evaluate.evidence import (
    Evidence,
    locate,
    read_evidence,
    texts_of,
    write_evidence,
)
from samespace.evaluate.spans import evaluate_spans, overlap, survival
from samespace.models import HashEmbedder
from samespace.run import Retrieved, Run
from samespace.text.chunk import chunk
from samespace.text.clean import clean
from samespace.text.recipe import Recipe
from samespace.types import Chunk
from tests.datasets import dataset

WORDS = "zero one two three four five six seven eight nine"
TEXTS = {"d": WORDS, "e": "ten eleven twelve"}


def words(texts: Sequence[str]) -> list[int]:
    """A model that adds two tokens to every input, as BERT does."""
    return [len(text.split()) + 2 for text in texts]


def span(first: str, last: str, document: str = "d") -> tuple[int, int]:
    text = TEXTS[document]
    return text.index(first), text.index(last) + len(last)


def found(*spans: tuple[int, int], document: str = "d") -> tuple[Retrieved, ...]:
    return tuple(Retrieved(document, 1.0 / i, *s) for i, s in enumerate(spans, 1))


def test_token_metrics_on_hand_computed_values() -> None:
    gold = [Evidence("q", "d", *span("two", "five"))]  # four words
    run = Run({"q": found(span("zero", "three"), span("three", "nine"))})
    scores = evaluate_spans(run, gold, TEXTS.get, words, ks=(1, 2))
    one = {name: float(values[0]) for name, values in scores.values.items()}
    assert one["token_precision@1"] == 2 / 4
    assert one["token_recall@1"] == 2 / 4
    assert one["iou@1"] == 2 / 6
    # "three" is retrieved twice: read twice, found once.
    assert one["token_precision@2"] == 4 / 11
    assert one["token_recall@2"] == 1.0
    assert one["iou@2"] == 4 / 11
    assert one["span_recall@1"] == 1.0
    assert (
        evaluate_spans(run, gold, TEXTS.get, words, ks=(1,), least=0.6).mean("span_recall@1") == 0
    )


def test_a_small_chunk_inside_the_evidence_is_relevant_and_a_distant_one_is_not() -> None:
    gold = [Evidence("q", "d", *span("zero", "five")), Evidence("q", "e", *span("ten", "ten", "e"))]
    run = Run({"q": found(span("two", "two"), span("eight", "nine"))})
    scores = evaluate_spans(run, gold, TEXTS.get, words, ks=(2,))
    assert scores.mean("span_recall@2") == 0.5
    assert scores.mean("token_recall@2") == 1 / 7
    assert scores.mean("token_precision@2") == 1 / 3


def test_queries_without_results_count_and_those_without_evidence_are_named() -> None:
    gold = [Evidence("a", "d", 0, 4), Evidence("b", "d", 0, 4), Evidence("c", "d", 0, 4)]
    run = Run({"a": found((0, 4)), "b": (), "x": found((0, 4))})
    scores = evaluate_spans(run, gold, TEXTS.get, words, ks=(1,))
    assert scores.queries == ("a", "b", "c")
    assert scores.values["iou@1"].tolist() == [1.0, 0.0, 0.0]
    assert scores.missing == ("c",)
    assert scores.unjudged == ("x",)


spans = st.tuples(st.integers(0, 8), st.integers(1, 9)).map(lambda s: (s[0], s[0] + s[1]))


@given(st.lists(spans, max_size=5), st.lists(spans, min_size=1, max_size=3))
def test_shares_are_shares_and_agree_with_sets_of_characters(
    pieces: list[tuple[int, int]], gold: list[tuple[int, int]]
) -> None:
    texts = {"d": "abcdefghijklmnopqr"}
    run = Run({"q": found(*pieces)})
    evidence = [Evidence("q", "d", *item) for item in gold]
    k = max(len(pieces), 1)
    scores = evaluate_spans(run, evidence, texts.get, lambda t: [len(x) for x in t], ks=(k,))
    wanted = {i for item in gold for i in range(*item)}
    read = [i for piece in pieces for i in range(*piece)]
    both = wanted & set(read)
    expected = {
        "token_precision": len(both) / len(read) if read else 0.0,
        "token_recall": len(both) / len(wanted),
        "iou": len(both) / (len(wanted) + len(read) - len(both)),
        "span_recall": np.mean([any(overlap(p, g) >= 0.5 for p in pieces) for g in gold]),
    }
    for name, value in expected.items():
        assert scores.mean(f"{name}@{k}") == pytest.approx(value)
        assert 0 <= scores.mean(f"{name}@{k}") <= 1


def pieces_of(*spans: tuple[int, int]) -> list[Chunk]:
    return [Chunk(str(s), "d", *s, WORDS[slice(*s)]) for s in spans]


def test_survival_is_the_best_share_of_one_chunk() -> None:
    evidence = [Evidence("a", "d", 0, 10), Evidence("a", "d", 10, 20), Evidence("b", "x", 0, 5)]
    scores = survival(pieces_of((0, 4), (4, 13), (10, 30)), evidence)
    assert scores.queries == ("a", "b")
    assert scores.values["survival"].tolist() == [pytest.approx(0.8), 0.0]
    assert scores.values["whole"].tolist() == [0.5, 0.0]


def test_larger_chunks_keep_more_of_real_passages_whole_and_retrieve_more_besides(
    tmp_path: Path,
) -> None:
    document, evidence = oil_crisis()
    embedder = HashEmbedder(max_tokens=512)
    kept, precise = [], []
    queries = {item.query: text for item, text in evidence}
    for budget in (32, 128, 512):
        with Collection.create(tmp_path / str(budget), embedder, max_tokens=budget) as collection:
            collection.add([document])
            gold = locate([item for item, _ in evidence], texts_of(collection)).require_all()
            chunks = chunk(clean(document), embedder.count, Recipe(budget))
            kept.append(survival(chunks, gold).mean("survival"))
            run = collection.run(queries, k=5, by_document=False)
            scores = evaluate_spans(run, gold, texts_of(collection), embedder.count, ks=(5,))
            precise.append(scores.mean("token_precision@5"))
    assert kept == sorted(kept)
    assert kept[0] < 0.6 < kept[2]
    assert precise == sorted(precise, reverse=True)


def oil_crisis() -> tuple[Document, list[tuple[Evidence, str]]]:
    folder = dataset("squad-dev-minus-xquad")
    passages, article = {}, "1973_oil_crisis-"
    for line in (folder / "corpus.jsonl").open(encoding="utf-8"):
        record = json.loads(line)
        if record["_id"].startswith(article):
            passages[record["_id"]] = record["text"]
    questions = {}
    for line in (folder / "queries.jsonl").open(encoding="utf-8"):
        record = json.loads(line)
        questions[record["_id"]] = record["text"]
    evidence = []
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, passage, _ = line.split("\t")
        if passage in passages:
            item = Evidence(query, "oil", text=passages[passage])
            evidence.append((item, questions[query]))
    return Document(id="oil", text="\n\n".join(passages.values())), evidence


def test_words_are_found_again_where_cleaning_moved_them() -> None:
    raw = "Keys\u00ad are ro\ufefftated\nevery day, and keys\nare rotated every night."
    text = clean(Document(id="d", text=raw)).text
    assert text != raw
    at = raw.index("keys\nare")
    item = Evidence("q", "d", at, at + 16, "keys\nare rotated")
    (found,) = locate([item], {"d": text}.get).require_all()
    assert text[found.start : found.end] == found.text
    assert found.text.split() == ["keys", "are", "rotated"]
    assert found.start < at
    # The same words in the raw form, with what cleaning removes from them.
    (first,) = locate([Evidence("q", "d", text=raw[:18])], {"d": text}.get).require_all()
    assert (first.start, first.text) == (0, "Keys are rotated")


def test_a_quoted_list_item_is_found_as_cleaning_wrote_it() -> None:
    raw = "Keys\n\n• rotate them\n• never share them\n\nEnd."
    text = clean(Document(id="d", text=raw)).text
    assert "•" not in text
    evidence = [Evidence("q", "d", text="• rotate them"), Evidence("q", "d", text="share them")]
    found = locate(evidence, {"d": text}.get).require_all()
    assert [item.text.lstrip("-* ") for item in found] == ["rotate them", "share them"]


def test_white_space_at_the_ends_is_no_evidence_and_the_nearest_of_several_is_meant() -> None:
    text = "a b c  a b c"
    near = locate([Evidence("q", "d", 6, 12), Evidence("q", "d", 5, 9, "a b")], {"d": text}.get)
    assert [(item.start, item.end) for item in near.require_all()] == [(7, 12), (7, 10)]


def test_what_is_not_there_is_reported_item_by_item() -> None:
    evidence = [
        Evidence("q1", "d", 0, 4),
        Evidence("q2", "gone", 0, 4),
        Evidence("q3", "d", text="no such words"),
        Evidence("q4", "d", 40, 999),
        Evidence("q5", "d", text="e"),
        Evidence("q6", "d", 4, 5),
        Evidence("q7", "d", text=" \n"),
    ]
    located = locate(evidence, TEXTS.get)
    assert [item.query for item in located.found] == ["q1"]
    reasons = {item.query: reason for item, reason in located.lost}
    assert reasons["q2"] == "there is no such document"
    assert "not in the cleaned text" in reasons["q3"]
    assert "no span of its 49 characters" in reasons["q4"]
    assert "occur 9 times" in reasons["q5"]
    assert "white space" in reasons["q6"]
    assert "white space" in reasons["q7"]
    with pytest.raises(InputError, match="6 of 7 spans of evidence") as error:
        located.require_all()
    assert all(f"query 'q{i}'" in str(error.value) for i in range(2, 8))


def test_evidence_survives_writing_and_reading(tmp_path: Path) -> None:
    evidence = (
        Evidence("q", "d\u2028ö", 3, 9),
        Evidence("q", "d", text="the wörds"),
        Evidence("r", "d", 0, 4, "zero"),
    )
    path = tmp_path / "evidence.jsonl"
    write_evidence(path, evidence)
    assert read_evidence(path) == evidence


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "no JSON"),
        ("[1]", "JSON object"),
        ('{"query": "q", "start": 1, "end": 2}', "None as document"),
        ('{"query": "q", "document": "d"}', r"the span \[-1, -1\)"),
        ('{"query": "q", "document": "d", "start": 5, "end": 5}', r"the span \[5, 5\)"),
        ('{"query": "q", "document": "d", "start": 5, "text": "x"}', r"the span \[5, -1\)"),
        ('{"query": "q", "document": "d", "start": "5", "end": 9}', "whole number"),
        ('{"query": "q", "document": "d", "text": 7}', "must be a string"),
    ],
)
def test_a_line_that_is_no_evidence_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "evidence.jsonl"
    path.write_text('{"query": "q", "document": "d", "start": 0, "end": 2}\n' + line + "\n")
    with pytest.raises(InputError, match=f"evidence.jsonl:2: .*{message}"):
        read_evidence(path)


def test_what_cannot_be_scored_is_refused() -> None:
    gold = [Evidence("q", "d", 0, 4)]
    run = Run({"q": found((0, 4))})
    with pytest.raises(InputError, match="no evidence"):
        evaluate_spans(run, [], TEXTS.get, words)
    with pytest.raises(InputError, match="locate"):
        evaluate_spans(run, [Evidence("q", "d", text="zero")], TEXTS.get, words)
    with pytest.raises(InputError, match="by_document=False"):
        evaluate_spans(Run({"q": (Retrieved("d", 1.0),)}), gold, TEXTS.get, words)
    with pytest.raises(InputError, match="no document 'd'"):
        evaluate_spans(run, gold, {}.get, words)
    with pytest.raises(InputError, match="cutoffs"):
        evaluate_spans(run, gold, TEXTS.get, words, ks=(0,))
    with pytest.raises(InputError, match="least"):
        evaluate_spans(run, gold, TEXTS.get, words, least=0)
    with pytest.raises(InputError, match="locate"):
        survival([], [Evidence("q", "d", text="zero")])
