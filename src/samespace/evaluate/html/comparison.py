"""The page of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np

from samespace.evaluate.compare.result import Comparison, Row
from samespace.evaluate.html.axes import size
from samespace.evaluate.html.page import clip, escape, page, table, write_page
from samespace.evaluate.html.plots import Line, Point, differences, lines, scatter

DRAWN = 8
"""How many lines a plot holds: as many as there are colours."""

DIFFERENCES = 6
"""For how many rows the differences query by query are drawn."""

EXTREMES = 5
"""How many of the largest gains, and of the largest losses, are listed with their text."""


def write_comparison_html(path: str | PathLike[str], comparison: Comparison) -> None:
    """Write a page: the table, quality against time and size, curves, and queries that differ.

    Raises:
        InputError: the file cannot be written.
    """
    metric, rows = comparison.metric, comparison.rows
    queries = len(rows[0].report.scores.queries)
    parts = [
        f"<p>{len(rows):,} configurations on {queries:,} queries"
        + (f" of the {escape(comparison.split)} split" if comparison.split else "")
        + f", sorted by {escape(metric)}; compared with the baseline "
        f"<strong>{escape(comparison.baseline)}</strong>.</p>",
        *(f'<p class="warning">{escape(warning)}</p>' for warning in comparison.warnings),
        _table(comparison),
        '<p class="soft">Intervals are of 95 % confidence; p is that of the paired randomization '
        "test against the baseline, adjusted for all rows by Holm's method. A search returns the "
        f"{comparison.depth} best documents, and its time counts the embedding of the query. "
        "“Vectors” is what they take in the row's own dimensions and precision; the store on disk "
        "keeps every vector as float32. Build time counts embeddings that were reused at what "
        "they took. Bold rows are on a front: nothing else is as good and as fast, or as good "
        "and as small.</p>",
        f"<h2>{escape(metric)} against the time of a search</h2>",
        scatter(
            "speed",
            f"{metric} against the median time of a search",
            "median time of a search, milliseconds (logarithmic)",
            metric,
            [_point(comparison, i, row.report.p50_ms or 0.0, row.fastest) for i, row in _n(rows)],
        ),
        f"<h2>{escape(metric)} against the size of the vectors</h2>",
        scatter(
            "size",
            f"{metric} against the bytes of all vectors",
            "bytes of all vectors (logarithmic; 0 for lexical search)",
            metric,
            [_point(comparison, i, row.cost.vector_bytes, row.smallest) for i, row in _n(rows)],
            size,
        ),
        '<p class="soft">Numbers beside points are those of the table; the broken line is the '
        "front, and filled marks are on it.</p>",
        *_over_k(comparison),
        *_over_dimensions(comparison),
        *_by_query(comparison),
        *_skipped(comparison),
    ]
    write_page(path, page(f"Comparison by {metric}", parts))


def _n(rows: Sequence[Row]) -> list[tuple[int, Row]]:
    return list(enumerate(rows, 1))


def _table(comparison: Comparison) -> str:
    headers = (
        "#",
        "configuration",
        f"{comparison.metric} [95\u00a0%]",
        "difference [95\u00a0%]",
        "p (Holm)",
        "wins / ties / losses",
        "search ms",
        "vectors",
        "on disk",
        "build s",
        "front",
    )
    cells = []
    for number, row in _n(comparison.rows):
        interval, paired = row.report.intervals[comparison.metric], row.paired
        fronts = ["fastest"] * row.fastest + ["smallest"] * row.smallest
        against: tuple[str, ...] = ("baseline", "", "")
        if paired is not None:
            d = paired.difference
            against = (
                f"{d.value:+.4f}\n[{d.low:+.3f}, {d.high:+.3f}]",
                f"{row.p_holm:.4f}",
                f"{paired.wins}/{paired.ties}/{paired.losses}",
            )
        cells.append(
            (
                number,
                row.name,
                f"{interval.value:.4f}\n[{interval.low:.3f}, {interval.high:.3f}]",
                *against,
                f"{row.report.p50_ms or 0:.1f}",
                size(row.cost.vector_bytes),
                size(row.cost.disk_bytes),
                f"{row.cost.build_seconds:.1f}",
                "\n".join(fronts),
            )
        )
    strong = [i for i, row in enumerate(comparison.rows) if row.fastest or row.smallest]
    return table(headers, cells, left=(1, 10), wrap=(1,), strong=strong)


def _point(comparison: Comparison, number: int, cost: float, front: bool) -> Point:
    row = comparison.rows[number - 1]
    interval = row.report.intervals[comparison.metric]
    configuration = row.configuration
    models = {other.configuration.index.model for other in comparison.rows}
    group: str = configuration.mode
    if configuration.reranker != "none":
        group += f" +{configuration.reranker}"
    if len(models) > 1:
        group = f"{configuration.index.model} {group}"
    return Point(
        cost, interval.value, interval.low, interval.high, row.name, group, str(number), front
    )


def _over_k(comparison: Comparison) -> list[str]:
    chosen = [
        row
        for row in comparison.rows
        if row.curve and (row.fastest or row.smallest or row.paired is None)
    ][:DRAWN]
    if not chosen:
        return []
    name = comparison.metric.partition("@")[0]
    series = [Line(row.name, sorted(row.curve.items())) for row in chosen]
    return [
        f"<h2>{escape(name)} over k</h2>",
        lines("over-k", f"{name} over k", "k (logarithmic)", f"{name}@k", series),
        '<p class="soft">The baseline and what is on a front'
        + (f", at most {DRAWN}" if len(chosen) == DRAWN else "")
        + ".</p>",
        table(
            ("configuration", *(f"@{k}" for k, _ in series[0].points)),
            [(line.name, *(f"{value:.4f}" for _, value in line.points)) for line in series],
            wrap=(0,),
        ),
    ]


def _over_dimensions(comparison: Comparison) -> list[str]:
    groups: dict[str, list[tuple[float, float]]] = {}
    for row in comparison.rows:
        configuration = row.configuration
        if configuration.mode != "lexical":
            kept = f" d{configuration.index.dimensions} "
            name = row.name.replace(kept, " ", 1)
            mean = row.report.scores.mean(comparison.metric)
            groups.setdefault(name, []).append((configuration.index.dimensions, mean))
    several = [(name, sorted(points)) for name, points in groups.items() if len(points) > 1]
    if not several:
        return []
    best = sorted(several, key=lambda item: -max(value for _, value in item[1]))[:DRAWN]
    return [
        f"<h2>{escape(comparison.metric)} over dimensions</h2>",
        lines(
            "over-dimensions",
            f"{comparison.metric} over dimensions",
            "dimensions (logarithmic)",
            comparison.metric,
            [Line(name, points) for name, points in best],
        ),
        f'<p class="soft">The best {len(best)} of {len(several)} series.</p>',
    ]


def _by_query(comparison: Comparison) -> list[str]:
    base = next(row for row in comparison.rows if row.paired is None)
    others = [(i, row) for i, row in _n(comparison.rows) if row is not base][:DIFFERENCES]
    if not others:
        return []
    metric = comparison.metric
    parts = [
        "<h2>Query by query, against the baseline</h2>",
        f'<p class="soft">{escape(metric)} minus that of the baseline, for the best '
        f"{len(others)} of the other rows.</p>",
    ]
    order = base.report.scores.queries
    for number, row in others:
        scores = row.report.scores
        places = {query: place for place, query in enumerate(scores.queries)}
        values = scores.values[metric][[places[query] for query in order]]
        change = values - base.report.scores.values[metric]
        texts = [clip(comparison.queries.get(query, query)) for query in order]
        plot = differences(
            f"queries-{number}",
            f"{row.name} against the baseline",
            f"difference in {metric}",
            change.tolist(),
            texts,
        )
        ranked = np.argsort(change, kind="stable")
        extreme = [i for i in (*ranked[::-1][:EXTREMES], *ranked[:EXTREMES][::-1]) if change[i]]
        listed = table(
            ("query", "text", "baseline", "here", "difference"),
            [
                (
                    order[i],
                    texts[i],
                    f"{base.report.scores.values[metric][i]:.4f}",
                    f"{values[i]:.4f}",
                    f"{change[i]:+.4f}",
                )
                for i in dict.fromkeys(extreme)
            ],
            left=(0, 1),
            wrap=(1,),
        )
        opened = " open" if number == others[0][0] else ""
        parts.append(
            f"<details{opened}><summary>{number}. {escape(row.name)}</summary>{plot}"
            f"{listed if extreme else '<p>No query differs.</p>'}</details>"
        )
    return parts


def _skipped(comparison: Comparison) -> list[str]:
    if not comparison.skipped:
        return []
    rows = [(item.name, item.reason) for item in comparison.skipped]
    return ["<h2>Left out</h2>", table(("what", "why"), rows, left=(0, 1), wrap=(1,))]
