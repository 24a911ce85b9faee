"""What is to be compared: axes, and the configurations that they span."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from samespace.collection import DEFAULT_MODEL
from samespace.errors import InputError
from samespace.ingest.inputs import PathLike
from samespace.models.base import Embedder, Reranker
from samespace.models.derived import DerivedEmbedder
from samespace.search import MODES, Mode
from samespace.space import Precision
from samespace.text.recipe import Recipe

NO_RERANKER = "none"
Chunking = Literal["structure", "document"]
Made = TypeVar("Made")


@dataclass(frozen=True)
class Grid:
    """The axes of a comparison; every combination is a configuration.

    Attributes:
        models: names, folders or embedders.
        dimensions: how many are kept of a vector; None for all that the model has.
        precisions: what documents' vectors are rounded to.
        max_tokens: budgets of one chunk; None for the model's window.
        overlaps: tokens that neighbouring chunks share.
        chunkings: "structure", "document".
        contexts: whether title and heading path are embedded with each chunk.
        modes: "hybrid", "dense", "lexical".
        rerankers: names or rerankers; None for no reranking.
        language: ISO 639-1 code of the corpus.
    """

    models: Sequence[PathLike | Embedder] = (DEFAULT_MODEL,)
    dimensions: Sequence[int | None] = (None,)
    precisions: Sequence[Precision] = ("float32",)
    max_tokens: Sequence[int | None] = (None,)
    overlaps: Sequence[int] = (0,)
    chunkings: Sequence[Chunking] = ("structure",)
    contexts: Sequence[bool] = (True,)
    modes: Sequence[Mode] = ("hybrid",)
    rerankers: Sequence[str | Reranker | None] = (None,)
    language: str = "en"

    def __post_init__(self) -> None:
        axes = {name: value for name, value in vars(self).items() if name != "language"}
        for name, values in axes.items():
            if isinstance(values, str) or not isinstance(values, Sequence) or not values:
                raise InputError(f"{name} must be a sequence of at least one value, got {values!r}")
        for mode in self.modes:
            if mode not in MODES:
                raise InputError(f"modes must be of {', '.join(MODES)}, got {mode!r}")


@dataclass(frozen=True)
class Index:
    """What a collection is made of: vectors of one kind and a recipe."""

    model: str
    dimensions: int
    precision: Precision
    recipe: Recipe


@dataclass(frozen=True)
class Configuration:
    """One line of a comparison: an index and how it is searched."""

    index: Index
    mode: Mode
    reranker: str = NO_RERANKER

    @property
    def name(self) -> str:
        """A readable name that no other configuration of a comparison has.

        "d" is for dimensions, "t" for the tokens of a chunk, "o" for their overlap; what is as
        usual is left out. Vectors play no part in lexical search, so they are not in its name.
        """
        index, recipe = self.index, self.index.recipe
        parts = [index.model]
        if self.mode != "lexical":
            parts += [f"d{index.dimensions}"] + [index.precision] * (index.precision != "float32")
        parts += [f"t{recipe.max_tokens}"] + [f"o{recipe.overlap}"] * (recipe.overlap > 0)
        parts += [recipe.chunking] * (recipe.chunking != "structure")
        parts += ["bare"] * (not recipe.context) + [self.mode]
        return " ".join(parts) + (f" +{self.reranker}" if self.reranker != NO_RERANKER else "")


@dataclass(frozen=True)
class Skipped:
    """A configuration, or a part of the grid, that could not be, and why."""

    name: str
    reason: str


def label(embedders: Iterable[Embedder]) -> dict[str, Embedder]:
    """Return each distinct model under a name: its own, with its space's id where two share it."""
    distinct = {embedder.space.id: embedder for embedder in embedders}
    shared = Counter(embedder.space.model for embedder in distinct.values())
    return {
        embedder.space.model + (f"@{id[:6]}" if shared[embedder.space.model] > 1 else ""): embedder
        for id, embedder in distinct.items()
    }


def expand(
    grid: Grid, models: Mapping[str, Embedder], rerankers: Sequence[str] = (NO_RERANKER,)
) -> tuple[list[Configuration], list[Skipped]]:
    """Return every configuration once, those of one index together, and what cannot be.

    Lexical search knows no vectors: it is measured once for each model and recipe (the model's
    tokenizer decides where chunks end), on the first index that has them.
    """
    found: dict[Configuration, None] = {}
    skipped: dict[Skipped, None] = {}
    measured: set[tuple[str, Recipe]] = set()
    for name, embedder in models.items():
        for index in _indexes(grid, name, embedder, skipped):
            for mode in grid.modes:
                if mode == "lexical":
                    if (name, index.recipe) in measured:
                        continue
                    measured.add((name, index.recipe))
                found.update((Configuration(index, mode, reranker), None) for reranker in rerankers)
    return list(found), list(skipped)


def _indexes(
    grid: Grid, name: str, embedder: Embedder, skipped: dict[Skipped, None]
) -> Iterable[Index]:
    recipes: dict[Recipe | None, None] = {}
    for tokens, overlap, chunking, context in itertools.product(
        grid.max_tokens, grid.overlaps, grid.chunkings, grid.contexts
    ):
        budget = embedder.max_tokens if tokens is None else tokens
        make = partial(_recipe, embedder, budget, overlap, context, chunking, grid.language)
        recipes[_possible(make, f"{name} t{budget} o{overlap} {chunking}", skipped)] = None
    derived: dict[tuple[int, Precision] | None, None] = {}
    for dimensions, precision in itertools.product(grid.dimensions, grid.precisions):
        kept = embedder.space.dimensions if dimensions is None else dimensions
        make_derived = partial(_derived, embedder, kept, precision)
        derived[_possible(make_derived, f"{name} d{kept} {precision}", skipped)] = None
    for recipe, vectors in itertools.product(recipes, derived):
        if recipe is not None and vectors is not None:
            yield Index(name, *vectors, recipe)


def _possible(make: Callable[[], Made], name: str, skipped: dict[Skipped, None]) -> Made | None:
    try:
        return make()
    except InputError as error:
        skipped[Skipped(name, str(error))] = None
        return None


def _recipe(
    embedder: Embedder,
    budget: int,
    overlap: int,
    context: bool,
    chunking: Chunking,
    language: str,
) -> Recipe:
    if budget > embedder.max_tokens:
        raise InputError(
            f"max_tokens is {budget}, but the window of {embedder.space.model} is "
            f"{embedder.max_tokens} tokens"
        )
    return Recipe(budget, overlap, context, chunking, language=language)


def _derived(embedder: Embedder, dimensions: int, precision: Precision) -> tuple[int, Precision]:
    space = DerivedEmbedder(embedder, dimensions, precision).space
    return space.dimensions, space.precision
