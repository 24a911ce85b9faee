"""A name may say what makes another Space of its model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import samespace
from samespace.errors import InputError, SpaceMismatch
from samespace.models import OnnxEmbedder, load
from samespace.models.derived import DerivedEmbedder
from samespace.models.hosted import HostedEmbedder
from samespace.models.loading import lasting_name
from samespace.models.spec import Spec, parse_spec


def test_settings_stand_behind_the_last_at() -> None:
    assert parse_spec("a") == Spec("a")
    assert parse_spec("a@dimensions=64") == Spec("a", "dimensions=64", dimensions=64)
    assert parse_spec("a@b@runtime=torch,arithmetic=float16") == Spec(
        "a@b", "runtime=torch,arithmetic=float16", "torch", "float16"
    )
    for name in ("me@home/models", "a@", "@dimensions=3", "a@size=3", "a@=3"):
        assert parse_spec(name) == Spec(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a@dimensions=0", "must be a positive number, got '0'"),
        ("a@dimensions=²", "must be a positive number"),
        ("a@dimensions", "must be a positive number, got ''"),
        ("a@precision=int4", "precision must be one of float32, float16, int8, binary"),
        ("a@runtime=onnx,runtime=torch", "sets runtime twice"),
    ],
)
def test_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(name)


def test_a_folder(bert_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load(str(bert_folder))
    small = load(f"{bert_folder}@dimensions=8,precision=int8")
    assert isinstance(small, DerivedEmbedder)
    assert (small.space.dimensions, small.space.precision) == (8, "int8")
    expected = DerivedEmbedder(plain, 8, "int8").embed(["a small dog"], "document").array
    assert np.array_equal(small.embed(["a small dog"], "document").array, expected)
    half = load(f"{bert_folder}@arithmetic=float16")
    assert isinstance(half, OnnxEmbedder)
    assert half.space.arithmetic == "float16"
    width = plain.space.dimensions
    assert load(f"{bert_folder}@dimensions={width}").space == plain.space
    torch = load(f"{bert_folder}@runtime=torch")
    assert type(torch).__name__ == "TorchEmbedder"
    assert torch.space == plain.space
    assert load(f"{bert_folder}@runtime=torch", runtime="onnx").space == plain.space
    with pytest.raises(InputError, match="is for ONNX Runtime"):
        load(f"{bert_folder}@runtime=torch,arithmetic=int8")
    monkeypatch.chdir(bert_folder.parent)
    lasting = lasting_name(f"{bert_folder.name}@dimensions=8")
    assert lasting == f"{bert_folder.resolve()}@dimensions=8"
    assert lasting_name("all-MiniLM-L6-v2@dimensions=8") == "all-MiniLM-L6-v2@dimensions=8"


def test_a_collection_remembers_it(bert_folder: Path, tmp_path: Path) -> None:
    name = f"{bert_folder}@dimensions=8,precision=binary"
    with samespace.Collection.create(tmp_path / "kb", name) as kb:
        kb.add([samespace.Document(id="1", text="a small brown dog")])
    with samespace.open(tmp_path / "kb") as kb:
        assert kb.space.dimensions == 8
        assert [hit.chunk.document for hit in kb.search("dog", mode="dense").hits] == ["1"]
    with pytest.raises(SpaceMismatch):
        samespace.open(tmp_path / "kb", model=bert_folder)


def test_a_hosted_model_is_asked_for_fewer_dimensions() -> None:
    short = load("text-embedding-3-large@dimensions=256")
    assert isinstance(short, HostedEmbedder)
    assert short.space.dimensions == 256
    rounded = load("text-embedding-3-large@dimensions=256,precision=int8")
    assert isinstance(rounded, DerivedEmbedder)
    assert rounded.space.precision == "int8"
    assert rounded.exact_counts is short.exact_counts
    assert rounded.usage == short.usage
    with pytest.raises(InputError, match="runs at its provider"):
        load("text-embedding-3-large@arithmetic=int8")
