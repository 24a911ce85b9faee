"""Unicode: one form, nothing invisible, nothing broken."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.text.clean.unicode import normalize
from tests.text.clean_laws import cleaned


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("cafe\u0301", "café"),
        ("a\x00b\x07c\x9f", "abc"),
        ("soft\u00adware \ufeffx\u2060y", "software xy"),
        ("a\u00a0b\u2009c\u3000d", "a b c d"),
        ("a \u00ad b", "a b"),
        ("lone \ud800 half", "lone \ufffd half"),
        ("invisi\u200bble", "invisible"),
        ("hid\U000e0041\U000e0042den", "hidden"),
        ("evil \u202ecod.exe", "evil cod.exe"),
    ],
)
def test_what_is_mended(raw: str, clean: str) -> None:
    assert cleaned(raw).text == clean


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d👩\u200d👧 👍🏽 ❤\ufe0f 🇫🇷",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "می\u200cخواهم",
        "क\u094d\u200dष",
        "\u0e01\u0e31\u0e1a\u200b\u0e04\u0e19",
        "שלום\u200f! abc",
        "\u2067שלום\u2069",
        "日本語テキスト。",
    ],
)
def test_what_readers_need_stays(text: str) -> None:
    assert cleaned(text).text == text
    assert cleaned(f"<p>{text}</p>", "text/html").text == text


@pytest.mark.parametrize("end", ["\r\n", "\r", "\u2028", "\u2029", "\x85", "\n"])
def test_every_line_end_is_one(end: str) -> None:
    assert cleaned(f"a{end}{end}b").text == "a\n\nb"


def test_entities_are_cleaned_like_characters() -> None:
    assert cleaned("a&nbsp;&nbsp;b&shy;c &#xfeff;d", "text/html").text == "a bc d"


def test_code_keeps_its_spaces() -> None:
    assert (
        cleaned("x =\t1  \n\n\n\ny\u00a0= 2", "text/x-python").text == "x =\t1  \n\n\n\ny\u00a0= 2"
    )


def test_what_is_removed_is_counted() -> None:
    document = cleaned("a\x00\x01b\u00ad")
    assert document.dropped == {"control": 2, "invisible": 1}


@given(st.text())
def test_once_is_enough(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once
    assert unicodedata.is_normalized("NFC", once)
