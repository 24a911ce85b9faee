"""Where the real data sets are; tests that need one skip where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("SAMESPACE_DATASETS", Path(__file__).parents[2] / "shared/datasets"))


def dataset(name: str) -> Path:
    """Return the folder of a data set, or skip the test that asks for it."""
    folder = ROOT / name
    if not folder.is_dir():
        pytest.skip(f"data set {name!r} is not at {folder}; set SAMESPACE_DATASETS to its parent")
    return folder
