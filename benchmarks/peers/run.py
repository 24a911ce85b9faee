"""samespace and its peers, side by side, in one run.

    python benchmarks/peers/run.py [--quick] [--sections embedding vectors ...] [--rounds 3]

Makes the environments of the peers when they are missing, measures section after section, saves
each as benchmarks/results/peers-<section>.json and renders benchmarks/RESULTS.md from what is
saved. Interrupted, it goes on where it was when started again. --quick takes fewer texts, one
round and under ten minutes; its results go to .peers/work/quick and are not rendered.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import traceback
from pathlib import Path

import install

SECTIONS = ("embedding", "end_to_end", "vectors", "lexical")


def main() -> None:
    """Measure, save, render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--rounds", type=int, default=None, help="3, or 1 with --quick")
    parser.add_argument("--out", type=Path, help="where results go instead; nothing is rendered")
    arguments = parser.parse_args()
    install.ensure()
    if not os.path.samefile(sys.prefix, install.PEERS / "main"):
        # On with the interpreter that has what the sections need (psutil, numpy, samespace).
        command = [str(install.python("main")), *sys.argv]
        os.execv(command[0], command)
    sys.path.insert(1, str(install.HERE.parent))
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    out = arguments.out or (install.PEERS / "work" / "quick" if arguments.quick else None)
    failed = [
        name for name in arguments.sections if not section(name, arguments.quick, rounds, out)
    ]
    if out is None:
        from render import write

        write()
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


def section(name: str, quick: bool, rounds: int, out: Path | None) -> bool:
    """Measure and save one section; return whether that went well."""
    from harness import Bench

    from common import environment, write

    version = environment()["commit"]
    started, load = time.perf_counter(), round(os.getloadavg()[0], 2)
    bench = Bench.open(name, rounds, quick, version)
    try:
        result = importlib.import_module(name).run(bench)
    except Exception:
        traceback.print_exc()
        return False
    result = {
        "rounds": rounds,
        **result,
        "versions": install.versions(),
        "load_average_before": load,
        "seconds": round(time.perf_counter() - started),
    }
    print(f"saved to {write(f'peers-{name}', result, out)}", file=sys.stderr)
    bench.close()
    return True


if __name__ == "__main__":
    main()
