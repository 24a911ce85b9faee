"""`samespace search`."""

from __future__ import annotations

import click

from samespace.cli.options import (
    json_option,
    mode_option,
    model_option,
    on_long_query_option,
)
from samespace.cli.output import print_json, print_results, results_json


@click.command()
@click.argument("kb", metavar="KB")
@click.argument("query")
@click.option("-k", "--k", type=click.IntRange(min=1), default=10, show_default=True)
@mode_option
@click.option("--where", metavar="FILTER", help="For example: \"year >= 2020 AND lang = 'en'\".")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Hits to leave out.")
@click.option("--by-document", is_flag=True, help="At most one hit per document.")
@click.option("--bridge", is_flag=True, help="Ask by the model that `samespace bridge` fitted.")
@on_long_query_option
@model_option
@json_option
def search(
    kb: str,
    query: str,
    k: int,
    mode: str,
    where: str | None,
    offset: int,
    by_document: bool,
    bridge: bool,
    on_long: str,
    model: str | None,
    as_json: bool,
) -> None:
    """Find the passages in KB that answer QUERY."""
    import samespace

    with samespace.open(kb, model=None if bridge else model) as collection:
        if bridge:
            from samespace.migrate.bridging import use_bridge

            use_bridge(collection, model)
        results = collection.search(
            query,
            k,
            mode=mode,  # type: ignore[arg-type]
            where=where,
            offset=offset,
            by_document=by_document,
            on_long=on_long,  # type: ignore[arg-type]
        )
    if as_json:
        print_json(results_json(results))
    else:
        print_results(results)
