"""Real sentences and questions from all of the data sets, and the vectors made of them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from common import dataset, read_jsonl

FEWEST_WORDS, MOST_CHARACTERS = 4, 600
PART = 4096
"""Texts embedded between two savings."""

_WHOLE = {
    "banking77": {"train": ("text",), "test": ("text",)},
    "clinc150": {"train": ("text",), "test": ("text",), "val": ("text",)},
    "conala": {"train": ("query", "intent"), "test": ("query", "intent")},
    "mrpc": dict.fromkeys(("train", "test", "val"), ("text1", "text2")),
    "nl2bash": {"pairs": ("query",)},
    "squad-train-sents": {"pairs": ("sentence",)},
    "stackoverflow-titles": {"all": ("text",)},
    "stsb-multi": {f"en.{name}": ("sentence1", "sentence2") for name in ("train", "dev", "test")},
    "wikiqa": dict.fromkeys(("train", "dev", "test"), ("sentence",)),
}
"""Data sets, files and fields that hold one sentence each."""

_PROSE = {
    "scifact": {"corpus": ("title", "text")},
    "squad-dev-minus-xquad": {"corpus": ("text",)},
    "covid-qa": {"corpus": ("text",)},
    "stackfaq": {"corpus": ("title", "text")},
    "cranfield": {"corpus": ("title", "text")},
    "cacm": {"corpus": ("title", "text")},
    "bbc-news": {"all": ("text",)},
    "medquad": {"pairs": ("answer",)},
}
"""Those that hold prose, which is cut into sentences."""

_QUESTIONS = ("squad-dev-minus-xquad", "scifact", "covid-qa", "stackfaq", "cranfield", "cacm")


def sentences(count: int) -> list[str]:
    """Return distinct sentences of all data sets, mixed, always the same first ones."""
    from samespace.text.sentences import sentences as spans

    found: dict[str, str] = {}

    def keep(text: str) -> None:
        text = " ".join(text.split())
        # The model folds case, so texts that differ in nothing else have one vector.
        if len(re.findall(r"\w+", text)) >= FEWEST_WORDS and len(text) <= MOST_CHARACTERS:
            found.setdefault(text.lower(), text)

    for text in _fields(_WHOLE):
        keep(text)
    for text in _fields(_PROSE):
        for start, end in spans(text):
            keep(text[start:end])
    texts = list(found.values())
    random.Random(0).shuffle(texts)
    return texts[:count]


def questions(count: int) -> list[str]:
    """Return real questions, mixed; none of their files is read by `sentences`."""
    found = list(
        dict.fromkeys(
            r["text"] for name in _QUESTIONS for r in read_jsonl(dataset(name) / "queries.jsonl")
        )
    )
    random.Random(1).shuffle(found)
    return found[:count]


def _fields(sources: dict[str, Any]) -> Iterator[str]:
    for name, files in sources.items():
        for file, fields in files.items():
            for record in read_jsonl(dataset(name) / f"{file}.jsonl"):
                yield from (record[field] for field in fields if record.get(field))


def embed(count: int, asked: int, folder: str) -> dict[str, Any]:
    """Embed sentences and questions once, and save them: sentences.npy, questions.npy.

    What was embedded before an interruption is kept in parts/.
    """
    from samespace.models import load

    parts = Path(folder) / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    embedder = load("all-MiniLM-L6-v2")
    texts = sentences(count)
    for start in range(0, len(texts), PART):
        part = parts / f"{start:07d}.npy"
        if not part.exists():
            made = embedder.embed(texts[start : start + PART], "document", on_long="truncate")
            np.save(part.with_suffix(".partial.npy"), made.array)
            part.with_suffix(".partial.npy").rename(part)
    queries = embedder.embed(questions(asked), "query", on_long="truncate").array
    np.save(Path(folder) / "questions.npy", queries)
    found = [np.load(parts / f"{start:07d}.npy") for start in range(0, len(texts), PART)]
    np.save(Path(folder) / "sentences.npy", np.concatenate(found))
    return {"sentences": len(texts), "questions": len(queries)}
