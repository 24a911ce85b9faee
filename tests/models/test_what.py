"""What a folder holds is told by its configuration."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from samespace.errors import ModelError
from samespace.models import load
from samespace.models.what import what_is
from tests.models.conftest import Zoo
from tests.models.tiny import TINY


def write(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content) if not isinstance(content, str) else content)
    return folder


def modules(*names: str) -> list[dict[str, str]]:
    return [
        {"type": f"sentence_transformers.models.{n}", "path": str(i)} for i, n in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"config.json": {"model_type": "bert", "architectures": ["BertModel"]}}, "dense"),
        ({"modules.json": modules("Transformer", "Pooling", "Normalize")}, "dense"),
        ({"modules.json": modules("MLMTransformer", "SpladePooling")}, "sparse"),
        ({"config_sentence_transformers.json": {"model_type": "SparseEncoder"}}, "sparse"),
        ({"modules.json": modules("StaticEmbedding", "Normalize")}, "static"),
        ({"config.json": {"model_type": "model2vec"}}, "static"),
        ({"config.json": {"architectures": ["HF_ColBERT"]}}, "multi-vector"),
        ({"config_sentence_transformers.json": {"model_type": "ColBERT"}}, "multi-vector"),
        ({"config_sentence_transformers.json": {"query_prefix": "[Q] "}}, "multi-vector"),
        ({"modules.json": modules("CLIPModel")}, "image-text"),
        ({"config.json": {"model_type": "siglip"}}, "image-text"),
        (
            {"config.json": {"model_type": "bert",
                             "architectures": ["BertForSequenceClassification"]}},
            "cross-encoder",
        ),
        ({"config_sentence_transformers.json": {"model_type": "CrossEncoder"}}, "cross-encoder"),
        (
            {"config.json": {"model_type": "xlm-roberta", "architectures": ["XLMRobertaModel"]},
             "sparse_linear.pt": "", "colbert_linear.pt": ""},
            "bge-m3",
        ),
    ],
)  # fmt: skip
def test_what_is(tmp_path: Path, files: dict[str, Any], what: str) -> None:
    assert what_is(write(tmp_path, files)) == what


def test_the_wrong_kind_is_refused_by_name(tmp_path: Path) -> None:
    sparse = write(tmp_path, {"modules.json": modules("MLMTransformer", "SpladePooling")})
    with pytest.raises(ModelError, match=r"makes sparse vectors: load it with kind='sparse'"):
        load(sparse)
    with pytest.raises(ModelError, match="makes sparse vectors"):
        load(sparse, kind="multi-vector")
    (tmp_path / "modules.json").unlink()
    write(tmp_path, {"config.json": {"architectures": ["BertForSequenceClassification"]}})
    with pytest.raises(ModelError, match=r"is a cross-encoder.*load_reranker"):
        load(tmp_path)
    for name in ("rerank-v3.5", "ms-marco-MiniLM-L6-v2"):
        with pytest.raises(ModelError, match="is a cross-encoder"):
            load(name)
    with pytest.raises(ModelError, match="makes dense vectors, no sparse ones"):
        load("text-embedding-3-small", kind="sparse")


def test_what_onnx_cannot_run_runs_on_pytorch(zoo: Zoo, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="builds the small models")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense

    folder = tmp_path / "wide"
    shutil.copytree(zoo.folder(TINY[0]), folder)
    model = SentenceTransformer(str(folder), device="cpu")
    narrow = Dense(model.get_embedding_dimension(), 8)
    made = SentenceTransformer(modules=[model[0], model[1], narrow], device="cpu")
    made.save(str(tmp_path / "made"))
    with pytest.raises(ModelError, match="names a module 'Dense'"):
        load(tmp_path / "made", runtime="onnx")
    embedder = load(tmp_path / "made")
    assert type(embedder).__name__ == "TorchEmbedder"
    assert embedder.space.dimensions == 8
    assert embedder.embed(["a small brown dog"], "query").array.shape == (1, 8)
    assert load(folder, runtime="torch").space == load(folder, runtime="onnx").space
