"""`samespace verify`."""

from __future__ import annotations

import sys

import click

from samespace.cli.options import json_option, model_option, wait_option
from samespace.cli.output import print_json


@click.command()
@click.argument("kb", metavar="KB")
@click.option("--repair", is_flag=True, help="Mend what can be mended from the stored text.")
@click.option("--no-model", is_flag=True, help="Leave the model and its canaries out.")
@model_option
@wait_option
@json_option
def verify(
    kb: str, repair: bool, no_model: bool, model: str | None, wait: float, as_json: bool
) -> None:
    """Look at every row, byte and canary of KB, and say what is wrong.

    Space and canaries, counts, ids, offsets, lengths of vectors, NaN, orphans, checksums, the
    lexical index. Exit code 0 if all is sound, 1 if anything is wrong and was not mended.
    """
    import samespace

    with samespace.open(kb, model) as collection:
        found = collection.verify(model=not no_model, repair=repair, wait=wait)
    if as_json:
        print_json(found.to_dict())
    else:
        for problem in found.repaired:
            click.echo(f"mended: {problem.says}")
        for problem in found.problems:
            click.echo(f"wrong: {problem.says}")
        counted = ", ".join(f"{count:,} {name}" for name, count in found.facts.items())
        click.echo(f"{'sound' if found.sound else 'NOT SOUND'}: {counted}")
        if found.canaries is not None:
            click.echo(f"canaries: least cosine {found.canaries:.6f}")
    if not found.sound:
        sys.exit(1)
