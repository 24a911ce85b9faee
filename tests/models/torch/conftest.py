"""Folders of small models, each built at its first use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.models.torch.build import BUILDERS


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """The models are so small that threads which wait for each other cost more than they do."""
    torch = pytest.importorskip("torch", reason="runs the small models")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    for package in ("torch", "transformers", "sentence_transformers"):
        pytest.importorskip(package, reason="runs the small models")
    root = tmp_path_factory.mktemp("built")

    def build(name: str) -> Path:
        folder = root / name
        if not folder.exists():
            folder.mkdir()
            BUILDERS[name](folder)
        return folder

    return build
