"""A folder with an ONNX file of its own runs as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from samespace.errors import InputError, ModelError
from samespace.models import OnnxEmbedder
from tests.models.contract import CHECKS
from tests.models.tiny import HIDDEN

ROWS = 400
TABLE = np.random.default_rng(5).normal(size=(ROWS, HIDDEN)).astype(np.float32)
POOLING = "1_Pooling/config.json"


def graph(
    output: str = "last_hidden_state",
    inputs: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids"),
    kind: int = TensorProto.INT64,
) -> Any:
    """Make a model whose token vectors are rows of a table; pooled, it is their masked sum."""
    axes = ["batch", "sequence"]
    declared = [helper.make_tensor_value_info(name, kind, axes) for name in inputs]
    tensors = [numpy_helper.from_array(TABLE, "table")]
    pooled = output in ("sentence_embedding", "pooled")
    rows = "rows" if pooled else output
    nodes = [helper.make_node("Gather", ["table", "input_ids"], [rows])]
    if pooled:
        tensors.append(numpy_helper.from_array(np.array([2]), "last"))
        tensors.append(numpy_helper.from_array(np.array([1]), "tokens"))
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
            helper.make_node("Mul", [rows, "column"], ["real"]),
            helper.make_node("ReduceSum", ["real", "tokens"], [output], keepdims=0),
        ]
    shape = ["batch", HIDDEN] if pooled else [*axes, HIDDEN]
    put = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
    made = helper.make_graph(nodes, "table", declared, [put], tensors)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def folder(bert_folder: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(bert_folder, tmp_path / "model"))
    (folder / "onnx").mkdir()
    return folder


def expected(embedder: OnnxEmbedder, folder: Path, text: str) -> np.ndarray:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    mean = TABLE[tokenizer.encode(text).ids].mean(axis=0)
    vector: np.ndarray = mean / np.linalg.norm(mean)
    return vector


@pytest.mark.parametrize("place", ["model.onnx", "onnx/model.onnx"])
@pytest.mark.parametrize("output", ["last_hidden_state", "token_embeddings"])
@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32])
def test_token_outputs_are_pooled(folder: Path, place: str, output: str, kind: int) -> None:
    onnx.save(graph(output, kind=kind), folder / place)
    embedder = OnnxEmbedder(folder)
    text = "the quick brown dog"
    got = embedder.embed([text, "another, longer text, to make padding"], "query").array[0]
    np.testing.assert_allclose(got, expected(embedder, folder, text), atol=1e-5)


def test_contract_holds_for_an_own_graph(folder: Path) -> None:
    onnx.save(graph(), folder / "model.onnx")
    embedder = OnnxEmbedder(folder)
    for check in CHECKS:
        check(embedder)


@pytest.mark.parametrize("output", ["sentence_embedding", "pooled"])
def test_a_graph_that_pools(folder: Path, output: str) -> None:
    onnx.save(graph(output, ("input_ids", "attention_mask")), folder / "model.onnx")
    embedder = OnnxEmbedder(folder, pooling="none")
    assert embedder.space.pooling == "none"
    got = embedder.embed(["the quick brown dog", "and a longer text"], "query").array[0]
    np.testing.assert_allclose(got, expected(embedder, folder, "the quick brown dog"), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "pooling", "message"),
    [
        (graph("sentence_embedding"), None, "has the outputs sentence_embedding; expected one of"),
        (graph("last_hidden_state"), "none", "has no output sentence_embedding, only last_hidden"),
        (graph(inputs=("input_ids", "pixel_values")), None, "asks for an input 'pixel_values'"),
        (graph(kind=TensorProto.UINT8), None, r"cannot be loaded|of type tensor\(uint8\)"),
    ],
)
def test_unknown_inputs_and_outputs(folder: Path, model: Any, pooling: Any, message: str) -> None:
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(ModelError, match=message):
        OnnxEmbedder(folder, pooling=pooling).embed(["text"], "query")


def test_a_graph_that_fails_on_an_input(folder: Path) -> None:
    model = graph()
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(TABLE[:4], "table"))
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(ModelError, match=r"model\.onnx failed on 1 texts of \d+ tokens"):
        OnnxEmbedder(folder).embed(["the quick brown dog"], "query")


def test_a_damaged_graph(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match=r"model\.onnx cannot be loaded"):
        OnnxEmbedder(folder).embed(["text"], "query")


def test_another_width_than_configured(folder: Path) -> None:
    onnx.save(graph(), folder / "model.onnx")
    for name, field in (("config.json", "hidden_size"), (POOLING, "embedding_dimension")):
        values = json.loads((folder / name).read_bytes())
        (folder / name).write_text(json.dumps({**values, field: 16}))
    with pytest.raises(ModelError, match="is 32 wide, but the folder's configuration says 16"):
        OnnxEmbedder(folder).embed(["text"], "query")


def test_the_graph_is_the_identity_with_its_external_data(folder: Path, bert_folder: Path) -> None:
    target = folder / "model.onnx"
    onnx.save(graph(), target)
    inside = OnnxEmbedder(folder).space
    assert inside.weights != OnnxEmbedder(bert_folder).space.weights
    onnx.save(
        graph(), target, save_as_external_data=True, location="model.onnx_data", size_threshold=0
    )
    outside = OnnxEmbedder(folder)
    assert outside.space.weights != inside.weights
    outside.embed(["text"], "query")
    data = folder / "model.onnx_data"
    data.write_bytes(data.read_bytes()[:-4] + b"\0\0\0\0")
    assert OnnxEmbedder(folder).space.weights != outside.space.weights


def test_a_catalogued_model_stays_on_its_pinned_weights(
    minilm_folder: Path, minilm: OnnxEmbedder, tmp_path: Path
) -> None:
    for file in minilm_folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    onnx.save(graph(), tmp_path / "model.onnx")
    assert OnnxEmbedder(tmp_path).space == minilm.space


def test_no_pooling_is_for_graphs_only(bert_folder: Path) -> None:
    with pytest.raises(InputError, match="is for an ONNX graph that pools by itself"):
        OnnxEmbedder(bert_folder, pooling="none")
