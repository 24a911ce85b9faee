"""Three folders of real documentation: everything in or reported, no markup left, ten questions.

    python benchmarks/docs.py [peps|git|eips ...] [--keep FOLDER]

For each set (hidden files too): files in and left out, tokens dropped, what looks like a tag in
the text of HTML pages, and the rank of the page that answers each of ten questions (None: not in
the top 5).
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from common import dataset, peak_mib, save
from samespace import Collection, LoadOptions

FOLDERS = {"peps": "docs-peps", "git": "docs-git-html", "eips": "docs-eips"}

# A question, and the names (without suffix) of the pages that answer it.
QUESTIONS: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "peps": [
        ("How long may a line of Python code be?", ("pep-0008",)),
        ("Can I assign to a variable inside an if condition?", ("pep-0572",)),
        ("How do I match a value against several shapes?", ("pep-0634", "pep-0635", "pep-0636")),
        ("Running Python without the global interpreter lock", ("pep-0703",)),
        ("Where do I declare the build dependencies of a project?", ("pep-0518",)),
        ("How are the file names of binary packages put together?", ("pep-0427", "pep-0425")),
        ("embed expressions in string literals", ("pep-0498", "pep-0701", "pep-0536")),
        ("Who decides about the language after the BDFL stepped down?", ("pep-0013", "pep-8016")),
        ("generate __init__ and __repr__ of a class automatically", ("pep-0557",)),
        ("add a dictionary to another with an operator", ("pep-0584",)),
    ],
    "git": [
        ("How do I put my uncommitted changes aside for a while?", ("git-stash",)),
        ("find the commit that broke something by binary search", ("git-bisect",)),
        ("who last changed each line of a file", ("git-blame", "git-annotate")),
        ("work on two branches at the same time in separate folders", ("git-worktree",)),
        ("delete files that are not tracked", ("git-clean",)),
        ("squash several commits into one", ("git-rebase", "rebase-options", "git-merge")),
        ("reuse how I solved a merge conflict before", ("git-rerere", "rerere-options")),
        ("Which files can be left out of version control by a pattern?", ("gitignore",)),
        ("sign a tag with my GPG key", ("git-tag", "git-verify-tag")),
        ("download only part of the history", ("git-clone", "git-fetch", "fetch-options")),
    ],
    "eips": [
        ("How is the base fee of a block computed and burned?", ("eip-1559",)),
        ("hash and sign structured data instead of byte strings", ("eip-712",)),
        ("create a contract at an address known in advance", ("eip-1014",)),
        ("cheap temporary data for rollups in blobs", ("eip-4844", "eip-7594", "eip-7691")),
        ("pay out validators from the beacon chain", ("eip-4895", "eip-7002")),
        ("How large may the code of a contract be?", ("eip-170", "eip-7907", "eip-7954")),
        ("let an ordinary account run contract code for one transaction", ("eip-7702", "eip-3074")),
        ("storage that is discarded after each transaction", ("eip-1153",)),
        ("stop a transaction from being replayed on another chain", ("eip-155",)),
        ("move from proof of work to proof of stake", ("eip-3675", "eip-2982")),
    ],
}

# A tag as HTML has it. Pages about HTML, and code, may name tags; what counts is markup that
# was left over, so the tags that only ever structure a page are looked for.
TAG = re.compile(
    r"</?(?:div|span|p|a|br|h[1-6]|ul|ol|li|dl|dt|dd|table|tr|td|th|tbody|pre|code|em|strong|tt|"
    r"script|style|body|html|head|meta|link)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)


def main() -> None:
    """Index the sets that were named and save one result for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(FOLDERS), choices=[*FOLDERS, []])
    parser.add_argument("--keep", type=Path, help="where collections stay, and are used again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for name in given.sets or list(FOLDERS):
            save(f"docs-{name}", measure(name, (given.keep or Path(temporary)) / name))


def measure(name: str, kb: Path) -> dict[str, Any]:
    """Index one set and ask its questions."""
    files = dataset(FOLDERS[name]) / "files"
    opened = Collection.open(kb) if kb.exists() else Collection.create(kb)
    with opened as collection:
        report = collection.add(files, options=LoadOptions(hidden=True))
        info = collection.info()
        on_disk = sum(1 for path in files.rglob("*") if path.is_file())
        questions = [ask(collection, question, answers) for question, answers in QUESTIONS[name]]
        return {
            "files": on_disk,
            "documents": info["documents"],
            "left_out": len(report.failed),
            "unaccounted": on_disk - info["documents"] - len({s.source for s in report.failed}),
            "reasons": dict(Counter(kind(skip.reason) for skip in report.failed)),
            "chunks": info["chunks"],
            "tokens": info["tokens"],
            "tokens_dropped": info["tokens_dropped"],
            "characters_dropped": info["characters_dropped"],
            "embedded_tokens": report.embedded_tokens,
            "seconds": round(report.seconds, 1),
            "peak_mib": round(peak_mib()),
            "bytes": info["bytes"],
            "tags_in_html_pages": tags(collection),
            "found_in_top_5": sum(1 for asked in questions if asked["rank"]),
            "questions": questions,
        }


def kind(reason: str) -> str:
    """Return a reason without what it says of the one file."""
    return re.sub(r"duplicate of .*", "duplicate of another file", reason.split(":")[0])


def ask(collection: Collection, question: str, answers: tuple[str, ...]) -> dict[str, Any]:
    """Return the rank of the first page that answers, among the five best pages.

    A page that is there in two formats is one page.
    """
    results = collection.search(question, 20, by_document=True)
    pages = list(dict.fromkeys(Path(hit.source).stem for hit in results))[:5]
    ranks = [rank for rank, page in enumerate(pages, 1) if page in answers]
    return {
        "question": question,
        "answers": list(answers),
        "rank": ranks[0] if ranks else None,
        "top": pages,
    }


def tags(collection: Collection) -> dict[str, list[str]]:
    """Return, by HTML page, what looks like a tag: left over, or a word of the page itself.

    A page that talks about HTML has its tags escaped in the source (`&lt;style&gt;`); a tag that
    was left over stands there as a tag only.
    """
    found: dict[str, list[str]] = {"left over": [], "of the text": []}
    for stored in collection.documents():
        if stored.source.endswith((".html", ".htm")):
            document = collection.document(stored.id)
            raw = Path(stored.source).read_text(encoding="utf-8", errors="replace")
            for match in TAG.findall(document.text if document else ""):
                escaped = match.replace("<", "&lt;").replace(">", "&gt;")
                kind = "of the text" if escaped in raw else "left over"
                found[kind].append(f"{Path(stored.source).name}: {match}")
    return {kind: sorted(set(pages)) for kind, pages in found.items()}


if __name__ == "__main__":
    main()
