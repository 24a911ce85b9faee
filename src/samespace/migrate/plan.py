"""What a migration would take: counted, measured on a sample, or left open, never guessed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samespace.collection import Collection
from samespace.embedders import loaded
from samespace.errors import InputError, ModelDrift
from samespace.migrate.recipe import target_recipe
from samespace.models.agreement import check_model
from samespace.models.base import Embedder
from samespace.models.cache import Cache
from samespace.models.derived import is_derived
from samespace.models.loading import lasting_name
from samespace.space import Space
from samespace.store.schema import read_state
from samespace.store.sides import StoredInput, spread
from samespace.text.recipe import Recipe

SAMPLE = 1_000
"""Chunks that are counted by the new model; all of them where there are no more."""

SPEED_SECONDS = 2.0
"""How long a local model embeds chunks of the sample to see how fast it is."""

_AT_ONCE = 32
_ROW_BYTES = 100
"""About what the name of a vector takes in the database, its index included."""


@dataclass(frozen=True)
class Plan:
    """What a migration would do.

    Attributes:
        source, target: the Space as it is, and as it will be.
        fields: the fields of the Space that differ, as (old, new).
        settings: the settings of the recipe that differ, as (old, new).
        documents, chunks: what the collection holds.
        cut_anew: whether all documents are cut anew, by the new model's tokens.
        counted: how many chunks were counted by the new model; the figures below are scaled from
            them where that is not all.
        too_long: present chunks that do not fit the new model's window.
        tokens: of what will be embedded; 0 where vectors are computed from those stored.
        computed: whether the new vectors are computed from the stored ones, without the model, if
            that is what it was when it made them.
        dollars: for a hosted model by the catalog's list price; 0 for a local one; None where no
            price is known.
        tokens_per_second: measured on the sample; None for a hosted model, which is not asked.
        seconds: at that speed.
        bytes_now: of the collection.
        bytes_peak: at most while both sides are kept, and while the old one is erased.
    """

    source: Space
    target: Space
    fields: Mapping[str, tuple[object, object]]
    settings: Mapping[str, tuple[object, object]]
    documents: int
    chunks: int
    cut_anew: bool
    counted: int
    too_long: int
    tokens: int
    computed: bool
    dollars: float | None
    tokens_per_second: float | None
    seconds: float | None
    bytes_now: int
    bytes_peak: int

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON values."""
        named = ("source", "target", "fields", "settings")
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {
            "from": {"id": self.source.id, **self.source.to_dict()},
            "to": {"id": self.target.id, **self.target.to_dict()},
            "fields": {name: list(pair) for name, pair in self.fields.items()},
            "settings": {name: list(pair) for name, pair in self.settings.items()},
            **{name: value for name, value in plain.items() if name not in named},
        }


@dataclass(frozen=True)
class Target:
    """Where a migration leads.

    The model, how it is named, the recipe, whether the documents are cut for it already, whether
    Space and recipe are those that the collection has, and a sample of the chunks with their
    tokens as the model counts them.
    """

    embedder: Embedder
    model: str
    recipe: Recipe
    shares_cut: bool
    same: bool
    sample: Sequence[StoredInput]
    counts: Sequence[int]


def aim(
    collection: Collection,
    to: str | os.PathLike[str] | Embedder | None,
    cache: Cache = True,
    budget: Any = None,
    **changes: Any,
) -> Target:
    """Load the new model and settle how it cuts.

    Raises:
        InputError: a setting cannot be; another model stands in for the collection's own.
    """
    header = collection.store.header
    embedder = collection.embedder if to is None else loaded(to, cache, budget)
    if getattr(embedder, "relative", "") or getattr(embedder, "bridged", False):
        raise InputError(
            f"{collection.path} is opened with another model than its own, which only stands in "
            "for it; say which model it shall be embedded by: --to MODEL"
        )
    model = header.model if to is None else lasting_name(to)
    recipe = target_recipe(Recipe.from_dict(header.recipe), embedder.max_tokens, changes)
    sample = collection.store.ask(_sample)
    same_recipe = recipe == Recipe.from_dict(header.recipe)
    counts = embedder.count([chunk.input for chunk in sample], "document") if sample else []
    shares = (
        same_recipe
        and _counts_alike(embedder.space, header.space)
        and counts == [chunk.tokens for chunk in sample]
    )
    same = same_recipe and embedder.space == header.space
    return Target(embedder, model, recipe, shares, same, sample, counts)


def _counts_alike(a: Space, b: Space) -> bool:
    """Say whether two models count the tokens of every document alike, as far as Spaces tell."""
    if a.prompt("document") != b.prompt("document") or a.tokenizer != b.tokenizer:
        return False
    return bool(a.tokenizer) or a.model == b.model


def nothing_to_migrate(collection: Collection) -> InputError:
    """Return the error for a migration that leads where the collection is."""
    return InputError(
        f"{collection.path} is in this very space already ({collection.store.header.space.id}), "
        "its model answers as it did, and no setting differs; there is nothing to migrate"
    )


def plan(
    collection: Collection,
    to: str | os.PathLike[str] | Embedder | None = None,
    *,
    cache: Cache = True,
    **changes: Any,
) -> Plan:
    """Return what a migration would do, changing nothing and paying nobody.

    Where Space and settings are those that the collection has, it is the plan for a model that
    drifted: everything is embedded anew under the same Space. A local model is looked at, and
    refused if it did not; a hosted one is not asked.

    Args:
        collection: the collection.
        to: the new model: its name, folder, or an `Embedder`; None keeps the model.
        cache: as for `Collection.open`.
        changes: settings of the recipe that shall differ: max_tokens, overlap, context,
            chunking, on_long.

    Raises:
        InputError: nothing would change, or a setting cannot be.
    """
    target = aim(collection, to, cache, **changes)
    if target.same and target.embedder.space.weights:
        with contextlib.suppress(ModelDrift):
            check_model(target.embedder, collection.store.header.canaries)
            raise nothing_to_migrate(collection)
    return plan_of(collection, target)


def plan_of(collection: Collection, target: Target) -> Plan:
    """Return the plan for a target; see `plan`."""
    header, totals = collection.store.header, collection.store.totals()
    embedder, sample, counts = target.embedder, target.sample, target.counts
    space = embedder.space
    scale = totals.chunks / len(sample) if sample else 0.0
    computed = target.shares_cut and is_derived(space, header.space)
    tokens = 0 if computed else round(sum(counts) * scale)
    speed = None if computed or not space.weights else _speed(embedder, sample, counts)
    old = header.recipe
    new = target.recipe.to_dict()
    rows = totals.chunks * _ROW_BYTES
    if not target.shares_cut:
        rows += collection.store.ask(_bytes_of_chunks)
    added = totals.chunks * space.dimensions * 4 + rows
    database = os.path.getsize(collection.path / "samespace.sqlite3")
    return Plan(
        source=header.space,
        target=space,
        fields=header.space.diff(space),
        settings={name: (old[name], new[name]) for name in new if old[name] != new[name]},
        documents=totals.documents,
        chunks=totals.chunks,
        cut_anew=not target.shares_cut,
        counted=len(sample),
        too_long=round(sum(count > embedder.max_tokens for count in counts) * scale),
        tokens=tokens,
        computed=computed,
        dollars=0.0 if computed or space.weights else _dollars(embedder, tokens),
        tokens_per_second=speed,
        seconds=tokens / speed if speed else (None if tokens else 0.0),
        bytes_now=totals.bytes,
        # Retiring the old side rewrites the database beside itself.
        bytes_peak=totals.bytes + added + database + rows,
    )


def _sample(connection: sqlite3.Connection) -> list[StoredInput]:
    return spread(connection, read_state(connection).side, SAMPLE)


def _bytes_of_chunks(connection: sqlite3.Connection) -> int:
    """Return about what a second cut takes: its rows, and an index of as much as its text."""
    chunks = read_state(connection).chunks
    (characters,) = connection.execute(
        f"SELECT coalesce(sum(length(text) + length(context) + 200), 0) FROM {chunks}"
    ).fetchone()
    return 2 * int(characters)


def _speed(
    embedder: Embedder, sample: Sequence[StoredInput], counts: Sequence[int]
) -> float | None:
    """Return tokens a second, measured past the cache on chunks that fit the window."""
    model = getattr(embedder, "inner", embedder)
    fitting = [
        (chunk.input, count)
        for chunk, count in zip(sample, counts, strict=True)
        if count <= embedder.max_tokens
    ]
    if not fitting:
        return None
    model.embed([fitting[0][0]], "document")  # loading is no part of it
    done, started = 0, time.perf_counter()
    for first in range(0, len(fitting), _AT_ONCE):
        part = fitting[first : first + _AT_ONCE]
        model.embed([text for text, _ in part], "document")
        done += sum(count for _, count in part)
        if time.perf_counter() - started > SPEED_SECONDS:
            break
    return done / (time.perf_counter() - started)


def _dollars(embedder: Embedder, tokens: int) -> float | None:
    """Return what a hosted model takes for so many tokens, by the price that it goes by."""
    price: float | None = getattr(embedder, "price_per_million", None)
    return None if price is None else tokens * price / 1e6
