"""What transformers would run otherwise than it was trained does not run in silence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from samespace.errors import ModelError
from samespace.models import load, load_reranker
from samespace.models.torch import TorchEmbedder
from tests.models.conftest import Zoo
from tests.models.tiny import TINY


def owned(folder: Path, copy: Path, **more: object) -> Path:
    """Return a copy that names code of its own, as the hub's gte-Qwen2 does for a Qwen2."""
    shutil.copytree(folder, copy)
    file = copy / "config.json"
    config = json.loads(file.read_bytes())
    config["auto_map"] = {"AutoModel": "modeling_own.Qwen2Model"}
    file.write_text(json.dumps({**config, **more}))
    return copy


@pytest.mark.parametrize(
    ("name", "kind"),
    [("qwen", "dense"), ("splade", "sparse"), ("colbert", "multi-vector")],
)
def test_own_code_is_not_left_out_in_silence(
    built: Callable[[str], Path], tmp_path: Path, name: str, kind: str
) -> None:
    folder = owned(built(name), tmp_path / name)
    with pytest.raises(ModelError, match=r"auto_map names code.*trust_remote_code=True"):
        load(folder, kind=kind)  # type: ignore[call-overload]


def test_own_code_of_a_reranker(built: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="auto_map names code"):
        load_reranker(owned(built("cross_encoder"), tmp_path / "own"))


def test_positions_that_transformers_no_longer_tells(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo.folder(TINY[0]), tmp_path / "relative"))
    file = folder / "config.json"
    config = json.loads(file.read_bytes())
    file.write_text(json.dumps({**config, "position_embedding_type": "relative_key"}))
    for runtime in (None, "torch"):
        with pytest.raises(ModelError, match="position_embedding_type is 'relative_key'"):
            load(folder, runtime=runtime)  # type: ignore[call-overload]


def test_own_code_runs_where_it_is_trusted(built: Callable[[str], Path], tmp_path: Path) -> None:
    folder = owned(built("qwen"), tmp_path / "own")
    (folder / "modeling_own.py").write_text(
        "import transformers\n\n\n"
        "class Qwen2Model(transformers.Qwen3Model):\n"
        "    def forward(self, *args, **kwargs):\n"
        "        output = super().forward(*args, **kwargs)\n"
        "        output.last_hidden_state = -output.last_hidden_state\n"
        "        return output\n"
    )
    theirs = TorchEmbedder(folder, trust_remote_code=True).embed(["a small dog"], "document")
    plain = TorchEmbedder(built("qwen")).embed(["a small dog"], "document")
    assert (theirs.array @ plain.array.T).item() == pytest.approx(-1, abs=1e-5)


@pytest.mark.parametrize("wrong", [{"hidden_act": 5}, {"num_attention_heads": "four"}])
def test_what_the_libraries_cannot_load_is_told_in_one_way(
    built: Callable[[str], Path], tmp_path: Path, wrong: dict[str, object]
) -> None:
    folder = Path(shutil.copytree(built("nomic"), tmp_path / "nomic"))
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_bytes()), **wrong}))
    with pytest.raises(ModelError, match="cannot be loaded by sentence-transformers"):
        load(folder).embed(["a small dog"], "query")


@pytest.mark.parametrize("error", ["AttributeError", "TypeError", "AssertionError"])
def test_own_code_that_fails_is_told_in_the_same_way(
    built: Callable[[str], Path], tmp_path: Path, error: str
) -> None:
    folder = owned(built("qwen"), tmp_path / "own")
    (folder / "modeling_own.py").write_text(
        "import transformers\n\n\n"
        "class Qwen2Model(transformers.Qwen3Model):\n"
        "    def __init__(self, config):\n"
        f"        raise {error}('not for transformers 5')\n"
    )
    with pytest.raises(ModelError, match="not for transformers 5"):
        TorchEmbedder(folder, trust_remote_code=True).embed(["a small dog"], "document")


def test_what_transformers_took_over_runs(built: Callable[[str], Path], tmp_path: Path) -> None:
    folder = owned(built("nomic"), tmp_path / "nomic")
    assert load(folder).embed(["a small dog"], "query").array.shape == (1, 32)
    other = owned(built("nomic"), tmp_path / "other", rotary_emb_base=10000)
    with pytest.raises(ModelError, match="auto_map names code"):
        load(other)
