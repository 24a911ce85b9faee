"""Images and texts in one space: CLIP and SigLIP."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from samespace.errors import InputError, ModelError
from samespace.models.batching import workers
from samespace.models.catalog import ModelCard
from samespace.models.facts import Given
from samespace.models.image_folder import ImageTextFolder, read_image_text
from samespace.models.images import check_image, is_image, open_image
from samespace.models.inputs import OnLongText
from samespace.models.pooling import pool
from samespace.models.reading import Reader
from samespace.models.tokenizer import TextTokenizer, TokenIds
from samespace.models.torch.pretrained import pretrained
from samespace.models.torch.running import (
    Features,
    Running,
    as_float32,
    check_arithmetic,
    padded,
)
from samespace.space import Arithmetic, FloatArray, Metric, Space, Vectors
from samespace.types import Role

if TYPE_CHECKING:
    from samespace.models.images import ImageInput

_STAND_IN = "image"
"""What the tokenizer is given where an image stands, so that errors name the right position."""

_OLD_END = 2
"""CLIP's files from before transformers 4.32 state this as their end mark, whatever it is."""


class ImageTextEmbedder:
    """Embeds texts and images with a model from a folder, so that a text finds an image.

    A folder of transformers (CLIPModel, SiglipModel) or of sentence-transformers (0_CLIPModel).
    Making one is cheap: configurations and digests are read, weights are not. How images are
    prepared (size, crop, mean, standard deviation) is read from the folder and belongs to the
    Space, in its `tokenizer`.

    Vectors have length 1, as both models compare them in their own forward pass, although what
    sentence-transformers returns for CLIP is not brought to it.

    Args:
        folder: the model's folder.
        card: the catalog's entry that the folder must hold; pinned weights are checked.
        name: the model's name in its Space; by default the catalog's, else the folder's.
        normalized: whether vectors are brought to length 1.
        metric: how vectors are compared.
        prompts: what is put before a text, for each role; never before an image.
        device: where it runs; by default a GPU if there is one.
        arithmetic: "float32", "bfloat16" or "float16".

    Raises:
        ModelNotFound: the folder is absent or holds no model.
        ModelError: a fact is missing or contradictory; the message names the file and the field.
        WeightsMismatch: the weights are not those of `card`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        card: ModelCard | None = None,
        name: str | None = None,
        normalized: bool = True,
        metric: Metric | None = None,
        prompts: Mapping[Role, str] | None = None,
        device: str | None = None,
        arithmetic: Arithmetic = "float32",
    ) -> None:
        check_arithmetic(arithmetic)
        given = Given(name, None, normalized, None, metric, prompts)
        found = read_image_text(Path(folder), card=card, given=given, arithmetic=arithmetic)
        self._folder = found
        self._reader = Reader(
            lambda: TextTokenizer(
                found.root / "tokenizer.json",
                lowercase=found.lowercase,
                unpunctuated=found.unpunctuated,
            ),
            found.space,
            {"query": found.max_tokens, "document": found.max_tokens},
        )
        self._running = Running(
            lambda device: _load(found), found.weights, found.space.weights, device
        )

    @property
    def space(self) -> Space:
        """The space of every vector that this makes, of texts and of images."""
        return self._folder.space

    @property
    def max_tokens(self) -> int:
        """The window of a text in tokens, special tokens and prompt included."""
        return self._folder.max_tokens

    def count(self, inputs: Sequence[str | ImageInput], role: Role = "document") -> list[int]:
        """Return how many tokens of the window each text takes; an image takes none."""
        counts = self._reader.count(_texts(inputs), role)
        return [0 if is_image(given) else n for given, n in zip(inputs, counts, strict=True)]

    def embed(
        self,
        inputs: Sequence[str | ImageInput],
        role: Role,
        *,
        on_long: OnLongText = "error",
    ) -> Vectors:
        """Return one vector per input, in the order of the inputs.

        Args:
            inputs: texts and images, mixed as one likes. A `str` is a text; a `pathlib.Path`,
                the `bytes` of an image file, or a `PIL.Image.Image` is an image.
            role: "query" or "document".
            on_long: "error", or "truncate" to keep only the first `max_tokens` tokens of a text.

        Raises:
            InputError: an image cannot be read, or a text is blank or no text; the message
                names its position.
            TooLong: a text exceeds `max_tokens` and `on_long` is "error".
            MissingExtra: Pillow, torch or sentence-transformers is not installed.
        """
        ids = self._reader.read(_texts(inputs), role, on_long)
        images = [i for i, given in enumerate(inputs) if is_image(given)]
        # What is no image is found before the first of many has been embedded.
        for i in images:
            check_image(inputs[i], i)  # type: ignore[arg-type]
        shown = set(images)
        texts = [i for i in range(len(ids)) if i not in shown]
        self._check_ends(texts, ids)
        array = np.empty((len(ids), self.space.dimensions), dtype=np.float32)
        self._embed(texts, [len(ids[i]) for i in texts], lambda r: self._tokens(ids, r), array)
        patches = [self._folder.patches] * len(images)
        self._embed(images, patches, lambda r: self._pixels(inputs, r), array)
        return Vectors(array, self.space, role)

    def _embed(
        self, places: list[int], lengths: list[int], features: Any, array: FloatArray
    ) -> None:
        if not places:
            return
        made = self._running.run_rows(
            lengths, lambda rows: features([places[row] for row in rows]), _taken
        )
        for rows, output in made:
            array[[places[row] for row in rows]] = pool(output, np.empty(0), self.space)

    def _check_ends(self, texts: list[int], ids: list[TokenIds]) -> None:
        """Refuse a text that spells out CLIP's end mark: the model reads nothing after it."""
        if self._folder.padding is not None:
            return
        for i in texts:
            if (ids[i] == ids[i][-1]).sum() > 1:
                raise InputError(
                    f"text {i} spells out the end mark of {self.space.model}, and the model reads "
                    "nothing behind it. Take it out of the text"
                )

    def _tokens(self, ids: list[TokenIds], rows: list[int]) -> Features:
        """Return token ids as the model wants them, int64, (texts, longest or window).

        Neither is given a mask: CLIP's text is read at its end and looks only back, so what
        fills it up reaches nothing; SigLIP was trained on filler that is seen.
        """
        batch = [ids[row] for row in rows]
        if self._folder.padding is None:
            end = int(batch[0][-1])
            return {"input_ids": padded(batch, end)["input_ids"]}
        filler = self._reader.tokenizer.id_of(self._folder.padding)
        whole = np.full(self.max_tokens, filler, dtype=np.int32)
        return {"input_ids": padded([*batch, whole], filler)["input_ids"][:-1]}

    def _pixels(self, inputs: Sequence[Any], rows: list[int]) -> Features:
        """Return images as numbers, (images, 3, height, width), decoded on several cores."""
        import torch

        def prepare(row: int) -> FloatArray:
            return self._folder.recipe.apply(open_image(inputs[row], row), row)

        with ThreadPoolExecutor(workers(), thread_name_prefix="samespace-images") as threads:
            stacked = np.stack(list(threads.map(prepare, rows)))
        return {"pixel_values": torch.from_numpy(stacked)}

    def __repr__(self) -> str:
        return f"<ImageTextEmbedder {self.space.model} space={self.space.id}>"


def _texts(inputs: Sequence[str | ImageInput]) -> list[Any]:
    if isinstance(inputs, str) or is_image(inputs):
        kind, way = ("text", "[text]") if isinstance(inputs, str) else ("image", "[image]")
        raise InputError(f"expected a sequence of texts and images, got one {kind}; pass {way}")
    return [_STAND_IN if is_image(given) else given for given in inputs]


def _taken(features: Features) -> FloatArray:
    output: FloatArray = as_float32(features["sentence_embedding"])
    return output


def _load(folder: ImageTextFolder) -> Any:
    """Load the model as a module from features to features."""
    import torch

    model = pretrained(folder.root, folder.weights, folder.space.arithmetic)
    if folder.padding is None:
        _check_end_mark(folder, model.config.text_config.eos_token_id)

    class TwoTowers(torch.nn.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, features: Features) -> Features:
            if "pixel_values" in features:
                pixels = features["pixel_values"].to(self.model.dtype)
                output = self.model.get_image_features(pixel_values=pixels)
            else:
                output = self.model.get_text_features(**features)
            # Up to transformers 4 the vectors themselves.
            return {"sentence_embedding": getattr(output, "pooler_output", output)}

    return TwoTowers()


def _check_end_mark(folder: ImageTextFolder, stated: object) -> None:
    """Raise ModelError if CLIP would look for another end mark than its tokenizer writes.

    It would find none, and read every text at its first token: all would be the same.
    """
    file = folder.root / "tokenizer.json"
    end = int(TextTokenizer(file).encode(["a"])[0][-1])
    if stated not in (_OLD_END, end):
        raise ModelError(
            f"{folder.root / 'config.json'}: text_config says eos_token_id {stated}, but {file} "
            f"ends a text with {end}: the folder mixes two models"
        )
