"""`samespace demo`: index the standard library's documentation and ask it three questions."""

from __future__ import annotations

import sys
from typing import Any

import click

from samespace.cli.options import json_option, model_option
from samespace.cli.output import print_json, print_report, print_results, report_json, results_json
from samespace.cli.progress import progress_bar
from samespace.cli.write import open_or_create

QUESTIONS = (
    "How do I find the longest matching part of two strings?",
    "execute a shell command and get its output as a string",
    "merge several sorted lists into one",
)
HITS = 3


@click.command()
@click.option("--into", default="samespace-demo", show_default=True, metavar="KB")
@model_option
@json_option
def demo(into: str, model: str | None, as_json: bool) -> None:
    """Index the documentation strings of Python's standard library and ask three questions."""
    from samespace.cli.stdlib_docs import stdlib_documents

    with open_or_create(into, model, {}) as collection:
        shown = not as_json and sys.stderr.isatty()
        with progress_bar(0, shown=shown) as progress:
            report = collection.sync(stdlib_documents(), progress=progress)
        answers = [collection.search(question, HITS) for question in QUESTIONS]
        facts = collection.info()
    if as_json:
        summary: dict[str, Any] = report_json(report)
        print_json({"report": summary, "answers": [results_json(answer) for answer in answers]})
        return
    print_report(report, facts)
    for answer in answers:
        click.echo(click.style(f"\n? {answer.query}", bold=True) + f"  ({answer.took_ms:.0f} ms)\n")
        print_results(answer)
    click.echo(f'Ask it yourself: samespace search {into} "your question"')
