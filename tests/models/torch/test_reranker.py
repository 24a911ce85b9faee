"""Cross-encoders on PyTorch, and embedders of every kind as rerankers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from samespace.errors import InputError, ModelError, TooLong, WeightsMismatch
from samespace.models import Reranker, load_reranker
from samespace.models.rerank import MultiVectorReranker, SparseReranker
from samespace.models.torch import TorchReranker
from tests.models.test_folder import edit
from tests.models.texts import SCRIPTS, of_words
from tests.models.tiny import WINDOW

Built = Callable[[str], Path]
QUERY = "How do I reset my password?"
TEXTS = [*SCRIPTS, *(of_words(n) for n in (2, 9, 17, 33))]
CROSS = ("cross_encoder", "xlmr_cross_encoder", "causal_reranker")


@pytest.fixture(scope="session")
def rerankers(built: Built) -> Callable[[str], TorchReranker]:
    made: dict[str, TorchReranker] = {}

    def reranker(name: str) -> TorchReranker:
        if name not in made:
            made[name] = TorchReranker(built(name), device="cpu")
        return made[name]

    return reranker


@pytest.fixture
def folder(built: Built, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built("cross_encoder"), tmp_path / "cross_encoder"))


def fitting(reranker: TorchReranker) -> list[str]:
    counts = zip(TEXTS, reranker.count(QUERY, TEXTS), strict=True)
    return [text for text, count in counts if count <= reranker.max_tokens]


@pytest.mark.parametrize("name", CROSS)
def test_scores_are_those_of_sentence_transformers(
    name: str, built: Built, rerankers: Callable[[str], TorchReranker]
) -> None:
    st = pytest.importorskip("sentence_transformers")
    ours, model = rerankers(name), st.CrossEncoder(str(built(name)), device="cpu")
    texts = fitting(ours)
    assert len(texts) > 10
    expected = model.predict([(QUERY, text) for text in texts])
    got = ours.score(QUERY, texts)
    np.testing.assert_allclose(got, expected, atol=2e-5)
    assert np.ptp(got) > 0.01
    assert ours.max_tokens == WINDOW == model.max_seq_length
    cutting = TorchReranker(built(name), device="cpu", on_long="truncate")
    long = [of_words(400), *texts[:3], of_words(90)]
    expected = model.predict([(QUERY, text) for text in long])
    np.testing.assert_allclose(cutting.score(QUERY, long), expected, atol=2e-5)


@pytest.mark.parametrize("name", CROSS)
def test_promises(name: str, rerankers: Callable[[str], TorchReranker]) -> None:
    ours = rerankers(name)
    assert isinstance(ours, Reranker)
    assert ours.name == name
    assert ours.score(QUERY, []) == []
    texts = fitting(ours)
    forward = ours.score(QUERY, texts)
    np.testing.assert_allclose(forward, ours.score(QUERY, texts[::-1])[::-1], atol=1e-5)
    alone = [ours.score(QUERY, [text])[0] for text in texts]
    np.testing.assert_allclose(forward, alone, atol=1e-5)
    with pytest.raises(TooLong, match=rf"text 1 takes \d+ tokens with the query.* is {WINDOW}"):
        ours.score(QUERY, ["fine", of_words(300)])
    with pytest.raises(InputError, match="text 1 is empty"):
        ours.score(QUERY, ["fine", " "])
    with pytest.raises(InputError, match="text 0 is empty"):
        ours.score("", ["fine"])


def test_an_instruction_moves_scores(
    built: Built, rerankers: Callable[[str], TorchReranker]
) -> None:
    other = TorchReranker(built("causal_reranker"), device="cpu", prompt="is the text in Latin")
    assert other.score(QUERY, ["a text"]) != rerankers("causal_reranker").score(QUERY, ["a text"])


def test_identity(folder: Path, rerankers: Callable[[str], TorchReranker]) -> None:
    first = TorchReranker(folder, device="cpu")
    assert first.identity == rerankers("cross_encoder").identity
    from safetensors.numpy import load_file, save_file

    file = folder / "model.safetensors"
    tensors = load_file(file)
    tensors["classifier.weight"] = tensors["classifier.weight"] * 2
    save_file(tensors, file)
    assert TorchReranker(folder).identity != first.identity
    with pytest.raises(WeightsMismatch, match="changed since this was made"):
        first.score(QUERY, ["a text"])
    del tensors["classifier.weight"]
    save_file(tensors, file)
    with pytest.raises(ModelError, match=r"lacks the head.*classifier\.weight.*random"):
        TorchReranker(folder, device="cpu").score(QUERY, ["a text"])


def test_what_is_no_reranker(folder: Path, bert_folder: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(bert_folder, tmp_path / "bare"))
    (bare / "modules.json").unlink()
    with pytest.raises(ModelError, match=r"architectures is .*scores would be random"):
        TorchReranker(bare)
    from safetensors.numpy import load_file, save_file

    edit(folder / "config.json", id2label={"0": "no", "1": "maybe", "2": "yes"})
    file = folder / "model.safetensors"
    tensors = load_file(file)
    for name in ("classifier.weight", "classifier.bias"):
        tensors[name] = np.repeat(tensors[name], 3, axis=0)
    save_file(tensors, file)
    with pytest.raises(ModelError, match="names 3 labels"):
        TorchReranker(folder, device="cpu").score(QUERY, ["a text"])


def test_loaded_by_folder(built: Built) -> None:
    texts = ["a dog", "the quick brown fox", "vectors have a space"]
    for name in CROSS:
        assert isinstance(load_reranker(built(name)), TorchReranker)
        assert load_reranker(str(built(name))).score("a fox", texts)
    sparse, late = (load_reranker(built(name)) for name in ("splade", "colbert"))
    assert isinstance(sparse, SparseReranker)
    assert isinstance(late, MultiVectorReranker)


@pytest.mark.parametrize(("name", "encoder"), [("splade", "Sparse"), ("colbert", "MultiVector")])
def test_embedders_score_as_their_library_does(name: str, encoder: str, built: Built) -> None:
    st = pytest.importorskip("sentence_transformers")
    model = getattr(st, f"{encoder}Encoder")(str(built(name)), device="cpu")
    texts = [text for text in TEXTS if len(text) < 60]
    expected = model.similarity(model.encode_query([QUERY]), model.encode_document(texts))[0]
    ours = load_reranker(built(name))
    np.testing.assert_allclose(ours.score(QUERY, texts), expected.cpu().numpy(), rtol=1e-4)
    assert ours.name == name
    assert ours.score(QUERY, []) == []
