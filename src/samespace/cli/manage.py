"""`samespace info`, `delete` and `compact`."""

from __future__ import annotations

import click

from samespace.cli.options import json_option, wait_option
from samespace.cli.output import print_json


@click.command()
@click.argument("kb", metavar="KB")
@json_option
def info(kb: str, as_json: bool) -> None:
    """Show what KB holds and which Space it lives in."""
    import samespace

    with samespace.open(kb) as collection:
        facts = collection.info()
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            click.echo(f"{name}:")
            for key, part in value.items():
                click.echo(f"  {key}: {part}")
        else:
            click.echo(f"{name}: {value:,}" if isinstance(value, int) else f"{name}: {value}")


@click.command()
@click.argument("kb", metavar="KB")
@click.argument("ids", nargs=-1)
@click.option("--where", metavar="FILTER", help="Delete what the filter accepts.")
@wait_option
@json_option
def delete(kb: str, ids: tuple[str, ...], where: str | None, wait: float, as_json: bool) -> None:
    """Delete documents from KB by id, by filter, or both.

    They are not found any more at once; `samespace compact KB` erases them physically.
    """
    import samespace

    if not ids and where is None:
        raise click.UsageError("give the ids of documents, or --where FILTER")
    with samespace.open(kb) as collection:
        deleted = collection.delete(ids, where=where, wait=wait)
    if as_json:
        print_json({"deleted": deleted})
    else:
        click.echo(f"deleted {deleted:,} documents")


@click.command()
@click.argument("kb", metavar="KB")
@wait_option
@json_option
def compact(kb: str, wait: float, as_json: bool) -> None:
    """Erase physically what was deleted from KB, and free its bytes."""
    import samespace

    with samespace.open(kb) as collection:
        freed = collection.compact(wait=wait)
        left = collection.info()["bytes"]
    if as_json:
        print_json({"freed": freed, "bytes": left})
    else:
        click.echo(f"freed {freed:,} bytes; {left:,} are left")
