"""Which files of a repository are fetched."""

from __future__ import annotations

from samespace.models.weights import _chosen

M3 = [
    "README.md", "config.json", "modules.json", "1_Pooling/config.json", "tokenizer.json",
    "pytorch_model.bin", "colbert_linear.pt", "sparse_linear.pt", "imgs/bm25.jpg",
    "onnx/model.onnx", "onnx/model.onnx_data", "onnx/config.json",
]  # fmt: skip


def test_one_format_of_weights_is_fetched() -> None:
    both = ["config.json", "model.safetensors", "onnx/model.onnx", "pytorch_model.bin"]
    assert _chosen(both) == ["config.json", "model.safetensors"]
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = "model.safetensors.index.json"
    assert _chosen([*shards, index]) == [index, *shards]
    assert _chosen(["tf_model.h5", "pytorch_model.bin", "vocab.txt"]) == [
        "vocab.txt",
        "pytorch_model.bin",
    ]
    clip = ["modules.json", "0_CLIPModel/pytorch_model.bin", "0_CLIPModel/config.json"]
    assert set(_chosen(clip)) == set(clip)
    dense = ["2_Dense/model.safetensors", "model.safetensors", "openvino/openvino_model.bin"]
    assert _chosen(dense) == dense[:2]
    older = ["2_Dense/pytorch_model.bin", "model.safetensors", "pytorch_model.bin"]
    assert set(_chosen(older)) == set(older[:2])
    assert _chosen(["model.safetensors", "artifact.metadata"])[0] == "artifact.metadata"


def test_a_graph_comes_with_its_data_and_without_its_variants() -> None:
    files = ["onnx/model.onnx", "onnx/model.onnx_data", "onnx/model_fp16.onnx", "config.json"]
    assert set(_chosen(files)) == {"config.json", "onnx/model.onnx", "onnx/model.onnx_data"}


def test_bge_m3_comes_with_its_heads_and_the_encoder_that_fits_them() -> None:
    chosen = _chosen(M3)
    assert {"pytorch_model.bin", "colbert_linear.pt", "sparse_linear.pt"} <= set(chosen)
    assert not any("model.onnx" in name or name.endswith((".md", ".jpg")) for name in chosen)
