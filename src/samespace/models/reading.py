"""From texts to a model's token ids: the prompt, the count, and what does not fit the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from samespace.errors import InputError
from samespace.models.folder import ModelFolder
from samespace.models.inputs import OnLongText, check_on_long, check_role, check_texts, too_long
from samespace.models.tokenizer import TextTokenizer, TokenIds
from samespace.space import Space
from samespace.types import Role

_TOKENIZED_AT_ONCE = 1024


class Reader:
    """Checks texts, puts the role's prompt before them, and makes token ids of them.

    Args:
        tokenizer: makes the model's tokenizer, at its first use.
        space: names the model and holds the prompts.
        window: for each role, how many tokens the model takes, special tokens and prompt
            included.
    """

    def __init__(
        self, tokenizer: Callable[[], TextTokenizer], space: Space, window: Mapping[Role, int]
    ) -> None:
        self._make = tokenizer
        self._space = space
        self._window = window

    @cached_property
    def tokenizer(self) -> TextTokenizer:
        """The model's own tokenizer. Two threads may each make one; either serves."""
        return self._make()

    def count(self, texts: Sequence[str], role: Role) -> list[int]:
        """Return how many tokens each text takes, special tokens and prompt included."""
        check_role(role)
        return self.tokenizer.count(self._prompted(check_texts(texts, blank=True), role))

    def read(self, texts: Sequence[str], role: Role, on_long: OnLongText) -> list[TokenIds]:
        """Return the token ids of each text, at most the window's.

        Raises:
            InputError: a text is blank, is not a string, holds lone surrogates, or nothing that
                the tokenizer reads; or the prompt leaves no room for a text.
            TooLong: a text exceeds the window and `on_long` is "error".
        """
        check_role(role)
        check_on_long(on_long)
        prompted = self._prompted(check_texts(texts, blank=False), role)
        encoded: list[TokenIds] = []
        # In slices, because the tokenizer's own records are far larger than the ids kept here.
        for start in range(0, len(prompted), _TOKENIZED_AT_ONCE):
            encoded += self.tokenizer.encode(prompted[start : start + _TOKENIZED_AT_ONCE])
        window, room = self._window[role], False
        for i, ids in enumerate(encoded):
            if len(ids) > window:
                if on_long == "error":
                    raise too_long(i, len(ids), window, self._space.model)
                room = room or self._has_room(role)
                encoded[i] = self.tokenizer.encode_cut(prompted[i], window)
            elif not len(ids):
                raise InputError(
                    f"text {i} holds nothing that the tokenizer of {self._space.model} reads"
                )
        return encoded

    def _has_room(self, role: Role) -> bool:
        """Raise InputError where special tokens and prompt leave no room for a text."""
        overhead, window = self.count([""], role)[0], self._window[role]
        if overhead >= window:
            raise InputError(
                f"the window of {window} tokens is filled by the special tokens and the prompt "
                f"({overhead}): cut to it, every text would be the same. Raise max_tokens"
            )
        return True

    def _prompted(self, texts: list[str], role: Role) -> list[str]:
        prompt = self._space.prompt(role)
        return [prompt + text for text in texts] if prompt else texts


def folder_reader(folder: ModelFolder, space: Space) -> Reader:
    """Return the reader of a model's folder, with the same window for both roles."""
    window: dict[Role, int] = {"query": folder.max_tokens, "document": folder.max_tokens}
    file = folder.root / "tokenizer.json"
    return Reader(lambda: TextTokenizer(file, lowercase=folder.lowercase), space, window)
