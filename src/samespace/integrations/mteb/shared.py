"""What both adapters need: mteb itself, a description for its cache, and a count of what is cut."""

from __future__ import annotations

import importlib
import re
from typing import Any, Literal

from samespace.errors import MissingExtra
from samespace.models.base import Embedder
from samespace.types import Role

OnLong = Literal["error", "truncate"]


class Ledger:
    """Counts the texts given to a model and what was cut off them.

    Attributes:
        texts: how many were embedded.
        texts_cut: how many of them did not fit the window and were cut.
        tokens_dropped: how many tokens that cost.
    """

    def __init__(self) -> None:
        self.texts = self.texts_cut = self.tokens_dropped = 0

    def add(self, embedder: Embedder, texts: list[str], role: Role) -> None:
        """Count texts that are about to be embedded with `on_long="truncate"`."""
        over = [tokens - embedder.max_tokens for tokens in embedder.count(texts, role)]
        self.texts += len(texts)
        self.texts_cut += sum(tokens > 0 for tokens in over)
        self.tokens_dropped += sum(tokens for tokens in over if tokens > 0)


def require_mteb() -> None:
    """Import the mteb package, which takes seconds.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        importlib.import_module("mteb")
    except ImportError as error:
        raise MissingExtra("mteb", "mteb", "evaluating with mteb") from error


def describe(embedder: Embedder, revision: str) -> Any:
    """Return mteb's ModelMeta, under a name and a revision that no other Space shares."""
    space = embedder.space
    models = importlib.import_module("mteb.models.model_meta")
    return models.ModelMeta.create_empty(
        {
            # Not the model's own name: its published results must not be taken for these.
            "name": f"samespace/{safe(space.model)}",
            "revision": revision,
            "similarity_fn_name": models.ScoringFunction(space.metric),
            "embed_dim": space.dimensions,
            "max_tokens": embedder.max_tokens,
            "use_instructions": bool(space.prompts),
        }
    )


def safe(name: str) -> str:
    """Return a name that is one part of a path: mteb makes folders of names and revisions."""
    return re.sub(r"[^\w.+-]+", "_", name)
