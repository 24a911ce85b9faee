"""Counting a hosted model's tokens: by its own tokenizer where that is at hand, else estimated."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from samespace.errors import InputError, ModelNotFound
from samespace.models.hosted.estimate import estimate
from samespace.models.tokenizer import TextTokenizer

if TYPE_CHECKING:
    import tiktoken

_CL100K = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
_CL100K_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
CL100K_MODELS = ("text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002")
"""Source: https://github.com/openai/tiktoken/blob/main/tiktoken/model.py"""


class Counter(Protocol):
    """Counts tokens and cuts texts."""

    exact: bool

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text takes, special tokens included."""

    def cut(self, text: str, max_tokens: int) -> str:
        """Return the longest beginning of a text that takes at most `max_tokens`."""


class FileCounter:
    """Counts with a model's tokenizer.json.

    Args:
        path: the file, or the folder that holds it.
    """

    exact = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        file = Path(path)
        file = file / "tokenizer.json" if file.is_dir() else file
        if not file.is_file():
            raise ModelNotFound(f"there is no tokenizer.json at {file}")
        self._tokenizer = TextTokenizer(file)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text takes, special tokens included."""
        return self._tokenizer.count(texts)

    def cut(self, text: str, max_tokens: int) -> str:
        """Return the longest beginning of a text that takes at most `max_tokens`."""
        return self._tokenizer.cut(text, max_tokens)


class TiktokenCounter:
    """Counts with the vocabulary of OpenAI's embedding models, cl100k_base."""

    exact = True

    def __init__(self, encoding: tiktoken.Encoding) -> None:
        self._encoding = encoding

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text takes; there are no special ones."""
        return [len(tokens) for tokens in self._encoding.encode_ordinary_batch(list(texts))]

    def cut(self, text: str, max_tokens: int) -> str:
        """Return the longest beginning of a text that takes at most `max_tokens`."""
        tokens = self._encoding.encode_ordinary(text)
        for keep in range(min(max_tokens, len(tokens)), 0, -1):
            # A character may be several tokens: the part of one at the end goes.
            start = self._encoding.decode_bytes(tokens[:keep]).decode("utf-8", "ignore")
            if len(self._encoding.encode_ordinary(start)) <= max_tokens:
                return start
        return ""


class Estimate:
    """Counts on the upper side, without a tokenizer."""

    exact = False

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text takes at most, special tokens included."""
        return estimate(texts)

    def cut(self, text: str, max_tokens: int) -> str:
        """Raise InputError: where the window ends is not known."""
        raise InputError(
            'on_long="truncate" needs the model\'s own tokenizer, because a text cut by an '
            "estimate would lose more than it must: give tokenizer=, the path of the model's "
            "tokenizer.json, or split the text"
        )


def usable(window: int, counts: Counter) -> int:
    """Return how much of a window may be filled where what is too long is cut without a word.

    An estimate may be a fifth too low; see `samespace.models.hosted.estimate`.
    """
    return window if counts.exact else window * 4 // 5


def counter(model: str, tokenizer: str | os.PathLike[str] | None) -> Counter:
    """Return what counts best for a model.

    Args:
        model: the model's name.
        tokenizer: its tokenizer.json, if that is at hand.

    Raises:
        ModelNotFound: there is no such file.
        ModelError: it is no tokenizer.
    """
    if tokenizer is not None:
        return FileCounter(tokenizer)
    if model in CL100K_MODELS:
        encoding = cached_cl100k()
        if encoding:
            return TiktokenCounter(encoding)
    return Estimate()


def cached_cl100k() -> tiktoken.Encoding | None:
    """Return tiktoken's cl100k_base if its file was fetched before; nothing is fetched here."""
    try:
        import tiktoken
    except ImportError:
        return None
    folder = os.environ.get(
        "TIKTOKEN_CACHE_DIR",
        os.environ.get("DATA_GYM_CACHE_DIR", os.path.join(tempfile.gettempdir(), "data-gym-cache")),
    )
    file = Path(folder) / hashlib.sha1(_CL100K.encode()).hexdigest()
    if not folder or not file.is_file():
        return None
    if hashlib.sha256(file.read_bytes()).hexdigest() != _CL100K_SHA256:
        return None
    return tiktoken.get_encoding("cl100k_base")
