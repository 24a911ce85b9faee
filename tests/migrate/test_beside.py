"""Other processes, other commands and odd collections beside a migration."""

from __future__ import annotations

import dataclasses
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from samespace import Collection, Document
from samespace.errors import InputError, TooLong
from samespace.evaluate import Qrels
from samespace.ingest import fill
from samespace.migrate import Gate, Migration
from samespace.models import HashEmbedder
from samespace.space import Space, Vectors
from samespace.store.sides import give_up, sides

from .test_migration import contents, document, make, run

OLD, NEW = HashEmbedder(), HashEmbedder(seed=1)


@pytest.mark.parametrize("changes", [{}, {"max_tokens": 24}], ids=["shared cut", "own cut"])
def test_cancelled_while_it_is_filled_it_stops_and_can_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, int]
) -> None:
    monkeypatch.setattr(fill, "STEP_TOKENS", 200)
    monkeypatch.setattr(fill, "STEP_SECONDS", (0.0, 100.0))
    with make(tmp_path / "kb", OLD) as kb, Collection.open(tmp_path / "kb") as two:
        migration = Migration.begin(kb, NEW, **changes)

        def cancel(filled: fill.Filled) -> None:
            if filled.embedded > 20 and Migration(two).state == "backfilling":
                Migration(two).cancel()

        with pytest.raises(InputError, match="was cancelled while"):
            migration.backfill(progress=cancel)
        assert kb.verify().sound
        run(Migration.begin(kb, NEW, **changes))
        with make(tmp_path / "fresh", NEW, **changes) as fresh:
            assert contents(kb) == contents(fresh)


def test_rows_left_in_a_space_that_was_given_up_are_cleared(tmp_path: Path) -> None:
    """As a writer of an older version may have left them."""
    with make(tmp_path / "kb", OLD) as kb:
        Migration.begin(kb, NEW).backfill()
        Migration(kb).cancel()
        database = sqlite3.connect(tmp_path / "kb" / "samespace.sqlite3")
        with database:
            database.execute("INSERT INTO vectors SELECT 2, hash, row FROM vectors WHERE space = 1")
        database.close()
        run(Migration.begin(kb, NEW))
        with make(tmp_path / "fresh", NEW) as fresh:
            assert contents(kb) == contents(fresh)


def test_the_side_that_is_searched_cannot_be_given_up(tmp_path: Path) -> None:
    with (
        make(tmp_path / "kb", OLD) as kb,
        kb.store.write() as writer,
        pytest.raises(InputError, match="is searched"),
        writer.transaction("giving up") as connection,
    ):
        give_up(connection, 1)


def test_a_document_that_repair_distrusts_stops_no_switch(tmp_path: Path) -> None:
    with make(tmp_path / "kb", OLD) as kb:
        database = sqlite3.connect(tmp_path / "kb" / "samespace.sqlite3")
        with database:
            database.execute("UPDATE chunks_1 SET text = upper(text) WHERE row = 2")
        database.close()
        assert not kb.verify(repair=True).sound
        run(Migration.begin(kb, NEW, max_tokens=24))
        report = kb.add([document(i) for i in range(30)])
        assert (report.updated, report.unchanged) == (1, 29)
        with make(tmp_path / "fresh", NEW, max_tokens=24) as fresh:
            assert contents(kb) == contents(fresh)


def test_erased_text_is_nowhere_after_a_migration(tmp_path: Path) -> None:
    """Without a test set stored text serves for questions; none of it may be kept."""
    with make(tmp_path / "kb", OLD, 5) as kb:
        secret = "the merger with Xyzzy Holdings closes on the ninth of May"
        kb.add([Document(id="the-secret-memo", text=secret)])
        run(Migration.begin(kb, NEW))
        kb.delete("the-secret-memo")
        Migration(kb).retire()
        kb.compact()
    for path in (tmp_path / "kb").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"Xyzzy" not in content, path
            assert b"secret-memo" not in content, path


def test_a_rate_is_kept_in_every_part_of_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "STEPS_PER_MINUTE", 240)
    sent: list[tuple[float, int]] = []

    class Timed(HashEmbedder):
        def embed(self, texts: Sequence[str], role: Any, *, on_long: Any = "error") -> Vectors:
            if role == "document" and len(texts) > 1:
                sent.append((time.monotonic(), sum(self.count(texts))))
            return super().embed(texts, role, on_long=on_long)

    with make(tmp_path / "kb", OLD, 60) as kb:
        migration = Migration.begin(kb, Timed(seed=1))
        tokens = kb.info()["tokens"]
        rate = tokens * 20  # so that all of it takes three seconds
        migration.backfill(tokens_per_minute=rate)
    step = rate / fill.STEPS_PER_MINUTE
    largest = max(count for _, count in sent)
    assert len(sent) >= 10
    assert largest < 1.5 * step
    begun = sent[0][0]
    for at, _ in sent:
        given = sum(count for when, count in sent if when < at)
        assert given <= (at - begun) * rate / 60 + step


def test_what_needs_no_embedding_is_committed_in_steps_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "STEP_CHUNKS", 10)
    with Collection.create(tmp_path / "kb", OLD, max_tokens=128) as kb:
        kb.add([Document(id=str(i), text=f"Number {i} is a short text.") for i in range(95)])
        told: list[int] = []
        migration = Migration.begin(kb, max_tokens=64)
        filled = migration.backfill(progress=lambda filled: told.append(filled.documents))
        assert (filled.embedded, filled.documents) == (0, 95)
        assert told[:3] == [10, 20, 30]


def test_an_empty_collection_is_cut_by_the_new_model(tmp_path: Path) -> None:
    class Wordy(HashEmbedder):
        """Counts otherwise, and its tokenizer says so."""

        @property
        def space(self) -> Space:
            return dataclasses.replace(super().space, model="wordy", tokenizer="another")

        def embed(self, texts: Sequence[str], role: Any, *, on_long: Any = "error") -> Vectors:
            made = super().embed(texts, role, on_long="truncate")
            return Vectors(made.array, self.space, role)

        def count(self, texts: Sequence[str], role: Any = "document") -> list[int]:
            return [2 * tokens for tokens in super().count(texts, role)]

    new = Wordy(max_tokens=256)
    with Collection.create(tmp_path / "kb", HashEmbedder(max_tokens=256)) as kb:
        migration = Migration.begin(kb, new)
        kb.add([document(i) for i in range(10)])
        run(migration)
        with make(tmp_path / "fresh", new, 10) as fresh:
            assert contents(kb) == contents(fresh)


def test_a_test_set_that_cannot_be_used_is_refused_before_the_filling(tmp_path: Path) -> None:
    judged = Qrels({"q": {"doc-1": 1}})
    with make(tmp_path / "kb", OLD) as kb:
        migration = Migration.begin(kb, HashEmbedder(seed=1, max_tokens=24))
        for given, error, says in (
            (
                {"require": "ndgc@10 >= 0.5", "queries": {"q": "x"}, "qrels": judged},
                InputError,
                "ndgc",
            ),
            ({"require": "overlap@10 >= old"}, InputError, "one number of both sides"),
            ({"require": "ndcg@10 >= 0.5"}, InputError, "needs a test set"),
            ({"qrels": judged}, InputError, "give queries too"),
            ({"queries": {"other": "x"}, "qrels": judged}, InputError, "queries is judged"),
            ({"queries": {"q": "x"}, "qrels": Qrels({"q": {"z": 1}})}, InputError, "no judged"),
            ({"queries": {"q": "word " * 50}, "qrels": judged}, TooLong, "query 'q' has"),
        ):
            with pytest.raises(error, match=says):
                migration.require_test(**given)  # type: ignore[arg-type]
        migration.require_test(queries={"q": "x"}, qrels=judged, require="ndcg@10 >= old")
        assert migration.state == "planned"


@pytest.mark.parametrize("nonsense", ["ndcg@10 >= old - 5", "recall@10 >= 60", "overlap@10 >= 2"])
def test_a_bound_that_no_metric_can_meet_is_refused(nonsense: str) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        Gate.parse(nonsense)
    assert Gate.parse("p50_ms <= 20")[0].by == 20


def test_what_does_not_hold_stands_in_the_history(tmp_path: Path) -> None:
    with make(tmp_path / "kb", OLD) as kb:
        migration = Migration.begin(kb, NEW)
        migration.backfill()
        assert not migration.verify(require="overlap@10 > 1").holds
        refused = kb.history()[-1]
        assert refused["event"] == "refused"
        assert refused["facts"]["verification"]["holds"] is False
        migration.verify()
        migration.switch()
        migration.rollback()
        assert kb.history()[-1]["facts"] == {}
        assert [one.state for one in kb.store.ask(sides)] == ["active", "kept"]


def test_begun_again_after_the_switch_it_is_the_same(tmp_path: Path) -> None:
    """As when the process is killed right behind the commit."""
    with make(tmp_path / "kb", OLD) as kb:
        first = Migration.begin(kb, NEW)
        run(first)
        again = Migration.begin(kb, NEW)
        assert (again.move, again.state) == (first.move, "switched")
