"""An embedder without weights, for tests: instant, deterministic, and honest about its space."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from samespace.errors import InputError
from samespace.models.inputs import OnLongText, check_on_long, check_role, check_texts, too_long
from samespace.space import FloatArray, Space, Vectors
from samespace.types import Role

FEATURES_VERSION = 1
"""Raised when the same text starts to get another vector; it is part of the Space."""

_NGRAM = 3
_NGRAM_WEIGHT = 0.4
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_IDEOGRAPHS}]|[^\W{_IDEOGRAPHS}]+|[^\w\s]")


class HashEmbedder:
    """Embeds a text as a hashed bag of its words and of their letter trigrams.

    It is for tests, yours and ours: it needs no weights and no network, takes microseconds,
    and gives the same vectors on every machine. Texts that share words, or words that share
    letters, come out near each other; it knows nothing of meaning. It keeps every promise of
    the `Embedder` protocol, so what works with it works with a real model.

    Tokens are words, single ideographs and punctuation marks; there are no special tokens.

    Args:
        dimensions: the width of a vector.
        max_tokens: the window.
        seed: another seed gives another space.
        prompts: what is put before a text, for each role.

    >>> embedder = HashEmbedder()
    >>> embedder.embed(["a small cat", "the stock market"], "document").array.shape
    (2, 256)
    """

    def __init__(
        self,
        dimensions: int = 256,
        max_tokens: int = 256,
        seed: int = 0,
        prompts: Mapping[Role, str] | None = None,
    ) -> None:
        if dimensions < 1:
            raise InputError(f"dimensions must be at least 1, got {dimensions}")
        if max_tokens < 1:
            raise InputError(f"max_tokens must be at least 1, got {max_tokens}")
        for role, prompt in (prompts or {}).items():
            check_role(role)
            if len(_TOKEN.findall(prompt)) >= max_tokens:
                raise InputError(f"the {role} prompt fills the window of {max_tokens} tokens")
        self._max_tokens = max_tokens
        self._seed = zlib.crc32(str(seed).encode("ascii"))
        identity = json.dumps(["samespace-hash", FEATURES_VERSION, dimensions, seed])
        self._space = Space(
            model="samespace-hash",
            revision=str(FEATURES_VERSION),
            weights=hashlib.sha256(identity.encode("ascii")).hexdigest(),
            tokenizer=hashlib.sha256(_TOKEN.pattern.encode("utf-8")).hexdigest(),
            pooling="none",
            normalized=True,
            native_dimensions=dimensions,
            dimensions=dimensions,
            prompts=tuple(sorted((str(r), p) for r, p in (prompts or {}).items() if p)),
        )

    @property
    def space(self) -> Space:
        """The space, made from the parameters."""
        return self._space

    @property
    def max_tokens(self) -> int:
        """The window in tokens, prompt included."""
        return self._max_tokens

    def count(self, texts: Sequence[str], role: Role = "document") -> list[int]:
        """Return how many tokens each text takes, prompt included."""
        check_role(role)
        prompt = self._space.prompt(role)
        return [len(_TOKEN.findall(prompt + text)) for text in check_texts(texts, blank=True)]

    def embed(self, texts: Sequence[str], role: Role, *, on_long: OnLongText = "error") -> Vectors:
        """Return one vector of length 1 per text, in the order of the texts.

        Raises:
            InputError: a text is blank, is not a string or holds lone surrogates.
            TooLong: a text exceeds `max_tokens` and `on_long` is "error".
        """
        check_role(role)
        check_on_long(on_long)
        prompt = self._space.prompt(role)
        checked = check_texts(texts, blank=False)
        array = np.empty((len(checked), self._space.dimensions), dtype=np.float32)
        for i, text in enumerate(checked):
            tokens = _TOKEN.findall(prompt + text)
            if len(tokens) > self._max_tokens:
                if on_long == "error":
                    raise too_long(i, len(tokens), self._max_tokens, self._space.model)
                tokens = tokens[: self._max_tokens]
            array[i] = self._vector(tokens)
        return Vectors(array, self._space, role)

    def _vector(self, tokens: Sequence[str]) -> FloatArray:
        features = [_features(token, self._seed) for token in tokens]
        hashes = np.concatenate([h for h, _ in features])
        weights = np.concatenate([w for _, w in features])
        dimensions = self._space.dimensions
        signs = 1.0 - 2.0 * (hashes >> np.uint32(31))
        total = np.bincount(hashes % dimensions, weights * signs, minlength=dimensions)
        norm = np.linalg.norm(total)
        if norm < 1e-6:
            # The signs of all features cancelled; the text still deserves a direction.
            total[zlib.crc32("\n".join(tokens).encode("utf-8"), self._seed) % dimensions] = 1.0
            norm = np.linalg.norm(total)
        vector: FloatArray = (total / norm).astype(np.float32)
        return vector


@lru_cache(maxsize=65536)
def _features(token: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the hashes of a token's features, uint32, and their weights, float64."""
    word = unicodedata.normalize("NFKC", token).casefold()
    padded = f"<{word}>"
    names = [f"word {word}"]
    names += [padded[i : i + _NGRAM] for i in range(len(padded) - _NGRAM + 1)]
    hashes = np.array([zlib.crc32(n.encode("utf-8"), seed) for n in names], dtype=np.uint32)
    weights = np.full(len(names), _NGRAM_WEIGHT)
    weights[0] = 1.0
    return hashes, weights
