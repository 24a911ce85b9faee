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
    """

    def __init__(self, file: Path, *, lowercase: bool = False) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:
            # The Rust side raises bare Exception, whatever is wrong with the file.
            raise ModelError(f"{file} is not a tokenizer definition: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        if lowercase:
            _lowercase(self._tokenizer)
        self._special = self._tokenizer.num_special_tokens_to_add(False)

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


def _lowercase(tokenizer: Tokenizer) -> None:
    """Lower-case before all else, as sentence-transformers does for `do_lower_case`."""
    from tokenizers.normalizers import Lowercase, Sequence

    present = tokenizer.normalizer
    if present is None:
        tokenizer.normalizer = Lowercase()
    else:
        tokenizer.normalizer = Sequence([Lowercase(), present])
