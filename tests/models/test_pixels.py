"""From an image to numbers: what a folder says of it, how it is worded, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace.errors import InputError, ModelError
from samespace.models.pixels import Recipe, read_recipe

PIL = pytest.importorskip("PIL.Image", reason="images are read with Pillow")

MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
OLD = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": MEAN,
    "image_std": STD,
    "resample": 3,
    "size": 224,
}
"""As openai/clip-vit-base-patch32 has it on the hub."""
NEW = {
    **OLD,
    "crop_size": {"height": 224, "width": 224},
    "do_convert_rgb": True,
    "do_rescale": True,
    "image_processor_type": "CLIPImageProcessor",
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 224},
}


def written(folder: Path, values: dict[str, Any], name: str = "preprocessor_config.json") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(values))
    return folder


def test_old_and_new_wordings_are_one_recipe_and_another_mean_is_another(tmp_path: Path) -> None:
    old = read_recipe(written(tmp_path / "old", OLD))
    new = read_recipe(written(tmp_path / "new", NEW))
    whole = {"image_processor": NEW, "processor_class": "CLIPProcessor"}
    nested = read_recipe(written(tmp_path / "nested", whole, "processor_config.json"))
    assert old == new == nested
    assert old.digest == new.digest == nested.digest
    assert old == Recipe(224, None, 3, (224, 224), 1 / 255, tuple(MEAN), tuple(STD))
    for name, value in (("image_mean", [0.5] * 3), ("resample", 2), ("size", 256)):
        other = read_recipe(written(tmp_path / name, {**OLD, name: value}))
        assert other.digest != old.digest


def test_a_size_out_of_proportion_needs_no_crop(tmp_path: Path) -> None:
    values = {**NEW, "size": {"height": 16, "width": 24}, "do_center_crop": None}
    recipe = read_recipe(written(tmp_path, values))
    assert (recipe.size, recipe.crop, recipe.output) == ((16, 24), None, (16, 24))
    assert recipe.apply(PIL.new("RGB", (50, 7))).shape == (3, 16, 24)


def test_what_is_missing_or_not_done_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"preprocessor_config.json is absent"):
        read_recipe(tmp_path)
    for change, message in (
        ({"image_mean": None}, "image_mean must hold three numbers, got None"),
        ({"resample": None}, "resample must be a number from 0 to 3, got None"),
        ({"size": {"longest_edge": 9}}, "size must state height and width"),
        ({"do_normalize": False}, "do_normalize is false"),
        ({"do_pad": True}, "do_pad is true"),
        ({"do_center_crop": False}, "size is 224 for the shorter edge, and nothing is cut out"),
    ):
        with pytest.raises(ModelError, match=message):
            read_recipe(written(tmp_path, {**NEW, **change}))


def plain(**change: Any) -> Recipe:
    fields: dict[str, Any] = {
        "shortest": None,
        "size": None,
        "resample": 0,
        "crop": None,
        "scale": 1.0,
        "mean": (0.0, 0.0, 0.0),
        "std": (1.0, 1.0, 1.0),
    }
    return Recipe(**{**fields, **change})


def test_colours_are_scaled_then_centred_then_divided() -> None:
    recipe = plain(size=(2, 2), scale=1 / 255, mean=(0.5, 0.0, 1.0), std=(0.5, 0.25, 2.0))
    seen = recipe.apply(PIL.new("RGB", (4, 4), (255, 51, 0)))
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen[:, 0, 0], [1.0, 0.8, -0.5], rtol=1e-6)
    assert (seen == seen[:, :1, :1]).all()


def test_the_middle_is_cut_out_of_the_longer_edge() -> None:
    columns = np.tile(np.arange(8, dtype=np.uint8)[None, :, None], (4, 1, 3))
    seen = plain(shortest=4, crop=(4, 4)).apply(PIL.fromarray(columns))
    assert seen[0].tolist() == [[2, 3, 4, 5]] * 4
    rows = columns.transpose(1, 0, 2)
    assert (
        plain(shortest=4, crop=(4, 4)).apply(PIL.fromarray(rows))[0].T.tolist()
        == [[2, 3, 4, 5]] * 4
    )


def test_what_is_missing_around_a_small_image_is_black() -> None:
    seen = plain(shortest=2, crop=(5, 5)).apply(PIL.new("RGB", (2, 2), (9, 9, 9)))
    assert np.argwhere(seen[0] == 9).tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]


def test_a_strip_is_refused_before_memory_is_spent() -> None:
    with pytest.raises(InputError, match="image 5 is 1 x 9000 pixels, too long and narrow"):
        plain(shortest=224, crop=(224, 224)).apply(PIL.new("RGB", (1, 9000)), 5)
