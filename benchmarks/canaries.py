"""What canaries see: of runtimes of one model, of twelve corruptions of it, and of its kin.

    python benchmarks/canaries.py [runtimes|corruptions|kin]   # measure, save, check
    python benchmarks/canaries.py --table                      # renew docs/spaces.md

The model is all-MiniLM-L6-v2 with a prompt for each role. Its right vectors of SciFact's documents
are compared with queries of each runtime, corruption and relative: nDCG@10, and how many of the
right first ten results are still among the first ten. Every changed model is a folder that is
loaded as any other. The canaries are compared without a look at the Space, as they are for a hosted
model, of which a Space says less.

Kin are for models that are declared to share a space: how near do their canaries have to be, that
one can search what another embedded? They are MiniLM with noise in its weights, fine-tunes, a
student that was taught its vectors, and the same vectors turned, which are as good a model of
another space.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arithmetic import MODEL, located
from canary_kin import fine_tunes, student
from canary_models import CORRUPTIONS, Changed, copied, noisy, rounded, without_normalization
from canary_search import Search, note
from canary_tables import PAGE, renewed
from common import save
from samespace.models import Embedder, OnnxEmbedder
from samespace.models.agreement import FAMILY_COSINE, for_canaries
from samespace.space import (
    CANARIES,
    CANARY_COSINE,
    QUICK_CANARIES,
    Canary,
    Vectors,
    canary_cosines,
    canary_likeness,
    record_canaries,
)

NOISE = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
STEPS = (10, 40)
TURNED = "the same vectors, turned"
PARTS = ("runtimes", "corruptions", "kin")


class Among:
    """An embedder that embeds each text in one call with others."""

    def __init__(self, inner: Embedder, others: Sequence[str]) -> None:
        self._inner, self._others = inner, list(others)
        self.space, self.max_tokens, self.count = inner.space, inner.max_tokens, inner.count

    def embed(self, texts: Sequence[str], role: Any, *, on_long: Any = "error") -> Vectors:
        """Return the vectors of the texts alone."""
        made = self._inner.embed([*self._others, *texts], role, on_long=on_long)
        return Vectors(made.array[len(self._others) :], self.space, role)


@dataclass(frozen=True)
class Runtime:
    """A way to run the model of a folder; `one_space` where it must be admitted."""

    make: Callable[[Path], Embedder]
    one_space: bool
    cores: int = 2


def torch_embedder(arithmetic: Any) -> Callable[[Path], Embedder]:
    """Return what loads a folder with PyTorch."""

    def make(folder: Path) -> Embedder:
        from samespace.models.torch import TorchEmbedder

        return TorchEmbedder(folder, arithmetic=arithmetic, device="cpu")

    return make


def onnx(arithmetic: Any) -> Callable[[Path], Embedder]:
    """Return what loads a folder with ONNX Runtime."""
    return lambda folder: OnnxEmbedder(folder, arithmetic=arithmetic)


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Let this process use so many cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def seen(cosines: Sequence[float]) -> dict[str, Any]:
    """Return what the canaries say."""
    quick = cosines[:QUICK_CANARIES]
    return {
        "least": round(min(cosines), 6),
        "mean": round(float(np.mean(cosines)), 6),
        "moved": sum(c < CANARY_COSINE for c in cosines),
        "quick_least": round(min(quick), 6),
        "quick_moved": sum(c < CANARY_COSINE for c in quick),
    }


def runtimes(base: Path, scratch: Path, search: Search) -> dict[str, Any]:
    """Return the canaries of each runtime, compared with ONNX Runtime's float32 on one thread."""
    raw = copied(base, scratch / "raw" / MODEL)
    without_normalization(raw)
    others = search.queries[:30]
    ways = {
        "ONNX Runtime, float32, 1 thread": Runtime(onnx("float32"), True, cores=1),
        "ONNX Runtime, float32, 2 threads": Runtime(onnx("float32"), True),
        "ONNX Runtime, float32, among 30 others": Runtime(
            lambda folder: Among(OnnxEmbedder(folder), others), True
        ),
        "ONNX Runtime, float16": Runtime(onnx("float16"), True),
        "PyTorch, float32": Runtime(torch_embedder("float32"), True),
        "PyTorch, float16": Runtime(torch_embedder("float16"), True),
        "PyTorch, bfloat16": Runtime(torch_embedder("bfloat16"), False),
        "ONNX Runtime, int8": Runtime(onnx("int8"), False),
    }
    recorded: dict[Path, Sequence[Canary]] = {}
    found: dict[str, Any] = {}
    for name, way in ways.items():
        with on_cores(way.cores):
            models = {folder: way.make(folder) for folder in (base, raw)}
            for folder, model in models.items():
                recorded.setdefault(folder, record_canaries(for_canaries(model)))
            lengths = canary_cosines(for_canaries(models[raw]), recorded[raw])
            found[name] = {
                "one_space": way.one_space,
                **seen(canary_cosines(for_canaries(models[base]), recorded[base])),
                "least_not_normalized": round(min(lengths), 6),
                **search.by(models[base]),
            }
        note(name, found[name])
    return found


def corruptions(base: Path, scratch: Path, search: Search) -> dict[str, Any]:
    """Return for each corruption the doors that catch it, and what it does to a search."""
    tuned = fine_tunes(base, scratch / "tuned", STEPS[-1:])[STEPS[-1]]
    right = OnnxEmbedder(base)
    recorded = record_canaries(for_canaries(right))
    found: dict[str, Any] = {}
    for name, corrupt in CORRUPTIONS.items():
        source = tuned if name == "another fine-tune of the same base" else base
        changed: Changed = corrupt(copied(source, scratch / "corrupted" / name / base.name))
        found[name] = {
            "how": changed.how,
            "space": sorted(right.space.diff(changed.space or changed.embedder.space)),
            **seen(canary_cosines(for_canaries(changed.embedder), recorded)),
            **search.by(changed.embedder, documents=changed.of_documents),
            "of_documents": changed.of_documents,
        }
        note(name, found[name])
    return found


def kin(base: Path, scratch: Path, search: Search) -> dict[str, Any]:
    """Return how near relatives of the model come on the canaries, and how well they search."""
    right = OnnxEmbedder(base)
    recorded = record_canaries(for_canaries(right))

    def new(name: str) -> Path:
        return copied(base, scratch / "kin" / name / base.name)

    models: dict[str, Embedder] = {
        f"noise of {share:.1%} in the weights": noisy(new(f"noise {share}"), share).embedder
        for share in NOISE
    }
    models["int8"] = OnnxEmbedder(base, arithmetic="int8")
    models["weights of 4 bits"] = rounded(new("rounded")).embedder
    tuned = fine_tunes(base, scratch / "tuned", STEPS)
    models |= {f"fine-tuned, {n} steps": OnnxEmbedder(folder) for n, folder in tuned.items()}
    models["one layer dropped"] = CORRUPTIONS["one layer dropped"](new("dropped")).embedder
    taught = student(base, scratch / "student" / base.name, right)
    models["a student of 3 layers"] = OnnxEmbedder(taught)
    models["shuffled vocabulary"] = CORRUPTIONS["shuffled vocabulary"](new("shuffled")).embedder
    models[TURNED] = Turned(right)
    found: dict[str, Any] = {}
    for name, model in models.items():
        alike = canary_likeness(for_canaries(model), recorded)
        least = float(alike.diagonal().min())
        mistaken = int((alike.argmax(axis=1) != np.arange(len(recorded))).sum())
        found[name] = {
            "least": round(least, 4),
            "mistaken": mistaken,
            "admitted": least >= FAMILY_COSINE and not mistaken,
            **search.by(model),
        }
        note(name, found[name])
    return found


class Turned:
    """The vectors of another embedder, turned by one rotation: as good, and another space."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self.space, self.max_tokens, self.count = inner.space, inner.max_tokens, inner.count
        square = np.random.default_rng(0).normal(size=(self.space.dimensions,) * 2)
        self._rotation = np.linalg.qr(square)[0].astype(np.float32)

    def embed(self, texts: Sequence[str], role: Any, *, on_long: Any = "error") -> Vectors:
        """Return the turned vectors."""
        array = self._inner.embed(texts, role, on_long=on_long).array @ self._rotation
        return Vectors(array, self.space, role)


def claims(part: str, found: dict[str, Any], right: float) -> dict[str, bool]:
    """Return what is claimed of canaries, and whether the figures of a part bear it out."""
    rows = list(found.values())
    wrong = [r for r in rows if r["overlap@10"] < 1]
    if part == "runtimes":
        kept = [r for r in rows if r["one_space"]]
        return {
            "no runtime of the same model is refused": all(
                not r["moved"] and r["least_not_normalized"] >= CANARY_COSINE for r in kept
            )
        }
    if part == "corruptions":
        return {
            "every corruption that changes what is found moves a canary": all(
                r["moved"] > 0 for r in wrong
            ),
            "every one but a shorter window moves a quick canary": all(
                r["quick_moved"] > 0 for r in wrong if not r["of_documents"]
            ),
        }
    return {
        "every relative that is admitted keeps 0.95 of nDCG@10": all(
            r["ndcg@10"] >= 0.95 * right for r in rows if r["admitted"]
        ),
        "no model of another space is admitted": not found[TURNED]["admitted"],
    }


def main() -> None:
    """Measure a part, save it, and end with an error where a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=PARTS)
    parser.add_argument("--table", action="store_true", help="only renew docs/spaces.md")
    parser.add_argument(
        "--documents", type=Path, help="a folder where the right vectors are kept for a next run"
    )
    arguments = parser.parse_args()
    if arguments.table:
        PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    broken: list[str] = []
    for part in [arguments.part] if arguments.part else PARTS:
        broken += measured(part, arguments.documents)
    if broken:
        sys.exit(f"it does not hold that {'; nor that '.join(broken)}")


def measured(part: str, documents: Path | None) -> list[str]:
    """Measure a part and save it; return the claims that do not hold."""
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        os.environ["SAMESPACE_CACHE"] = str(scratch / "cache")
        base = prompted(scratch / "right" / MODEL)
        search = Search(OnnxEmbedder(base), documents or scratch)
        right = search.by(OnnxEmbedder(base))
        measure = {"runtimes": runtimes, "corruptions": corruptions, "kin": kin}[part]
        found = measure(base, scratch, search)
    held = claims(part, found, right["ndcg@10"])
    facts = {
        "model": MODEL,
        "queries": len(search.queries),
        "canaries": len(CANARIES),
        "canary_cosine": CANARY_COSINE,
        "family_cosine": FAMILY_COSINE,
        "right": right,
        part: found,
        "claims": held,
    }
    save(f"canaries-{part}", facts)
    return [claim for claim, holds in held.items() if not holds]


def prompted(folder: Path) -> Path:
    """Return a copy of the model with a prompt for each role."""
    copied(located(), folder)
    file = folder / "config_sentence_transformers.json"
    said = json.loads(file.read_text("utf-8"))
    said["prompts"] = {"query": "query: ", "document": "passage: "}
    file.write_text(json.dumps(said), "utf-8")
    return folder


if __name__ == "__main__":
    main()
