"""The vocabulary of a static model: the pieces that it needs, and the words of the text whole.

A mean of pieces does not know which stood together: "micro", "##gli", "##a" say little of
microglia. A word that is one token has a vector of its own. A WordPiece tokenizer takes the
longest piece that fits first, so adding a word to its vocabulary is all it takes, and words that
are not in it still fall apart into pieces.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.errors import InputError, ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LEAST_OCCURRENCES = 3
"""A word seen less often is not worth a vector: what is learned of it would be chance."""

_PIECES = 20_000
_LONGEST_PIECE = 6
_ALPHABET = 6_000
"""Characters that get a piece of their own where the pieces are learned from the text."""

_UNKNOWN = "[UNK]"


def vocabulary(file: Path | None, texts: Sequence[str], words: int) -> Tokenizer:
    """Return a WordPiece tokenizer with the most frequent words of the texts in it.

    It adds no special tokens, truncates nothing and pads nothing.

    Args:
        file: the tokenizer.json to start from. One that is no WordPiece (BPE, Unigram) cannot
            take whole words; for it, and for None, the pieces are learned from the texts.
        texts: where words come from.
        words: how many to add at most.

    Raises:
        InputError: pieces have to be learned, and there is no text.
        ModelError: the file cannot be read.
    """
    from tokenizers import Tokenizer

    definition = _read(file) if file else None
    if definition is None and not texts:
        raise InputError(
            "the model has no WordPiece vocabulary to start from, so a static one must be "
            "learned from text: give some with texts= (--texts)"
        )
    bare = _bare(definition) if definition else _without_pieces()
    occurrences = _count(Tokenizer.from_str(json.dumps(bare)), texts)
    known: dict[str, int] = bare["model"]["vocab"]
    longest = int(bare["model"].get("max_input_chars_per_word", 100))
    frequent = [
        word
        for word, count in _by_count(occurrences)
        if count >= LEAST_OCCURRENCES and word not in known and len(word) <= longest
    ]
    learned = [] if definition else _pieces(occurrences)
    for token in dict.fromkeys([*learned, *frequent[:words]]):
        known[token] = len(known)
    return Tokenizer.from_str(json.dumps(bare))


def _read(file: Path) -> dict[str, Any] | None:
    """Return the definition of a WordPiece tokenizer, None for another kind."""
    try:
        definition: dict[str, Any] = json.loads(file.read_bytes())
        return definition if definition["model"].get("type") == "WordPiece" else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"{file} is not a tokenizer definition in JSON: {error}") from error


def _without_pieces() -> dict[str, Any]:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordPiece({_UNKNOWN: 0}, unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    definition: dict[str, Any] = json.loads(tokenizer.to_str())
    return definition


def _bare(definition: dict[str, Any]) -> dict[str, Any]:
    """Leave out what wraps, cuts or pads, and the places that BERT kept free ("[unused7]")."""
    found = sorted(definition["model"]["vocab"].items(), key=lambda entry: entry[1])
    kept = [token for token, _ in found if not token.startswith("[unused")]
    numbers = {token: number for number, token in enumerate(kept)}
    added = [
        {**token, "id": numbers[token["content"]]}
        for token in definition.get("added_tokens") or ()
        if token["content"] in numbers
    ]
    nothing = dict.fromkeys(("truncation", "padding", "post_processor"))
    model = {**definition["model"], "vocab": numbers}
    return {**definition, **nothing, "added_tokens": added, "model": model}


def _count(tokenizer: Tokenizer, texts: Sequence[str]) -> Counter[str]:
    """Return how often each word occurs, as the tokenizer sees words before it cuts them."""
    normalizer, splitter = tokenizer.normalizer, tokenizer.pre_tokenizer
    occurrences: Counter[str] = Counter()
    for text in texts:
        plain = normalizer.normalize_str(text) if normalizer else text
        words = splitter.pre_tokenize_str(plain) if splitter else [(plain, (0, len(plain)))]
        occurrences.update(word for word, _ in words)
    return occurrences


def _by_count(occurrences: Counter[str]) -> list[tuple[str, int]]:
    """Return the most frequent first; what is equally frequent comes in the order of letters."""
    return sorted(occurrences.items(), key=lambda entry: (-entry[1], entry[0]))


def _pieces(occurrences: Counter[str]) -> list[str]:
    """Return the parts that most words share, and every common character: what rare words need.

    WordPiece marks a part that does not begin a word with "##". Each word counts once: it is
    the many rare ones that will be cut.
    """
    letters: Counter[str] = Counter()
    parts: Counter[str] = Counter()
    for word in occurrences:
        letters.update(word)
        for length in range(2, _LONGEST_PIECE + 1):
            parts.update(
                f"##{word[at : at + length]}" if at else word[:length]
                for at in range(len(word) - length + 1)
            )
    alphabet = [letter for letter, _ in _by_count(letters)[:_ALPHABET]]
    common = [part for part, _ in _by_count(parts)[:_PIECES]]
    return [*alphabet, *(f"##{letter}" for letter in alphabet), *common]
