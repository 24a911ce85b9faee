"""How much of a page's text survives cleaning: samespace against resiliparse's main content.

    pip install resiliparse; python benchmarks/html_pages.py

272 manual pages. Of the words that a reader sees (scripts, styles, table of contents and footer
left out), the share that is in the result, over all pages and on the worst of them.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from resiliparse.extract.html2text import extract_plain_text
from selectolax.lexbor import LexborHTMLParser

from common import dataset, save
from samespace.text.clean.html import read_html

WORD = re.compile(r"\w+")
UNSEEN = ("script", "style", "head", "#toc", "#footer")


def words(text: str) -> Counter[str]:
    """Count the words of a text, lower-cased."""
    return Counter(WORD.findall(text.lower()))


def visible(markup: str) -> Counter[str]:
    """Count the words that a reader sees as the page's own."""
    page = LexborHTMLParser(markup)
    for selector in UNSEEN:
        for node in page.css(selector):
            node.decompose()
    return words(page.body.text(separator=" ") if page.body else "")


def resiliparse(markup: str) -> str:
    """Extract as its documentation recommends for main content with its structure."""
    text = extract_plain_text(markup, main_content=True, preserve_formatting="minimal_html")
    return re.sub(r"<[^>]+>", " ", text)


def samespace(markup: str) -> str:
    """Extract as `samespace index` does."""
    return " ".join(piece.text for piece in read_html(markup).pieces)


def main() -> None:
    """Read every page with both and save the shares."""
    pages = sorted((dataset("docs-git-html") / "files").rglob("*.html"))
    result = {name: measure(pages, read) for name, read in READERS.items()}
    save(
        "html_pages",
        {"pages": len(pages), "resiliparse": version("resiliparse"), "readers": result},
    )


def measure(pages: list[Path], read: Callable[[str], str]) -> dict[str, object]:
    """Return the share of words kept in all, the worst pages, and the seconds."""
    kept = total = 0
    seconds = 0.0
    shares: list[tuple[float, str]] = []
    for path in pages:
        markup = path.read_text(encoding="utf-8", errors="replace")
        seen = visible(markup)
        started = time.perf_counter()
        text = read(markup)
        seconds += time.perf_counter() - started
        found = (seen & words(text)).total()
        kept, total = kept + found, total + seen.total()
        if seen:
            shares.append((round(found / seen.total(), 3), path.name))
    return {
        "words_kept": round(kept / total, 4),
        "pages_below_0.9": sum(1 for share, _ in shares if share < 0.9),
        "worst": [list(pair) for pair in sorted(shares)[:5]],
        "seconds": round(seconds, 2),
    }


READERS: dict[str, Callable[[str], str]] = {"samespace": samespace, "resiliparse": resiliparse}

if __name__ == "__main__":
    main()
