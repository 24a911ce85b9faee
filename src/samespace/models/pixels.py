"""From an image to the numbers that a model reads, the way the model's folder says."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from samespace.errors import InputError, ModelError
from samespace.models.files import JsonFile, read_object
from samespace.space import FloatArray

if TYPE_CHECKING:
    from PIL.Image import Image, Resampling

_MOST_PIXELS = 50_000_000
"""Of the resized image. A strip a thousand times as long as wide passes it, no photograph does."""


@dataclass(frozen=True)
class Recipe:
    """How a model's images are prepared: part of its Space, because it moves every vector.

    It is carried out here, with Pillow and numpy, and not by transformers' processors: those
    choose between Pillow and torchvision by what is installed, whose pixels differ.

    One of `shortest` and `size` is set; with `shortest` also `crop`.

    Attributes:
        shortest: the length that the shorter edge is brought to, the other in proportion; or
        size: (height, width) that the image is brought to, out of proportion.
        resample: Pillow's filter by its number (0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic).
        crop: (height, width) that is cut out of the middle, or None.
        scale: what a colour from 0 to 255 is multiplied by.
        mean: what is then subtracted from each colour.
        std: what it is then divided by.
    """

    shortest: int | None
    size: tuple[int, int] | None
    resample: int
    crop: tuple[int, int] | None
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def digest(self) -> str:
        """The SHA-256 of what is done, hexadecimal; how the folder words it does not matter."""
        canonical = json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    @property
    def output(self) -> tuple[int, int]:
        """(height, width) of what comes out."""
        return cast("tuple[int, int]", self.crop or self.size)

    def apply(self, image: Image, position: int = 0) -> FloatArray:
        """Return an RGB image as float32 of shape (3, height, width).

        Raises:
            InputError: the image is so long and narrow that bringing its shorter edge to size
                would take more memory than any picture is worth.
        """
        height, width = self.size or _in_proportion(image.size, self.shortest or 0)
        if height * width > _MOST_PIXELS:
            raise InputError(
                f"image {position} is {image.width} x {image.height} pixels, too long and narrow: "
                f"the model sees its middle at {width} x {height} and nothing else. Cut it into "
                "pictures first"
            )
        resized = image.resize((width, height), cast("Resampling", self.resample))
        array = np.asarray(resized, dtype=np.uint8)
        if self.crop:
            array = _middle(array, *self.crop)
        # In the order and precision of transformers' processors, so that the bits are theirs.
        scaled = (array.astype(np.float64) * self.scale).astype(np.float32)
        mean, std = (np.array(part, dtype=np.float32) for part in (self.mean, self.std))
        normal = (scaled - mean) / std
        result: FloatArray = np.ascontiguousarray(normal.transpose(2, 0, 1), dtype=np.float32)
        return result


def read_recipe(root: Path) -> Recipe:
    """Read a folder's processor_config.json, or its preprocessor_config.json.

    Raises:
        ModelError: a fact is missing, or something is asked for that samespace does not do.
    """
    file = _stated(root)
    said = file.values
    for name in ("do_resize", "do_rescale", "do_normalize", "do_convert_rgb"):
        if said.get(name) is False:
            raise ModelError(f"{file.path}: {name} is false, which samespace does not do")
    if said.get("do_pad"):
        raise ModelError(f"{file.path}: do_pad is true, which samespace does not do")
    size = said.get("size")
    if isinstance(size, dict) and set(size) == {"shortest_edge"}:
        size = size["shortest_edge"]
    shortest = size if isinstance(size, int) else None
    recipe = Recipe(
        shortest=shortest,
        size=None if shortest else _pair(file, "size"),
        resample=_resample(file),
        crop=_pair(file, "crop_size") if said.get("do_center_crop") else None,
        scale=_scale(file),
        mean=_colours(file, "image_mean"),
        std=_colours(file, "image_std"),
    )
    if shortest and not recipe.crop:
        raise ModelError(
            f"{file.path}: size is {shortest} for the shorter edge, and nothing is cut out "
            "(do_center_crop with crop_size), so images would have many shapes"
        )
    return recipe


def _stated(root: Path) -> JsonFile:
    """Return what is said of images: newer files hold it as a part of the whole processor's."""
    whole = read_object(root / "processor_config.json")
    part = whole.values.get("image_processor")
    if isinstance(part, dict):
        return JsonFile(whole.path, part)
    alone = read_object(root / "preprocessor_config.json")
    if not alone.values:
        raise ModelError(
            f"{alone.path} is absent, so it is not known how the model's images are prepared "
            "(size, crop, mean, standard deviation). Take it from the model's repository"
        )
    return alone


def _pair(file: JsonFile, name: str) -> tuple[int, int]:
    value = file.values.get(name)
    if isinstance(value, int):
        return value, value
    if isinstance(value, dict) and set(value) == {"height", "width"}:
        part = JsonFile(file.path, value)
        return part.required("height"), part.required("width")
    raise ModelError(f"{file.path}: {name} must state height and width, got {value!r}")


def _resample(file: JsonFile) -> int:
    value = file.values.get("resample")
    if value not in (0, 1, 2, 3):
        raise ModelError(f"{file.path}: resample must be a number from 0 to 3, got {value!r}")
    return int(value)


def _scale(file: JsonFile) -> float:
    value = file.values.get("rescale_factor") or 1 / 255
    if not _is_number(value):
        raise ModelError(f"{file.path}: rescale_factor must be a number, got {value!r}")
    return float(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _colours(file: JsonFile, name: str) -> tuple[float, ...]:
    value: Any = file.values.get(name)
    if not isinstance(value, list) or len(value) != 3 or not all(map(_is_number, value)):
        raise ModelError(f"{file.path}: {name} must hold three numbers, got {value!r}")
    return tuple(float(number) for number in value)


def _in_proportion(size: tuple[int, int], shortest: int) -> tuple[int, int]:
    """Return (height, width) with the shorter edge at its length, rounded as transformers does."""
    width, height = size
    if width <= height:
        return int(shortest * height / width), shortest
    return shortest, int(shortest * width / height)


def _middle(array: Any, height: int, width: int) -> Any:
    """Cut (height, width) out of the middle; what is missing is black."""
    missing = [max(height - array.shape[0], 0), max(width - array.shape[1], 0)]
    if any(missing):
        # The odd pixel goes before the image, as transformers puts it.
        around = [((m + 1) // 2, m // 2) for m in missing]
        array = np.pad(array, (*around, (0, 0)))
    top, left = (array.shape[0] - height) // 2, (array.shape[1] - width) // 2
    return array[top : top + height, left : left + width]
