"""From a name, a folder or an object to an embedder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from samespace.errors import InputError, ModelNotFound
from samespace.models import Embedder, HashEmbedder, OnnxEmbedder, load

PLUGIN = """
from samespace.models import HashEmbedder
made = []
def make(name):
    made.append(name)
    return HashEmbedder(dimensions=12)
def broken(name):
    return name
"""
POINTS = """[samespace.embedders]
twelve = samespace_test_plugin:make
broken = samespace_test_plugin:broken
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package that offers embedders through entry points."""
    (tmp_path / "samespace_test_plugin.py").write_text(PLUGIN)
    info = tmp_path / "samespace_test_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: samespace-test-plugin\nVersion: 1")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "samespace_test_plugin", raising=False)


def test_an_embedder_is_returned_as_it_is() -> None:
    embedder = HashEmbedder()
    assert load(embedder) is embedder

    class Own:
        space, max_tokens = embedder.space, 7
        count, embed = embedder.count, embedder.embed

    own = Own()
    assert isinstance(own, Embedder)
    assert load(own) is own  # type: ignore[arg-type]


def test_a_folder(bert_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in (bert_folder, str(bert_folder)):
        assert isinstance(load(given), OnnxEmbedder)
    monkeypatch.chdir(bert_folder.parent)
    assert load(bert_folder.name).space == load(bert_folder).space


def test_an_entry_point(plugin: None) -> None:
    assert load("twelve").space.dimensions == 12
    assert sys.modules["samespace_test_plugin"].made == ["twelve"]
    with pytest.raises(InputError, match=r"entry point 'broken' \(samespace_test_plugin:broken\)"):
        load("broken")
    with pytest.raises(ModelNotFound, match=r"samespace models lists .*twelve"):
        load("thirteen hundred")


def test_unknown_names() -> None:
    with pytest.raises(ModelNotFound, match="Did you mean 'all-MiniLM-L6-v2'"):
        load("all-MiniLM-L6-v3")
    with pytest.raises(ModelNotFound, match="hf download org/some-model --local-dir"):
        load("org/some-model")
    with pytest.raises(ModelNotFound, match="no model is called ''"):
        load("")
    with pytest.raises(ModelNotFound, match="there is no folder"):
        load(Path("no/such/folder"))


def test_what_is_no_model() -> None:
    with pytest.raises(InputError, match=r"expected a model's name.*got int"):
        load(7)  # type: ignore[arg-type]
