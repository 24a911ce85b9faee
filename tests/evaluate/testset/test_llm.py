"""Questions from a language model: the contract of the endpoint, the checks, and what it costs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samespace import Collection, Document
from samespace.errors import InputError, ModelError
from samespace.evaluate.evidence import locate, read_evidence, texts_of
from samespace.evaluate.testset import from_llm, llm
from samespace.evaluate.testset.prompts import Malformed, parse
from samespace.evaluate.testset.prompts import locate as find
from samespace.models import HashEmbedder
from samespace.models.hosted import http
from tests.evaluate.testset.chat_server import KEY, MODEL, Endpoint, endpoint

_NAMES = """amphibians basalt chandelier dynamo embroidery fermentation glaciers harpsichord
irrigation jurisprudence kaleidoscope lighthouse metallurgy navigation obsidian parchment quarantine
refrigeration seismograph telegraph"""
SUBJECTS = _NAMES.split()


def article(subject: str) -> str:
    return (
        f"The history of {subject} begins with {subject}makers in small workshops.\n\n"
        f"Every {subject}keeper knew that {subject}works need patience, water and good light, "
        "and that nothing of lasting worth is made in a single afternoon by tired people."
    )


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    documents = [Document(subject, article(subject)) for subject in SUBJECTS]
    documents.append(Document("copy", article("telegraph")))
    documents.append(Document("short", "Too short to ask about."))
    with Collection.create(tmp_path_factory.mktemp("llm") / "kb", HashEmbedder()) as made:
        made.add(documents)
        yield made


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(http, "FIRST_WAIT", 0.01)
    with endpoint() as running:
        yield running


def asked_twice(server: Endpoint) -> int:
    bodies = [json.dumps(body, sort_keys=True) for body in server.requests]
    return len(bodies) - len(set(bodies))


def test_the_loopback_server_speaks_as_the_official_client_expects(server: Endpoint) -> None:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=2)
    server.failures = ["500"]
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "system", "content": "s"},
            {"role": "user", "content": "<passage>\nharpsichord makers\n</passage>"},
        ],
        temperature=0,
        seed=0,
    )
    assert json.loads(answer.choices[0].message.content) == {
        "question": "what about harpsichord and makers?"
    }
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 6
    assert server.failed == ["500"]
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=server.url, api_key="wrong", max_retries=0).chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "x"}]
        )
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "x"}], top_p=0.5
        )


def test_questions_have_one_source_and_a_quote_that_stands_there(
    collection: Collection, server: Endpoint, tmp_path: Path
) -> None:
    made = from_llm(collection, tmp_path / "set", server.url, MODEL, n=30)
    assert {id for judged in made.qrels.judgements.values() for id in judged} == set(SUBJECTS) - {
        "telegraph"
    }
    # Both copies answer the question of the passage, so it is none.
    assert made.made["dropped"] == {"another document answers it too": 1}
    assert made.evidence is not None
    evidence = read_evidence(made.evidence)
    assert len(evidence) == len(made.queries) == len(SUBJECTS) - 1
    assert locate(evidence, texts_of(collection)).require_all() == evidence
    usage = made.made["usage"]
    assert usage["requests_of_this_run"] == usage["answers"] == len(server.requests) == 20 * 3
    assert usage["prompt_tokens"] > usage["completion_tokens"] > 0
    assert made.made["prompts"]["ask"] == llm.ASK
    assert made.made["parameters"]["model"] == MODEL
    assert {body["temperature"] for body in server.requests} == {0}
    assert {body["seed"] for body in server.requests} == {0}


def test_failures_that_pass_are_waited_out(
    collection: Collection, server: Endpoint, tmp_path: Path
) -> None:
    server.failures = ["429", "500", "malformed"]
    started = time.perf_counter()
    made = from_llm(collection, tmp_path / "set", server.url, MODEL, n=4, workers=1)
    assert time.perf_counter() - started > 1.0  # Retry-After: 1
    assert server.failed == ["429", "500", "malformed"]
    assert len(made.queries) == 4
    assert made.made["usage"]["requests_of_this_run"] == made.made["usage"]["answers"] + 2
    again = [body for body in server.requests if len(body["messages"]) > 2]
    assert [body["messages"][2]["content"] for body in again] == ["Sure! Here it is."]
    assert asked_twice(server) == 0


def test_a_spent_budget_stops_and_the_next_run_asks_nothing_twice(
    collection: Collection, server: Endpoint, tmp_path: Path
) -> None:
    part = from_llm(collection, tmp_path / "set", server.url, MODEL, n=8, max_calls=13)
    assert len(server.requests) == 13
    assert 0 < len(part.queries) < 8
    assert part.made["stopped"] == "the budget of 13 calls is spent"
    whole = from_llm(collection, tmp_path / "set", server.url, MODEL, n=8)
    assert len(whole.queries) == 8
    assert whole.made["stopped"] == ""
    assert asked_twice(server) == 0
    asked = len(server.requests)
    with endpoint() as other:  # the same questions as of a run that was never interrupted
        alone = from_llm(collection, tmp_path / "alone", other.url, MODEL, n=8)
        assert len(other.requests) == asked
    assert [query.text for query in whole.queries] == [query.text for query in alone.queries]
    assert whole.qrels == alone.qrels
    assert {query.id for query in part.split("tune").queries} <= {
        query.id for query in whole.split("tune").queries
    }
    third = from_llm(collection, tmp_path / "set", server.url, MODEL, n=8)
    assert (third.queries, len(server.requests)) == (whole.queries, asked)
    assert third.made["usage"]["requests_of_this_run"] == 0


def test_an_answer_cut_off_by_a_kill_is_asked_again(
    collection: Collection, server: Endpoint, tmp_path: Path
) -> None:
    whole = from_llm(collection, tmp_path / "set", server.url, MODEL, n=4)
    journal = tmp_path / "set" / llm.ANSWERS
    journal.write_bytes(journal.read_bytes()[:-9])
    asked = len(server.requests)
    again = from_llm(collection, tmp_path / "set", server.url, MODEL, n=4)
    assert again.queries == whole.queries
    assert len(server.requests) == asked + 1


def test_the_key_is_written_nowhere(
    collection: Collection, server: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_llm(collection, tmp_path / "set", server.url, MODEL, n=4)
    files = [path for path in (tmp_path / "set").iterdir() if path.is_file()]
    assert len(files) >= 5
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    monkeypatch.setenv("MY_KEY", "sk-wrong-but-secret")
    with pytest.raises(InputError, match=r"status 401.*MY_KEY was sent") as caught:
        from_llm(collection, tmp_path / "b", server.url, MODEL, key_env="MY_KEY")
    assert "sk-wrong-but-secret" not in str(caught.value)
    assert "***" in str(caught.value)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(InputError, match=r"status 401.*OPENAI_API_KEY is not set"):
        from_llm(collection, tmp_path / "c", server.url, MODEL)


def test_what_does_not_pass_is_said_at_once(
    collection: Collection, server: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="the model 'gone' does not exist"):
        from_llm(collection, tmp_path / "a", server.url, "gone")
    for url in ("ftp://x/v1", "no url", "http://name:word@127.0.0.1/v1", f"{server.url}?key=1"):
        with pytest.raises(InputError, match="endpoint"):
            from_llm(collection, tmp_path / "b", url, MODEL)
    server.failures = ["500"] * 100
    with pytest.raises(ModelError, match=r"did not answer in 6 attempts \(status 500"):
        from_llm(collection, tmp_path / "c", server.url, MODEL, n=1, workers=1)
    monkeypatch.setattr(http, "LONGEST_ASKED", 0.5)
    server.failures = ["429"] * 100
    with pytest.raises(ModelError, match="asks to wait 1 s"):
        from_llm(collection, tmp_path / "d", server.url, MODEL, n=1, workers=1)


def test_an_endpoint_that_is_not_there(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.01)
    with endpoint() as gone:
        url = gone.url
    with pytest.raises(ModelError, match="ConnectError"):
        from_llm(collection, tmp_path / "set", url, MODEL, n=1, workers=1)


@pytest.mark.parametrize(
    "content",
    ["yes", "[]", "{}", '{"quote": 1}', '{"quote": "a", "b": 1}', 'x {"quote": "a"}', "null"],
)
def test_answers_are_read_strictly(content: str) -> None:
    with pytest.raises(Malformed):
        parse(content, "quote", str)


@pytest.mark.parametrize(
    ("content", "key", "kind", "value"),
    [
        ('{"quote": null}', "quote", str, None),
        ('```json\n{"quote": "a"}\n```', "quote", str, "a"),
        (' {"answered": false}\n', "answered", bool, False),
    ],
)
def test_answers_as_asked_for(content: str, key: str, kind: type, value: Any) -> None:
    assert parse(content, key, kind) == value


def test_a_quote_stands_word_for_word() -> None:
    assert find("kept for (30) days.", "is kept\nfor  (30) days.") == (3, 23)
    assert find("kept for 30 days", "is kept for thirty days") is None
    assert find(" ", "anything") is None
    with pytest.raises(Malformed):
        parse('{"answered": null}', "answered", bool)
