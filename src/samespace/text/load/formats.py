"""Which format a file has: by its name, and by its first bytes where the name does not say."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass

MARKDOWN = "text/markdown"
RST = "text/x-rst"
ASCIIDOC = "text/x-asciidoc"
HTML = "text/html"
PDF = "application/pdf"
PLAIN = "text/plain"


@dataclass(frozen=True)
class Format:
    """A format: its name, the media type of its documents, and how it is read.

    `records`: it may hold many documents; `lines`: it is read line by line.
    """

    name: str
    media: str
    records: bool = False
    lines: bool = False


@dataclass(frozen=True)
class Unsupported:
    """A format that is recognized and not read."""

    label: str


_LANGUAGES = {
    "bash": "shell", "bat": "batch", "c": "c", "cc": "cpp", "cjs": "javascript",
    "clj": "clojure", "cljs": "clojure", "cmake": "cmake", "cpp": "cpp", "cs": "csharp",
    "css": "css", "cu": "cuda", "cxx": "cpp", "dart": "dart", "diff": "diff", "el": "elisp",
    "erl": "erlang", "ex": "elixir", "exs": "elixir", "f90": "fortran", "fish": "shell",
    "fs": "fsharp", "go": "go", "gradle": "groovy", "graphql": "graphql", "groovy": "groovy",
    "h": "c", "hh": "cpp", "hpp": "cpp", "hs": "haskell", "hxx": "cpp", "java": "java",
    "jl": "julia", "js": "javascript", "jsx": "javascript", "kt": "kotlin", "kts": "kotlin",
    "less": "css", "lisp": "lisp", "lua": "lua", "m": "objectivec", "mjs": "javascript",
    "mk": "makefile", "ml": "ocaml", "mm": "objectivec", "mts": "typescript", "nim": "nim",
    "nix": "nix", "pas": "pascal", "patch": "diff", "php": "php", "pl": "perl", "pm": "perl",
    "proto": "protobuf", "ps1": "powershell", "py": "python", "pyi": "python", "pyx": "python",
    "r": "r", "rake": "ruby", "rb": "ruby", "rs": "rust", "s": "asm", "scala": "scala",
    "scm": "scheme", "scss": "css", "sh": "shell", "sol": "solidity", "sql": "sql",
    "svelte": "svelte", "swift": "swift", "tcl": "tcl", "tf": "terraform", "ts": "typescript",
    "tsx": "tsx", "v": "verilog", "vb": "vb", "vhd": "vhdl", "vim": "vim", "vue": "vue",
    "zig": "zig", "zsh": "shell",
}  # fmt: skip
"""Extension -> language of source code."""

_NAMES = {
    "dockerfile": "dockerfile",
    "gemfile": "ruby",
    "gnumakefile": "makefile",
    "jenkinsfile": "groovy",
    "makefile": "makefile",
    "rakefile": "ruby",
}
"""Whole file name -> language of source code."""

FORMATS: dict[str, Format] = {
    "asciidoc": Format("asciidoc", ASCIIDOC),
    "csv": Format("csv", PLAIN, records=True, lines=True),
    "docx": Format("docx", HTML),
    "html": Format("html", HTML),
    "json": Format("json", PLAIN, records=True),
    "jsonl": Format("jsonl", PLAIN, records=True, lines=True),
    "markdown": Format("markdown", MARKDOWN),
    "notebook": Format("notebook", MARKDOWN),
    "pdf": Format("pdf", PDF),
    "rst": Format("rst", RST),
    "text": Format("text", PLAIN),
    "tsv": Format("tsv", PLAIN, records=True, lines=True),
    **{
        name: Format(name, f"text/x-{name}")
        for name in sorted({*_LANGUAGES.values(), *_NAMES.values()})
    },
}
"""Name -> format: what `LoadOptions.format` may be."""

_EXTENSIONS = {
    "adoc": "asciidoc", "asciidoc": "asciidoc", "csv": "csv",
    "docm": "docx", "docx": "docx", "htm": "html", "html": "html", "ipynb": "notebook",
    "json": "json", "jsonl": "jsonl", "log": "text", "markdown": "markdown", "md": "markdown",
    "mdx": "markdown", "mkd": "markdown", "ndjson": "jsonl", "pdf": "pdf", "rmd": "markdown",
    "qmd": "markdown", "rest": "rst", "rst": "rst", "tab": "tsv", "text": "text",
    "tsv": "tsv", "txt": "text", "xhtml": "html",
    **_LANGUAGES,
}  # fmt: skip

_UNSUPPORTED = {
    "image": "ai bmp eps gif heic heif ico jpeg jpg png psd svg tif tiff webp xcf avif",
    "audio": "aac aiff flac m4a mid mp3 ogg opus wav wma",
    "video": "avi flv m4v mkv mov mp4 mpeg mpg webm wmv",
    "archive": "7z bz2 cab deb dmg gz iso jar lz4 rar rpm tar tgz whl xz zip zst",
    "font": "eot otf ttf woff woff2",
    "program": "a bin class dll dylib exe lib o obj pdb pyc pyd pyo so wasm",
    "data file": "arrow avro db feather h5 hdf5 mat mdb npy npz onnx orc parquet pickle pkl "
    "pth safetensors sqlite sqlite3",
    "Word 97-2003 document, save it as DOCX": "doc dot",
    "spreadsheet, save it as CSV": "ods xls xlsb xlsm xlsx",
    "presentation, save it as PDF": "odp ppt pptx",
    "text document, save it as DOCX": "odt pages rtf wpd",
    "e-book, save it as HTML": "azw3 djvu epub mobi",
}
_UNSUPPORTED_EXTENSIONS = {
    extension: label
    for label, extensions in _UNSUPPORTED.items()
    for extension in extensions.split()
}

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n", "PNG image"),
    (b"GIF8", "GIF image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"II*\0", "TIFF image"),
    (b"MM\0*", "TIFF image"),
    (b"8BPS", "Photoshop image"),
    (b"\x7fELF", "program"),
    (b"\xca\xfe\xba\xbe", "program"),
    (b"\xcf\xfa\xed\xfe", "program"),
    (b"\0asm", "program"),
    (b"BZh", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"\xfd7zXZ\0", "archive"),
    (b"7z\xbc\xaf", "archive"),
    (b"Rar!\x1a", "archive"),
    (b"\x28\xb5\x2f\xfd", "archive"),
    (b"SQLite format 3\0", "data file"),
    (b"PAR1", "data file"),
    (b"OggS", "audio"),
    (b"fLaC", "audio"),
    (b"ID3\x03", "audio"),
    (b"ID3\x04", "audio"),
    (b"{\\rtf", "text document, save it as DOCX"),
    (_OLE, "Office 97-2003 document"),
)
_SHEBANG = re.compile(rb"#![^\n]*?\b(python|bash|zsh|sh|ruby|perl|node|lua|php)[\d.]*\b")
_SHEBANG_LANGUAGES = {"bash": "shell", "zsh": "shell", "sh": "shell", "node": "javascript"}
_HTML_START = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype html|html|head|body)\b", re.I | re.S)

HEAD = 65536
"""How many first bytes are looked at."""


def is_gzip(head: bytes) -> bool:
    """Say whether the bytes begin a gzip stream."""
    return head.startswith(b"\x1f\x8b")


def is_office_97(head: bytes) -> bool:
    """Say whether the bytes begin a compound file: old Office, or encrypted new Office."""
    return head.startswith(_OLE)


def by_name(path: str) -> Format | Unsupported | None:
    """Tell the format by the file's name alone; None where the name does not say."""
    name = os.path.basename(path).lower()
    stem, _, extension = name.rpartition(".")
    if not stem:
        return FORMATS[_NAMES[name]] if name in _NAMES else None
    if extension == "gz":
        inner = by_name(stem)
        if isinstance(inner, Format) and inner.name in ("jsonl", "csv", "tsv"):
            return inner
    if extension in _EXTENSIONS:
        return FORMATS[_EXTENSIONS[extension]]
    label = _UNSUPPORTED_EXTENSIONS.get(extension)
    return Unsupported(f"{extension.upper()} {label}") if label else None


def by_content(head: bytes, named: Format | None) -> Format | Unsupported:
    """Tell the format by the first bytes, given what the name says (None: nothing).

    What is certain wins over the name: a PDF called `.txt` is a PDF. A `.json` file of one
    object per line is JSONL.
    """
    if head[:1024].lstrip().startswith(b"%PDF-"):
        return FORMATS["pdf"]
    if head.startswith(b"PK\x03\x04"):
        if named is FORMATS["docx"] or b"word/document.xml" in head:
            return FORMATS["docx"]
        return Unsupported("ZIP archive or Office file")
    if named is not None and (named.records or named.name in ("pdf", "docx")):
        return FORMATS["jsonl"] if named.name == "json" and _json_lines(head) else named
    for magic, label in _MAGIC:
        if head.startswith(magic):
            return Unsupported(label)
    if head[4:8] == b"ftyp" or (head.startswith(b"RIFF") and head[8:12] in (b"AVI ", b"WAVE")):
        return Unsupported("audio or video")
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Unsupported("WEBP image")
    if named is not None:
        return named
    if _HTML_START.match(head[:4096]):
        return FORMATS["html"]
    shebang = _SHEBANG.match(head[:256])
    if shebang:
        name = shebang.group(1).decode("ascii")
        return FORMATS[_SHEBANG_LANGUAGES.get(name, name)]
    return FORMATS["text"]


def is_json_object(line: bytes) -> bool:
    """Say whether a line is one whole JSON object."""
    line = line.removeprefix(b"\xef\xbb\xbf").strip()
    if not line.startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _json_lines(head: bytes) -> bool:
    first, newline, rest = head.partition(b"\n")
    return bool(newline) and rest.lstrip().startswith(b"{") and is_json_object(first)
