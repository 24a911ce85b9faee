"""Another model of the same dimension asks: what samespace and each of its peers do.

    python benchmarks/peers/wrong_model.py

A hundred passages of SciFact are indexed with MiniLM by each system, as its documentation has it,
and asked by a model that is exactly as good and whose hidden dimensions are in another order
(other_model.py). It is named by the caller, as code that was changed would name it; or it lies
where the first one lay, as a model that was updated would. The end-to-end section does the same on
5,000 passages; this takes a few minutes.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import install


def main() -> None:
    """Ask, save, and print the table."""
    install.ensure()
    if not os.path.samefile(sys.prefix, install.PEERS / "main"):
        # On with the interpreter that has what the systems need.
        os.execv(install.python("main"), [str(install.python("main")), *sys.argv])
    sys.path.insert(1, str(install.HERE.parent))
    from end_to_end import EXPERIMENTS, FOLDER, other, prepare
    from end_to_end_table import outcomes
    from harness import Bench

    from common import environment, write

    bench = Bench.open("wrong_model", 1, True, environment()["commit"])
    files = prepare(FOLDER / "wrong_model", quick=True)
    systems = {name: asked(bench, files, name, other) for name in EXPERIMENTS}
    print("\n".join(outcomes(systems)))
    write("wrong_model", {"systems": systems, "versions": install.versions()})
    bench.close()


def asked(bench: Any, files: Any, name: str, other: Any) -> dict[str, Any]:
    """Index with the right model, then ask with it and with the other."""
    from end_to_end import WORKER
    from harness import emptied
    from systems import ENTRIES

    folder = files.store(name, "whole")
    settings = {"system": name, "model": str(files.model), "folder": str(folder)}
    if f"{name}/index" not in bench.answers:
        emptied(folder)
    indexed = bench.measure(
        f"{name}/index", f"{WORKER}:index", settings={**settings, "passages": str(files.passages)}
    )
    right = bench.measure(
        f"{name}/right",
        f"{WORKER}:search",
        settings={**settings, "queries": str(files.queries), "qrels": str(files.qrels)},
    )
    return {
        "indexed": indexed.get("embedded"),
        "modes": right.get("modes", {}),
        "other_model": {"how": ENTRIES[name].other, **other(bench, files, name)},
    }


if __name__ == "__main__":
    main()
