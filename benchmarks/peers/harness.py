"""How every peer is measured: a process of its own, equal threads, a time limit, a journal.

A section is a module with two functions:

    run(bench: Bench) -> dict       # measures; what it returns is saved as peers-<section>.json
    table(result: dict) -> str      # its part of RESULTS.md, in Markdown, from the saved result

`run` asks `bench.measure(...)` for one thing at a time, in rounds: all systems once, then all
again. Each answer is written to a journal at once, so a run that was interrupted and is started
again goes on where it was. A system that fails or takes too long is an answer too:
{"error": ...}; the others go on.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from install import HERE, PEERS, python

WORK = PEERS / "work"
"""Where models, texts, vectors and indexes lie: made when missing, never committed."""

THREADS = 2
"""Of every system, on as many cores."""

SETTINGS = {
    **{
        name: str(THREADS)
        for name in (
            "OMP_NUM_THREADS",
            "MKL_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "NUMEXPR_NUM_THREADS",
            "RAYON_NUM_THREADS",
            "LANCE_CPU_THREADS",
        )
    },
    # Nothing is fetched and nothing is reported while a clock runs.
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "LANCEDB_TELEMETRY": "0",
    "DO_NOT_TRACK": "1",
    # What is timed is computed, not found in a cache.
    "SAMESPACE_VECTOR_CACHE": "off",
}

Answer = dict[str, Any]


@dataclass
class Bench:
    """One section's run: its size, its rounds, and what was measured already."""

    section: str
    rounds: int
    quick: bool
    journal: Path
    answers: dict[str, Answer] = field(default_factory=dict)

    @classmethod
    def open(cls, section: str, rounds: int, quick: bool, version: str) -> Bench:
        """Begin a run, or go on with one of the same version and size that was interrupted."""
        folder = WORK / "journal"
        folder.mkdir(parents=True, exist_ok=True)
        bench = cls(section, rounds, quick, folder / f"{'quick-' if quick else ''}{section}.jsonl")
        head = {"version": version, "quick": quick}
        lines = bench.journal.read_text("utf-8").splitlines() if bench.journal.exists() else []
        if lines and json.loads(lines[0]) == head:
            # A line that a killed run left half written is measured again.
            for line in lines[1:]:
                try:
                    key, answer = json.loads(line)
                except ValueError:
                    continue
                if "error" not in answer:
                    bench.answers[key] = answer
        else:
            bench.journal.write_text(json.dumps(head) + "\n", encoding="utf-8")
        return bench

    def measure(
        self,
        key: str,
        function: str,
        *,
        environment: str = "main",
        timeout: float = 900,
        settings: Mapping[str, Any],
    ) -> Answer:
        """Run `function` ("module:name") in a process of its own and return what it returns.

        Added to the answer: "peak_mib", the largest resident memory of the process and its
        children together, and "wall_s". A failure is {"error": ...}. An answer that the journal
        holds under the key is returned as it is.
        """
        if key not in self.answers:
            answer = in_a_process(function, environment, timeout, settings)
            self.answers[key] = answer
            with self.journal.open("a", encoding="utf-8") as journal:
                journal.write("\n" + json.dumps([key, answer]))
            note = answer.get("error") or f"{answer['wall_s']:.1f} s"
            print(f"{time.strftime('%H:%M:%S')} {self.section} | {key}: {note}", file=sys.stderr)
        return self.answers[key]

    def close(self) -> None:
        """Forget the journal: its answers are saved as a result."""
        self.journal.unlink(missing_ok=True)


def in_a_process(
    function: str, environment: str, timeout: float, settings: Mapping[str, Any]
) -> Answer:
    """Run one function in one environment; see `Bench.measure`."""
    module, name = function.split(":")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        result, log = Path(scratch) / "result.json", Path(scratch) / "log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [str(python(environment)), str(HERE / "worker.py"), module, name, str(result)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **SETTINGS, "PYTHONPATH": str(HERE.parent)},
                preexec_fn=_hold,
            )
            assert process.stdin is not None
            process.stdin.write(json.dumps(settings).encode())
            process.stdin.close()
            peak = _watch(process, started + timeout)
        wall = round(time.perf_counter() - started, 2)
        if peak is None:
            return {"error": f"stopped after {timeout:.0f} s", "wall_s": wall}
        if not result.exists():
            tail = log.read_text("utf-8", "replace").strip().splitlines()[-3:]
            return {"error": f"ended with {process.returncode}: {' '.join(tail)}", "wall_s": wall}
        answer: Answer = json.loads(result.read_text("utf-8"))
        if "error" in answer:
            print(log.read_text("utf-8", "replace")[-4000:], file=sys.stderr)
        own = answer.pop("own_peak_mib")
        return {**answer, "peak_mib": round(max(own, peak)), "wall_s": wall}


def _hold() -> None:
    """Keep the process to as many cores as it may have threads; its own group, to be ended."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    os.setsid()


def _watch(process: subprocess.Popen[bytes], deadline: float) -> float | None:
    """Wait for the process; return the most memory its family held (MiB), None if it was ended."""
    import psutil  # Here: the tables are made by an interpreter that need not have it.

    peak = 0.0
    while process.poll() is None:
        try:
            parent = psutil.Process(process.pid)
            family = [parent, *parent.children(recursive=True)]
            peak = max(peak, sum(one.memory_info().rss for one in family) / 2**20)
        except psutil.Error:
            pass  # It ended, or a child did, between two looks.
        if time.perf_counter() > deadline:
            os.killpg(process.pid, 9)
            process.wait()
            return None
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    return peak


def spread(values: Iterable[float], digits: int = 3) -> dict[str, float]:
    """Return median, least and largest of the rounds, rounded to significant digits."""
    found = sorted(values)
    middle = statistics.median(found)
    return {
        name: significant(value, digits)
        for name, value in (("median", middle), ("min", found[0]), ("max", found[-1]))
    }


def significant(value: float, digits: int) -> float:
    """Round to significant digits."""
    return float(f"{value:.{digits}g}")


def size_mb(path: Path) -> float:
    """Return the bytes of a file or of all files under a folder, in MB (10^6)."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return round(sum(p.stat().st_size for p in files) / 1e6, 1)


def emptied(path: Path) -> Path:
    """Return a folder with nothing in it."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
