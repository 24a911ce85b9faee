"""Providers on the loopback, with their keys in the environment and short waits."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from samespace.models.hosted import http
from tests.models.hosted.apis import APIS
from tests.models.hosted.service import Service, service


@pytest.fixture(autouse=True, scope="session")
def _one_context() -> Iterator[None]:
    """All connections are plain HTTP: making TLS ready anew for each takes half of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", lru_cache(ssl.create_default_context))
        yield


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.002)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for api in APIS.values():
        if api.key_env:
            monkeypatch.setenv(api.key_env, api.key)


@pytest.fixture(params=APIS)
def server(request: pytest.FixtureRequest) -> Iterator[Service]:
    """Each provider in turn."""
    with service(APIS[request.param]) as running:
        yield running


@pytest.fixture
def openai() -> Iterator[Service]:
    """One of them, where all are alike."""
    with service(APIS["openai"]) as running:
        yield running


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer.json that counts as the servers do."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    path = tmp_path_factory.mktemp("words") / "tokenizer.json"
    words.save(str(path))
    return path
