"""Bytes become the text that was meant, or are refused as binary."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.text.load.decode import decode
from samespace.text.load.outcome import Rejected

from .load_files import loaded

MARKS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(TEXT, st.sampled_from(sorted(MARKS)))
def test_text_with_a_mark_comes_back(text: str, encoding: str) -> None:
    assert decode(MARKS[encoding] + text.encode(encoding)) == text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_utf8_comes_back(text: str) -> None:
    if not text.startswith("\ufeff"):
        assert decode(text.encode()) == text


RUSSIAN = (
    "Съешь ещё этих мягких французских булок, да выпей же чаю. Широкая электрификация "
    "южных губерний даст мощный толчок подъёму сельского хозяйства."
)
JAPANESE = (
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"
    "何でも薄暗いじめじめした所でニャーニャー泣いていた事だけは記憶している。"
)
ENGLISH = "Notes saved by an old editor, without a mark."
SAMPLES = [
    ("cp1252", "The café’s façade — “naïve” — costs 5 €."),
    ("cp1252", "naïve"),
    ("latin-1", "Größe und Übermut tun selten gut, sagte Fräulein Müller."),
    ("cp1252", "¿Dónde está el niño? ¡Mañana vendrá el señor Núñez a la estación!"),
    ("cp1252", "Voilà: l’été à la française, où l’œuvre naît près du château."),
    ("cp1252", "Não há razão para a confusão à volta das eleições."),
    ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy."),
    ("cp1250", "Zażółć gęślą jaźń: wszyscy ludzie rodzą się wolni i równi."),
    ("cp1250", "Egy hűtlen vejét fülöncsípő, dühös mexikói úr."),
    ("cp1254", "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar."),
    ("cp1251", RUSSIAN),
    ("koi8_r", RUSSIAN),
    ("cp932", JAPANESE),
    ("euc_jp", JAPANESE),
    ("gb18030", "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系相对待。"),
    ("cp949", "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다."),
    ("utf-16-le", ENGLISH),
    ("utf-16-be", ENGLISH),
    ("utf-32-le", ENGLISH),
    ("utf-32-be", ENGLISH),
]


@pytest.mark.parametrize(("encoding", "text"), SAMPLES)
def test_other_encodings_are_guessed(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("head", "encoding", "text"),
    [
        ('<meta charset="iso-8859-7">', "iso-8859-7", "Όλοι"),
        ("<?xml version='1.0' encoding='windows-1250'?>", "cp1250", "žluť"),
        ("# -*- coding: koi8-r -*-\n", "koi8-r", "мир"),
        ('<meta charset="iso-8859-1">', "cp1252", "it’s “so”"),
        ('<meta charset="iso-2022-jp">', "iso-2022-jp", "日本語"),
    ],
)
def test_a_declared_encoding_is_believed(head: str, encoding: str, text: str) -> None:
    assert decode(head.encode() + text.encode(encoding)) == head + text


@pytest.mark.parametrize("declared", ["utf-16", "hex", "rot13", "no-such-thing", "ascii"])
def test_a_wrong_declaration_does_no_harm(declared: str) -> None:
    text = f'<meta charset="{declared}"> naïve'
    assert decode(text.encode()) == text
    assert decode(text.encode("cp1252")) == text


def test_nearly_utf8_keeps_its_good_letters() -> None:
    text = "Съешь ещё этих мягких булок"
    assert decode(text.encode() + b" \xff " + text.encode()) == f"{text} \ufffd {text}"
    assert decode(text.encode()[:-1]) == text[:-1] + "\ufffd"


def test_stray_nuls_are_removed_and_binary_is_refused() -> None:
    assert decode(b"a log line\n" * 200 + b"\0\0\0") == "a log line\n" * 200
    with pytest.raises(Rejected, match="binary"):
        decode(bytes(range(256)) * 10)


def test_records_in_other_encodings(tmp_path: Path) -> None:
    line = '{"_id": "%d", "text": "Größe %d – žluťoučký"}\n'
    whole = "".join(line % (i, i) for i in range(50))
    for encoding, mark in MARKS.items():
        path = tmp_path / f"{encoding}.jsonl"
        path.write_bytes(mark + whole.encode(encoding))
        result = loaded(path)
        assert result.skips == []
        assert result.texts == [f"Größe {i} – žluťoučký" for i in range(50)]
    path = tmp_path / "old.csv"
    path.write_bytes("_id,text\n1,Größe des Hauses\n2,naïve façade\n".encode("cp1252"))
    assert loaded(path).texts == ["Größe des Hauses", "naïve façade"]


def test_letters_split_between_pieces_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for shift in range(3):
        text = "x" * shift + "語" * 400_000  # over one megabyte
        path.write_text(
            json.dumps({"_id": "1", "text": text}, ensure_ascii=False), encoding="utf-8"
        )
        assert loaded(path).texts == [text]
