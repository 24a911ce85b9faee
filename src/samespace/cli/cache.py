"""`samespace cache`: the vectors of inputs that were embedded before."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from samespace.cli.options import json_option
from samespace.cli.output import print_json
from samespace.errors import InputError

if TYPE_CHECKING:
    from samespace.models.cache import VectorCache


@click.group()
def cache() -> None:
    """Inspect or empty the cache of vectors that all collections share.

    It is switched off by SAMESPACE_VECTOR_CACHE=off, and moved by SAMESPACE_VECTOR_CACHE=FOLDER.
    """


@cache.command()
@json_option
def info(as_json: bool) -> None:
    """Show where the cache is, what it holds and how large it is."""
    stats = _cache().stats()
    facts = dataclasses.asdict(stats) | {"path": str(stats.path)}
    facts = {name: facts[name] for name in ("path", "entries", "bytes", "max_bytes", "spaces")}
    if as_json:
        print_json(facts)
        return
    for name in ("path", "entries", "bytes", "max_bytes"):
        value = facts[name]
        click.echo(f"{name}: {value:,}" if isinstance(value, int) else f"{name}: {value}")
    for space, count in sorted(stats.spaces.items()):
        click.echo(f"  space {space}: {count:,}")


@cache.command()
@click.option("--space", metavar="ID", help="Only the vectors of this Space.")
def clear(space: str | None) -> None:
    """Forget the vectors, and free their bytes."""
    click.echo(f"forgot {_cache().clear(space):,} vectors")


def _cache() -> VectorCache:
    from samespace.models.cache import default_cache

    found = default_cache()
    if found is None:
        raise InputError(
            "the cache is switched off: SAMESPACE_VECTOR_CACHE is set to off, or there is no home "
            "folder. Unset it, or name a folder in it"
        )
    return found
