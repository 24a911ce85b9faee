"""What the end-to-end section does in the process of a system: index, index again, search."""

from __future__ import annotations

import functools
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from systems import ENTRIES, Passage, System, make

from common import ndcg, percentile

K = 10
WARM_UP = 10
"""Queries that are asked before the clock runs."""
ROOT = Path(__file__).resolve().parents[2]
WINDOWS = (128, 256, 512)
"""Where a peer may cut a text, in tokens; the model's own is 256."""


class Meter:
    """Counts the texts that the model embeds, and can kill the process at one of them."""

    def __init__(self) -> None:
        self.texts = 0
        self.kill_at: int | None = None

    def add(self, texts: int) -> None:
        self.texts += texts
        if self.kill_at is not None and self.texts >= self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self, system: str) -> None:
        """Stand in the one place that every text must pass: the rows of the model's input."""
        meter = self
        if ENTRIES[system].module == "samespace_":
            from samespace.models.onnx import OnnxEmbedder
            from samespace.space import CANARIES

            embed = OnnxEmbedder.embed
            canaries = {text for _, text in CANARIES}

            def counted(self: Any, texts: Any, *args: Any, **kwargs: Any) -> Any:
                vectors = embed(self, texts, *args, **kwargs)
                meter.add(sum(text not in canaries for text in texts))
                return vectors

            OnnxEmbedder.embed = counted  # type: ignore[method-assign]
        else:
            from transformers import BertModel

            forward = BertModel.forward

            # Its signature is read by sentence-transformers.
            @functools.wraps(forward)
            def passed(self: Any, input_ids: Any = None, *args: Any, **kwargs: Any) -> Any:
                output = forward(self, input_ids, *args, **kwargs)
                meter.add(len(input_ids))
                return output

            BertModel.forward = passed


def index(
    system: str,
    model: str,
    folder: str,
    passages: str,
    call: str = "index",
    calls: int = 1,
    kill_at: int | None = None,
    look: str = "",
) -> dict[str, Any]:
    """Load the model and index.

    Args:
        system, model, folder, passages: the entry, and where its files are.
        call, calls: the method, and in how many calls the passages are given to it.
        kill_at: the process is killed once so many texts were embedded.
        look: when the store is opened, looked at and asked: "before", "after", "before and after".

    Returns:
        load_s, seconds, embedded (texts), and where asked for before and after.
    """
    given = [Passage(*row) for row in json.loads(Path(passages).read_text("utf-8"))]
    meter = Meter()
    started = time.perf_counter()
    meter.install(system)
    running = make(system, Path(model), Path(folder))
    answer: dict[str, Any] = {"load_s": time.perf_counter() - started}
    if "before" in look:
        answer["before"] = _look(running, given[0], ENTRIES[system].modes[0])
    meter.texts, meter.kill_at = 0, kill_at
    started = time.perf_counter()
    size = -(-len(given) // calls)
    with _noted(answer):
        for first in range(0, len(given), size):
            getattr(running, call)(given[first : first + size])
    answer["seconds"] = time.perf_counter() - started
    answer["embedded"] = meter.texts
    if "after" in look:
        answer["after"] = _look(running, given[0], ENTRIES[system].modes[0])
    return answer


def search(
    system: str,
    model: str,
    folder: str,
    queries: str,
    qrels: str,
    sample: str = "",
    vectors: str = "",
) -> dict[str, Any]:
    """Open a store and ask every query, one at a time.

    Args:
        system, model, folder: the entry, and where its files are.
        queries, qrels: files of JSON: [[id, text], ...] and {query: {passage: relevance}}.
        sample, vectors: a file of JSON that lists ids, and where their vectors are written.

    Returns:
        load_s, open_s, rows, passages, and for each mode ndcg@10, p50_ms and p99_ms; or
        "refused", the error that came instead of results.
    """
    asked = json.loads(Path(queries).read_text("utf-8"))
    judged = json.loads(Path(qrels).read_text("utf-8"))
    started = time.perf_counter()
    running = make(system, Path(model), Path(folder))
    answer: dict[str, Any] = {"load_s": time.perf_counter() - started, "modes": {}}
    with _noted(answer, "refused"):
        started = time.perf_counter()
        running.open()
        answer["open_s"] = time.perf_counter() - started
        for mode in ENTRIES[system].modes:
            for _, text in asked[:WARM_UP]:
                running.search(text, K, mode)
            times, scores = [], []
            for query, text in asked:
                started = time.perf_counter()
                found = running.search(text, K, mode)
                times.append(1000 * (time.perf_counter() - started))
                scores.append(ndcg(found, judged[query], K))
            answer["modes"][mode] = {
                "ndcg@10": sum(scores) / len(scores),
                "p50_ms": percentile(times, 50),
                "p99_ms": percentile(times, 99),
            }
        answer |= _rows(running)
        if vectors:
            ids = json.loads(Path(sample).read_text("utf-8"))
            np.savez(vectors, **running.vectors(ids))
    return answer


def reference(model: str, passages: str, sample: str, vectors: str) -> dict[str, Any]:
    """Write what sentence-transformers makes of the sample in float32, cut at each window."""
    from sentence_transformers import SentenceTransformer

    given = {row[0]: Passage(*row) for row in json.loads(Path(passages).read_text("utf-8"))}
    ids = json.loads(Path(sample).read_text("utf-8"))
    encoder = SentenceTransformer(model, device="cpu")
    cut = {}
    for window in WINDOWS:
        encoder.max_seq_length = window
        cut[str(window)] = np.asarray(encoder.encode([given[id].text for id in ids]))
    np.savez(vectors, ids=np.array(ids), **cut)
    return {"texts": len(ids)}


def _look(running: System, passage: Passage, mode: str) -> dict[str, Any]:
    """Open the store and say what is in it, and whether it answers."""
    answer: dict[str, Any] = {}
    with _noted(answer):
        running.open()
        answer |= _rows(running)
        answer["found"] = len(running.search(passage.title, K, mode))
    return answer


def _rows(running: System) -> dict[str, int]:
    rows = running.rows()
    return {"rows": len(rows), "passages": len(set(rows))}


@contextmanager
def _noted(answer: dict[str, Any], key: str = "failed") -> Iterator[None]:
    """Make an error part of the answer: what a system refuses is what is asked here."""
    try:
        yield
    except Exception as error:
        message = " ".join(str(error).replace(f"{ROOT}/", "").split())
        answer[key] = f"{type(error).__name__}: {message[:400]}"
