"""The cache's file: what was put is got, whatever happens to the disk or to a process."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samespace.errors import InputError
from samespace.models.cache import VectorCache, store

ENTRIES = st.dictionaries(st.binary(min_size=32, max_size=32), st.binary(max_size=300), max_size=30)


@settings(max_examples=30, deadline=None)
@given(first=ENTRIES, second=ENTRIES)
def test_what_was_put_is_got(
    tmp_path_factory: pytest.TempPathFactory, first: dict[bytes, bytes], second: dict[bytes, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    cache = VectorCache(folder)
    cache.put_many("one", first)
    cache.put_many("two", second)
    expected = {**second, **first}
    assert cache.get_many(list(expected)) == expected
    assert VectorCache(folder).get_many([*expected, b"absent"]) == expected
    stats = cache.stats()
    assert stats.entries == len(expected)
    assert (stats.hits, stats.misses, stats.corrupt, stats.refused) == (len(expected), 0, 0, 0)
    assert cache.clear("two") == len(set(second) - set(first))
    assert cache.stats().spaces == ({"one": len(first)} if first else {})
    cache.clear()
    assert cache.get_many(list(expected)) == {}


def values(count: int, size: int = 1536) -> dict[bytes, bytes]:
    return {i.to_bytes(32, "big"): bytes([i % 256]) * size for i in range(count)}


def test_nothing_is_made_before_something_is_kept(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path / "cache")
    assert cache.get_many([b"a"]) == {}
    assert cache.stats().entries == 0
    assert cache.clear() == 0
    assert not (tmp_path / "cache").exists()


def test_the_bound_holds_and_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, max_bytes=2**20)
    every = values(700)
    keys = list(every)
    cache.put_many("s", dict(list(every.items())[:200]))
    with sqlite3.connect(cache.path) as database:
        # As if all of this had been two hours ago, and the first ten were read since.
        database.execute("UPDATE entries SET used = used - 7200")
    assert len(cache.get_many(keys[:10])) == 10
    for start in range(200, 700, 100):
        cache.put_many("s", dict(list(every.items())[start : start + 100]))
        assert cache.path.stat().st_size <= 2**20 * 1.2
    assert len(cache.get_many(keys[:10])) == 10
    assert len(cache.get_many(keys[10:200])) < 190
    assert len(cache.get_many(keys[200:])) == 500
    with pytest.raises(InputError, match="max_bytes must be at least"):
        VectorCache(tmp_path, max_bytes=10)


def test_a_flipped_byte_is_a_miss_and_is_dropped(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    cache.put_many("s", values(20))
    with sqlite3.connect(cache.path) as database:
        database.execute(
            "UPDATE entries SET value = zeroblob(1536) WHERE key = ?", ((7).to_bytes(32, "big"),)
        )
    found = cache.get_many(list(values(20)))
    assert found == {k: v for k, v in values(20).items() if k != (7).to_bytes(32, "big")}
    assert cache.stats().corrupt == 1
    assert cache.stats().entries == 19
    cache.put_many("s", values(20))
    assert cache.get_many(list(values(20))) == values(20)


@pytest.mark.parametrize("damage", ["garbage", "cut", "torn"])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, damage: str) -> None:
    VectorCache(tmp_path).put_many("s", values(200))
    path = VectorCache(tmp_path).path
    for database in [sqlite3.connect(path)]:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
    content = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(b"this is no database " * 1000)
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 3])
    else:
        path.write_bytes(content[:20000] + bytes(200_000) + content[220_000:])
    cache = VectorCache(tmp_path)
    assert set(cache.get_many(list(values(200))).items()) <= set(values(200).items())
    for _ in range(3):
        cache.put_many("s", values(200))
    assert cache.get_many(list(values(200))) == values(200)


def test_a_disk_that_refuses_is_a_miss(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = VectorCache(tmp_path / "file")
    cache.put_many("s", values(3))
    assert cache.get_many(list(values(3))) == {}
    assert cache.stats().refused > 0


def test_a_full_disk_is_a_miss() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("the system has no /dev/full")
    cache = VectorCache("/dev")
    cache.path = full
    cache.put_many("s", values(3))
    assert cache.get_many(list(values(3))) == {}


WRITER = """
import sys
from samespace.models.cache import VectorCache
cache = VectorCache(sys.argv[1])
start = int(sys.argv[2])
for part in range(0, 400, 20):
    numbers = range(start + part, start + part + 20)
    cache.put_many("s", {i.to_bytes(32, "big"): bytes([i % 256]) * 1536 for i in numbers})
    print(part, flush=True)
sys.exit(cache.stats().refused)
"""


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    starts = (0, 200, 400, 600)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(start)], stdout=subprocess.DEVNULL
        )
        for start in starts
    ]
    assert [process.wait(60) for process in running] == [0] * len(starts)
    assert VectorCache(tmp_path).get_many(list(values(1000))) == values(1000)


def test_a_process_killed_while_it_writes_leaves_whole_entries(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), "0"], stdout=subprocess.PIPE
    )
    assert process.stdout
    for _ in range(4):
        process.stdout.readline()
    time.sleep(0.003)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    cache = VectorCache(tmp_path)
    found = cache.get_many(list(values(400)))
    assert len(found) >= 80
    assert len(found) % 20 == 0
    assert found == {k: v for k, v in values(400).items() if k in found}
    assert cache.stats().corrupt == 0


def test_threads_share_one_cache(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    every = list(values(400).items())

    def work(start: int) -> int:
        cache.put_many("s", dict(every[start : start + 50]))
        return len(cache.get_many([key for key, _ in every[start : start + 50]]))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(0, 400, 50))) == [50] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_fork_opens_its_own(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    cache.put_many("s", values(5))
    child = os.fork()
    if child == 0:
        more = {b"child" * 6 + b"ab": b"x"}
        cache.put_many("s", more)
        os._exit(0 if len(cache.get_many([*values(5), *more])) == 6 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert cache.get_many([b"child" * 6 + b"ab"]) == {b"child" * 6 + b"ab": b"x"}


def test_the_first_answer_stays(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    cache.put_many("s", {b"key": b"first"})
    cache.put_many("s", {b"key": b"second", b"other": b"x"})
    assert cache.get_many([b"key", b"other"]) == {b"key": b"first", b"other": b"x"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_folder_that_may_not_be_looked_into_is_a_miss(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            cache = VectorCache(folder)
            cache.put_many("s", values(3))
            found = cache.get_many(list(values(3)))
            os._exit(0 if found == {} and cache.clear() == cache.stats().entries == 0 else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_only_damage_deletes_the_file(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    cache.put_many("s", values(3))
    assert cache.get_many([object()]) == {}  # type: ignore[list-item]
    assert cache.stats().refused == 1
    assert cache.get_many(list(values(3))) == values(3)


def test_who_waited_in_vain_does_not_wait_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_WAIT_S", 0.2)
    cache = VectorCache(tmp_path)
    cache.put_many("s", values(3))
    other = VectorCache(tmp_path)
    locked = sqlite3.connect(cache.path, isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    for _ in range(20):
        other.put_many("s", {b"more": b"x"})
    assert 0.2 <= time.monotonic() - started < 1
    assert other.stats().refused == 21, "stats were refused too"
    locked.close()
    time.sleep(2.2)
    other.put_many("s", {b"more": b"x"})
    assert other.get_many([b"more"]) == {b"more": b"x"}


def test_a_clock_that_was_set_back_does_not_keep_what_is_old(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, max_bytes=2**20)
    every = list(values(900).items())
    cache.put_many("s", dict(every[:600]))
    with sqlite3.connect(cache.path) as database:
        database.execute("UPDATE entries SET used = used + 1000000")
    for start in range(600, 900, 50):
        cache.put_many("s", dict(every[start : start + 50]))
    assert len(cache.get_many([key for key, _ in every[600:]])) == 300


def test_a_batch_beyond_the_bound_leaves_no_more_than_the_bound(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, max_bytes=2**20)
    every = values(20_000)
    cache.put_many("s", every)
    found = cache.get_many(list(every))
    assert 300 < len(found) < 700
    assert found.keys() == set(list(every)[-len(found) :])
    assert cache.stats().bytes < 22 * 2**20, "the journal is bounded too"


def test_clearing_says_where_bytes_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_WAIT_S", 0.05)
    cache = VectorCache(tmp_path)
    cache.put_many("s", values(200))
    reading = sqlite3.connect(cache.path, isolation_level=None)
    reading.execute("BEGIN")
    reading.execute("SELECT count(*) FROM entries").fetchone()
    with pytest.raises(InputError, match="cannot be emptied now"):
        VectorCache(tmp_path).clear()
    reading.close()
    VectorCache(tmp_path).clear()
    assert cache.path.stat().st_size < 100_000


def test_clearing_a_damaged_file_clears_it(tmp_path: Path) -> None:
    path = VectorCache(tmp_path).path
    path.write_bytes(b"this is no database " * 1000)
    assert VectorCache(tmp_path).clear() == 0
    assert not path.exists()
