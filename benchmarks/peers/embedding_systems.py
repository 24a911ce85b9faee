"""Each embedding system, set up as its own documentation has it, in a process of its own.

Every class takes the folder of the weights (as published, or as exported to ONNX and OpenVINO)
and has `documents(texts)` and `query(text)`. Threads are those of the harness everywhere.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from common import percentile

THREADS = 2
WINDOWS = (128, 256, 512)
NEAR = 0.9999
"""A text cut elsewhere has a lower cosine to its own other cuts than this."""
EXPORTED_FOR_FASTEMBED = "onnx/model.onnx"


class Samespace:
    """This library: `samespace.models.load`, ONNX Runtime."""

    def __init__(self, published: str, exported: str) -> None:
        from samespace.models import load

        self.embedder = load("all-MiniLM-L6-v2")

    def documents(self, texts: list[str]) -> Any:
        return self.embedder.embed(texts, "document", on_long="truncate").array

    def query(self, text: str) -> Any:
        return self.embedder.embed([text], "query").array


class SentenceTransformers:
    """sentence-transformers, PyTorch: https://sbert.net/docs/quickstart.html."""

    settings: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, published: str, exported: str) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(THREADS)
        folder = exported if self.settings else published
        self.model = SentenceTransformer(folder, device="cpu", **self.settings)

    def documents(self, texts: list[str]) -> Any:
        return self.model.encode(texts, show_progress_bar=False)

    def query(self, text: str) -> Any:
        return self.model.encode([text], show_progress_bar=False)


class SentenceTransformersOnnx(SentenceTransformers):
    """Its ONNX back end: https://sbert.net/docs/sentence_transformer/usage/efficiency.html."""

    file = "onnx/model.onnx"

    def __init__(self, published: str, exported: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        self.settings = {
            "backend": "onnx",
            "model_kwargs": {
                "provider": "CPUExecutionProvider",
                "file_name": self.file,
                "session_options": options,
            },
        }
        super().__init__(published, exported)


class SentenceTransformersOnnxO3(SentenceTransformersOnnx):
    """The same after `export_optimized_onnx_model(model, "O3")`, its best level for CPUs."""

    file = "onnx/model_O3.onnx"


class SentenceTransformersOpenVino(SentenceTransformers):
    """Its OpenVINO back end; same page. It takes bfloat16 by itself where the CPU has it."""

    config: ClassVar[dict[str, str]] = {"INFERENCE_NUM_THREADS": str(THREADS)}

    def __init__(self, published: str, exported: str) -> None:
        self.settings = {"backend": "openvino", "model_kwargs": {"ov_config": self.config}}
        super().__init__(published, exported)

    def precision(self) -> str:
        """Return what it computes in."""
        compiled = self.model[0].auto_model.request
        name = str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
        return {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}.get(name, name)


class SentenceTransformersOpenVinoFloat32(SentenceTransformersOpenVino):
    """The same, told to compute in float32 like the others."""

    config: ClassVar[dict[str, str]] = {
        **SentenceTransformersOpenVino.config,
        "INFERENCE_PRECISION_HINT": "f32",
    }


class Transformers:
    """Plain transformers: the code on the model's card, in batches of 32, at its window of 256.

    The card's code has no batches; 32 is what sentence-transformers uses.
    """

    def __init__(self, published: str, exported: str) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        torch.set_num_threads(THREADS)
        self.tokenizer = AutoTokenizer.from_pretrained(published)
        self.model = AutoModel.from_pretrained(published)

    def documents(self, texts: list[str]) -> Any:
        return np.concatenate([self._batch(texts[i : i + 32]) for i in range(0, len(texts), 32)])

    def query(self, text: str) -> Any:
        return self._batch([text])

    def _batch(self, texts: list[str]) -> Any:
        import torch
        from torch.nn.functional import normalize

        encoded = self.tokenizer(
            texts, padding=True, truncation=True, max_length=256, return_tensors="pt"
        )
        with torch.no_grad():
            tokens = self.model(**encoded)[0]
        mask = encoded["attention_mask"].unsqueeze(-1).expand(tokens.size()).float()
        pooled = torch.sum(tokens * mask, 1) / torch.clamp(mask.sum(1), min=1e-9)
        return normalize(pooled, p=2, dim=1).numpy()


class FastEmbed:
    """fastembed over the exported folder, whose tokenizer_config.json says `max_length` 128.

    It cannot download here, so the model is registered as its documentation says for one's own
    (https://qdrant.github.io/fastembed, "Adding new models"), and found by `specific_model_path`.
    """

    parallel: int | None = None
    window: int | None = None

    def __init__(self, published: str, exported: str) -> None:
        from fastembed import TextEmbedding
        from fastembed.common.model_description import ModelSource, PoolingType

        TextEmbedding.add_custom_model(
            model="local/all-MiniLM-L6-v2",
            pooling=PoolingType.MEAN,
            normalization=True,
            sources=ModelSource(hf="local/all-MiniLM-L6-v2"),
            dim=384,
            model_file=EXPORTED_FOR_FASTEMBED,
        )
        folder = Path(exported)
        if self.window:
            folder = widened(folder, self.window)
        self.model = TextEmbedding(
            "local/all-MiniLM-L6-v2", specific_model_path=str(folder), threads=THREADS
        )

    def documents(self, texts: list[str]) -> Any:
        return np.stack(list(self.model.embed(texts, parallel=self.parallel)))

    def query(self, text: str) -> Any:
        return np.stack(list(self.model.query_embed(text)))


class FastEmbedWidened(FastEmbed):
    """The same with `max_length` set to the model's window of 256."""

    window = 256


class FastEmbedParallel(FastEmbedWidened):
    """The same with data parallelism, which its documentation recommends for large sets.

    Batches of 32 here, for there are fewer texts than the default of 256 would share out.
    """

    def documents(self, texts: list[str]) -> Any:
        return np.stack(list(self.model.embed(texts, parallel=THREADS, batch_size=32)))


SYSTEMS = {
    "samespace": Samespace,
    "sentence-transformers, PyTorch": SentenceTransformers,
    "sentence-transformers, ONNX": SentenceTransformersOnnx,
    "sentence-transformers, ONNX O3": SentenceTransformersOnnxO3,
    "sentence-transformers, OpenVINO": SentenceTransformersOpenVino,
    "sentence-transformers, OpenVINO float32": SentenceTransformersOpenVinoFloat32,
    "transformers": Transformers,
    "fastembed": FastEmbed,
    "fastembed, window set to 256": FastEmbedWidened,
    "fastembed, window set to 256, parallel=2": FastEmbedParallel,
}


def widened(folder: Path, window: int) -> Path:
    """Return a folder of links to the model, with another `max_length` for its tokenizer."""
    copy = folder.with_name(f"{folder.name}-{window}")
    copy.mkdir(exist_ok=True)
    for path in folder.iterdir():
        link = copy / path.name
        if path.name == "tokenizer_config.json":
            config = json.loads(path.read_text("utf-8"))
            link.write_text(json.dumps({**config, "max_length": window}), encoding="utf-8")
        elif not link.exists():
            link.symlink_to(path)
    return copy


def export(published: str, exported: str) -> dict[str, Any]:
    """Write the model as ONNX, ONNX O3 and OpenVINO, as sentence-transformers' page says."""
    from sentence_transformers import SentenceTransformer, export_optimized_onnx_model

    model = SentenceTransformer(
        published,
        backend="onnx",
        model_kwargs={"provider": "CPUExecutionProvider", "export": True},
    )
    model.save_pretrained(exported)
    export_optimized_onnx_model(model, "O3", exported)
    model = SentenceTransformer(published, backend="openvino", model_kwargs={"export": True})
    model.save_pretrained(exported)
    return {}


def reference(published: str, texts: str, vectors: str) -> dict[str, Any]:
    """Save the vectors of sentence-transformers, PyTorch, float32: what the others must equal.

    Beside them, those of a text longer than every window, cut at each of them: they tell at how
    many tokens a system cuts.
    """
    from sentence_transformers import SentenceTransformer

    given = json.loads(Path(texts).read_text("utf-8"))
    model = SentenceTransformer(published, device="cpu")
    saved = {"passages": model.encode(given["passages"], show_progress_bar=False)}
    for window in WINDOWS:
        model.max_seq_length = window
        saved[f"window_{window}"] = model.encode([given["long"]], show_progress_bar=False)
    np.savez(vectors, **saved)
    return {}


def measure(system: str, published: str, exported: str, texts: str, vectors: str) -> dict[str, Any]:
    """Load a system, embed passages and queries, and compare its vectors with the reference."""
    given = json.loads(Path(texts).read_text("utf-8"))
    passages, queries = given["passages"], given["queries"]
    started = time.perf_counter()
    one = SYSTEMS[system](published, exported)
    one.query(queries[0])
    loaded = time.perf_counter() - started
    one.documents(passages[:8])
    started = time.perf_counter()
    got = np.asarray(one.documents(passages), dtype=np.float32)
    seconds = time.perf_counter() - started
    times = []
    for query in queries:
        started = time.perf_counter()
        one.query(query)
        times.append(1000 * (time.perf_counter() - started))
    expected = np.load(vectors)
    cosines = cosine(got, expected["passages"])
    long = np.asarray(one.documents([given["long"]]), dtype=np.float32)
    near = {window: float(cosine(long, expected[f"window_{window}"])[0]) for window in WINDOWS}
    window = max(near, key=lambda w: near[w])
    return {
        "load_s": loaded,
        "seconds": seconds,
        "query_p50_ms": percentile(times, 50),
        "query_p99_ms": percentile(times, 99),
        "min_cosine": float(cosines.min()),
        "mean_cosine": float(cosines.mean()),
        "window": window if near[window] > NEAR else None,
        "precision": one.precision() if hasattr(one, "precision") else "float32",
    }


def cosine(a: Any, b: Any) -> Any:
    """Return the cosine of each row of one with the same row of the other."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
