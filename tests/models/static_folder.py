"""Small static models, saved as their own libraries save them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from tests.models.texts import SCRIPTS, SENTENCE

WIDTH = 24


def tokenizer() -> Tokenizer:
    """A WordPiece tokenizer with traps: special tokens, truncation and padding are on."""
    words = {word.strip(",.").lower() for word in SENTENCE.split()}
    words |= {
        "how",
        "reset",
        "password",
        "error",
        "access",
        "dog",
        "brown",
        "small",
        "short",
        "fine",
    }
    letters = sorted({c for text in SCRIPTS[:12] for c in text.lower() if not c.isspace()})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *sorted(words), *letters]
    pieces += [f"##{letter}" for letter in letters]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.enable_truncation(8)
    made.enable_padding(length=8)
    return made


def table(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, WIDTH)).astype(np.float32)


def save(
    folder: Path,
    tensors: Mapping[str, np.ndarray],
    *,
    config: Mapping[str, object] | None = None,
    made: Tokenizer | None = None,
) -> Path:
    """Write a folder in model2vec's form."""
    from safetensors.numpy import save_file

    folder.mkdir()
    save_file(dict(tensors), folder / "model.safetensors")
    (made or tokenizer()).save(str(folder / "tokenizer.json"))
    values = {"model_type": "model2vec", "normalize": True, **(config or {})}
    (folder / "config.json").write_text(json.dumps(values))
    return folder


def small(folder: Path, **config: object) -> Path:
    """A model2vec folder with random float32 vectors."""
    return save(folder, {"embeddings": table(tokenizer().get_vocab_size())}, config=config)
