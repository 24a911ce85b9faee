"""`samespace models`: what is known of models, and one's own entries."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, get_args

import click

from samespace.cli.distill import distill_command
from samespace.cli.options import json_option
from samespace.cli.output import print_json
from samespace.errors import ModelNotFound

if TYPE_CHECKING:
    from samespace.models.catalog import ModelCard

_SHOWN_LANGUAGES = 12
_UNKNOWN = "?"


@click.group(invoke_without_command=True)
@click.option("--kind", metavar="KIND", help="dense, sparse, multi-vector, static, image-text ...")
@click.option("--provider", metavar="NAME", help="huggingface (open weights), openai, cohere ...")
@click.option("--language", metavar="CODE", help="ISO 639-1 code.")
@click.option(
    "--min-window",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="Texts of this length must fit.",
)
@click.option(
    "--dimensions",
    type=click.IntRange(min=1),
    help="A width that the model gives or can be cut to.",
)
@click.option("--licence", metavar="TEXT", help="A part of the licence's name.")
@click.option("--commercial", is_flag=True, help="Only licences that allow commercial use.")
@click.option(
    "--max-price", type=click.FloatRange(min=0), metavar="USD", help="For a million tokens."
)
@click.option("--modality", type=click.Choice(["text", "image"]))
@click.option("--retrieval", is_flag=True, help="Only models trained for retrieval.")
@json_option
@click.pass_context
def models(context: click.Context, /, as_json: bool, **conditions: Any) -> None:
    """List the models that samespace knows, or those that meet every condition."""
    from samespace.errors import InputError
    from samespace.models.catalog import catalog, select
    from samespace.models.catalog.card import Kind, Provider

    if context.invoked_subcommand:
        return
    for name, allowed in (("kind", get_args(Kind)), ("provider", get_args(Provider))):
        if conditions[name] not in (None, *allowed):
            raise InputError(
                f"--{name} must be one of {', '.join(allowed)}, got {conditions[name]!r}"
            )
    found = select(catalog(), **conditions)
    if as_json:
        print_json([_json(card) for card in found])
        return
    _table(found)
    click.echo(f"{len(found)} of {len(catalog())} models; all of one: samespace models show NAME")


@models.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Print all that is known of a model, from where, and what a user of it must mind."""
    from samespace.models.catalog import find
    from samespace.models.loading import unknown

    card = find(name)
    if card is None:
        raise ModelNotFound(unknown(name))
    if as_json:
        print_json(_json(card))
        return
    click.echo(click.style(card.name, bold=True))
    for field, value in _facts(card):
        click.echo(f"  {field:<28}{value}")
    click.echo("To mind:")
    for sentence in (*_minds(card), *card.mind):
        click.echo(f"  - {sentence}")
    if card.figures:
        click.echo("Published:")
    for figure in card.figures:
        click.echo(
            f"  - {figure.benchmark}: {figure.metric} {figure.value} "
            f"({figure.source}, read {figure.read})"
        )
    click.echo("Sources:")
    for fact in card.facts:
        click.echo(f"  - {', '.join(fact.fields)}: {fact.source} (read {fact.read})")


@models.command()
@click.argument("file", type=click.Path(dir_okay=False))
def add(file: str) -> None:
    """Take the [[model]] entries of a TOML FILE into your own catalog."""
    from samespace.models.catalog import add as add_entries

    cards, place = add_entries(file)
    click.echo(f"{', '.join(card.name for card in cards)}: kept in {place}; delete it to undo")


models.add_command(distill_command)


def _json(card: ModelCard) -> dict[str, Any]:
    values = dataclasses.asdict(card)
    for entry in (*values["figures"], *values["facts"]):
        entry["read"] = str(entry["read"])
    return values


def _table(cards: tuple[ModelCard, ...]) -> None:
    rows = [("model", "kind", "by", "dimensions", "window", "$/M tokens", "licence")]
    for card in cards:
        price = "-" if not card.hosted else _or_unknown(card.price_per_million)
        licence = card.licence or ("-" if card.hosted else _UNKNOWN)
        rows.append(
            (
                card.name,
                ", ".join(card.kinds),
                card.provider if card.hosted else "open",
                _or_unknown(card.dimensions) if card.embeds else "-",
                _or_unknown(card.max_tokens),
                price,
                licence if card.commercial is not False else f"{licence}, not commercial",
            )
        )
    # Lines are as long as they must be: a name that was cut could not be copied.
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = (
            cell.rjust(width) if 3 <= column <= 5 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.secho("  ".join(cells).rstrip(), bold=number == 0)


def _or_unknown(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _facts(card: ModelCard) -> list[tuple[str, str]]:
    left_out = {"name", "mind", "figures", "facts", "weights_file", "package_folder", "origin"}
    left_out |= {"files", "unsupported"}
    rows = []
    for field in dataclasses.fields(card):
        value = getattr(card, field.name)
        if field.name in left_out or value in (None, "", (), {}):
            continue
        rows.append((field.name.replace("_", " "), _plain(value)))
    return rows


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{role}: {text!r}" for role, text in value.items())
    if isinstance(value, tuple):
        more = f" and {len(value) - _SHOWN_LANGUAGES} more" if len(value) > _SHOWN_LANGUAGES else ""
        return ", ".join(str(one) for one in value[:_SHOWN_LANGUAGES]) + more
    return f"{value:,}" if isinstance(value, int) else str(value)


def _minds(card: ModelCard) -> list[str]:
    """Return what follows from the facts themselves."""
    from samespace.models.loading import needs

    sentences = [needs(card)]
    runs = not card.unsupported
    if runs and (card.prompts or card.input_types):
        sentences.append(
            "Queries and documents are embedded differently; samespace applies the right form "
            "by role, so put no prompt before a text yourself."
        )
    if runs and card.max_tokens:
        sentences.append(
            f"Texts beyond {card.max_tokens:,} tokens do not fit; samespace splits or refuses "
            "them and never cuts quietly."
        )
    if card.retrieval is False:
        sentences.append(
            "It was not trained to find documents for queries: measure it on your own questions "
            "before you rely on it."
        )
    if card.commercial is False:
        sentences.append(f"Its licence ({card.licence}) does not allow commercial use.")
    if card.embeds and not card.matryoshka and card.dimensions:
        sentences.append("Not known to be trained for fewer dimensions: cut, it may lose much.")
    if card.family:
        sentences.append(f"Its vectors share the space {card.family!r} with others of its family.")
    return sentences
