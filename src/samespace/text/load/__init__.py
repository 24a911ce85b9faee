"""Files to documents, their text still markup: walking, decoding, parsing, and what is skipped."""

from samespace.text.load.formats import ASCIIDOC, FORMATS, HTML, MARKDOWN, PDF, PLAIN, RST
from samespace.text.load.loader import load, total_bytes
from samespace.text.load.options import FileEnd, LoadOptions
from samespace.text.load.paths import in_scope, scope

__all__ = [
    "ASCIIDOC",
    "FORMATS",
    "HTML",
    "MARKDOWN",
    "PDF",
    "PLAIN",
    "RST",
    "FileEnd",
    "LoadOptions",
    "in_scope",
    "load",
    "scope",
    "total_bytes",
]
