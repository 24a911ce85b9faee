"""What a model folder is: its files, their digests, and every fact that a Space needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from samespace.errors import InputError, ModelError, ModelNotFound
from samespace.models.as_trained import check_as_trained
from samespace.models.catalog import ModelCard, find, find_weights
from samespace.models.digest import file_digest, weights_digest
from samespace.models.facts import Given, first, stated_prompts, tokenizer_identity, window
from samespace.models.files import JsonFile, read_object
from samespace.models.modules import Modules, read_metric, read_modules
from samespace.models.weights import check_weights
from samespace.space import Metric, Pooling, Space

_SAYING = 'OnnxEmbedder or TorchEmbedder(folder, pooling="mean", normalized=True)'


@dataclass(frozen=True)
class ModelFolder:
    """A model on disk, ready to run.

    `root` holds config.json and the tokenizer; `kind` says what `weights` are; `lowercase`
    whether texts are lower-cased before the tokenizer sees them.
    """

    root: Path
    kind: Literal["onnx", "safetensors", "pickle"]
    weights: tuple[Path, ...]
    config: JsonFile
    lowercase: bool
    max_tokens: int
    space: Space


def read_folder(
    folder: Path,
    *,
    card: ModelCard | None = None,
    given: Given,
    runtime: Literal["onnx", "torch"] = "onnx",
    trust_remote_code: bool = False,
) -> ModelFolder:
    """Read a model folder, without loading weights.

    Facts come from the caller, else from the folder, else from the catalog (which knows a
    model by the digest of its weights, wherever it lies). What none of them says is asked for.

    Args:
        folder: where the files are.
        card: the catalog's entry that this must be; its weights and tokenizer are checked.
        given: what the caller states.
        runtime: what will run it. PyTorch runs no ONNX, but pytorch_model.bin and further modules.
        trust_remote_code: whether Python code that lies in the folder is run.

    Raises:
        ModelNotFound: there is no folder, or no model in it.
        ModelError: a fact is missing, contradictory, or beyond what samespace can run.
        WeightsMismatch: the weights are not those of `card`.
    """
    if not folder.is_dir():
        raise ModelNotFound(f"there is no folder {folder}; expected one with a model's files")
    modules = read_modules(folder, further=runtime == "torch")
    config = read_object(modules.root / "config.json")
    if not config.values:
        raise ModelNotFound(f"{folder} holds no model: {config.path} is absent or empty")
    if card and card.weights:
        check_weights(modules.root / card.weights_file, card)
    kind, weights = _weights(folder, modules.root, card, runtime)
    if kind != "onnx":
        check_as_trained(config, trusted=trust_remote_code)
    if kind != "onnx" and given.pooling == "none":
        raise InputError(
            f'pooling="none" is for an ONNX graph that pools by itself; {folder} holds '
            'safetensors: say "mean", "cls" or "last"'
        )
    digest = weights_digest(weights)
    weights += tuple(file for module in modules.further for file in module.files)
    known = card or find_weights(digest) or find(hub_name(folder))
    if known:
        _require_files(folder, known)
    space, lowercase = _space(folder, modules, config, weights_digest(weights), known, given)
    if card:
        check_card(folder, card, space)
    return ModelFolder(
        root=modules.root,
        kind=kind,
        weights=weights,
        config=config,
        lowercase=lowercase,
        max_tokens=window(modules.root, config, known, given.max_tokens),
        space=space,
    )


def _require_files(folder: Path, known: ModelCard) -> None:
    absent = [name for name in known.files if not (folder / name).is_file()]
    if absent:
        raise ModelNotFound(
            f"{folder} lacks {', '.join(absent)}, without which it is not {known.name} but "
            "another model. Fetch it whole"
        )


def _space(
    folder: Path,
    modules: Modules,
    config: JsonFile,
    digest: str,
    known: ModelCard | None,
    given: Given,
) -> tuple[Space, bool]:
    said = read_object(folder / "config_sentence_transformers.json")
    pooling: Pooling | None = first(
        given.pooling, modules.pooling, known.pooling if known else None
    )
    normalized = first(given.normalized, modules.normalized, known.normalized if known else None)
    modules_file = folder / "modules.json"
    if pooling is None:
        raise ModelError(
            f"{modules_file} is absent, so it is not known how token vectors become one vector. "
            f'Say it: {_SAYING}, with "mean", "cls", "last", or "none" for an ONNX graph that '
            "pools by itself (see the model's card)"
        )
    if normalized is None:
        raise ModelError(
            f"{modules_file} is absent, so it is not known whether vectors are normalized. "
            f"Say it: {_SAYING}, or False (see the model's card)"
        )
    metric: Metric | None = first(given.metric, read_metric(said), known.metric if known else None)
    prompts = stated_prompts(said, known, given)
    hidden = config.integer("hidden_size") or modules.dimensions
    if hidden is None:
        raise ModelError(f"{config.path} does not say hidden_size, the width of a vector")
    if modules.dimensions not in (None, hidden):
        raise ModelError(
            f"{config.path} says hidden_size {hidden}, but the pooling's configuration says "
            f"{modules.dimensions}: the folder mixes two models"
        )
    lowercase = bool(
        read_object(modules.root / "sentence_bert_config.json").values.get("do_lower_case")
    )
    space = Space(
        model=given.name or (known.name if known else folder_name(folder)),
        revision="",
        weights=digest,
        tokenizer=tokenizer_identity(modules.root) + ("+lowercase" if lowercase else ""),
        pooling=pooling,
        normalized=normalized,
        native_dimensions=modules.made or hidden,
        dimensions=modules.made or hidden,
        # sentence-transformers' stated default where similarity_fn_name is absent.
        metric=metric or "cosine",
        prompts=tuple(sorted((role, prompt) for role, prompt in prompts.items() if prompt)),
    )
    return space, lowercase


def _weights(
    folder: Path, root: Path, card: ModelCard | None, runtime: str
) -> tuple[Literal["onnx", "safetensors", "pickle"], tuple[Path, ...]]:
    if runtime == "torch":
        weights = torch_weights(root, card)
        return ("pickle" if weights[0].suffix == ".bin" else "safetensors"), weights
    if card and card.weights:
        return "safetensors", (root / card.weights_file,)
    tensors = _stored(root, "model.safetensors")
    graphs = [p / "model.onnx" for p in (folder, folder / "onnx", root, root / "onnx")]
    graph = next((p for p in graphs if p.is_file()), None)
    # Of a catalogued model the safetensors count, which are also what is fetched: they make it
    # the same Space everywhere.
    known = card or (len(tensors) == 1 and find_weights(file_digest(tensors[0])))
    if graph and not (tensors and known):
        beside = sorted(graph.parent.glob("model.onnx[._]data*"))
        return "onnx", (graph, *beside)
    if tensors:
        return "safetensors", tensors
    if _stored(root, "pytorch_model.bin"):
        raise ModelError(
            f"{root} holds weights only as pytorch_model.bin, a format of PyTorch's own that can "
            "run code when it is opened. Convert it with transformers: "
            "AutoModel.from_pretrained(folder).save_pretrained(folder), or run it with PyTorch, "
            "which then reads tensors and nothing else: TorchEmbedder(folder)"
        )
    raise _no_weights(root)


def torch_weights(root: Path, card: ModelCard | None = None) -> tuple[Path, ...]:
    """Return the files that PyTorch loads a model's weights from: one, or its shards.

    Safetensors where there are any, else pytorch_model.bin, which is then to be read with
    weights_only=True: as tensors, refusing code.

    Args:
        root: the folder that holds config.json.
        card: the catalog's entry; where it pins a file, that is the one.

    Raises:
        ModelNotFound: there are none, or one of several is absent.
        ModelError: an adapter lies beside them.
    """
    if (root / "adapter_config.json").is_file():
        raise ModelError(
            f"{root} holds an adapter beside the weights (adapter_config.json), which their "
            "digest would not pin. Merge it with peft: model.merge_and_unload().save_pretrained()"
        )
    if card and card.weights:
        return (root / card.weights_file,)
    weights = _stored(root, "model.safetensors") or _stored(root, "pytorch_model.bin")
    if not weights:
        raise _no_weights(root)
    return weights


def _no_weights(root: Path) -> ModelNotFound:
    return ModelNotFound(
        f"{root} holds no weights: expected model.safetensors, or for ONNX Runtime model.onnx or "
        "onnx/model.onnx, or for PyTorch pytorch_model.bin"
    )


def _stored(root: Path, name: str) -> tuple[Path, ...]:
    """Return the file of this name, or the shards that its index names."""
    single = root / name
    if single.is_file():
        return (single,)
    index = read_object(root / f"{name}.index.json")
    named = index.values.get("weight_map") or {}
    if not isinstance(named, dict):
        raise ModelError(f"{index.path}: weight_map must be an object, got {named!r}")
    shards = sorted({str(shard) for shard in named.values()})
    missing = [shard for shard in shards if not (root / shard).is_file()]
    if missing:
        raise ModelNotFound(f"{index.path} names files that are absent: {', '.join(missing)}")
    return tuple(root / shard for shard in shards)


def folder_name(folder: Path) -> str:
    """Name an uncatalogued model by its folder, or by its repository in the hub's cache."""
    return hub_name(folder).rsplit("/", 1)[-1] or folder.resolve().name


def hub_name(folder: Path) -> str:
    """Return the repository ("org/name") that a folder of the hub's cache holds, else ""."""
    path = folder.resolve()
    if path.parent.name == "snapshots" and path.parent.parent.name.startswith("models--"):
        return path.parent.parent.name.removeprefix("models--").replace("--", "/", 1)
    return ""


def check_card(folder: Path, card: ModelCard, space: Space, *, but: Collection[str] = ()) -> None:
    """Raise ModelError where a folder's Space differs from what the catalog pins of the model.

    Args:
        folder: the folder.
        card: the catalog's entry that it must hold.
        space: what the folder makes.
        but: fields that samespace itself sets for models of this kind.
    """
    pinned = {
        "tokenizer": card.tokenizer,
        "pooling": card.pooling,
        "normalized": card.normalized,
        "dimensions": card.dimensions,
        "metric": card.metric,
        "prompts": tuple(sorted((r, p) for r, p in card.prompts.items() if p)),
    }
    for name, expected in pinned.items():
        seen = getattr(space, name)
        if name not in but and expected not in (None, "", ()) and seen != expected:
            raise ModelError(
                f"{folder} is not {card.name} as the catalog pins it: {name} is {seen!r}, "
                f"expected {expected!r}. Fetch the model anew, or, if you mean this version, "
                "load its folder by its path"
            )
