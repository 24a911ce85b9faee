"""Peak memory of `samespace index` on SciFact, and on a tenth and ten times of it.

    python benchmarks/memory.py

A tenth and the whole are distinct text, all of it embedded; ten times is the same text under
other ids, of which every vector is reused. The peak is that of the whole process, as the
operating system counts it. Beside it stands a process that embeds one short text: model,
runtime and libraries alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import dataset, read_jsonl, save

CHILD = """
import json, resource, sys, time
from samespace.collection import Collection
started = time.perf_counter()
with Collection.create(sys.argv[2]) as collection:
    report = collection.add(sys.argv[1])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"documents": report.documents, "chunks": report.chunks,
    "embedded_tokens": report.embedded_tokens,
    "seconds": round(time.perf_counter() - started, 1), "peak_mib": round(peak)}))
"""


def main() -> None:
    """Run one process for each size and save the peaks."""
    records = read_jsonl(dataset("scifact") / "corpus.jsonl")
    sizes = {
        "one text": records[:1],
        "a tenth": records[: len(records) // 10],
        "scifact": records,
        "ten times": [
            {**record, "_id": f"{copy}-{record['_id']}"} for copy in range(10) for record in records
        ],
    }
    with tempfile.TemporaryDirectory() as folder:
        result = {name: run(Path(folder), name, part) for name, part in sizes.items()}
    save("memory", result)


def run(folder: Path, name: str, records: list[dict[str, Any]]) -> Any:
    """Index the records in a process of their own and return what it reports."""
    corpus = folder / f"{name}.jsonl"
    corpus.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    command = [sys.executable, "-c", CHILD, str(corpus), str(folder / f"kb {name}")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(ended.stdout)


if __name__ == "__main__":
    main()
