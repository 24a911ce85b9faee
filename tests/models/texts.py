"""Texts of many lengths and scripts."""

from __future__ import annotations

SCRIPTS = [
    "a",
    "!?",
    "How do I reset my password?",
    "Café au lait, naïve façade: 3.14159 kg of Größe at 25 °C.",
    "東京の人口はどのくらいですか",
    "서울의 인구는 얼마나 됩니까",
    "Съешь ещё этих мягких французских булок, да выпей чаю.",
    "القاهرة مدينة كبيرة على ضفاف النيل",
    "नमस्ते दुनिया, यह एक परीक्षण है",
    "👩‍👩‍👧‍👦 family, \U0001f600 smile, 𝕏 letter",
    "e\u0301 is not \u00e9 until it is composed",
    "  leading and trailing spaces  ",
    "line one\nline two\r\n\ttabbed",
    "zero\u200bwidth and soft\u00adhyphen and \ufeffmark",
    "null\x00and control\x07characters",
    "x" * 300,
    "ERROR 0x80070005 access denied /etc/passwd",
    "def add(a: int, b: int) -> int:\n    return a + b",
    "<s> </s> <pad> [CLS] [SEP] [PAD] spelled out",
]

SENTENCE = "The mitochondrion is the powerhouse of the cell, said the teacher to the class. "


def of_words(n: int) -> str:
    """Return a text of n words."""
    return " ".join((SENTENCE * (n // 13 + 1)).split()[:n])
