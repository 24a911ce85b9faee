"""An embedder for a space whose model is gone: another model, and a bridge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from samespace.errors import SpaceError
from samespace.migrate.bridge.bridge import Bridge
from samespace.models.agreement import check_model
from samespace.models.base import Embedder
from samespace.models.derived import DerivedEmbedder
from samespace.space import Vectors
from samespace.types import Role


class BridgedEmbedder(DerivedEmbedder):
    """Embeds queries with a new model and maps them into the old space; documents it refuses.

    Its vectors are near those of the old model, so the canaries of the collection cannot be
    compared with them: `bridged` says so, and `check` compares the new model with the canaries
    that were recorded when the bridge was fitted. Window and token counts are the new model's.

    Put a cache behind it, not before it: `BridgedEmbedder(CachedEmbedder(model, cache), bridge)`.

    Args:
        embedder: the new model.
        bridge: fitted for its space.

    Raises:
        SpaceMismatch: the bridge was fitted for another model.
    """

    bridged = True

    def __init__(self, embedder: Embedder, bridge: Bridge) -> None:
        bridge.require_source(embedder.space)
        self._embedder = embedder
        self._space = bridge.target
        self.bridge = bridge

    def embed(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        on_long: Literal["error", "truncate"] = "error",
    ) -> Vectors:
        """Return one mapped vector per query, in the order of the queries.

        Raises:
            SpaceError: the role is "document".
            TooLong: a text exceeds `max_tokens` and `on_long` is "error".
            InvalidVectors: a vector comes out as zero.
        """
        self._require_query(role)
        return super().embed(texts, role, on_long=on_long)

    def stream(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        on_long: Literal["error", "truncate"] = "error",
    ) -> Iterator[tuple[list[int], Vectors]]:
        """Yield positions and mapped vectors as the new model does; raises as `embed`."""
        self._require_query(role)
        return super().stream(texts, role, on_long=on_long)

    def check(self, *, quick: bool = True) -> None:
        """Compare the new model with the canaries that were recorded when the bridge was fitted.

        Args:
            quick: only the first of them.

        Raises:
            ModelDrift: it answers otherwise now, so the bridge no longer fits it.
        """
        check_model(self._embedder, self.bridge.canaries, quick=quick)

    def _require_query(self, role: Role) -> None:
        if role == "document":
            old, new = self.bridge.target.model, self.bridge.source.model
            raise SpaceError(
                f"a bridge carries queries only: a document that {new} embedded would stand among "
                f"those of {old} for ever, and only near its place. To add documents, migrate the "
                f"collection: samespace migrate KB --to {new}"
            )

    def _derived(self, vectors: Vectors) -> Vectors:
        return self.bridge.apply(vectors)
