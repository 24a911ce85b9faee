"""What the benchmarks share: where the data are, the machine, nDCG, peak memory, saved results."""

from __future__ import annotations

import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DATASETS = Path(os.environ.get("SAMESPACE_DATASETS", HERE.parents[1] / "shared/datasets"))
# What is timed is computed: nothing is looked up among vectors of an earlier run.
os.environ["SAMESPACE_VECTOR_CACHE"] = "off"
PACKAGES = ("samespace", "numpy", "onnxruntime", "tokenizers", "tantivy")


def dataset(name: str) -> Path:
    """Return the folder of a data set, or end with a message that says how to name its parent."""
    folder = DATASETS / name
    if not folder.is_dir():
        sys.exit(f"{folder} is not there; set SAMESPACE_DATASETS to the folder of data sets")
    return folder


def environment() -> dict[str, Any]:
    """Return the machine, the versions and the commit that a result was measured with."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else ""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE
    ).stdout.strip()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "packages": {name: version(name) for name in PACKAGES},
    }


def save(name: str, result: Mapping[str, Any]) -> None:
    """Write a result with its environment to benchmarks/results and print it."""
    path = write(name, result)
    print(json.dumps(result, indent=2, ensure_ascii=False))
    print(f"saved to {path}")


def write(name: str, result: Mapping[str, Any], folder: Path | None = None) -> Path:
    """Write a result with its environment to a folder, benchmarks/results by default."""
    document = {"benchmark": name, **result, "environment": environment()}
    path = (folder or HERE / "results") / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def peak_mib(of_children: bool = False) -> float:
    """Return the peak resident memory of this process (or of its ended children) in MiB."""
    who = resource.RUSAGE_CHILDREN if of_children else resource.RUSAGE_SELF
    return resource.getrusage(who).ru_maxrss / 1024


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Return the records of a JSON Lines file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_qrels(path: Path) -> Mapping[str, Mapping[str, int]]:
    """Return {query: {document: relevance}} of a file in BEIR form."""
    from samespace import evaluate

    return evaluate.read_qrels(path).judgements


def ndcg(ranked: Sequence[str], judged: Mapping[str, int], k: int = 10) -> float:
    """Return nDCG@k of one ranking, best first, with the rules of trec_eval."""
    from samespace.evaluate import evaluate

    scores = {document: -float(rank) for rank, document in enumerate(ranked)}
    return evaluate({"q": scores}, {"q": judged}, [f"ndcg@{k}"]).mean(f"ndcg@{k}")


def percentile(values: Sequence[float], q: float) -> float:
    """Return the q-th percentile (nearest rank) of the values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(q / 100 * len(ordered)) - 1)]
