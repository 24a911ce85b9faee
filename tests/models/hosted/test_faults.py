"""What fails on purpose loses nothing and mixes nothing up: every provider, every failure."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from samespace.errors import InputError, ModelError, TooLong
from tests.models.hosted.apis import APIS
from tests.models.hosted.asking import TEXTS, hosted, right
from tests.models.hosted.service import Service, service
from tests.models.hosted.tried import RETRIES, TIMEOUT, TRIED, WAITS, Tried

CASES = [
    pytest.param(name, one, id=f"{name}-{one.fault}")
    for one in TRIED
    for name in one.providers
    if one.fault not in WAITS
]
ASKED = TEXTS[:6]
"""Two requests of at most four texts."""


def answered(server: Service) -> list[str]:
    """Return the texts of all requests that got the right answer."""
    return [
        t for asked in server.asked if asked.wanted and not asked.fault for t in asked.wanted.texts
    ]


@pytest.mark.parametrize(("name", "tried"), [c for c in CASES if c.values[1].once != "refused"])
def test_once(name: str, tried: Tried) -> None:
    with service(APIS[name]) as server:
        server.faults.append(tried.fault)
        embedder = hosted(server, retries=RETRIES)
        got = embedder.embed(ASKED, "document")
        sent = 3 if tried.once == "again" else 2
        assert [asked.fault for asked in server.asked] == [tried.fault, *[""] * (sent - 1)]
        assert embedder.usage.requests == sent
        if tried.once == "again":
            assert server.texts[0] == server.texts[1]
            assert sorted(answered(server)) == sorted(ASKED)
    np.testing.assert_allclose(got.array, right(APIS[name], ASKED, "document"), atol=1e-6)


@pytest.mark.parametrize(("name", "tried"), CASES)
def test_every_time(name: str, tried: Tried) -> None:
    with service(APIS[name]) as server:
        server.always = lambda wanted: tried.fault
        embedder = hosted(server, retries=RETRIES)
        if tried.error is None:
            got = embedder.embed(ASKED, "query")
            np.testing.assert_allclose(got.array, right(server.api, ASKED, "query"), atol=1e-6)
            return
        with pytest.raises(tried.error) as raised:
            embedder.embed(ASKED[:2], "query")
        assert type(raised.value) is tried.error
        assert len(server.asked) == tried.requests
        assert embedder.usage.requests == tried.requests
        message = str(raised.value)
        assert server.origin in message
        if server.api.key:
            assert server.api.key not in message
        # The server is well again, and so is the same embedder.
        server.always = lambda wanted: ""
        got = embedder.embed(ASKED[:2], "query")
    np.testing.assert_allclose(got.array, right(APIS[name], ASKED[:2], "query"), atol=1e-6)


def _wait_once(name: str, fault: str) -> tuple[list[str], list[float]]:
    with service(APIS[name]) as server:
        server.faults.append(fault)
        embedder = hosted(server, timeout=60 if WAITS[fault] else TIMEOUT)
        got = embedder.embed(ASKED[:2], "document").array
        np.testing.assert_allclose(got, right(server.api, ASKED[:2], "document"), atol=1e-6)
        return _log(server)


def _wait_every_time(name: str, fault: str) -> tuple[list[str], list[float]]:
    with service(APIS[name]) as server:
        server.always = lambda wanted: fault
        embedder = hosted(server, timeout=60 if WAITS[fault] else TIMEOUT, retries=RETRIES)
        with pytest.raises(ModelError, match=f"did not answer in {RETRIES + 1} attempts"):
            embedder.embed(ASKED[:2], "document")
        return _log(server)


def _log(server: Service) -> tuple[list[str], list[float]]:
    """Return what each request got, and the seconds between them."""
    times = [asked.at for asked in server.asked]
    return [asked.fault for asked in server.asked], list(np.diff(times))


def test_waits_as_long_as_asked() -> None:
    """Side by side, because they take seconds."""
    cases = [(name, one.fault) for one in TRIED if one.fault in WAITS for name in one.providers]
    with ThreadPoolExecutor(2 * len(cases)) as pool:
        once = [pool.submit(_wait_once, *case) for case in cases]
        every_time = [pool.submit(_wait_every_time, *case) for case in cases]
        for (_, fault), one, every in zip(cases, once, every_time, strict=True):
            assert one.result()[0] == [fault, ""]
            assert every.result()[0] == [fault] * (RETRIES + 1)
            for waited in (*one.result()[1], *every.result()[1]):
                assert WAITS[fault] <= waited < WAITS[fault] + 10


def test_what_is_too_large_is_halved(server: Service) -> None:
    server.always = lambda wanted: "413" if len(wanted.texts) > 1 else ""
    got = hosted(server).embed(ASKED, "document")
    np.testing.assert_allclose(got.array, right(server.api, ASKED, "document"), atol=1e-6)
    assert sorted(answered(server)) == sorted(ASKED)
    assert len(server.asked) <= 10
    server.always = lambda wanted: "413"
    server.asked.clear()
    with pytest.raises(InputError, match="status 413"):
        hosted(server).embed(ASKED[:1], "document")
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", [name for name, api in APIS.items() if api.tiny.total])
def test_too_many_tokens_in_a_request_are_halved(name: str) -> None:
    """The provider's limit is narrower than the catalog knew; it says so in its own words."""
    texts = [f"{i} " + "word " * 100 for i in range(6)]
    with service(APIS[name]) as server:
        got = hosted(server, fields={"max_request_tokens": 10_000, "max_tokens": 250}).embed(
            texts, "document"
        )
        np.testing.assert_allclose(got.array, right(server.api, texts, "document"), atol=1e-6)
        assert sorted(answered(server)) == sorted(texts)
        assert any(asked.fault.startswith("refused") for asked in server.asked)


def test_too_many_texts_in_a_request_are_halved(server: Service) -> None:
    """The same for the number of texts."""
    got = hosted(server, fields={"max_items": 8}).embed(TEXTS, "document")
    np.testing.assert_allclose(got.array, right(server.api, TEXTS, "document"), atol=1e-6)
    assert sorted(answered(server)) == sorted(TEXTS)
    assert any(asked.fault.startswith("refused") for asked in server.asked)


@pytest.mark.parametrize("name", [name for name in APIS if name != "gemini"])
def test_a_text_that_only_the_provider_finds_too_long(name: str) -> None:
    """The window is narrower than the catalog knew: nothing is cut, and the text is named."""
    texts = [*ASKED[:5], "word " * 210, "another"]
    with service(APIS[name]) as server:
        embedder = hosted(server, fields={"max_tokens": 1000, "max_request_tokens": None})
        with pytest.raises(TooLong, match="text 5: "):
            embedder.embed(texts, "document")
        assert {asked.fault.split(":")[0] for asked in server.asked} == {"", "refused"}


def test_what_was_answered_before_a_refusal_is_kept(server: Service) -> None:
    """One text is refused for good: every request that was answered yields its vectors."""
    texts = [*(f"text number {i}" for i in range(20)), "poison", *TEXTS]
    server.always = lambda wanted: "400" if "poison" in wanted.texts else ""
    server.seconds = 0.01
    found: dict[int, np.ndarray] = {}

    def collect() -> None:
        for rows, vectors in hosted(server, concurrency=3).stream(texts, "document"):
            found.update(zip(rows, vectors.array, strict=True))

    with pytest.raises(InputError, match="this input cannot be processed"):
        collect()
    assert sorted(texts[i] for i in found) == sorted(answered(server))
    assert len(found) >= 12
    for i, vector in found.items():
        np.testing.assert_allclose(vector, right(server.api, [texts[i]], "document")[0], atol=1e-6)
