"""A model's graph with its weights rounded: to int8 for speed, to float16 for memory.

In **float16** every matrix is kept in half precision and widened when it is used; all is
computed in float32, because ONNX Runtime has no half-precision kernels for most CPUs.

In **int8** the matrix products are done on integers ("dynamic quantization"): a weight is
rounded with one scale for each output channel, what it is multiplied with is rounded at every
run with one scale for all of it. That one scale is why an int8 session is given one text at a
time: otherwise a vector would depend on the rest of its batch. The embedding tables are kept in
float16.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from samespace.errors import ModelError
from samespace.models.cachedir import cache_dir, write_quietly
from samespace.models.digest import file_digest
from samespace.models.encoder import read_encoder
from samespace.models.folder import ModelFolder
from samespace.models.graph import BUILDER_VERSION, encoder_graph, handed_over
from samespace.models.tensors import Tensors
from samespace.space import Arithmetic

ROUNDING_VERSION = 1
"""Raised when the same weights start to give other rounded ones."""

LARGEST = 64
"""A weight becomes an integer from -64 to 64. CPUs without VNNI add two products in 16 bits: with
8 bits of weights that overflows, without a word and most in the output of attention; with 7 it
cannot, since 2 * 255 * 64 < 2 ** 15."""

_GRAPH = "graph"
_FUSED = "com.microsoft"

Array = npt.NDArray[Any]


def rounded(folder: ModelFolder, arithmetic: Arithmetic) -> tuple[bytes, dict[str, Array]]:
    """Return a folder's graph with rounded weights, and the arrays that it is to be handed.

    They are kept in the cache, in one file for each model and arithmetic, and mapped from there:
    so a process takes no more memory than what is rounded.

    Raises:
        ModelError: the folder's own ONNX file has no float32 matrices to round.
    """
    encoder = None if folder.kind == "onnx" else read_encoder(folder.config)
    described = None if encoder is None else [BUILDER_VERSION, dataclasses.asdict(encoder)]
    identity = [ROUNDING_VERSION, arithmetic, folder.space.weights, described]
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode("ascii")).hexdigest()[:32]
    cache = cache_dir()
    kept = _kept(cache / "rounded", key) if cache else None
    if kept is None:
        made = _make(folder, arithmetic)
        if cache:
            _keep(cache / "rounded", key, made)
            kept = _kept(cache / "rounded", key)
        kept = kept or made
    graph = kept.pop(_GRAPH)
    return graph.tobytes(), kept


def _make(folder: ModelFolder, arithmetic: Arithmetic) -> dict[str, Array]:
    import onnx

    if folder.kind == "onnx":
        model = onnx.load(folder.weights[0])
        weights = _taken_out(model)
    else:
        encoder = read_encoder(folder.config)
        model = onnx.load_model_from_string(encoder_graph(encoder))
        weights = dict(encoder.tensors(Tensors(folder.weights)))
    if not round_weights(model, weights, arithmetic):
        raise ModelError(
            f"{folder.weights[0]} has no float32 weights that could be rounded to {arithmetic}: "
            'perhaps they are rounded already. Load it as it is, with arithmetic="float32"'
        )
    weights[_GRAPH] = np.frombuffer(model.SerializeToString(), dtype=np.uint8)
    return weights


def _taken_out(model: Any) -> dict[str, Array]:
    """Take the float32 tensors out of a model and return them; declare them as handed over."""
    from onnx import TensorProto, numpy_helper

    weights = {}
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.dims:
            weights[tensor.name] = numpy_helper.to_array(tensor)
            tensor.CopyFrom(handed_over(tensor.name, TensorProto.FLOAT, list(tensor.dims)))
    return weights


def round_weights(model: Any, weights: dict[str, Array], arithmetic: Arithmetic) -> set[str]:
    """Round the matrices of a model and change its graph accordingly, both in place.

    Args:
        model: an `onnx.ModelProto` whose tensors in `weights` are declared as handed over.
        weights: the tensors by name, float32; rounded ones take the place of what is rounded.
        arithmetic: "int8" or "float16".

    Returns:
        The names of what was rounded.
    """
    from onnx import TensorProto, helper

    matrices = {name for name, array in weights.items() if array.ndim == 2}
    # ONNX Runtime runs a node without inputs that vary as late as it can if it comes first in the
    # list: so no two matrices are held widened at once.
    first: list[Any] = []
    nodes: list[Any] = []
    made: dict[str, Array] = {}
    rounded: set[str] = set()
    in_integers: set[str] = set()
    widened: set[str] = set()

    def half(name: str) -> str:
        made[f"{name}.float16"] = weights[name].astype(np.float16)
        rounded.add(name)
        return f"{name}.float16"

    def widen(source: str, output: str) -> Any:
        return helper.make_node("Cast", [source], [output], to=TensorProto.FLOAT)

    for node in model.graph.node:
        factor = _factor(node, weights) if arithmetic == "int8" else None
        if factor:
            x, weight, matrix = node.input[0], *factor
            rounded.add(node.input[1])
            made[weight], made[f"{weight}.scale"] = _quantize(matrix)
            integers, scale, zero = (f"{x}.{part}" for part in ("uint8", "scale", "zero"))
            if x not in in_integers:
                in_integers.add(x)
                outputs = [integers, scale, zero]
                nodes.append(helper.make_node("DynamicQuantizeLinear", [x], outputs))
            inputs = [integers, weight, scale, f"{weight}.scale", zero, "", *node.input[2:]]
            kind = "MatMulIntegerToFloat"
            nodes.append(helper.make_node(kind, inputs, node.output, domain=_FUSED))
        elif node.op_type == "Gather" and node.input[0] in matrices:
            (rows,) = node.output
            node.input[0], node.output[0] = half(node.input[0]), f"{rows}.float16"
            nodes += [node, widen(f"{rows}.float16", rows)]
        else:
            for name in sorted(matrices.intersection(node.input) - widened):
                widened.add(name)
                first.append(widen(half(name), name))
            nodes.append(node)
    _replace(model, first + nodes, rounded, made)
    for name in rounded:
        del weights[name]
    weights.update(made)
    return rounded


def _factor(node: Any, weights: Mapping[str, Array]) -> tuple[str, Array] | None:
    """Return the constant matrix that a node multiplies by, (in, out), and a name for it.

    None for a node that does something else or something more.
    """
    from onnx import helper

    if node.op_type not in ("MatMul", "Gemm") or node.input[1] not in weights:
        return None
    name, matrix = f"{node.input[1]}.int8", weights[node.input[1]]
    said = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if said.get("transB"):
        name, matrix = f"{node.input[1]}.transposed.int8", matrix.T
    plain = not said.get("transA") and said.get("alpha", 1.0) == said.get("beta", 1.0) == 1.0
    bias = weights.get(node.input[2]) if len(node.input) > 2 else matrix[0]
    if matrix.ndim != 2 or not plain or bias is None or bias.shape != matrix.shape[1:]:
        return None
    return name, matrix


def _quantize(matrix: Array) -> tuple[Array, Array]:
    """Return integers of the same shape, int8, and the scale of each column, float32."""
    scale = np.maximum(np.abs(matrix).max(axis=0), np.finfo(np.float32).tiny) / LARGEST
    integers = np.rint(matrix / scale).astype(np.int8)
    return np.ascontiguousarray(integers), scale.astype(np.float32)


def _replace(model: Any, nodes: list[Any], gone: set[str], made: Mapping[str, Array]) -> None:
    from onnx import helper

    graph = model.graph
    # Old exporters list every tensor among the inputs too.
    for declared in (graph.initializer, graph.input):
        kept = [entry for entry in declared if entry.name not in gone]
        del declared[:]
        declared.extend(kept)
    for name, array in made.items():
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        graph.initializer.append(handed_over(name, kind, array.shape))
    del graph.node[:]
    graph.node.extend(nodes)
    if _FUSED not in {entry.domain for entry in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(_FUSED, 1))


def _keep(folder: Path, key: str, tensors: Mapping[str, Array]) -> None:
    from safetensors.numpy import save

    content = save(dict(tensors))
    digest = hashlib.sha256(content).hexdigest()
    write_quietly(folder / f"{key}-{digest}.safetensors", content)


def _kept(folder: Path, key: str) -> dict[str, Array] | None:
    """Return what was kept, mapped; a file that is not what its name says is removed."""
    for file in folder.glob(f"{key}-*.safetensors"):
        with suppress(ModelError):
            if file.stem.endswith(f"-{file_digest(file)}"):
                tensors = Tensors([file])
                return {name: tensors.as_stored(name) for name in tensors.names()}
        with suppress(OSError):
            file.unlink()
    return None
