"""Every door is shut to every other space of the same dimension, before anything is embedded."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import samespace
from samespace import Collection, search_together
from samespace.errors import InputError, SpaceMismatch
from samespace.migrate import Migration
from samespace.models import HashEmbedder
from samespace.models.cache import CachedEmbedder, VectorCache
from samespace.space import Space, Vectors

from .migrate.test_migration import document

OWN = HashEmbedder().space
DIFFERENCES: dict[str, dict[str, Any]] = {
    "another model": {"model": "other"},
    "another revision": {"revision": "2"},
    "a fine-tuned child": {"weights": "ab" * 32},
    "another tokenizer": {"tokenizer": "cd" * 32},
    "another pooling": {"pooling": "cls"},
    "not normalized": {"normalized": False},
    "cut from more dimensions": {"native_dimensions": 512},
    "another metric": {"metric": "dot"},
    "another prompt": {"prompts": (("query", "query: "),)},
    "quantized": {"precision": "int8"},
    "another arithmetic": {"arithmetic": "int8"},
    "images too": {"modality": "text+image"},
}


class Alien(HashEmbedder):
    """A model of another space, that nobody may ask for documents or questions."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.alien = space

    @property
    def space(self) -> Space:
        return self.alien

    def embed(self, texts: Sequence[str], role: Any, *, on_long: Any = "error") -> Vectors:
        raise AssertionError("something was embedded")


def some(space: Space, role: Any, count: int = 1) -> Vectors:
    return Vectors(HashEmbedder().embed(["violet"] * count, role).array, space, role)


Door = Callable[[Collection, Space, Path], object]
DOORS: dict[str, Door] = {
    "opening": lambda kb, space, folder: Collection.open(kb.path, Alien(space)),
    "samespace.open": lambda kb, space, folder: samespace.open(kb.path, Alien(space)),
    "a query's vector": lambda kb, space, folder: kb.search("x", vector=some(space, "query")),
    "a named array": lambda kb, space, folder: kb.vectors(
        some(space, "query").array, "query", space=space.id
    ),
    "documents' vectors": lambda kb, space, folder: kb.add_vectors(
        ["violet"], some(space, "document")
    ),
    "the store's writer": lambda kb, space, folder: write(kb, space),
    "the store's reader": lambda kb, space, folder: read(kb, space),
    "two collections": lambda kb, space, folder: together(kb, space, folder),
}


def write(kb: Collection, space: Space) -> None:
    with kb.store.write() as writer:
        writer.add_vectors([b"h" * 16], some(space, "document"))


def read(kb: Collection, space: Space) -> None:
    with kb.store.read() as reader:
        reader.dense(some(space, "query"), 3)


def together(kb: Collection, space: Space, folder: Path) -> None:
    with (
        Collection.create(folder / "other", HashEmbedder()) as other,
        other.store.write() as writer,
        writer.transaction("a side") as connection,
    ):
        connection.execute("UPDATE spaces SET id = ?, json = ?", (space.id, space.canonical()))
    with (
        Collection.open(folder / "other") as other,
        Collection.open(kb.path, HashEmbedder()) as mine,
    ):
        search_together([mine, other], "violet")


@pytest.fixture
def kb(tmp_path: Path) -> Collection:
    collection = Collection.create(tmp_path / "kb", HashEmbedder())
    collection.add([document(i) for i in range(3)])
    return collection


@pytest.mark.parametrize(
    ("door", "difference"),
    [
        (door, difference)
        for door in DOORS
        for difference in DIFFERENCES
        # Whether another arithmetic makes other vectors is measured, by canaries alone.
        if (difference, "open" in door) != ("another arithmetic", True)
    ],
)
def test_the_door_is_shut(kb: Collection, tmp_path: Path, door: str, difference: str) -> None:
    space = dataclasses.replace(OWN, **DIFFERENCES[difference])
    before = kb.info()
    with pytest.raises(SpaceMismatch) as caught:
        DOORS[door](kb, space, tmp_path)
    assert kb.info() == before
    named = set(caught.value.fields)
    assert named in ({"id"}, set(DIFFERENCES[difference])), named


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_the_cache_knows_nothing_of_another_space(tmp_path: Path, difference: str) -> None:
    cache = VectorCache(tmp_path / "cache")
    CachedEmbedder(HashEmbedder(), cache).embed(["violet"], "document")
    assert CachedEmbedder(HashEmbedder(), cache).embed_known(["violet"], "document")[1] == [True]
    alien = Alien(dataclasses.replace(OWN, **DIFFERENCES[difference]))
    with pytest.raises(AssertionError, match="something was embedded"):
        CachedEmbedder(alien, cache).embed(["violet"], "document")


def test_a_migration_under_way_takes_no_other_model(kb: Collection) -> None:
    Migration.begin(kb, HashEmbedder(seed=1))
    for place in range(2, 4):
        with pytest.raises(InputError, match="another migration"):
            Migration.begin(kb, HashEmbedder(seed=place))


def test_a_bare_array_goes_through_no_door(kb: Collection) -> None:
    array = np.ones((1, 256), np.float32) / 16
    for attempt in (
        lambda: kb.search("x", vector=array),  # type: ignore[arg-type]
        lambda: kb.add_vectors(["x"], array),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError, match="its Space named"):
            attempt()
