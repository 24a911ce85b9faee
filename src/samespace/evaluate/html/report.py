"""The page of one evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike

from samespace.evaluate.html.page import escape, page, table, write_page
from samespace.evaluate.html.plots import histogram, intervals
from samespace.evaluate.report import Report

WORST = 20
"""How many of the queries that scored least are listed."""


def write_report_html(
    path: str | PathLike[str], report: Report, *, queries: Mapping[str, str] | None = None
) -> None:
    """Write a page: metrics with intervals, how scores spread, the worst queries, times.

    Args:
        path: the file.
        report: what was measured; the spread is that of its first metric.
        queries: {query id: text}; ids alone are shown without it.

    Raises:
        InputError: the file cannot be written.
    """
    scores, run = report.scores, report.run
    first = next(iter(report.intervals))
    means = [(name, i.value, i.low, i.high) for name, i in report.intervals.items()]
    parts = [
        f"<p>{len(scores.queries):,} queries{_of(run.mode, run.space)}</p>",
        _counted(len(scores.missing), "judged queries were not asked: see the option --missing"),
        _counted(len(scores.unjudged), "queries of the run are not judged and are left out"),
        "<h2>Metrics</h2>",
        intervals("metrics", "Metrics with 95 % intervals", means),
        table(
            ("metric", "mean", "low", "high"),
            [(name, *(f"{value:.4f}" for value in rest)) for name, *rest in means],
        ),
        '<p class="soft">The interval holds the mean over such queries with 95 % confidence '
        "(bootstrap over queries).</p>",
        f"<h2>{escape(first)} by query</h2>",
        histogram("scores", f"How {first} spreads", first, scores.values[first].tolist()),
        f"<h2>The {min(WORST, len(scores.queries))} queries with the lowest {escape(first)}</h2>",
        _worst(report, first, queries or {}),
    ]
    if report.p50_ms is not None and report.p99_ms is not None:
        took = [run.took_ms[query] for query in scores.queries if query in run.took_ms]
        parts += [
            "<h2>Time of a search</h2>",
            f"<p>Half took at most {report.p50_ms:.1f} ms, 99 % at most {report.p99_ms:.1f} ms."
            "</p>",
            histogram("times", "How the times of searches spread", "milliseconds", took),
        ]
    title = f"Evaluation: {run.name}" if run.name else "Evaluation"
    write_page(path, page(title, parts))


def _of(mode: str, space: str) -> str:
    known = [f"mode {escape(mode)}"] * bool(mode) + [f"space {escape(space)}"] * bool(space)
    return f" ({', '.join(known)})" if known else ""


def _counted(count: int, said: str) -> str:
    return f'<p class="warning">{count:,} {escape(said)}</p>' if count else ""


def _worst(report: Report, metric: str, queries: Mapping[str, str]) -> str:
    values = report.scores.values[metric]
    order = sorted(range(len(values)), key=lambda i: (values[i], i))[:WORST]
    rows = []
    for i in order:
        query = report.scores.queries[i]
        found = [item.document for item in report.run.results.get(query, ())]
        first = ", ".join(list(dict.fromkeys(found))[:3])
        rows.append((query, queries.get(query, ""), f"{values[i]:.4f}", first))
    return table(("query", "text", metric, "found first"), rows, left=(0, 1, 3), wrap=(1, 3))
