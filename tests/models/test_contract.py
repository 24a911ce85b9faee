"""The contract, over every embedder there is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from samespace.models import Embedder, HashEmbedder
from samespace.models.cache import CachedEmbedder, VectorCache
from tests.models.conftest import Zoo
from tests.models.contract import CHECKS
from tests.models.tiny import TINY

EMBEDDERS: dict[str, Callable[[pytest.FixtureRequest, Zoo], Embedder]] = {
    "hash": lambda request, zoo: HashEmbedder(),
    "hash-prompts": lambda request, zoo: HashEmbedder(
        dimensions=64, max_tokens=80, seed=3, prompts={"query": "question: "}
    ),
    "cached": lambda request, zoo: CachedEmbedder(
        HashEmbedder(max_tokens=90, seed=4),
        VectorCache(request.getfixturevalue("tmp_path_factory").getbasetemp() / "contract"),
    ),
    "minilm": lambda request, zoo: request.getfixturevalue("minilm"),
    **{t.name: lambda request, zoo, t=t: zoo.embedder(t) for t in TINY},
}


@pytest.mark.parametrize("name", EMBEDDERS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(
    check: Callable[[Embedder], None], name: str, request: pytest.FixtureRequest, zoo: Zoo
) -> None:
    check(EMBEDDERS[name](request, zoo))
