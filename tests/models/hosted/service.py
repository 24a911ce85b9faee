"""A provider on the loopback: holds requests to its contract, and answers, or fails on purpose."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.loopback import JsonHandler, Loopback, serving
from tests.models.hosted.api import Api, Refused, Row, Wanted

Headers = dict[str, str]

STATUSES: dict[str, tuple[int, str, Callable[[], Headers]]] = {
    "429": (429, "rate limit reached", dict),
    "429, Retry-After in seconds": (429, "rate limit reached", lambda: {"Retry-After": "1"}),
    "429, Retry-After as a date": (
        429,
        "rate limit reached",
        lambda: {"Retry-After": formatdate(time.time() + 2, usegmt=True)},
    ),
    "429, retry-after-ms": (429, "rate limit reached", lambda: {"retry-after-ms": "150"}),
    "429, retryDelay in the body": (429, "quota", dict),
    "429, Retry-After of an hour": (429, "quota", lambda: {"Retry-After": "3600"}),
    "500": (500, "the server had an error", dict),
    "503": (503, "the model is overloaded", dict),
    "400": (400, "this input cannot be processed", dict),
    "401": (401, "incorrect key provided: {key}", dict),
    "403": (403, "the key {key} has no access to the model", dict),
    "413": (413, "request entity too large", dict),
    "307": (307, "moved", lambda: {"Location": "http://127.0.0.1:9/elsewhere"}),
}
"""Failures by status: the status, what the body says, the headers."""


def _first(row: Row, value: float | None) -> Row:
    return (row[0], [value, *row[1][1:]])


ROWS: dict[str, Callable[[list[Row]], list[Row]]] = {
    "shuffled": lambda rows: [*rows[1:], rows[0]],
    "one result too few": lambda rows: rows[:-1],
    "one result too many": lambda rows: [*rows, (len(rows), rows[0][1])],
    "an index twice": lambda rows: [rows[0], (rows[0][0], rows[1][1]), *rows[2:]],
    "an index beyond the texts": lambda rows: [*rows[:-1], (99, rows[-1][1])],
    "null in a vector": lambda rows: [_first(rows[0], None), *rows[1:]],
    "NaN in a vector": lambda rows: [_first(rows[0], float("nan")), *rows[1:]],
    "infinity in a vector": lambda rows: [_first(rows[0], float("inf")), *rows[1:]],
    "a vector of zeros": lambda rows: [(rows[0][0], [0.0 for _ in rows[0][1]]), *rows[1:]],
    "one dimension too many": lambda rows: [(i, [*row, 0.1]) for i, row in rows],
    "one dimension too few": lambda rows: [(i, row[:-1]) for i, row in rows],
    "vectors three times as long": lambda rows: [(i, [3 * (x or 0) for x in r]) for i, r in rows],
}
"""Failures inside an answer: what becomes of its results."""

BODIES = {
    "an answer that is not JSON": b"<html><body>Welcome to the proxy</body></html>",
    "an answer of another shape": b'{"status": "ok"}',
    "an answer that is a list": b"[]",
}
"""Failures of the whole body, with status 200."""

SILENT, TRICKLING, CUT, CLOSED = LINE = (
    "no answer in time",
    "an answer that trickles in for too long",
    "connection cut in the middle of the answer",
    "connection closed unanswered",
)
"""Failures of the connection."""


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it.

    Attributes:
        path: without the query.
        query: the query's parameters.
        headers: by their names in lower case.
        body: the JSON body.
        wanted: what it asks for; None where it was refused.
        fault: what it got instead of the right answer; "" for the right answer.
        at: seconds on the monotonic clock.
    """

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    wanted: Wanted | None
    fault: str
    at: float


class Service(Loopback):
    """The server of one provider.

    Attributes:
        asked: all requests, in order.
        faults: what the next requests get, "" for the right answer.
        always: what a request gets because of what it asks for, asked where `faults` is empty.
        seconds: how long an answer takes.
        most: how many requests were under way at once, at most.
    """

    def __init__(self, api: Api) -> None:
        super().__init__(_Handler)
        self.api = api
        self.asked: list[Asked] = []
        self.faults: deque[str] = deque()
        self.always: Callable[[Wanted], str] = lambda wanted: ""
        self.seconds = 0.0
        self.most = 0
        self.under_way = 0
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        """The base URL, as the provider's own client takes it."""
        return self.origin + self.api.base

    @property
    def texts(self) -> list[tuple[str, ...]]:
        """The texts of each valid request."""
        return [asked.wanted.texts for asked in self.asked if asked.wanted]

    def shutdown(self) -> None:
        """Let requests that wait go, then stop."""
        self.closing.set()
        super().shutdown()


@contextmanager
def service(api: Api) -> Iterator[Service]:
    """Run the server of a provider in a thread."""
    with serving(Service(api)) as server:
        yield server


class _Handler(JsonHandler):
    server: Service

    def do_POST(self) -> None:
        data = self.read()
        server = self.server
        with server.lock:
            server.under_way += 1
            server.most = max(server.most, server.under_way)
        try:
            status, content, headers, fault = self._reply(data)
        finally:
            # Before the answer is sent: whoever has it may ask again at once.
            with server.lock:
                server.under_way -= 1
        if fault in LINE:
            self.close_connection = True
        if fault in (TRICKLING, CUT):
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
        if fault == TRICKLING:
            for i in range(len(content) // 2):
                self.wfile.write(content[i : i + 1])
                server.closing.wait(0.05)
        elif fault == CUT:
            self.wfile.write(content[: len(content) // 2])
        elif fault not in LINE:
            if status == 200 and "gzip" in self.headers.get("Accept-Encoding", ""):
                content, headers = gzip.compress(content, 1), {"Content-Encoding": "gzip"}
            self.send_bytes(status, content, headers)

    def _reply(self, data: bytes) -> tuple[int, bytes, Headers, str]:
        """Return status, body, headers and, where the connection is to fail, how."""
        server, api = self.server, self.server.api
        split = urlsplit(self.path)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        at = time.monotonic()

        def note(body: Any, wanted: Wanted | None, fault: str) -> None:
            with server.lock:
                server.asked.append(Asked(split.path, query, headers, body, wanted, fault, at))

        try:
            body = json.loads(data)
            if headers.get("content-type", "").split(";")[0] != "application/json":
                raise Refused(415, "expected application/json")
            if api.key_sent(headers) != api.key:
                raise Refused(401, f"incorrect key provided: {api.key_sent(headers)}")
            wanted = api.wanted(split.path, query, body)
        except Refused as refused:
            note(json.loads(data), None, f"refused: {refused}")
            return refused.status, _json(api.error(refused.status, str(refused))), {}, ""
        with server.lock:
            fault = server.faults.popleft() if server.faults else server.always(wanted)
        note(body, wanted, fault)
        server.closing.wait(server.seconds)
        if fault in STATUSES:
            status, message, extra = STATUSES[fault]
            said = api.error(status, message.format(key=api.key))
            if "retryDelay" in fault:
                info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.25s"}
                said["error"]["details"] = [info]
            return status, _json(said), extra(), ""
        if fault in BODIES:
            return 200, BODIES[fault], {}, ""
        if fault == SILENT:
            server.closing.wait(3)
        content = self._answer(wanted, fault)
        return 200, content, {}, fault if fault in LINE else ""

    def _answer(self, wanted: Wanted, fault: str) -> bytes:
        change = ROWS.get(fault, lambda rows: rows)
        if wanted.query is None:
            return _json(self.server.api.embeddings(wanted, change(wanted.rows())))
        rows: list[Row] = [(i, [score]) for i, score in wanted.scores()]
        scores = [(i, row[0]) for i, row in change(rows)]
        return _json(self.server.api.ranking(wanted, scores))


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()
