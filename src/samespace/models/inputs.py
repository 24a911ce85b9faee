"""What every embedder checks before it reads a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from samespace.errors import InputError, TooLong
from samespace.types import Role

OnLongText = Literal["error", "truncate"]


def check_role(role: Role) -> None:
    """Raise InputError unless the role is one of the two."""
    if role not in get_args(Role):
        raise InputError(f'role must be "query" or "document", got {role!r}')


def check_on_long(on_long: OnLongText) -> None:
    """Raise InputError unless `on_long` is one of the two ways."""
    if on_long not in get_args(OnLongText):
        raise InputError(
            f'on_long must be "error" or "truncate", got {on_long!r}; splitting is done by '
            "chunking, before embedding"
        )


def check_texts(texts: Sequence[str], *, blank: bool) -> list[str]:
    """Return the texts as a list after checking that each is a text that a tokenizer can read.

    Args:
        texts: the inputs.
        blank: whether empty and whitespace-only texts are allowed.

    Raises:
        InputError: for one bare string, for what is not a string, for a string with lone
            surrogates, and for a blank one where that is not allowed. It names the index.
    """
    if isinstance(texts, (str, bytes)):
        raise InputError(
            f"expected a sequence of texts, got one {type(texts).__name__}; pass [text]"
        )
    checked = list(texts)
    for i, text in enumerate(checked):
        if not isinstance(text, str):
            raise InputError(f"text {i}: expected a str, got {type(text).__name__}")
        if not blank and (not text or text.isspace()):
            raise InputError(
                f"text {i} is empty or only whitespace: it has no meaning to embed. "
                "Leave it out of the call"
            )
        if not text.isascii():
            _check_encodable(i, text)
    return checked


def _check_encodable(index: int, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"text {index} holds a lone surrogate (U+{ord(text[error.start]):04X} at position "
            f"{error.start}), which is no character. Decode its source with the right encoding, "
            'or replace it: text.encode("utf-8", "replace").decode("utf-8")'
        ) from None


def too_long(index: int, tokens: int, window: int, model: str) -> TooLong:
    """Make the error for a text that does not fit the window."""
    return TooLong(
        f"text {index} takes {tokens} tokens, but the window of {model} is {window} (special "
        "tokens and prompt included). Split it into chunks of at most that many, or embed with "
        'on_long="truncate" to drop everything beyond the window'
    )
