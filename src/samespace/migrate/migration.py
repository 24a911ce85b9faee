"""The Migration: the one way from one Space to another, as a state machine in the collection.

::

    planned ─▶ backfilling ─▶ verifying ─▶ ready ─▶ switched ─▶ retired
        └───────────┴─────────────┴─────────┴─▶ cancelled   │
                                            ◀── rollback ───┘

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
from samespace.errors import InputError
from samespace.evaluate.metrics import DEFAULT_METRICS
from samespace.evaluate.qrels import Qrels
from samespace.evaluate.queries import Query
from samespace.ingest.fill import Filled, Filler, Progress, require_full
from samespace.migrate.plan import Target, aim
from samespace.migrate.verify import Verification, verify_sides
from samespace.models.agreement import for_canaries
from samespace.models.base import Embedder
from samespace.models.cache import Cache
from samespace.search import Mode
from samespace.space import record_canaries
from samespace.store.base import Header
from samespace.store.headers import add_side
from samespace.store.schema import read_state
from samespace.store.sides import (
    ENDED,
    Lacking,
    Move,
    Side,
    begin_move,
    give_up,
    lacking,
    last_move,
    note,
    set_move,
    set_side,
    sides,
)

_READER_SECONDS = 60.0
"""How long the erasing of a side waits for readers that still look at it."""

ENOUGH = 256
"""So much may still be lacking when a side counts as filled: the switch brings in the rest."""

_BEFORE_SWITCH = ("planned", "backfilling", "verifying", "ready")


class Migration:
    """The migration that a collection is in, or was in last.

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

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
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
        header = Header(
            space=target.embedder.space,
            canaries=record_canaries(for_canaries(target.embedder)),
            model=target.model,
            recipe=target.recipe.to_dict(),
            language=target.recipe.language,
        )
        with store.write(wait) as writer:
            move = store.ask(last_move)
            if move is not None and move.state not in ENDED:
                _require_same(collection, move, header)
            else:
                with writer.transaction("planning the migration") as connection:
                    source = read_state(connection)
                    cut = source.cut if target.shares_cut else None
                    side = add_side(connection, header, "building", cut)
                    begin_move(connection, source.side, side, {"why": why})
                    note(connection, "planned", side, {"why": why})
        migration = cls(collection)
        migration._give(target)
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
        """What the new side still lacks."""
        target = self._move.target
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
            self._set("backfilling")
        filler = Filler(self.collection, move.target, tokens_per_minute, progress)
        filled = filler.run(enough=ENOUGH)
        require_full(filled, self.collection.path)
        if self.state == "backfilling":
            self._set("verifying")
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
        filled = Filler(self.collection, move.target).run(enough=ENOUGH)
        require_full(filled, self.collection.path)
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
        self._set("ready" if found.holds else "verifying", {"verification": found.to_dict()})
        return found

    def switch(self) -> None:
        """Make the new side the one that is searched, in one commit.

        Writers wait until it is done; readers go over with their next search.

        Raises:
            InputError: it was not verified, or what had to hold did not.
        """
        move = self._require("switch", "ready")
        self._turn(move.source, move.target, "switched", "switched")

    def rollback(self) -> None:
        """Make the old side the one that is searched again, in one commit.

        What was written since the switch is brought into the old side first, by the old model.
        The new side is kept, and can be switched to again.

        Raises:
            InputError: the migration is not switched, or its old side was retired.
        """
        move = self._require("roll back", "switched")
        if self._side(move.source).state == "retired":
            raise InputError(
                f"{self.collection.path}: the old side was being retired; finish it with --retire"
            )
        self._turn(move.target, move.source, "ready", "rolled back")

    def retire(self) -> int:
        """Give up the old side for good; return the bytes freed on disk."""
        move = self._require("retire the old side", "switched")
        return self._give_up(move.source, "retired")

    def cancel(self) -> int:
        """Give up the new side; return the bytes freed on disk."""
        move = self._require("cancel", *_BEFORE_SWITCH)
        return self._give_up(move.target, "cancelled")

    @property
    def _move(self) -> Move:
        move = self.collection.store.ask(last_move)
        assert move is not None  # there was one when this object was made, and none is forgotten
        return move

    def _require(self, doing: str, *states: str) -> Move:
        move = self._move
        if (
            doing != "cancel"
            and self._side(move.target).state == "retired"
            and (move.state not in ENDED)
        ):
            raise InputError(
                f"{self.collection.path}: the migration was being cancelled; finish it with "
                "--cancel"
            )
        if move.state not in states:
            hint = _HINTS.get(move.state, "")
            raise InputError(
                f"cannot {doing}: the migration of {self.collection.path} is {move.state}, "
                f"expected {' or '.join(states)}{hint and '. ' + hint}"
            )
        return move

    def _set(self, state: str, facts: Mapping[str, Any] | None = None) -> None:
        move = self._move
        with (
            self.collection.store.write(math.inf) as writer,
            writer.transaction(f"noting that the migration is {state}") as connection,
        ):
            set_move(connection, move.number, state, facts)
            if state != move.state:
                note(connection, state, move.target)

    def _turn(self, source: int, target: int, state: str, event: str) -> None:
        """Fill the target up and make it active instead of the source."""
        store, move = self.collection.store, self._move
        require_full(Filler(self.collection, target).run(enough=ENOUGH), self.collection.path)
        with store.write(math.inf, target) as writer:
            # Nobody else writes now: what is lacking is the last.
            require_full(Filler(self.collection, target).run(writer), self.collection.path)
            with writer.transaction(event) as connection:
                lack = lacking(connection, target)
                if lack or self._move.state != move.state:
                    raise InputError(
                        f"{self.collection.path}: the migration changed meanwhile "
                        f"({self._move.state}, lacking {lack}); look at it and try again"
                    )
                set_side(connection, source, "kept")
                set_side(connection, target, "active")
                set_move(connection, move.number, state)
                note(connection, event, target, _noted(move))

    def _give_up(self, side: int, state: str) -> int:
        """Retire a side and erase it; only then has the migration ended."""
        store, move = self.collection.store, self._move
        before = store.totals().bytes
        with store.write(math.inf) as writer:
            if self._side(side).state != "retired":
                with writer.transaction("giving up a side") as connection:
                    give_up(connection, side)
        store.compact(_READER_SECONDS)
        with (
            store.write(math.inf) as writer,
            writer.transaction(f"noting that the migration is {state}") as connection,
        ):
            set_move(connection, move.number, state)
            note(connection, state, side)
        return max(0, before - store.totals().bytes)

    def _side(self, number: int) -> Side:
        return next(side for side in self.collection.store.ask(sides) if side.number == number)

    def _give(self, target: Target) -> None:
        """Use the very object that was given for the new Space, in this process."""
        with self.collection.store.read(self._move.target) as reader:
            header = reader.header
        self.collection.embedders.give(target.embedder, header, "migrating")


_HINTS = {
    "planned": "Fill the new side first",
    "backfilling": "Fill the new side first",
    "verifying": "Verify it first, and see what did not hold",
}


def _noted(move: Move) -> dict[str, Any]:
    """Return what the history keeps of what allowed a switch."""
    return {name: move.facts[name] for name in ("why", "verification") if move.facts.get(name)}


def _require_same(collection: Collection, move: Move, header: Header) -> None:
    with collection.store.read(move.target) as reader:
        there = reader.header
    same = there.space == header.space and dict(there.recipe) == dict(header.recipe)
    if move.state == "switched" or not same:
        raise InputError(
            f"{collection.path} is in another migration, to {there.space.model} "
            f"({there.space.id}, {move.state}). Finish it (samespace migrate {collection.path} "
            "--retire) or give it up (--cancel; --rollback first if it is switched)"
        )
