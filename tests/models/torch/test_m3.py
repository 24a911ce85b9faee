"""BGE-M3's three forms, equal to the formulae of its authors carried out text by text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace.errors import (
    InputError,
    ModelError,
    ModelNotFound,
    SpaceMismatch,
    TooLong,
    WeightsMismatch,
)
from samespace.models import Embedder, OnnxEmbedder, load
from samespace.models.digest import file_digest, weights_digest
from samespace.vectors.late import maxsim, sparse_dot
from tests.models.contract import CHECKS, fitting
from tests.models.texts import SCRIPTS, of_words
from tests.models.tiny import HIDDEN, WINDOW, Tiny, save

torch = pytest.importorskip("torch", reason="builds and runs the small model")
transformers = pytest.importorskip("transformers")
pytest.importorskip("sentence_transformers")

from samespace.models.torch.m3 import M3Embedder  # noqa: E402

TEXTS = [*SCRIPTS, *(of_words(n) for n in (1, 2, 9, 17, 30))]


def save_heads(folder: Path) -> None:
    torch.manual_seed(11)
    for name, width in (("sparse_linear.pt", 1), ("colbert_linear.pt", HIDDEN)):
        head = torch.nn.Linear(HIDDEN, width)
        torch.nn.init.normal_(head.weight, std=0.3)
        torch.save(head.state_dict(), folder / name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save(Tiny("xlm-roberta", "cls"), tmp_path_factory.mktemp("m3") / "bge-m3")
    save_heads(folder)
    return folder


@pytest.fixture(scope="module")
def m3(folder: Path) -> M3Embedder:
    return M3Embedder(folder)


@pytest.fixture(scope="module")
def texts(m3: M3Embedder) -> list[str]:
    fit = fitting(m3.dense, TEXTS)
    assert len(fit) > 15
    return fit


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "bge-m3"))


class Authors:
    """What the paper's formulae give for one text at a time, without padding or batches."""

    def __init__(self, folder: Path) -> None:
        self.encoder = transformers.AutoModel.from_pretrained(folder).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.lexical, self.multi = (
            torch.load(folder / name, weights_only=True)
            for name in ("sparse_linear.pt", "colbert_linear.pt")
        )

    def of(self, text: str) -> tuple[np.ndarray, dict[int, float], np.ndarray]:
        ids = self.tokenizer(text, truncation=False, padding=False)["input_ids"]
        kept = [ids[0], *ids[1:-1][: WINDOW - 2], ids[-1]]
        with torch.no_grad():
            states = self.encoder(torch.tensor([kept])).last_hidden_state[0]
            weights = torch.relu(states @ self.lexical["weight"].T + self.lexical["bias"])[:, 0]
            vectors = states[1:] @ self.multi["weight"].T + self.multi["bias"]
        names = ("<s>", "</s>", "<pad>", "<unk>")
        unused = {self.tokenizer.convert_tokens_to_ids(name) for name in names}
        largest: dict[int, float] = {}
        for token, weight in zip(kept, weights.tolist(), strict=True):
            if token not in unused and weight > largest.get(token, 0.0):
                largest[token] = weight
        unit = torch.nn.functional.normalize
        return unit(states[0], dim=0).numpy(), largest, unit(vectors, dim=1).numpy()


def test_all_forms_equal_the_formulae(m3: M3Embedder, folder: Path) -> None:
    authors = Authors(folder)
    texts = [*TEXTS, of_words(300)]
    made = m3.embed_all(texts, "document", on_long="truncate")
    assert m3.count([of_words(300)])[0] > WINDOW == m3.max_tokens
    repeated = 0
    for i, text in enumerate(texts):
        dense, largest, vectors = authors.of(text)
        np.testing.assert_allclose(made.dense.array[i], dense, atol=1e-5)
        indices, values = made.sparse.row(i)
        assert indices.tolist() == sorted(largest)
        np.testing.assert_allclose(values, [largest[t] for t in sorted(largest)], atol=1e-5)
        np.testing.assert_allclose(made.multi.row(i), vectors, atol=1e-5)
        repeated += len(largest) < len(vectors) - 1
    assert repeated > 5, "texts in which a token recurs or has no weight"


def test_scores_are_those_of_the_authors(m3: M3Embedder, folder: Path, texts: list[str]) -> None:
    authors = Authors(folder)
    queries, documents = texts[2:6], texts[4:12]
    asked, found = m3.embed_all(queries, "query"), m3.embed_all(documents, "document")
    lexical, late = sparse_dot(asked.sparse, found.sparse), maxsim(asked.multi, found.multi)
    said, held = [authors.of(text) for text in queries], [authors.of(text) for text in documents]
    for i, (_, a, q) in enumerate(said):
        for j, (_, b, d) in enumerate(held):
            shared = sum(a[token] * b[token] for token in a.keys() & b.keys())
            assert lexical[i, j] == pytest.approx(shared, rel=1e-4, abs=1e-5)
            mean = (q @ d.T).max(axis=1).sum() / len(q)
            assert late[i, j] / len(q) == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_dense_form_keeps_the_contract(
    check: Callable[[Embedder], None], m3: M3Embedder
) -> None:
    check(m3.dense)


def test_each_form_alone_is_as_all_together_in_any_order(m3: M3Embedder, texts: list[str]) -> None:
    together = m3.embed_all(texts, "query")
    np.testing.assert_array_equal(m3.dense.embed(texts, "query").array, together.dense.array)
    sparse = m3.sparse.embed(texts[::-1], "query")
    multi = m3.multi.embed(texts[::-1], "query")
    for i in range(len(texts)):
        backward = len(texts) - 1 - i
        np.testing.assert_array_equal(sparse.row(backward)[0], together.sparse.row(i)[0])
        np.testing.assert_allclose(sparse.row(backward)[1], together.sparse.row(i)[1], atol=1e-5)
        np.testing.assert_allclose(multi.row(backward), together.multi.row(i), atol=1e-5)
    alone = [m3.sparse.embed([text], "query").values for text in texts]
    np.testing.assert_allclose(np.concatenate(alone), together.sparse.values, atol=1e-5)


def test_spaces_say_what_each_form_is_and_pin_every_file_of_it(
    m3: M3Embedder, folder: Path
) -> None:
    dense, sparse, multi = m3.dense.space, m3.sparse.space, m3.multi.space
    assert dense == OnnxEmbedder(folder).space
    assert dense.weights == file_digest(folder / "model.safetensors")
    assert (sparse.kind, sparse.pooling, sparse.normalized) == ("sparse", "max", False)
    words = len(transformers.AutoTokenizer.from_pretrained(folder))
    assert (sparse.metric, sparse.dimensions) == ("dot", words)
    assert (multi.kind, multi.pooling, multi.normalized) == ("multi-vector", "none", True)
    assert (multi.metric, multi.dimensions) == ("dot", HIDDEN)
    files = [folder / "model.safetensors", folder / "sparse_linear.pt"]
    assert sparse.weights == weights_digest(files)
    assert len({dense.weights, sparse.weights, multi.weights}) == 3
    with pytest.raises(SpaceMismatch):
        m3.dense.embed(["a"], "query").space.require(multi, "comparing")


def test_each_form_is_loaded_by_its_kind(m3: M3Embedder, folder: Path) -> None:
    assert load(folder).space == m3.dense.space
    assert load(folder, kind="sparse").space == m3.sparse.space
    multi = load(folder, kind="multi-vector")
    expected = m3.multi.embed(["the dog"], "query").array
    np.testing.assert_allclose(multi.embed(["the dog"], "query").array, expected, atol=1e-6)


def test_another_head_is_another_space_of_that_form_alone(m3: M3Embedder, copy: Path) -> None:
    head = torch.load(copy / "sparse_linear.pt", weights_only=True)
    torch.save({**head, "bias": head["bias"] + 1}, copy / "sparse_linear.pt")
    other = M3Embedder(copy)
    assert other.dense.space == m3.dense.space
    assert other.multi.space == m3.multi.space
    assert set(other.sparse.space.diff(m3.sparse.space)) == {"weights"}
    embedder = M3Embedder(copy)
    torch.save(head, copy / "sparse_linear.pt")
    with pytest.raises(WeightsMismatch, match="changed since this was made"):
        embedder.dense.embed(["a"], "query")


def test_weights_of_pytorch_alone_are_read_as_tensors(
    m3: M3Embedder, copy: Path, texts: list[str]
) -> None:
    """As the hub's BAAI/bge-m3 has them."""
    stored = transformers.AutoModel.from_pretrained(copy).state_dict()
    (copy / "model.safetensors").unlink()
    torch.save(stored, copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model.bin, a format .* run code"):
        OnnxEmbedder(copy)
    pickled = M3Embedder(copy)
    assert set(pickled.dense.space.diff(m3.dense.space)) == {"weights"}
    theirs, ours = (e.embed_all(texts, "document") for e in (m3, pickled))
    np.testing.assert_allclose(ours.dense.array, theirs.dense.array, atol=1e-6)
    np.testing.assert_allclose(ours.multi.array, theirs.multi.array, atol=1e-6)
    np.testing.assert_allclose(ours.sparse.values, theirs.sparse.values, atol=1e-6)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "sparse_linear.pt", "colbert_linear.pt"])
def test_code_in_a_file_of_weights_is_refused(copy: Path, name: str) -> None:
    (copy / "model.safetensors").rename(copy / "set-aside")
    stored = {"weight": print}
    torch.save(transformers.AutoModel.from_pretrained, copy / "pytorch_model.bin")
    if name != "pytorch_model.bin":
        (copy / "pytorch_model.bin").unlink()
        (copy / "set-aside").rename(copy / "model.safetensors")
        torch.save(stored, copy / name)
    with pytest.raises(ModelError, match="cannot be loaded"):
        M3Embedder(copy).dense.embed(["a"], "query")


def test_what_is_missing_or_contradictory_is_named(copy: Path) -> None:
    torch.save(torch.nn.Linear(HIDDEN, 5).state_dict(), copy / "colbert_linear.pt")
    with pytest.raises(ModelError, match=r"colbert_linear.pt must hold a linear layer .*\(5, 32\)"):
        M3Embedder(copy).dense.embed(["a"], "query")
    (copy / "colbert_linear.pt").unlink()
    with pytest.raises(ModelNotFound, match=r"colbert_linear.pt is absent, a part of BGE-M3"):
        M3Embedder(copy)
    save_heads(copy)
    pooling = json.loads((copy / "1_Pooling/config.json").read_text())
    changed = {key: "mean" if key == "pooling_mode" else value for key, value in pooling.items()}
    (copy / "1_Pooling/config.json").write_text(json.dumps(changed))
    with pytest.raises(ModelError, match="that of the first token, but the pooling is 'mean'"):
        M3Embedder(copy)
    (copy / "1_Pooling/config.json").write_text(json.dumps(pooling))


@pytest.mark.parametrize("form", ["sparse", "multi"])
def test_the_other_forms_check_texts_and_window_too(m3: M3Embedder, form: str) -> None:
    embedder: Any = getattr(m3, form)
    assert len(embedder.embed([], "query")) == 0
    with pytest.raises(InputError, match="text 1 is empty"):
        embedder.embed(["fine", " "], "query")
    with pytest.raises(TooLong, match=r"text 1 takes \d+ tokens"):
        embedder.embed(["fine", of_words(300)], "query")
    cut = embedder.embed([of_words(300), of_words(400)], "query", on_long="truncate")
    for one, other in zip(*(np.atleast_1d(cut.row(i)) for i in (0, 1)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert embedder.count([of_words(300)])[0] > embedder.max_tokens


def test_an_empty_call_gives_empty_forms(m3: M3Embedder) -> None:
    made = m3.embed_all([], "document")
    assert (len(made.dense), len(made.sparse), len(made.multi)) == (0, 0, 0)


def test_prompts_move_every_form(m3: M3Embedder, folder: Path) -> None:
    prompted = M3Embedder(folder, prompts={"query": "question: "})
    asked = prompted.embed_all(["the dog"], "query")
    written = m3.embed_all(["question: the dog"], "query")
    np.testing.assert_allclose(asked.dense.array, written.dense.array, atol=1e-6)
    np.testing.assert_allclose(asked.multi.array, written.multi.array, atol=1e-6)
    assert set(prompted.sparse.space.diff(m3.sparse.space)) == {"prompts"}


def test_half_precision_is_another_space_near_the_first(
    m3: M3Embedder, folder: Path, texts: list[str]
) -> None:
    half = M3Embedder(folder, arithmetic="bfloat16")
    for one, other in ((half.dense, m3.dense), (half.sparse, m3.sparse), (half.multi, m3.multi)):
        assert set(one.space.diff(other.space)) == {"arithmetic"}
    ours, theirs = (e.embed_all(texts, "document") for e in (half, m3))
    assert 0.98 < (ours.dense.array * theirs.dense.array).sum(axis=1).min() < 0.99999
    assert (ours.multi.array * theirs.multi.array).sum(axis=1).min() > 0.9


def test_several_threads_may_ask_at_once(m3: M3Embedder, texts: list[str]) -> None:
    expected = m3.embed_all(texts, "document")
    with ThreadPoolExecutor(4) as pool:
        for made in pool.map(lambda _: m3.embed_all(texts, "document"), range(8)):
            np.testing.assert_allclose(made.dense.array, expected.dense.array, atol=1e-5)
            np.testing.assert_allclose(made.multi.array, expected.multi.array, atol=1e-5)
            np.testing.assert_array_equal(made.sparse.indices, expected.sparse.indices)
