"""What the sentence-transformers files of a model folder say: modules, pooling, prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from samespace.errors import ModelError
from samespace.models.files import JsonFile, read_json, read_object
from samespace.space import Metric, Pooling

_POOLINGS: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "lasttoken": "last", "max": "max"}
_OLD_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")
"""The names under which sentence-transformers' `encode_document` looks for its prompt."""


_FURTHER = ("Dense", "LayerNorm", "Dropout")
"""What may stand between pooling and normalization where sentence-transformers runs the model."""

_TEXT = {"method": "forward", "method_output_name": "last_hidden_state"}


@dataclass(frozen=True)
class Module:
    """One entry of modules.json: the name of its class, and the folder of its files."""

    kind: str
    folder: Path

    @property
    def config(self) -> JsonFile:
        """Its config.json; empty where it has none."""
        return read_object(self.folder / "config.json")

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that make it what it is: its configuration and its weights, where it has any.

        Of two formats of weights the one that sentence-transformers loads.
        """
        weights = [self.folder / "model.safetensors", self.folder / "pytorch_model.bin"]
        return tuple(
            file
            for file in (self.folder / "config.json", *[w for w in weights if w.is_file()][:1])
            if file.is_file()
        )


@dataclass(frozen=True)
class Modules:
    """The modules of a dense model: where the transformer lies, and what follows it.

    `pooling` and `normalized` are None where the folder has no modules.json; `dimensions` is
    the width that is pooled; `further` holds what stands between pooling and normalization.
    """

    root: Path
    pooling: Pooling | None = None
    normalized: bool | None = None
    dimensions: int | None = None
    further: tuple[Module, ...] = ()

    @property
    def made(self) -> int | None:
        """The width of a vector after all modules, None where only the transformer knows it."""
        widths = [m.config.required("out_features") for m in self.further if m.kind == "Dense"]
        return widths[-1] if widths else None


def list_modules(folder: Path) -> tuple[Module, ...]:
    """Read modules.json; nothing where the folder has none.

    Raises:
        ModelError: the file is damaged, or a module is the repository's own code or wants
            arguments that samespace does not give.
    """
    file = folder / "modules.json"
    entries = read_json(file)
    if entries is None:
        return ()
    try:
        named = [(str(e["type"]), folder / str(e["path"]), e.get("kwargs")) for e in entries]
    except (TypeError, LookupError, AttributeError) as error:
        raise ModelError(f"{file} must hold a list of objects with type and path") from error
    for kind, _, arguments in named:
        if not kind.startswith(("sentence_transformers.", "pylate.")) or arguments:
            raise ModelError(
                f"{file}: the module {kind} is code of the model's own repository, or wants "
                f"arguments in every call ({arguments or 'none stated'}); samespace cannot know "
                "what it does to a vector, so it runs only sentence-transformers' own modules"
            )
    modules = tuple(Module(kind.rsplit(".", 1)[-1], path) for kind, path, _ in named)
    for config in (module.config for module in modules if module.kind == "Dense"):
        activation = config.text("activation_function") or "torch.nn.Tanh"
        if not activation.startswith("torch."):
            raise ModelError(
                f"{config.path}: activation_function is {activation}, which is no function of "
                "PyTorch's own"
            )
    return modules


def read_modules(folder: Path, *, further: bool = False) -> Modules:
    """Read the modules of a dense model and the pooling's configuration.

    Args:
        folder: the model's folder.
        further: whether modules between pooling and normalization can be run.

    Raises:
        ModelError: a module that cannot be run, or in another order, or a pooling that is not
            mean, cls, last token or max.
    """
    file, modules = folder / "modules.json", list_modules(folder)
    if not modules:
        return Modules(folder)
    kinds = [module.kind for module in modules]
    allowed = ("Transformer", "Pooling", "Normalize")
    for kind in kinds:
        if kind not in allowed and not (further and kind in _FURTHER):
            hint = (
                "PyTorch runs it: load the folder with TorchEmbedder"
                if kind in _FURTHER
                else "Export the whole model to ONNX with an output sentence_embedding, put it "
                'into a folder as model.onnx, and load that with pooling="none"'
            )
            raise ModelError(
                f"{file} names a module {kind!r}; samespace runs "
                f"{', '.join([*allowed, *_FURTHER] if further else allowed)} here. {hint}"
            )
    normalized = kinds[-1] == "Normalize"
    between = modules[2:-1] if normalized else modules[2:]
    if kinds[:2] != ["Transformer", "Pooling"] or any(m.kind in allowed for m in between):
        raise ModelError(
            f"{file}: expected Transformer, Pooling and perhaps Normalize, in this order, "
            f"got {', '.join(kinds)}"
        )
    check_transformer(read_object(modules[0].folder / "sentence_bert_config.json"))
    config = modules[1].config
    return Modules(
        root=modules[0].folder,
        pooling=_pooling(config),
        normalized=normalized,
        dimensions=config.integer("embedding_dimension")
        or config.integer("word_embedding_dimension"),
        further=between,
    )


def check_transformer(config: JsonFile) -> None:
    """Refuse what would change how a text becomes token vectors."""
    values = config.values
    modality = values.get("modality_config") or {"text": _TEXT}
    fields = {
        "transformer_task": values.get("transformer_task", "feature-extraction")
        == "feature-extraction",
        "modality_config": modality == {"text": _TEXT},
        "processing_kwargs": not values.get("processing_kwargs"),
    }
    for field, usual in fields.items():
        if not usual:
            raise ModelError(
                f"{config.path}: {field} is {values[field]!r}; samespace gives a model the text "
                "itself, in no chat template, and takes its last hidden state"
            )


def _pooling(config: JsonFile) -> Pooling:
    values = config.values
    modes = config.texts("pooling_mode")
    if not modes:
        modes = tuple(name for flag, name in _OLD_FLAGS.items() if values.get(flag))
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise ModelError(
            f"{config.path} must name one pooling of {', '.join(_POOLINGS)}, "
            f"got {', '.join(modes) or 'none'}"
        )
    if values.get("include_prompt", True) is False:
        raise ModelError(
            f"{config.path}: include_prompt is false (the prompt is left out of the pooling), "
            "which samespace does not do"
        )
    return _POOLINGS[modes[0]]


def read_prompts(config: JsonFile) -> dict[str, str] | None:
    """Return the prompt of each role from config_sentence_transformers.json.

    Named as sentence-transformers' `encode_query` and `encode_document` choose them: "query";
    "document", "passage" or "corpus"; else the one that `default_prompt_name` names. None where
    the file says nothing of prompts, or has empty ones only, which sentence-transformers writes
    where it was told none.

    Raises:
        ModelError: there are prompts, but none that can be told to belong to a role.
    """
    prompts = config.values.get("prompts")
    if not prompts:
        return None
    if not isinstance(prompts, Mapping) or not all(isinstance(p, str) for p in prompts.values()):
        raise ModelError(f"{config.path}: prompts must map names to texts, got {prompts!r}")
    if not any(prompts.values()):
        return None
    default = config.text("default_prompt_name")
    if default and default not in prompts:
        raise ModelError(
            f"{config.path}: default_prompt_name is {default!r}, which prompts does not hold"
        )
    document = next((name for name in _DOCUMENT_PROMPTS if name in prompts), default)
    query = "query" if "query" in prompts else default
    if not query and not document:
        raise ModelError(
            f"{config.path}: prompts holds {', '.join(sorted(prompts))}, and none of them is "
            "named query or document. Say which belongs to which role: "
            'prompts={"query": "...", "document": "..."}'
        )
    return {"query": prompts.get(query, ""), "document": prompts.get(document, "")}


def read_metric(config: JsonFile) -> Metric | None:
    """Return similarity_fn_name, or None where the file does not say it."""
    name = config.text("similarity_fn_name")
    if not name:
        return None
    if name not in get_args(Metric):
        raise ModelError(
            f"{config.path}: similarity_fn_name must be one of {', '.join(get_args(Metric))}, "
            f"got {name!r}"
        )
    return cast(Metric, name)
