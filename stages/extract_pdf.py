"""Take the text layer out of PDF files.

Pages are joined by blank lines; lines are as the file has them, with words that were hyphenated at a line's end put
together. A file without a text layer, mostly scans, leaves as `pdf_without_text`, one that a password protects as
`pdf_encrypted`, one that cannot be read as `pdf_damaged`, and what is no PDF at all as `not_pdf`. How many of a host
or a folder leave can be counted by the base's `url` and `file`.
It reads `html`, where archives and `read.pdf` keep the bytes of a document whatever its type; in a recipe for an
archive of pages and PDFs, `where: "content_type == 'application/pdf'"` limits it to the latter.
Costs some 1 ms for a page of 3,000 characters, in a killable process: malformed files hang and crash native code.
Source: PDFium (BSD-3-Clause) by way of pypdfium2 (BSD-3-Clause or Apache-2.0), in the extra `pdf`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pypdfium2 as pdfium

from datapipe.stage import Map, StageConfig, below, decide, first_of, schema
from datapipe.text import clean

NOT_PDF = "not_pdf"
PDF_DAMAGED = "pdf_damaged"
PDF_ENCRYPTED = "pdf_encrypted"
PDF_WITHOUT_TEXT = "pdf_without_text"

ADDS = schema(
    text=pa.large_string(),
    title=pa.string(),
    author=pa.string(),
    date=pa.string(),
    pages=pa.int32(),
    characters=pa.int32(),
    state=pa.string(),
)
_PASSWORD = 4  # FPDF_ERR_PASSWORD and FPDF_ERR_SECURITY of PDFium's fpdfview.h
_SECURITY = 5
_HEAD = 1024  # within which readers look for the mark
_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?")
_HYPHEN = re.compile("[\x02\ufffe](?:\r?\n)?")  # what PDFium has for a hyphen at the end of a line


class Config(StageConfig):
    """What counts as a text layer."""

    min_characters: int | None = decide(1, "characters of text; files with fewer leave as pdf_without_text", ge=1)


class Found(NamedTuple):
    """What is in a file; `state` is the reason for which nothing could be read."""

    text: str | None = None
    title: str | None = None
    author: str | None = None
    date: str | None = None
    pages: int | None = None
    characters: int | None = None
    state: str | None = None


def extract(data: bytes) -> Found:
    """Text and metadata of one file."""
    if b"%PDF-" not in data[:_HEAD]:
        return Found(state=NOT_PDF)
    try:
        with pdfium.PdfDocument(data) as document:
            text = clean("\n\n".join(filter(None, (_page(document, number) for number in range(len(document))))))
            told = document.get_metadata_dict()
            return Found(
                text=text,
                title=_line(told.get("Title")),
                author=_line(told.get("Author")),
                date=_date(told.get("CreationDate")),
                pages=len(document),
                characters=len(text),
            )
    except pdfium.PdfiumError as error:
        return Found(state=PDF_ENCRYPTED if error.err_code in (_PASSWORD, _SECURITY) else PDF_DAMAGED)


def _page(document: Any, number: int) -> str:
    """A page's text; empty for a page that cannot be loaded, as long as the file can."""
    try:
        page = document[number]
    except pdfium.PdfiumError:
        return ""
    layer = page.get_textpage()
    text = _HYPHEN.sub("", layer.get_text_range())
    layer.close()
    page.close()
    return text.strip()


def _line(value: str | None) -> str | None:
    return " ".join(clean(value or "").split()) or None


def _date(value: str | None) -> str | None:
    """A PDF's date as ISO 8601, as far as it is given."""
    found = _DATE.match(value or "")
    return "-".join(filter(None, found.groups())) if found else None


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Text and metadata of each file, its pages and characters, and why it could not be read."""
    bodies = (value.as_buffer() for value in batch["html"])
    found = [Found(state=NOT_PDF) if body is None else extract(body.to_pybytes()) for body in bodies]
    arrays: list[Any] = [pa.array([getattr(one, field.name) for one in found], field.type) for field in ADDS]
    return pa.RecordBatch.from_arrays(arrays, schema=ADDS)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which files could not be read, and which hold no text."""
    state = measured["state"].to_numpy(zero_copy_only=False)
    unread = [(state == reason, reason) for reason in (NOT_PDF, PDF_ENCRYPTED, PDF_DAMAGED)]
    return first_of(*unread, (below(measured["characters"], config.min_characters), PDF_WITHOUT_TEXT))


STAGE = Map(
    name="extract_pdf",
    version=1,
    config=Config,
    reads=("html",),
    adds=ADDS,
    coded=("state",),
    reasons={
        NOT_PDF: "the bytes are no PDF file",
        PDF_ENCRYPTED: "the file is protected by a password",
        PDF_DAMAGED: "the file cannot be read",
        PDF_WITHOUT_TEXT: "the file has a text layer of fewer than min_characters; mostly scans",
    },
    libraries=("pypdfium2",),
    process=process,
    decide=decide_reasons,
    decides=("characters", "state"),
    guarded=True,
)
