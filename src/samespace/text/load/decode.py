"""Bytes to text: byte order marks, UTF-8, what the file declares, and then a guess.

A text that is nearly UTF-8 stays UTF-8 with its broken bytes replaced (U+FFFD): reading it
in another encoding would garble every other letter.
"""

from __future__ import annotations

import codecs
import re

from samespace.text.load.alphabets import latin_encoding
from samespace.text.load.outcome import Rejected

_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"(?:charset|encoding|coding)\s*[=:]\s*[\"']?([A-Za-z][-\w.]*)")
_LATIN = {"iso8859-1", "iso-8859-1", "ascii", "us-ascii"}
_OTHER_SCRIPTS = [
    "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp874",
    "cp932", "euc_jp", "iso2022_jp", "gb18030", "big5", "cp949", "cp1252", "cp1250",
]  # fmt: skip
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
_CONTROL_SHARE = 0.02
_SAMPLE = 65536
_SURROGATES = re.compile("[\ud800-\udfff]")


def bom(head: bytes) -> tuple[str, int]:
    """Return the encoding that a byte order mark names and the mark's length ("", 0: none)."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding, len(mark)
    return "", 0


def scrub(text: str) -> str:
    """Replace lone surrogates by U+FFFD and remove NUL: neither can be stored or tokenized."""
    if "\0" in text:
        text = text.replace("\0", "")
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def decode(data: bytes) -> str:
    """Decode the bytes of a text file.

    Raises:
        Rejected: the bytes are not text in any encoding that is known here.
    """
    encoding, length = bom(data)
    if encoding:
        return scrub(data[length:].decode(encoding, "replace"))
    encoding = detect(data)
    text = data.decode(encoding, "replace")
    if _mostly_control(text):
        raise Rejected("binary", failed=False)
    return scrub(text)


def detect(data: bytes) -> str:
    """Tell the encoding of bytes without a mark; they may break it in a few places.

    Raises:
        Rejected: none is known here that fits.
    """
    declared = _declaration(data)
    if declared == "iso2022_jp" and _fits(data, declared):
        return declared  # seven-bit: its bytes are UTF-8 too, and mean nothing there
    if b"\0" in data[:_SAMPLE]:
        wide = _wide(data)
        if wide:
            return wide
    if _fits(data, "utf-8"):
        return "utf-8"
    if declared:
        name = "cp1252" if declared in _LATIN else declared
        if _fits(data, name):
            return name
    if _nearly_utf8(data):
        return "utf-8"
    return _guess(data)


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True


def _declaration(data: bytes) -> str:
    match = _DECLARED.search(data[:2048])
    if match is None:
        return ""
    name = match.group(1).decode("ascii", "ignore")
    try:
        info = codecs.lookup(name)
    except LookupError:
        return ""
    # A declared UTF-16 without a mark is wrong by the standards, and codecs such as "hex" or
    # "rot13" do not give text.
    text = getattr(info, "_is_text_encoding", True)
    return "" if not text or info.name.startswith(("utf-16", "utf-32")) else info.name.lower()


def _wide(data: bytes) -> str:
    """Decode UTF-16 or UTF-32 without a mark: its zero bytes lie in every second or fourth."""
    head = data[: _SAMPLE - _SAMPLE % 4]
    quarter = max(1, len(head) // 4)
    zeros = [head[i::4].count(0) / quarter for i in range(4)]
    if min(zeros[1], zeros[3]) > 0.4 and max(zeros[0], zeros[2]) < 0.2:
        encoding = "utf-16-le"
    elif min(zeros[0], zeros[2]) > 0.4 and max(zeros[1], zeros[3]) < 0.2:
        encoding = "utf-16-be"
    elif min(zeros[1:]) > 0.4 and zeros[0] < 0.2:
        encoding = "utf-32-le"
    elif min(zeros[:3]) > 0.4 and zeros[3] < 0.2:
        encoding = "utf-32-be"
    else:
        return ""
    return encoding if not _mostly_control(data.decode(encoding, "replace")) else ""


def _nearly_utf8(data: bytes) -> bool:
    """Say whether there are at least four good letters beyond ASCII for each bad one."""
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = len(text) - len(text.encode("ascii", "ignore")) - bad
    return good >= 4 * bad


def _guess(data: bytes) -> str:
    """Guess the encoding of a text that is not UTF-8: by alphabet if Latin, else by statistics."""
    sample = data[: 4 * _SAMPLE]
    latin = latin_encoding(sample)
    if latin:
        return latin
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=_OTHER_SCRIPTS).best()
    if best is not None:
        return best.encoding
    if _fits(data, "cp1252"):
        return "cp1252"
    raise Rejected("binary", failed=False)


def _mostly_control(text: str) -> bool:
    sample = text[:_SAMPLE]
    return len(_CONTROL.findall(sample)) > _CONTROL_SHARE * len(sample)
