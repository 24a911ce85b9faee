"""What the catalog knows of a model reaches what is loaded by its name, or stops it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from samespace.errors import ModelError, ModelNotFound
from samespace.models import OnnxEmbedder, load, load_reranker
from samespace.models.catalog import add, catalog
from samespace.models.catalog.read import forget
from tests.models.conftest import Zoo
from tests.models.tiny import HIDDEN, TINY
from tests.models.torch.build import bert_config, bert_tokenizer, scatter

UNSUPPORTED = [
    "NV-Embed-v2",
    "MedCPT-Query-Encoder",
    "MedCPT-Article-Encoder",
    "specter2",
    "specter2_adhoc_query",
    "BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
    "opensearch-neural-sparse-encoding-doc-v2-distill",
    "jina-colbert-v2",
]

Publish = Callable[..., Path]


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publish]:
    """Put a folder into a hub cache of the test's own, with an entry "ours" for it."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("SAMESPACE_CONFIG", str(tmp_path / "config"))
    forget()

    def made(folder: Path, **fields: Any) -> Path:
        lines = {"name": "ours", "provider": "huggingface", "hub": "org/ours", "kinds": ["dense"]}
        lines |= {"dimensions": HIDDEN, **fields}
        said = [f"{name} = {_toml(value)}" for name, value in lines.items()]
        file = tmp_path / "ours.toml"
        file.write_text("\n".join(["[[model]]", *said]))
        add(file)
        snapshot = tmp_path / "hub/models--org--ours/snapshots" / ("a" * 40)
        return Path(shutil.copytree(folder, snapshot))

    yield made
    monkeypatch.undo()
    forget()


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


def edit(file: Path, **fields: Any) -> None:
    values = json.loads(file.read_bytes()) if file.exists() else {}
    file.write_text(json.dumps({**values, **fields}))


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_would_come_out_wrong_is_refused_before_it_is_fetched(name: str) -> None:
    kind = next(card.kinds[0] for card in catalog() if card.name == name)
    wanted: Any = kind if kind in ("sparse", "multi-vector") else "dense"
    with pytest.raises(ModelError, match=f"samespace does not run {name}: "):
        load(name, kind=wanted)


def test_no_other_model_is_called_unsupported() -> None:
    assert {card.name for card in catalog() if card.unsupported} == set(UNSUPPORTED)


def test_empty_prompts_say_nothing(publish: Publish, bert_folder: Path) -> None:
    """sentence-transformers writes them into every folder that it was told no prompts for."""
    folder = publish(bert_folder, prompts={"query": "question: ", "document": "text: "})
    said = folder / "config_sentence_transformers.json"
    edit(said, prompts={"query": "", "document": ""}, default_prompt_name=None)
    for runtime in ("onnx", "torch"):
        assert load("ours", runtime=runtime).space.prompts == (  # type: ignore[call-overload]
            ("document", "text: "),
            ("query", "question: "),
        )
    edit(said, prompts={"query": "other: ", "document": ""})
    with pytest.raises(ModelError, match=r"prompts is .*other: .*expected .*question: "):
        load("ours")


def test_one_space_whether_the_whole_repository_was_fetched_or_what_is_needed(
    publish: Publish, bert_folder: Path
) -> None:
    folder = publish(bert_folder)
    needed = load("ours").space
    (folder / "onnx").mkdir()
    (folder / "onnx/model.onnx").write_bytes(b"another form of the same weights")
    assert load("ours").space == needed
    assert load("ours", runtime="torch").space == needed


def test_a_file_that_makes_it_another_model_is_missed(publish: Publish, bert_folder: Path) -> None:
    facts = {"aliases": ["org/ours"], "files": ["modules.json"], "pooling": "mean"}
    folder = publish(bert_folder, **facts, normalized=True)
    assert load("ours").space.pooling == "mean"
    (folder / "modules.json").unlink()
    with pytest.raises(ModelNotFound, match=r"lacks modules\.json"):
        load("ours")
    with pytest.raises(ModelNotFound, match=r"lacks modules\.json, without which it is not ours"):
        load(folder)


def test_gemma_is_not_itself_without_its_modules() -> None:
    (card,) = [c for c in catalog() if c.name == "EmbeddingGemma-300m"]
    assert card.files == ("modules.json",)


def splade(folder: Path) -> Path:
    """A SPLADE model as transformers alone saves it: nothing in it says that it is one."""
    import transformers

    tokenizer = bert_tokenizer()
    tokenizer.save_pretrained(folder)
    scatter(transformers.BertForMaskedLM(bert_config(tokenizer))).save_pretrained(folder)
    return folder


def test_the_catalog_tells_a_sparse_model(publish: Publish, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="runs the small model")
    raw = splade(tmp_path / "splade")
    # The tokenizer's training breaks ties by chance, so its size differs from run to run.
    words = json.loads((raw / "config.json").read_bytes())["vocab_size"]
    fields = {"kinds": ["sparse"], "pooling": "max", "dimensions": words, "normalized": False}
    folder = publish(raw, **fields)
    found = load("ours", kind="sparse").embed(["a small brown dog"], "query")
    assert (found.space.kind, found.space.dimensions) == ("sparse", words)
    assert load_reranker("ours").score("a dog", ["a dog", "Größe"])[0] > 0
    with pytest.raises(ModelError, match="makes sparse vectors: load it with kind='sparse'"):
        load("ours")
    edit(folder / "config_sentence_transformers.json", prompts={"query": "x: "})
    assert load("ours", kind="sparse").space.prompts == (("query", "x: "),)


def test_the_files_of_a_sparse_model_must_agree_with_its_entry(
    publish: Publish, tmp_path: Path
) -> None:
    publish(splade(tmp_path / "splade"), kinds=["sparse"], pooling="max", dimensions=30522)
    with pytest.raises(ModelError, match=r"dimensions is \d+, expected 30522"):
        load("ours", kind="sparse")


def test_a_folder_of_another_kind_is_not_the_model(publish: Publish, bert_folder: Path) -> None:
    folder = publish(bert_folder)
    (folder / "modules.json").unlink()
    edit(folder / "config.json", architectures=["BertForSequenceClassification"])
    with pytest.raises(ModelError, match="holds a model of kind cross-encoder, expected dense"):
        load("ours")


def test_a_pooled_model_made_from_a_classifier_is_dense(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo.folder(TINY[0]), tmp_path / "made"))
    edit(folder / "config.json", architectures=["BertForSequenceClassification"])
    (folder / "config_sentence_transformers.json").unlink()
    assert isinstance(load(folder), OnnxEmbedder)
