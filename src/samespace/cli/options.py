"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from samespace.errors import InputError

if TYPE_CHECKING:
    from samespace.evaluate.testset import TestSet
    from samespace.text.load import LoadOptions

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
)
model_option = click.option(
    "--model",
    metavar="MODEL",
    help="A model's name or folder, perhaps with @dimensions=N,precision=...,arithmetic=... "
    "For a collection that is there: where its model is.",
)
mode_option = click.option(
    "--mode",
    type=click.Choice(["hybrid", "dense", "lexical"]),
    default="hybrid",
    show_default=True,
)
on_long_query_option = click.option(
    "--on-long",
    type=click.Choice(["error", "truncate"]),
    default="error",
    show_default=True,
    help="What happens to a query longer than the model's window.",
)
wait_option = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="How long to wait for another writer (default: not at all).",
)


def in_a_folder(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Refuse a file in a folder that is not there, before hours of work and not after them."""
    if value and not Path(value).absolute().parent.is_dir():
        raise InputError(f"cannot write {value}: there is no folder {Path(value).parent}")
    return value


html_option = click.option(
    "--html", metavar="FILE", callback=in_a_folder, help="Write a page with plots."
)


def recipe_options(command: Command) -> Command:
    """Add the settings that are fixed when a collection is made."""
    for option in reversed(
        [
            click.option("--max-tokens", type=click.IntRange(min=16), help="Budget of one chunk."),
            click.option("--overlap", type=click.IntRange(min=0), help="Tokens chunks share."),
            click.option(
                "--context/--no-context",
                default=None,
                help="Embed title and heading path with each chunk (default: yes).",
            ),
            click.option(
                "--chunking",
                type=click.Choice(["structure", "document"]),
                help="Cut by structure (default), or keep documents whole where they fit.",
            ),
            click.option(
                "--on-long",
                type=click.Choice(["split", "error", "truncate"]),
                help="What happens to a text longer than the window (default: split).",
            ),
            click.option("--language", metavar="CODE", help="ISO 639-1 code (default: en)."),
        ]
    ):
        command = option(command)
    return command


def load_options(command: Command) -> Command:
    """Add the settings of how files are read."""
    for option in reversed(
        [
            click.option("--id-field", default="_id", show_default=True, help="JSONL, CSV: id."),
            click.option("--title-field", default="title", show_default=True, help="... title."),
            click.option("--text-field", default="text", show_default=True, help="... text."),
            click.option("--format", "format_", metavar="NAME", help="Force a format."),
            click.option(
                "--max-bytes",
                type=click.IntRange(min=1),
                help="Size above which a file or a record is left out.",
            ),
            click.option("--hidden", is_flag=True, help="Take hidden files too."),
            click.option("--no-gitignore", is_flag=True, help="Take what .gitignore leaves out."),
        ]
    ):
        command = option(command)
    return command


def pop_load_options(options: dict[str, Any]) -> LoadOptions:
    """Take what `load_options` added out of a command's options, as `LoadOptions`."""
    from samespace.text.load import LoadOptions

    taken = {name: options.pop(name) for name in ("id_field", "title_field", "text_field")}
    taken |= {"hidden": options.pop("hidden"), "gitignore": not options.pop("no_gitignore")}
    max_bytes = options.pop("max_bytes")
    if max_bytes is not None:
        taken["max_bytes"] = max_bytes
    return LoadOptions(format=options.pop("format_"), **taken)


def read_judged(folder: str | None, queries: str | None, qrels: str | None) -> TestSet:
    """Read the questions and judgements that `--testset`, or `--queries` and `--qrels`, name."""
    from samespace.evaluate.qrels import read_qrels
    from samespace.evaluate.queries import read_queries
    from samespace.evaluate.testset import TestSet, read_testset

    if folder:
        return read_testset(folder)
    return TestSet(read_queries(queries) if queries else (), read_qrels(str(qrels)), {})
