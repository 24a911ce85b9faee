"""What an endpoint may reply besides what it should, and what becomes of the key then."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from samespace.errors import InputError, ModelError
from samespace.evaluate.testset import chat as chats
from samespace.evaluate.testset.chat import Chat, Journal
from samespace.evaluate.testset.prompts import Malformed, parse
from samespace.models.hosted import http

pytest.importorskip("httpx")

KEY = "sk-a-key-that-nobody-may-see"


class Server(ThreadingHTTPServer):
    """Replies to every request with the same bytes, again and again if it is told to drip."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b""
        self.drips = False
        self.authorized: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that are gone."""


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.authorized.append(self.headers.get("Authorization", ""))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)
        while self.server.drips:
            self.wfile.write(b" " * 1000)
            self.wfile.flush()
            time.sleep(0.005)


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    both = (Server(), Server())
    threads = [
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        for server in both
    ]
    for thread in threads:
        thread.start()
    yield both
    for server, thread in zip(both, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(chats, "ATTEMPTS", 2)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    kept = Journal(tmp_path / "answers.jsonl")
    yield kept
    kept.close()


def ask(server: Server, journal: Journal, **settings: Any) -> str:
    with Chat(server.url, "m", journal, **settings) as chat:
        return chat.ask([{"role": "user", "content": "?"}])


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<html>hello</html>", {}),
        (b'data: {"choices": []}\n\n', {"Content-Type": "text/event-stream"}),
        (b"[" * 200_000, {}),
        (b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 1e999}}', {}),
        (b'{"choices": [{"message": {"content": "x"}}], "usage": 1}', {}),
        (b"\xff\xfe", {}),
        (b"no gzip", {"Content-Encoding": "gzip"}),
    ],
)
def test_what_is_no_answer_is_asked_for_again_and_then_told(
    servers: tuple[Server, Server], journal: Journal, body: bytes, headers: dict[str, str]
) -> None:
    server, _ = servers
    server.body, server.headers = body, headers
    with pytest.raises(ModelError, match="did not answer in 2 attempts") as caught:
        ask(server, journal)
    assert len(server.authorized) == 2
    assert len(str(caught.value)) < 600


def test_an_answer_may_come_compressed(servers: tuple[Server, Server], journal: Journal) -> None:
    server, _ = servers
    server.body = gzip.compress(json.dumps({"choices": [{"message": {"content": "x"}}]}).encode())
    server.headers = {"Content-Encoding": "gzip"}
    assert ask(server, journal) == "x"


def test_an_answer_without_end_is_cut_off(
    servers: tuple[Server, Server], journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = servers
    server.drips = True
    started = time.monotonic()
    with pytest.raises(ModelError, match="has no end after"):
        ask(server, journal, timeout=0.2)
    assert time.monotonic() - started < 5
    monkeypatch.setattr(chats, "LARGEST", 10_000)
    with pytest.raises(ModelError, match="has no end after"):
        ask(server, journal, timeout=60)
    server.drips = False


def test_a_redirect_is_not_followed(servers: tuple[Server, Server], journal: Journal) -> None:
    server, other = servers
    server.status, server.headers = 307, {"Location": f"{other.url}/chat/completions"}
    with pytest.raises(InputError, match=r"status 307.*it points to http://127") as caught:
        ask(server, journal)
    assert other.url in str(caught.value)
    assert other.authorized == []


@pytest.mark.parametrize("place", [0, 250, 290, 299])
def test_a_key_that_the_endpoint_repeats_is_not_shown(
    servers: tuple[Server, Server], journal: Journal, place: int
) -> None:
    server, _ = servers
    server.status, server.body = 401, b"x" * place + KEY.encode()
    with pytest.raises(InputError, match="status 401") as caught:
        ask(server, journal)
    assert KEY[:4] not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-secret\nsk-other", "sk-secret-ключ", "sk-secret\x00"])
def test_a_key_that_no_header_holds_is_refused_unseen(
    servers: tuple[Server, Server], journal: Journal, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    # No environment holds a NUL, but a caller may put one there by other means.
    monkeypatch.setattr("os.environ", {"OPENAI_API_KEY": key})
    with pytest.raises(InputError, match="OPENAI_API_KEY") as caught:
        ask(servers[0], journal)
    assert "secret" not in str(caught.value)
    assert servers[0].authorized == []


def test_control_characters_of_a_reply_do_not_reach_the_terminal(
    servers: tuple[Server, Server], journal: Journal
) -> None:
    server, _ = servers
    server.status, server.body = 404, b"no\x1b[31m such\r\nmodel\x07"
    with pytest.raises(InputError) as caught:
        ask(server, journal)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("content", [r'{"question": "a \ud800"}', "[" * 200_000])
def test_answers_that_are_no_text_are_malformed(content: str) -> None:
    with pytest.raises(Malformed):
        parse(content, "question", str)


def test_a_journal_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text('{"request": "a"}\n')
    with pytest.raises(InputError, match=r"answers\.jsonl:1: expected an answer of a model"):
        Journal(tmp_path / "answers.jsonl")
    with pytest.raises(InputError, match="cannot write"):
        Journal(tmp_path / "none" / "answers.jsonl")
