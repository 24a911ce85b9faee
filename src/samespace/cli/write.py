"""`samespace index` and `samespace sync`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samespace.cli.options import (
    Command,
    json_option,
    load_options,
    model_option,
    pop_load_options,
    recipe_options,
    wait_option,
)
from samespace.cli.output import print_json, print_report, report_json
from samespace.cli.progress import progress_bar
from samespace.errors import CollectionExists, InputError

if TYPE_CHECKING:
    from samespace.collection import Collection
    from samespace.models.hosted import Budget


def write_options(command: Command) -> Command:
    """Add what `index` and `sync` take."""
    for option in (
        json_option,
        wait_option,
        load_options,
        recipe_options,
        model_option,
        click.option(
            "--max-cost",
            type=click.FloatRange(min=0),
            metavar="USD",
            help="Stop before a hosted model costs more than this.",
        ),
        click.option("--into", required=True, metavar="KB", help="The collection's folder."),
        click.argument("paths", nargs=-1, required=True, metavar="PATH..."),
    ):
        command = option(command)
    return command


@click.command()
@write_options
def index(paths: tuple[str, ...], into: str, **options: Any) -> None:
    """Index files, folders, globs or standard input ("-") into KB, which is made if needed.

    What is unchanged since the last time costs nothing.
    """
    _run(paths, into, "add", **options)


@click.command()
@write_options
def sync(paths: tuple[str, ...], into: str, **options: Any) -> None:
    """Do as `index`, and remove what is gone from the paths."""
    _run(paths, into, "sync", **options)


def _run(
    paths: tuple[str, ...],
    into: str,
    verb: str,
    *,
    model: str | None,
    max_cost: float | None,
    wait: float,
    as_json: bool,
    **recipe: Any,
) -> None:
    from samespace.models.hosted import Budget
    from samespace.text.load import total_bytes

    options = pop_load_options(recipe)
    size = total_bytes(paths, options)
    budget = None if max_cost is None else Budget(dollars=max_cost)
    with open_or_create(into, model, recipe, budget) as collection:
        try:
            with progress_bar(size, shown=not as_json and sys.stderr.isatty()) as progress:
                write = getattr(collection, verb)
                report = write(list(paths), options=options, wait=wait, progress=progress)
        except KeyboardInterrupt:
            click.echo(
                f"interrupted; {into} holds every document that was committed, and the same "
                "command goes on from there",
                err=True,
            )
            raise click.exceptions.Abort from None
        facts = collection.info()
    if as_json:
        print_json({**report_json(report), "bytes": facts["bytes"]})
    else:
        print_report(report, facts)


def open_or_create(
    into: str, model: str | None, recipe: dict[str, Any], budget: Budget | None = None
) -> Collection:
    """Open the collection, or make it; settings that are fixed already are refused if they differ.

    Args:
        into: the folder.
        model: a model's name or folder, or None for the collection's own, or the default.
        recipe: settings given by the user; None for those that were not given.
        budget: what may be spent on a hosted model.
    """
    from samespace.collection import DEFAULT_MODEL, Collection
    from samespace.store.embedded import EmbeddedStore

    given = {name: value for name, value in recipe.items() if value is not None}
    if not EmbeddedStore.exists(into):
        try:
            return Collection.create(Path(into), model or DEFAULT_MODEL, budget=budget, **given)
        except CollectionExists:
            if not EmbeddedStore.exists(into):
                raise  # something else is there; else another process was faster
    collection = Collection.open(into, model, budget=budget)
    fixed = collection.recipe.to_dict()
    differing = {name: value for name, value in given.items() if fixed[name] != value}
    if differing:
        collection.close()
        lines = ", ".join(
            f"{name} is {fixed[name]!r}, not {value!r}" for name, value in differing.items()
        )
        raise InputError(
            f"{into} was made with other settings ({lines}); they are fixed with the collection. "
            "Leave the options out, or make another collection."
        )
    return collection
