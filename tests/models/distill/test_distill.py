"""Static models of dense ones: they mean what the teacher means; others can read them."""

from __future__ import annotations

import json
from pathlib import Path
from pydoc import getdoc

import numpy as np
import pytest

from samespace import Collection
from samespace.errors import InputError
from samespace.models import HashEmbedder, OnnxEmbedder
from samespace.models.cache import VectorCache
from samespace.models.distill import distill
from samespace.models.static import StaticEmbedder
from samespace.types import Document
from tests.models.static_folder import small, table, tokenizer
from tests.models.texts import of_words

MODULES = ("argparse", "collections", "email", "json", "logging", "statistics", "subprocess")
TEXTS = [getdoc(v) for name in MODULES for v in vars(__import__(name)).values()]
HELD = [" ".join(getdoc(v).split()[:60]) for v in vars(__import__("zipfile")).values()]
SHORTENED = 10_000
"""Of MiniLM's vocabulary, which is in the order of frequency: each entry costs an embedding."""


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> StaticEmbedder:
    out = tmp_path_factory.mktemp("distilled") / "hashed"
    return distill(HashEmbedder(), out, texts=TEXTS, dimensions=128)


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of the similarities within two sets of vectors of the same texts."""
    upper = np.triu_indices(len(one), 1)
    return float(np.corrcoef((one @ one.T)[upper], (other @ other.T)[upper])[0, 1])


@pytest.mark.parametrize(("texts", "least"), [(TEXTS, 0.9), (HELD, 0.45)], ids=["seen", "unseen"])
def test_texts_lie_as_the_teacher_has_them(
    static: StaticEmbedder, texts: list[str], least: float
) -> None:
    """Words that the fit did not see are guessed from their pieces, which hashes do not allow."""
    texts = [text for text in texts if text and HashEmbedder().count([text])[0] <= 200]
    teacher = HashEmbedder().embed(texts, "document").array
    assert agreement(static.embed(texts, "document").array, teacher) > least


def test_it_has_a_space_of_its_own(static: StaticEmbedder) -> None:
    space = static.space
    assert (space.model, space.dimensions, space.normalized) == ("hashed", 128, True)
    assert static.max_tokens == HashEmbedder().max_tokens
    assert space.id != HashEmbedder(128).space.id


def test_other_libraries_read_the_folder(static: StaticEmbedder, tmp_path: Path) -> None:
    folder = static._folder.root
    model2vec = pytest.importorskip("model2vec")
    texts = [text for text in HELD if text]
    ours = static.embed(texts, "document").array
    theirs = model2vec.StaticModel.from_pretrained(folder).encode(texts)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
    st = pytest.importorskip("sentence_transformers").SentenceTransformer(str(folder), device="cpu")
    known = [i for i, text in enumerate(texts) if "[UNK]" not in str(_tokens(folder, text))]
    assert len(known) > 10
    encoded = st.encode([texts[i] for i in known], show_progress_bar=False)
    np.testing.assert_allclose(ours[known], encoded, atol=2e-3)


def _tokens(folder: Path, text: str) -> list[str]:
    from tokenizers import Tokenizer

    return list(Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).tokens)


def test_the_same_seed_and_texts_give_the_same_model(tmp_path: Path) -> None:
    spaces = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        made = distill(HashEmbedder(), tmp_path / name, texts=TEXTS[:40], dimensions=16, seed=seed)
        spaces.append((made.space.weights, made.space.tokenizer))
    assert spaces[0] == spaces[1]
    assert spaces[0][0] != spaces[2][0]


def test_progress_and_provenance(tmp_path: Path) -> None:
    parts: list[float] = []
    distill(HashEmbedder(), tmp_path / "m", texts=TEXTS[:40], progress=parts.append)
    assert parts == sorted(parts)
    assert parts[-1] == pytest.approx(1)
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert config["distilled_from"] == HashEmbedder().space.to_dict()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"], "nothing else is left behind"


def test_what_a_collection_embedded_is_not_embedded_again(tmp_path: Path) -> None:
    """Passages are the chunks of a collection with the same model: the cache has them already."""
    teacher = small(tmp_path / "teacher")
    cache = VectorCache(tmp_path / "vectors")
    texts = [Document(str(n), f"{n} {of_words(400)}", title=f"Power {n}") for n in range(3)]
    with Collection.create(tmp_path / "kb", teacher, max_tokens=256, cache=cache) as collection:
        chunks = collection.add(texts).chunks
    found = cache.stats().hits
    distill(teacher, tmp_path / "out", texts=texts, cache=cache)
    assert chunks >= 6
    assert cache.stats().hits - found >= chunks


def test_vectors_lie_on_disk_as_in_memory_whatever_their_order_there(tmp_path: Path) -> None:
    """What PCA of scikit-learn returns lies in column order, which safetensors does not look at."""
    from samespace.models.distill.distill import _write

    rows = table(tokenizer().get_vocab_size())
    _write(tmp_path / "out", tokenizer(), np.asfortranarray(rows), HashEmbedder())
    made = StaticEmbedder(tmp_path / "out")
    row = rows[tokenizer().token_to_id("cell")]
    got = made.embed(["cell"], "document").array[0]
    np.testing.assert_allclose(got, row / np.linalg.norm(row), atol=1e-3)


def test_what_cannot_be_made_is_refused_before_work(tmp_path: Path) -> None:
    teacher = HashEmbedder()
    with pytest.raises(InputError, match="must be learned from text"):
        distill(teacher, tmp_path / "out")
    with pytest.raises(InputError, match="dimensions must lie between 1 and the 256"):
        distill(teacher, tmp_path / "out", texts=TEXTS, dimensions=257)
    with pytest.raises(InputError, match="characters at least 1"):
        distill(teacher, tmp_path / "out", texts=TEXTS, characters=0)
    with pytest.raises(InputError, match="holds no text to fit on"):
        distill(teacher, tmp_path / "out", texts=["", " \n"])
    with pytest.raises(InputError, match="exists; name a folder that does not"):
        distill(teacher, tmp_path, texts=TEXTS)
    with pytest.raises(InputError, match="there is no folder"):
        distill(teacher, tmp_path / "none" / "out", texts=TEXTS)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def short_tokenizer(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    definition = json.loads((minilm_folder / "tokenizer.json").read_text("utf-8"))
    pieces = sorted(definition["model"]["vocab"].items(), key=lambda entry: entry[1])
    definition["model"]["vocab"] = dict(pieces[:SHORTENED])
    file = tmp_path_factory.mktemp("short") / "tokenizer.json"
    file.write_text(json.dumps(definition), encoding="utf-8")
    return file


WORDS = {"king": "queen", "car": "automobile", "doctor": "physician", "ocean": "sea"}


@pytest.mark.parametrize("text", [True, False], ids=["fitted", "of its vocabulary alone"])
def test_words_mean_what_they_mean_to_minilm(
    minilm: OnnxEmbedder, short_tokenizer: Path, tmp_path: Path, text: bool
) -> None:
    """Each word's nearest among the others is the one that means the same, as for the teacher."""
    static = distill(
        minilm,
        tmp_path / "minilm",
        texts=TEXTS if text else None,
        characters=60_000,
        tokenizer=short_tokenizer,
    )
    words = [*WORDS, *WORDS.values()]
    pairs = {**WORDS, **{b: a for a, b in WORDS.items()}}
    for embedder in (minilm, static):
        vectors = embedder.embed(words, "document").array
        near = vectors @ vectors.T - 2 * np.eye(len(words))
        assert {words[i]: words[int(near[i].argmax())] for i in range(len(words))} == pairs
