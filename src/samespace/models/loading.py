"""From a name, a folder or an object to what embeds."""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from samespace.errors import InputError, ModelError, ModelNotFound, WeightsMismatch
from samespace.models.base import Embedder, MultiVectorEmbedder, SparseEmbedder
from samespace.models.catalog import ModelCard, catalog, find
from samespace.models.derived import DerivedEmbedder
from samespace.models.onnx import OnnxEmbedder
from samespace.models.spec import Runtime, Spec, parse_spec
from samespace.models.weights import locate
from samespace.models.what import What, what_is
from samespace.space import Kind

if TYPE_CHECKING:
    from samespace.models.hosted.budget import Budget

ENTRY_POINTS = "samespace.embedders"


@overload
def load(
    model: str | os.PathLike[str] | Embedder,
    *,
    kind: Literal["dense"] = "dense",
    runtime: Runtime | None = None,
    budget: Budget | None = None,
) -> Embedder: ...


@overload
def load(
    model: str | os.PathLike[str], *, kind: Literal["sparse"], runtime: Runtime | None = None
) -> SparseEmbedder: ...


@overload
def load(
    model: str | os.PathLike[str], *, kind: Literal["multi-vector"], runtime: Runtime | None = None
) -> MultiVectorEmbedder: ...


def load(
    model: str | os.PathLike[str] | Embedder,
    *,
    kind: Kind = "dense",
    runtime: Runtime | None = None,
    budget: Budget | None = None,
) -> Any:
    """Return an embedder for a model.

    Args:
        model: a name or alias from the catalog; the name of an entry point of the group
            `samespace.embedders`, a callable that takes the name and returns an embedder; the
            path of a model's folder; or an embedder, which is returned as it is. A catalogued
            name wins over a folder of the same name: write "./name" for the folder. Behind a
            name, in a str, may stand what makes another Space of the model:
            "NAME@dimensions=256,precision=int8,arithmetic=float16", or its runtime.
        kind: which of its forms, where a model has several (BGE-M3 has all three).
        runtime: what runs a dense model's folder: "onnx", "torch" (sentence-transformers), or
            the first of them that can. Both make the same Space.
        budget: what may be spent on a hosted model; others cost nothing.

    Raises:
        ModelNotFound: nothing has the name, or the files of the model are nowhere.
        WeightsMismatch: a catalogued model's weights are not the pinned ones.
        ModelError: the folder's model cannot be used, or does not make vectors of this kind.
        MissingExtra: the model needs a package that is not installed.
        InputError: what was given, or what an entry point returned, is no embedder.

    >>> from samespace.models import HashEmbedder
    >>> load(HashEmbedder()).max_tokens
    256
    """
    if not isinstance(model, str | os.PathLike):
        return _checked(model, "load")
    spec = parse_spec(model) if isinstance(model, str) else Spec(os.fspath(model))
    if runtime:
        spec = replace(spec, runtime=runtime)
    if not isinstance(model, str):
        return _folder(Path(model), None, kind, spec)
    embedder: Any = _named(spec, kind, budget)
    if spec.dimensions in (None, embedder.space.dimensions) and spec.precision == "float32":
        return embedder
    if kind != "dense":
        raise InputError(f"{model!r}: only dense vectors have dimensions and precision to choose")
    return DerivedEmbedder(embedder, spec.dimensions, spec.precision)


def _named(spec: Spec, kind: Kind, budget: Budget | None) -> object:
    name = spec.name
    card = find(name)
    if card and not card.embeds:
        raise ModelError(_scores_pairs(card.name))
    if card and card.hosted:
        from samespace.models.hosted import HostedEmbedder

        if kind != "dense":
            raise ModelError(f"{card.name} makes dense vectors, no {kind} ones")
        if spec.arithmetic != "float32" or spec.runtime:
            raise InputError(f"{name} runs at its provider: arithmetic and runtime are not yours")
        return HostedEmbedder(card, dimensions=spec.dimensions, budget=budget)
    if card:
        refuse_unsupported(card)
        return _folder(locate(card), card, kind, spec)
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == name:
            return _checked(entry.load()(name), f"the entry point {name!r} ({entry.value})")
    if name and Path(name).is_dir():
        return _folder(Path(name), None, kind, spec)
    raise ModelNotFound(unknown(name))


def _folder(folder: Path, card: ModelCard | None, kind: Kind, spec: Spec) -> object:
    what = what_is(folder)
    name = card.name if card else str(folder)
    if card and what == "dense" and len(card.kinds) == 1:
        # Nothing in the folder says otherwise; the catalog may.
        what = card.kinds[0]
    if card and what not in (*card.kinds, "bge-m3"):
        raise ModelError(
            f"{folder} is not {name} as the catalog knows it: it holds a model of kind {what}, "
            f"expected {' or '.join(card.kinds)}. Fetch the model anew"
        )
    if what == "cross-encoder":
        raise ModelError(_scores_pairs(name))
    if what == "bge-m3":
        from samespace.models.torch.m3 import M3Embedder

        forms = M3Embedder(folder, card=card)
        return {"dense": forms.dense, "sparse": forms.sparse, "multi-vector": forms.multi}[kind]
    made = what if what in ("sparse", "multi-vector") else "dense"
    if made != kind:
        raise ModelError(
            f"{name} makes {made} vectors: load it with kind={made!r}"
            + ("; a collection is searched by dense vectors" if kind == "dense" else "")
        )
    if what == "dense":
        return _dense(folder, card, spec)
    if spec.arithmetic != "float32":
        raise InputError(f"{name} is a {what} model: arithmetic is to choose for dense ones")
    return _class(what)(folder, card=card)


def _class(what: What) -> Callable[..., object]:
    if what == "static":
        from samespace.models.static import StaticEmbedder

        return StaticEmbedder
    from samespace.models import torch

    classes: dict[What, Callable[..., object]] = {
        "sparse": torch.TorchSparseEmbedder,
        "multi-vector": torch.TorchMultiVectorEmbedder,
        "image-text": torch.ImageTextEmbedder,
    }
    return classes[what]


def _dense(folder: Path, card: ModelCard | None, spec: Spec) -> Embedder:
    if spec.runtime == "torch" or spec.arithmetic == "bfloat16":
        return _torch(folder, card, spec)
    try:
        embedder = OnnxEmbedder(folder, card=card, arithmetic=spec.arithmetic)
        embedder.require_runnable()
    except (ModelNotFound, WeightsMismatch):
        raise
    except ModelError as error:
        if spec.runtime == "onnx":
            raise
        if importlib.util.find_spec("sentence_transformers") is None:
            raise ModelError(
                f'{error}. PyTorch may run it: pip install "samespace[torch]"'
            ) from error
        return _torch(folder, card, spec)
    return embedder


def _torch(folder: Path, card: ModelCard | None, spec: Spec) -> Embedder:
    from samespace.models.torch import TorchEmbedder

    if spec.arithmetic == "int8":
        raise InputError('arithmetic="int8" is for ONNX Runtime: leave out runtime=torch')
    return TorchEmbedder(folder, card=card, arithmetic=spec.arithmetic)


def refuse_unsupported(card: ModelCard) -> None:
    """Raise ModelError for a model that the catalog tells of, but samespace does not run."""
    if card.unsupported:
        raise ModelError(f"samespace does not run {card.name}: {card.unsupported}")


def needs(card: ModelCard) -> str:
    """Return what it takes to run a model, as a sentence."""
    if card.unsupported:
        return f"samespace does not run it: {card.unsupported}"
    if card.hosted:
        from samespace.models.hosted.providers import PROVIDERS

        names = (card.key_variable,) if card.key_variable else PROVIDERS[card.provider].key_envs
        return (
            f"It is called over the network: its texts leave this machine. Needs pip install "
            f'"samespace[hosted]" and a key in {" or ".join(names)}.'
        )
    if card.kinds == ("static",):
        return "It runs with numpy alone."
    if card.kinds == ("dense",):
        return (
            "It runs on ONNX Runtime where its architecture is BERT, RoBERTa, XLM-R or MPNet, or "
            "its repository has an ONNX file and no safetensors; else on PyTorch: pip install "
            '"samespace[torch]".'
        )
    return 'It runs on PyTorch: pip install "samespace[torch]".'


def lasting_name(model: str | os.PathLike[str] | Embedder) -> str:
    """Return what finds the same model again from any working folder; "" for an object.

    A folder is named by its absolute path, which no catalogued name is taken for.
    """
    if not isinstance(model, str | os.PathLike):
        return ""
    if not isinstance(model, str):
        return os.path.abspath(model)
    spec = parse_spec(model)
    entries = (entry.name for entry in entry_points(group=ENTRY_POINTS))
    if find(spec.name) or spec.name in entries or not os.path.isdir(spec.name):
        return model
    return os.path.abspath(spec.name) + (f"@{spec.settings}" if spec.settings else "")


def _checked(model: object, source: str) -> Embedder:
    if not isinstance(model, Embedder):
        raise InputError(
            f"{source}: expected a model's name, its folder, or an object with space, "
            f"max_tokens, count and embed, got {type(model).__name__}"
        )
    return model


def _scores_pairs(name: str) -> str:
    return (
        f"{name} is a cross-encoder: it scores a query with a text and makes no vectors. Use it "
        f"as a reranker: load_reranker({name!r}), or --reranker"
    )


def unknown(name: str) -> str:
    """Return the message for a model's name that nothing has."""
    cards = catalog()
    known = [n for card in cards for n in (card.name, *card.aliases)]
    added = [entry.name for entry in entry_points(group=ENTRY_POINTS)]
    by_letters = {other.lower(): other for other in reversed([*known, *added])}
    found = difflib.get_close_matches(name.lower(), by_letters, n=3)
    close = [by_letters[other] for other in found]
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    lines = [
        f"no model is called {name!r}, and there is no such folder.{hint}",
        f"samespace models lists the {len(cards)} that are known by name"
        + (f"; installed packages add {', '.join(added)}." if added else "."),
    ]
    if name.count("/") == 1 and not name.startswith((".", "/")):
        lines.append(
            "A repository of the Hugging Face hub that is not in the catalog is loaded from a "
            f"folder, so that it stays the version it is: hf download {name} --local-dir "
            f'models/{name.rsplit("/", 1)[-1]}, then load("models/{name.rsplit("/", 1)[-1]}")'
        )
    return "\n".join(lines)
