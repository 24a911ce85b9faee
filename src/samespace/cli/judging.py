"""A person at a terminal, who asks questions and grades what was found."""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from samespace.evaluate.testset.hand import Answer
    from samespace.types import Hit

KEYS: dict[str, Answer] = {
    "0": 0,
    "1": 1,
    "2": 2,
    "s": "skip",
    "u": "undo",
    "n": "next",
    "q": "quit",
}
HELP = "0 not relevant  1 relevant  2 answers it  s skip  u undo  n next question  q quit"
SHOWN = 1_200


class Terminal:
    """Shows one candidate at a time and takes one key for it."""

    def question(self) -> str | None:
        """Ask for a question; an empty line or the end of the input ends the session."""
        try:
            text: str = click.prompt(
                "\nQuestion (empty to end)", default="", show_default=False, err=True
            )
        except click.Abort:
            return None
        return text.strip() or None

    def grade(self, query: str, hit: Hit, seen: int, total: int) -> Answer:
        """Show a candidate and wait for a key that means something."""
        path = " > ".join(name for name, _ in groupby((hit.title, *hit.chunk.heading)) if name)
        text = hit.chunk.text.strip()
        shown = text if len(text) <= SHOWN else f"{text[:SHOWN]} …"
        click.echo(f"\n{click.style(query, bold=True)}   [{seen + 1} of {total}]", err=True)
        click.echo(click.style(path or hit.source, fg="cyan"), err=True)
        click.echo(textwrap.indent(shown, "  "), err=True)
        click.echo(HELP, err=True)
        while True:
            try:
                key = click.getchar().lower()
            except EOFError:  # Ctrl-D
                raise KeyboardInterrupt from None
            if key in KEYS:
                click.echo(f"> {key}", err=True)
                return KEYS[key]
