"""`samespace migrate` and `samespace history`."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from samespace.cli.options import json_option, mode_option, read_judged, wait_option
from samespace.cli.output import print_json
from samespace.cli.output_migrate import print_plan, print_verification
from samespace.cli.progress import counting_bar
from samespace.errors import InputError

if TYPE_CHECKING:
    from samespace.collection import Collection
    from samespace.ingest.fill import Filled
    from samespace.migrate import Migration
    from samespace.models.hosted import Budget

_BESIDE_A_STEP = ("max_cost", "wait", "as_json")
"""What may be given beside --switch, --rollback, --retire and --cancel."""


@click.command()
@click.argument("kb", metavar="KB")
@click.option("--to", metavar="MODEL", help="The new model: its name or folder.")
@click.option("--max-tokens", type=click.IntRange(min=16), help="Budget of one chunk.")
@click.option("--overlap", type=click.IntRange(min=0), help="Tokens chunks share.")
@click.option("--context/--no-context", default=None, help="Embed title and heading path.")
@click.option("--chunking", type=click.Choice(["structure", "document"]), help="How to cut.")
@click.option("--dry-run", is_flag=True, help="Show the plan; change nothing, pay nobody.")
@click.option("--queries", metavar="FILE", help="Queries: JSON lines with _id and text.")
@click.option("--qrels", metavar="FILE", help="Judgements by document id.")
@click.option("--testset", metavar="DIR", help="Instead of both: what `samespace testset` made.")
@click.option("--metrics", metavar="NAMES", help='Such as "ndcg@10,recall@100".')
@mode_option
@click.option(
    "--require",
    metavar="CONDITION",
    help='What must hold before the switch, such as "ndcg@10 >= old - 0.01".',
)
@click.option("--no-switch", is_flag=True, help="Stop before the switch.")
@click.option(
    "--tokens-per-minute", type=click.FloatRange(min=0, min_open=True), help="At most so many."
)
@click.option(
    "--max-cost",
    type=click.FloatRange(min=0),
    metavar="USD",
    help="Stop before a hosted model costs more than this.",
)
@click.option("--why", default="", metavar="TEXT", help="What is noted in the history.")
@click.option("--switch", "step", flag_value="switch", help="Only switch to the new side.")
@click.option("--rollback", "step", flag_value="rollback", help="Only go back to the old side.")
@click.option("--retire", "step", flag_value="retire", help="Only give up the old side.")
@click.option("--cancel", "step", flag_value="cancel", help="Only give up the new side.")
@wait_option
@json_option
def migrate(kb: str, step: str | None, as_json: bool, **options: Any) -> None:
    """Bring KB into the space of another model, or cut it otherwise, while it is in use.

    Fills a new side beside the live one, verifies it, and switches in one commit. Run again
    after an interruption, it goes on where it was; without --to it goes on with the migration
    that KB is in. The old side is kept for --rollback until --retire frees its space.
    """
    import samespace

    if step:
        _require_alone(click.get_current_context(), step)
    budget = None
    if options["max_cost"] is not None:
        from samespace.models.hosted import Budget

        budget = Budget(dollars=options["max_cost"])
    # One budget for both models: the old one embeds what it lacks and the questions of the test.
    with samespace.open(kb, budget=budget) as collection:
        if step:
            _only(collection, step, options["wait"], as_json)
        elif options["dry_run"]:
            _plan(collection, options, as_json)
        else:
            _migrate(collection, options, as_json, budget)


@click.command()
@click.argument("kb", metavar="KB")
@json_option
def history(kb: str, as_json: bool) -> None:
    """Show every Space that KB has had: when, why, and the evaluation that allowed it."""
    import samespace

    with samespace.open(kb) as collection:
        events = collection.history()
    if as_json:
        print_json(events)
        return
    for event in events:
        why = f" ({event['facts']['why']})" if event["facts"].get("why") else ""
        named = event["model"] or "(an object)"
        click.echo(f"{event['time'] or '(unknown)':25}  {event['event']:11}  {named}{why}")
        click.echo(f"{'':25}  space {event['space']}")
        found = event["facts"].get("verification")
        if found:
            print_verification(found, indent=" " * 27)


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in ("max_tokens", "overlap", "context", "chunking")}


def _plan(collection: Collection, options: dict[str, Any], as_json: bool) -> None:
    from samespace.migrate import plan

    planned = plan(collection, options["to"], **_settings(options)).to_dict()
    if as_json:
        print_json(planned)
    else:
        print_plan(planned)


def _require_alone(context: click.Context, step: str) -> None:
    """Raise UsageError if anything is asked for that a single step would not do."""
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in ("kb", "step", *_BESIDE_A_STEP)
        and context.get_parameter_source(str(parameter.name)) is not ParameterSource.DEFAULT
    ]
    if given:
        raise click.UsageError(
            f"--{step} does that alone, and {given[0]} would not be heeded; leave one of them out"
        )


def _only(collection: Collection, step: str, wait: float, as_json: bool) -> None:
    from samespace.migrate import Migration

    migration = Migration(collection, wait)
    freed = getattr(migration, step)()
    said = {"state": migration.state, "space": collection.space.id}
    if freed is not None:
        said["freed"] = freed
    if as_json:
        print_json(said)
        return
    click.echo(f"{collection.path} is {migration.state}; searched is {collection.space.model}")
    if freed is not None:
        click.echo(f"freed {freed:,} bytes")


def _migrate(
    collection: Collection, options: dict[str, Any], as_json: bool, budget: Budget | None
) -> None:
    asked = _asked(options)  # what cannot be read is refused before hours of work
    migration = _begin(collection, options, budget)
    if migration.state == "switched":
        _say_switched(collection, as_json)
        return
    migration.require_test(**asked)
    filled = _backfill(migration, options, shown=not as_json and sys.stderr.isatty())
    found = migration.verify(**asked)
    switched = found.holds and not options["no_switch"]
    if switched:
        migration.switch()
    if as_json:
        print_json(
            {
                "state": migration.state,
                "space": collection.space.id,
                "documents": filled.documents,
                "embedded": filled.embedded,
                "cached": filled.cached,
                "computed": filled.computed,
                "tokens": filled.tokens,
                "seconds": round(filled.seconds, 3),
                "verification": found.to_dict(),
            }
        )
    else:
        click.echo(
            f"embedded {filled.embedded:,} inputs ({filled.tokens:,} tokens), found "
            f"{filled.cached:,} in the cache, computed {filled.computed:,} from stored vectors, in "
            f"{filled.seconds:,.1f} s"
        )
        print_verification(found.to_dict())
    if not found.holds:
        raise InputError(
            f"{collection.path} was not switched: what was verified does not hold. The new side "
            "is kept: mend it and run the same again, or give it up with --cancel"
        )
    if not as_json:
        _next(collection, switched)


def _say_switched(collection: Collection, as_json: bool) -> None:
    """Say that there is nothing left to do: this was killed behind the switch, or run again."""
    if as_json:
        print_json({"state": "switched", "space": collection.space.id})
    else:
        _next(collection, True)


def _next(collection: Collection, switched: bool) -> None:
    path = collection.path
    if switched:
        click.echo(f"switched to {collection.space.model} ({collection.space.id})")
        click.echo(
            f"the old side is kept: samespace migrate {path} --rollback, or --retire to free it"
        )
    else:
        click.echo(f"ready: samespace migrate {path} --switch")


def _begin(collection: Collection, options: dict[str, Any], budget: Budget | None) -> Migration:
    from samespace.migrate import Migration
    from samespace.store.sides import ENDED

    settings = _settings(options)
    if options["to"] is None and all(value is None for value in settings.values()):
        migration = Migration(collection)
        if migration.state in ENDED:
            raise InputError(
                f"{collection.path} is in no migration; the last was {migration.state}. Begin "
                f"one: samespace migrate {collection.path} --to MODEL"
            )
        return migration
    return Migration.begin(
        collection,
        options["to"],
        why=options["why"],
        budget=budget,
        wait=options["wait"],
        **settings,
    )


def _backfill(migration: Migration, options: dict[str, Any], shown: bool) -> Filled:
    lack = migration.lacking
    rate = options["tokens_per_minute"] or math.inf
    with counting_bar(lack.documents or lack.inputs, "to do", shown=shown) as bar:
        try:
            return migration.backfill(
                tokens_per_minute=rate,
                progress=lambda filled: bar(
                    filled.documents or filled.embedded + filled.cached + filled.computed
                ),
            )
        except KeyboardInterrupt:
            click.echo(
                f"interrupted; {migration.collection.path} is searched as before, and the same "
                "command goes on from there",
                err=True,
            )
            raise click.exceptions.Abort from None


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    """Return what `Migration.verify` is given: the test set, what is measured, the condition."""
    from samespace.evaluate.metrics import DEFAULT_METRICS, depth
    from samespace.migrate import Gate

    queries = qrels = None
    if options["testset"] or options["qrels"]:
        judged = read_judged(options["testset"], options["queries"], options["qrels"])
        if options["testset"]:
            judged = judged.split("test")
        queries, qrels = judged.queries, judged.qrels
    elif options["queries"]:
        from samespace.evaluate.queries import read_queries

        queries = read_queries(options["queries"])
    names = options["metrics"]
    metrics = [part.strip() for part in names.split(",")] if names else list(DEFAULT_METRICS)
    depth(metrics)
    for gate in Gate.parse(options["require"]) if options["require"] else ():
        gate.require_measurable(qrels is not None)
    return {
        "queries": queries,
        "qrels": qrels,
        "metrics": metrics,
        "mode": options["mode"],
        "require": options["require"],
    }
