"""Inline marks of AsciiDoc: taken away where they mark, left where they are characters."""

from __future__ import annotations

import html
import re

_REPLACEMENTS = {
    "nbsp": " ",
    "empty": "",
    "sp": " ",
    "plus": "+",
    "asterisk": "*",
    "caret": "^",
    "tilde": "~",
    "backtick": "`",
    "backslash": "\\",
    "apostrophe": "'",
    "apos": "'",
    "quot": '"',
    "amp": "&",
    "lt": "<",
    "gt": ">",
    "litdd": "--",
    "startsb": "[",
    "endsb": "]",
    "vbar": "|",
    "zwsp": "",
    "cpp": "C++",
}
_ATTRIBUTE = re.compile(r"\{([a-z+-]{1,12})\}")
_CODE = re.compile(r"(``?)(?=\S)([^`]{1,2000}?)\1")
_QUOTED = re.compile(r"([\"'])`([^`]{1,2000})`\1")
_MANUAL = re.compile(r"link(?:git|:git):([\w.-]{1,100})\[(\d?)\]")
_ANCHOR = re.compile(r"\[\[[^\]]{1,200}\]\]|(?<!\w)\[#[^\]]{1,200}\](?=\S)")
_CROSS = re.compile(r"<<#?([^<>,]{1,200})(?:,([^<>]{1,500}))?>>")
_XREF = re.compile(r"xref:([^\s\[]{1,500})\[([^\]]{0,500})\]")
_LINK = re.compile(
    r"(?:link:|(?=(?:https?|ftp|mailto|irc):))([^\s\[\]<>]{1,500})\[([^\]]{0,500})\]"
)
_FOOTNOTE = re.compile(r"footnote(?:ref)?:(?:[\w-]{0,50})\[([^\]]{0,2000})\]")
_MACRO = re.compile(
    r"(?:image|icon|kbd|btn|menu|stem|pass|anchor):[^\s\[]{0,200}\[([^\]]{0,500})\]"
)
_STRONG = re.compile(
    r"(\*\*|__|##)(?=\S)([^*_#\n]{1,500})(?<=\S)\1|(?<![\w*_\\])([*_#])(?=[^\s*_#])"
    r"([^*\n]{1,500}?)(?<=\S)\3(?![\w*_])"
)
_PASS = re.compile(r"(?<![\w+])(\+{1,3})(?=[^\s+])([^+\n]{1,500})(?<=\S)\1(?![\w+])")
_ESCAPE = re.compile(r"\\(?=[*_`#<\[{+'-])")


def plain(text: str) -> str:
    """Return one line of AsciiDoc without its inline marks."""
    text = _QUOTED.sub(r"\1\2\1", text)
    if "`" not in text:
        return _words(text)
    parts: list[str] = []
    position = 0
    for match in _CODE.finditer(text):
        parts.append(_words(text[position : match.start()]))
        parts.append(_references(match[2]))
        position = match.end()
    parts.append(_words(text[position:]))
    return "".join(parts)


def _words(text: str) -> str:
    text = _references(text)
    if "[" in text or "<<" in text:
        text = _MANUAL.sub(lambda m: f"{m[1]}({m[2]})" if m[2] else m[1], text)
        text = _ANCHOR.sub("", text)
        text = _CROSS.sub(lambda m: (m[2] or m[1]).strip(), text)
        text = _XREF.sub(lambda m: m[2] or m[1].partition("#")[2] or m[1], text)
        text = _FOOTNOTE.sub(r" (\1)", text)
        text = _LINK.sub(lambda m: m[2].rstrip("^").split(",window=")[0] or m[1], text)
        text = _MACRO.sub(r"\1", text)
    text = _STRONG.sub(lambda m: m[2] or m[4], text)
    text = _PASS.sub(r"\2", text)
    return _ESCAPE.sub("", text)


def _references(text: str) -> str:
    if "{" in text:
        text = _ATTRIBUTE.sub(lambda m: _REPLACEMENTS.get(m[1], m[0]), text)
    return html.unescape(text) if "&" in text else text
