"""The title and the metadata that an HTML page's own head gives; the page stays markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from samespace.text.load.decode import decode
from samespace.text.load.outcome import Content

_HEAD_END = re.compile(r"</head\s*>|<body\b", re.I)
_HEAD_LIMIT = 2**18
_META = {
    "description": "description",
    "keywords": "keywords",
    "author": "author",
    "date": "date",
    "dc.date": "date",
    "article:published_time": "date",
}


def parse_html(data: bytes) -> Content:
    """Decode a page and read its head."""
    text = decode(data)
    end = _HEAD_END.search(text, 0, _HEAD_LIMIT)
    head = _Head()
    head.feed(text[: end.start() if end else _HEAD_LIMIT])
    title = " ".join("".join(head.title).split())
    return Content(text, title=title, metadata=head.found)


class _Head(HTMLParser):
    """Collects the first `<title>` and the first `<meta>` of each name that is kept."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.found: dict[str, str] = {}
        self._inside = False
        self._ended = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._inside = not self._ended
        elif tag == "meta":
            values = {name: value or "" for name, value in attrs}
            name = (values.get("name") or values.get("property", "")).strip().lower()
            content = " ".join(values.get("content", "").split())
            if name in _META and content:
                self.found.setdefault(_META[name], content)
        elif tag in ("svg", "h1", "p", "div"):  # the body began without its tag
            self._ended = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "title" and self._inside:
            self._inside = False
            self._ended = True

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.title.append(data)
