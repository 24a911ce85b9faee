"""Agreement with sentence-transformers on the same folder: vectors, counts, truncation."""

from __future__ import annotations

import pydoc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace.models import OnnxEmbedder
from samespace.models.session import _buckets
from samespace.types import Role
from tests.models.conftest import Zoo
from tests.models.texts import SCRIPTS, of_words
from tests.models.tiny import TINY, WINDOW

LEAST_COSINE = 0.99999
TEXTS = [*SCRIPTS, *(of_words(n) for n in (2, 9, 17, 33, 50, 64))]
DOCSTRINGS = [t for name in ("json", "re", "csv") if len(t := pydoc.getdoc(__import__(name))) > 40]


def reference(folder: Path) -> Any:
    module = pytest.importorskip("sentence_transformers")
    return module.SentenceTransformer(str(folder), device="cpu")


def vectors(model: Any, texts: list[str], role: Role) -> np.ndarray:
    encode = model.encode_query if role == "query" else model.encode_document
    return np.asarray(encode(texts, convert_to_numpy=True), dtype=np.float32)


def assert_agree(embedder: OnnxEmbedder, model: Any, texts: list[str], role: Role) -> None:
    ours = embedder.embed(texts, role, on_long="truncate").array
    theirs = vectors(model, texts, role)
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    cosines = np.einsum("ij,ij->i", ours, theirs) / lengths
    assert cosines.min() >= LEAST_COSINE, (texts[int(cosines.argmin())], cosines.min())
    scale = np.abs(theirs).max()
    np.testing.assert_allclose(ours / scale, theirs / scale, atol=2e-4)


def assert_counts(embedder: OnnxEmbedder, model: Any, texts: list[str], role: Role) -> None:
    prompt = model.prompts.get(role) or ""
    encoded = model.tokenizer([prompt + t for t in texts], truncation=False, padding=False)
    assert embedder.count(texts, role) == [len(ids) for ids in encoded["input_ids"]]


@pytest.mark.parametrize("tiny", TINY, ids=lambda tiny: tiny.name)
def test_small_models_agree(tiny: Any, zoo: Zoo) -> None:
    embedder, model = zoo.embedder(tiny), reference(zoo.folder(tiny)).float()
    assert embedder.max_tokens == WINDOW == model.max_seq_length
    assert embedder.space.normalized is tiny.normalized
    assert embedder.space.pooling == {"lasttoken": "last"}.get(tiny.pooling, tiny.pooling)
    assert bool(embedder.space.prompts) is tiny.prompts
    for role in ("query", "document"):
        assert_counts(embedder, model, [*TEXTS, of_words(400), ""], role)
        # The last two are longer than the window: cut as sentence-transformers cuts.
        assert max(embedder.count([of_words(200)], role)) > WINDOW
        assert_agree(embedder, model, [*TEXTS, of_words(200), of_words(400)], role)


def test_minilm_agrees(minilm: OnnxEmbedder, minilm_folder: Path) -> None:
    model = reference(minilm_folder)
    assert minilm.max_tokens == 256 == model.max_seq_length
    texts = [*TEXTS, *DOCSTRINGS, of_words(150), of_words(240), of_words(700)]
    assert minilm.count([of_words(700)])[0] > 256
    assert_counts(minilm, model, texts, "document")
    assert_agree(minilm, model, texts, "document")
    assert_agree(minilm, model, SCRIPTS, "query")


def test_positions_beyond_the_window_agree(minilm_folder: Path) -> None:
    """max_tokens may be raised up to the model's 512 positions."""
    embedder, model = OnnxEmbedder(minilm_folder, max_tokens=512), reference(minilm_folder)
    model.max_seq_length = 512
    text = of_words(350)
    assert 256 < embedder.count([text])[0] <= 512
    assert_agree(embedder, model, [text, of_words(900)], "document")


def test_relative_buckets_are_those_of_mpnet() -> None:
    torch = pytest.importorskip("torch")
    mpnet = pytest.importorskip("transformers.models.mpnet.modeling_mpnet")
    places = torch.arange(514)
    expected = mpnet.MPNetEncoder.relative_position_bucket(places[None, :] - places[:, None])
    np.testing.assert_array_equal(_buckets(514), expected.numpy())
