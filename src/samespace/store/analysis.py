"""How text becomes the terms of the lexical index, language by language.

A query goes through the same analysis as the text, so whatever is split or folded is split and
folded alike on both sides: `git_rebase` is found as `git` and `rebase`.

Scripts that are written without spaces have no words to split at. Their runs are rewritten, in
the text as in the query and whatever the language, as the pairs of neighbouring characters
(bigrams); the text has its single characters too, so that a query of one character finds it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tantivy import TextAnalyzer

ANALYSIS_VERSION = 1
"""Raised when the same text starts to give other terms; indexes of other versions are rebuilt."""

LONGEST_TERM = 256
"""Bytes. Longer terms (encoded data) are dropped; a SHA-512 in hexadecimal is kept."""

STEMMED = {
    "ar": "arabic",
    "da": "danish",
    "nl": "dutch",
    "en": "english",
    "fi": "finnish",
    "fr": "french",
    "de": "german",
    "el": "greek",
    "hu": "hungarian",
    "it": "italian",
    "no": "norwegian",
    "nb": "norwegian",
    "nn": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "es": "spanish",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
"""ISO 639-1 codes to the stemmers of tantivy. Other languages are lower-cased and folded only."""

_WITHOUT_STOP_WORDS = {"arabic", "greek", "romanian", "tamil", "turkish"}

_WORD = r"[\p{L}\p{N}\p{M}]+"
"""Tantivy's own splitter cuts at combining marks, which tears the words of Indic scripts."""

_UNSPACED = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"  # Hangul
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Kana
    "\u2e80-\u2fdf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "]+"
)


def analysis_id(language: str) -> str:
    """Return the name of the analysis that an index was made with."""
    return f"{language}/{ANALYSIS_VERSION}"


def analyzer(language: str) -> TextAnalyzer:
    """Return tantivy's analyzer for a language (ISO 639-1; a region as in pt-BR is ignored)."""
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    name = STEMMED.get(re.split("[-_]", language.lower())[0])
    marks = name is None or name == "tamil"
    builder = TextAnalyzerBuilder(Tokenizer.regex(_WORD) if marks else Tokenizer.simple())
    builder = builder.filter(Filter.remove_long(LONGEST_TERM)).filter(Filter.lowercase())
    if name is not None and name not in _WITHOUT_STOP_WORDS:
        # Before folding: the lists are spelled with their accents.
        builder = builder.filter(Filter.stopword(name))
    builder = builder.filter(Filter.ascii_fold())
    if name is not None:
        builder = builder.filter(Filter.stemmer(name))
    return builder.build()


def prepare_text(text: str) -> str:
    """Return what is given to the analyzer for a text that is indexed."""
    return _UNSPACED.sub(_grams, unicodedata.normalize("NFKC", text))


def prepare_query(text: str) -> str:
    """Return what is given to the analyzer for a query."""
    return _UNSPACED.sub(_bigrams, unicodedata.normalize("NFKC", text))


def _grams(match: re.Match[str]) -> str:
    run = _letters(match)
    return f" {' '.join(run)}{_bigrams(match)}" if len(run) > 1 else f" {run} "


def _bigrams(match: re.Match[str]) -> str:
    run = _letters(match)
    if len(run) < 2:
        return f" {run} "
    return f" {' '.join(run[i : i + 2] for i in range(len(run) - 1))} "


def _letters(match: re.Match[str]) -> str:
    """Leave out tone marks and vowel signs, at which tantivy's splitter would cut a bigram."""
    return "".join(filter(str.isalnum, match.group()))
