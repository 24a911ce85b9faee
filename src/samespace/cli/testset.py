"""`samespace testset`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from samespace.cli.options import json_option, model_option
from samespace.cli.output import print_json
from samespace.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from samespace.collection import Collection
    from samespace.evaluate.testset import TestSet

_OF_ONE_WAY = {
    "n": ("headings", "clicks", "llm"),
    "log": ("clicks",),
    "query_field": ("clicks",),
    "document_field": ("clicks",),
    "count_field": ("clicks",),
    "session_field": ("clicks",),
    "min_clicks": ("clicks",),
    "graded": ("clicks",),
    "llm_url": ("llm",),
    "llm_model": ("llm",),
    "key_env": ("llm",),
    "max_calls": ("llm",),
    "queries": ("hand",),
    "depth": ("hand",),
}


@click.command()
@click.argument("kb", metavar="KB")
@click.option("--out", required=True, metavar="DIR", help="The folder of the test set.")
@click.option(
    "--from",
    "way",
    type=click.Choice(["headings", "clicks", "llm", "hand"]),
    default="headings",
    show_default=True,
    help="Where the questions come from.",
)
@click.option(
    "--n",
    type=click.IntRange(min=1),
    help="How many questions (default: headings 200, llm 100, clicks all).",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all draws.")
@click.option(
    "--tune-share",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Share of the questions to tune on; the others are the test.",
)
@click.option("--log", metavar="FILE", help="clicks: .jsonl, .csv or .tsv.")
@click.option("--query-field", default="query", show_default=True, help="clicks: what was asked.")
@click.option(
    "--document-field", default="document", show_default=True, help="clicks: the id opened."
)
@click.option("--count-field", default="count", show_default=True, help="clicks: how often.")
@click.option("--session-field", default="", help="clicks: whose search; repeats in it count once.")
@click.option(
    "--min-clicks",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="clicks: opened so often, a document is an answer.",
)
@click.option("--graded", is_flag=True, help="clicks: grades 1 to 3 by the share of the clicks.")
@click.option("--llm-url", metavar="URL", help="llm: base URL, such as https://host/v1.")
@click.option("--llm-model", metavar="NAME", help="llm: the model's name there.")
@click.option(
    "--key-env",
    default="OPENAI_API_KEY",
    show_default=True,
    metavar="NAME",
    help="llm: the environment variable that holds the key.",
)
@click.option("--max-calls", type=click.IntRange(min=0), help="llm: requests to send at most.")
@click.option("--queries", metavar="FILE", help="hand: questions, JSON lines with _id and text.")
@click.option(
    "--depth",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="hand: documents of dense and of lexical search to judge.",
)
@model_option
@json_option
@click.pass_context
def testset(
    context: click.Context,
    /,
    kb: str,
    out: str,
    way: str,
    seed: int,
    tune_share: float,
    model: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a test set for KB where there is none: questions with the documents that answer.

    Its two sides, tune and test, share no document. `--from headings` writes a corpus.jsonl
    besides, without the headings asked: index and evaluate that one. `llm` and `hand` can be
    stopped at any time; the same command goes on from there.
    """
    import samespace

    for name, ways in _OF_ONE_WAY.items():
        given = context.get_parameter_source(name) is not ParameterSource.DEFAULT
        if given and way not in ways:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} belongs to --from {' or '.join(ways)}, not to {way}")
    if way == "hand" and not sys.stdin.isatty():
        raise InputError("--from hand needs a terminal: standard input is none")
    common = {"seed": seed, "tune_share": tune_share}
    if options["n"] is not None:
        common["n"] = options["n"]
    with samespace.open(kb, model=model) as collection:
        try:
            made = _WAYS[way](collection, out, options, common)
        except KeyboardInterrupt:
            if way in ("llm", "hand"):
                click.echo(f"interrupted; the same command goes on from {out}", err=True)
            raise click.exceptions.Abort from None
    if as_json:
        print_json(None if made is None else {"out": out, **made.made})
    elif made is None:
        click.echo(f"every judgement is saved in {out}; there is no finished question yet")
    else:
        _print_summary(out, made)


def _headings(collection: Collection, out: str, options: Any, common: Any) -> TestSet:
    from samespace.evaluate.testset import from_headings

    return from_headings(collection, out, **common)


def _clicks(collection: Collection, out: str, options: Any, common: Any) -> TestSet:
    from samespace.evaluate.testset import from_clicks
    from samespace.evaluate.testset.clicks import Fields

    if options["log"] is None:
        raise InputError("--from clicks needs --log FILE")
    fields = Fields(
        options["query_field"],
        options["document_field"],
        options["count_field"],
        options["session_field"],
    )
    return from_clicks(
        collection,
        out,
        options["log"],
        fields=fields,
        min_clicks=options["min_clicks"],
        graded=options["graded"],
        **common,
    )


def _llm(collection: Collection, out: str, options: Any, common: Any) -> TestSet:
    from samespace.evaluate.testset import from_llm

    if not options["llm_url"] or not options["llm_model"]:
        raise InputError("--from llm needs --llm-url URL and --llm-model NAME")
    return from_llm(
        collection,
        out,
        options["llm_url"],
        options["llm_model"],
        key_env=options["key_env"],
        max_calls=options["max_calls"],
        **common,
    )


def _hand(collection: Collection, out: str, options: Any, common: Any) -> TestSet | None:
    from samespace.cli.judging import Terminal
    from samespace.evaluate.queries import read_queries
    from samespace.evaluate.testset import by_hand

    queries = read_queries(options["queries"]) if options["queries"] else ()
    texts = [query.text for query in queries]
    return by_hand(collection, out, Terminal(), queries=texts, depth=options["depth"], **common)


_WAYS: dict[str, Callable[[Collection, str, Any, Any], TestSet | None]] = {
    "headings": _headings,
    "clicks": _clicks,
    "llm": _llm,
    "hand": _hand,
}


def _print_summary(out: str, testset: TestSet) -> None:
    """Print what was made, what was left out and why, and what to do with it."""
    made = testset.made
    splits = made["splits"]
    click.echo(out)
    click.echo(
        f"  {made['questions']:,} questions about {made['documents_judged']:,} of "
        f"{made['collection']['documents']:,} documents: {splits['tune']:,} to tune on, "
        f"{splits['test']:,} to test (no {splits['disjoint_by'][:-1]} on both sides)"
    )
    for reason, count in made["dropped"].items():
        click.echo(f"  left out: {count:,} {reason}")
    unknown = made.get("not_in_the_collection")
    if unknown and unknown["documents"]:
        click.echo(
            f"  clicks on {unknown['documents']:,} documents that are not in the collection: "
            f"{unknown['clicks']:,} (such as {unknown['first'][0]})"
        )
    if "usage" in made:
        usage = made["usage"]
        click.echo(
            f"  {usage['requests_of_this_run']:,} requests, {usage['answers']:,} answers, "
            f"{usage['prompt_tokens']:,} + {usage['completion_tokens']:,} tokens"
        )
    if made.get("stopped"):
        click.echo(f"  stopped: {made['stopped']}; the same command goes on from there")
    if made.get("corpus"):
        click.echo(
            "evaluate it on its own corpus, indexed with the settings of the collection:\n"
            f"  samespace index {out}/{made['corpus']} --into KB2\n"
            f"  samespace eval KB2 --testset {out}"
        )
