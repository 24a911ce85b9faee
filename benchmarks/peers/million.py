"""The vectors that are searched: real ones, and beyond them perturbed copies of real ones.

A copy of a real vector x is the direction of

    x + t (n - x) + NOISE d

with n one of x's ten nearest real neighbours at random, t uniform in TOWARD, and d the direction
of the difference of two other real vectors at random. It lies between x and its neighbourhood,
and its noise spreads as the real vectors do, not evenly over all dimensions. How far copies lie
from their originals is measured beside how far real vectors lie from their nearest neighbours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

NEIGHBOURS = 10
TOWARD = (0.2, 0.5)
NOISE = 0.6
DEPTH = 10
BLOCK = 20_000


def make(real: str, count: int, folder: str) -> dict[str, Any]:
    """Write base.npy (count, d), queries.npy, tuning.npy and the exact answers to both.

    The questions are halved: the first part is what is reported, the second finds the settings.
    """
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    sentences = np.load(Path(real) / "sentences.npy")
    questions = np.load(Path(real) / "questions.npy")
    base = np.lib.format.open_memmap(
        out / "base.npy", mode="w+", dtype=np.float32, shape=(count, sentences.shape[1])
    )
    held = min(count, len(sentences))
    base[:held] = sentences[:held]
    facts: dict[str, Any] = {"vectors": count, "real": held}
    if held < count:
        facts["copies"] = _copies(sentences, base[held:])
    base.flush()
    part = len(questions) * 5 // 7
    for name, asked in (("queries", questions[:part]), ("tuning", questions[part:])):
        np.save(out / f"{name}.npy", asked)
        np.save(out / f"{name}-scores.npy", exact(base, asked))
        facts[name] = len(asked)
    return facts


def exact(base: Any, asked: Any) -> Any:
    """Return the DEPTH best scores of each question, best first; every vector is looked at."""
    best = np.full((len(asked), DEPTH), -np.inf, np.float32)
    for start in range(0, len(base), BLOCK):
        scores = np.concatenate([best, asked @ base[start : start + BLOCK].T], axis=1)
        best = -np.partition(-scores, DEPTH - 1, axis=1)[:, :DEPTH]
    return -np.sort(-best, axis=1)


def _copies(real: Any, out: Any) -> dict[str, float]:
    """Fill `out` with perturbed copies; return how they lie beside real neighbours."""
    import faiss

    index = faiss.IndexFlatIP(real.shape[1])
    index.add(real)
    scores, near = index.search(real, NEIGHBOURS + 1)
    # A vector's own place is usually the first; where an equal one is, either may be left out.
    scores, near = scores[:, 1:], near[:, 1:]
    draw = np.random.default_rng(0)
    cosines = []
    for start in range(0, len(out), BLOCK):
        size = min(BLOCK, len(out) - start)
        origin = np.arange(start, start + size) % len(real)
        x = real[origin]
        neighbour = real[near[origin, draw.integers(NEIGHBOURS, size=size)]]
        spread = (
            real[draw.integers(len(real), size=size)] - real[draw.integers(len(real), size=size)]
        )
        toward = draw.uniform(*TOWARD, size=(size, 1)).astype(np.float32)
        copy = x + toward * (neighbour - x) + NOISE * _unit(spread)
        out[start : start + size] = _unit(copy)
        cosines.append((x * out[start : start + size]).sum(1))
    return {
        "toward_neighbour": list(TOWARD),
        "noise": NOISE,
        "median_cosine_copy_to_original": round(float(np.median(np.concatenate(cosines))), 3),
        "median_cosine_real_to_nearest": round(float(np.median(scores[:, 0])), 3),
        "median_cosine_real_to_tenth": round(float(np.median(scores[:, -1])), 3),
    }


def _unit(rows: Any) -> Any:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
