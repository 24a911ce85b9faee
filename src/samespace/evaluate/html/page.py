"""The page: its frame, its style, tables, and how every text gets into it.

Texts of queries and names of models are anybody's: each goes through `escape`, and the page's
own policy forbids scripts and requests, should one ever slip through.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

from samespace.errors import InputError

LONGEST = 300
"""How many characters of a text are shown."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d5dbe3;
  --paper: #fff; --band: #f4f6f9; --c0: #0b63c4; --c1: #b8480b; --c2: #15803d; --c3: #8b32d6;
  --c4: #be123c; --c5: #0e7490; --c6: #7c5a00; --c7: #475569; }
@media (prefers-color-scheme: dark) { :root { --ink: #e5e9f0; --soft: #9aa6b6; --line: #3a4452;
  --paper: #14181f; --band: #1d232c; --c0: #6cb0ff; --c1: #fb923c; --c2: #4ade80; --c3: #c99bff;
  --c4: #fb7185; --c5: #22d3ee; --c6: #facc15; --c7: #cbd5e1; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 84rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
p, figure { max-width: 62rem; } p { margin: .4rem 0; }
p.soft { color: var(--soft); font-size: .9rem; }
.warning { border-left: 4px solid var(--c1); background: var(--band); padding: .6rem .9rem; }
figure { margin: .5rem 0 1rem; } .scroll { overflow-x: auto; }
svg.plot { display: block; width: 100%; min-width: 35rem; height: auto; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg .soft { fill: var(--soft); } svg .grid { stroke: var(--line); }
svg .axis { stroke: var(--soft); }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .5rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: pre; vertical-align: top; }
th { background: var(--band); white-space: normal; overflow-wrap: normal; vertical-align: bottom; }
th.text, td.text { text-align: left; }
td.wrap { white-space: normal; min-width: 13rem; }
strong, summary { unicode-bidi: isolate; }
tr.front td { font-weight: 600; }
ul.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .2rem 0;
  padding: 0; font-size: .9rem; }
ul.legend svg { flex: none; width: 26px; height: 12px; margin: .4rem .4rem 0 0; }
ul.legend li { display: flex; }
details { margin: .6rem 0; } summary { cursor: pointer; padding: .2rem 0; }
"""


def escape(text: object) -> str:
    """Return a text as it may stand in an element or an attribute."""
    return html.escape(str(text), quote=True)


def clip(text: str) -> str:
    """Return a text short enough to be looked at."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page. The title is text, the parts are HTML."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><main>\n"
        f"<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</main></body></html>\n"
    )


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    left: Sequence[int] = (0,),
    wrap: Sequence[int] = (),
    strong: Sequence[int] = (),
) -> str:
    """Return a table of texts that scrolls by itself where the page is narrow.

    Args:
        headers: names of the columns.
        rows: cells, as texts.
        left: columns of words, which stand left; numbers stand right.
        wrap: columns of long texts, which are broken into lines.
        strong: rows that stand out.
    """

    def cells(tag: str, values: Sequence[object]) -> str:
        return "".join(
            f"<{tag}{_classes(place, left, wrap)}>{escape(clip(str(value)))}</{tag}>"
            for place, value in enumerate(values)
        )

    body = "".join(
        f"<tr{' class=front' if number in strong else ''}>{cells('td', row)}</tr>\n"
        for number, row in enumerate(rows)
    )
    head = f"<thead><tr>{cells('th', headers)}</tr></thead>"
    return f'<div class="scroll"><table>{head}\n<tbody>{body}</tbody></table></div>'


def _classes(place: int, left: Sequence[int], wrap: Sequence[int]) -> str:
    names = ["text"] * (place in left) + ["wrap"] * (place in wrap)
    return f' class="{" ".join(names)}"' if names else ""


def write_page(path: str | PathLike[str], content: str) -> None:
    """Write a page.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        # A lone surrogate in a text is no character; it must not cost the whole page.
        Path(path).write_bytes(content.encode("utf-8", "replace"))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
