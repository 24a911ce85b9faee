"""Analysis: what is found by what, in which language."""

from __future__ import annotations

import pytest

from samespace.store.analysis import STEMMED, analyzer, prepare_query, prepare_text


def terms(language: str, text: str) -> set[str]:
    return set(analyzer(language).analyze(prepare_text(text)))


def asked(language: str, text: str) -> list[str]:
    return analyzer(language).analyze(prepare_query(text))


@pytest.mark.parametrize(
    ("language", "text", "query"),
    [
        ("en", "The engines were running", "engine runs"),
        ("de", "Die Häuser am See", "haus"),
        ("fr", "Les créations françaises", "creation"),
        ("ru", "столицы России", "столица"),
        ("es", "canciones bonitas", "cancion"),
        ("pt-BR", "as casas", "casa"),
        ("nb", "husene", "hus"),
        ("ta", "தமிழ்நாடு மக்கள்", "மக்கள்"),
        ("hi", "हिन्दी में लिखा", "हिन्दी"),
        ("xx", "Überraschung", "uberraschung"),
        ("ja", "東京の人口は多い", "東京"),
        ("ja", "東京の人口は多い", "人口"),
        ("ja", "東京の人口は多い", "京"),
        ("zh", "北京大学 PyTorch2 教程", "pytorch2"),
        ("ko", "서울특별시의 인구", "서울"),
        ("th", "ที่นี่มีน้ำ", "น้ำ"),
        ("en", "the word 東京タワー in a text", "タワー"),
        ("en", "ﬁle ＦＵＬＬ width", "file full"),
        ("en", "cafe\u0301", "café"),
        ("tr", "kitaplar", "kitap"),
    ],
)
def test_found(language: str, text: str, query: str) -> None:
    wanted = asked(language, query)
    assert wanted
    assert set(wanted) <= terms(language, text)


def test_words_are_not_torn_at_combining_marks() -> None:
    assert asked("hi", "हिन्दी में") == ["हिन्दी", "में"]
    assert asked("ta", "நாடு") == asked("ta", "நாடு ")
    assert len(asked("ta", "தமிழ்நாடு")) == 1


def test_a_pair_of_characters_must_be_neighbours() -> None:
    assert not set(asked("ja", "京人")) & terms("ja", "東京の人口")


@pytest.mark.parametrize("language", sorted({*STEMMED, "ja", "zh", "ko", "th", "", "tlh", "en-US"}))
def test_every_language_has_an_analyzer(language: str) -> None:
    assert asked(language, "Granit 0x80070005") != []


def test_stop_words_carry_no_weight_where_a_list_exists() -> None:
    assert asked("en", "the of and") == []
    assert asked("fr", "à la été") == ["ete"] or asked("fr", "à la") == []
    assert asked("xx", "the of") == ["the", "of"]


def test_a_term_may_be_long_but_not_endless() -> None:
    assert asked("en", "f" * 128) != []
    assert asked("en", "f" * 300) == []
