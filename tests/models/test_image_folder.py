"""What a folder of CLIP or SigLIP says: read without torch, and asked for where it is silent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from samespace.errors import ModelError, ModelNotFound, WeightsMismatch
from samespace.models.catalog import ModelCard
from samespace.models.digest import file_digest
from samespace.models.facts import Given
from samespace.models.image_folder import ImageTextFolder, read_image_text
from samespace.models.tokenizer import TextTokenizer

IMAGES = {
    "crop_size": 224,
    "do_center_crop": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 3,
    "size": 224,
}
SQUARE = {**IMAGES, "size": {"height": 224, "width": 224}, "do_center_crop": None}


def save_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["</s>", "<unk>", "a", "photo", "of", "A", "dog", ",", "."]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 0)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def save(folder: Path, family: str, images: dict[str, Any], **tokenizer: object) -> Path:
    folder.mkdir(parents=True)
    files = {
        "config.json": {"model_type": family},
        "preprocessor_config.json": images,
        "tokenizer_config.json": tokenizer,
    }
    for name, values in files.items():
        (folder / name).write_text(json.dumps(values))
    (folder / "model.safetensors").write_bytes(b"weights")
    save_tokenizer(folder)
    return folder


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return save(tmp_path / "clip", "clip", IMAGES)


@pytest.fixture
def siglip(tmp_path: Path) -> Path:
    stated = {"pad_token": "</s>", "tokenizer_class": "SiglipTokenizer"}
    return save(tmp_path / "siglip", "siglip", SQUARE, **stated)


def edit(file: Path, **values: object) -> None:
    stored = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps({**stored, **values}))


def read(folder: Path, card: ModelCard | None = None, **given: Any) -> ImageTextFolder:
    return read_image_text(folder, card=card, given=Given(**given))


def test_clip_is_read_from_its_files(clip: Path) -> None:
    found = read(clip)
    space = found.space
    assert (space.model, space.dimensions, space.modality) == ("clip", 512, "text+image")
    assert (space.normalized, space.metric, space.pooling) == (True, "cosine", "none")
    assert space.weights == file_digest(clip / "model.safetensors")
    assert space.tokenizer.endswith(f"+images:{found.recipe.digest}")
    assert (found.max_tokens, found.patches, found.padding) == (77, 50, None)
    edit(clip / "config.json", projection_dim=64, text_config={"max_position_embeddings": 40})
    smaller = read(clip, normalized=False, prompts={"query": "a photo of "})
    assert smaller.space.dimensions == smaller.space.native_dimensions == 64
    assert smaller.max_tokens == 40
    assert not smaller.space.normalized
    assert smaller.space.prompt("query") == "a photo of "


def test_siglip_lower_cases_loses_punctuation_and_is_filled_up(siglip: Path) -> None:
    found = read(siglip)
    assert (found.max_tokens, found.padding, found.space.dimensions) == (64, "</s>", 768)
    assert (found.lowercase, found.unpunctuated) == (True, True)
    assert "+lowercase+unpunctuated+images:" in found.space.tokenizer
    file = found.root / "tokenizer.json"
    clean = TextTokenizer(file, lowercase=True, unpunctuated=True)
    bare = clean.encode(["a photo of a dog"])[0].tolist()
    assert bare == [2, 3, 4, 2, 6, 0]
    assert clean.encode(["A photo, of a  DOG!"])[0].tolist() == bare
    assert clean.count(["?!..."]) == [1]
    assert clean.encode_cut("A photo, of a dog", 3).tolist() == [2, 3, 0]
    assert TextTokenizer(file).encode(["A photo, of"])[0].tolist() != bare[:3]


def test_the_second_siglip_keeps_punctuation_and_what_is_stated_is_kept(siglip: Path) -> None:
    file = siglip / "tokenizer_config.json"
    edit(file, tokenizer_class="GemmaTokenizer", pad_token={"content": "<unk>"})
    found = read(siglip)
    assert (found.lowercase, found.unpunctuated, found.padding) == (True, False, "<unk>")
    assert "+lowercase+filled:<unk>+images:" in found.space.tokenizer
    edit(file, pad_token="<pad>")
    assert "+lowercase+images:" in read(siglip).space.tokenizer, "Google's own"
    edit(file, do_lower_case=False)
    assert not read(siglip).lowercase


def test_how_images_are_prepared_belongs_to_the_space(clip: Path) -> None:
    before = read(clip).space
    edit(clip / "preprocessor_config.json", image_mean=[0.4, 0.5, 0.5])
    assert set(before.diff(read(clip).space)) == {"tokenizer"}


def test_the_same_model_in_a_folder_of_sentence_transformers_is_the_same_space(
    clip: Path, tmp_path: Path
) -> None:
    around = tmp_path / "around"
    shutil.copytree(clip, around / "0_CLIPModel")
    kind = "sentence_transformers.models.CLIPModel"
    modules = [{"idx": 0, "name": "0", "path": "0_CLIPModel", "type": kind}]
    (around / "modules.json").write_text(json.dumps(modules))
    assert set(read(around).space.diff(read(clip).space)) == {"model"}
    assert read(around, name="clip").space == read(clip).space
    modules.append(
        {"idx": 1, "name": "1", "path": "1", "type": "sentence_transformers.models.Dense"}
    )
    (around / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="perhaps Normalize, got CLIPModel, Dense"):
        read(around)


def test_weights_of_pytorch_are_taken_where_there_are_no_others(clip: Path) -> None:
    (clip / "pytorch_model.bin").write_bytes(b"tensors")
    assert [file.name for file in read(clip).weights] == ["model.safetensors"]
    (clip / "model.safetensors").unlink()
    assert [file.name for file in read(clip).weights] == ["pytorch_model.bin"]
    (clip / "pytorch_model.bin").unlink()
    with pytest.raises(ModelNotFound, match="holds no weights"):
        read(clip)


def test_a_card_pins_the_weights(clip: Path) -> None:
    def card(digest: str) -> ModelCard:
        return ModelCard(
            name="CLIP",
            provider="huggingface",
            kinds=("image-text",),
            hub="openai/clip",
            dimensions=512,
            weights=digest,
        )

    assert read(clip, card(file_digest(clip / "model.safetensors"))).space.model == "CLIP"
    with pytest.raises(WeightsMismatch, match="holds other weights than those of CLIP"):
        read(clip, card("0" * 64))


def test_what_is_missing_or_contradictory_is_named(clip: Path, siglip: Path) -> None:
    with pytest.raises(ModelNotFound, match="there is no folder"):
        read(clip / "absent")
    edit(clip / "config.json", vision_config={"image_size": 336})
    with pytest.raises(ModelError, match=r"image_size 336, but images are prepared as 224 x 224"):
        read(clip)
    edit(siglip / "config.json", vision_config={"hidden_size": 1152})
    with pytest.raises(ModelError, match="texts have 768 dimensions and images 1152"):
        read(siglip)
    edit(siglip / "config.json", vision_config={})
    edit(siglip / "tokenizer_config.json", pad_token=None)
    with pytest.raises(ModelError, match=r"tokenizer_config.json does not say pad_token"):
        read(siglip)
    edit(clip / "config.json", model_type="siglip2")
    with pytest.raises(ModelError, match=r"model_type is 'siglip2' .SigLIP 2 in its flexible"):
        read(clip)
    (clip / "config.json").unlink()
    with pytest.raises(ModelNotFound, match=r"config.json is absent or empty"):
        read(clip)
