"""What counts as an image where a text may stand, and how it is opened. Needs Pillow only."""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from samespace.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from PIL.Image import Image

    ImageInput = Path | bytes | Image

_ORIENTATION = 0x0112
"""The tag of Exif that says how a camera was held."""

_DEEP = ("I", "F")
"""The modes whose numbers do not end at 255. Pillow clips them there: most of it turns white."""


def is_image(value: object) -> bool:
    """Say whether a value is given as an image: a `Path`, `bytes`, or an image of Pillow.

    A `str` is always a text, also where it looks like a path. Nothing is opened, and Pillow is
    not imported: without it there can be no image of Pillow.
    """
    pillow = sys.modules.get("PIL.Image")
    return isinstance(value, (Path, bytes)) or (
        pillow is not None and isinstance(value, pillow.Image)
    )


def check_image(value: ImageInput, position: int) -> None:
    """Raise InputError unless a value can be read as an image; its pixels are not decoded.

    It costs a fraction of decoding, so that what is no image is found before the first of many
    is embedded.

    Args:
        value: the image.
        position: where it stands among the inputs, for the message.
    """
    with _opened(value, position):
        pass


def open_image(value: ImageInput, position: int) -> Image:
    """Return an image upright, in RGB, with 8 bits for a colour.

    The rotation that a camera noted is carried out, and what is transparent becomes white, as
    transformers does it. One input is one picture: what holds several is refused, because all
    but the first would be lost.

    Args:
        value: a path, the bytes of a file, or an image of Pillow (then the frame that it shows).
        position: where it stands among the inputs, for the message.

    Raises:
        InputError: no image can be read from it, it holds several, or it has more than 8 bits
            for a colour; the message names the position, and the path where there is one.
        MissingExtra: Pillow is not installed.
    """
    with _opened(value, position) as image:
        from PIL import Image, ImageOps

        try:
            upright = ImageOps.exif_transpose(image)
            if "A" in upright.getbands() or "transparency" in upright.info:
                upright = upright.convert("RGBA")
                white = Image.new("RGBA", upright.size, (255, 255, 255, 255))
                upright = Image.alpha_composite(white, upright)
            return upright.convert("RGB")
        except Exception as error:
            raise _unreadable(value, position, error) from error


def content_hash(value: ImageInput, position: int = 0) -> str:
    """Return the SHA-256 of an image's content, hexadecimal: the key of its vector in a cache.

    A path and the bytes of its file have the same. An image of Pillow is known by its pixels as
    `open_image` returns them.

    Raises:
        InputError: the file cannot be read.
    """
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, Path):
        try:
            return hashlib.sha256(value.read_bytes()).hexdigest()
        except OSError as error:
            raise _unreadable(value, position, error) from error
    image = open_image(value, position)
    pixels = f"RGB {image.width} {image.height} ".encode("ascii") + image.tobytes()
    return hashlib.sha256(pixels).hexdigest()


def image_file(value: ImageInput, position: int) -> tuple[str, bytes, int]:
    """Return an image as a file that whoever receives it sees as it is meant to be.

    A JPEG or PNG goes as it is, unless a camera noted a rotation; all else becomes a PNG of what
    `open_image` returns.

    Returns:
        The media type, the bytes, and the number of pixels.

    Raises:
        as `open_image`.
    """
    with _opened(value, position) as image:
        pixels, kind = image.width * image.height, image.format
        upright = image.getexif().get(_ORIENTATION, 1) == 1
    if kind in ("JPEG", "PNG") and upright and isinstance(value, (Path, bytes)):
        return (
            f"image/{kind.lower()}",
            value if isinstance(value, bytes) else value.read_bytes(),
            pixels,
        )
    file = io.BytesIO()
    open_image(value, position).save(file, "PNG")
    return "image/png", file.getvalue(), pixels


def _opened(value: ImageInput, position: int) -> Image:
    """Return Pillow's image of a value, checked by its header; pixels are decoded later."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("pillow", "images", "reading images") from error
    try:
        if not isinstance(value, (Path, bytes)):
            image, pictures = value.copy(), 1
        else:
            # Of a path Pillow itself opens the file, and closes it with the image.
            image = Image.open(value if isinstance(value, Path) else io.BytesIO(value))
            pictures = getattr(image, "n_frames", 1)
    except Exception as error:
        # Pillow's readers raise whatever a damaged file leads them to.
        raise _unreadable(value, position, error) from error
    # An MPO is a camera's JPEG: one photograph, then previews of it or the other eye's.
    if pictures > 1 and image.format != "MPO":
        raise InputError(
            f"{_named(value, position)} holds {pictures} pictures, and an input is one. Open it "
            "with Pillow and give each that you mean as an input: image.seek(n), image.copy()"
        )
    if image.mode.split(";")[0] in _DEEP:
        raise InputError(
            f"{_named(value, position)} has more than 8 bits for a colour (Pillow's mode "
            f"{image.mode}), which models do not read. Scale it to 8 bits first, by the range of "
            "its own numbers"
        )
    if not image.width or not image.height:
        raise InputError(f"{_named(value, position)} has no pixels: it is {image.size}")
    return image


def _named(value: ImageInput, position: int) -> str:
    return f"image {position} ({value})" if isinstance(value, Path) else f"image {position}"


def _unreadable(value: ImageInput, position: int, error: Exception) -> InputError:
    reason = str(error) or type(error).__name__
    if isinstance(value, Path) and not value.exists():
        reason = "there is no such file"
    elif isinstance(value, Path) and value.is_dir():
        reason = "it is a folder"
    elif type(error).__name__ == "UnidentifiedImageError":
        reason = "its bytes are of no format that Pillow knows"
    return InputError(
        f"{_named(value, position)} cannot be read as an image: {reason}. Give a pathlib.Path, "
        "the bytes of an image file, or a PIL.Image.Image"
    )
