"""The end-to-end part of RESULTS.md, from the saved result alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from render import Better, Column, ranked

ALIKE = (
    "samespace, one vector per passage",
    "txtai, window set to 256",
    "Chroma",
    "LanceDB",
    "LlamaIndex",
    "Haystack",
)
"""Those that make one vector of each passage, cut at 256 tokens, searched by it alone."""
EQUAL = 0.9999
"""The least cosine to the reference at which a vector counts as the same."""

INDEXING = (
    Column("index, s", "index_seconds", Better.LESS),
    Column("import and load apart, s", "load_seconds", Better.LESS),
    Column("peak memory, MiB", "index_peak_mib", Better.LESS),
    Column("on disk, MB", "mb", Better.LESS),
    Column("open, s", "open_seconds", Better.LESS),
)
SEARCHING = (
    Column("query p50, ms", "p50_ms", Better.LESS),
    Column("p99, ms", "p99_ms", Better.LESS),
    Column("nDCG@10", "ndcg@10", Better.MORE),
)
VECTORS = (
    Column("vectors compared", "compared", None),
    Column("cut at, tokens", "window", None),
    Column("cosine there, least", "least_cosine", None),
    Column("mean", "mean_cosine", None),
    Column("cosine at 256, least", "least_cosine_at_256", None),
    Column("mean", "mean_cosine_at_256", None),
)


def table(result: dict[str, Any]) -> str:
    """Return the section in Markdown."""
    systems = result["systems"]
    parts = [
        "## End to end\n\n"
        f"{result['passages']:,} passages of SciFact (title and abstract, "
        f"{result['characters']:,} characters, all that is relevant to the queries among them) "
        f"indexed, then searched by {result['queries']} queries after a warm-up, each in a "
        "process of its own: what is searched was read from disk. Every system is used as its "
        "documentation has it; `benchmarks/peers/systems/` names the pages.\n",
        "### One vector of each passage, cut at 256 tokens, searched by it alone\n\n"
        "The same work for all; a system whose vectors are not those of sentence-transformers in "
        "float32 is not ranked. txtai keeps vectors and ids only (its default), the others the "
        "texts as well; LanceDB and samespace also hold an index of the words.\n",
        ranked(
            "system",
            {name.split(",")[0]: alike(systems[name]) for name in ALIKE if name in systems},
            (*INDEXING, *SEARCHING),
        ),
        "### As each system comes, with its own best search\n\n"
        "samespace splits what is longer than the window into further chunks where the others "
        "cut it, and so embeds more; hybrid where a system has it.\n",
        ranked(
            "system",
            {name: as_it_comes(systems[name]) for name in systems if "," not in name},
            (*INDEXING, Column("texts embedded", "embedded", None), *SEARCHING),
        ),
        "### The vectors that were stored, beside sentence-transformers in float32\n\n"
        "A sample read back from each store; where a passage has several vectors it is left out. "
        "The window is the one (of 128, 256, 512) whose vectors agree best.\n",
        ranked(
            "system",
            {name: vectors(system) for name, system in systems.items()},
            VECTORS,
        ),
    ]
    observed = {name: system for name, system in systems.items() if "again" in system}
    return "\n".join([*parts, *behaviour(observed, result["few"])])


def alike(system: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a system searched by its vectors alone."""
    if "error" in system:
        return system
    agreed = system["vectors"] or {"least_cosine_at_256": 0.0, "window": "?"}
    same = agreed["least_cosine_at_256"] >= EQUAL
    note = "" if same else f"other vectors: cut at {agreed['window']} tokens"
    return {**system, **system["modes"]["dense"], "comparable": same, "note": note}


def as_it_comes(system: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a system with the first of its modes, or hybrid where there is that."""
    if "error" in system:
        return system
    mode = "hybrid" if "hybrid" in system["modes"] else "dense"
    return {**system, **system["modes"][mode], "note": mode}


def vectors(system: dict[str, Any]) -> dict[str, Any]:
    """Return the row of the comparison with the reference."""
    return system["vectors"] or {"error": system.get("error", "no vectors were read back")}


def behaviour(systems: dict[str, Any], few: int) -> Iterable[str]:
    """Yield the three experiments."""
    yield (
        f"### Indexed again\n\nThe same {few} passages, by the same call or by the one that the "
        "documentation has for passages that may be there, in a new process. Texts that a system "
        "embeds of its own accord, to learn a dimension, are counted with the others.\n\n"
        "| system | call | texts embedded: first, again | rows: first, again | passages | error |\n"
        "|---|---|---:|---:|---:|---|"
    )
    for name, system in systems.items():
        first = system["again"]["first"]
        for call, done in system["again"].items():
            if call != "first":
                yield line(
                    name,
                    f"`{system['calls'][call]}`",
                    f"{first.get('embedded')}, {done.get('embedded')}",
                    f"{first.get('after', {}).get('rows')}, {done.get('after', {}).get('rows')}",
                    done.get("after", {}).get("passages"),
                    done.get("error") or done.get("failed", ""),
                )
    yield (
        f"\n### Killed half-way\n\nSIGKILL while {few} passages are indexed, at the text named; "
        "then the store is opened, and all passages are given to it once more by the same call.\n\n"
        "| system | call | killed at text | opens with rows | finds for a query | embedded then "
        "| rows, passages then | error |\n|---|---|---:|---:|---:|---:|---:|---|"
    )
    for name, system in systems.items():
        for call, then in system["killed"].items():
            before, after = then.get("before", {}), then.get("after", {})
            calls = f", {then['calls']} calls" if then["calls"] > 1 else ""
            errors = (
                ("was not killed", then["survived"]),
                ("opening", before.get("failed")),
                ("indexing", then.get("error") or then.get("failed")),
                ("reopening", after.get("failed")),
            )
            yield line(
                name,
                f"`{system['calls'][call]}`{calls}",
                then["kill_at"],
                before.get("rows", "does not open"),
                before.get("found"),
                then.get("embedded"),
                f"{after.get('rows')}, {after.get('passages')}",
                "; ".join(f"{when}: {what}" for when, what in errors if what),
            )
    yield (
        "\n### Another model of the same dimension queries\n\nA model exactly as good, whose "
        "hidden dimensions are in another order (`benchmarks/peers/other_model.py`): named by the "
        "caller, or lying where the first one lay. nDCG@10 of what came back, beside that of the "
        "right model.\n"
    )
    yield from outcomes(systems)
    yield ""


def outcomes(systems: dict[str, Any]) -> Iterator[str]:
    """Yield the table of what became of queries by another model."""
    yield (
        "| system | how it was named | right model | other model named | other in its place |\n"
        "|---|---|---:|---|---|"
    )
    for name, system in systems.items():
        tried = system["other_model"]
        right = {m: v["ndcg@10"] for m, v in system.get("modes", {}).items()}
        yield line(
            name,
            f"`{tried['how']}`",
            scores(right),
            *map(outcome, (tried["given"], tried["swapped"])),
        )


def outcome(tried: dict[str, Any]) -> str:
    """Return what became of a query by another model."""
    return f"refused: {tried['refused']}" if tried["refused"] else scores(tried["ndcg@10"])


def scores(modes: dict[str, float]) -> str:
    """Return nDCG@10 of each mode."""
    return ", ".join(f"{mode} {value:.3f}" for mode, value in modes.items())


def line(*cells: object) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cell(value) for value in cells)} |"


def cell(value: object) -> str:
    """Return a value that breaks no table."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return " ".join(str(value).replace("|", "\\|").split())[:220]
