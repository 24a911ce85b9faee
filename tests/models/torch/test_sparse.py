"""SPLADE on PyTorch: the weights of sentence-transformers' SparseEncoder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace.errors import InputError, ModelError, TooLong
from samespace.models import load
from samespace.models.torch import TorchSparseEmbedder
from samespace.vectors.late import sparse_dot
from tests.models.contract import CHECKS
from tests.models.test_folder import edit
from tests.models.test_reference import TEXTS
from tests.models.texts import SCRIPTS, of_words
from tests.models.tiny import WINDOW
from tests.models.torch.forms import Flat

Built = Callable[[str], Path]


@pytest.fixture(scope="session")
def splade(built: Built) -> TorchSparseEmbedder:
    return TorchSparseEmbedder(built("splade"), device="cpu")


@pytest.fixture
def folder(built: Built, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built("splade"), tmp_path / "splade"))


def test_weights_are_those_of_sentence_transformers(
    splade: TorchSparseEmbedder, built: Built
) -> None:
    st = pytest.importorskip("sentence_transformers")
    model = st.SparseEncoder(str(built("splade")), device="cpu")
    texts = [*TEXTS, of_words(200), of_words(400)]
    queries = splade.embed(texts, "query", on_long="truncate")
    documents = splade.embed(texts, "document", on_long="truncate")
    expected = model.encode_document(texts, convert_to_sparse_tensor=False)
    for i, row in enumerate(expected.cpu().numpy()):
        indices, values = documents.row(i)
        np.testing.assert_array_equal(indices, np.flatnonzero(row))
        np.testing.assert_allclose(values, row[indices], rtol=1e-4, atol=1e-5)
    scores = model.similarity(model.encode_query(texts), model.encode_document(texts))
    np.testing.assert_allclose(sparse_dot(queries, documents), scores.numpy(), rtol=1e-4)


def test_its_space(splade: TorchSparseEmbedder) -> None:
    space = splade.space
    assert (space.kind, space.pooling, space.normalized, space.metric) == (
        "sparse",
        "max",
        False,
        "dot",
    )
    assert space.dimensions == space.native_dimensions > 300
    assert splade.max_tokens == WINDOW
    assert len(splade.embed([], "query")) == 0


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Any], None], splade: TorchSparseEmbedder) -> None:
    check(Flat(splade))


def test_loading_by_folder(built: Built, splade: TorchSparseEmbedder) -> None:
    assert load(built("splade"), kind="sparse").space == splade.space
    with pytest.raises(ModelError, match="makes sparse vectors"):
        load(built("splade"))


def test_what_changes_weights_changes_the_space(folder: Path, splade: TorchSparseEmbedder) -> None:
    edit(folder / "1_SpladePooling/config.json", activation_function="log1p_relu")
    other = TorchSparseEmbedder(folder, device="cpu")
    assert set(other.space.diff(splade.space)) == {"weights"}
    ours = other.embed(["a dog"], "query").values
    assert ours.max() < splade.embed(["a dog"], "query").values.max()
    edit(folder / "1_SpladePooling/config.json", pooling_strategy="sum")
    with pytest.raises(ModelError, match="pooling_strategy is 'sum'"):
        TorchSparseEmbedder(folder)


def test_what_is_not_known_is_asked_for(folder: Path, splade: TorchSparseEmbedder) -> None:
    (folder / "modules.json").unlink()
    with pytest.raises(ModelError, match=r'modules\.json is absent.*pooling="max"'):
        TorchSparseEmbedder(folder)
    stated = TorchSparseEmbedder(folder, pooling="max", device="cpu")
    got, expected = (e.embed(SCRIPTS[:8], "query") for e in (stated, splade))
    np.testing.assert_allclose(got.values, expected.values, atol=1e-5)
    edit(folder / "config.json", architectures=["BertModel"])
    with pytest.raises(ModelError, match=r"architectures is .*head of a masked language model"):
        TorchSparseEmbedder(folder, pooling="max")


def test_a_dense_folder_is_no_sparse_model(bert_folder: Path) -> None:
    with pytest.raises(ModelError, match="expected a masked language model"):
        TorchSparseEmbedder(bert_folder)


def test_a_missing_head_is_not_made_up(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    file = folder / "model.safetensors"
    gone = "cls.predictions.transform.dense.weight"
    save_file({n: t for n, t in load_file(file).items() if n != gone}, file)
    with pytest.raises(ModelError, match=f"lacks weights that the model needs: {gone}"):
        TorchSparseEmbedder(folder, device="cpu").embed(["text"], "query")


def test_errors(splade: TorchSparseEmbedder) -> None:
    with pytest.raises(TooLong, match=f"text 1 takes .* window of splade is {WINDOW}"):
        splade.embed(["fine", of_words(300)], "document")
    with pytest.raises(InputError, match="text 0 is empty"):
        splade.embed([""], "query")
