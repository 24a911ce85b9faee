"""ColBERT on PyTorch: the token vectors of sentence-transformers' MultiVectorEncoder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace.errors import ModelError, TooLong
from samespace.models import load
from samespace.models.torch import TorchMultiVectorEmbedder
from samespace.vectors.late import maxsim
from tests.models.contract import CHECKS
from tests.models.test_folder import edit
from tests.models.texts import SCRIPTS, of_words
from tests.models.tiny import WINDOW
from tests.models.torch.build import LATE, LATE_DIMENSIONS
from tests.models.torch.forms import Flat

Built = Callable[[str], Path]
TEXTS = [*SCRIPTS, *(of_words(n) for n in (2, 9, 17, 33, 50, 200))]
WINDOWS = {
    "colbert": (40, WINDOW),
    "colbert_plain": (WINDOW, 60),
    "colbert_stanford": (24, 64),
    "colbert_pylate": (20, 70),
}


@pytest.fixture(scope="session")
def late(built: Built) -> Callable[[str], TorchMultiVectorEmbedder]:
    made: dict[str, TorchMultiVectorEmbedder] = {}

    def embedder(name: str) -> TorchMultiVectorEmbedder:
        if name not in made:
            made[name] = TorchMultiVectorEmbedder(built(name), device="cpu")
        return made[name]

    return embedder


@pytest.mark.parametrize("name", LATE)
def test_vectors_are_those_of_sentence_transformers(
    name: str, built: Built, late: Callable[[str], TorchMultiVectorEmbedder]
) -> None:
    st = pytest.importorskip("sentence_transformers")
    model = st.MultiVectorEncoder(str(built(name)), device="cpu")
    ours = late(name)
    made: dict[str, Any] = {}
    for role, encode in (("query", model.encode_query), ("document", model.encode_document)):
        made[role] = ours.embed(TEXTS, role, on_long="truncate")  # type: ignore[arg-type]
        expected = encode(TEXTS, convert_to_numpy=True)
        for i, rows in enumerate(expected):
            np.testing.assert_allclose(made[role].row(i), rows, atol=2e-4, err_msg=TEXTS[i])
    scores = model.similarity(model.encode_query(TEXTS), model.encode_document(TEXTS))
    ours_scored = maxsim(made["query"], made["document"])
    np.testing.assert_allclose(ours_scored, scores.numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", LATE)
def test_windows_and_markers(
    name: str, built: Built, late: Callable[[str], TorchMultiVectorEmbedder]
) -> None:
    st = pytest.importorskip("sentence_transformers")
    model, ours = st.MultiVectorEncoder(str(built(name)), device="cpu"), late(name)
    query, document = WINDOWS[name]
    assert ours.max_tokens == document
    assert dict(ours.space.prompts) == model.prompts
    for role in ("query", "document"):
        prompted = [model.prompts[role] + text for text in TEXTS]
        encoded = model.tokenizer(prompted, truncation=False, padding=False)["input_ids"]
        assert ours.count(TEXTS, role) == [len(ids) for ids in encoded]  # type: ignore[arg-type]
    with pytest.raises(TooLong, match=f"text 1 takes .* window of {name} is {query}"):
        ours.embed(["fine", of_words(150)], "query")
    with pytest.raises(TooLong, match=f"text 0 takes .* window of {name} is {document}"):
        ours.embed([of_words(150)], "document")


def test_spaces(late: Callable[[str], TorchMultiVectorEmbedder]) -> None:
    spaces = [late(name).space for name in LATE]
    for space in spaces:
        assert (space.kind, space.pooling, space.metric) == ("multi-vector", "none", "dot")
        assert (space.dimensions, space.normalized) == (LATE_DIMENSIONS, True)
        assert "+late:" in space.tokenizer
    assert len({space.id for space in spaces}) == len(LATE)


DOCUMENTS_ONLY = ("check_order", "check_window", "check_bad_input", "check_empty_call")
"""What the contract asks of documents; a query's own window is shorter in most of these models."""


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (check, name)
        for name in LATE
        for check in CHECKS
        if name == "colbert_plain" or check.__name__ in DOCUMENTS_ONLY
    ],
)
def test_contract(
    check: Callable[[Any], None], name: str, late: Callable[[str], TorchMultiVectorEmbedder]
) -> None:
    check(Flat(late(name)))


@pytest.mark.parametrize("name", LATE)
def test_a_query_does_not_depend_on_its_batch(
    name: str, late: Callable[[str], TorchMultiVectorEmbedder]
) -> None:
    ours = late(name)
    texts = [text for text in TEXTS if ours.count([text], "query")[0] <= WINDOWS[name][0]]
    together = ours.embed(texts, "query")
    for i, text in enumerate(texts):
        alone = ours.embed([text], "query")
        np.testing.assert_allclose(together.row(i), alone.row(0), atol=1e-5)


def test_short_queries_are_filled_up_and_punctuation_left_out(
    late: Callable[[str], TorchMultiVectorEmbedder],
) -> None:
    ours = late("colbert")
    assert len(ours.embed(["a dog"], "query").array) == 12
    plain = late("colbert_plain").embed(["a dog", "a, dog."], "document")
    skipped = ours.embed(["a dog", "a, dog."], "document")
    assert [len(plain.row(i)) for i in range(2)] == [len(plain.row(0)), len(plain.row(0)) + 2]
    # The prompt "text: " holds a colon.
    assert [len(skipped.row(i)) for i in range(2)] == [len(plain.row(0)) - 1] * 2


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("sentence_bert_config.json", {"query_expansion": {"strategy": "min", "length": 13}}),
        ("2_MultiVectorMask/config.json", {"skiplist_words": [","]}),
    ],
)
def test_what_becomes_of_tokens_is_part_of_the_space(
    file: str,
    fields: dict[str, Any],
    built: Built,
    tmp_path: Path,
    late: Callable[[str], TorchMultiVectorEmbedder],
) -> None:
    folder = Path(shutil.copytree(built("colbert"), tmp_path / "colbert"))
    assert (folder / file).is_file()
    edit(folder / file, **fields)
    other = TorchMultiVectorEmbedder(folder, device="cpu")
    assert set(other.space.diff(late("colbert").space)) == {"tokenizer"}


def test_loading_by_folder(built: Built, late: Callable[[str], TorchMultiVectorEmbedder]) -> None:
    for name in LATE:
        assert load(built(name), kind="multi-vector").space == late(name).space


def test_a_projection_is_never_made_up(bert_folder: Path, built: Built, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no late-interaction model.*would be random"):
        TorchMultiVectorEmbedder(bert_folder)
    folder = Path(shutil.copytree(built("colbert_stanford"), tmp_path / "stanford"))
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["linear.weight"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"the tensor linear\.weight is absent"):
        TorchMultiVectorEmbedder(folder)
    pylate = Path(shutil.copytree(built("colbert_pylate"), tmp_path / "pylate"))
    entries = json.loads((pylate / "modules.json").read_bytes())[:1]
    (pylate / "modules.json").write_text(json.dumps(entries))
    with pytest.raises(ModelError, match="holds no late-interaction model"):
        TorchMultiVectorEmbedder(pylate)


def test_what_stanford_says_of_tokens_is_not_guessed(
    built: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(built("colbert_stanford"), tmp_path / "stanford"))
    metadata = folder / "artifact.metadata"
    metadata.write_text(json.dumps({"similarity": "l2"}))
    with pytest.raises(ModelError, match="similarity is 'l2'"):
        TorchMultiVectorEmbedder(folder)
    metadata.unlink()
    with pytest.raises(ModelError, match=r"artifact\.metadata is absent"):
        TorchMultiVectorEmbedder(folder)
