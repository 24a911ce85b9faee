"""Which one-byte encoding a text in Latin letters has, told by the alphabets of languages.

Statistics do badly here: the general detectors take most Spanish in Windows-1252 for
Windows-1250. But no language has both `á` and `ń`, which is what Spanish looks like there.
"""

from __future__ import annotations

import re

_ALPHABETS: tuple[tuple[str, str], ...] = (
    ("cp1252", "àâæçéèêëîïôœùûüÿ"),  # French
    ("cp1252", "äöüß"),  # German
    ("cp1252", "áéíóúüñ¡¿ªº"),  # Spanish
    ("cp1252", "áàâãçéêíóôõúªº"),  # Portuguese
    ("cp1252", "àèéìîòù"),  # Italian
    ("cp1252", "åäöæøéü"),  # Danish, Finnish, Norwegian, Swedish
    ("cp1252", "áéëïíóöüè"),  # Dutch
    ("cp1252", "áæéíðóöþúý"),  # Icelandic
    ("cp1252", "àçèéíïòóúü·"),  # Catalan
    ("cp1250", "ąćęłńóśźż"),  # Polish
    ("cp1250", "áčďéěíňóřšťúůýž"),  # Czech
    ("cp1250", "áäčďéíĺľňóôŕšťúýž"),  # Slovak
    ("cp1250", "áéíóöőúüű"),  # Hungarian
    ("cp1250", "čćđšž"),  # Bosnian, Croatian, Slovenian
    ("cp1250", "ăâîşţ"),  # Romanian
    ("cp1254", "çğıiöşüâîûİ"),  # Turkish
    ("cp1257", "ąčęėįšųūž"),  # Lithuanian
    ("cp1257", "āčēģīķļņšūž"),  # Latvian
)
"""(encoding, letters beyond ASCII), the most common first: on a tie the first is taken."""

_MARKS = frozenset("\u00a0’‘“”„‚‹›«»–—…•·§©®™€£°²³½¼±×†")
_RUN = re.compile(rb"[\x80-\xff]{3,}")
_HIGH = bytes(range(128, 256))


def latin_encoding(data: bytes) -> str:
    """Return the encoding, or "" if the text does not look like Latin letters with accents."""
    high = data.translate(None, bytes(range(128)))
    in_runs = sum(map(len, _RUN.findall(data)))
    if not high or len(high) > 0.35 * len(data) or in_runs > 0.2 * len(high):
        return ""
    counts = [(high.count(code), bytes([code])) for code in _HIGH if code in high]
    best, found = 0.0, ""
    for encoding, letters in _ALPHABETS:
        known = {*letters, *letters.upper(), *_MARKS}
        covered = sum(n for n, code in counts if code.decode(encoding, "replace") in known)
        if covered > best and all(code.decode(encoding, "ignore") for _, code in counts):
            best, found = covered, encoding
    return found if best >= 0.5 * len(high) else ""
