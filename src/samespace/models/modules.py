"""What the sentence-transformers files of a model folder say: modules, pooling, prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from samespace.errors import ModelError
from samespace.models.files import JsonFile, read_json, read_object
from samespace.space import Metric, Pooling

_POOLINGS: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "lasttoken": "last"}
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


@dataclass(frozen=True)
class Modules:
    """The modules of a model: where the transformer lies, and what follows it.

    `pooling` and `normalized` are None where the folder has no modules.json.
    """

    root: Path
    pooling: Pooling | None = None
    normalized: bool | None = None
    dimensions: int | None = None


def read_modules(folder: Path) -> Modules:
    """Read modules.json and the pooling's configuration.

    Raises:
        ModelError: a module other than Transformer, Pooling and Normalize, or in another
            order, or a pooling that is not mean, cls or last token.
    """
    file = folder / "modules.json"
    entries = read_json(file)
    if entries is None:
        return Modules(folder)
    try:
        kinds = [str(entry["type"]).rsplit(".", 1)[-1] for entry in entries]
        paths = [folder / str(entry["path"]) for entry in entries]
    except (TypeError, LookupError) as error:
        raise ModelError(f"{file} must hold a list of objects with type and path") from error
    for kind in kinds:
        if kind not in ("Transformer", "Pooling", "Normalize"):
            raise ModelError(
                f"{file} names a module {kind!r}; samespace runs Transformer, Pooling and "
                "Normalize. Export the whole model to ONNX with an output sentence_embedding, "
                'put it into a folder as model.onnx, and load that with pooling="none"'
            )
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise ModelError(
            f"{file}: expected Transformer, Pooling and perhaps Normalize, in this order, "
            f"got {', '.join(kinds)}"
        )
    config = read_object(paths[1] / "config.json")
    return Modules(
        root=paths[0],
        pooling=_pooling(config),
        normalized=len(kinds) == 3,
        dimensions=config.integer("embedding_dimension")
        or config.integer("word_embedding_dimension"),
    )


def _pooling(config: JsonFile) -> Pooling:
    values = config.values
    mode: Any = values.get("pooling_mode")
    if mode is None:
        mode = [name for flag, name in _OLD_FLAGS.items() if values.get(flag)]
    modes = [mode] if isinstance(mode, str) else list(mode)
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise ModelError(
            f"{config.path} must name one pooling of {', '.join(_POOLINGS)}, "
            f"got {', '.join(map(str, modes)) or 'none'}"
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
    the file says nothing of prompts.

    Raises:
        ModelError: there are prompts, but none that can be told to belong to a role.
    """
    prompts = config.values.get("prompts")
    if not prompts:
        return None
    if not isinstance(prompts, Mapping) or not all(isinstance(p, str) for p in prompts.values()):
        raise ModelError(f"{config.path}: prompts must map names to texts, got {prompts!r}")
    default = config.text("default_prompt_name")
    if default and default not in prompts:
        raise ModelError(
            f"{config.path}: default_prompt_name is {default!r}, which prompts does not hold"
        )
    document = next((name for name in _DOCUMENT_PROMPTS if name in prompts), default)
    query = "query" if "query" in prompts else default
    if not query and not document and any(prompts.values()):
        raise ModelError(
            f"{config.path}: prompts holds {', '.join(sorted(prompts))}, and none of them is "
            "named query or document. Say which belongs to which role: "
            'OnnxEmbedder(folder, prompts={"query": "...", "document": "..."})'
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
