"""Migration: from one Space to another and back, while the collection is read and written."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace import Collection, Document
from samespace.errors import CollectionLocked, InputError, ModelDrift, SpaceMismatch
from samespace.evaluate import Qrels
from samespace.migrate import Gate, Migration, plan
from samespace.models import HashEmbedder
from samespace.models.derived import DerivedEmbedder
from samespace.space import Vectors
from samespace.store.embedded import EmbeddedStore
from samespace.store.sides import lacking, sides

WORDS = [
    "harbour",
    "violet",
    "engine",
    "granite",
    "silk",
    "meadow",
    "copper",
    "lantern",
    "orchard",
    "signal",
]


def document(i: int, version: int = 0) -> Document:
    dice = random.Random(f"{i} {version}")
    text = "\n\n".join(
        f"Document {i}, version {version}, paragraph {j}: " + " ".join(dice.choices(WORDS, k=30))
        for j in range(dice.randint(1, 4))
    )
    return Document(id=f"doc-{i}", title=f"Title {i}", text=text, metadata={"number": i})


class Counting(HashEmbedder):
    """Counts every text that it embeds for documents, canaries left out."""

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **settings)
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str], role: Any, *, on_long: Any = "error") -> Vectors:
        if role == "document" and len(texts) > 1:
            self.embedded += texts
        return super().embed(texts, role, on_long=on_long)


class Asked(HashEmbedder):
    """Remembers every text that it embeds, in either role."""

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **settings)
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str], role: Any, *, on_long: Any = "error") -> Vectors:
        self.asked.extend(texts)
        return super().embed(texts, role, on_long=on_long)


def contents(collection: Collection) -> dict[str, Any]:
    """Everything that is searched: chunks with their vectors, and documents, by id."""
    with collection.store.read() as reader:
        found: dict[str, Any] = {}
        for stored in list(reader.documents()):
            whole = reader.document(stored.id)
            assert whole is not None
            found[stored.id] = (whole.text, whole.title, dict(whole.metadata), stored.content_hash)
        connection, state = reader.snapshot.connection, reader.snapshot.state
        chunks = connection.execute(
            f"SELECT id, start, stop, text, context, heading, tokens, dropped, hash "
            f"FROM {state.chunks}"
        ).fetchall()
        for chunk in chunks:
            _, vectors = reader.stored([chunk[-1]])
            found[chunk[0]] = (*chunk, vectors.array[0].round(6).tolist())
    return found


def make(folder: Path, embedder: HashEmbedder, count: int = 30, **recipe: Any) -> Collection:
    collection = Collection.create(folder, embedder, **recipe)
    collection.add([document(i) for i in range(count)])
    return collection


def run(migration: Migration) -> None:
    migration.backfill()
    assert migration.verify().holds
    migration.switch()


def test_there_and_back_equals_a_fresh_build(tmp_path: Path) -> None:
    old, new = HashEmbedder(max_tokens=40), HashEmbedder(seed=1, dimensions=64, max_tokens=24)
    with (
        make(tmp_path / "kb", old) as kb,
        make(tmp_path / "old", old) as fresh_old,
        make(tmp_path / "new", new) as fresh_new,
    ):
        before = contents(kb)
        assert before == contents(fresh_old)
        run(Migration.begin(kb, new, why="smaller"))
        assert (kb.space, kb.recipe.max_tokens) == (new.space, 24)
        assert contents(kb) == contents(fresh_new)
        for mode in ("dense", "lexical", "hybrid"):
            mine = kb.search("violet engine paragraph 2", 10, mode=mode)
            fresh = fresh_new.search("violet engine paragraph 2", 10, mode=mode)
            assert [h.chunk.id for h in mine] == [h.chunk.id for h in fresh]
            assert mine.space == new.space.id
        Migration(kb).retire()
        run(Migration.begin(kb, old, max_tokens=24))
        Migration(kb).retire()
        assert kb.space == old.space
        assert kb.store.check() == []
        with make(tmp_path / "other", old, max_tokens=24) as fresh:
            assert contents(kb) == contents(fresh)


def test_states_and_what_they_allow(tmp_path: Path) -> None:
    new = HashEmbedder(seed=1)
    with make(tmp_path / "kb", HashEmbedder()) as kb:
        with pytest.raises(InputError, match="in no migration"):
            Migration(kb)
        assert kb.info()["migration"] is None
        with pytest.raises(InputError, match="nothing to migrate"):
            Migration.begin(kb, HashEmbedder())
        migration = Migration.begin(kb, new)
        for step in (migration.switch, migration.verify, migration.rollback, migration.retire):
            with pytest.raises(InputError, match=r"is planned, expected .*Fill the new side"):
                step()
        info = kb.info()["migration"]
        assert info["state"] == "planned"
        assert info["lacking"]["inputs"] > 0
        migration.backfill()
        assert kb.info()["migration"]["lacking"] == {"documents": 0, "inputs": 0}
        with pytest.raises(InputError, match=r"verifying, expected ready.*see what did not hold"):
            migration.switch()
        assert migration.verify().holds
        with pytest.raises(InputError, match=r"another migration.*--cancel"):
            Migration.begin(kb, HashEmbedder(seed=2))
        migration.switch()
        migration.rollback()
        assert (migration.state, kb.space) == ("ready", HashEmbedder().space)
        migration.switch()
        migration.retire()
        for step in (migration.switch, migration.rollback, migration.cancel, migration.backfill):
            with pytest.raises(InputError, match="is retired"):
                step()
        events = [event["event"] for event in kb.history()]
        assert events == [
            "made", "planned", "backfilling", "verifying", "ready", "switched", "rolled back",
            "switched", "retired",
        ]  # fmt: skip
        assert kb.history()[5]["facts"]["verification"]["holds"] is True


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samespace.migrate.migration._READER_SECONDS", 0.0)
    monkeypatch.setattr("samespace.store.compact._READER_SECONDS", 0.3)


def test_retiring_that_a_reader_stops_is_seen_and_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    with make(tmp_path / "kb", HashEmbedder()) as kb:
        migration = Migration.begin(kb, HashEmbedder(seed=1))
        run(migration)
        with kb.store.read(), pytest.raises(CollectionLocked, match="reader"):
            migration.retire()
        assert kb.info()["migration"]["state"] == "retiring"
        with pytest.raises(InputError, match=r"is retiring.*finish it with --retire"):
            migration.rollback()
        with pytest.raises(InputError, match=r"another migration.*--retire"):
            Migration.begin(kb, HashEmbedder())
        assert migration.retire() >= 0
        assert migration.state == "retired"
        assert kb.verify().sound


def test_cancelling_that_a_reader_stops_is_seen_and_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    new = HashEmbedder(seed=1)
    with make(tmp_path / "kb", HashEmbedder()) as kb:
        before = contents(kb)
        migration = Migration.begin(kb, new)
        migration.backfill()
        with kb.store.read(), pytest.raises(CollectionLocked, match="reader"):
            migration.cancel()
        assert migration.state == "cancelling"
        for step in (migration.backfill, migration.verify, migration.switch):
            with pytest.raises(InputError, match=r"is cancelling.*finish it with --cancel"):
                step()
        with pytest.raises(InputError, match=r"another migration.*--cancel"):
            Migration.begin(kb, new)
        migration.cancel()
        assert (migration.state, contents(kb)) == ("cancelled", before)
        assert kb.verify().sound


def test_a_step_that_another_process_came_before_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = HashEmbedder(), HashEmbedder(seed=1)
    with make(tmp_path / "kb", old) as kb, Collection.open(tmp_path / "kb") as two:
        run(Migration.begin(kb, new))
        two.embedders.give(old, two.store.side_header(1), "rolling back")
        mine, theirs = Migration(kb), Migration(two)
        lock = EmbeddedStore.write

        def late(store: EmbeddedStore, *given: Any) -> Any:
            monkeypatch.setattr(EmbeddedStore, "write", lock)
            theirs.rollback()
            return lock(store, *given)

        monkeypatch.setattr(EmbeddedStore, "write", late)
        with pytest.raises(InputError, match=r"was switched and is ready.*try again"):
            mine.retire()
        assert kb.space == old.space
        assert [one.state for one in kb.store.ask(sides)] == ["active", "kept"]
        assert len(kb.search("violet", mode="dense")) == 10


def test_nobody_is_paid_for_a_migration_that_is_refused(tmp_path: Path) -> None:
    refused = Asked(seed=2)
    with make(tmp_path / "kb", HashEmbedder()) as kb:
        Migration.begin(kb, HashEmbedder(seed=1))
        with pytest.raises(InputError, match="another migration"):
            Migration.begin(kb, refused)
        assert refused.asked == []


def test_taken_up_again_it_is_the_same_migration(tmp_path: Path) -> None:
    with make(tmp_path / "kb", HashEmbedder()) as kb:
        first = Migration.begin(kb, HashEmbedder(seed=1))
        again = Migration.begin(kb, HashEmbedder(seed=1))
        assert first.move == again.move
        assert len(kb.store.ask(sides)) == 2


def test_a_cancelled_migration_leaves_nothing(tmp_path: Path) -> None:
    with make(tmp_path / "kb", HashEmbedder()) as kb:
        before, files = contents(kb), kb.info()["bytes"]
        migration = Migration.begin(kb, HashEmbedder(seed=1, max_tokens=24))
        migration.backfill()
        assert kb.info()["bytes"] > files
        migration.cancel()
        assert contents(kb) == before
        assert len(list((tmp_path / "kb" / "vectors").iterdir())) == 1
        assert not (tmp_path / "kb" / "lexical-2").exists()
        with kb.store.read() as reader:
            tables = reader.snapshot.connection.execute("SELECT name FROM sqlite_master").fetchall()
        assert not [name for (name,) in tables if name.endswith("_2")]
        run(Migration.begin(kb, HashEmbedder(seed=1, max_tokens=24)))
        assert kb.store.check() == []


def test_what_is_written_meanwhile_reaches_both_sides(tmp_path: Path) -> None:
    old, new = HashEmbedder(max_tokens=40), HashEmbedder(seed=1, max_tokens=24)
    kept = dict.fromkeys(range(30), 0)

    def write(kb: Collection, i: int, version: int) -> None:
        kb.add([document(i, version)])
        kept[i] = version

    with make(tmp_path / "kb", old) as kb:
        migration = Migration.begin(kb, new)
        write(kb, 100, 0)
        migration.backfill()
        write(kb, 101, 0)
        write(kb, 3, 1)
        kb.delete("doc-5")
        del kept[5]
        migration.verify()
        write(kb, 3, 2)
        write(kb, 102, 0)
        migration.switch()
        with Collection.create(tmp_path / "new", new) as fresh:
            fresh.add([document(i, version) for i, version in kept.items()])
            assert contents(kb) == contents(fresh)
        write(kb, 4, 1)
        write(kb, 103, 0)
        kb.delete("doc-6")
        del kept[6]
        migration.rollback()
        with Collection.create(tmp_path / "old", old) as fresh:
            fresh.add([document(i, version) for i, version in kept.items()])
            assert contents(kb) == contents(fresh)
        migration.switch()
        migration.retire()
        assert kb.store.check() == []


def test_fewer_dimensions_or_bits_are_computed_and_not_embedded(tmp_path: Path) -> None:
    model = Counting()
    small = DerivedEmbedder(model, dimensions=64, precision="int8")
    with make(tmp_path / "kb", model) as kb, Collection.create(tmp_path / "f", small) as fresh:
        fresh.add([document(i) for i in range(30)])
        model.embedded.clear()
        assert plan(kb, small).computed
        filled = (migration := Migration.begin(kb, small)).backfill()
        assert (filled.embedded, model.embedded) == (0, [])
        assert filled.computed == kb.info()["chunks"]
        migration.verify()
        migration.switch()
        assert contents(kb) == contents(fresh)


def test_another_recipe_embeds_only_what_is_new(tmp_path: Path) -> None:
    model = Counting(max_tokens=200)
    with make(tmp_path / "kb", model) as kb:
        model.embedded.clear()
        migration = Migration.begin(kb, max_tokens=48, context=False)
        filled = migration.backfill()
        assert filled.documents == 30
        migration.verify()
        migration.switch()
        assert (kb.recipe.max_tokens, kb.recipe.context) == (48, False)
        assert len(model.embedded) == len(set(model.embedded)) == filled.embedded
        with make(tmp_path / "fresh", HashEmbedder(), max_tokens=48, context=False) as fresh:
            fresh_ids = set(contents(fresh))
        assert set(contents(kb)) == fresh_ids
        migration.retire()
        assert kb.info()["dead_vectors"] == 0
        assert kb.store.check() == []


def test_the_gate_is_kept(tmp_path: Path) -> None:
    queries = {str(i): f"Title {i} document {i} paragraph" for i in range(20)}
    qrels = Qrels({str(i): {f"doc-{i}": 1} for i in range(20)})
    with make(tmp_path / "kb", HashEmbedder()) as kb:
        migration = Migration.begin(kb, HashEmbedder(seed=1, dimensions=2))
        migration.backfill()
        found = migration.verify(
            queries=queries, qrels=qrels, mode="dense", require="ndcg@10 >= old - 0.01"
        )
        assert found.old is not None
        assert found.new is not None
        old, new = (side.intervals["ndcg@10"].value for side in (found.old, found.new))
        assert new < old - 0.3
        assert found.paired["ndcg@10"].difference.value == pytest.approx(new - old)
        assert found.paired["ndcg@10"].p < 0.01
        assert not found.holds
        assert 0 <= found.overlap < 0.9  # type: ignore[operator]
        assert found.disagreements[0].overlap <= found.disagreements[-1].overlap
        with pytest.raises(InputError, match="verifying, expected ready"):
            migration.switch()
        loose = "ndcg@10 >= old - 1 and p50_ms <= 10000 and overlap@10 >= 0.0"
        assert migration.verify(queries=queries, qrels=qrels, mode="dense", require=loose).holds
        with pytest.raises(InputError, match=r"ndcg@10.*needs a test set"):
            migration.verify(require="ndcg@10 >= 0.5")
        migration.switch()


@pytest.mark.parametrize(
    ("text", "new", "old", "holds"),
    [
        ("ndcg@10 >= old - 0.01", 0.70, 0.71, True),
        ("ndcg@10 >= old - 0.01", 0.69, 0.71, False),
        ("NDCG@10 > old", 0.71, 0.71, False),
        ("ndcg@10 >= old * 0.9", 0.65, 0.71, True),
        ("ndcg@10 <= old + 0.1", 0.82, 0.71, False),
        ("ndcg@10 >= 0.6", 0.65, None, True),
    ],
)
def test_gates(text: str, new: float, old: float | None, holds: bool) -> None:
    (gate,) = Gate.parse(text)
    before = None if old is None else {"ndcg@10": old}
    assert gate.holds({"ndcg@10": new}, before) is holds
    assert Gate.parse(str(gate)) == (gate,)


@pytest.mark.parametrize("text", ["", "ndcg@10", "ndcg@10 >= older", "old >= ndcg@10", "a >= 1 or"])
def test_what_is_no_gate_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected a condition such as"):
        Gate.parse(text)


def test_the_plan_counts_and_changes_nothing(tmp_path: Path) -> None:
    with make(tmp_path / "kb", HashEmbedder(max_tokens=40)) as kb:
        before = kb.info()
        new = HashEmbedder(seed=1, dimensions=64, max_tokens=24, prompts={"document": "passage : "})
        planned = plan(kb, new)
        assert planned.fields["dimensions"] == (256, 64)
        assert planned.settings == {"max_tokens": (40, 24)}
        assert (planned.cut_anew, planned.counted) == (True, before["chunks"])
        assert planned.tokens == before["tokens"] + 2 * before["chunks"]
        with kb.store.read() as reader:
            texts = [text for _, text, _ in reader.inputs()]
        assert planned.too_long == sum(count > 24 for count in new.count(texts))
        assert planned.bytes_peak > planned.bytes_now == before["bytes"]
        assert kb.info() == before
        same = plan(kb, HashEmbedder(seed=1, max_tokens=40))
        assert (same.cut_anew, same.computed) == (False, False)


def test_readers_and_a_writer_go_over_without_an_error_or_a_mixed_result(tmp_path: Path) -> None:
    old, new = HashEmbedder(max_tokens=40), HashEmbedder(seed=1, max_tokens=40)
    ids = {old.space.id: old, new.space.id: new}
    wrong: list[str] = []
    searched: dict[str, int] = {}
    done = threading.Event()
    with make(tmp_path / "kb", old) as kb:

        def search() -> None:
            while not done.is_set():
                try:
                    found = kb.search("violet engine granite", 5, mode="dense")
                    embedder = ids[found.space]
                    query = embedder.embed(["violet engine granite"], "query").array[0]
                    top = embedder.embed([found[0].chunk.input], "document").array[0]
                    if abs(float(query @ top) - found[0].score) > 1e-5:
                        wrong.append(f"a score of another space than {found.space}")
                    searched[found.space] = searched.get(found.space, 0) + 1
                except Exception as error:  # noqa: PERF203
                    wrong.append(repr(error))

        def write() -> None:
            i = 1_000
            while not done.is_set():
                try:
                    kb.add([document(i)])
                    if i % 3 == 0:
                        kb.delete(f"doc-{i}")
                    i += 1
                except Exception as error:
                    wrong.append(repr(error))
                time.sleep(0.01)

        threads = [threading.Thread(target=work) for work in (search, search, write)]
        for thread in threads:
            thread.start()
        try:
            migration = Migration.begin(kb, new, wait=10)
            migration.backfill()
            migration.verify()
            migration.switch()
            time.sleep(0.2)
            migration.rollback()
            migration.switch()
            time.sleep(0.2)
            migration.retire()
            time.sleep(0.2)
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert wrong == []
        assert min(searched.values()) > 10
        assert set(searched) == set(ids)
        assert kb.store.check() == []
        left = [stored.id for stored in kb.documents()]
        with Collection.create(tmp_path / "fresh", new) as fresh:
            fresh.add([document(int(id.removeprefix("doc-"))) for id in left])
            assert contents(kb) == contents(fresh)


def test_another_process_needs_the_model_by_name(tmp_path: Path) -> None:
    with make(tmp_path / "kb", HashEmbedder()) as kb:
        run(Migration.begin(kb, HashEmbedder(seed=1)))
    with Collection.open(tmp_path / "kb") as kb, pytest.raises(InputError, match="pass it again"):
        kb.search("violet", mode="dense")
    with pytest.raises(SpaceMismatch):
        Collection.open(tmp_path / "kb", HashEmbedder())
    with Collection.open(tmp_path / "kb", HashEmbedder(seed=1)) as kb:
        assert len(kb.search("violet", mode="dense")) == 10


def test_a_model_that_drifts_on_the_way_is_refused(tmp_path: Path) -> None:
    class Drifted(HashEmbedder):
        def embed(self, texts: Sequence[str], role: Any, *, on_long: Any = "error") -> Vectors:
            found = super().embed(texts, role, on_long=on_long)
            return Vectors(np.roll(found.array, 1, axis=1), found.space, role)

    with make(tmp_path / "kb", HashEmbedder()) as kb:
        Migration.begin(kb, HashEmbedder(seed=1))
    with Collection.open(tmp_path / "kb", HashEmbedder()) as kb:
        with pytest.raises(ModelDrift, match="End it with --cancel"):
            Migration.begin(kb, Drifted(seed=1))
        migration = Migration(kb)
        with pytest.raises(ModelDrift):
            migration.backfill()
        assert kb.store.ask(lambda c: lacking(c, migration.move.target)).inputs > 0
        assert len(kb.search("violet", mode="dense")) == 10


def test_a_document_that_the_new_model_cannot_take_stops_the_switch(tmp_path: Path) -> None:
    whole = {"chunking": "document", "on_long": "error"}
    with Collection.create(tmp_path / "kb", HashEmbedder(), **whole) as kb:  # type: ignore[arg-type]
        kb.add([Document(id="short", text="one word"), Document(id="long", text="word " * 60)])
        migration = Migration.begin(kb, HashEmbedder(seed=1, max_tokens=24))
        with pytest.raises(InputError, match=r"1 documents cannot be cut.*'long'"):
            migration.backfill()
        assert len(kb.search("word", mode="dense")) == 2
        kb.delete("long")
        migration.backfill()
        assert migration.verify().holds
