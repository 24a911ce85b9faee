"""What users do to a collection without meaning harm, through the public interface."""

from __future__ import annotations

import multiprocessing
import random
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

import samespace
from samespace.errors import CollectionExists
from samespace.models import HashEmbedder
from samespace.types import Document


def _create(path: str, barrier: Barrier) -> None:
    embedder = HashEmbedder()
    barrier.wait(30)
    try:
        samespace.Collection.create(path, embedder).close()
    except CollectionExists:
        raise SystemExit(17) from None


def test_of_processes_that_create_at_once_one_succeeds(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    path = tmp_path / "kb"
    for _ in range(3):
        barrier = context.Barrier(3)
        processes = [context.Process(target=_create, args=(str(path), barrier)) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert sorted(process.exitcode or 0 for process in processes) == [0, 17, 17]
        with samespace.open(path, HashEmbedder()) as collection:
            assert collection.info()["documents"] == 0
        for file in path.iterdir():
            file.unlink()
