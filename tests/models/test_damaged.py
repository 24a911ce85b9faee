"""Files of another type than expected are told by file and field, of every kind of model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from samespace.errors import ModelError
from samespace.models import load_reranker
from samespace.models.files import JsonFile
from samespace.models.folder import torch_weights
from samespace.models.pixels import read_recipe
from tests.models.test_folder import edit
from tests.models.test_image_folder import IMAGES
from tests.models.torch.conftest import built as built

Built = Callable[[str], Path]


@pytest.mark.parametrize(
    ("name", "file", "field"),
    [
        ("qwen", "config.json", "architectures"),
        ("qwen", "1_Pooling/config.json", "pooling_mode"),
        ("splade", "config.json", "architectures"),
        ("colbert", "2_MultiVectorMask/config.json", "skiplist_words"),
        ("colbert", "2_MultiVectorMask/config.json", "skiplist_tasks"),
        ("colbert_pylate", "config_sentence_transformers.json", "skiplist_words"),
        ("cross_encoder", "config.json", "architectures"),
    ],
)
@pytest.mark.parametrize("wrong", [5, [None], {"a": 1}])
def test_a_list_that_is_none(
    built: Built, tmp_path: Path, name: str, file: str, field: str, wrong: object
) -> None:
    folder = Path(shutil.copytree(built(name), tmp_path / name))
    edit(folder / file, **{field: wrong})
    with pytest.raises(ModelError, match=f"{field} must be a list of strings"):
        load_reranker(folder)


def test_one_string_is_a_list_of_one() -> None:
    assert JsonFile(Path("x"), {"tasks": "query"}).texts("tasks") == ("query",)
    assert JsonFile(Path("x"), {"tasks": None}).texts("tasks") == ()


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("size", {"height": "x", "width": 224}),
        ("crop_size", {"height": 224, "width": None}),
        ("image_mean", [0.5, "x", 0.5]),
        ("image_std", 5),
        ("rescale_factor", "x"),
        ("resample", "bicubic"),
    ],
)
def test_how_images_are_prepared(tmp_path: Path, field: str, wrong: object) -> None:
    edit(tmp_path / "preprocessor_config.json", **{**IMAGES, field: wrong})
    with pytest.raises(ModelError, match=r"preprocessor_config\.json.*(must|does not say)"):
        read_recipe(tmp_path)


def test_an_index_of_shards(tmp_path: Path) -> None:
    edit(tmp_path / "model.safetensors.index.json", weight_map=5)
    with pytest.raises(ModelError, match="weight_map must be an object"):
        torch_weights(tmp_path)
