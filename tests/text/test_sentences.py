"""Sentence spans: exact on any text, right in many languages, linear in time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.text import sentences as module
from samespace.text.sentences import sentences

ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)
WORDS = ["Dr", "B", "a", "é", "\u0301", "😀", "“", "”", "(", ")", "«", "»", "3", "z. B."]
MARKS = [".", "!", "?", "。", "।", "؟", "..."]
SPACES = [" ", "\n", "\n\n", "\xa0", "\u2029", "\u3000", "\r\n", "\x1c"]
PROSE = st.lists(st.sampled_from([*WORDS, *MARKS, *SPACES]), max_size=60).map("".join)
LANGUAGES = ["en", "de", "es", "fr", "ja", "zh", "hi", "ar", "th", "xx", ""]


@given(text=ANY_TEXT | PROSE, language=st.sampled_from(LANGUAGES))
def test_spans_partition_any_text(text: str, language: str) -> None:
    spans = sentences(text, language)
    assert "".join(text[a:b] for a, b in spans) == text
    assert [a for a, _ in spans[1:]] == [b for _, b in spans[:-1]]
    assert all(a < b for a, b in spans)
    assert not any(text[a].isspace() for a, _ in spans[1:])


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["Dr. Lee saw version 3.5.1. ", "“Is it out?” he asked. ", "It was."]),
        ("de", ["Dr. Müller kam am 3. Mai an. ", "Dann ging er z. B. weg. ", "Schade!"]),
        ("es", ["El Sr. López llegó. ", "¿Qué hizo? ", "¡Se fue!"]),
        ("fr", ["Le train part à 8 h. ", "Est-il là ? ", "Il a dit « oui ». ", "Bien."]),
        ("ja", ["これは文です。", "次の文です！", "そうですか？", "はい。"]),
        ("zh", ["这是第一句。", "这是第二句！", "你好吗？"]),
        ("hi", ["यह पहला वाक्य है। ", "यह दूसरा है। ", "क्या यह तीसरा है?"]),
        ("ar", ["هذه جملة. ", "هل هذه جملة؟ ", "نعم!"]),
    ],
)
def test_sentences_of_languages(language: str, expected: list[str]) -> None:
    text = "".join(expected)
    assert [text[a:b] for a, b in sentences(text, language)] == expected


def test_hard_wrapped_lines_do_not_end_a_sentence_and_blank_lines_do() -> None:
    text = "One sentence that\ngoes on here. Another\n\nA third"
    assert [text[a:b] for a, b in sentences(text)] == [
        "One sentence that\ngoes on here. ",
        "Another\n\n",
        "A third",
    ]


def test_initial_after_a_no_break_space_does_not_abort() -> None:
    text = "It was J.\xa0B. Smith. He left."
    assert [text[a:b] for a, b in sentences(text)] == ["It was J.\xa0B. Smith. ", "He left."]


def test_windows_do_not_move_boundaries() -> None:
    sentence = "The protein, as Dr. Lee found in 3.5 percent of mice, binds here. "
    text = sentence * (5 * module.WINDOW // len(sentence))
    assert {text[a:b] for a, b in sentences(text)} == {sentence}


@pytest.mark.parametrize("unit", ["a", '"(. ', "« a ", "A short sentence. ", "字", "a. \n\n", " "])
def test_time_is_linear(unit: str) -> None:
    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        started = time.perf_counter()
        spans = sentences(text)
        assert spans[-1][1] == len(text)
        return time.perf_counter() - started

    seconds(1_000)
    assert seconds(800_000) < 20 * max(seconds(100_000), 0.02)


def test_rule_of_thumb_is_lossless_and_finds_ends() -> None:
    ends = module._rule_of_thumb("One. Two! 三。四")
    assert ends == [5, 10, 12, 13]
