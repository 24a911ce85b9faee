"""What kind of model a folder holds, read from its configuration alone."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from samespace.models.files import read_json, read_object

What = Literal["dense", "sparse", "multi-vector", "static", "image-text", "cross-encoder", "bge-m3"]

_STATED: dict[str, What] = {
    "SparseEncoder": "sparse",
    "MultiVectorEncoder": "multi-vector",
    "ColBERT": "multi-vector",
    "CrossEncoder": "cross-encoder",
}
_MODULES: dict[str, What] = {
    "SpladePooling": "sparse",
    "SparseAutoEncoder": "sparse",
    "SparseStaticEmbedding": "sparse",
    "StaticEmbedding": "static",
    "CLIPModel": "image-text",
}
_TYPES: dict[str, What] = {
    "model2vec": "static",
    "clip": "image-text",
    "siglip": "image-text",
    "siglip2": "image-text",
}
_PYLATE = {"query_prefix", "document_prefix", "do_query_expansion", "skiplist_words"}
"""What only a late-interaction model has to say."""


def what_is(folder: Path) -> What:
    """Return what a model folder holds; "dense" where nothing says otherwise.

    Looked at, in this order: the heads that BGE-M3 keeps beside its encoder; the modules and the
    model type that sentence-transformers wrote; config.json's model type and architectures.
    """
    if (folder / "sparse_linear.pt").is_file() and (folder / "colbert_linear.pt").is_file():
        return "bge-m3"
    modules, pooled = read_json(folder / "modules.json"), False
    for entry in modules if isinstance(modules, list) else ():
        name = str(entry.get("type", "")).rsplit(".", 1)[-1] if isinstance(entry, dict) else ""
        if name in _MODULES:
            return _MODULES[name]
        pooled = pooled or name == "Pooling"
    config = read_object(folder / "config.json")
    if config.text("model_type") in _TYPES:
        return _TYPES[config.text("model_type")]
    said = read_object(folder / "config_sentence_transformers.json")
    if said.text("model_type") in _STATED:
        return _STATED[said.text("model_type")]
    if _PYLATE & set(said.values):
        return "multi-vector"
    architectures = config.texts("architectures")
    if "HF_ColBERT" in architectures:
        return "multi-vector"
    # What ends in a pooling may have been made from a classifier, whose head its file still names.
    if not pooled and any(name.endswith("ForSequenceClassification") for name in architectures):
        return "cross-encoder"
    return "dense"
