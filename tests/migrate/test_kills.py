"""Killed at any moment of a migration: the same command goes on, and ends the same."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from samespace import Collection
from samespace.migrate import Migration
from samespace.models import HashEmbedder
from samespace.store.embedded import EmbeddedStore
from samespace.store.sides import last_move

from .test_migration import contents, document

KILLS = 60
STEPS = {
    "begin": 0.03,
    "backfill": 0.6,
    "verify": 0.15,
    "switch": 0.03,
    "rollback": 0.06,
    "retire": 0.08,
}
"""The steps of a run, and within how many seconds of its beginning each is killed."""
DOCUMENTS = 60

CHILD = """
import json, sys, time
from samespace import Collection
from samespace.errors import SpaceMismatch
from samespace.ingest import fill
from samespace.migrate import Migration
from samespace.models import HashEmbedder
from samespace.space import CANARIES
from samespace.store.sides import ENDED, last_move

fill.STEP_TOKENS = 400
fill.STEP_SECONDS = (0.0, 100.0)
canaries = {text for _, text in CANARIES}

class Slow(HashEmbedder):
    def embed(self, texts, role, *, on_long="error"):
        texts = list(texts)
        if role == "document" and not canaries.intersection(texts):
            time.sleep(0.01 + 0.0005 * len(texts))
            with open(log, "a") as file:
                file.write(json.dumps([self.space.id, *texts]) + "\\n")
        return super().embed(texts, role, on_long=on_long)

kb, log, way = sys.argv[1:]
models = {"a": Slow(seed=1, max_tokens=24), "b": Slow(seed=2), "c": Slow(seed=0, dimensions=64)}
overlaps = {"a": 4, "b": 4, "c": 0}
for model in models.values():
    try:
        collection = Collection.open(kb, model=model)
        break
    except SpaceMismatch:
        continue
with collection:
    move = collection.store.ask(last_move)
    print("begin", flush=True)
    if move is None or move.state in ENDED:
        if collection.space != models[way].space:
            Migration.begin(collection, models[way], overlap=overlaps[way])
    elif move.state not in ("switched", "retiring"):
        Migration.begin(collection, models[way], overlap=overlaps[way])
    move = collection.store.ask(last_move)
    if move is not None and move.state not in ENDED:
        migration = Migration(collection)
        if migration.state in ("planned", "backfilling"):
            print("backfill", flush=True)
            migration.backfill()
        if migration.state == "verifying":
            print("verify", flush=True)
            assert migration.verify().holds
        if migration.state == "ready":
            print("switch", flush=True)
            migration.switch()
        back = [e for e in collection.history() if e["event"] == "rolled back"]
        if migration.state == "switched" and move.source not in [e["side"] for e in back]:
            print("rollback", flush=True)
            migration.rollback()
            migration.switch()
        print("retire", flush=True)
        migration.retire()
"""

CANCEL = """
import sys
from samespace import Collection
from samespace.migrate import Migration

with Collection.open(sys.argv[1]) as collection:
    migration = Migration(collection)
    print("cancel", flush=True)
    migration.cancel()
"""


def state_of(kb: Path) -> str:
    store = EmbeddedStore.open(kb)
    try:
        assert [str(problem) for problem in store.check()] == []
        move = store.ask(last_move)
        return "none" if move is None else move.state
    finally:
        store.close()


def logged(log: Path) -> list[list[str]]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line) for line in lines if line.endswith("]")]


def test_killed_at_random_moments_of_every_step(tmp_path: Path) -> None:
    kb = tmp_path / "kb"
    models = {
        "a": HashEmbedder(seed=1, max_tokens=24),
        "b": HashEmbedder(seed=2),
        "c": HashEmbedder(seed=0, dimensions=64),
    }
    # From c to a and from b to c documents are cut anew, from a to b they are not.
    overlaps, after = {"a": 4, "b": 4, "c": 0}, {"a": "b", "b": "c", "c": "a"}
    documents = [document(i) for i in range(DOCUMENTS)]
    with Collection.create(kb, models["c"], max_tokens=40) as collection:
        collection.add(documents)
    expected = {}
    for way, overlap in overlaps.items():
        folder = tmp_path / way
        with Collection.create(folder, models[way], max_tokens=24, overlap=overlap) as fresh:
            fresh.add(documents)
            expected[way] = contents(fresh)
    dice = random.Random(int(time.time()))
    killed: Counter[str] = Counter()
    twice, largest = 0, 0
    kills, way, runs = 0, "a", 0
    while kills < KILLS or way != "a":
        runs += 1
        assert runs < 20 * KILLS
        log = tmp_path / f"{way}-{runs}.jsonl"
        command = [sys.executable, "-c", CHILD, str(kb), str(log), way]
        step = list(STEPS)[kills % len(STEPS)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        reached = kills < KILLS and step in (line.strip() for line in child.stdout)
        try:
            child.wait(dice.uniform(0, STEPS[step]) if reached else 120)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            kills += 1
            killed[step] += 1
            state_of(kb)
            continue
        assert child.returncode == 0
        assert state_of(kb) == "retired"
        with Collection.open(kb, models[way]) as collection:
            assert contents(collection) == expected[way]
        again, step_size = embedded_twice(tmp_path, way)
        twice, largest = twice + again, max(largest, step_size)
        way = after[way]
    assert killed == dict.fromkeys(STEPS, KILLS // len(STEPS))
    # Nothing but what was in flight at a kill was embedded again.
    assert twice <= killed["backfill"] * largest


def test_killed_while_it_is_cancelled(tmp_path: Path) -> None:
    kb, dice = tmp_path / "kb", random.Random(int(time.time()))
    with Collection.create(kb, HashEmbedder()) as collection:
        collection.add([document(i) for i in range(DOCUMENTS)])
        before = contents(collection)
    for kill in range(8):
        with Collection.open(kb, HashEmbedder()) as collection:
            changes = {"max_tokens": 24} if kill % 2 else {}
            Migration.begin(collection, HashEmbedder(seed=kill + 1), **changes).backfill()
        child = subprocess.Popen(
            [sys.executable, "-c", CANCEL, str(kb)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "cancel\n"
        time.sleep(dice.uniform(0, 0.08))
        child.send_signal(signal.SIGKILL)
        child.wait()
        state = state_of(kb)
        assert state in ("verifying", "cancelling", "cancelled")
        with Collection.open(kb, HashEmbedder()) as collection:
            assert contents(collection) == before
            if state != "cancelled":
                Migration(collection).cancel()
            assert collection.verify().sound
        assert len(list((kb / "vectors").iterdir())) == 1


def embedded_twice(folder: Path, way: str) -> tuple[int, int]:
    """Check the logs of one migration: only a run's last step may be embedded by a later one.

    Returns:
        How many texts were embedded again, and how many the largest step had.
    """
    logs = sorted(folder.glob(f"{way}-*.jsonl"), key=lambda path: int(path.stem.split("-")[1]))
    done: set[str] = set()
    flying: set[str] = set()
    twice = largest = 0
    for log in logs:
        steps = logged(log)
        for step in steps:
            again = done.intersection(step[1:])
            assert not again, f"{len(again)} texts were embedded although they were committed"
            twice += len(flying.intersection(step[1:]))
            largest = max(largest, len(step) - 1)
        for step in steps[:-1]:
            done.update(step[1:])
        if steps:
            flying = set(steps[-1][1:])
        log.unlink()
    return twice, largest
