"""What rounding a model's weights costs in quality, and how stable the vectors are.

    python benchmarks/arithmetic_quality.py quality
    python benchmarks/arithmetic_quality.py stability

`quality`: nDCG@10 of dense search on SciFact, one vector for each document from its first 256
tokens, all in one arithmetic, and int8 queries against float32 documents.

`stability`: how far vectors move when every weight is changed by one part in a million, about as
much as another kind of CPU changes a sum by adding in another order; and when int8 computes eight
passages in one batch, which samespace therefore does not.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from arithmetic import MODEL, ON_ONNX, cosine, embedder, located, texts
from common import dataset, ndcg, read_jsonl, read_qrels, save
from samespace.models import OnnxEmbedder
from samespace.models.agreement import Agreement, agreement
from samespace.models.facts import Given
from samespace.models.folder import read_folder
from samespace.models.reading import folder_reader
from samespace.models.session import Loaded, Session


def quality() -> None:
    """Save nDCG@10 on SciFact in each arithmetic."""
    folder = dataset("scifact")
    judged = read_qrels(folder / "qrels.tsv")
    corpus = read_jsonl(folder / "corpus.jsonl")
    asked = [r for r in read_jsonl(folder / "queries.jsonl") if str(r["_id"]) in judged]
    names = [str(record["_id"]) for record in corpus]
    whole = [f"{r['title']}\n{r['text']}" for r in corpus]
    documents, queries, result = {}, {}, {}
    for arithmetic in ON_ONNX:
        model = embedder("onnx", arithmetic)
        documents[arithmetic] = model.embed(whole, "document", on_long="truncate").array
        queries[arithmetic] = model.embed([r["text"] for r in asked], "query").array
    pairs = [(a, a) for a in ON_ONNX] + [("int8", "float32")]
    for of_queries, of_documents in pairs:
        scores = queries[of_queries] @ documents[of_documents].T
        best = np.argsort(-scores, axis=1)[:, :10]
        values = [
            ndcg([names[i] for i in rows], judged[str(r["_id"])])
            for rows, r in zip(best, asked, strict=True)
        ]
        same = queries["float32"] @ documents["float32"].T
        top = np.argsort(-same, axis=1)[:, :10]
        overlap = [len(set(a) & set(b)) / 10 for a, b in zip(best, top, strict=True)]
        result[f"{of_queries} queries, {of_documents} documents"] = {
            "ndcg@10": round(statistics.mean(values), 4),
            "of_the_first_ten_also_in_float32": round(statistics.mean(overlap), 4),
        }
    save("arithmetic-quality", {"model": MODEL, "queries": len(asked), "pairs": result})


def stability() -> None:
    """Save the cosines of each arithmetic to itself with weights a millionth off."""
    from safetensors.numpy import load_file, save_file

    folder = located()
    rng = np.random.default_rng(0)
    tensors = {
        name: (t * (1 + 1e-6 * rng.standard_normal(t.shape))).astype(t.dtype)
        for name, t in load_file(folder / "model.safetensors").items()
    }
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["SAMESPACE_CACHE"] = f"{scratch}/cache"
        shaken = Path(scratch) / "model"
        shutil.copytree(folder, shaken, ignore=shutil.ignore_patterns("model.safetensors"))
        save_file(tensors, shaken / "model.safetensors")
        arithmetic: Any
        for arithmetic in ON_ONNX:
            moved = OnnxEmbedder(shaken, arithmetic=arithmetic)
            result[arithmetic] = cosine(agreement(moved, embedder("onnx", arithmetic)))
    save(
        "arithmetic-stability",
        {"model": MODEL, "weights_a_millionth_off": result, "int8_in_one_batch": in_one_batch()},
    )


def in_one_batch() -> dict[str, Any]:
    """Return the cosines of int8 passages in one batch to the same passages, each alone."""
    folder = read_folder(located(), given=Given())
    reader = folder_reader(folder, folder.space)
    ids = reader.read(texts(8)[0], "document", "truncate")
    session = Session(Loaded.read(folder, "int8"))
    alone = np.concatenate([session.run([one]) for one in ids])
    return cosine(Agreement(tuple(map(float, (session.run(ids) * alone).sum(axis=1)))))


if __name__ == "__main__":
    commands = {"quality": quality, "stability": stability}
    if sys.argv[1:2] and sys.argv[1] in commands:
        commands[sys.argv[1]]()
    else:
        sys.exit(__doc__)
