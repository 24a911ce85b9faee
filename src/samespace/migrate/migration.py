"""The Migration: the one way from one Space to another, as a state machine in the collection.

::

    planned ─▶ backfilling ─▶ verifying ─▶ ready ─▶ switched ─▶ retiring ─▶ retired
        └───────────┴─────────────┴─────────┤ ▲        │
                                            │ └rollback┘
                                            └─▶ cancelling ─▶ cancelled

Every change of state is one commit. Killed at any moment, the next `Migration(collection)` goes
on from the state that the collection holds. The old side answers every search until the switch,
and the new one every search after it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from samespace.collection import Collection
from samespace.errors import InputError, ModelDrift
from samespace.evaluate.metrics import DEFAULT_METRICS
from samespace.evaluate.qrels import Qrels
from samespace.evaluate.queries import Query
from samespace.ingest.fill import Filled, Filler, Progress, require_full
from samespace.migrate.plan import Target, aim, nothing_to_migrate
from samespace.migrate.verify import Verification, require_test, verify_sides
from samespace.models.agreement import for_canaries
from samespace.models.base import Embedder
from samespace.models.cache import Cache
from samespace.search import Mode
from samespace.space import CANARY_COSINE, least_alike, record_canaries
from samespace.store.base import Header
from samespace.store.headers import add_side
from samespace.store.schema import read_state
from samespace.store.segments import bytes_below
from samespace.store.sides import (
    Lacking,
    Move,
    begin_move,
    give_up,
    is_moving,
    lacking,
    last_move,
    note,
    set_move,
    set_side,
)

_READER_SECONDS = 60.0
"""How long the erasing of a side waits for readers that still look at it."""

ENOUGH = 256
"""So much may still be lacking when a side counts as filled: the switch brings in the rest."""

FEW = 16
"""So much a switch leaves for the time in which nobody else can write."""

_BEFORE_SWITCH = ("planned", "backfilling", "verifying", "ready")


class Migration:
    """The migration that a collection is in, or was in last.

    Args:
        collection: the collection.
        wait: seconds for which a step waits for another writer.

    >>> import samespace, tempfile
    >>> from samespace.models import HashEmbedder
    >>> from samespace.migrate import Migration
    >>> kb = samespace.Collection.create(tempfile.mkdtemp() + "/kb", model=HashEmbedder())
    >>> _ = kb.add(samespace.Document(id="1", text="Cats purr."))
    >>> migration = Migration.begin(kb, HashEmbedder(dimensions=64))
    >>> _ = migration.backfill()
    >>> migration.verify().holds
    True
    >>> migration.switch()
    >>> migration.state, kb.space.dimensions, kb.search("cats", mode="dense")[0].chunk.text
    ('switched', 64, 'Cats purr.')

    Raises:
        InputError: there was none yet.
    """

    def __init__(self, collection: Collection, wait: float = math.inf) -> None:
        self.collection = collection
        self._wait = wait
        self._rate = math.inf
        if collection.store.ask(last_move) is None:
            raise InputError(
                f"{collection.path} is in no migration; begin one: samespace migrate "
                f"{collection.path} --to MODEL"
            )

    @classmethod
    def begin(
        cls,
        collection: Collection,
        to: str | os.PathLike[str] | Embedder | None = None,
        *,
        why: str = "",
        cache: Cache = True,
        budget: Any = None,
        wait: float = 0.0,
        **changes: Any,
    ) -> Migration:
        """Plan a migration, or take up the one that leads to the same place.

        The model that the collection has may be given again where it drifted: everything is
        embedded anew then, under the same Space.

        Args:
            collection: the collection.
            to: the new model: its name, folder, or an `Embedder`; None keeps the model.
            why: what is noted in the history.
            cache, budget: as for `Collection.open`, for a model given by name.
            wait: seconds to wait for another writer.
            changes: settings of the recipe that shall differ, see `plan`.

        Raises:
            InputError: nothing would change, or a migration that leads elsewhere has not ended.
        """
        store = collection.store
        target = aim(collection, to, cache, budget, **changes)
        begun = False
        if not store.ask(is_moving):
            old, source = store.header, store.ask(read_state)
            header = Header(
                space=target.embedder.space,
                canaries=record_canaries(for_canaries(target.embedder)),
                model=target.model,
                recipe=target.recipe.to_dict(),
                language=target.recipe.language,
            )
            # A model that drifted makes other vectors under the same Space.
            shares_space = (
                header.space == old.space
                and least_alike(header.canaries, old.canaries) >= CANARY_COSINE
            )
            if target.same and shares_space:
                raise nothing_to_migrate(collection)
            with store.write(wait) as writer:
                if not store.ask(is_moving) and store.ask(read_state).side == source.side:
                    with writer.transaction("planning the migration") as connection:
                        side = add_side(
                            connection,
                            header,
                            "building",
                            source.cut if target.shares_cut else None,
                            source.space if shares_space else None,
                        )
                        begin_move(connection, source.side, side, {"why": why})
                        note(connection, "planned", side, {"why": why})
                    begun = True
        migration = cls(collection)
        migration._require_to(target)
        header = store.side_header(migration.move.target)
        if begun:  # its canaries were recorded a moment ago
            collection.embedders.trust(target.embedder, header)
            return migration
        try:
            collection.embedders.give(target.embedder, header, "migrating")
            collection.embedders.checked(header)
        except ModelDrift as error:
            way = "--retire" if migration.state == "switched" else "--cancel"
            raise ModelDrift(
                f"{collection.path}: since the migration under way began, {error}\nEnd it with "
                f"{way} first"
            ) from error
        return migration

    @property
    def state(self) -> str:
        """Where the migration stands, as the collection says now."""
        return self._move.state

    @property
    def move(self) -> Move:
        """The migration as the store keeps it."""
        return self._move

    @property
    def lacking(self) -> Lacking:
        """What the new side still lacks.

        Raises:
            InputError: the migration is switched or over.
        """
        target = self._require("see what is lacking", *_BEFORE_SWITCH).target
        return self.collection.store.ask(lambda connection: lacking(connection, target))

    def backfill(
        self,
        *,
        tokens_per_minute: float = math.inf,
        progress: Progress = lambda filled: None,
    ) -> Filled:
        """Fill the new side beside the live one, from stored text.

        Searches and writes go on meanwhile. What is added, changed or deleted while it runs, and
        after, is brought in until the switch.

        Args:
            tokens_per_minute: at most so many tokens are given to the model.
            progress: called after every commit.

        Raises:
            InputError: the migration was switched or has ended; documents cannot be cut for the
                new model.
            ModelDrift, BudgetExceeded, ModelError: the new model; what was committed stays.
        """
        move = self._require("fill the new side", *_BEFORE_SWITCH)
        if move.state == "planned":
            self._set(move, "backfilling")
        self._rate = tokens_per_minute
        filler = Filler(self.collection, move.target, tokens_per_minute, progress, self._wait)
        filled = filler.run(enough=ENOUGH)
        require_full(filled, self.collection.path)
        now = self._move
        if (now.number, now.state) == (move.number, "backfilling"):
            self._set(now, "verifying")
        return filled

    def verify(
        self,
        *,
        queries: Sequence[Query] | Mapping[str, str] | None = None,
        qrels: Qrels | None = None,
        metrics: Sequence[str] = DEFAULT_METRICS,
        mode: Mode = "hybrid",
        require: str | None = None,
    ) -> Verification:
        """Check the new side and evaluate both; allow the switch if all holds.

        Args:
            queries, qrels: the test set; without it the overlap of the results is looked at.
            metrics, mode: what is measured, and how is searched.
            require: what must hold before the switch, such as "ndcg@10 >= old - 0.01".

        Raises:
            InputError: the new side is not filled yet, or the condition cannot be evaluated.
        """
        move = self._require("verify the new side", "verifying", "ready")
        self.require_test(queries=queries, qrels=qrels, metrics=metrics, mode=mode, require=require)
        filler = Filler(self.collection, move.target, self._rate, wait=self._wait)
        require_full(filler.run(enough=ENOUGH), self.collection.path)
        found = verify_sides(
            self.collection,
            move.source,
            move.target,
            queries=queries,
            qrels=qrels,
            metrics=metrics,
            mode=mode,
            require=require,
        )
        # Kept for good, so without the questions and documents that it is about.
        kept = {name: value for name, value in found.to_dict().items() if name != "disagreements"}
        if found.problems:
            kept["problems"] = [f"{len(found.problems)} problems, which samespace verify tells"]
        if found.holds:
            self._set(move, "ready", {"verification": kept})
        else:
            self._set(move, "verifying", {"verification": kept}, event="refused")
        return found

    def require_test(
        self,
        *,
        queries: Sequence[Query] | Mapping[str, str] | None = None,
        qrels: Qrels | None = None,
        metrics: Sequence[str] = DEFAULT_METRICS,
        mode: Mode = "hybrid",
        require: str | None = None,
    ) -> None:
        """Raise if `verify` could not use a test set: told before hours of filling.

        Raises:
            InputError: the condition cannot be read or measured; nothing is judged; no judged
                document is there.
            TooLong: a question does not fit the new model's window.
        """
        move = self._require("verify the new side", *_BEFORE_SWITCH)
        embedder = self.collection.embedders.of(self.collection.store.side_header(move.target))
        require_test(self.collection, move.source, embedder, queries, qrels, metrics, mode, require)

    def switch(self) -> None:
        """Make the new side the one that is searched, in one commit.

        Writers wait until it is done; readers go over with their next search.

        Raises:
            InputError: it was not verified, or what had to hold did not.
        """
        move = self._require("switch", "ready")
        self._turn(move, move.source, move.target, "switched", "switched")

    def rollback(self) -> None:
        """Make the old side the one that is searched again, in one commit.

        What was written since the switch is brought into the old side first, by the old model.
        The new side is kept, and can be switched to again.

        Raises:
            InputError: the migration is not switched, or its old side was retired.
        """
        move = self._require("roll back", "switched")
        self._turn(move, move.target, move.source, "ready", "rolled back")

    def retire(self) -> int:
        """Give up the old side for good; return the bytes freed on disk."""
        move = self._require("retire the old side", "switched", "retiring")
        return self._give_up(move, move.source, "retiring", "retired")

    def cancel(self) -> int:
        """Give up the new side; return the bytes freed on disk."""
        move = self._require("cancel", *_BEFORE_SWITCH, "cancelling")
        return self._give_up(move, move.target, "cancelling", "cancelled")

    @property
    def _move(self) -> Move:
        move = self.collection.store.ask(last_move)
        assert move is not None  # there was one when this object was made, and none is forgotten
        return move

    def _require(self, doing: str, *states: str) -> Move:
        move = self._move
        if move.state not in states:
            hint = _HINTS.get(move.state, "")
            raise InputError(
                f"cannot {doing}: the migration of {self.collection.path} is {move.state}, "
                f"expected {' or '.join(states)}{hint and '. ' + hint}"
            )
        return move

    def _require_still(self, move: Move) -> None:
        """Under the write lock: raise InputError if another process has gone on since."""
        now = self._move
        if (now.number, now.state) != (move.number, move.state):
            raise InputError(
                f"{self.collection.path}: another process went on with the migration meanwhile; "
                f"it was {move.state} and is {now.state}. Look at it and try again"
            )

    def _require_to(self, target: Target) -> None:
        """Raise InputError if this is not the migration to a target, before its switch."""
        path, move = self.collection.path, self._move
        there = self.collection.store.side_header(move.target)
        same = there.space == target.embedder.space and (
            dict(there.recipe) == target.recipe.to_dict()
        )
        if move.state not in (*_BEFORE_SWITCH, "switched") or not same:
            hint = {
                "switched": "End it with --retire; or go back with --rollback and --cancel",
                "retiring": _HINTS["retiring"],
                "cancelling": _HINTS["cancelling"],
            }.get(move.state, "End it, or give it up with --cancel")
            raise InputError(
                f"{path} is in another migration, to {there.space.model} ({there.space.id}), and "
                f"is {move.state}. {hint}: samespace migrate {path}"
            )

    def _set(
        self,
        move: Move,
        state: str,
        facts: Mapping[str, Any] | None = None,
        event: str = "",
    ) -> None:
        with self.collection.store.write(self._wait) as writer:
            self._require_still(move)
            with writer.transaction(f"noting that the migration is {state}") as connection:
                set_move(connection, move.number, state, facts)
                if event or state != move.state:
                    note(connection, event or state, move.target, facts)

    def _turn(self, move: Move, source: int, target: int, state: str, event: str) -> None:
        """Fill the target up and make it active instead of the source."""
        store, path = self.collection.store, self.collection.path
        # Others wait while the lock is held, so that little is left for then.
        filler = Filler(self.collection, target, self._rate, wait=self._wait)
        require_full(filler.run(enough=FEW), path)
        with store.write(self._wait, target) as writer:
            self._require_still(move)
            # Nobody else writes now: what is lacking is the last.
            filled = Filler(self.collection, target).run(writer)
            require_full(filled, path)
            if filled.lacking:
                raise InputError(f"{path}: the side still lacks {filled.lacking}; try again")
            with writer.transaction(event) as connection:
                set_side(connection, source, "kept")
                set_side(connection, target, "active")
                set_move(connection, move.number, state)
                # A verification allowed the switch, not the way back.
                note(connection, event, target, _noted(move) if state == "switched" else {})

    def _give_up(self, move: Move, side: int, doing: str, done: str) -> int:
        """Retire a side and erase it; only then has the migration ended."""
        store = self.collection.store
        before = bytes_below(store.path)
        with store.write(self._wait) as writer:
            self._require_still(move)
            if move.state != doing:
                with writer.transaction("giving up a side") as connection:
                    give_up(connection, side)
                    set_move(connection, move.number, doing)
        store.compact(_READER_SECONDS)
        with store.write(self._wait) as writer:
            now = self._move
            if (now.number, now.state) == (move.number, doing):  # nobody else came first
                with writer.transaction(f"noting that the migration is {done}") as connection:
                    set_move(connection, move.number, done)
                    note(connection, done, side)
        return max(0, before - bytes_below(store.path))


_HINTS = {
    "planned": "Fill the new side first",
    "backfilling": "Fill the new side first",
    "verifying": "Verify it first, and see what did not hold",
    "switched": "It is switched: go back with --rollback, or free the old side with --retire",
    "retiring": "The old side was being retired; finish it with --retire",
    "cancelling": "It was being cancelled; finish it with --cancel",
}


def _noted(move: Move) -> dict[str, Any]:
    """Return what the history keeps of what allowed a switch."""
    return {name: move.facts[name] for name in ("why", "verification") if move.facts.get(name)}
