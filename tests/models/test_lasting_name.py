"""The name under which a collection finds its model again, wherever it is opened from."""

from __future__ import annotations

from pathlib import Path

import pytest

from samespace.models import HashEmbedder
from samespace.models.loading import lasting_name


def test_a_folder_is_named_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "all-MiniLM-L6-v2").mkdir()
    monkeypatch.chdir(tmp_path)
    for given in ("model", "./model", "model/", Path("model"), Path("../") / tmp_path / "model"):
        assert lasting_name(given) == str(tmp_path / "model")
    assert lasting_name("all-MiniLM-L6-v2") == "all-MiniLM-L6-v2"
    assert lasting_name(Path("all-MiniLM-L6-v2")) == str(tmp_path / "all-MiniLM-L6-v2")
    assert lasting_name(HashEmbedder()) == ""
