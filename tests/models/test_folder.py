"""What a model folder says, and what happens where it does not say it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace.errors import InputError, ModelError, ModelNotFound, SamespaceError
from samespace.models import OnnxEmbedder
from tests.models.conftest import Zoo
from tests.models.tiny import HIDDEN, TINY, WINDOW

ROBERTA = TINY[3]


@pytest.fixture
def folder(bert_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bert_folder, tmp_path / "model"))


def edit(file: Path, **fields: Any) -> None:
    """Set fields of a JSON file; None removes one."""
    values = json.loads(file.read_bytes()) if file.exists() else {}
    values.update(fields)
    file.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))


def test_what_is_not_known_is_asked_for(folder: Path) -> None:
    (folder / "modules.json").unlink()
    with pytest.raises(ModelError, match=r"modules\.json is absent.*pooling=\"mean\""):
        OnnxEmbedder(folder)
    with pytest.raises(ModelError, match=r"modules\.json is absent.*normalized=True"):
        OnnxEmbedder(folder, pooling="cls")
    told = OnnxEmbedder(folder, pooling="cls", normalized=False, metric="dot").space
    assert (told.pooling, told.normalized, told.metric) == ("cls", False, "dot")
    assert told.dimensions == HIDDEN


@pytest.mark.parametrize(
    ("file", "fields", "message"),
    [
        ("config.json", {"model_type": "llama"}, r"config\.json: model_type is 'llama'"),
        ("config.json", {"hidden_act": "swish"}, r"config\.json: hidden_act is 'swish'"),
        ("config.json", {"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ("config.json", {"is_decoder": True}, "is_decoder is True"),
        ("config.json", {"num_hidden_layers": None}, "does not say num_hidden_layers"),
        ("config.json", {"num_hidden_layers": "two"}, "num_hidden_layers must be a positive"),
        ("config.json", {"num_attention_heads": 5}, "no multiple of num_attention_heads"),
        ("config.json", {"layer_norm_eps": None}, "layer_norm_eps"),
        ("config.json", {"vocab_size": 7}, r"tensor word has shape .* folder mixes two models"),
        ("config.json", {"num_hidden_layers": 3}, r"encoder\.layer\.2\..* is absent"),
        ("config.json", {"num_hidden_layers": 1}, "num_hidden_layers 1, but the weights hold more"),
        ("config.json", {"hidden_size": 64}, "hidden_size 64, but the pooling's configuration"),
        (
            "1_Pooling/config.json",
            {"pooling_mode": "weightedmean"},
            "one pooling of mean, cls, last",
        ),
        ("1_Pooling/config.json", {"pooling_mode": ["mean", "cls"]}, "got mean, cls"),
        ("1_Pooling/config.json", {"include_prompt": False}, "include_prompt is false"),
        (
            "config_sentence_transformers.json",
            {"similarity_fn_name": "manhattan"},
            "similarity_fn_name must be one of cosine, dot, euclidean, got 'manhattan'",
        ),
        (
            "config_sentence_transformers.json",
            {"prompts": {"classification": "x: "}},
            "prompts holds classification, and none of them is named query or document",
        ),
        ("sentence_bert_config.json", {"max_seq_length": -1}, "max_seq_length must be a positive"),
    ],
)
def test_what_cannot_be_run_is_refused_by_field(
    folder: Path, file: str, fields: dict[str, Any], message: str
) -> None:
    edit(folder / file, **fields)
    with pytest.raises(ModelError, match=message):
        OnnxEmbedder(folder).embed(["text"], "document")


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (["Transformer", "Pooling", "Dense", "Normalize"], "names a module 'Dense'"),
        (["Transformer", "Normalize", "Pooling"], "expected Transformer, Pooling and perhaps"),
        (["Transformer"], "got Transformer"),
    ],
)
def test_modules(folder: Path, kinds: list[str], message: str) -> None:
    entries = [{"type": f"sentence_transformers.models.{k}", "path": f"x_{k}"} for k in kinds]
    (folder / "modules.json").write_text(json.dumps(entries))
    with pytest.raises(ModelError, match=message):
        OnnxEmbedder(folder)


def test_old_pooling_flags(folder: Path) -> None:
    flags = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling/config.json").write_text(json.dumps(flags))
    assert OnnxEmbedder(folder).space.pooling == "cls"


def test_transformer_in_a_folder_of_its_own(folder: Path, zoo: Zoo) -> None:
    """The layout of the first sentence-transformers models."""
    inner = folder / "0_Transformer"
    inner.mkdir()
    for file in list(folder.iterdir()):
        if file.is_file() and file.name not in (
            "modules.json",
            "config_sentence_transformers.json",
        ):
            file.rename(inner / file.name)
    modules = json.loads((folder / "modules.json").read_bytes())
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    got, expected = OnnxEmbedder(folder), zoo.embedder(TINY[0])
    assert set(got.space.diff(expected.space)) == {"model"}
    np.testing.assert_array_equal(
        got.embed(["a text"], "query").array, expected.embed(["a text"], "query").array
    )


def test_a_tokenizer_that_is_stated_twice_is_stated_once(folder: Path) -> None:
    """transformers goes by tokenizer_config.json, whatever tokenizer.json says."""
    from transformers import AutoTokenizer

    file = folder / "tokenizer_config.json"
    plain = OnnxEmbedder(folder).space
    edit(file, tokenizer_class="BertTokenizer", do_lower_case=True)
    assert OnnxEmbedder(folder).space == plain
    edit(file, do_lower_case=False)
    with pytest.raises(ModelError, match=r"do_lower_case False, but .*lowercase True"):
        OnnxEmbedder(folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    assert OnnxEmbedder(folder).space.tokenizer != plain.tokenizer


def test_prompts(folder: Path) -> None:
    said = folder / "config_sentence_transformers.json"
    edit(said, prompts={"query": "Q: ", "passage": "P: "})
    assert OnnxEmbedder(folder).space.prompts == (("document", "P: "), ("query", "Q: "))
    edit(said, prompts={"query": "Q: "}, default_prompt_name=None)
    assert OnnxEmbedder(folder).space.prompts == (("query", "Q: "),)
    edit(said, prompts={"retrieval": "R: "}, default_prompt_name="retrieval")
    assert OnnxEmbedder(folder).space.prompts == (("document", "R: "), ("query", "R: "))
    told = OnnxEmbedder(folder, prompts={"query": "mine: "})
    assert told.space.prompts == (("query", "mine: "),)
    with pytest.raises(InputError, match="prompts must map the roles"):
        OnnxEmbedder(folder, prompts={"passage": "P: "})  # type: ignore[dict-item]


def test_window(folder: Path, zoo: Zoo) -> None:
    assert OnnxEmbedder(folder).max_tokens == WINDOW
    edit(folder / "sentence_bert_config.json", max_seq_length=50)
    assert OnnxEmbedder(folder).max_tokens == 50
    assert OnnxEmbedder(folder, max_tokens=40).max_tokens == 40
    for wrong in (0, WINDOW + 1):
        with pytest.raises(InputError, match=f"between 1 and the model's {WINDOW} positions"):
            OnnxEmbedder(folder, max_tokens=wrong)
    edit(folder / "sentence_bert_config.json", max_seq_length=10_000)
    assert OnnxEmbedder(folder).max_tokens == WINDOW
    # RoBERTa's positions start after the padding's: two rows of its table are no window.
    rows = json.loads((zoo.folder(ROBERTA) / "config.json").read_bytes())
    assert rows["max_position_embeddings"] == WINDOW + 2
    assert zoo.embedder(ROBERTA).max_tokens == WINDOW


def test_a_window_without_room_for_text(folder: Path) -> None:
    narrow = OnnxEmbedder(folder, max_tokens=2)
    with pytest.raises(InputError, match="every text would be the same"):
        narrow.embed(["one text", "another"], "query", on_long="truncate")
    prompted = OnnxEmbedder(
        folder, max_tokens=8, prompts={"query": "a prompt of very many words: "}
    )
    with pytest.raises(InputError, match="every text would be the same"):
        prompted.embed(["one text"], "query", on_long="truncate")
    one, two = prompted.embed(["dog " * 9, "vector " * 9], "document", on_long="truncate").array
    assert np.abs(one - two).max() > 0.01


def test_unknown_window(folder: Path) -> None:
    edit(folder / "config.json", max_position_embeddings=None)
    edit(folder / "tokenizer_config.json", model_max_length=int(1e30))
    with pytest.raises(ModelError, match=r"sentence_bert_config\.json does not say max_seq_length"):
        OnnxEmbedder(folder)


def test_lower_casing_is_part_of_the_identity(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo.folder(ROBERTA), tmp_path / ROBERTA.name))
    plain = zoo.embedder(ROBERTA)
    edit(folder / "sentence_bert_config.json", do_lower_case=True)
    lower = OnnxEmbedder(folder)
    assert set(lower.space.diff(plain.space)) == {"tokenizer"}
    shouted, quiet = lower.embed(["THE DOG", "the dog"], "query").array
    np.testing.assert_allclose(shouted, quiet, atol=1e-6)
    shouted, quiet = plain.embed(["THE DOG", "the dog"], "query").array
    assert np.abs(shouted - quiet).max() > 0.01


def break_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def only_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def truncate_weights(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def bad_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"model": "nonsense"}')


def bad_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def list_json(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def missing_shard(folder: Path) -> None:
    break_weights(folder)
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (break_weights, ModelNotFound, "holds no weights: expected model.safetensors"),
        (only_pickle, ModelError, "Convert it with transformers"),
        (truncate_weights, ModelError, "is not a whole safetensors file"),
        (no_tokenizer, ModelError, r"tokenizer\.json is absent.*save_pretrained"),
        (bad_tokenizer, ModelError, r"tokenizer\.json is not a tokenizer definition"),
        (bad_json, ModelError, r"config\.json cannot be read as JSON"),
        (list_json, ModelError, r"config\.json must hold a JSON object, got list"),
        (no_config, ModelNotFound, r"config\.json is absent"),
        (missing_shard, ModelNotFound, "names files that are absent: model-00001"),
    ],
)
def test_damage(
    folder: Path, damage: Callable[[Path], None], error: type[SamespaceError], message: str
) -> None:
    damage(folder)
    with pytest.raises(error, match=message):
        OnnxEmbedder(folder).embed(["text"], "query")


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="there is no folder"):
        OnnxEmbedder(tmp_path / "nowhere")


def test_shards_give_the_same_vectors(folder: Path, zoo: Zoo) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    break_weights(folder)
    shards = {"s1.safetensors": names[::2], "s2.safetensors": names[1::2]}
    for shard, held in shards.items():
        save_file({n: tensors[n] for n in held}, folder / shard)
    weight_map = {n: shard for shard, held in shards.items() for n in held}
    edit(folder / "model.safetensors.index.json", weight_map=weight_map)
    sharded = OnnxEmbedder(folder)
    expected = zoo.embedder(TINY[0])
    assert "weights" in sharded.space.diff(expected.space)
    np.testing.assert_array_equal(
        sharded.embed(["a text"], "query").array, expected.embed(["a text"], "query").array
    )


def test_prefixed_and_old_tensor_names(folder: Path, zoo: Zoo) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    old = {
        "bert." + n.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): t
        for n, t in tensors.items()
    }
    save_file(old, folder / "model.safetensors")
    np.testing.assert_array_equal(
        OnnxEmbedder(folder).embed(["a text"], "query").array,
        zoo.embedder(TINY[0]).embed(["a text"], "query").array,
    )


def test_bfloat16_weights(folder: Path, zoo: Zoo) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    save_file({n: t.to(torch.bfloat16) for n, t in tensors.items()}, folder / "model.safetensors")
    got = OnnxEmbedder(folder).embed(["a text"], "query").array
    expected = zoo.embedder(TINY[0]).embed(["a text"], "query").array
    assert 0.99 < float((got @ expected.T)[0, 0]) < 1 - 1e-9


def test_integer_weights_are_refused(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors["encoder.layer.0.output.dense.weight"] = tensors[
        "encoder.layer.0.output.dense.weight"
    ].astype(np.int8)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"output\.dense\.weight is of type I8"):
        OnnxEmbedder(folder).embed(["text"], "query")
