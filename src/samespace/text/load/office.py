"""DOCX: through mammoth to HTML, which keeps headings, lists, tables and footnotes."""

from __future__ import annotations

import io
import zipfile
from typing import Any
from xml.etree import ElementTree

from samespace.text.load.formats import is_office_97
from samespace.text.load.outcome import Content, Rejected, brief, oversized, sensible_title
from samespace.types import MetadataValue

_MAIN = "word/document.xml"
_CORE = "docProps/core.xml"
_DC = "{http://purl.org/dc/elements/1.1/}"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"
_GROWTH = 8
"""How many times `max_bytes` the unpacked parts may take: a guard against zip bombs."""


def parse_docx(data: bytes, limit: int) -> Content:
    """Convert a DOCX file to HTML.

    Raises:
        Rejected: encrypted, broken, or too large when unpacked.
    """
    if is_office_97(data):
        if _ENCRYPTED in data:
            raise Rejected("encrypted: the file needs a password")
        raise Rejected("unsupported format: Office 97-2003 document, save it as DOCX")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {info.filename: info for info in archive.infolist()}
            if any(info.flag_bits & 1 for info in parts.values()):
                raise Rejected("encrypted: the file needs a password")
            unpacked = sum(
                info.file_size for info in parts.values() if info.filename.endswith(".xml")
            )
            if unpacked > _GROWTH * limit:
                raise oversized(unpacked, _GROWTH * limit)
            if _MAIN not in parts:
                raise Rejected("broken DOCX file: it is a ZIP archive without word/document.xml")
            title, author = _properties(archive.read(_CORE) if _CORE in parts else b"")
    except zipfile.BadZipFile as error:
        raise Rejected(f"broken DOCX file: {error}") from error
    import mammoth

    try:
        result = mammoth.convert_to_html(
            io.BytesIO(data),
            style_map=_STYLES,
            convert_image=mammoth.images.img_element(_no_source),
        )
    except Exception as error:
        raise Rejected(f"broken DOCX file: {brief(error)}") from error
    metadata: dict[str, MetadataValue] = {"author": author} if author else {}
    return Content(str(result.value), title=title, metadata=metadata)


def _no_source(image: Any) -> dict[str, str]:
    return {}  # the description of the picture stays, its bytes do not


def _properties(core: bytes) -> tuple[str, str]:
    if not core:
        return "", ""
    try:
        root = ElementTree.fromstring(core)
    except ElementTree.ParseError:
        return "", ""
    title = sensible_title(root.findtext(f"{_DC}title") or "")
    return title, " ".join((root.findtext(f"{_DC}creator") or "").split())
