"""The model's own tokenizer, with its stored truncation and padding switched off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from samespace.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TokenIds = npt.NDArray[np.int32]


class TextTokenizer:
    """Turns texts into token ids, special tokens included, and never cuts unless asked.

    A tokenizer.json may ship with truncation and padding on (MiniLM's cuts at 128 tokens and
    pads to as many), which would make every count and every long text wrong in silence.

    Args:
        file: the model's tokenizer.json.
        lowercase: lower-case every text first, as sentence_bert_config.json may ask.
        unpunctuated: then leave out ASCII punctuation, as SigLIP's first generation does.
        markers: words of the vocabulary that stand for themselves wherever a text holds them.
    """

    def __init__(
        self,
        file: Path,
        *,
        lowercase: bool = False,
        unpunctuated: bool = False,
        markers: Sequence[str] = (),
    ) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:
            # The Rust side raises bare Exception, whatever is wrong with the file.
            raise ModelError(f"{file} is not a tokenizer definition: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._file = file
        if lowercase or unpunctuated:
            _clean(self._tokenizer, lowercase, unpunctuated)
        for marker in markers:
            _mark(self._tokenizer, marker)
        self._special = self._tokenizer.num_special_tokens_to_add(False)

    def find(self, token: str) -> int | None:
        """Return the number of a token, None where the vocabulary does not hold it."""
        number: int | None = self._tokenizer.token_to_id(token)
        return number

    def id_of(self, token: str) -> int:
        """Return the number of a token that the vocabulary must hold.

        Raises:
            ModelError: it does not.
        """
        number = self.find(token)
        if number is None:
            raise ModelError(f"{self._file} holds no token {token!r}, which the model needs")
        return number

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text takes, special tokens included."""
        return [len(encoding) for encoding in self._tokenizer.encode_batch_fast(texts)]

    def encode(self, texts: Sequence[str]) -> list[TokenIds]:
        """Return the token ids of each text, special tokens included, nothing cut."""
        encodings = self._tokenizer.encode_batch_fast(texts)
        return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]

    def encode_cut(self, text: str, max_tokens: int) -> TokenIds:
        """Return the first `max_tokens` ids of a long text, with the special tokens in place."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        encoding.truncate(max(max_tokens - self._special, 0))
        return np.array(self._tokenizer.post_process(encoding).ids, dtype=np.int32)

    def cut(self, text: str, max_tokens: int) -> str:
        """Return the longest beginning of a text that takes at most `max_tokens` tokens.

        Special tokens are counted. What is cut off may change how the last word is read, so that
        a token less may be kept than would fit.
        """
        ends = [end for _, end in self._tokenizer.encode(text, add_special_tokens=False).offsets]
        keep = min(max(max_tokens - self._special, 0), len(ends))
        while keep and self.count([text[: ends[keep - 1]]])[0] > max_tokens:
            keep -= 1
        return text[: ends[keep - 1]] if keep else ""


def _mark(tokenizer: Tokenizer, marker: str) -> None:
    """Keep a known token whole, with the space after it if the vocabulary has it so.

    ColBERT's checkpoints were trained with markers put in as token ids; as text, "[unused0]"
    would be read as its letters and brackets.
    """
    from tokenizers import AddedToken

    for token in (marker, *marker.split(None, 1)[:1]):
        if tokenizer.token_to_id(token) is not None:
            if tokenizer.encode(token, add_special_tokens=False).tokens != [token]:
                tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True)])
            return


def _clean(tokenizer: Tokenizer, lowercase: bool, unpunctuated: bool) -> None:
    """Clean before all else, as sentence-transformers does for `do_lower_case`."""
    from tokenizers import Regex
    from tokenizers.normalizers import Lowercase, Normalizer, Replace, Sequence, Strip

    steps: list[Normalizer] = [Lowercase()] if lowercase else []
    if unpunctuated:
        ascii_punctuation = Regex(r"[!-/:-@\[-`{-~]")
        steps += [Replace(ascii_punctuation, ""), Replace(Regex(r"\s+"), " "), Strip()]
    present = tokenizer.normalizer
    tokenizer.normalizer = Sequence([*steps, present] if present else steps)
