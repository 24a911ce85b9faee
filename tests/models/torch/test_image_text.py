"""Images and texts in one space: equal to the reference libraries, and text finds image."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace.errors import InputError, ModelError, SpaceMismatch, WeightsMismatch
from samespace.models import Embedder, load
from samespace.models.cache import CachedEmbedder, VectorCache
from samespace.models.images import content_hash
from samespace.models.pixels import read_recipe
from samespace.space import Vectors, record_canaries
from samespace.store.base import Header
from samespace.store.embedded import EmbeddedStore
from samespace.types import Chunk, Document
from tests.models.contract import CHECKS
from tests.models.texts import SCRIPTS, of_words

torch = pytest.importorskip("torch", reason="builds and runs the small models")
transformers = pytest.importorskip("transformers")
st = pytest.importorskip("sentence_transformers")
pytest.importorskip("PIL.Image", reason="images are read with Pillow")
pytest.importorskip("sklearn", reason="carries the digits")

from samespace.models.torch.image_text import ImageTextEmbedder  # noqa: E402
from tests.models.torch.vision import (  # noqa: E402
    ASKED,
    DIGITS,
    HELD_OUT,
    digits,
    noise,
    png,
    save_clip,
    save_siglip,
)

SHAPES = ((8, 8), (16, 16), (33, 20), (17, 90), (200, 15), (640, 480))
TEXTS = [
    "a photo of the digit seven",
    "A Photo, of the digit SEVEN!",
    "two",
    "naïve café 東京",
    "!?",
]


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="module")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_siglip(tmp_path_factory.mktemp("models") / "siglip")


@pytest.fixture(scope="module")
def clip(clip_folder: Path) -> ImageTextEmbedder:
    return loaded(clip_folder)


@pytest.fixture(scope="module")
def siglip(siglip_folder: Path) -> ImageTextEmbedder:
    return loaded(siglip_folder)


def loaded(folder: Path) -> ImageTextEmbedder:
    embedder = load(folder)
    assert isinstance(embedder, ImageTextEmbedder)
    return embedder


@pytest.fixture(scope="module")
def held_out() -> tuple[list[Any], np.ndarray]:
    images, labels = digits()
    return images[-HELD_OUT:], labels[-HELD_OUT:]


def unit(array: Any) -> np.ndarray:
    array = np.asarray(array)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


@pytest.mark.parametrize("name", ["clip", "siglip"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_texts_keep_the_contract(
    check: Callable[[Embedder], None], name: str, request: pytest.FixtureRequest
) -> None:
    check(request.getfixturevalue(name))


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_images_are_prepared_as_transformers_does(name: str, request: Any) -> None:
    folder = request.getfixturevalue(f"{name}_folder")
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    recipe = read_recipe(folder)
    for width, height in SHAPES:
        image = noise(width, height)
        expected = processor(images=image, return_tensors="np")["pixel_values"][0]
        np.testing.assert_array_equal(recipe.apply(image), expected)


def test_clip_equals_transformers(clip: ImageTextEmbedder, clip_folder: Path) -> None:
    model = transformers.CLIPModel.from_pretrained(clip_folder).eval()
    processor = transformers.CLIPProcessor.from_pretrained(clip_folder)
    images = [noise(*shape) for shape in SHAPES]
    # Cut at the window, as the reference cuts.
    texts = [*TEXTS, of_words(60)]
    inputs = processor(
        text=texts, images=images, padding=True, truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        made = model(**inputs)
    said = clip.embed(texts, "query", on_long="truncate").array
    np.testing.assert_allclose(said, made.text_embeds.numpy(), atol=1e-5)
    seen = clip.embed(images, "document").array
    np.testing.assert_allclose(seen, made.image_embeds.numpy(), atol=1e-5)
    counted = [len(ids) for ids in processor.tokenizer(texts)["input_ids"]]
    assert clip.count(texts) == counted
    assert max(counted) > clip.max_tokens == 77


def test_siglip_equals_transformers_with_the_filler_it_was_trained_on(
    siglip: ImageTextEmbedder, siglip_folder: Path
) -> None:
    model = transformers.SiglipModel.from_pretrained(siglip_folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(siglip_folder)
    images = [noise(*shape) for shape in SHAPES]
    pixels = np.stack([read_recipe(siglip_folder).apply(image) for image in images])
    # Lower-cased by hand: the class that would do it needs sentencepiece.
    texts = [text.lower() for text in [*TEXTS, of_words(60)]]
    whole = {"padding": "max_length", "truncation": True, "max_length": 64}
    ids = tokenizer(texts, return_tensors="pt", **whole)["input_ids"]
    short = tokenizer(texts, padding=True, truncation=True, max_length=64, return_tensors="pt")
    with torch.no_grad():
        made = model(input_ids=ids, pixel_values=torch.from_numpy(pixels))
        unfilled = model.get_text_features(short["input_ids"][:2, :12]).pooler_output
    said = siglip.embed([*TEXTS, of_words(60)], "query", on_long="truncate").array
    np.testing.assert_allclose(said, unit(made.text_embeds), atol=1e-5)
    seen = siglip.embed(images, "document").array
    np.testing.assert_allclose(seen, unit(made.image_embeds), atol=1e-5)
    assert np.abs(said[:2] - unit(unfilled)).max() > 1e-2


def as_on_the_hub(folder: Path, target: Path) -> Path:
    """Keep a CLIP as the sentence-transformers of 2021 does: clip-ViT-B-32 and its kin."""
    shutil.copytree(folder, target / "0_CLIPModel")
    kind = "sentence_transformers.models.CLIPModel"
    entry = {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": kind}
    (target / "modules.json").write_text(json.dumps([entry]))
    return target


def as_today(folder: Path, target: Path) -> Path:
    """Keep a CLIP as today's sentence-transformers does."""
    st.SentenceTransformer(str(folder), device="cpu").save(str(target))
    return target


@pytest.mark.parametrize("keep", [as_on_the_hub, as_today])
def test_clip_equals_sentence_transformers(
    keep: Callable[[Path, Path], Path], clip: ImageTextEmbedder, clip_folder: Path, tmp_path: Path
) -> None:
    folder = keep(clip_folder, tmp_path / "kept")
    model = st.SentenceTransformer(str(folder), device="cpu")
    assert set(loaded(folder).space.diff(clip.space)) == {"model"}
    raw = ImageTextEmbedder(folder, normalized=False)
    images = [noise(*shape) for shape in SHAPES]
    for inputs in (TEXTS, images):
        expected = model.encode(inputs, convert_to_numpy=True)
        np.testing.assert_allclose(raw.embed(inputs, "document").array, expected, atol=2e-5)
    assert set(raw.space.diff(clip.space)) == {"model", "normalized"}
    wrapped = ImageTextEmbedder(folder, name="clip")
    assert wrapped.space == clip.space


def test_weights_of_pytorch_alone_are_read_as_tensors_and_code_in_them_is_refused(
    clip: ImageTextEmbedder, clip_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(clip_folder, folder)
    (folder / "model.safetensors").unlink()
    stored = transformers.CLIPModel.from_pretrained(clip_folder).state_dict()
    torch.save(stored, folder / "pytorch_model.bin")
    pickled = ImageTextEmbedder(folder)
    inputs = [*TEXTS, noise(30, 20)]
    np.testing.assert_allclose(
        pickled.embed(inputs, "query").array, clip.embed(inputs, "query").array, atol=1e-6
    )
    assert set(pickled.space.diff(clip.space)) == {"weights"}
    torch.save({"run": print}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded"):
        ImageTextEmbedder(folder).embed(["two"], "query")


def test_texts_and_images_mix_and_keep_their_places(
    clip: ImageTextEmbedder, tmp_path: Path
) -> None:
    file = tmp_path / "one.png"
    file.write_bytes(png(noise(20, 30)))
    mixed = ["two", file, noise(9, 9), "a photo of the digit seven", png(noise(40, 20)), "two"]
    together = clip.embed(mixed, "document")
    assert isinstance(together, Vectors)
    alone = np.concatenate([clip.embed([one], "document").array for one in mixed])
    np.testing.assert_allclose(together.array, alone, atol=1e-5)
    backward = clip.embed(mixed[::-1], "document").array[::-1]
    np.testing.assert_allclose(together.array, backward, atol=1e-5)
    np.testing.assert_array_equal(together.array[0], together.array[5])
    assert clip.count(mixed) == [3, 0, 0, 8, 0, 3]


def test_many_images_in_any_company_keep_their_vectors(
    clip: ImageTextEmbedder, held_out: tuple[list[Any], np.ndarray]
) -> None:
    images = held_out[0]
    together = clip.embed(images, "document").array
    for start in (0, 40, 200):
        part = clip.embed(images[start : start + 7], "document").array
        np.testing.assert_allclose(part, together[start : start + 7], atol=1e-5)


def test_a_cache_knows_an_image_by_its_content(
    clip: ImageTextEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "one.png"
    file.write_bytes(png(noise(20, 30)))
    mixed = ["two", file, noise(9, 9)]
    embedder = CachedEmbedder(clip, VectorCache(tmp_path / "cache"))
    first = embedder.embed(mixed, "document").array
    np.testing.assert_allclose(first, clip.embed(mixed, "document").array, atol=1e-6)
    monkeypatch.setattr(clip, "_embed", None)
    again = embedder.embed([png(noise(20, 30)), noise(9, 9), "two"], "document").array
    np.testing.assert_array_equal(again, first[[1, 2, 0]])
    with pytest.raises(InputError, match=r"image 1 \(.*none.png\) .* no such file"):
        embedder.embed(["two", tmp_path / "none.png"], "document")


def test_prompts_stand_before_texts_and_never_before_images(clip_folder: Path) -> None:
    prompted = ImageTextEmbedder(clip_folder, prompts={"query": "a photo of the digit "})
    plain = ImageTextEmbedder(clip_folder)
    image = noise(20, 20)
    asked = prompted.embed(["seven", image], "query").array
    written = plain.embed(["a photo of the digit seven", image], "query").array
    np.testing.assert_allclose(asked, written, atol=1e-6)
    assert set(prompted.space.diff(plain.space)) == {"prompts"}


def test_what_cannot_be_embedded_is_named_by_its_place(
    clip: ImageTextEmbedder, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"image 2 \(.*none.png\) .* no such file"):
        clip.embed(["two", noise(4, 4), tmp_path / "none.png"], "document")
    with pytest.raises(InputError, match="image 1 cannot be read"):
        clip.embed(["two", b"no image"], "document")
    with pytest.raises(InputError, match="text 1 is empty"):
        clip.embed([noise(4, 4), " "], "document")
    with pytest.raises(InputError, match="text 1: expected a str, got int"):
        clip.embed([noise(4, 4), 3], "document")  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"got one image; pass \[image\]"):
        clip.embed(noise(4, 4), "document")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="text 1 spells out the end mark of clip"):
        clip.embed([noise(4, 4), "a photo <|endoftext|> of a dog"], "document")


def test_half_precision_is_another_space_near_the_first(
    clip: ImageTextEmbedder, clip_folder: Path
) -> None:
    half = ImageTextEmbedder(clip_folder, arithmetic="bfloat16")
    assert set(half.space.diff(clip.space)) == {"arithmetic"}
    inputs = [*TEXTS, *(noise(*shape) for shape in SHAPES)]
    cosines = (half.embed(inputs, "query").array * clip.embed(inputs, "query").array).sum(axis=1)
    assert 0.99 < cosines.min() < 0.999999
    with pytest.raises(InputError, match="arithmetic must be one of float32, float16, bfloat16"):
        ImageTextEmbedder(clip_folder, arithmetic="int8")


def test_damaged_folders_are_refused_when_loaded(clip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(clip_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["eos_token_id"] = 7
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"eos_token_id 7, but .* ends a text with 581"):
        ImageTextEmbedder(folder).embed(["two"], "query")
    config["text_config"]["eos_token_id"] = 581
    config["vision_config"]["num_hidden_layers"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"lacks 16 of the weights .* vision_model\.encoder"):
        ImageTextEmbedder(folder).embed(["two"], "query")
    config["vision_config"]["num_hidden_layers"] = 2
    (folder / "config.json").write_text(json.dumps(config))
    embedder = ImageTextEmbedder(folder)
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(WeightsMismatch, match="changed since this was made"):
        embedder.embed(["two"], "query")


def test_text_finds_image_far_above_chance(
    clip: ImageTextEmbedder, held_out: tuple[list[Any], np.ndarray], tmp_path: Path
) -> None:
    """Chance is 1 in 10: the held-out images hold about as many of each digit."""
    images, labels = held_out
    assert np.bincount(labels).max() / len(labels) < 0.12
    files = [tmp_path / f"{i}.png" for i in range(len(images))]
    for file, image in zip(files, images, strict=True):
        file.write_bytes(png(image))
    shown = clip.embed(files, "document")
    asked = clip.embed([ASKED.format(name) for name in DIGITS], "query")
    scores = asked.array @ shown.array.T
    best = labels[np.argsort(-scores, axis=1)[:, :10]]
    found = (best == np.arange(10)[:, None]).mean()
    assert found > 0.8, "precision among the first ten images"
    named = (scores.argmax(axis=0) == labels).mean()
    assert named > 0.8, "images nearest the caption of their digit"
    misnamed = (np.roll(scores, 1, axis=0).argmax(axis=0) == labels).mean()
    assert misnamed < 0.12, "with every caption under the next digit's name"


def test_a_store_of_images_answers_texts(
    clip: ImageTextEmbedder,
    siglip: ImageTextEmbedder,
    held_out: tuple[list[Any], np.ndarray],
    tmp_path: Path,
) -> None:
    images, labels = held_out[0][:120], held_out[1][:120]

    def cut(texts: Any, role: Any) -> Vectors:
        return clip.embed(texts, role, on_long="truncate")

    header = Header(clip.space, record_canaries(cut), "clip", {})
    store = EmbeddedStore.create(tmp_path / "images", header)
    hashes = [bytes.fromhex(content_hash(image))[:16] for image in images]
    with store.write() as writer:
        writer.add_vectors(hashes, clip.embed(images, "document"))
        for i, (digit, key) in enumerate(zip(labels, hashes, strict=True)):
            name = f"{i}.png"
            document = Document(id=name, text=name, metadata={"digit": int(digit)})
            writer.put(document, [Chunk(f"{name}#0", name, 0, len(name), name)], [key])
        writer.commit()
    right = []
    with EmbeddedStore.open(tmp_path / "images").read() as reader:
        for digit, name in enumerate(DIGITS):
            asked = clip.embed([ASKED.format(name)], "query")
            hits = reader.fetch([c.row for c in reader.dense(asked, 5)])
            assert len(hits) == 5
            right += [hit.metadata["digit"] == digit for hit in hits]
        with pytest.raises(SpaceMismatch, match="tokenizer"):
            reader.dense(siglip.embed(["two"], "query"), 5)
    assert np.mean(right) > 0.8, "chance is 0.1"


def test_several_threads_may_ask_at_once(clip: ImageTextEmbedder) -> None:
    from concurrent.futures import ThreadPoolExecutor

    inputs = [noise(20, 20), *SCRIPTS[:5], noise(9, 30)]
    expected = clip.embed(inputs, "document").array
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: clip.embed(inputs, "document").array, range(8)):
            np.testing.assert_allclose(got, expected, atol=1e-5)
