"""How far the estimate of hosted models' tokens lies above what real tokenizers count.

    python benchmarks/token_estimate.py --tiktoken-cache DIR --mistral DIR [--locale DIR]

The tokenizers: cl100k_base of OpenAI's embedding models (from tiktoken's cache), Mistral's
SentencePiece model of version 1 and its Tekken (from `mistral_common/data`; these two stand for
vocabularies of 32 and 131 thousand), and all-MiniLM-L6-v2's WordPiece, for English and code only.
The texts: data sets in English, German, Spanish, French and Chinese, code, random strings, and
the translated messages of whatever programs this machine has, in every language of which it has
enough.

A ratio is the tokenizer's count over the estimate: at most 1 where the estimate is on the safe
side.
"""

from __future__ import annotations

import argparse
import base64
import gettext
import json
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common import dataset, read_jsonl, save
from samespace.models.catalog import find
from samespace.models.hosted.estimate import estimate
from samespace.models.tokenizer import TextTokenizer
from samespace.models.weights import locate

Count = Callable[[str], int]
TEXTS = 150
LEAST = 40
"""Characters; shorter texts are mostly special tokens."""


def tokenizers(tiktoken_cache: Path, mistral: Path) -> dict[str, Count]:
    """Return a count of each tokenizer."""
    os.environ["TIKTOKEN_CACHE_DIR"] = str(tiktoken_cache)
    import sentencepiece
    import tiktoken

    openai = tiktoken.get_encoding("cl100k_base")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(mistral / "tokenizer.model.v1"))
    data = json.loads((mistral / "tekken_240911.json").read_text("utf-8"))
    size = data["config"]["default_vocab_size"] - data["config"]["default_num_special_tokens"]
    tekken = tiktoken.Encoding(
        "tekken",
        pat_str=data["config"]["pattern"],
        mergeable_ranks={
            base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in data["vocab"][:size]
        },
        special_tokens={},
    )
    card = find("all-MiniLM-L6-v2")
    assert card is not None
    words = TextTokenizer(locate(card) / "tokenizer.json")
    return {
        "cl100k_base": lambda text: len(openai.encode_ordinary(text)),
        "mistral v1": lambda text: len(pieces.encode(text)),
        "tekken": lambda text: len(tekken.encode_ordinary(text)),
        "wordpiece": lambda text: words.count([text])[0],
    }


def english() -> dict[str, list[str]]:
    """Return texts in English and code, by data set."""
    parts = {
        "scifact": ("corpus.jsonl", ("title", "text")),
        "stackfaq": ("corpus.jsonl", ("title", "text")),
        "medquad": ("pairs.jsonl", ("question", "answer")),
        "conala": ("train.jsonl", ("intent", "code")),
        "nl2bash": ("pairs.jsonl", ("query", "command")),
    }
    return {
        name: ["\n".join(str(row[field]) for field in fields) for row in _some(name, file)]
        for name, (file, fields) in parts.items()
    }


def others(locale: Path) -> dict[str, list[str]]:
    """Return texts in other languages: sentences of a data set, messages of programs."""
    found = {}
    for language in ("de", "es", "fr", "zh"):
        rows = _some("stsb-multi", f"{language}.dev.jsonl")
        found[f"stsb {language}"] = [
            " ".join(str(v) for v in row.values() if isinstance(v, str)) for row in rows
        ]
    for folder in sorted(locale.iterdir()):
        messages: set[str] = set()
        for file in sorted(folder.glob("LC_MESSAGES/*.mo")):
            try:
                catalog = gettext.GNUTranslations(file.open("rb"))
            except (OSError, ValueError, IndexError):
                continue
            entries = catalog._catalog.items()  # type: ignore[attr-defined]
            messages |= {
                v for k, v in entries if k and isinstance(v, str) and len(v) > 60 and v != k
            }
        chosen = _sample(sorted(messages))
        if len(chosen) == TEXTS:
            found[f"messages {folder.name}"] = [
                f"{one} {other}" for one, other in zip(chosen[::2], chosen[1::2], strict=False)
            ]
    return found


def random_strings() -> dict[str, list[str]]:
    """Return what no language is made of."""
    source = random.Random(0)
    return {
        "base64": [base64.b64encode(source.randbytes(300)).decode() for _ in range(50)],
        "hexadecimal": [source.randbytes(200).hex() for _ in range(50)],
    }


def ratios(texts: Sequence[str], counts: dict[str, Count]) -> dict[str, Any]:
    """Return each tokenizer's tokens over the estimate: of all texts, and of the worst one."""
    kept = [text for text in texts if len(text) >= LEAST]
    estimated = estimate(kept)
    result: dict[str, Any] = {"texts": len(kept)}
    for name, count in counts.items():
        counted = [count(text) for text in kept]
        result[name] = {
            "mean": round(sum(counted) / sum(estimated), 2),
            "most": round(max(c / e for c, e in zip(counted, estimated, strict=True)), 2),
        }
    return result


def _some(name: str, file: str) -> list[dict[str, Any]]:
    return _sample(read_jsonl(dataset(name) / file))


def _sample(rows: list[Any]) -> list[Any]:
    return random.Random(0).sample(rows, min(TEXTS, len(rows)))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiktoken-cache", type=Path, required=True)
    parser.add_argument("--mistral", type=Path, required=True)
    parser.add_argument("--locale", type=Path, default=Path("/usr/share/locale"))
    arguments = parser.parse_args()
    counts = tokenizers(arguments.tiktoken_cache, arguments.mistral)
    multilingual = {name: count for name, count in counts.items() if name != "wordpiece"}
    save(
        "token_estimate",
        {
            "english and code": {n: ratios(t, counts) for n, t in english().items()},
            "other languages": {
                n: ratios(t, multilingual) for n, t in others(arguments.locale).items()
            },
            "random strings": {n: ratios(t, counts) for n, t in random_strings().items()},
        },
    )


if __name__ == "__main__":
    main()
