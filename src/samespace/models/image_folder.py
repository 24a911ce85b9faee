"""What a folder of CLIP or SigLIP is: its files, and every fact that its Space needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from samespace.errors import ModelError, ModelNotFound
from samespace.models.as_trained import check_as_trained
from samespace.models.catalog import ModelCard, find
from samespace.models.digest import weights_digest
from samespace.models.facts import Given, stated_prompts, tokenizer_identity
from samespace.models.files import JsonFile, read_object
from samespace.models.folder import check_card, folder_name, hub_name, torch_weights
from samespace.models.modules import list_modules, read_metric
from samespace.models.pixels import Recipe, read_recipe
from samespace.models.weights import check_weights
from samespace.space import Arithmetic, Space

Family = Literal["clip", "siglip"]

_DEFAULTS: dict[Family, dict[str, int]] = {
    "clip": {"dimensions": 512, "positions": 77, "image_size": 224, "patch_size": 32},
    "siglip": {"dimensions": 768, "positions": 64, "image_size": 224, "patch_size": 16},
}
"""What transformers' CLIPConfig and SiglipConfig take where config.json is silent; they leave
out what is at its default when they are saved. Google's own SigLIP files say hardly more than the
type."""


@dataclass(frozen=True)
class ImageTextFolder:
    """A model of images and texts on disk, ready to run.

    Attributes:
        root: holds config.json, the weights and the tokenizer.
        family: which of the two architectures it is.
        weights: the files that hold them.
        recipe: how images are prepared.
        patches: about how many tokens the vision model makes of one image.
        lowercase: whether texts are lower-cased before the tokenizer sees them.
        unpunctuated: whether their punctuation is then left out.
        padding: the token that SigLIP's texts are filled up with; None for CLIP.
        max_tokens: the window of a text.
        space: where images and texts lie.
    """

    root: Path
    family: Family
    weights: tuple[Path, ...]
    recipe: Recipe
    patches: int
    lowercase: bool
    unpunctuated: bool
    padding: str | None
    max_tokens: int
    space: Space


def read_image_text(
    folder: Path,
    *,
    card: ModelCard | None = None,
    given: Given,
    arithmetic: Arithmetic = "float32",
) -> ImageTextFolder:
    """Read a folder of sentence-transformers or transformers, without loading weights.

    The Space's tokenizer is the digest of tokenizer.json, what is done to texts before it, and
    the digest of how images are prepared: "<sha256>+lowercase+images:<sha256>". What fills SigLIP's
    texts up is in it where it is not what Google published.

    Raises:
        ModelNotFound: there is no folder, or no model in it.
        ModelError: a fact is missing or contradictory, or the model is of another kind.
        WeightsMismatch: the weights are not those of `card`.
    """
    if not folder.is_dir():
        raise ModelNotFound(f"there is no folder {folder}; expected one with a model's files")
    root = _root(folder)
    config = read_object(root / "config.json")
    check_as_trained(config, trusted=False)
    family = _family(config)
    defaults = _DEFAULTS[family]
    text, vision = (_part(config, name) for name in ("text_config", "vision_config"))
    if card and card.weights:
        check_weights(root / card.weights_file, card)
    weights = torch_weights(root, card)
    recipe = read_recipe(root)
    image_size = vision.integer("image_size") or defaults["image_size"]
    if recipe.output != (image_size, image_size):
        raise ModelError(
            f"{config.path} says image_size {image_size}, but images are prepared as "
            f"{recipe.output[0]} x {recipe.output[1]}: the folder mixes two models"
        )
    said = read_object(folder / "config_sentence_transformers.json")
    lowercase, unpunctuated, padding = (
        _siglip_texts(root) if family == "siglip" else (False, False, None)
    )
    dimensions = _dimensions(family, config, text, vision) or defaults["dimensions"]
    known = card or find(hub_name(folder))
    prompts = stated_prompts(said, known, given)
    space = Space(
        model=given.name or (known.name if known else folder_name(folder)),
        revision="",
        weights=weights_digest(weights),
        tokenizer=tokenizer_identity(root)
        + "+lowercase" * lowercase
        + "+unpunctuated" * unpunctuated
        + f"+filled:{padding}" * (padding not in (None, _filler(unpunctuated)))
        + f"+images:{recipe.digest}",
        pooling="none",
        normalized=given.normalized is not False,
        native_dimensions=dimensions,
        dimensions=dimensions,
        metric=given.metric or read_metric(said) or "cosine",
        prompts=tuple(sorted((role, prompt) for role, prompt in prompts.items() if prompt)),
        modality="text+image",
        arithmetic=arithmetic,
    )
    if card:
        check_card(folder, card, space, but=("tokenizer", "normalized"))
    return ImageTextFolder(
        root=root,
        family=family,
        weights=weights,
        recipe=recipe,
        patches=(image_size // (vision.integer("patch_size") or defaults["patch_size"])) ** 2 + 1,
        lowercase=lowercase,
        unpunctuated=unpunctuated,
        padding=padding,
        max_tokens=text.integer("max_position_embeddings") or defaults["positions"],
        space=space,
    )


def _root(folder: Path) -> Path:
    """Return where config.json lies: in sentence-transformers' folders, in the first module's."""
    modules = list_modules(folder)
    if not modules:
        return folder
    kinds = [module.kind for module in modules]
    if kinds[0] not in ("CLIPModel", "Transformer") or kinds[1:] not in ([], ["Normalize"]):
        raise ModelError(
            f"{folder / 'modules.json'}: expected one module of type CLIPModel or Transformer, "
            f"and perhaps Normalize, got {', '.join(kinds)}"
        )
    return modules[0].folder


def _family(config: JsonFile) -> Family:
    if not config.values:
        raise ModelNotFound(f"{config.path} is absent or empty: there is no model")
    kind = config.text("model_type")
    if kind == "clip":
        return "clip"
    if kind == "siglip":
        return "siglip"
    hint = (
        " (SigLIP 2 in its flexible form, whose images have many shapes; its fixed sizes are of "
        "type siglip)"
    )
    raise ModelError(
        f"{config.path}: model_type is {kind!r}{hint if kind == 'siglip2' else ''}; as models of "
        "images and texts samespace runs clip and siglip"
    )


def _part(config: JsonFile, name: str) -> JsonFile:
    part = config.values.get(name) or {}
    if not isinstance(part, dict):
        raise ModelError(f"{config.path}: {name} must be an object, got {type(part).__name__}")
    return JsonFile(config.path, part)


def _dimensions(family: Family, config: JsonFile, text: JsonFile, vision: JsonFile) -> int | None:
    if family == "clip":
        return config.integer("projection_dim")
    default = _DEFAULTS["siglip"]["dimensions"]
    seen = vision.integer("hidden_size") or default
    read = text.integer("projection_size") or text.integer("hidden_size") or default
    if seen != read:
        raise ModelError(
            f"{config.path}: texts have {read} dimensions and images {seen}; expected the same"
        )
    return seen


def _filler(unpunctuated: bool) -> str:
    """Return what fills up the texts of Google's SigLIP, of the first generation or the second."""
    return "</s>" if unpunctuated else "<pad>"


def _siglip_texts(root: Path) -> tuple[bool, bool, str]:
    """Return whether texts are lower-cased, lose their punctuation, and what fills them up.

    SigLIP was trained on lower-cased texts, the first also without punctuation. transformers'
    tokenizers see to that by their class, whatever tokenizer.json says, so it is done here. A
    text's vector is read at the last position, which is filler: another filler, another vector.
    """
    stated = read_object(root / "tokenizer_config.json")
    padding = stated.values.get("pad_token")
    if isinstance(padding, dict):
        padding = padding.get("content")
    if not isinstance(padding, str):
        raise ModelError(
            f"{stated.path} does not say pad_token, which SigLIP's texts are filled up with"
        )
    lowercase = stated.values.get("do_lower_case") is not False
    return lowercase, stated.text("tokenizer_class").startswith("SiglipTokenizer"), padding
