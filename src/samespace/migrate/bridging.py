"""A bridge in a collection: fitted on its own text, kept with it, and used only when asked for."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samespace.collection import Collection
from samespace.embedders import loaded
from samespace.errors import BudgetExceeded, InputError, SamespaceError
from samespace.evaluate.corpus import whole_documents
from samespace.evaluate.qrels import Qrels
from samespace.evaluate.queries import Query
from samespace.migrate.bridge import (
    REQUIRED_SHARE,
    Baselines,
    Bridge,
    BridgedEmbedder,
    fit_bridge,
    three_baselines,
)
from samespace.migrate.recipe import target_recipe
from samespace.models.agreement import for_canaries
from samespace.models.base import Embedder
from samespace.models.cache import Cache
from samespace.models.loading import lasting_name
from samespace.run import Run
from samespace.search import Mode
from samespace.space import Vectors, record_canaries
from samespace.store.schema import read_state
from samespace.store.sides import spread

TEXTS = 5_000
"""Chunks that a bridge is fitted on and chosen by, where the collection holds as many."""


def build_bridge(
    collection: Collection,
    to: str | os.PathLike[str] | Embedder,
    *,
    texts: int = TEXTS,
    require: float = REQUIRED_SHARE,
    seed: int = 0,
    cache: Cache = True,
    budget: Any = None,
    wait: float = 0.0,
) -> Bridge:
    """Fit a bridge from a new model into the collection's space, and keep it in the collection.

    The old model is not called: chunks from all over the collection are embedded by the new
    model and compared with the vectors that they have. A collection keeps one bridge.

    Args:
        collection: the collection whose model is gone.
        to: the new model: its name or folder, or an `Embedder`.
        texts: how many chunks are embedded.
        require: the least share of what full re-embedding finds.
        seed: decides which of them are held out.
        cache, budget: as for `Collection.open`, for a model given by name.
        wait: seconds to wait for another writer.

    Raises:
        SpaceError: no map finds enough; nothing is kept.
        InputError: there are too few chunks.
    """
    embedder = loaded(to, cache, budget)
    with collection.store.read() as reader:
        side = reader.snapshot.state.side
        chunks = collection.store.ask(lambda connection: spread(connection, side, texts))
        inputs = {chunk.hash: chunk.input for chunk in chunks}
        hashes, old = reader.stored(list(inputs))
        sampled = [inputs[hash] for hash in hashes]
    new: Vectors = embedder.embed(sampled, "document", on_long="truncate")
    bridge = fit_bridge(
        new,
        old,
        texts=sampled,
        ask=lambda pieces: embedder.embed(pieces, "query", on_long="truncate"),
        canaries=record_canaries(for_canaries(embedder)),
        seed=seed,
        require=require,
    )
    with (
        collection.store.write(wait) as writer,
        writer.transaction("keeping the bridge") as connection,
    ):
        state = read_state(connection, side)
        connection.execute(
            "INSERT OR REPLACE INTO bridges (space, model, data) VALUES (?, ?, ?)",
            (state.space, lasting_name(to), bridge.to_bytes()),
        )
    return bridge


def use_bridge(
    collection: Collection,
    model: str | os.PathLike[str] | Embedder | None = None,
    *,
    cache: Cache = True,
    budget: Any = None,
) -> Bridge:
    """Answer queries of this open collection by the new model, through the bridge that it keeps.

    Documents cannot be added meanwhile. Nothing on disk changes.

    Args:
        collection: the collection.
        model: the new model, where it was given as an object when the bridge was built, or lies
            elsewhere now.
        cache, budget: as for `Collection.open`.

    Raises:
        InputError: it keeps no bridge into its present space.
        SpaceMismatch: the model is not the one that the bridge was fitted for.
        ModelDrift: it answers its canaries otherwise than when the bridge was fitted.
    """
    kept = collection.store.ask(_kept)
    if kept is None:
        raise InputError(
            f"{collection.path} keeps no bridge into its present space; fit one: samespace bridge "
            f"{collection.path} --to MODEL"
        )
    name, data = kept
    if model is None and not name:
        raise InputError(
            "the bridge was fitted for an embedder object; pass it again: use_bridge(kb, model)"
        )
    bridge = Bridge.from_bytes(data)
    embedder = loaded(name if model is None else model, cache, budget)
    bridged = BridgedEmbedder(embedder, bridge)
    bridged.check()
    collection.embedders.trust(bridged, collection.store.header)
    return bridge


def measure_bridge(
    collection: Collection,
    bridge: Bridge,
    embedder: Embedder,
    queries: Sequence[Query] | Mapping[str, str],
    qrels: Qrels,
    *,
    mode: Mode = "dense",
    scratch: str | os.PathLike[str] | None = None,
) -> Baselines:
    """Score a bridge beside the old model, where it can be called, and full re-embedding.

    All documents are embedded by the new model, into a collection that is thrown away; through
    the cache of vectors a migration to that model finds them again.

    Args:
        collection: the collection; `use_bridge` is not called on it.
        bridge: the bridge.
        embedder: the new model.
        queries, qrels: the test set; no query may be among the texts that were fitted on.
        mode: how is searched.
        scratch: where the collection that is thrown away is put.

    Raises:
        InputError: a query is among the texts that the bridge was fitted on.
    """

    def asked(of: Collection) -> Any:
        return lambda texts: of.run(texts, 10, mode=mode, on_long="truncate")

    texts = queries if isinstance(queries, Mapping) else {q.id: q.text for q in queries}
    bridge.require_unseen(texts.values())
    old: Run | None = None
    try:
        old = asked(collection)(texts)
    except BudgetExceeded:
        raise
    except SamespaceError:
        old = None  # gone: that is what a bridge is for
    recipe = target_recipe(collection.recipe, embedder.max_tokens, {})
    with (
        Collection.open(collection.path) as through,
        tempfile.TemporaryDirectory(dir=scratch) as folder,
        Collection.create(
            Path(folder) / "kb",
            embedder,
            max_tokens=recipe.max_tokens,
            overlap=recipe.overlap,
            context=recipe.context,
            chunking=recipe.chunking,
            on_long=recipe.on_long,
            language=recipe.language,
        ) as full,
    ):
        through.embedders.trust(BridgedEmbedder(embedder, bridge), through.store.header)
        full.add(whole_documents(collection))
        return three_baselines(
            queries, qrels, bridge, adapter=asked(through), full=asked(full), old=old
        )


def _kept(connection: sqlite3.Connection) -> tuple[str, bytes] | None:
    row: tuple[str, bytes] | None = connection.execute(
        "SELECT model, data FROM bridges WHERE space = ?", (read_state(connection).space,)
    ).fetchone()
    return row
