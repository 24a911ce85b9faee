"""What counts as an image, how it is opened, and what is said of one that cannot be."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from samespace.errors import InputError, MissingExtra
from samespace.models.images import check_image, content_hash, is_image, open_image

PIL = pytest.importorskip("PIL.Image", reason="images are read with Pillow")


def picture(width: int = 12, height: int = 9) -> PIL.Image:
    """Return an image without symmetry."""
    rng = np.random.default_rng(4)
    return PIL.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image: PIL.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(value: object) -> np.ndarray:
    return np.asarray(open_image(value, 0))  # type: ignore[arg-type]


def test_a_path_bytes_and_an_image_of_pillow_are_images_and_a_text_is_none() -> None:
    assert all(map(is_image, (Path("x.png"), b"x", picture())))
    assert not any(map(is_image, ("x.png", None, 3, np.zeros((2, 2, 3)), ["x"])))


def test_images_are_told_apart_without_loading_pillow() -> None:
    code = (
        "import sys; from pathlib import Path; from samespace.models.images import is_image; "
        "print(is_image('a'), is_image(Path('a')), 'PIL' in sys.modules)"
    )
    seen = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert seen.split() == ["False", "True", "False"]


def test_the_same_picture_is_the_same_however_it_is_given(tmp_path: Path) -> None:
    data = encoded(picture(), "PNG")
    file = tmp_path / "picture.png"
    file.write_bytes(data)
    for value in (file, data, PIL.open(file), picture()):
        np.testing.assert_array_equal(pixels(value), np.asarray(picture()))
    assert content_hash(file) == content_hash(data)
    assert content_hash(PIL.open(file)) == content_hash(picture())
    other = picture()
    other.putpixel((3, 3), (1, 2, 3))
    assert content_hash(other) != content_hash(picture())
    assert content_hash(encoded(other, "PNG")) != content_hash(data)
    wide, high = PIL.new("RGB", (4, 2)), PIL.new("RGB", (2, 4))
    assert content_hash(wide) != content_hash(high)


def test_the_file_is_closed_and_the_image_given_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(encoded(picture(), "PNG"))
    given = PIL.open(file)
    open_image(given, 0)
    open_image(file, 0)
    file.unlink()
    assert given.convert("RGB").size == (12, 9)


def test_a_photograph_stands_upright() -> None:
    exif = PIL.Exif()
    exif[0x0112] = 6  # To be shown turned by a quarter, clockwise.
    turned = encoded(picture(), "PNG", exif=exif)
    np.testing.assert_array_equal(pixels(turned), np.rot90(np.asarray(picture()), -1))
    np.testing.assert_array_equal(pixels(PIL.open(io.BytesIO(turned))), pixels(turned))


def test_what_is_transparent_becomes_white() -> None:
    clear = picture().convert("RGBA")
    clear.putalpha(0)
    assert (pixels(encoded(clear, "PNG")) == 255).all()
    palette = PIL.new("P", (2, 1))
    palette.putpalette([200, 0, 0, 0, 200, 0])
    palette.putpixel((1, 0), 1)
    seen = pixels(encoded(palette, "PNG", transparency=0))
    assert seen.tolist() == [[[255, 255, 255], [0, 200, 0]]]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_every_mode_of_eight_bits_becomes_rgb(mode: str) -> None:
    seen = open_image(picture().convert(mode), 0)
    assert (seen.mode, seen.size) == ("RGB", (12, 9))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_the_usual_formats_are_read(kind: str) -> None:
    assert open_image(encoded(picture(), kind), 0).size == (12, 9)


def test_deep_images_are_refused_because_clipping_would_turn_them_white() -> None:
    deep = PIL.fromarray(np.full((4, 4), 30000, dtype=np.uint16))
    with pytest.raises(InputError, match=r"image 2 has more than 8 bits.*I;16"):
        open_image(deep, 2)
    with pytest.raises(InputError, match="more than 8 bits"):
        open_image(encoded(deep, "PNG"), 0)
    with pytest.raises(InputError, match="more than 8 bits"):
        open_image(PIL.fromarray(np.zeros((4, 4), dtype=np.float32)), 0)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_several_pictures_in_one_file_are_refused_and_a_chosen_one_is_taken(kind: str) -> None:
    other = PIL.new("RGB", (12, 9), (9, 200, 9))
    both = encoded(picture(), kind, save_all=True, append_images=[other])
    with pytest.raises(InputError, match="image 1 holds 2 pictures"):
        open_image(both, 1)
    opened = PIL.open(io.BytesIO(both))
    opened.seek(1)
    assert abs(np.median(pixels(opened), axis=(0, 1)) - (9, 200, 9)).max() < 12


def test_a_photograph_with_previews_is_one_picture() -> None:
    both = encoded(picture(16, 16), "MPO", save_all=True, append_images=[PIL.new("RGB", (8, 8))])
    assert PIL.open(io.BytesIO(both)).n_frames == 2
    assert open_image(both, 0).size == (16, 16)


def test_what_cannot_be_read_is_named_by_position_and_path(tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("no image")
    data = encoded(PIL.effect_noise((64, 64), 90), "PNG")
    for look in (check_image, open_image):
        with pytest.raises(InputError, match=r"image 3 \(.*notes.png\) .* no format .* knows"):
            look(text, 3)
        with pytest.raises(InputError, match=r"image 4 \(.*absent.png\) .* no such file"):
            look(tmp_path / "absent.png", 4)
        with pytest.raises(InputError, match=r"image 5 \(.*\) .* it is a folder"):
            look(tmp_path, 5)
        with pytest.raises(InputError, match="image 6 cannot be read"):
            look(b"", 6)
    check_image(data, 0)
    with pytest.raises(InputError, match="image 7 cannot be read"):
        open_image(data[: len(data) // 2], 7)
    with pytest.raises(InputError, match=r"image 8 \(.*absent.png\)"):
        content_hash(tmp_path / "absent.png", 8)
    with pytest.raises(InputError, match="image 0 has no pixels"):
        open_image(PIL.new("RGB", (0, 5)), 0)


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(picture(), "PNG")
    monkeypatch.setattr(PIL, "MAX_IMAGE_PIXELS", 12)
    with pytest.raises(InputError, match=r"image 1 cannot be read.*decompression bomb"):
        open_image(data, 1)


def test_without_pillow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtra, match=r'pip install "samespace\[images\]"'):
        open_image(b"any", 0)
