"""The tables of docs/spaces.md, from what benchmarks/canaries.py saved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from common import HERE

PAGE = HERE.parent / "docs/spaces.md"


def results() -> dict[str, Any]:
    """Return what was saved of all parts."""
    found: dict[str, Any] = {}
    for path in sorted((HERE / "results").glob("canaries-*.json")):
        found |= json.loads(path.read_text(encoding="utf-8"))
    return found


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the tables of the documentation by their names there."""

    def rows(head: str, lines: Iterator[str]) -> str:
        return "\n".join([head, "|---" * (head.count("|") - 1) + "|", *lines]) + "\n"

    def yes(value: object) -> str:
        return "yes" if value else "no"

    right, total = result["right"], result["canaries"]
    return {
        "runtimes": rows(
            "| runtime | least | mean | least of the quick two | least, not normalized "
            "| same first ten | nDCG@10 |",
            (
                f"| {name} | {r['least']:.6f} | {r['mean']:.6f} | {r['quick_least']:.6f} "
                f"| {r['least_not_normalized']:.6f} | {r['overlap@10']:.3f} | {r['ndcg@10']:.4f} |"
                for name, r in result["runtimes"].items()
            ),
        ),
        "corruptions": rows(
            f"| corruption | Space differs in | quick two: least | all {total}: least "
            "| moved | same first ten | nDCG@10 |",
            (
                f"| {name}: {r['how']} | {', '.join(r['space']) or 'nothing'} "
                f"| {r['quick_least']:.4f} | {r['least']:.4f} | {r['moved']} "
                f"| {r['overlap@10']:.3f} | {r['ndcg@10']:.4f} |"
                for name, r in result["corruptions"].items()
            ),
        )
        + f"\nRight: nDCG@10 {right['ndcg@10']:.4f}.\n",
        "kin": rows(
            "| relative | least | nearest to another | admitted | same first ten | nDCG@10 |",
            (
                f"| {name} | {r['least']:.3f} | {r['mistaken']} | {yes(r['admitted'])} "
                f"| {r['overlap@10']:.3f} | {r['ndcg@10']:.4f} |"
                for name, r in result["kin"].items()
            ),
        ),
    }


def renewed(page: str) -> str:
    """Return docs/spaces.md with its tables as the saved result has them."""
    for name, table in tables(results()).items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = page.partition(begin)
        page = before + begin + table + end + rest.partition(end)[2]
    return page
