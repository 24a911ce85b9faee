"""benchmarks/RESULTS.md from the saved results, and the tables that sections make of theirs.

    python benchmarks/peers/render.py      # writes it anew

No figure there is written by hand, and no verdict either: the last row of each table says where
samespace is behind, by the medians above it. A test holds the file and the results in step.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results"
PAGE = HERE.parent / "RESULTS.md"
SECTIONS = ("embedding", "end_to_end", "vectors", "lexical")
OURS = "samespace"

Row = Mapping[str, Any]


class Better(Enum):
    """Which of two values of a column is the better one."""

    LESS = -1
    MORE = 1


@dataclass(frozen=True)
class Column:
    """One column: its heading, the key of its values in a row, which value is better (if any).

    `share` is set where values lie between 0 and 1, so that a difference says more than a ratio.
    """

    head: str
    key: str
    better: Better | None
    share: bool = False


def ranked(head: str, rows: Mapping[str, Row], columns: Sequence[Column]) -> str:
    """Return a table of systems with the best value of each column bold and ours judged.

    A row holds, under each column's key, a number, a text, None, or {"median", "min", "max"}
    over the rounds. It may hold "error" (then it has no values), "note" (printed), and
    "comparable": False where its values count for nothing beside the others.

    The last row says for each column whether ours is best or how far behind which peer.
    """
    fair = {n: r for n, r in rows.items() if "error" not in r and r.get("comparable", True)}
    best = {column: _best(fair, column) for column in columns}
    lines = [
        f"| {head} | {' | '.join(column.head for column in columns)} | note |",
        f"|---|{'---:|' * len(columns)}---|",
    ]
    for name, row in rows.items():
        if "error" in row:
            cells = ["-"] * len(columns)
            note = f"failed: {_plain(row['error'])}"
        else:
            cells = [_cell(row.get(c.key), name in best[c]) for c in columns]
            note = row.get("note", "")
        lines.append(f"| {name} | {' | '.join(cells)} | {note} |")
    if OURS in fair:
        verdicts = [_verdict(fair, column, best[column]) for column in columns]
        lines.append(f"| *where {OURS} stands* | {' | '.join(verdicts)} | |")
    return "\n".join(lines) + "\n"


def middle(value: Any) -> float | None:
    """Return the number that stands for a value: itself, or the median of its rounds."""
    if isinstance(value, Mapping):
        return float(value["median"])
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return None


def figure(value: float) -> str:
    """Return a number with thousands separated and no digits that say nothing."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.7g}"


def _best(rows: Mapping[str, Row], column: Column) -> set[str]:
    """Return the systems that have the best value of a column."""
    if column.better is None:
        return set()
    sign = column.better.value
    found = {n: v * sign for n, r in rows.items() if (v := middle(r.get(column.key))) is not None}
    top = max(found.values(), default=0.0)
    return {name for name, value in found.items() if value == top}


def _verdict(rows: Mapping[str, Row], column: Column, best: set[str]) -> str:
    """Return "best", or by how much ours is behind the best and which that is."""
    ours = middle(rows[OURS].get(column.key))
    if ours is None or not best:
        return ""
    if OURS in best:
        return "best"
    first = min(best)
    theirs = middle(rows[first][column.key]) or 0.0
    close = (
        ", within the spread" if _overlap(rows[OURS][column.key], rows[first][column.key]) else ""
    )
    more, less = max(ours, theirs), min(ours, theirs)
    if column.share or not less or more / less < 1.005:
        size = f"by {figure(float(f'{more - less:.2g}'))}"
    else:
        size = f"{more / less:.2f} x"
    return f"**behind** {first}: {size}{close}"


def _overlap(a: Any, b: Any) -> bool:
    if not (isinstance(a, Mapping) and isinstance(b, Mapping)):
        return False
    return bool(a["min"] <= b["max"] and b["min"] <= a["max"] and a["min"] < a["max"])


def _cell(value: Any, bold: bool) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        text = figure(value["median"])
        text = f"**{text}**" if bold else text
        if value["min"] == value["max"]:
            return text
        return f"{text} ({figure(value['min'])}-{figure(value['max'])})"
    text = figure(value) if isinstance(value, int | float) else _plain(value)
    return f"**{text}**" if bold else text


def _plain(text: object) -> str:
    """Return a text that breaks no table."""
    return " ".join(str(text).replace("|", "\\|").split())[:200]


def page(results: Path = RESULTS) -> str:
    """Return RESULTS.md from the results that are saved."""
    parts = [
        "# samespace beside its peers\n\n"
        "Made by `python benchmarks/peers/run.py` from `benchmarks/results/peers-*.json`; written "
        "by `benchmarks/peers/render.py`, not by hand.\n\n"
        "Same weights, same texts, same machine, in one run. Each system runs in a process of its "
        "own with two threads on two cores; rounds are interleaved (every system once, then every "
        "system again). A figure is the median of the rounds, with the least and the largest in "
        "parentheses. Bold is the best of a column. Peak memory is the largest resident memory of "
        "the process and its children together; pages of a mapped file that were read count.\n"
    ]
    for name in SECTIONS:
        path = results / f"peers-{name}.json"
        if not path.exists():
            continue
        result = json.loads(path.read_text("utf-8"))
        parts += [importlib.import_module(name).table(result).rstrip() + "\n", _measured(result)]
    return "\n".join(parts)


def _measured(result: Mapping[str, Any]) -> str:
    """Return where, when and with what a section was measured."""
    place, rounds = result["environment"], result["rounds"]
    versions = "; ".join(
        f"{environment}: {', '.join(f'{n} {v}' for n, v in found.items())}"
        for environment, found in result["versions"].items()
    )
    return (
        f"Measured on {place['date']} at commit {place['commit']} with {rounds} "
        f"round{'s' if rounds > 1 else ''} in {result['seconds'] / 60:.0f} minutes: "
        f"{place['cores']} cores of {place['cpu']}, {place['system']}, Python {place['python']}; "
        f"load before the start {result['load_average_before']}. Versions: {versions}.\n"
    )


def write() -> None:
    """Write RESULTS.md."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    import sys

    sys.path.insert(1, str(HERE.parent))
    write()
