"""What it costs to look at a large collection: `verify`, `plan`, `info`, by number of chunks.

    python benchmarks/verify.py [--chunks 100000]

Made with the embedder without weights, so that no time is a model's: 384 dimensions, documents of
ten short chunks each.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from common import save
from samespace import Collection, Document
from samespace.migrate import plan
from samespace.models import HashEmbedder

CHUNKS_OF_A_DOCUMENT = 10
WORDS = 40


def main() -> None:
    """Build, look, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=100_000)
    chunks = parser.parse_args().chunks
    with (
        tempfile.TemporaryDirectory() as folder,
        Collection.create(
            Path(folder) / "kb",
            HashEmbedder(dimensions=384, max_tokens=256),
            max_tokens=64,
            context=False,
        ) as kb,
    ):
        built = seconds(lambda: kb.add(documents(chunks // CHUNKS_OF_A_DOCUMENT)))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        facts = {
            "documents": kb.info()["documents"],
            "chunks": kb.info()["chunks"],
            "bytes": kb.info()["bytes"],
            "build_s": built,
            "info_s": seconds(kb.info),
            "plan_s": seconds(lambda: plan(kb, HashEmbedder(seed=1, dimensions=384))),
            "verify_without_model_s": seconds(lambda: kb.verify(model=False)),
            "verify_s": seconds(kb.verify),
        }
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        facts["more_memory_than_building_mib"] = round((peak - before) / 1024)
        assert kb.verify().sound
    save("verify", facts)


def documents(count: int) -> Iterator[Document]:
    """Yield documents of ten paragraphs, each of which is a chunk."""
    dice = random.Random(0)
    words = [f"w{dice.randrange(50_000)}" for _ in range(50_000)]
    for i in range(count):
        paragraphs = [" ".join(dice.choices(words, k=WORDS)) for _ in range(CHUNKS_OF_A_DOCUMENT)]
        yield Document(id=f"doc-{i}", text="\n\n".join(paragraphs))


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    started = time.perf_counter()
    work()
    return round(time.perf_counter() - started, 2)


if __name__ == "__main__":
    main()
