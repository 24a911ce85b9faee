"""`samespace compare`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from samespace.cli.options import (
    Command,
    html_option,
    json_option,
    load_options,
    on_long_query_option,
    pop_load_options,
    read_judged,
)
from samespace.cli.output import print_json

if TYPE_CHECKING:
    from rich.table import Table

    from samespace.evaluate.compare import Comparison, Step

_LEAST = 16
"""How many characters of a configuration's name stand in a line at least."""


def _axis(
    name: str, metavar: str, text: str, kind: Any = click.STRING
) -> Callable[[Command], Command]:
    """Make an option that takes values between commas, each of a kind of click's."""

    def split(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
        if value is None:
            return ()
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if not parts:
            raise click.BadParameter("give at least one value, or leave the option out")
        return tuple(kind.convert(part, parameter, context) for part in parts)

    return click.option(f"--{name}", callback=split, metavar=metavar, help=text)


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--into", required=True, metavar="WORK", help="The folder to work in.")
@click.option("--testset", metavar="DIR", help="A test set, as `samespace testset` makes it.")
@click.option("--queries", metavar="FILE", help="Or queries: JSON lines with _id and text.")
@click.option("--qrels", metavar="FILE", help="And judgements: query, document, score.")
@click.option(
    "--split",
    type=click.Choice(["tune", "test"]),
    help="Which side of the test set (default: tune, where it has sides).",
)
@_axis("models", "NAME,...", "Models: names or folders.")
@_axis("dimensions", "N,...", "Dimensions kept (default: all).", click.IntRange(min=1))
@_axis(
    "precisions",
    "NAME,...",
    "Of float32 (default), float16, int8, binary.",
    click.Choice(["float32", "float16", "int8", "binary"]),
)
@_axis("max-tokens", "N,...", "Budgets of a chunk (default: the window).", click.IntRange(min=16))
@_axis("overlaps", "N,...", "Tokens chunks share (default: 0).", click.IntRange(min=0))
@_axis(
    "chunkings",
    "NAME,...",
    "Of structure (default), document.",
    click.Choice(["structure", "document"]),
)
@_axis(
    "modes",
    "NAME,...",
    "Of hybrid (default), dense, lexical.",
    click.Choice(["hybrid", "dense", "lexical"]),
)
@_axis("rerankers", "NAME,...", "Of none (default) and names of rerankers or models.")
@click.option("--language", metavar="CODE", help="ISO 639-1 code (default: en).")
@click.option("--metric", default="ndcg@10", show_default=True, help="What to sort and test by.")
@_axis("metrics", "NAME,...", "What else to compute.")
@click.option("--baseline", metavar="NAME", help="The configuration to test against (the first).")
@on_long_query_option
@html_option
@load_options
@json_option
def compare(
    paths: tuple[str, ...],
    into: str,
    testset: str | None,
    queries: str | None,
    qrels: str | None,
    split: Any,
    metric: str,
    metrics: tuple[str, ...],
    baseline: str | None,
    on_long: Any,
    html: str | None,
    as_json: bool,
    **axes: Any,
) -> None:
    """Measure a grid of configurations on one test set: quality, its certainty, and cost.

    PATHs are what `index` takes; they may be left out where the test set has a corpus of its
    own. Each text is embedded once for each model; what is finished stays in WORK, and the same
    command goes on from there. Options that take a list (a,b,c) span the grid.
    """
    from samespace.evaluate.compare import Grid
    from samespace.evaluate.compare import compare as measure
    from samespace.evaluate.metrics import DEFAULT_METRICS

    if bool(testset) == bool(queries or qrels) or bool(queries) != bool(qrels):
        raise click.UsageError("give --testset DIR, or --queries FILE and --qrels FILE")
    options = pop_load_options(axes)
    given = {name: value for name, value in axes.items() if value}
    try:
        result = measure(
            list(paths) or None,
            read_judged(testset, queries, qrels),
            into,
            Grid(**given),
            metric=metric,
            metrics=metrics or DEFAULT_METRICS,
            baseline=baseline,
            split=split,
            options=options,
            on_long=on_long,
            progress=_progress,
        )
    except KeyboardInterrupt:
        click.echo(f"interrupted; the same command goes on from what is in {into}", err=True)
        raise click.exceptions.Abort from None
    if html:
        from samespace.evaluate.html import write_comparison_html

        write_comparison_html(html, result)
    if as_json:
        print_json(result.to_dict())
    else:
        _print(result)
    _print_notes(result)


def _progress(step: Step) -> None:
    doing = {"build": "building the index of", "run": "asking"}[step.doing]
    click.echo(f"[{step.number}/{step.total}] {doing} {step.name}", err=True)


def _print(result: Comparison) -> None:
    """Print the table; in a terminal too narrow for it, what belongs together is stacked."""
    from rich.console import Console, ConsoleDimensions

    from samespace.evaluate.compare.result import POINT

    # A model's name may look like markup.
    console = Console(highlight=False, markup=False, emoji=False)
    room = Console(width=10_000)
    table = _table(result, stacked=False)
    width = room.measure(table).maximum
    if console.is_terminal and width > console.width:
        table = _table(result, stacked=True)
        names = table.columns[0]
        longest = max(room.measure(cell).maximum for cell in names.cells)
        figures = room.measure(table).maximum - longest
        # Names are folded, and figures never cut: if need be the terminal breaks the lines.
        names.width = min(max(console.width - figures, _LEAST), longest)
        width = figures + names.width
    console.size = ConsoleDimensions(max(console.width, width), console.height)
    console.print(table, crop=False)
    click.echo(
        f"\n{len(result.queries):,} queries, intervals of 95 %; ms: median time of a search of the "
        f"{result.depth} best documents; vectors: in the row's own precision (on disk all are "
        "float32). Front: nothing else is as good and as fast, or as good and as small."
    )
    needed = [row.queries_needed for row in result.rows if row.queries_needed is not None]
    if needed:
        click.echo(
            f"To see a difference of {POINT} from the baseline takes {min(needed):,} to "
            f"{max(needed):,} queries, by how much the rows differ (80 % power at the 5 % level)."
        )


def _table(result: Comparison, *, stacked: bool) -> Table:
    """Return a row of one line for each configuration, or a narrower one of several lines."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from samespace.evaluate.html.axes import size

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, show_lines=stacked)
    table.add_column("configuration", overflow="fold")
    between, stack = ("\n", "\n".join) if stacked else (" ", None)
    headers = [
        [result.metric],
        ["difference", "p (Holm)"],
        ["ms"],
        ["vectors", "disk"],
        ["build s"],
    ]
    for names in headers:
        for name in [stack(names)] if stack else names:
            table.add_column(name, justify="right", no_wrap=True)
    if not stacked:
        table.add_column("front", no_wrap=True)
    for row in result.rows:
        interval = row.report.intervals[result.metric]
        against = ["baseline", ""]
        if row.paired is not None:
            d = row.paired.difference
            against = [
                f"{d.value:+.3f}{between}[{d.low:+.3f}, {d.high:+.3f}]",
                f"{row.p_holm:.4f}",
            ]
        front = " ".join(["fastest"] * row.fastest + ["smallest"] * row.smallest)
        sizes = [size(row.cost.vector_bytes), size(row.cost.disk_bytes)]
        table.add_row(
            f"{row.name}\n({front})" if stack and front else row.name,
            f"{interval.value:.4f}{between}[{interval.low:.3f}, {interval.high:.3f}]",
            *([stack(against)] if stack else against),
            f"{row.report.p50_ms or 0:.1f}",
            *([stack(sizes)] if stack else sizes),
            f"{row.cost.build_seconds:.1f}",
            *([] if stack else [front]),
        )
    return table


def _print_notes(result: Comparison) -> None:
    for item in result.skipped:
        click.echo(f"left out: {item.name}: {item.reason}", err=True)
    failed = max(row.cost.failed for row in result.rows)
    if failed:
        click.echo(f"{failed:,} documents could not be taken in (`index` says why)", err=True)
    for warning in result.warnings:
        click.echo(f"warning: {warning}", err=True)
