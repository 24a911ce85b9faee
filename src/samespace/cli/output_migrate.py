"""How plans and verifications of migrations are printed for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


def print_plan(plan: Mapping[str, Any]) -> None:
    """Print what a migration would do, from `Plan.to_dict`."""
    click.echo(f"from {plan['from']['model']} ({plan['from']['id']})")
    click.echo(f"to   {plan['to']['model']} ({plan['to']['id']})")
    for name, (old, new) in {**plan["fields"], **plan["settings"]}.items():
        click.echo(f"  {name}: {old!r} -> {new!r}")
    click.echo(f"{plan['documents']:,} documents in {plan['chunks']:,} chunks")
    if plan["cut_anew"]:
        click.echo(
            f"all documents are cut anew by the new model's tokens; {plan['too_long']:,} of the "
            "present chunks do not fit its window"
        )
    else:
        click.echo("the chunks stay as they are")
    if plan["computed"]:
        click.echo("the vectors are computed from those stored; nothing is embedded")
        return _print_bytes(plan)
    scaled = "" if plan["counted"] == plan["chunks"] else f" (from {plan['counted']:,} chunks)"
    click.echo(f"to embed: {plan['tokens']:,} tokens{scaled}")
    dollars = plan["dollars"]
    click.echo("cost: " + ("unknown: no price" if dollars is None else f"${dollars:,.4f}"))
    if plan["seconds"] is None:
        click.echo("time: not measured, which would ask the hosted model")
    else:
        click.echo(f"time: {plan['seconds']:,.0f} s at {plan['tokens_per_second']:,.0f} tokens/s")
    _print_bytes(plan)


def _print_bytes(plan: Mapping[str, Any]) -> None:
    click.echo(f"disk: {plan['bytes_now']:,} bytes now, {plan['bytes_peak']:,} at the peak")


def print_verification(found: Mapping[str, Any], indent: str = "") -> None:
    """Print what was found out about a new side, from `Verification.to_dict`."""
    for problem in found["problems"]:
        click.echo(f"{indent}wrong: {problem}")
    for name, after in (found["new"] or {"metrics": {}})["metrics"].items():
        click.echo(indent + _metric(name, after, found))
    overlap = found["overlap@10"]
    if overlap is not None:
        click.echo(f"{indent}{overlap:.0%} of the first ten documents are the same")
        for one in found.get("disagreements", ()):  # the history has none
            if one["overlap"] < overlap:
                old, new = (", ".join(one[side][:3]) for side in ("old", "new"))
                share = f"{one['query'][:60]!r}: {one['overlap']:.0%}"
                click.echo(f"{indent}  {share}, old {old}; new {new}")
    if found["why_not"]:
        click.echo(f"{indent}the old side was not asked: {found['why_not']}")
    for gate in found["gate"]:
        click.echo(f"{indent}{gate['condition']}: {'holds' if gate['holds'] else 'DOES NOT HOLD'}")


def _metric(name: str, after: Mapping[str, float], found: Mapping[str, Any]) -> str:
    line = f"{name}: {after['value']:.4f} [{after['low']:.4f}, {after['high']:.4f}]"
    if found["old"] is None:
        return line
    before, paired = found["old"]["metrics"][name], found["paired"][name]
    difference = paired["difference"]
    return (
        f"{line}, old {before['value']:.4f}, difference {difference['value']:+.4f} "
        f"[{difference['low']:+.4f}, {difference['high']:+.4f}], p {paired['p']:.4f}"
    )
