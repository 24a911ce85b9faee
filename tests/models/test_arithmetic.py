"""Weights rounded to float16 and int8: near the float32 model, and lawful embedders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from samespace.errors import InputError, ModelError
from samespace.models import Embedder, OnnxEmbedder
from samespace.models.agreement import agreement
from samespace.models.facts import Given
from samespace.models.folder import read_folder
from samespace.models.rounded import LARGEST, round_weights, rounded
from samespace.models.session import Loaded, Session
from samespace.space import CANARIES, Arithmetic
from tests.models.conftest import Zoo
from tests.models.contract import CHECKS
from tests.models.texts import SCRIPTS, of_words
from tests.models.tiny import HIDDEN, TINY, Tiny

BOTH: tuple[Arithmetic, ...] = ("float16", "int8")
LEAST = {"float16": 0.99999, "int8": 0.95}
FAMILIES = (TINY[0], TINY[2], TINY[4], TINY[5], TINY[6])


@pytest.mark.parametrize("arithmetic", BOTH)
@pytest.mark.parametrize("tiny", FAMILIES, ids=lambda t: t.name)
def test_near_the_float32_model(tiny: Tiny, arithmetic: Arithmetic, zoo: Zoo) -> None:
    exact = zoo.embedder(tiny)
    near = OnnxEmbedder(zoo.folder(tiny), arithmetic=arithmetic)
    assert near.space.diff(exact.space) == {"arithmetic": (arithmetic, "float32")}
    assert LEAST[arithmetic] < agreement(near, exact).least
    stored_in_half = tiny.half and arithmetic == "float16"
    moved = np.abs(
        near.embed(SCRIPTS[2:9], "query").array - exact.embed(SCRIPTS[2:9], "query").array
    )
    # What was stored in half precision loses nothing by it, but for the row that is added.
    assert (moved.max() < 1e-3) if stored_in_half else (moved.max() > 1e-7)


@pytest.mark.parametrize("arithmetic", BOTH)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(
    check: Callable[[Embedder], None], arithmetic: Arithmetic, bert_folder: Path
) -> None:
    check(OnnxEmbedder(bert_folder, arithmetic=arithmetic))


def test_int8_in_one_batch_would_depend_on_the_batch(bert_folder: Path) -> None:
    """Why every text is alone in int8: one scale rounds all that is in a batch."""
    folder = read_folder(bert_folder, given=Given())
    session = Session(Loaded.read(folder, "int8"))
    embedder = OnnxEmbedder(bert_folder, arithmetic="int8")
    ids = [np.array(row) for row in ([2, 9, 30, 3], [2, 40, 41, 42, 43, 44, 3])]
    together = session.run(ids)
    alone = np.concatenate([session.run([one]) for one in ids])
    assert np.abs(together - alone).max() > 1e-4
    texts = [of_words(n) for n in (3, 20, 7, 7, 12)]
    several = embedder.embed(texts, "document").array
    singly = np.concatenate([embedder.embed([text], "document").array for text in texts])
    np.testing.assert_allclose(several, singly, atol=1e-6)


def test_minilm(minilm: OnnxEmbedder, minilm_folder: Path) -> None:
    """As benchmarks/arithmetic.py measures it: float16 is the same space, int8 is not."""
    half = agreement(OnnxEmbedder(minilm_folder, arithmetic="float16"), minilm)
    assert half.one_space
    assert half.least > 0.999999
    integer = agreement(OnnxEmbedder(minilm_folder, arithmetic="int8"), minilm)
    assert not integer.one_space
    assert 0.97 < integer.least < integer.mean < 0.999


def test_no_two_products_overflow_sixteen_bits(bert_folder: Path) -> None:
    _, arrays = rounded(read_folder(bert_folder, given=Given()), "int8")
    products = [a for name, a in arrays.items() if name.endswith(".int8")]
    assert len(products) == 2 * 6
    assert {a.dtype for a in products} == {np.dtype(np.int8)}
    assert max(np.abs(a.astype(int)).max() for a in products) == LARGEST
    assert 2 * 255 * LARGEST < 2**15


def test_what_is_kept_is_small_and_found_again(
    bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMESPACE_CACHE", str(tmp_path))
    text = ["the quick brown fox"]
    first = OnnxEmbedder(bert_folder, arithmetic="float16").embed(text, "query").array
    (file,) = (tmp_path / "rounded").iterdir()
    size = (bert_folder / "model.safetensors").stat().st_size
    assert file.stat().st_size < 0.75 * size  # a model this small is a third names and norms
    stamp = file.stat().st_mtime_ns
    again = OnnxEmbedder(bert_folder, arithmetic="float16").embed(text, "query").array
    np.testing.assert_array_equal(again, first)
    assert file.stat().st_mtime_ns == stamp
    OnnxEmbedder(bert_folder, arithmetic="int8").embed(text, "query")
    assert len(list((tmp_path / "rounded").iterdir())) == 2


def test_one_matrix_at_a_time_is_widened(
    bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half precision would be no saving if the runtime widened all of it, at once or for good."""
    import onnxruntime

    plain = onnxruntime.SessionOptions

    def profiled() -> Any:
        options = plain()
        options.enable_profiling = True
        options.profile_file_prefix = str(tmp_path / "profile")
        return options

    monkeypatch.setattr(onnxruntime, "SessionOptions", profiled)
    session = Session(Loaded.read(read_folder(bert_folder, given=Given()), "float16"))
    session.run([np.array([2, 9, 30, 3])])
    events = json.loads(Path(session._session.end_profiling()).read_text())
    ran = [e["args"]["op_name"] for e in events if e["name"].endswith("_kernel_time")]
    assert ran.count("Gemm") == 2 * 6
    assert all(ran[i - 1] == "Cast" for i, kind in enumerate(ran) if kind == "Gemm")
    assert ran.count("Cast") == ran.count("Gemm") + ran.count("Gather")


def test_a_damaged_file_is_made_anew(
    bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMESPACE_CACHE", str(tmp_path))
    folder = read_folder(bert_folder, given=Given())
    graph, _ = rounded(folder, "int8")
    (file,) = (tmp_path / "rounded").iterdir()
    whole = file.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for damaged in (b"", whole[:-1], flipped):
        file.unlink()
        file.write_bytes(damaged)
        assert rounded(folder, "int8")[0] == graph
        assert [f.read_bytes() for f in (tmp_path / "rounded").iterdir()] == [whole]


def test_works_where_nothing_can_be_kept(
    bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = ["the quick brown fox"]
    expected = OnnxEmbedder(bert_folder, arithmetic="int8").embed(text, "query").array
    (tmp_path / "blocked").write_text("a file where the folder should be")
    monkeypatch.setenv("SAMESPACE_CACHE", str(tmp_path / "blocked"))
    got = OnnxEmbedder(bert_folder, arithmetic="int8").embed(text, "query").array
    np.testing.assert_array_equal(got, expected)


def test_unknown_arithmetic(bert_folder: Path) -> None:
    for wrong in ("bfloat16", "int4"):
        with pytest.raises(InputError, match=f"one of float32, float16, int8 .* got '{wrong}'"):
            OnnxEmbedder(bert_folder, arithmetic=wrong)  # type: ignore[arg-type]


RANDOM = np.random.default_rng(3)
TABLE = RANDOM.normal(size=(400, HIDDEN)).astype(np.float32)
WEIGHT = RANDOM.normal(size=(HIDDEN, HIDDEN)).astype(np.float32)
BIAS = RANDOM.normal(size=HIDDEN).astype(np.float32)
SHIFT = RANDOM.normal(size=(1, HIDDEN)).astype(np.float32)


def own_graph(*, old: bool = False) -> Any:
    """Make a model with every way in which a graph can hold a matrix.

    Rows of a table, times a weight, plus a bias (MatMul); flat, times the same weight
    transposed, plus a bias (Gemm); plus a matrix of one row.
    """
    tensors = {
        "table": TABLE,
        "weight": WEIGHT,
        "bias": BIAS,
        "shift": SHIFT,
        "flat": np.array([-1, HIDDEN]),
        "row": np.array([HIDDEN]),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["hidden"]),
        helper.make_node("Reshape", ["hidden", "flat"], ["tokens"]),
        helper.make_node("Gemm", ["tokens", "weight", "bias"], ["turned"], transB=1),
        helper.make_node("Gemm", ["turned", "weight", "bias"], ["halved"], alpha=0.5),
        helper.make_node("Add", ["halved", "shift"], ["shifted"]),
        helper.make_node("Shape", ["input_ids"], ["two"]),
        helper.make_node("Concat", ["two", "row"], ["three"], axis=0),
        helper.make_node("Reshape", ["shifted", "three"], ["last_hidden_state"]),
    ]
    axes = ["batch", "sequence"]
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, axes)]
    if old:
        inputs += [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for name, a in tensors.items()
        ]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*axes, HIDDEN])
    stored = [numpy_helper.from_array(array, name) for name, array in tensors.items()]
    graph = helper.make_graph(nodes, "own", inputs, [output], stored)
    opset = helper.make_opsetid("", 13)
    return helper.make_model(graph, opset_imports=[opset], ir_version=3 if old else 8)


@pytest.fixture
def folder(bert_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bert_folder, tmp_path / "model"))


@pytest.mark.parametrize("arithmetic", BOTH)
@pytest.mark.parametrize("form", ["inside", "outside", "old"])
def test_a_folder_with_an_onnx_file_of_its_own(
    folder: Path, form: str, arithmetic: Arithmetic
) -> None:
    outside = {"save_as_external_data": True, "location": "model.onnx_data", "size_threshold": 1024}
    options = outside if form == "outside" else {}
    onnx.save(own_graph(old=form == "old"), folder / "model.onnx", **options)
    exact = OnnxEmbedder(folder)
    near = OnnxEmbedder(folder, arithmetic=arithmetic)
    seen = agreement(near, exact)
    assert LEAST[arithmetic] < seen.least < 1
    for check in CHECKS if form == "inside" else ():
        check(near)


def test_each_matrix_is_rounded_as_its_use_allows() -> None:
    weights: dict[str, Any] = {"table": TABLE, "weight": WEIGHT, "bias": BIAS, "shift": SHIFT}
    model = own_graph()
    assert round_weights(model, weights, "int8") == {"table", "weight", "shift"}
    assert {name: array.dtype.name for name, array in weights.items()} == {
        "bias": "float32",
        "table.float16": "float16",
        "weight.int8": "int8",
        "weight.int8.scale": "float32",
        "weight.transposed.int8": "int8",
        "weight.transposed.int8.scale": "float32",
        "weight.float16": "float16",  # for the product that is also halved
        "shift.float16": "float16",
    }
    scales = weights["weight.int8.scale"]
    restored = weights["weight.int8"] * scales
    assert scales.shape == (HIDDEN,)
    assert np.all(np.abs(restored - WEIGHT) <= scales / 2 + 1e-6)
    turned = weights["weight.transposed.int8"] * weights["weight.transposed.int8.scale"]
    np.testing.assert_allclose(turned.T, WEIGHT, atol=0.05)


def test_a_weight_of_zeros_stays_zero() -> None:
    zeros = np.zeros((HIDDEN, HIDDEN), dtype=np.float32)
    weights: dict[str, Any] = {"table": TABLE, "weight": zeros, "bias": BIAS, "shift": SHIFT}
    round_weights(own_graph(), weights, "int8")
    assert not weights["weight.int8"].any()
    assert np.isfinite(weights["weight.int8.scale"]).all()


def test_nothing_to_round(folder: Path) -> None:
    model = own_graph()
    kept = [node for node in model.graph.node if node.op_type in ("Gather", "Shape")][:1]
    kept[0].output[0] = "half"
    kept.append(helper.make_node("Cast", ["half"], ["last_hidden_state"], to=TensorProto.FLOAT))
    table = numpy_helper.from_array(TABLE.astype(np.float16), "table")
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(kept)
    model.graph.initializer.append(table)
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(ModelError, match=r"model\.onnx has no float32 weights .* rounded to int8"):
        OnnxEmbedder(folder, arithmetic="int8").embed(["text"], "query")
    assert len(OnnxEmbedder(folder).embed([text for _, text in CANARIES[:3]], "query")) == 3
