"""What a folder of a late-interaction model is: its files, and every fact that its Space needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from samespace.errors import ModelNotFound
from samespace.models.catalog import ModelCard, find
from samespace.models.digest import weights_digest
from samespace.models.facts import Given, stated_prompts, tokenizer_identity, window
from samespace.models.files import read_object
from samespace.models.folder import check_card, folder_name, hub_name, torch_weights
from samespace.models.modules import Module, list_modules
from samespace.models.tensors import Tensors
from samespace.models.torch.late_stated import Stated, read_stated
from samespace.models.weights import check_weights
from samespace.space import Arithmetic, Space
from samespace.types import Role

INLINE = "linear.weight"
"""Where Stanford's ColBERT keeps its projection: among the transformer's own weights."""


@dataclass(frozen=True)
class LateFolder:
    """A late-interaction model on disk, ready to run.

    Attributes:
        root: holds config.json and the tokenizer.
        weights: the transformer's files.
        files: what pins the model: those, and the projections'.
        projections: the Dense modules after the transformer; none where the projection is INLINE
            or there is none.
        stated: what becomes of the tokens.
        window: for each role, how many tokens the model takes.
        lowercase: whether texts are lower-cased before the tokenizer sees them.
        space: of kind "multi-vector".
    """

    root: Path
    weights: tuple[Path, ...]
    files: tuple[Path, ...]
    projections: tuple[Module, ...]
    stated: Stated
    window: Mapping[Role, int]
    lowercase: bool
    space: Space


def read_late(
    folder: Path, *, card: ModelCard | None, given: Given, arithmetic: Arithmetic
) -> LateFolder:
    """Read the folder of a late-interaction model, without loading weights.

    The Space's `tokenizer` is the digest of tokenizer.json and, after "+late:", that of what
    becomes of the tokens: expansion, markers, and the words whose vectors are left out. Its
    `weights` pin the projection too.

    Raises:
        ModelNotFound: there is no folder, or no model in it.
        ModelError: it is no late-interaction model, or a fact is beyond what samespace runs.
        WeightsMismatch: the weights are not those of `card`.
    """
    if not folder.is_dir():
        raise ModelNotFound(f"there is no folder {folder}; expected one with a model's files")
    modules = list_modules(folder)
    root = modules[0].folder if modules else folder
    config = read_object(root / "config.json")
    if not config.values:
        raise ModelNotFound(f"{folder} holds no model: {config.path} is absent or empty")
    said = read_object(folder / "config_sentence_transformers.json")
    stated = read_stated(folder, modules, config, said)
    if card and card.weights:
        check_weights(root / card.weights_file, card)
    weights = torch_weights(root)
    projections = tuple(module for module in modules if module.kind == "Dense")
    if not modules:
        dimensions = int(Tensors(weights)[INLINE].shape[0])
    elif projections:
        dimensions = projections[-1].config.required("out_features")
    else:
        dimensions = config.required("hidden_size")
    files = weights + tuple(file for module in projections for file in module.files)
    known = card or find(hub_name(folder))
    lowercase = bool(read_object(root / "sentence_bert_config.json").values.get("do_lower_case"))
    prompts = dict(stated_prompts(said, known, given))
    if given.prompts is None:
        for role, marker in stated.markers.items():
            prompts[role] = marker + prompts.get(role, "").removeprefix(marker)
    space = Space(
        model=given.name or (known.name if known else folder_name(folder)),
        revision="",
        weights=weights_digest(files),
        tokenizer=(f"{tokenizer_identity(root)}{'+lowercase' * lowercase}+late:{stated.digest}"),
        pooling="none",
        normalized=stated.normalized,
        native_dimensions=dimensions,
        dimensions=dimensions,
        metric="dot",
        prompts=tuple(sorted((role, prompt) for role, prompt in prompts.items() if prompt)),
        kind="multi-vector",
        arithmetic=arithmetic,
    )
    if card:
        check_card(folder, card, space, but=("tokenizer", "metric", "prompts"))
    whole = window(root, config, known, given.max_tokens)
    return LateFolder(
        root=root,
        weights=weights,
        files=files,
        projections=projections,
        stated=stated,
        window={
            "query": stated.window("query", whole),
            "document": given.max_tokens or stated.window("document", whole),
        },
        lowercase=lowercase,
        space=space,
    )
