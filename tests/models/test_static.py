"""Static models: the contract, and the vectors of model2vec and sentence-transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from samespace.errors import InputError, ModelError, ModelNotFound, TooLong, WeightsMismatch
from samespace.models import Embedder, load
from samespace.models.static import WINDOW, StaticEmbedder
from tests.models.contract import CHECKS
from tests.models.static_folder import WIDTH, save, small, table, tokenizer
from tests.models.texts import SCRIPTS, of_words

TEXTS = [*SCRIPTS, *(of_words(n) for n in (1, 3, 10, 40))]
QUIET = {"show_progress_bar": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("static") / "small")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Embedder], None], folder: Path) -> None:
    check(StaticEmbedder(folder, max_tokens=60, prompts={"query": "small question: "}))


def equals_model2vec(folder: Path, tolerance: float) -> int:
    """Compare with model2vec; return for how many texts it knows a token."""
    model2vec = pytest.importorskip("model2vec")
    theirs = model2vec.StaticModel.from_pretrained(folder).encode(TEXTS, max_length=None)
    ours = StaticEmbedder(folder).embed(TEXTS, "document").array
    known = np.linalg.norm(theirs.astype(np.float32), axis=1) > 0
    np.testing.assert_allclose(ours[known], theirs[known], atol=tolerance)
    assert known.sum() > 12
    return int(known.sum())


def test_vectors_are_those_of_model2vec(folder: Path) -> None:
    known = equals_model2vec(folder, 1e-6)
    assert known < len(TEXTS), "some text should hold unknown tokens only"


def test_half_precision(tmp_path: Path) -> None:
    half = table(tokenizer().get_vocab_size()).astype(np.float16)
    equals_model2vec(save(tmp_path / "half", {"embeddings": half}), 2e-3)


def test_a_quantized_vocabulary(tmp_path: Path) -> None:
    size = tokenizer().get_vocab_size()
    chance = np.random.default_rng(1)
    tensors = {
        "embeddings": (table(20) * 40).astype(np.int8),
        "mapping": chance.integers(0, 20, size),
        "weights": chance.random(size),
    }
    equals_model2vec(save(tmp_path / "quantized", tensors), 1e-6)


def test_an_unnormalized_model(tmp_path: Path) -> None:
    folder = small(tmp_path / "long", normalize=False)
    assert not StaticEmbedder(folder).space.normalized
    equals_model2vec(folder, 1e-6)


@pytest.mark.parametrize("normalize", [True, False])
def test_vectors_are_those_of_sentence_transformers(tmp_path: Path, normalize: bool) -> None:
    st = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    made = tokenizer()
    made.no_truncation()
    made.no_padding()
    static = StaticEmbedding(made, embedding_weights=table(made.get_vocab_size()))
    model = st.SentenceTransformer(
        modules=[static, Normalize()] if normalize else [static], device="cpu"
    )
    model.save(str(tmp_path / "st"))
    ours = StaticEmbedder(tmp_path / "st")
    assert ours.space.normalized is normalize
    got = ours.embed(TEXTS, "document").array
    np.testing.assert_allclose(got, model.encode(TEXTS, **QUIET), atol=1e-5)


def test_unknown_tokens_are_left_out_unless_there_is_nothing_else(folder: Path) -> None:
    embedder = StaticEmbedder(folder)
    known, mixed, unknown, also = embedder.embed(
        ["the cell", "the ऄ cell", "ऄ", "ऄ ऄ ऄ"], "document"
    ).array
    np.testing.assert_allclose(known, mixed, atol=1e-6)
    np.testing.assert_allclose(unknown, also, atol=1e-6)
    row = table(tokenizer().get_vocab_size())[1]
    np.testing.assert_allclose(unknown, row / np.linalg.norm(row), atol=1e-6)


def test_a_text_without_direction_is_refused(tmp_path: Path) -> None:
    rows = table(tokenizer().get_vocab_size())
    rows[tokenizer().token_to_id("cell")] = 0
    embedder = StaticEmbedder(save(tmp_path / "zero", {"embeddings": rows}))
    with pytest.raises(InputError, match="text 1 holds no token that zero has a vector for"):
        embedder.embed(["the cell", "cell"], "document")


def test_the_window(tmp_path: Path, folder: Path) -> None:
    """What the caller says, else the file, else where model2vec cuts; never cut unasked."""
    assert StaticEmbedder(folder).max_tokens == WINDOW
    stated = small(tmp_path / "stated", max_length=20)
    assert StaticEmbedder(stated).max_tokens == 20
    assert StaticEmbedder(stated, max_tokens=10**6).max_tokens == 10**6
    long = of_words(600)
    with pytest.raises(TooLong, match="text 0 takes"):
        StaticEmbedder(folder).embed([long], "document")
    StaticEmbedder(folder, max_tokens=10**6).embed([long], "document")
    with pytest.raises(InputError, match="max_tokens must be at least 1"):
        StaticEmbedder(folder, max_tokens=0)


def test_space_and_loading_by_folder(folder: Path) -> None:
    embedder = load(folder)
    assert isinstance(embedder, StaticEmbedder)
    space = embedder.space
    assert (space.model, space.pooling, space.dimensions) == ("small", "mean", WIDTH)
    assert space == StaticEmbedder(folder).space
    assert space != StaticEmbedder(folder, metric="dot").space


def test_damaged_folders_are_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ModelNotFound, match="there is no folder"):
        StaticEmbedder(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelNotFound, match=r"model\.safetensors is absent"):
        StaticEmbedder(tmp_path / "empty")
    other = save(tmp_path / "other", {"something": table(3)})
    with pytest.raises(ModelError, match="expected a tensor named embeddings"):
        StaticEmbedder(other)
    few = save(tmp_path / "few", {"embeddings": table(3)})
    with pytest.raises(ModelError, match="3 vectors for a vocabulary of"):
        StaticEmbedder(few).embed(["the cell"], "document")
    broken = small(tmp_path / "broken")
    weights = broken / "model.safetensors"
    embedder = StaticEmbedder(broken)
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(WeightsMismatch, match="changed since this embedder was made"):
        embedder.embed(["the cell"], "document")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        StaticEmbedder(broken)
    dense = small(tmp_path / "dense")
    modules = [{"type": "sentence_transformers.models.Transformer", "path": ""}]
    (dense / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="expected StaticEmbedding and perhaps Normalize"):
        StaticEmbedder(dense)
