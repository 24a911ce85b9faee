"""A collection with a hosted model, from a name to an answer."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from samespace import Collection
from samespace.errors import InputError, ModelDrift, SpaceMismatch
from samespace.models import load
from samespace.models.catalog.read import forget
from samespace.models.hosted import Budget, HostedEmbedder
from samespace.space import CANARIES
from samespace.types import Document
from tests.models.hosted import api
from tests.models.hosted.api import vector
from tests.models.hosted.apis import APIS
from tests.models.hosted.asking import hosted, right
from tests.models.hosted.service import Service, service

DOCUMENTS = [
    Document(id=f"doc{i}", text=f"Chapter {i}.\n\nIt is about the number {i} and no other.")
    for i in range(12)
]


def test_is_filled_searched_and_filled_again(
    server: Service, tmp_path: Path, tokenizer: Path
) -> None:
    embedder = hosted(server, tokenizer=tokenizer)
    kb = Collection.create(tmp_path / "kb", embedder)
    assert kb.add(DOCUMENTS).added == len(DOCUMENTS)
    hits = kb.search("Chapter 7", k=len(DOCUMENTS), mode="dense").hits
    assert sorted(hit.chunk.document for hit in hits) == sorted(one.id for one in DOCUMENTS)
    texts = [hit.chunk.input for hit in hits]
    expected = right(server.api, texts, "document") @ right(server.api, ["Chapter 7"], "query")[0]
    assert [hit.score for hit in hits] == pytest.approx(list(expected), abs=1e-5)
    assert list(expected) == sorted(expected, reverse=True)
    kinds = {asked.wanted.kind for asked in server.asked if asked.wanted}
    assert kinds == set(server.api.kinds.values())
    sent = len(server.asked)
    assert kb.add(DOCUMENTS).added == 0
    assert len(server.asked) == sent
    kb.close()


def test_another_input_type_is_another_space(tmp_path: Path, tokenizer: Path) -> None:
    with service(APIS["cohere"]) as server:
        Collection.create(tmp_path / "kb", hosted(server, tokenizer=tokenizer)).close()
        alike = {"query": "search_document", "document": "search_document"}
        with pytest.raises(SpaceMismatch, match="prompts"):
            Collection.open(tmp_path / "kb", hosted(server, input_types=alike))


def test_a_model_that_changes_under_its_name_is_found_out(
    openai: Service, tmp_path: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb = Collection.create(tmp_path / "kb", hosted(openai, tokenizer=tokenizer))
    kb.add(DOCUMENTS)
    kb.close()
    monkeypatch.setattr(api, "vector", lambda text, kind, width: vector(text, "new", width))
    kb = Collection.open(tmp_path / "kb", hosted(openai, tokenizer=tokenizer))
    with pytest.raises(ModelDrift):
        kb.search("Chapter 7")
    kb.close()


def test_ones_own_server_is_loaded_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMESPACE_CONFIG", str(tmp_path))
    monkeypatch.delenv("OPENAI_API_KEY")
    with service(APIS["local"]) as server:
        (tmp_path / "models").mkdir()
        entry = [
            "[[model]]",
            'name = "tiny-openai"',
            'provider = "openai"',
            f'base_url = "{server.url}"',
            'kinds = ["dense"]',
            "dimensions = 16",
            "max_tokens = 200",
            "normalized = true",
            'metric = "cosine"',
        ]
        (tmp_path / "models" / "ours.toml").write_text("\n".join(entry), "utf-8")
        forget()
        try:
            embedder = load("tiny-openai")
            assert isinstance(embedder, HostedEmbedder)
            assert len(embedder.embed(["a text"], "query")) == 1
            assert len(server.asked) == 1
        finally:
            forget()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_who_interrupts_does_not_wait_for_the_provider(
    openai: Service, tmp_path: Path, tokenizer: Path, request: pytest.FixtureRequest
) -> None:
    """It asks for patience again and again, and is granted it; whoever presses Ctrl-C is not."""
    # A shell that runs the tests in the background has them ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with Collection.create(tmp_path / "kb", hosted(openai, tokenizer=tokenizer)) as kb:
        openai.always = lambda wanted: "429, Retry-After in seconds"
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            kb.add(DOCUMENTS)
        assert time.monotonic() - started < 4
    with Collection.open(tmp_path / "kb", hosted(openai, tokenizer=tokenizer)) as kb:
        openai.always = lambda wanted: ""
        assert kb.add(DOCUMENTS).added == len(DOCUMENTS)


def test_a_budget_that_nobody_would_keep_is_refused(
    openai: Service, tmp_path: Path, tokenizer: Path
) -> None:
    model = hosted(openai, tokenizer=tokenizer)
    for call in (Collection.create, Collection.open):
        with pytest.raises(InputError, match="HostedEmbedder"):
            call(tmp_path / "kb", model, budget=Budget(dollars=1))
        if call == Collection.create:
            assert not (tmp_path / "kb").exists()
            Collection.create(tmp_path / "kb", model).close()


def test_a_canary_beyond_the_window_is_left_out_where_nothing_can_be_cut(
    openai: Service, tmp_path: Path
) -> None:
    """Tokens are estimated, so the place of a cut would be a guess."""
    with Collection.create(tmp_path / "kb", hosted(openai)) as kb:
        assert kb.add(DOCUMENTS).added == len(DOCUMENTS)
    sent = {text for request in openai.texts for text in request}
    assert {text for _, text in CANARIES[:-1]} <= sent
    assert not any(text.startswith("Entry 1:") for text in sent)
    with Collection.open(tmp_path / "kb", hosted(openai)) as kb:
        assert len(kb.search("Chapter 7", mode="dense").hits) == 10
