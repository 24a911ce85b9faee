"""How results are printed: one JSON document, or text for people."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from samespace.ingest import Report
    from samespace.search import Results
    from samespace.types import Hit

SHOWN_FAILURES = 20
SNIPPET = 400


def print_json(value: Any) -> None:
    """Print one JSON document to standard output, whatever the encoding of that is."""
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    click.echo(json.dumps(value, ensure_ascii=encoding != "utf8", indent=2))


def report_json(report: Report) -> dict[str, Any]:
    """Return a report in the shape of `index --json`."""
    return {
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "failed": [{"source": skip.source, "reason": skip.reason} for skip in report.failed],
        "chunks": report.chunks,
        "tokens": report.tokens,
        "embedded_tokens": report.embedded_tokens,
        "cached_tokens": report.cached_tokens,
        "tokens_dropped": report.tokens_dropped,
        "tokens_are_estimates": report.estimated,
        "usage": None if report.usage is None else dataclasses.asdict(report.usage),
        "characters_dropped": report.dropped,
        "passed_over": dict(report.passed_over),
        "seconds": round(report.seconds, 3),
    }


def results_json(results: Results) -> dict[str, Any]:
    """Return results in the shape of `search --json`."""
    return {
        "query": results.query,
        "mode": results.mode,
        "space": results.space,
        "took_ms": round(results.took_ms, 3),
        **({"bridge": results.bridge} if results.bridge else {}),
        "hits": [_hit_json(hit) for hit in results.hits],
    }


def _hit_json(hit: Hit) -> dict[str, Any]:
    chunk = hit.chunk
    return {
        "rank": hit.rank,
        "score": hit.score,
        "document": chunk.document,
        "chunk": chunk.id,
        "source": hit.source,
        "title": hit.title,
        "heading": list(chunk.heading),
        "start": chunk.start,
        "end": chunk.end,
        "text": chunk.text,
        "metadata": dict(hit.metadata),
        "parts": {name: dict(part) for name, part in hit.parts.items()},
    }


def print_results(results: Results) -> None:
    """Print hits for people: score, title and heading, source, and the beginning of the text."""
    if results.bridge:
        click.echo(f"(asked by {results.bridge}, through a bridge: migrate as soon as you can)\n")
    if not results.hits:
        click.echo("nothing found")
    for hit in results.hits:
        chunk = hit.chunk
        path = " > ".join(name for name, _ in groupby((hit.title, *chunk.heading)) if name)
        parts = ", ".join(
            f"{name} #{part['rank']:.0f} ({part['score']:.3f})" for name, part in hit.parts.items()
        )
        click.echo(click.style(f"{hit.rank}. {path or hit.source}", bold=True))
        click.echo(f"   score {hit.score:.4f}  [{parts}]")
        click.echo(f"   {hit.source}:{chunk.start}-{chunk.end}")
        text = " ".join(chunk.text.split())
        click.echo(f"   {text[:SNIPPET]}{'…' if len(text) > SNIPPET else ''}\n")


def print_report(report: Report, info: dict[str, Any]) -> None:
    """Print the summary of a run: what was done, what was left out and why, what it took."""
    from rich.console import Console
    from rich.table import Table

    click.echo(info["path"])
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    rate = report.embedded_tokens / report.seconds if report.seconds else 0.0
    rows: list[tuple[str, object]] = [
        ("documents added", report.added),
        ("documents updated", report.updated),
        ("documents unchanged", report.unchanged),
        ("documents removed", report.removed),
        ("left out", len(report.failed)),
        ("chunks written", report.chunks),
        ("tokens seen", report.tokens + report.tokens_dropped),
        ("tokens embedded", f"{report.embedded_tokens:,} ({rate:,.0f}/s)"),
        ("tokens found in the cache", report.cached_tokens),
        ("tokens dropped", report.tokens_dropped),
        ("seconds", f"{report.seconds:.1f}"),
        ("in the collection", f"{info['documents']:,} documents, {info['chunks']:,} chunks"),
        ("bytes on disk", info["bytes"]),
        ("model", f"{info['space']['model']} (space {info['space']['id']})"),
    ]
    for name, value in rows:
        table.add_row(name, f"{value:,}" if isinstance(value, int) else str(value))
    # Names may look like markup: a folder "[/b]" is no closing tag.
    Console(highlight=False, markup=False, emoji=False).print(table)
    if report.dropped:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(report.dropped.items()))
        click.echo(f"characters removed by cleaning: {kinds}")
    if report.passed_over:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in report.passed_over.items())
        click.echo(f"names passed over: {kinds} (--hidden, --no-gitignore take them)")
    if report.usage:
        cost = "an unknown sum" if report.usage.dollars is None else f"${report.usage.dollars:.4f}"
        about = "about " if report.usage.estimated else ""
        click.echo(
            f"asked of the provider: {report.usage.requests:,} requests, {about}"
            f"{report.usage.tokens:,} tokens, {about}{cost} by list price"
        )
    if report.estimated:
        click.echo("the model's provider gives no tokenizer: counts of tokens are estimates")
    print_failures(report)


def print_failures(report: Report) -> None:
    """Print what was left out: each with its reason, or a count by reason where there are many."""
    for skip in report.failed[:SHOWN_FAILURES]:
        click.echo(f"  left out: {skip.source}: {skip.reason}")
    if len(report.failed) > SHOWN_FAILURES:
        reasons = Counter(skip.reason.split(":")[0] for skip in report.failed)
        listed = ", ".join(f"{reason} ({count:,})" for reason, count in reasons.most_common())
        click.echo(f"  ... {len(report.failed):,} in all: {listed} (--json lists every one)")
