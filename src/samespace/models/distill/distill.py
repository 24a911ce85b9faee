"""A static model of a dense one: embed tokens and passages once, fit, write a folder."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from samespace.errors import InputError
from samespace.models.base import Embedder
from samespace.models.cache import Cache, choose
from samespace.models.catalog import find
from samespace.models.distill.fit import fit, normalized, projection, sif, start, zipf
from samespace.models.distill.passages import passages
from samespace.models.distill.vocabulary import vocabulary
from samespace.models.modules import list_modules
from samespace.models.static import StaticEmbedder
from samespace.space import FloatArray
from samespace.types import Document

if TYPE_CHECKING:
    from tokenizers import Tokenizer

DIMENSIONS = 256
WORDS = 30_000
CHARACTERS = 8_000_000
"""Of text that the model embeds, some two million tokens: minutes for MiniLM on two cores."""

_AT_ONCE = 1_024
_FITTING = 0.1
"""The share of the time that the fit takes; the rest is the model's."""

Progress = Callable[[float], None]


def distill(
    model: str | os.PathLike[str] | Embedder,
    out: str | os.PathLike[str],
    *,
    texts: Iterable[str | Document] | None = None,
    dimensions: int | None = None,
    words: int = WORDS,
    characters: int = CHARACTERS,
    seed: int = 0,
    tokenizer: str | os.PathLike[str] | None = None,
    cache: Cache = True,
    progress: Progress = lambda fraction: None,
) -> StaticEmbedder:
    """Make a static model that puts texts where a dense model puts them, as near as it can.

    The static model has a space of its own: vectors of the two are never compared. Give it the
    text that will be searched, or text like it: the words of the text get vectors, and these are
    fitted on what the model makes of the text. Without text it is made of the model's vectors
    for single tokens, weighted by their rank, which is far worse.

    Args:
        model: what `samespace.models.load` takes. Everything is embedded in the role "document".
        out: the folder to write, which must not exist: model2vec's form, which
            sentence-transformers reads too.
        texts: documents, or the plain text of each. They are cut into passages as a collection
            cuts them.
        dimensions: the width of the static vectors, at most the model's own; by default 256, or
            the model's own where that is less.
        words: how many words of the text get a token of their own, besides the pieces.
        characters: how much text the model embeds; of more, a random sample.
        seed: the same seed and texts give the same model.
        tokenizer: the tokenizer.json to start from; by default that of the model, where `model`
            is a name or a folder. Where there is none, or it is no WordPiece, the pieces are
            learned from the texts.
        cache: whether vectors of a model given by name or folder are looked up in the cache and
            kept there. A collection of the same texts, made with the model, shares its passages.
        progress: is told which fraction of the work is done.

    Raises:
        InputError: an argument is out of range, `out` exists, or there is no text and no
            WordPiece tokenizer.
        ModelError: the model cannot be used.
    """
    from samespace.models.loading import load

    target = _free(Path(out))
    embedder = load(model)
    if isinstance(model, str | os.PathLike):
        embedder = choose(embedder, cache)
    native = embedder.space.dimensions
    width = min(DIMENSIONS, native) if dimensions is None else dimensions
    if not 1 <= width <= native:
        raise InputError(
            f"dimensions must lie between 1 and the {native} of {embedder.space.model}, "
            f"got {dimensions}"
        )
    if words < 0 or characters < 1:
        raise InputError(
            f"words must be at least 0 and characters at least 1, got {words} and {characters}"
        )
    fitted = [] if texts is None else passages(texts, embedder, characters, seed)
    if texts is not None and not fitted:
        raise InputError("texts holds no text to fit on; for none at all, leave it out")
    made = vocabulary(Path(tokenizer) if tokenizer else _own_tokenizer(model), fitted, words)
    table = _table(embedder, made, fitted, width, seed, progress)
    _write(target, made, table, embedder)
    return StaticEmbedder(target)


def _free(out: Path) -> Path:
    if out.exists():
        raise InputError(f"{out} exists; name a folder that does not")
    if not out.absolute().parent.is_dir():
        raise InputError(f"cannot write {out}: there is no folder {out.absolute().parent}")
    return out


def _own_tokenizer(model: str | os.PathLike[str] | Embedder) -> Path | None:
    """Return the tokenizer.json of a model that is named or is a folder, None where it has none."""
    from samespace.models.weights import locate

    if not isinstance(model, str | os.PathLike):
        return None
    card = find(model) if isinstance(model, str) else None
    if card and card.hosted:
        return None
    folder = locate(card) if card else Path(model)
    modules = list_modules(folder)
    file = (modules[0].folder if modules else folder) / "tokenizer.json"
    return file if file.is_file() else None


def _table(
    embedder: Embedder,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    dimensions: int,
    seed: int,
    progress: Progress,
) -> FloatArray:
    """Return a vector for each token of the tokenizer, shape (tokens, dimensions)."""
    alone, readable = _alone(embedder, tokenizer)
    made = normalized(_embedded(embedder, [*alone, *texts], progress))
    targets = made[len(alone) :]
    # A token that the model cannot read by itself starts from what all tokens share: nothing.
    vectors = np.repeat(made[: len(alone)].mean(axis=0, keepdims=True), len(readable), axis=0)
    vectors[readable] = made[: len(alone)]
    if not texts:
        centred = vectors - vectors.mean(axis=0)
        plain: FloatArray = centred @ projection(centred, dimensions) * sif(zipf(len(vectors)))
        return plain
    if dimensions < made.shape[1]:
        kept = projection(targets, dimensions)
        vectors, targets = normalized(vectors @ kept), normalized(targets @ kept)
    encoded = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    ids = [np.array(one.ids, np.int32) for one in encoded]
    filled = np.array([len(one) > 0 for one in ids])
    ids, targets = [one for one in ids if len(one)], targets[filled]
    table = start(vectors, ids, targets)
    fit(table, ids, targets, seed, lambda part: progress(1 - _FITTING + _FITTING * part))
    return table


def _alone(embedder: Embedder, tokenizer: Tokenizer) -> tuple[list[str], npt.NDArray[np.bool_]]:
    """Return the tokens that the model can read by themselves, and which of all they are."""
    numbered = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    tokens = [token.removeprefix("##") for token, _ in numbered]
    nothing = embedder.count([""])[0]
    counts = zip(tokens, embedder.count(tokens), strict=True)
    readable = np.array([count > nothing and not token.isspace() for token, count in counts])
    return [token for token, read in zip(tokens, readable, strict=True) if read], readable


def _embedded(embedder: Embedder, texts: Sequence[str], progress: Progress) -> FloatArray:
    array = np.empty((len(texts), embedder.space.dimensions), np.float32)
    size = sum(map(len, texts))
    done = 0
    for first in range(0, len(texts), _AT_ONCE):
        some = texts[first : first + _AT_ONCE]
        array[first : first + len(some)] = embedder.embed(some, "document").array
        done += sum(map(len, some))
        progress((1 - _FITTING) * done / size)
    return array


def _write(out: Path, tokenizer: Tokenizer, table: FloatArray, embedder: Embedder) -> None:
    """Write a folder in model2vec's form, whole or not at all."""
    from safetensors.numpy import save_file

    # The common factor of all vectors means nothing; at length 1 they fit half precision well.
    scaled = table / np.sqrt((table * table).sum(axis=1).mean())
    # save_file writes the bytes as they lie: an array in column order would be scrambled on disk.
    half: npt.NDArray[np.float16] = np.ascontiguousarray(scaled, np.float16)
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "tokenizer_name": embedder.space.model,
        "hidden_dim": table.shape[1],
        "normalize": True,
        "max_length": embedder.max_tokens,
        "embedding_dtype": "float16",
        "distilled_from": embedder.space.to_dict(),
    }
    prefix = "sentence_transformers.models."
    modules = [
        {"idx": 0, "name": "0", "path": ".", "type": f"{prefix}StaticEmbedding"},
        {"idx": 1, "name": "1", "path": "1_Normalize", "type": f"{prefix}Normalize"},
    ]
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}.") as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        save_file({"embeddings": half}, folder / "model.safetensors")
        tokenizer.save(str(folder / "tokenizer.json"))
        for name, content in (("config.json", config), ("modules.json", modules)):
            (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        os.replace(folder, out)
