"""A key goes into one header and nowhere else."""

from __future__ import annotations

import logging
import pickle
import traceback

import pytest

from samespace.errors import InputError
from samespace.models.hosted import HostedEmbedder
from tests.models.hosted.apis import APIS
from tests.models.hosted.asking import hosted, reranker
from tests.models.hosted.service import STATUSES, Service, service

KEYED = [name for name, api in APIS.items() if api.key]


@pytest.mark.parametrize("fault", ["401", "403", "500", "an answer of another shape", "307", ""])
@pytest.mark.parametrize("name", KEYED)
def test_is_in_no_error_log_or_repr(
    name: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with service(APIS[name]) as server:
        key = server.api.key
        server.always = lambda wanted: fault
        embedder = hosted(server, retries=1)
        seen = [repr(embedder), str(embedder), embedder.space.canonical(), repr(embedder.usage)]
        try:
            embedder.embed(["a text"], "query")
        except Exception as error:
            seen += [str(error), repr(error), repr(vars(error)), str(error.args)]
            seen += traceback.format_exception(error)
        assert (len(seen) > 4) == bool(fault)
        assert [asked for asked in server.asked if server.api.key_sent(asked.headers) != key] == []
        assert [asked for asked in server.asked if key in asked.path + str(asked.query)] == []
        assert [asked for asked in server.asked if key in str(asked.body)] == []
    assert "HTTP Request" in caplog.text, "the log was looked at"
    assert key not in caplog.text
    assert [text for text in seen if key in text] == []


@pytest.mark.parametrize("name", KEYED)
def test_is_not_shown_where_a_redirect_repeats_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent to where an answer points, and the key in its address is hidden."""
    with service(APIS[name]) as server, service(APIS[name]) as other:
        there = f"{other.origin}/v1/embeddings?key={server.api.key}"
        status, message, _ = STATUSES["307"]
        monkeypatch.setitem(STATUSES, "307", (status, message, lambda: {"Location": there}))
        server.always = lambda wanted: "307"
        with pytest.raises(InputError, match=r"points to .*\*\*\*") as raised:
            hosted(server).embed(["a text"], "query")
        assert other.asked == []
        shown = "".join(traceback.format_exception(raised.value))
        assert server.api.key not in shown


def test_a_refused_key_names_its_variable(server: Service) -> None:
    if not server.api.key:
        return
    server.faults.append("401")
    with pytest.raises(InputError, match=rf"incorrect key provided: \*\*\*.*{server.api.key_env}"):
        hosted(server).embed(["a text"], "query")
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", KEYED)
def test_a_missing_key_is_asked_for_before_anything_is_sent(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (APIS[name].key_env, "GOOGLE_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    catalogued = {
        "openai": "text-embedding-3-small",
        "cohere": "embed-v4.0",
        "voyage": "voyage-3.5",
        "gemini": "gemini-embedding-001",
        "mistral": "mistral-embed",
        "jina": "jina-embeddings-v3",
    }
    if name not in catalogued:
        return
    with pytest.raises(InputError, match=APIS[name].key_env):
        HostedEmbedder(catalogued[name]).embed(["a text"], "query")


def test_a_key_that_no_header_can_hold_is_refused_unseen(
    openai: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret\nX-Other: 1")
    with pytest.raises(InputError, match="OPENAI_API_KEY") as raised:
        hosted(openai).embed(["a text"], "query")
    assert "sk-secret" not in str(raised.value)
    assert openai.asked == []


def test_other_variables_are_read_where_they_are_named(
    openai: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    monkeypatch.setenv("MY_KEY", openai.api.key)
    assert len(hosted(openai, api_key_env="MY_KEY").embed(["a text"], "query")) == 1
    with service(APIS["gemini"]) as gemini:
        monkeypatch.delenv("GEMINI_API_KEY")
        monkeypatch.setenv("GOOGLE_API_KEY", gemini.api.key)
        assert len(hosted(gemini).embed(["a text"], "query")) == 1


def test_a_local_server_gets_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with service(APIS["local"]) as server:
        hosted(server).embed(["a text"], "query")
        assert "authorization" not in server.asked[0].headers
        with pytest.raises(InputError, match="NO_SUCH_VARIABLE"):
            hosted(server, api_key_env="NO_SUCH_VARIABLE").embed(["a text"], "query")


@pytest.mark.parametrize("name", ["cohere", "voyage", "jina"])
def test_a_reranker_hides_its_key_too(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with service(APIS[name]) as server:
        server.always = lambda wanted: "401"
        model = reranker(server)
        with pytest.raises(InputError) as raised:
            model.score("a question", ["a text"])
        shown = "".join(traceback.format_exception(raised.value)) + repr(model) + caplog.text
        assert server.api.key not in shown
        assert server.api.key_sent(server.asked[0].headers) == server.api.key


def test_is_not_pickled(openai: Service) -> None:
    """Workers read the key from their own environment; whatever is sent to them has none."""
    embedder = hosted(openai)
    try:
        data = pickle.dumps(embedder)
    except (TypeError, pickle.PicklingError):
        return
    assert openai.api.key.encode() not in data
