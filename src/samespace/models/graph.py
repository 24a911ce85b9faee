"""The ONNX graph of a BERT-like encoder, without its weights.

The graph is small (tens of kilobytes): every weight is declared as external data, and the
session is handed the memory-mapped tensors instead. It is written with ONNX Runtime's fused
operators, so that nothing has to be found and fused at each start. All matrix products work on
tokens laid out flat, (batch * sequence, hidden); only attention sees the two axes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from samespace.models.cachedir import cache_dir, write_quietly
from samespace.models.encoder import Encoder

BUILDER_VERSION = 2
"""Raised when the same encoder starts to give another graph."""

_FUSED = "com.microsoft"
_OPSET = 17
_IR_VERSION = 8
_DIGEST = 32
_FUSED_KINDS = ("SkipLayerNormalization", "MultiHeadAttention", "BiasGelu", "FastGelu")


def encoder_graph(encoder: Encoder) -> bytes:
    """Return the serialized graph, from the cache where it was built before.

    Inputs, all int32: `input_ids`, `attention_mask`, `position_ids` of shape (batch, sequence),
    and for MPNet `relative_buckets` (sequence, sequence). Output: `token_embeddings`, float32,
    (batch, sequence, hidden). The cache spares the import of `onnx`, a third of a second.
    """
    folder = cache_dir()
    if folder is None:
        return build(encoder)
    identity = json.dumps([BUILDER_VERSION, dataclasses.asdict(encoder)], sort_keys=True)
    name = hashlib.sha256(identity.encode("ascii")).hexdigest()[:32]
    file = folder / "graphs" / f"{name}.onnx"
    try:
        content = file.read_bytes()
    except OSError:
        content = b""
    digest, graph = content[:_DIGEST], content[_DIGEST:]
    if not graph or hashlib.sha256(graph).digest() != digest:
        graph = build(encoder)
        write_quietly(file, hashlib.sha256(graph).digest() + graph)
    return graph


def build(encoder: Encoder) -> bytes:
    """Build the graph and serialize it."""
    import onnx
    from onnx import TensorProto, helper

    nodes: list[onnx.NodeProto] = []

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        domain = _FUSED if kind in _FUSED_KINDS else ""
        nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def product(x: str, weight: str, output: str, *bias: str) -> str:
        return node("Gemm", [x, f"{weight}.weight", *bias], output, transB=1)

    def add_norm(x: str, skip: str, norm: str, output: str, *bias: str) -> str:
        inputs = [x, skip, f"{norm}.weight", f"{norm}.bias", *bias]
        return node("SkipLayerNormalization", inputs, output, epsilon=encoder.epsilon)

    node("Shape", ["input_ids"], "batch_sequence")
    node("Concat", ["batch_sequence", "hidden"], "batch_sequence_hidden", axis=0)
    word = node("Gather", ["word", "input_ids"], "word_rows")
    position = node("Gather", ["position", "position_ids"], "position_rows")
    embedded = add_norm(word, position, "norm", "embedded")
    x = node("Reshape", [embedded, "flat"], "tokens")

    attended = ["attention_mask"]
    if encoder.family == "mpnet":
        rows = node("Gather", ["relative", "relative_buckets"], "relative_rows")
        turned = node("Transpose", [rows], "relative_heads", perm=[2, 0, 1])
        bias = node("Unsqueeze", [turned, "first"], "relative_bias_once")
        # Spread over the batch by hand: ONNX Runtime 1.17 does not, and says nothing.
        node("Shape", ["input_ids"], "batch", end=1)
        node("Concat", ["batch", "ones"], "batch_ones", axis=0)
        attended.append(node("Expand", [bias, "batch_ones"], "relative_bias"))

    for i in range(encoder.layers):
        heads = []
        for part in ("query", "key", "value"):
            flat = product(x, f"{i}.{part}", f"{i}.{part}.flat", f"{i}.{part}.bias")
            heads.append(node("Reshape", [flat, "batch_sequence_hidden"], f"{i}.{part}"))
        mixed = node(
            "MultiHeadAttention", [*heads, "", *attended], f"{i}.mixed", num_heads=encoder.heads
        )
        out = product(node("Reshape", [mixed, "flat"], f"{i}.mixed.flat"), f"{i}.out", f"{i}.out")
        x = add_norm(out, x, f"{i}.norm1", f"{i}.attended", f"{i}.out.bias")
        wide = product(x, f"{i}.up", f"{i}.up")
        if encoder.activation == "relu":
            wide = node("Relu", [node("Add", [wide, f"{i}.up.bias"], f"{i}.sum")], f"{i}.active")
        else:
            kind = "BiasGelu" if encoder.activation == "gelu" else "FastGelu"
            wide = node(kind, [wide, f"{i}.up.bias"], f"{i}.active")
        down = product(wide, f"{i}.down", f"{i}.down")
        x = add_norm(down, x, f"{i}.norm2", f"{i}.done", f"{i}.down.bias")
    node("Reshape", [x, "batch_sequence_hidden"], "token_embeddings")

    output = helper.make_tensor_value_info(
        "token_embeddings", TensorProto.FLOAT, ["batch", "sequence", encoder.hidden]
    )
    graph = helper.make_graph(nodes, "encoder", _inputs(encoder), [output], _tensors(encoder))
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_FUSED, 1)],
        ir_version=_IR_VERSION,
        producer_name="samespace",
    )
    serialized: bytes = model.SerializeToString()
    return serialized


def _inputs(encoder: Encoder) -> list[Any]:
    from onnx import TensorProto, helper

    shapes = {
        name: ["batch", "sequence"] for name in ("input_ids", "attention_mask", "position_ids")
    }
    if encoder.family == "mpnet":
        shapes["relative_buckets"] = ["sequence", "sequence"]
    return [
        helper.make_tensor_value_info(name, TensorProto.INT32, shape)
        for name, shape in shapes.items()
    ]


def _tensors(encoder: Encoder) -> list[Any]:
    """Declare the weights as external data, and add the few constants of reshaping."""
    from onnx import TensorProto, helper

    shapes = encoder.shapes().items()
    tensors = [handed_over(name, TensorProto.FLOAT, shape) for name, shape in shapes]
    constants = {"flat": [-1, encoder.hidden], "hidden": [encoder.hidden]}
    if encoder.family == "mpnet":
        constants["first"], constants["ones"] = [0], [1, 1, 1]
    tensors += [
        helper.make_tensor(name, TensorProto.INT64, [len(values)], values)
        for name, values in constants.items()
    ]
    return tensors


def handed_over(name: str, kind: int, shape: Sequence[int]) -> Any:
    """Declare a tensor that the graph does not hold: the session is handed it."""
    from onnx import TensorProto

    tensor = TensorProto(name=name, data_type=kind, dims=shape)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="handed-over-by-samespace")
    return tensor
