"""Connections, turns and keys: what an endpoint does around the requests themselves."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import CancelledError
from urllib.parse import quote

import pytest

from samespace.errors import BudgetExceeded, InputError, ModelError
from samespace.models.hosted import Budget
from samespace.models.hosted.http import Endpoint, check_url
from tests.models.hosted import service as services
from tests.models.hosted.asking import hosted
from tests.models.hosted.service import Service


def endpoint(server: Service, **options: object) -> Endpoint:
    key = server.api.key
    return Endpoint(
        server.url,
        key_env="OPENAI_API_KEY",
        key=key,
        headers={"Authorization": f"Bearer {key}"},
        timeout=5,
        attempts=1,
        again="try again",
        **options,  # type: ignore[arg-type]
    )


def ask(one: Endpoint, server: Service, stop: threading.Event) -> str:
    def sending() -> None:
        if stop.is_set():
            raise CancelledError

    body = {"model": server.api.tiny.name, "input": ["a"], "encoding_format": "base64"}
    return one.ask("/embeddings", body, str, stop=stop, sending=sending)


def test_who_gave_up_while_waiting_for_a_turn_sends_nothing(openai: Service) -> None:
    openai.seconds = 0.3
    one, stop = endpoint(openai, concurrency=1), threading.Event()
    first = threading.Thread(target=ask, args=(one, openai, threading.Event()))
    first.start()
    time.sleep(0.1)
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(CancelledError):
        ask(one, openai, stop)
    first.join()
    assert len(openai.asked) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_fork_has_turns_of_its_own(openai: Service) -> None:
    openai.seconds = 0.5
    one = endpoint(openai, concurrency=1)
    first = threading.Thread(target=ask, args=(one, openai, threading.Event()))
    first.start()
    time.sleep(0.1)
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        try:
            ask(one, openai, threading.Event())
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    first.join()
    assert len(openai.asked) == 2


@pytest.mark.parametrize(
    ("variable", "value"), [("ALL_PROXY", "ftp://127.0.0.1:9"), ("SSL_CERT_FILE", "/no/such/file")]
)
def test_what_the_environment_gets_wrong_is_said(
    openai: Service, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError, match=variable):
        hosted(openai).embed(["a"], "query")


@pytest.mark.parametrize("before", range(160, 200, 3))
def test_a_key_at_the_end_of_what_is_shown_is_hidden_whole(
    openai: Service, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    body = f"<p>{'.' * (before - 3)}{openai.api.key}</p>".encode()
    monkeypatch.setitem(services.BODIES, "an answer that is not JSON", body)
    openai.always = lambda wanted: "an answer that is not JSON"
    with pytest.raises(ModelError, match=r"no JSON: <p>\.") as raised:
        hosted(openai).embed(["a"], "query")
    assert openai.api.key[:3] not in str(raised.value)


@pytest.mark.parametrize("form", [r"sk-a\/b+c=", quote("sk-a/b+c="), quote("sk-a/b+c=", safe="")])
def test_a_key_is_hidden_in_the_forms_that_it_may_come_back_in(
    openai: Service, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a/b+c=")
    monkeypatch.setattr(openai.api, "error", lambda status, message: {"error": "KEY"})
    sent = services._json
    monkeypatch.setattr(
        services, "_json", lambda body: sent(body).replace(b"KEY", form.encode("ascii"))
    )
    with pytest.raises(InputError, match=r"refuses.*\*\*\*") as raised:
        hosted(openai).embed(["a"], "query")
    assert form not in str(raised.value)


def test_a_server_that_does_not_count_does_not_pass_the_budget(
    openai: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LM Studio and others answer with a usage of 0 tokens."""
    answered = openai.api.embeddings
    monkeypatch.setattr(
        openai.api,
        "embeddings",
        lambda wanted, rows: {**answered(wanted, rows), "usage": {"total_tokens": 0}},
    )
    embedder = hosted(openai, budget=Budget(tokens=100))
    with pytest.raises(BudgetExceeded):
        embedder.embed([f"text number {i}" for i in range(100)], "document")
    assert 0 < embedder.usage.tokens <= 100
    assert embedder.usage.estimated


@pytest.mark.parametrize(
    "url",
    [
        "http://me:secret@host/v1",
        "me:secret@host/v1",
        "ftp://me:secret@host",
        "host/v1?api_key=secret",
        "https://host/v1?api_key=secret",
    ],
)
def test_a_secret_in_an_address_is_not_repeated(url: str) -> None:
    with pytest.raises(InputError, match="environment variable") as raised:
        check_url(url, "https://api.openai.com/v1")
    assert "secret" not in str(raised.value)
