"""PDF: the text layer of every page, joined by form feeds."""

from __future__ import annotations

import re
import threading
from typing import Any

from samespace.text.load.decode import scrub
from samespace.text.load.outcome import Content, Rejected, brief, sensible_title
from samespace.types import MetadataValue

_DIVIDED = re.compile("\ufffe(?:\r\n)?")
_LOCK = threading.Lock()  # PDFium may be called by one thread at a time


def parse_pdf(data: bytes) -> Content:
    """Read all pages.

    Raises:
        Rejected: encrypted, broken, or without a text layer.
    """
    import pypdfium2
    import pypdfium2.raw as pdfium_c

    with _LOCK:
        try:
            pdf = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            code = getattr(error, "err_code", None)
            if code == pdfium_c.FPDF_ERR_PASSWORD or "password" in str(error).lower():
                raise Rejected("encrypted: the file needs a password") from error
            if code == pdfium_c.FPDF_ERR_SECURITY or "security" in str(error).lower():
                raise Rejected("encrypted: with a scheme that cannot be read") from error
            raise Rejected(f"broken PDF file: {brief(error)}") from error
        try:
            return _read(pdf)
        finally:
            pdf.close()


def _read(pdf: Any) -> Content:
    pages: list[str] = []
    broken: list[tuple[str, str]] = []
    for index in range(len(pdf)):
        text, problem = _page(pdf, index)
        pages.append(text)
        if problem:
            broken.append((f"#page={index + 1}", problem))
    if not pages:
        raise Rejected("empty: a PDF without pages", failed=False)
    if len(broken) == len(pages):
        raise Rejected(f"broken PDF file: {broken[0][1]}")
    text = "\f".join(pages)
    if not text.strip():
        count = f"{len(pages)} page" + ("s" if len(pages) > 1 else "")
        raise Rejected(f"no text layer: {count} of images; run OCR first", failed=False)
    properties = pdf.get_metadata_dict()
    metadata: dict[str, MetadataValue] = {"pages": len(pages)}
    author = " ".join(scrub(properties.get("Author", "")).split())
    if author:
        metadata["author"] = author
    title = sensible_title(scrub(properties.get("Title", "")))
    return Content(text, title=title, metadata=metadata, skipped=tuple(broken))


def _page(pdf: Any, index: int) -> tuple[str, str]:
    """Return a page's text, or "" and what is wrong with it."""
    try:
        page = pdf[index]
        try:
            layer = page.get_textpage()
            try:
                return _plain(str(layer.get_text_range())), ""
            finally:
                layer.close()
        finally:
            page.close()
    except Exception as error:  # one bad page does not spoil the others
        return "", f"broken page: {brief(error)}"


def _plain(text: str) -> str:
    """Undo what PDFium makes of a page's text.

    It takes out the hyphen and the break of a divided word and puts U+FFFE there. A form feed
    within a page is a glyph without a letter; here it ends a page.
    """
    return scrub(_DIVIDED.sub("-\r\n", text).replace("\f", " "))
