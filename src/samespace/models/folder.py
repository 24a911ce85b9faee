"""What a model folder is: its files, their digests, and every fact that a Space needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, get_args

from samespace.errors import InputError, ModelError, ModelNotFound
from samespace.models.catalog import ModelCard, find, find_weights
from samespace.models.digest import file_digest, tokenizer_digest, weights_digest
from samespace.models.encoder import first_position
from samespace.models.files import JsonFile, read_object
from samespace.models.modules import Modules, read_metric, read_modules, read_prompts
from samespace.models.weights import check_weights
from samespace.space import Metric, Pooling, Space
from samespace.types import Role

T = TypeVar("T")

_UNLIMITED = 1_000_000
"""Tokenizers without a limit state an absurd one (int(1e30)); anything from here on is none."""


@dataclass(frozen=True)
class Given:
    """What the caller states, over what the folder says; None leaves it to the folder."""

    name: str | None = None
    pooling: Pooling | None = None
    normalized: bool | None = None
    max_tokens: int | None = None
    metric: Metric | None = None
    prompts: Mapping[Role, str] | None = None

    def __post_init__(self) -> None:
        for field, value, allowed in (
            ("pooling", self.pooling, get_args(Pooling)),
            ("metric", self.metric, get_args(Metric)),
        ):
            if value is not None and value not in allowed:
                raise InputError(f"{field} must be one of {', '.join(allowed)}, got {value!r}")
        for role, prompt in (self.prompts or {}).items():
            if role not in get_args(Role) or not isinstance(prompt, str):
                raise InputError(
                    "prompts must map the roles query and document to texts, "
                    f"got {role!r}: {prompt!r}"
                )


@dataclass(frozen=True)
class ModelFolder:
    """A model on disk, ready to run.

    `root` holds config.json and the tokenizer; `kind` says what `weights` are; `lowercase`
    whether texts are lower-cased before the tokenizer sees them.
    """

    root: Path
    kind: Literal["onnx", "safetensors"]
    weights: tuple[Path, ...]
    config: JsonFile
    lowercase: bool
    max_tokens: int
    space: Space


def read_folder(folder: Path, *, card: ModelCard | None = None, given: Given) -> ModelFolder:
    """Read a model folder, without loading weights.

    Facts come from the caller, else from the folder, else from the catalog (which knows a
    model by the digest of its weights, wherever it lies). What none of them says is asked for.

    Args:
        folder: where the files are.
        card: the catalog's entry that this must be; its weights and tokenizer are checked.
        given: what the caller states.

    Raises:
        ModelNotFound: there is no folder, or no model in it.
        ModelError: a fact is missing, contradictory, or beyond what samespace can run.
        WeightsMismatch: the weights are not those of `card`.
    """
    if not folder.is_dir():
        raise ModelNotFound(f"there is no folder {folder}; expected one with a model's files")
    modules = read_modules(folder)
    config = read_object(modules.root / "config.json")
    if not config.values:
        raise ModelNotFound(f"{folder} holds no model: {config.path} is absent or empty")
    if card and card.weights:
        check_weights(modules.root / card.weights_file, card)
    kind, weights = _weights(folder, modules.root, card)
    if kind == "safetensors" and given.pooling == "none":
        raise InputError(
            f'pooling="none" is for an ONNX graph that pools by itself; {folder} holds '
            'safetensors: say "mean", "cls" or "last"'
        )
    digest = weights_digest(weights)
    known = card or find_weights(digest) or find(hub_name(folder))
    space, lowercase = _space(folder, modules, config, digest, known, given)
    if card:
        _check_card(folder, card, space)
    return ModelFolder(
        root=modules.root,
        kind=kind,
        weights=weights,
        config=config,
        lowercase=lowercase,
        max_tokens=_window(modules.root, config, known, given.max_tokens),
        space=space,
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
    pooling: Pooling | None = _first(
        given.pooling, modules.pooling, known.pooling if known else None
    )
    normalized = _first(given.normalized, modules.normalized, known.normalized if known else None)
    modules_file = folder / "modules.json"
    if pooling is None:
        raise ModelError(
            f"{modules_file} is absent, so it is not known how token vectors become one vector. "
            'Say it: OnnxEmbedder(folder, pooling="mean", normalized=True), with "mean", "cls", '
            '"last", or "none" for an ONNX graph that pools by itself (see the model\'s card)'
        )
    if normalized is None:
        raise ModelError(
            f"{modules_file} is absent, so it is not known whether vectors are normalized. "
            "Say it: OnnxEmbedder(folder, normalized=True), or False (see the model's card)"
        )
    metric: Metric | None = _first(given.metric, read_metric(said), known.metric if known else None)
    prompts = _prompts(said, known, given)
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
        model=given.name or (known.name if known else _name(folder)),
        revision="",
        weights=digest,
        tokenizer=_tokenizer(modules.root) + ("+lowercase" if lowercase else ""),
        pooling=pooling,
        normalized=normalized,
        native_dimensions=hidden,
        dimensions=hidden,
        # sentence-transformers' stated default where similarity_fn_name is absent.
        metric=metric or "cosine",
        prompts=tuple(sorted((role, prompt) for role, prompt in prompts.items() if prompt)),
    )
    return space, lowercase


def _first(*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)


def _prompts(said: JsonFile, known: ModelCard | None, given: Given) -> Mapping[str, str]:
    if given.prompts is not None:
        return {str(role): prompt for role, prompt in given.prompts.items()}
    stated = read_prompts(said)
    if stated is not None:
        return stated
    return known.prompts if known else {}


def _tokenizer(root: Path) -> str:
    file = root / "tokenizer.json"
    if not file.is_file():
        raise ModelError(
            f"{file} is absent. samespace reads a tokenizer from that file alone; make it with "
            "transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
        )
    return tokenizer_digest(file)


def _weights(
    folder: Path, root: Path, card: ModelCard | None
) -> tuple[Literal["onnx", "safetensors"], tuple[Path, ...]]:
    if card and card.weights:
        return "safetensors", (root / card.weights_file,)
    tensors = _safetensors(root)
    graphs = [p / "model.onnx" for p in (folder, folder / "onnx", root, root / "onnx")]
    graph = next((p for p in graphs if p.is_file()), None)
    # A catalogued model is pinned by its safetensors: they make it the same Space everywhere.
    if graph and not (len(tensors) == 1 and find_weights(file_digest(tensors[0]))):
        beside = sorted(graph.parent.glob("model.onnx[._]data*"))
        return "onnx", (graph, *beside)
    if tensors:
        return "safetensors", tensors
    if any(root.glob("pytorch_model*.bin")):
        raise ModelNotFound(
            f"{root} holds weights only as pytorch_model.bin, a format that can run code when "
            "it is opened. Convert it with transformers: "
            "AutoModel.from_pretrained(folder).save_pretrained(folder)"
        )
    raise ModelNotFound(
        f"{folder} holds no weights: expected model.safetensors, model.onnx or onnx/model.onnx"
    )


def _safetensors(root: Path) -> tuple[Path, ...]:
    single = root / "model.safetensors"
    if single.is_file():
        return (single,)
    index = read_object(root / "model.safetensors.index.json")
    shards = sorted({str(name) for name in index.values.get("weight_map", {}).values()})
    missing = [name for name in shards if not (root / name).is_file()]
    if missing:
        raise ModelNotFound(f"{index.path} names files that are absent: {', '.join(missing)}")
    return tuple(root / name for name in shards)


def _window(root: Path, config: JsonFile, known: ModelCard | None, given: int | None) -> int:
    """Return the window: what is stated, but never beyond the model's positions."""
    rows = config.integer("max_position_embeddings")
    positions = None if rows is None else rows - first_position(config)
    if given is not None:
        if given < 1 or (positions is not None and given > positions):
            raise InputError(
                f"max_tokens must lie between 1 and the model's {positions} positions "
                f"({config.path}), got {given}"
            )
        return given
    stated = read_object(root / "tokenizer_config.json").values.get("model_max_length")
    limit = int(stated) if isinstance(stated, (int, float)) and 0 < stated < _UNLIMITED else None
    window = _first(
        read_object(root / "sentence_bert_config.json").integer("max_seq_length"),
        known.max_tokens if known else None,
        limit,
        positions,
    )
    if window is None:
        raise ModelError(
            f"{root / 'sentence_bert_config.json'} does not say max_seq_length, nor does "
            f"{config.path} say max_position_embeddings, so the window is not known. "
            "Say it: OnnxEmbedder(folder, max_tokens=512)"
        )
    return window if positions is None else min(window, positions)


def _name(folder: Path) -> str:
    """Name an uncatalogued model by its folder, or by its repository in the hub's cache."""
    return hub_name(folder).rsplit("/", 1)[-1] or folder.resolve().name


def hub_name(folder: Path) -> str:
    """Return the repository ("org/name") that a folder of the hub's cache holds, else ""."""
    path = folder.resolve()
    if path.parent.name == "snapshots" and path.parent.parent.name.startswith("models--"):
        return path.parent.parent.name.removeprefix("models--").replace("--", "/", 1)
    return ""


def _check_card(folder: Path, card: ModelCard, space: Space) -> None:
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
        if expected not in (None, "", ()) and seen != expected:
            raise ModelError(
                f"{folder} is not {card.name} as the catalog pins it: {name} is {seen!r}, "
                f"expected {expected!r}. Fetch the model anew, or, if you mean this version, "
                "load its folder by its path"
            )
