"""`samespace eval`: how good the answers of a collection are, or of a run made elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from samespace.cli.options import (
    html_option,
    in_a_folder,
    json_option,
    mode_option,
    model_option,
    on_long_query_option,
    read_judged,
)
from samespace.cli.output import print_json
from samespace.cli.progress import counting_bar

if TYPE_CHECKING:
    from samespace.evaluate.report import Report
    from samespace.evaluate.testset import TestSet

_OF_A_COLLECTION = ("queries", "mode", "where", "reranker", "model", "on_long")


@click.command("eval")
@click.argument("kb", metavar="[KB]", required=False)
@click.option("--queries", metavar="FILE", help="Queries: JSON lines with _id and text.")
@click.option("--qrels", metavar="FILE", help="Judgements by document id, in BEIR or TREC form.")
@click.option("--testset", metavar="DIR", help="Instead of both: what `samespace testset` made.")
@click.option(
    "--split",
    type=click.Choice(["tune", "test"]),
    default="test",
    show_default=True,
    help="Which side of the test set is asked.",
)
@click.option("--run", "run_file", metavar="FILE", help="Score this run instead of asking KB.")
@mode_option
@click.option("--metrics", metavar="NAMES", help='Such as "ndcg@10,recall@100,mrr".')
@click.option("--where", metavar="FILTER", help="Search only what the filter accepts.")
@click.option("--reranker", metavar="NAME", help="Ranks the first hits anew.")
@click.option(
    "--missing",
    type=click.Choice(["zero", "skip"]),
    default="zero",
    show_default=True,
    help="Judged queries without results score 0, or are left out.",
)
@on_long_query_option
@click.option(
    "--run-out",
    metavar="FILE",
    callback=in_a_folder,
    help="Write the run: TREC form, or BEIR form (.json).",
)
@html_option
@model_option
@json_option
@click.pass_context
def eval_command(
    context: click.Context,
    /,
    kb: str | None,
    queries: str | None,
    qrels: str | None,
    testset: str | None,
    split: str,
    run_file: str | None,
    metrics: str | None,
    missing: str,
    run_out: str | None,
    html: str | None,
    as_json: bool,
    **searching: Any,
) -> None:
    """Measure how well KB answers queries whose answers are known, or score a run.

    Judgements go by document id; a document scores what its best chunk scores. Intervals hold
    the mean over such queries with 95 % confidence. Metrics: ndcg@K, recall@K, precision@K,
    hit@K, mrr@K, map@K, judged@K, mrr, map, rprecision.
    """
    from samespace.evaluate.metrics import DEFAULT_METRICS
    from samespace.evaluate.runs import read_run, write_run

    _require_usage(context)
    names = [part.strip() for part in metrics.split(",")] if metrics else list(DEFAULT_METRICS)
    judged = read_judged(testset, queries, qrels)
    if testset:
        judged = judged.split(split)  # type: ignore[arg-type]
    if run_file:
        from samespace.evaluate.report import report as score

        report = score(read_run(run_file), judged.qrels, names, missing=missing)  # type: ignore[arg-type]
    else:
        report = _ask(str(kb), judged, names, missing, **searching)
    _warn_of_queries(report, run_file or queries or str(testset), missing)
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report)
    # What was measured is on the screen before a file of it can fail.
    if run_out:
        write_run(run_out, report.run, "beir" if run_out.endswith(".json") else "trec")
    if html:
        from samespace.evaluate.html import write_report_html

        texts = {query.id: query.text for query in judged.queries}
        write_report_html(html, report, queries=texts)


def _require_usage(context: click.Context) -> None:
    """Refuse combinations of options that leave open what is meant."""
    given = {
        name
        for name in context.params
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    if ("kb" in given) == ("run_file" in given):
        raise click.UsageError("give the collection KB, or a run made elsewhere: --run FILE")
    if ("qrels" in given) == ("testset" in given):
        raise click.UsageError("give judgements: --qrels FILE, or --testset DIR")
    if {"testset", "queries"} <= given:
        raise click.UsageError("--testset has its own queries; leave --queries out")
    if {"kb", "qrels"} <= given and "queries" not in given:
        raise click.UsageError("give the queries that are judged: --queries FILE")
    if "split" in given and "testset" not in given:
        raise click.UsageError("--split goes with --testset")
    unused = [name for name in _OF_A_COLLECTION if {"run_file", name} <= given]
    if unused:
        raise click.UsageError(f"--{unused[0].replace('_', '-')} does not go with --run")


def _ask(
    kb: str,
    judged: TestSet,
    metrics: list[str],
    missing: str,
    *,
    mode: str,
    where: str | None,
    reranker: str | None,
    on_long: str,
    model: str | None,
) -> Report:
    """Ask a collection, having said what of the judgements it cannot answer."""
    import samespace
    from samespace.evaluate.corpus import absent_documents, require_corpus
    from samespace.evaluate.report import evaluate_collection
    from samespace.models import load_reranker

    asked = [query for query in judged.queries if query.id in judged.qrels.judgements]
    if len(asked) < len(judged.queries):
        _warn(f"{len(judged.queries) - len(asked):,} queries are not judged and were not asked")
    # Without the cache, which would answer a question of the last evaluation in no time.
    with samespace.open(kb, model=model, cache=False) as collection:
        if judged.corpus:
            require_corpus(collection, judged.corpus, judged.qrels)
        absent = absent_documents(collection, judged.qrels, where)
        if absent:
            _warn(
                f"{len(absent):,} of {len(judged.qrels.documents()):,} judged documents are not "
                f"in {kb}{' under the filter' if where else ''} and cannot be found, such as "
                f"{min(absent)!r}"
            )
        change = collection.info()["change"]
        with counting_bar(len(asked), "queries", shown=sys.stderr.isatty()) as progress:
            report = evaluate_collection(
                collection,
                judged.queries,
                judged.qrels,
                mode=mode,  # type: ignore[arg-type]
                metrics=metrics,
                missing=missing,  # type: ignore[arg-type]
                where=where,
                reranker=load_reranker(reranker) if reranker else None,
                on_long=on_long,  # type: ignore[arg-type]
                progress=progress,
            )
        if collection.info()["change"] != change:
            _warn(f"{kb} was changed meanwhile: later queries searched other documents")
        return report


def _warn_of_queries(report: Report, source: str, missing: str) -> None:
    scores = report.scores
    if scores.missing:
        judged = len(scores.queries) + (len(scores.missing) if missing == "skip" else 0)
        what = "are left out" if missing == "skip" else "score 0 (--missing skip leaves them out)"
        _warn(
            f"{len(scores.missing):,} of {judged:,} judged queries are not in {source}, such as "
            f"{scores.missing[0]!r}; they {what}"
        )
    if scores.unjudged:
        _warn(f"{len(scores.unjudged):,} queries of the run are not judged and were left out")


def _warn(message: str) -> None:
    click.echo(f"warning: {message}", err=True)


def _print(report: Report) -> None:
    """Print a report for people: a line per metric, then what it was measured on."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("metric", style="bold")
    table.add_column("mean", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, interval in report.intervals.items():
        between = f"{interval.low:.4f} to {interval.high:.4f}"
        table.add_row(name, f"{interval.value:.4f}", between)
    Console(highlight=False, markup=False, emoji=False).print(table)
    click.echo(f"queries: {len(report.scores.queries):,}")
    run = report.run
    if run.space:
        click.echo(f"space: {run.space}, recipe: {run.recipe}, mode: {run.mode}")
    if run.name:
        click.echo(f"system: {run.name}")
    if report.p50_ms is not None:
        click.echo(f"query time: p50 {report.p50_ms:.1f} ms, p99 {report.p99_ms:.1f} ms")
