"""From what is to be embedded to what is sent: checked, prompted, counted, cut where asked."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from samespace.errors import InputError, TooLong
from samespace.models.hosted.counting import Counter, counter, usable
from samespace.models.hosted.facts import EmbeddingFacts, Limits
from samespace.models.hosted.providers import Picture
from samespace.models.hosted.work import batches
from samespace.models.images import check_image, image_file, is_image
from samespace.models.inputs import OnLongText, check_on_long, check_role, check_texts, too_long
from samespace.types import Role

if TYPE_CHECKING:
    from samespace.models.images import ImageInput

INPUT_TYPE_TOKENS = 12
"""Tokens at most that a provider is taken to put before a text whose input type it is told.
Voyage's prompts, which are published, have 7 and 9."""

PIXELS_PER_TOKEN = 560
"""For the budget: Voyage's, and others take fewer tokens of an image.
Source: https://docs.voyageai.com/docs/pricing"""


@dataclass(frozen=True)
class Prepared:
    """What is sent.

    Attributes:
        texts: each with its prompt; any word where an image stands.
        counts: the tokens of each.
        images: those that there are, by their positions.
    """

    texts: list[str]
    counts: list[int]
    images: dict[int, ImageInput]

    def requests(self, limits: Limits) -> list[list[int]]:
        """Return the positions of what goes into each request.

        Each image has one of its own: how many one may hold differs, and they are large.
        """
        written = [i for i in range(len(self.texts)) if i not in self.images]
        counts = [self.counts[i] for i in written]
        cut = batches(counts, limits.max_items, limits.max_request_tokens)
        return [*([written[i] for i in rows] for rows in cut), *([i] for i in self.images)]

    def picture(self, rows: list[int]) -> tuple[Picture, int] | None:
        """Return the image of a request and about how many tokens it takes, or None."""
        position = rows[0]
        if position not in self.images:
            return None
        media_type, file, pixels = image_file(self.images[position], position)
        picture = Picture(media_type, base64.b64encode(file).decode("ascii"))
        return picture, pixels // PIXELS_PER_TOKEN + 1


class Preparing:
    """Prepares inputs for one model.

    Args:
        facts: what is known of the model.
        tokenizer: its tokenizer.json, or None.
        cuts: whether a text beyond the window may be cut where it is sent, without a word.
    """

    def __init__(
        self, facts: EmbeddingFacts, tokenizer: str | os.PathLike[str] | None, *, cuts: bool
    ) -> None:
        self._facts = facts
        self._tokenizer = tokenizer
        self._cuts = cuts

    @property
    def window(self) -> int:
        """The model's window, or what of it may be filled with estimated tokens."""
        whole = self._facts.limits.max_tokens
        return usable(whole, self._counter) if self._cuts else whole

    @property
    def exact(self) -> bool:
        """Whether counts are exact."""
        return self._counter.exact and not self._facts.input_types

    def count(self, inputs: Sequence[str | ImageInput], role: Role) -> list[int]:
        """Return how many tokens of the window each input takes; an image takes none."""
        check_role(role)
        images, texts = self._checked(inputs, blank=True)
        counts = self._count(self._prompted(texts, role), role)
        return [0 if i in images else tokens for i, tokens in enumerate(counts)]

    def prepare(
        self, inputs: Sequence[str | ImageInput], role: Role, on_long: OnLongText
    ) -> Prepared:
        """Return what is to be sent for some inputs.

        Raises:
            InputError: a text is blank or no text, or an image cannot be read.
            TooLong: a text exceeds the window and `on_long` is "error".
        """
        check_role(role)
        check_on_long(on_long)
        images, checked = self._checked(inputs, blank=False)
        texts = self._prompted(checked, role)
        counts = self._count(texts, role)
        window = self.window
        for i, tokens in enumerate(counts):
            if tokens > window and i not in images:
                if on_long == "error":
                    raise self._too_long(i, tokens)
                texts[i], counts[i] = self._cut(texts[i], role), window
        for i, image in images.items():
            check_image(image, i)
        return Prepared(texts, counts, images)

    @cached_property
    def _counter(self) -> Counter:
        return counter(self._facts.space.model, self._tokenizer)

    def _checked(
        self, inputs: Sequence[str | ImageInput], *, blank: bool
    ) -> tuple[dict[int, ImageInput], list[str]]:
        """Return the images by their positions, and the texts with a word where an image is."""
        if isinstance(inputs, str) or is_image(inputs):
            one = "[text]" if isinstance(inputs, str) else "[image]"
            raise InputError(f"expected a sequence of texts, got one; pass {one}")
        images: dict[int, Any] = {i: one for i, one in enumerate(inputs) if is_image(one)}
        if images and (self._facts.space.modality == "text" or not self._facts.provider.pictures):
            raise InputError(
                f"image {min(images)}: {self._facts.space.model} takes no images, or samespace "
                f"does not know how {self._facts.provider.name} is sent them"
            )
        texts: list[Any] = ["image" if i in images else one for i, one in enumerate(inputs)]
        return images, check_texts(texts, blank=blank)

    def _prompted(self, texts: list[str], role: Role) -> list[str]:
        prompt = self._facts.prompts.get(role, "")
        return [prompt + text for text in texts] if prompt else texts

    def _hidden(self, role: Role) -> int:
        """Return the tokens that the provider may put before a text."""
        return INPUT_TYPE_TOKENS if self._facts.input_types.get(role) else 0

    def _count(self, prompted: Sequence[str], role: Role) -> list[int]:
        return [tokens + self._hidden(role) for tokens in self._counter.count(prompted)]

    def _cut(self, prompted: str, role: Role) -> str:
        window = self.window
        cut = self._counter.cut(prompted, window - self._hidden(role))
        if not cut[len(self._facts.prompts.get(role, "")) :].strip():
            raise InputError(
                f"the window of {window} tokens is filled by special tokens and prompt: cut to "
                "it, every text would be the same. Raise max_tokens"
            )
        return cut

    def _too_long(self, index: int, tokens: int) -> TooLong:
        error = too_long(index, tokens, self.window, self._facts.space.model)
        if self._counter.exact:
            return error
        return TooLong(
            f"{error}. The count is an estimate on the upper side; it is exact with tokenizer=, "
            "the path of the model's tokenizer.json"
        )
