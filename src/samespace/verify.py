"""Is a collection what it says it is? Every row, byte and canary is looked at.

Bytes on a disk change, files are copied half, and a hosted model becomes another one. None of it
raises an error by itself; the answers only get worse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samespace.errors import CollectionDamaged, SamespaceError, SpaceError
from samespace.ingest.fill import Filler
from samespace.ingest.prepare import input_hash
from samespace.models.agreement import check_model, for_canaries
from samespace.space import canary_cosines
from samespace.store.check import Problem
from samespace.store.sides import sides

if TYPE_CHECKING:
    from samespace.collection import Collection


@dataclass(frozen=True)
class Verified:
    """What was found.

    Attributes:
        problems: what is wrong; empty if all is sound.
        repaired: what was wrong and is mended.
        canaries: the least cosine of the model's canaries to those recorded, None where the
            model was not asked.
        facts: what was looked at: documents, chunks, vectors, and chunks that the lexical index
            has not seen yet, which searches scan.
    """

    problems: tuple[Problem, ...]
    repaired: tuple[Problem, ...]
    canaries: float | None
    facts: dict[str, int]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain JSON values."""
        return {
            "sound": self.sound,
            "problems": [_plain(problem) for problem in self.problems],
            "repaired": [_plain(problem) for problem in self.repaired],
            "canaries": self.canaries,
            **self.facts,
        }


def verify(
    collection: Collection, *, model: bool = True, repair: bool = False, wait: float = 0.0
) -> Verified:
    """Look at everything that a collection holds, and at its model.

    Args:
        collection: the collection.
        model: whether the model is loaded and its canaries are embedded, all of them.
        repair: whether what can be mended is mended: indexes are rebuilt, unsound vectors are
            embedded anew from the stored text, orphans removed. Documents whose text is damaged
            cannot be mended from it: they are marked, so that the next `add` or `sync` takes them
            anew, and stay among the problems.
        wait: seconds to wait for another writer, for repairs.

    Raises:
        CollectionLocked: another process is writing, and `repair` is asked for.
    """
    found = _problems(collection)
    repaired: tuple[Problem, ...] = ()
    if repair and found:
        lacking = sorted({problem.side for problem in found if problem.part == "vectors"})
        for side in lacking:  # without their models nothing is dropped
            collection.embedders.checked(collection.store.side_header(side))
        collection.store.mend(found, wait)
        for side in lacking:
            Filler(collection, side).run()
        left = _problems(collection)
        still = {(problem.part, problem.says, problem.side) for problem in left}
        repaired = tuple(one for one in found if (one.part, one.says, one.side) not in still)
        found = left
    canaries = None
    if model:
        canaries, moved = _canaries(collection)
        found += moved
    totals = collection.store.totals()
    facts = {
        "documents": totals.documents,
        "chunks": totals.chunks,
        "vectors": totals.vectors,
        "lexical_pending": totals.lexical_pending,
    }
    return Verified(tuple(found), repaired, canaries, facts)


def _problems(collection: Collection) -> list[Problem]:
    store = collection.store
    problems = store.check()
    for side in store.ask(sides):
        if side.state != "retired":
            problems += _of_side(collection, side.number, side.space)
    return problems


def _of_side(collection: Collection, side: int, named: str) -> Iterator[Problem]:
    """Yield what only this floor can see: ids of Spaces and of inputs are made above the store."""
    store = collection.store
    header = store.side_header(side)
    if header.space.id != named:
        says = f"{store.path}: the Space is named {named}, but its fields make {header.space.id}"
        yield Problem("database", says, side)
    for canary in header.canaries:
        if canary.vector.shape != (header.space.dimensions,):
            says = f"{store.path}: a canary has shape {canary.vector.shape}"
            yield Problem("database", says, side)
    try:
        with store.read(side) as reader:
            changed = {id for id, text, hash in reader.inputs() if input_hash(text) != hash}
    except CollectionDamaged:
        return  # the store said so
    if changed:
        yield Problem(
            "document",
            f"{store.path}: the text of {len(changed)} documents is not what was embedded, the "
            f"first is {min(changed)!r}",
            side,
            tuple(sorted(changed)),
        )


def _canaries(collection: Collection) -> tuple[float | None, list[Problem]]:
    """Return the least cosine of all canaries of the active side, and what is wrong with them."""
    header = collection.store.header
    try:
        embedder = collection.embedder
        least = min(canary_cosines(for_canaries(embedder), header.canaries), default=1.0)
    except SamespaceError as error:
        return None, [Problem("model", str(error))]
    try:
        check_model(embedder, header.canaries, quick=False)
    except SpaceError as error:
        return least, [Problem("model", str(error))]
    return least, []


def _plain(problem: Problem) -> dict[str, Any]:
    return {
        "part": problem.part,
        "says": problem.says,
        "side": problem.side,
        "documents": list(problem.documents),
        "vectors": len(problem.rows),
    }
