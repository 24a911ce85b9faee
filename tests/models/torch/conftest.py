"""Folders of small models, each built at its first use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.models.torch.build import BUILDERS


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
