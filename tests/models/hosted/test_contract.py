"""Hosted models keep what every embedder promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from samespace.models import Embedder
from tests.models.contract import CHECKS
from tests.models.hosted.apis import APIS
from tests.models.hosted.asking import hosted
from tests.models.hosted.service import service


@pytest.mark.parametrize("name", APIS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Embedder], None], name: str, tokenizer: Path) -> None:
    with service(APIS[name]) as server:
        embedder = hosted(server, tokenizer=tokenizer, concurrency=4)
        assert embedder.exact_counts == (not embedder.space.prompts)
        check(embedder)
