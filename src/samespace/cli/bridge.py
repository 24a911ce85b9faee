"""`samespace bridge`."""

from __future__ import annotations

from typing import Any

import click

from samespace.cli.options import json_option, read_judged, wait_option
from samespace.cli.output import print_json


@click.command()
@click.argument("kb", metavar="KB")
@click.option("--to", metavar="MODEL", required=True, help="The new model: its name or folder.")
@click.option("--texts", type=click.IntRange(min=1), help="Chunks to fit on (default: 5,000).")
@click.option(
    "--require",
    type=click.FloatRange(0, 1),
    help="The least share of what full re-embedding finds (default: 0.8).",
)
@click.option("--queries", metavar="FILE", help="Queries: JSON lines with _id and text.")
@click.option("--qrels", metavar="FILE", help="Judgements by document id.")
@click.option(
    "--max-cost",
    type=click.FloatRange(min=0),
    metavar="USD",
    help="Stop before a hosted model costs more than this.",
)
@wait_option
@json_option
def bridge(kb: str, to: str, as_json: bool, **options: Any) -> None:
    """Fit a bridge into KB's space, for when its own model can no longer be called.

    Queries of MODEL are then mapped into the old space by `samespace search --bridge`. It loses
    some of what a migration would find, and now and then most of it: with --queries and --qrels it
    is scored beside the old model and full re-embedding, which embeds all documents.
    """
    import samespace
    from samespace.embedders import loaded
    from samespace.migrate.bridge import REQUIRED_SHARE
    from samespace.migrate.bridging import TEXTS, build_bridge, measure_bridge
    from samespace.models.hosted import Budget

    budget = None if options["max_cost"] is None else Budget(dollars=options["max_cost"])
    require = options["require"]
    judged = None
    if options["qrels"]:  # what cannot be read is refused before anything is embedded
        judged = read_judged(None, options["queries"], options["qrels"])
    with samespace.open(kb, budget=budget) as collection:
        fitted = build_bridge(
            collection,
            to,
            texts=options["texts"] or TEXTS,
            require=REQUIRED_SHARE if require is None else require,
            budget=budget,
            wait=options["wait"],
        )
        measured = None
        if judged is not None:
            embedder = loaded(to, True, budget)
            measured = measure_bridge(
                collection, fitted, embedder, judged.queries, judged.qrels
            ).to_dict()
    if as_json:
        print_json(
            {
                "method": fitted.method,
                "recall": fitted.recall,
                "recalls": dict(fitted.recalls),
                "full": fitted.full,
                "kept": fitted.kept,
                "fitted_on": fitted.fitted_on,
                "held_out": fitted.held_out,
                "baselines": measured,
            }
        )
        return
    click.echo(
        f"{fitted.source.model} to {fitted.target.model} by {fitted.method}, fitted on "
        f"{fitted.fitted_on:,} texts: of {fitted.held_out:,} held-out texts, asked for by a piece "
        f"of each, it finds {fitted.recall:.3f} among the first {fitted.k}, full re-embedding "
        f"{fitted.full:.3f}: {fitted.kept:.2f} of that"
    )
    if measured is None:
        click.echo("not scored on questions: give --queries and --qrels before you rely on it")
        return
    for name in ("old", "full", "adapter"):
        scored = measured[name]
        if scored is None:
            click.echo(f"{name}: cannot be called")
            continue
        values = ", ".join(f"{m} {v['value']:.4f}" for m, v in scored["metrics"].items())
        click.echo(f"{name}: {values}")
