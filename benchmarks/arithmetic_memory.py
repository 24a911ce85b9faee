"""Memory and speed of a model of BERT-base's size (110 million weights) in each arithmetic.

    python benchmarks/arithmetic_memory.py

The weights are random: what they are does not change what they take. The tokenizer is that of
all-MiniLM-L6-v2. Each arithmetic runs in a process of its own, twice: the first makes and keeps
the rounded weights, the second, which is reported, finds them. Resident memory is what it is
after 20 single queries, and after 64 passages of 110 tokens more; its private part is what no
other process can share and the system cannot drop. Times are of the processor, by thread.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from common import peak_mib, percentile, save
from samespace.models import OnnxEmbedder
from samespace.models.catalog import find
from samespace.models.weights import locate

HIDDEN, WIDE, LAYERS, HEADS = 768, 3072, 12, 12
ARITHMETICS = ("float32", "float16", "int8")
SENTENCE = "The mitochondrion is the powerhouse of the cell, and no other part of it is. "
PRODUCTS = {
    "attention.self.query": (HIDDEN, HIDDEN),
    "attention.self.key": (HIDDEN, HIDDEN),
    "attention.self.value": (HIDDEN, HIDDEN),
    "attention.output.dense": (HIDDEN, HIDDEN),
    "intermediate.dense": (WIDE, HIDDEN),
    "output.dense": (HIDDEN, WIDE),
}


def build(folder: Path) -> None:
    """Write a model folder: MiniLM's configuration and tokenizer, wider, with random weights."""
    from safetensors.numpy import save_file

    card = find("all-MiniLM-L6-v2")
    assert card is not None
    shutil.copytree(locate(card), folder, ignore=shutil.ignore_patterns("*.safetensors", "*.onnx"))
    sizes = {
        "hidden_size": HIDDEN,
        "intermediate_size": WIDE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
    }
    changes = {"config.json": sizes, "1_Pooling/config.json": {"word_embedding_dimension": HIDDEN}}
    for name, values in changes.items():
        file = folder / name
        file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
    rng = np.random.default_rng(0)

    def random(*shape: int) -> np.ndarray:
        return 0.03 * rng.standard_normal(shape, dtype=np.float32)

    config = json.loads((folder / "config.json").read_text())
    tensors = {
        "embeddings.word_embeddings.weight": random(config["vocab_size"], HIDDEN),
        "embeddings.position_embeddings.weight": random(512, HIDDEN),
        "embeddings.token_type_embeddings.weight": random(2, HIDDEN),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{i}" for i in range(LAYERS)):
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
        for name, shape in PRODUCTS.items():
            tensors[f"{layer}.{name}.weight"] = random(*shape)
            tensors[f"{layer}.{name}.bias"] = random(shape[0])
    for norm in norms:
        tensors[f"{norm}.weight"], tensors[f"{norm}.bias"] = 1 + random(HIDDEN), random(HIDDEN)
    save_file(tensors, folder / "model.safetensors")


def worker(folder: str, arithmetic: Any) -> None:
    """Embed, and print what it took."""
    model = OnnxEmbedder(folder, arithmetic=arithmetic)
    started = time.perf_counter()
    model.embed(["a first query"], "query")
    first = time.perf_counter() - started
    queries = []
    for i in range(20):
        begun = time.process_time()
        model.embed([f"how do I reset the password number {i}"], "query")
        queries.append(1000 * (time.process_time() - begun))
    result: dict[str, Any] = {"first_query_s": round(first, 2)}
    result["query_p50_cpu_ms"] = round(percentile(queries, 50), 1)
    result["after_queries_mib"] = resident()
    passages = [f"{i} {SENTENCE * 6}" for i in range(64)]
    model.embed(passages[:8], "document")
    begun = time.process_time()
    model.embed(passages, "document")
    took = time.process_time() - begun
    result["tokens_per_cpu_second"] = round(sum(model.count(passages)) / took)
    result["after_passages_mib"] = resident()
    result["peak_mib"] = round(peak_mib())
    print(json.dumps(result))


def resident() -> dict[str, int]:
    """Return the resident memory of this process and its private part, MiB."""
    status = Path("/proc/self/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return {
        name: int(fields[field].split()[0]) // 1024
        for name, field in (("all", "VmRSS"), ("private", "RssAnon"))
    }


def main() -> None:
    """Run each arithmetic twice and save the second."""
    if len(sys.argv) == 3:
        worker(*sys.argv[1:])
        return
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["SAMESPACE_CACHE"] = f"{scratch}/cache"
        folder = Path(scratch) / "model"
        build(folder)
        size = (folder / "model.safetensors").stat().st_size
        for arithmetic in ARITHMETICS:
            command = [sys.executable, __file__, str(folder), arithmetic]
            made, found = (
                json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
                for _ in range(2)
            )
            result[arithmetic] = {
                **found,
                "first_time": {n: made[n] for n in ("first_query_s", "peak_mib")},
            }
    save("arithmetic-memory", {"weights_mib": round(size / 2**20), "arithmetic": result})


if __name__ == "__main__":
    main()
