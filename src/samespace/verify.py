"""Is a collection what it says it is? Every row, byte and canary is looked at.

Bytes on a disk change, files are copied half, and a hosted model becomes another one. None of it
raises an error by itself; the answers only get worse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samespace.errors import CollectionDamaged, InvalidVectors, SamespaceError
from samespace.ingest.fill import Filler
from samespace.ingest.prepare import input_hash
from samespace.models.agreement import for_canaries, least_cosine, that_fit
from samespace.space import (
    CANARY_COSINE,
    Canary,
    Space,
    Vectors,
    canary_cosines,
    likeness,
    require_unmoved,
)
from samespace.store.check import Problem
from samespace.store.sides import sides, spread

if TYPE_CHECKING:
    from samespace.collection import Collection
    from samespace.models.base import Embedder

SAMPLED = 8
"""Stored inputs that are embedded anew and compared."""

ROUNDED_COSINE = 0.99
"""The least cosine of those where vectors or arithmetic are rounded, which is not continuous."""


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
            anew, and stay among the problems. So do vectors whose model cannot be had.
        wait: seconds to wait for another writer, for repairs.

    Raises:
        CollectionLocked: another process is writing, and `repair` is asked for.
    """
    found = _problems(collection)
    repaired: tuple[Problem, ...] = ()
    if repair and found:
        gone = _mend(collection, found, wait)
        left = _problems(collection)
        still = {(problem.part, problem.says, problem.side) for problem in left}
        repaired = tuple(
            one
            for one in found
            if one.part != "document" and (one.part, one.says, one.side) not in still
        )
        found = left + gone
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


def _mend(collection: Collection, found: Sequence[Problem], wait: float) -> list[Problem]:
    """Mend what can be; without their model no vectors are dropped, and that is returned."""
    store = collection.store
    able: list[int] = []
    gone: list[Problem] = []
    for side in sorted({problem.side for problem in found if problem.part == "vectors"}):
        why_not = _why_not(collection, side)
        if why_not:
            says = f"{store.path}: the vectors of side {side} cannot be made anew: {why_not}"
            gone.append(Problem("model", says, side))
        else:
            able.append(side)
    store.mend([one for one in found if one.part != "vectors" or one.side in able], wait)
    for side in able:
        Filler(collection, side, wait=wait).run()
    return gone


def _why_not(collection: Collection, side: int) -> str:
    """Return why the model of a side cannot be used, or ""."""
    try:
        embedder = collection.embedders.checked(collection.store.side_header(side))
    except SamespaceError as error:
        return str(error)
    if getattr(embedder, "relative", "") or getattr(embedder, "bridged", False):
        return "another model stands in for theirs, and embeds no documents"
    return ""


def _problems(collection: Collection) -> list[Problem]:
    store = collection.store
    problems = store.check()
    for side in store.ask(sides):
        if side.state != "retired":
            problems += _of_side(collection, side.number, side.space)
    return list({(one.part, one.says): one for one in problems}.values())


def _of_side(collection: Collection, side: int, named: str) -> Iterator[Problem]:
    """Yield what only this floor can see: ids of Spaces and of inputs are made above the store."""
    store = collection.store
    header = store.side_header(side)
    if header.space.id != named.partition(".")[0]:
        says = f"{store.path}: the Space is named {named}, but its fields make {header.space.id}"
        yield Problem("database", says, side)
    if not header.canaries:
        says = (
            f"{store.path}: there are no canaries, by which a changed model would be found out. "
            "Embed everything anew: samespace migrate KB --to the model that it has"
        )
        yield Problem("database", says, side)
    for canary in header.canaries:
        damage = _damage(canary, header.space)
        if damage:
            says = f"{store.path}: the canary {canary.text[:40]!r} is damaged: {damage}"
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


def _damage(canary: Canary, space: Space) -> str:
    """Return why what was recorded cannot be a vector of the space, or ""."""
    try:
        Vectors(canary.vector[None], space, canary.role)
    except InvalidVectors as error:
        return str(error)
    return ""


def _canaries(collection: Collection) -> tuple[float | None, list[Problem]]:
    """Return the least cosine of all canaries of the active side, and what is wrong with them."""
    header = collection.store.header
    least = None
    try:
        embedder = collection.embedder
        asked = that_fit(embedder, header.canaries)
        cosines = canary_cosines(for_canaries(embedder), asked)
        least = min(cosines, default=None)
        require_unmoved(asked, cosines, least_cosine(embedder))
        return least, _sampled(collection, embedder)
    except SamespaceError as error:
        return least, [Problem("model", str(error))]


def _sampled(collection: Collection, embedder: Embedder) -> list[Problem]:
    """Embed a few stored inputs and compare: vectors of before may be among those of now."""
    if getattr(embedder, "relative", "") or getattr(embedder, "bridged", False):
        return []  # these embed no documents
    with collection.store.read() as reader:
        side, space = reader.snapshot.state.side, reader.header.space
        chunks = collection.store.ask(lambda connection: spread(connection, side, SAMPLED))
        inputs = {chunk.hash: chunk.input for chunk in chunks}
        hashes, stored = reader.stored(list(inputs))
        cut = reader.header.recipe["on_long"] == "truncate"
    if not hashes:
        return []
    past_the_cache = getattr(embedder, "inner", embedder)
    now = past_the_cache.embed(
        [inputs[hash] for hash in hashes], "document", on_long="truncate" if cut else "error"
    )
    exact = space.precision == "float32" and space.arithmetic in ("float32", "float16")
    least = min(least_cosine(embedder), CANARY_COSINE if exact else ROUNDED_COSINE)
    alike = likeness(now.array, stored.array).diagonal()
    other = int((~(alike >= least)).sum())
    if not other:
        return []
    return [
        Problem(
            "model",
            f"{collection.path}: {other} of {len(hashes)} stored vectors that were looked at are "
            f"not what the model makes of their input: least cosine {alike.min():.4f}, expected at "
            f"least {least}. They were made before the model changed, or by another. Make the "
            "collection anew from its documents",
            side,
        )
    ]


def _plain(problem: Problem) -> dict[str, Any]:
    return {
        "part": problem.part,
        "says": problem.says,
        "side": problem.side,
        "documents": list(problem.documents),
        "vectors": len(problem.rows),
    }
