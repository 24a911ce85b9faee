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


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer.json that counts as the servers do."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    path = tmp_path_factory.mktemp("words") / "tokenizer.json"
    words.save(str(path))
    return path


@pytest.mark.parametrize("name", APIS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Embedder], None], name: str, tokenizer: Path) -> None:
    with service(APIS[name]) as server:
        embedder = hosted(server, tokenizer=tokenizer, concurrency=4)
        assert embedder.exact_counts == (not embedder.space.prompts)
        check(embedder)
