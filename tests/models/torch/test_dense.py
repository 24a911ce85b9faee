"""Dense models on PyTorch: the vectors of sentence-transformers, the Space of ONNX Runtime."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace import Collection, Document
from samespace.errors import (
    InputError,
    MissingExtra,
    ModelError,
    ModelNotFound,
    SpaceMismatch,
    WeightsMismatch,
)
from samespace.models import OnnxEmbedder
from samespace.models.digest import weights_digest
from samespace.models.torch import TorchEmbedder
from samespace.models.torch.running import Running, padded
from tests.models.conftest import Zoo
from tests.models.contract import CHECKS
from tests.models.test_folder import edit
from tests.models.test_reference import TEXTS, assert_agree, assert_counts, reference
from tests.models.texts import SCRIPTS, of_words
from tests.models.tiny import TINY, WINDOW
from tests.models.torch.build import DENSE, QUERY_PROMPT

BERT, ROBERTA, XLMR = TINY[0], TINY[3], TINY[5]
Built = Callable[[str], Path]


@pytest.fixture(scope="session")
def embedders(built: Built) -> Callable[[str], TorchEmbedder]:
    made: dict[str, TorchEmbedder] = {}

    def embedder(name: str) -> TorchEmbedder:
        if name not in made:
            made[name] = TorchEmbedder(built(name), device="cpu")
        return made[name]

    return embedder


@pytest.fixture
def folder(bert_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bert_folder, tmp_path / "model"))


@pytest.mark.parametrize("tiny", TINY, ids=lambda tiny: tiny.name)
def test_the_space_and_the_vectors_of_onnx_runtime(tiny: Any, zoo: Zoo) -> None:
    ours, onnx = TorchEmbedder(zoo.folder(tiny), device="cpu"), zoo.embedder(tiny)
    assert ours.space == onnx.space
    assert ours.max_tokens == onnx.max_tokens
    texts = [*SCRIPTS, *(of_words(n) for n in (3, 30, 60, 200))]
    for role in ("query", "document"):
        assert ours.count(texts, role) == onnx.count(texts, role)
        assert_agree(ours, reference(zoo.folder(tiny)).float(), texts, role)  # type: ignore[arg-type]
        got = ours.embed(texts, role, on_long="truncate").array
        expected = onnx.embed(texts, role, on_long="truncate").array
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got / scale, expected / scale, atol=2e-5)


def test_minilm_on_both_runtimes(minilm: OnnxEmbedder, minilm_folder: Path) -> None:
    ours = TorchEmbedder(minilm_folder, device="cpu")
    assert (ours.space, ours.max_tokens) == (minilm.space, 256)
    texts = [*SCRIPTS, of_words(150), of_words(700)]
    got, expected = (e.embed(texts, "query", on_long="truncate").array for e in (ours, minilm))
    assert np.einsum("ij,ij->i", got, expected).min() > 0.99999


@pytest.mark.parametrize("name", DENSE)
def test_other_architectures_agree_with_sentence_transformers(
    name: str, built: Built, embedders: Callable[[str], TorchEmbedder]
) -> None:
    ours, model = embedders(name), reference(built(name))
    assert ours.max_tokens == WINDOW == model.max_seq_length
    for role in ("query", "document"):
        assert_counts(ours, model, [*TEXTS, of_words(400), ""], role)  # type: ignore[arg-type]
        # The last two are longer than the window: cut as sentence-transformers cuts.
        texts = [*TEXTS, of_words(200), of_words(400)]
        assert_agree(ours, model, texts, role)  # type: ignore[arg-type]


def test_facts_of_other_architectures(embedders: Callable[[str], TorchEmbedder]) -> None:
    qwen, dense = embedders("qwen").space, embedders("distilbert_dense").space
    assert (qwen.pooling, qwen.prompts) == ("last", (("query", QUERY_PROMPT),))
    assert (dense.native_dimensions, dense.dimensions, dense.normalized) == (24, 24, True)
    assert embedders("modernbert").space.pooling == "cls"


@pytest.mark.parametrize("name", ["qwen", "distilbert_dense"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(
    check: Callable[[Any], None], name: str, embedders: Callable[[str], TorchEmbedder]
) -> None:
    check(embedders(name))


def test_a_dense_module_is_part_of_the_identity(built: Built, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"names a module 'Dense'.*TorchEmbedder"):
        OnnxEmbedder(built("distilbert_dense"))
    folder = Path(shutil.copytree(built("distilbert_dense"), tmp_path / "distilbert_dense"))
    before = TorchEmbedder(folder, device="cpu")
    edit(folder / "2_Dense/config.json", activation_function="torch.nn.modules.activation.ReLU")
    after = TorchEmbedder(folder, device="cpu")
    assert set(after.space.diff(before.space)) == {"weights"}
    text = ["a text"]
    moved = after.embed(text, "query").array - embedders_vector(built, text)
    assert np.abs(moved).max() > 0.01
    with pytest.raises(WeightsMismatch, match="changed since this was made"):
        before.embed(text, "query")
    edit(folder / "2_Dense/config.json", activation_function="mine.activation")
    with pytest.raises(ModelError, match=r"activation_function is mine.activation"):
        TorchEmbedder(folder)


def embedders_vector(built: Built, text: list[str]) -> np.ndarray:
    return TorchEmbedder(built("distilbert_dense"), device="cpu").embed(text, "query").array


def test_what_the_caller_states(folder: Path, zoo: Zoo) -> None:
    (folder / "modules.json").unlink()
    with pytest.raises(ModelError, match=r"modules\.json is absent.*pooling=\"mean\""):
        TorchEmbedder(folder)
    for pooling in ("mean", "cls", "last", "max"):
        stated = {"pooling": pooling, "normalized": False, "max_tokens": 40}
        ours = TorchEmbedder(folder, device="cpu", **stated)  # type: ignore[arg-type]
        onnx = OnnxEmbedder(folder, **stated)  # type: ignore[arg-type]
        assert ours.space == onnx.space
        texts = [*SCRIPTS[:6], of_words(90)]
        np.testing.assert_allclose(
            ours.embed(texts, "query", on_long="truncate").array,
            onnx.embed(texts, "query", on_long="truncate").array,
            atol=2e-4,
        )


@pytest.mark.parametrize("arithmetic", ["bfloat16", "float16"])
def test_half_precision_is_a_space_of_its_own(arithmetic: Any, zoo: Zoo) -> None:
    full = TorchEmbedder(zoo.folder(BERT), device="cpu")
    half = TorchEmbedder(zoo.folder(BERT), device="cpu", arithmetic=arithmetic)
    assert full.space.diff(half.space) == {"arithmetic": ("float32", arithmetic)}
    a, b = (e.embed(SCRIPTS[:8], "document").array for e in (full, half))
    cosines = np.einsum("ij,ij->i", a, b)
    assert 0.99 < cosines.min() < 1 - 1e-7
    with pytest.raises(InputError, match="arithmetic must be one of float32, float16, bfloat16"):
        TorchEmbedder(zoo.folder(BERT), arithmetic="int8")


def test_a_collection_is_shared_by_the_runtimes(zoo: Zoo, tmp_path: Path) -> None:
    with Collection.create(tmp_path / "kb", model=zoo.embedder(XLMR)) as collection:
        collection.add([Document(id=str(i), text=text) for i, text in enumerate(SCRIPTS[:6])])
    torch_runs = TorchEmbedder(zoo.folder(XLMR), device="cpu")
    with Collection.open(tmp_path / "kb", model=torch_runs) as collection:
        assert collection.search(SCRIPTS[4], mode="dense")[0].chunk.document == "4"
    with pytest.raises(SpaceMismatch, match="arithmetic: expected 'float32', got 'float16'"):
        Collection.open(
            tmp_path / "kb",
            model=TorchEmbedder(zoo.folder(BERT), device="cpu", arithmetic="float16"),
        )


def test_weights_that_are_not_whole(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    file = folder / "model.safetensors"
    tensors = load_file(file)
    gone = "encoder.layer.1.output.dense.weight"
    save_file({n: t for n, t in tensors.items() if n != gone}, file)
    with pytest.raises(ModelError, match=f"lacks weights that the model needs: {gone}"):
        TorchEmbedder(folder, device="cpu").embed(["text"], "query")
    file.write_bytes(file.read_bytes()[:-5000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        TorchEmbedder(folder, device="cpu").embed(["text"], "query")
    file.unlink()
    with pytest.raises(ModelNotFound, match="holds no weights"):
        TorchEmbedder(folder)


def test_layers_that_would_be_left_out(folder: Path) -> None:
    """The digest of the weights would not show it."""
    edit(folder / "config.json", num_hidden_layers=1)
    with pytest.raises(ModelError, match="num_hidden_layers 1, but the weights hold more"):
        TorchEmbedder(folder, device="cpu").embed(["text"], "query")


@pytest.mark.parametrize(
    ("file", "fields", "message"),
    [
        (
            "sentence_bert_config.json",
            {"modality_config": {"text": {}, "message": {}}},
            "modality_config is .* in no chat template",
        ),
        ("sentence_bert_config.json", {"processing_kwargs": {"text": {}}}, "processing_kwargs is"),
        ("adapter_config.json", {"peft_type": "LORA"}, "an adapter beside the weights"),
        ("1_Pooling/config.json", {"pooling_mode": "weightedmean"}, "one pooling of mean"),
    ],
)
def test_what_would_change_a_vector_unseen_is_refused(
    folder: Path, file: str, fields: dict[str, Any], message: str
) -> None:
    edit(folder / file, **fields)
    with pytest.raises(ModelError, match=message):
        TorchEmbedder(folder)


@pytest.mark.parametrize(
    "change", [{"type": "custom_st.Transformer"}, {"kwargs": ["task"]}], ids=["code", "arguments"]
)
def test_modules_of_the_repository_are_refused(folder: Path, change: dict[str, Any]) -> None:
    file = folder / "modules.json"
    entries = json.loads(file.read_bytes())
    entries[0].update(change)
    file.write_text(json.dumps(entries))
    with pytest.raises(ModelError, match="code of the model's own repository, or wants"):
        TorchEmbedder(folder)


def test_code_in_a_folder_is_not_run_unasked(folder: Path) -> None:
    (folder / "mine.py").write_text("raise SystemExit('it ran')")
    edit(folder / "config.json", model_type="mine", auto_map={"AutoConfig": "mine.Config"})
    with pytest.raises(ModelError, match="trust_remote_code"):
        TorchEmbedder(folder, device="cpu").embed(["a text"], "query")


def test_several_devices(zoo: Zoo) -> None:
    """Two processes give what one gives, prompt and truncation included."""
    one = TorchEmbedder(zoo.folder(ROBERTA), device="cpu")
    two = TorchEmbedder(zoo.folder(ROBERTA), devices=["cpu", "cpu"], prompts={"query": "find: "})
    texts = [*TEXTS, of_words(300)]
    got = two.embed(texts, "document", on_long="truncate")
    expected = one.embed(texts, "document", on_long="truncate").array
    np.testing.assert_allclose(got.array, expected, atol=1e-5)
    prompted = one.embed(["find: a dog"], "document").array
    np.testing.assert_allclose(two.embed(["a dog"], "query").array, prompted, atol=1e-5)
    two.close()


def test_a_missing_package_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    embedder = TorchEmbedder(folder)
    assert embedder.count(["a text"])[0] > 2
    with pytest.raises(MissingExtra, match=r'pip install "samespace\[torch\]"'):
        embedder.embed(["a text"], "query")


def test_a_batch_beyond_the_memory_is_halved(built: Built, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    sizes: list[int] = []

    class Small(torch.nn.Linear):  # type: ignore[name-defined,misc]
        def forward(self, features: dict[str, Any]) -> dict[str, Any]:
            ids = features["input_ids"]
            sizes.append(len(ids))
            if ids.numel() > self.room:
                raise torch.OutOfMemoryError("no room")
            return {"sums": ids.sum(dim=1)}

    file = tmp_path / "weights"
    file.write_bytes(b"0")
    model = Small(1, 1)
    running = Running(lambda device: model, [file], weights_digest([file]), "cpu")
    ids = [np.arange(10, dtype=np.int32) + i for i in range(13)]
    found = np.zeros(13)
    model.room = 30
    for rows, sums in running.run(ids, lambda b: padded(b, 0), lambda made: made["sums"].numpy()):
        found[rows] = sums
    np.testing.assert_array_equal(found, [row.sum() for row in ids])
    assert sizes[0] == 13
    assert max(size for size in sizes if size * 10 <= 30) == 3
    model.room = 5
    with pytest.raises(ModelError, match="one input of 10 tokens does not fit the memory of cpu"):
        list(running.run(ids, lambda b: padded(b, 0), lambda made: None))
