"""Providers on the loopback, with their keys in the environment and short waits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from samespace.models.hosted import http
from tests.models.hosted.apis import APIS
from tests.models.hosted.service import Service, service


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
