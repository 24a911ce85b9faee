"""`samespace models distill`: a static model from a dense one."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samespace.cli.options import json_option, load_options, pop_load_options
from samespace.cli.output import SHOWN_FAILURES, print_json
from samespace.cli.progress import counting_bar

if TYPE_CHECKING:
    from samespace.text.load import LoadOptions
    from samespace.types import Document, Skip

_STEPS = 1_000


@click.command("distill")
@click.argument("model")
@click.argument("out", type=click.Path())
@click.option(
    "--texts",
    multiple=True,
    metavar="PATH",
    help="Files, folders or globs of text like that to be searched; may be given again.",
)
@click.option(
    "--dimensions", type=click.IntRange(min=1), help="Default: 256, or the model's own if less."
)
@click.option(
    "--words",
    type=click.IntRange(min=0),
    default=30_000,
    show_default=True,
    help="Words of the text that get a vector of their own, at most.",
)
@click.option(
    "--characters",
    type=click.IntRange(min=1),
    default=8_000_000,
    show_default=True,
    help="Text that the model embeds; of more, a random sample.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@load_options
@json_option
def distill_command(
    model: str, out: str, texts: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Make a static model of MODEL in the folder OUT: tens of times as fast, less exact.

    It is fitted on the texts: give those that will be searched. Without any it is far worse.
    """
    from samespace.models.distill import distill

    load = pop_load_options(options)
    started = time.perf_counter()
    skipped: list[Skip] = []
    with counting_bar(_STEPS, "thousandths", shown=not as_json and sys.stderr.isatty()) as bar:
        static = distill(
            model,
            out,
            texts=_read(texts, load, skipped) if texts else None,
            progress=lambda fraction: bar(int(fraction * _STEPS)),
            **options,
        )
    facts = {
        "folder": str(Path(out).absolute()),
        "model": static.space.model,
        "space": static.space.id,
        "dimensions": static.space.dimensions,
        "max_tokens": static.max_tokens,
        "bytes": sum(file.stat().st_size for file in Path(out).iterdir()),
        "seconds": round(time.perf_counter() - started, 1),
        "left_out": [{"source": skip.source, "reason": skip.reason} for skip in skipped],
    }
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if name != "left_out":
            click.echo(f"{name:<12}{value:,}" if isinstance(value, int) else f"{name:<12}{value}")
    for skip in skipped[:SHOWN_FAILURES]:
        click.echo(f"  left out: {skip.source}: {skip.reason}")
    if len(skipped) > SHOWN_FAILURES:
        click.echo(f"  ... {len(skipped):,} in all (--json lists every one)")
    click.echo(f"Use it: samespace index PATH --into KB --model {out}")


def _read(paths: Sequence[str], options: LoadOptions, skipped: list[Skip]) -> Iterator[Document]:
    """Yield every document; gather what is left out."""
    from samespace.text.load import load
    from samespace.types import Document, Skip

    for item in load(list(paths), options):
        if isinstance(item, Document):
            yield item
        elif isinstance(item, Skip):
            skipped.append(item)
