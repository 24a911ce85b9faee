"""The built graph: cached, rebuilt when damaged, and started without the onnx package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from samespace.models import OnnxEmbedder
from samespace.models.encoder import read_encoder
from samespace.models.files import read_object
from samespace.models.graph import build, encoder_graph
from tests.models.conftest import Zoo
from tests.models.tiny import TINY


@pytest.mark.parametrize(
    "tiny", [TINY[0], TINY[1], TINY[2], TINY[3], TINY[6]], ids=lambda t: t.name
)
def test_the_graph_is_valid_and_small(tiny: object, zoo: Zoo) -> None:
    import onnx

    graph = build(read_encoder(read_object(zoo.folder(tiny) / "config.json")))  # type: ignore[arg-type]
    model = onnx.load_model_from_string(graph)
    assert len(graph) < 30_000
    assert {n.op_type for n in model.graph.node} >= {"MultiHeadAttention", "SkipLayerNormalization"}


def test_cached_and_rebuilt_when_damaged(
    bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMESPACE_CACHE", str(tmp_path))
    encoder = read_encoder(read_object(bert_folder / "config.json"))
    graph = encoder_graph(encoder)
    (file,) = (tmp_path / "graphs").iterdir()
    assert encoder_graph(encoder) == graph
    whole = file.read_bytes()
    for damaged in (b"", whole[:-1], whole[:100] + b"x" + whole[101:]):
        file.write_bytes(damaged)
        assert encoder_graph(encoder) == graph
        assert file.read_bytes() == whole


def test_works_where_nothing_can_be_cached(
    bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zoo: Zoo
) -> None:
    (tmp_path / "blocked").write_text("a file where the folder should be")
    monkeypatch.setenv("SAMESPACE_CACHE", str(tmp_path / "blocked"))
    got = OnnxEmbedder(bert_folder).embed(["a text"], "query").array
    expected = zoo.embedder(TINY[0]).embed(["a text"], "query").array
    np.testing.assert_array_equal(got, expected)


def modules_after(code: str, cache: Path) -> set[str]:
    env = {**os.environ, "SAMESPACE_CACHE": str(cache)}
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_what_is_imported_when(bert_folder: Path, tmp_path: Path) -> None:
    start = "from samespace.models import OnnxEmbedder\n"
    make = f"e = OnnxEmbedder({str(bert_folder)!r}); e.space.id, e.max_tokens\n"
    runtimes = {"onnxruntime", "tokenizers", "onnx", "huggingface_hub", "torch", "safetensors"}
    assert not modules_after(start, tmp_path) & runtimes
    assert not modules_after(start + make, tmp_path) & runtimes
    counted = modules_after(start + make + "e.count(['text'])\n", tmp_path) & runtimes
    assert counted == {"tokenizers"}
    embed = start + make + "e.embed(['text'], 'query')\n"
    assert "onnx" in modules_after(embed, tmp_path)
    assert modules_after(embed, tmp_path) & runtimes == {"tokenizers", "onnxruntime"}
