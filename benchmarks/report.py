"""The tables of measurements and of the peers in README.md, from the saved results.

    python benchmarks/report.py      # writes it anew

Every figure there comes from benchmarks/results; a test holds the two in step.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- measurements -->\n", "<!-- /measurements -->"


def result(name: str) -> Any:
    """Return a saved result."""
    return json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))


def rows() -> list[tuple[str, str, str]]:
    """Return (what, figure, script) for each measurement."""
    install, scifact, memory = result("install"), result("scifact"), result("memory")
    seconds = install["seconds"]
    default, truncated = scifact["default"], scifact["truncated"]
    embed = result("embed")
    table = [
        (
            "default install in a fresh environment, no PyTorch",
            f"{install['megabytes']} MB",
            "install",
        ),
        ("`import samespace`", f"{seconds['import samespace']:.3f} s", "install"),
        ("`samespace --help`", f"{seconds['samespace --help']:.2f} s", "install"),
        (
            "SciFact nDCG@10, one vector per document cut at 256 tokens: dense",
            f"{truncated['modes']['dense']['ndcg@10']:.3f}",
            "scifact",
        ),
        *(
            (
                f"SciFact nDCG@10, as chunked by default: {mode}",
                f"{default['modes'][mode]['ndcg@10']:.3f}",
                "scifact",
            )
            for mode in ("dense", "lexical", "hybrid")
        ),
        (
            f"indexing SciFact ({default['documents']:,} documents, {default['chunks']:,} chunks)",
            f"{default['index_seconds']:.0f} s, {default['tokens_per_second']:,} tokens/s",
            "scifact",
        ),
        (
            "indexing it again, unchanged",
            f"{scifact['again']['seconds']:.2f} s, {scifact['again']['embedded_tokens']} tokens "
            "embedded",
            "scifact",
        ),
        (
            "a hybrid search in it, median and 99th percentile",
            f"{default['modes']['hybrid']['p50_ms']:.1f} ms, "
            f"{default['modes']['hybrid']['p99_ms']:.1f} ms",
            "scifact",
        ),
        *(
            (
                f"peak memory while indexing {memory[size]['documents']:,} documents",
                f"{memory[size]['peak_mib']} MiB",
                "memory",
            )
            for size in ("a tenth", "scifact", "ten times")
        ),
        *embedding(embed),
        *evaluation(),
        *keeping(),
        *(documentation(name) for name in ("peps", "git", "eips")),
    ]
    return table


def embedding(embed: Any) -> list[tuple[str, str, str]]:
    """Return the rows that compare with sentence-transformers."""
    ours, theirs = embed["systems"]["samespace"], embed["systems"]["sentence-transformers"]
    return [
        (
            "embedding SciFact passages; sentence-transformers (PyTorch) in the same run",
            f"{ours['tokens_per_second']:,} tokens/s; {theirs['tokens_per_second']:,}",
            "embed",
        ),
        (
            "one query, median; sentence-transformers in the same run",
            f"{ours['query_p50_ms']:.1f} ms; {theirs['query_p50_ms']:.1f} ms",
            "embed",
        ),
        (
            "least cosine between the two",
            f"{embed['least_cosine']:.7f}",
            "embed",
        ),
    ]


def evaluation() -> list[tuple[str, str, str]]:
    """Return the rows about the metrics themselves."""
    agreement, published = result("trec_agreement"), result("published")["tasks"]
    similarity = published["STSBenchmark"]["spearman"]
    accuracy = published["Banking77Classification"]["accuracy"]
    runs = sum(len(found["runs"]) for found in agreement["sets"].values())
    return [
        (
            f"largest difference to trec_eval, per query: {agreement['metrics']} metrics, "
            f"{len(agreement['sets'])} sets of judgements, {runs} runs",
            f"{agreement['largest']:.0e}",
            "trec_agreement",
        ),
        (
            "STS benchmark, Spearman; published",
            f"{similarity['measured']:.4f}; {similarity['published']:.4f}",
            "published",
        ),
        (
            "Banking77, accuracy by MTEB's protocol; published",
            f"{accuracy['measured']:.4f}; {accuracy['published']:.4f}",
            "published",
        ),
    ]


def keeping() -> list[tuple[str, str, str]]:
    """Return the rows of what is looked at and kept."""
    looked, cache = result("verify"), result("cache")["microseconds_a_text"]
    return [
        (
            f"`verify` of {looked['chunks']:,} chunks without weights: every row and byte",
            f"{looked['verify_s']:.1f} s",
            "verify",
        ),
        ("planning a migration of them", f"{looked['plan_s']:.1f} s", "verify"),
        (
            "a text found in the cache of vectors, and embedded",
            f"{cache['read, first time']:.0f} µs, {cache['embedding']:,.0f} µs",
            "cache",
        ),
    ]


def documentation(name: str) -> tuple[str, str, str]:
    """Return the row of one folder of documentation."""
    docs = result(f"docs-{name}")
    folder = {
        "peps": "the PEPs (reStructuredText)",
        "git": "Git's manual (HTML, AsciiDoc)",
        "eips": "the EIPs (Markdown, PDF)",
    }[name]
    return (
        f"{folder}: files in, left out with a reason; questions found in the top 5",
        f"{docs['documents']:,}, {docs['left_out']}; {docs['found_in_top_5']} of "
        f"{len(docs['questions'])}",
        "docs",
    )


def table() -> str:
    """Return the table in Markdown, with the machine that it was measured on."""
    environment = result("scifact")["environment"]
    lines = [
        f"Measured on {environment['cores']} cores of {environment['cpu']} with Python "
        f"{environment['python']}; each script prints and saves its result.\n",
        "| what | figure | script |",
        "|---|---|---|",
    ]
    lines += [f"| {what} | {figure} | `benchmarks/{name}.py` |" for what, figure, name in rows()]
    return "\n".join(lines) + "\n"


PEERS_BEGIN, PEERS_END = "<!-- peers -->\n", "<!-- /peers -->"
ONE_VECTOR = {
    "samespace": "samespace, one vector per passage",
    "txtai": "txtai, window set to 256",
    **{name: name for name in ("Chroma", "LanceDB", "LlamaIndex", "Haystack")},
}
"""What each system is called in the README, and where it makes one vector of each passage."""


def peers() -> str:
    """Return the table of the peers in Markdown."""
    systems = result("peers-end_to_end")["systems"]
    lines = [
        "| | index | peak memory | one query, p50 | on disk | nDCG@10 "
        "| another model of the same dimension asks |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for name, measured in ONE_VECTOR.items():
        seen = systems[measured]
        dense = seen["modes"]["dense"]
        cells = (
            name,
            f"{seen['index_seconds']['median']:.0f} s",
            f"{seen['index_peak_mib']['median']:,.0f} MiB",
            f"{dense['p50_ms']['median']:.1f} ms",
            f"{seen['mb']['median']:.1f} MB",
            f"{dense['ndcg@10']:.3f}",
            asked_by_another(systems[name]["other_model"], dense["ndcg@10"]),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def asked_by_another(seen: Any, sound: float) -> str:
    """Return what a system does where another model asks: given, or lying in the first's folder."""
    refused = seen["given"]["refused"], seen["swapped"]["refused"]
    if all(refused):
        return f"refused: `{refused[0].split(':')[0]}`"
    given, swapped = (seen[way]["ndcg@10"]["dense"] for way in ("given", "swapped"))
    if given > 0.9 * sound:
        return f"its stored model asks; another in that folder answers, nDCG@10 {swapped:.3f}"
    return f"answers, nDCG@10 {given:.3f}"


def renewed(readme: str) -> str:
    """Return the README with the tables of today."""
    for begin, made, end in ((BEGIN, table(), END), (PEERS_BEGIN, peers(), PEERS_END)):
        before, rest = readme.split(begin)
        readme = before + begin + made + end + rest.split(end)[1]
    return readme


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
