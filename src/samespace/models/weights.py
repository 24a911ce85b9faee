"""Where the files of a catalogued model come from: a package, the hub's cache, the hub."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from samespace.errors import ModelNotFound, WeightsMismatch
from samespace.models.catalog import ModelCard
from samespace.models.digest import file_digest

_NEEDED = ("config.json", "tokenizer.json")
_WEIGHTS = ("*.safetensors", "*.onnx", "pytorch_model*.bin")
_FORMATS = (
    ("*.safetensors",),
    ("model.onnx", "*/model.onnx", "*model.onnx_data", "*model.onnx.data"),
    ("*pytorch_model*.bin",),
)
_PLAIN = (".json", ".txt", ".model", ".py", ".jinja", "artifact.metadata")
_ALSO = (
    "modules.json",
    "*/config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "tokenizer_config.json",
    "*preprocessor_config.json",
    "*processor_config.json",
)


def locate(card: ModelCard) -> Path:
    """Return a folder that holds the model, with exactly the weights that the catalog pins.

    Where the catalog pins none, the Space pins what was found. Looked at in this order, so that
    nothing is fetched that is there: the installed package that carries the model, the local
    cache of the Hugging Face hub, the hub itself (unless HF_HUB_OFFLINE is set).

    Raises:
        WeightsMismatch: the weights at the first place that has any are other ones.
        ModelNotFound: no place has them; the message lists the places and the ways out.
    """
    looked: list[str] = []
    for places in (_package(card, looked), _hub_cache(card, looked), _hub(card, looked)):
        folders = list(places)
        for folder in folders:
            if not card.weights or file_digest(folder / card.weights_file) == card.weights:
                return folder
        if folders:
            check_weights(folders[0] / card.weights_file, card)
    ways = [f'load the folder that holds it: load("/path/to/{card.name}")']
    if card.install:
        ways.insert(0, f"install the package that carries it: {card.install}")
    ways.append(
        f"fetch it where there is a network: hf download {card.hub} --local-dir {card.name}"
    )
    raise ModelNotFound(
        f"the files of {card.name} were not found. Looked at:"
        + "".join(f"\n  - {place}" for place in looked)
        + "\nTo get it, do one of these:"
        + "".join(f"\n  - {way}" for way in ways)
    )


def check_weights(file: Path, card: ModelCard) -> None:
    """Raise WeightsMismatch unless the file has the digest that the catalog pins."""
    seen = file_digest(file)
    if seen != card.weights:
        raise WeightsMismatch(
            f"{file} holds other weights than those of {card.name}: expected sha256 "
            f"{card.weights}, seen {seen}. The file is damaged or another version: fetch it "
            "anew, or, if you mean to use these weights, load their folder by its path"
        )


def _missing(folder: Path, card: ModelCard) -> list[str]:
    absent = [name for name in card.files if not (folder / name).is_file()]
    if card.weights:
        needed = (*_NEEDED, card.weights_file)
        return absent + [name for name in needed if not (folder / name).is_file()]
    # A repository that is not pinned may keep its files as its own library has them.
    configured = any((folder / name).is_file() for name in ("config.json", "modules.json"))
    weighed = any(True for pattern in _WEIGHTS for _ in folder.rglob(pattern))
    absent += [] if configured else ["config.json"]
    return absent + ([] if weighed else [card.weights_file])


def _package(card: ModelCard, looked: list[str]) -> Iterator[Path]:
    if not card.package:
        return
    # find_spec does not run the package, which might import a runtime of its own.
    spec = importlib.util.find_spec(card.package)
    roots = list(spec.submodule_search_locations or ()) if spec else []
    for root in roots:
        folder = Path(root) / card.package_folder
        missing = _missing(folder, card)
        if not missing:
            yield folder
        else:
            looked.append(f"package {card.package}: {folder} lacks {', '.join(missing)}")
    if not roots:
        looked.append(f"package {card.package}: not installed")


def _hub_cache(card: ModelCard, looked: list[str]) -> Iterator[Path]:
    """Yield the complete snapshots in the hub's cache: the catalog's revision or `main` first.

    The layout is read here because importing huggingface_hub takes longer than loading a model.
    """
    root = hub_cache_dir() / f"models--{card.hub.replace('/', '--')}"
    snapshots = sorted(p for p in (root / "snapshots").glob("*") if p.is_dir())
    try:
        main = (root / "refs/main").read_text("utf-8").strip()
    except OSError:
        main = ""
    first = card.revision or main
    if not snapshots:
        looked.append(f"Hugging Face cache: no snapshot in {root}")
    for folder in sorted(snapshots, key=lambda p: p.name != first):
        missing = _missing(folder, card)
        if not missing:
            yield folder
        else:
            looked.append(f"Hugging Face cache: {folder} lacks {', '.join(missing)}")


def hub_cache_dir() -> Path:
    """Return the folder where huggingface_hub keeps downloads, found by its own variables."""
    env = os.environ
    if named := env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE"):
        return Path(os.path.expanduser(named))
    default = os.path.join(env.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(os.path.expanduser(env.get("HF_HOME") or default)) / "hub"


def _hub(card: ModelCard, looked: list[str]) -> Iterator[Path]:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        looked.append("Hugging Face hub: not asked, because HF_HUB_OFFLINE is set")
        return
    from huggingface_hub import HfApi, snapshot_download

    try:
        # Its errors are many (HTTP, offline, authorization, disk) and share no base class;
        # every one of them means that the hub did not give the files.
        revision = card.revision or None
        wanted = [*_NEEDED, *_ALSO, card.weights_file, *card.files]
        if not card.weights:
            wanted = _chosen(HfApi().list_repo_files(card.hub, revision=revision))
        folder = Path(snapshot_download(card.hub, revision=revision, allow_patterns=wanted))
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        looked.append(f"Hugging Face hub, {card.hub}: {type(error).__name__}: {reason[0]}")
        return
    missing = _missing(folder, card)
    if missing:
        looked.append(f"Hugging Face hub, {card.hub}: {folder} lacks {', '.join(missing)}")
    else:
        yield folder


def _chosen(files: list[str]) -> list[str]:
    """Return the files to fetch: configuration, tokenizer, code, and the weights in one format.

    >>> _chosen(["config.json", "pytorch_model.bin", "onnx/model.onnx", "onnx/model_int8.onnx"])
    ['config.json', 'onnx/model.onnx']
    """
    # The heads of BGE-M3 are files of their own, and need the encoder that PyTorch reads.
    heads = [f for f in files if fnmatch(f, "*_linear.pt")]
    tensors, graphs, pickles = (
        [f for f in files if any(fnmatch(f, p) for p in ps)] for ps in _FORMATS
    )
    if tensors:
        # A Dense module may have kept the old format where the transformer has the new one.
        done = {PurePosixPath(f).parent for f in tensors}
        weights = tensors + [f for f in pickles if PurePosixPath(f).parent not in done]
    else:
        weights = graphs if graphs and not heads else pickles
    return [*(f for f in files if f.endswith(_PLAIN)), *heads, *weights]
