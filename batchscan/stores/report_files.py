"""A report's PDF -> its text and what it encloses; nothing in it is run, and nothing of it is taken without a limit."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from batchscan.domain.errors import UnverifiableReport
from batchscan.domain.plain_text import plain
from batchscan.stores.seals import is_sealed

LARGEST_PDF_BYTES = 64 << 20
MOST_PAGES = 40
MOST_ENCLOSED = 20
LARGEST_ENCLOSED_BYTES = 64 << 20
# Keys of the document that act by themselves, or put something before a reader that isn't on the page.
_ACTIVE = {
    "/OpenAction": "an action on opening",
    "/AA": "actions of its own",
    "/AcroForm": "form fields",
    "/OCProperties": "layers that can be switched",
}
_REVISION = b"%%EOF"


@dataclass(frozen=True)
class ReportFile:
    """What a PDF holds.

    Parameters
    ----------
    pages
        The text of each.
    enclosed
        Attached files by name.
    printed_by, producer
        Name and version of the program that it says it was printed by, and of what wrote the PDF for that.
    printed_at
        When, by what it says; None where it doesn't.
    width_pt
        Of its first page, points; 0 of none.
    foreign
        What a report never has, in words: a later revision, annotations, actions.
    language
        What it says that its pages are in, as in HTML's `lang`; empty where it doesn't.
    is_sealed
        Whether all its bytes are those that were printed, going by what it says itself.
    """

    pages: tuple[str, ...]
    enclosed: Mapping[str, bytes]
    printed_by: str
    producer: str
    printed_at: datetime | None
    width_pt: float
    foreign: tuple[str, ...]
    language: str
    is_sealed: bool


def read_report_bytes(path: Path) -> bytes:
    """The bytes of a PDF.

    Raises
    ------
    UnverifiableReport
        If it can't be read, isn't a PDF, or has more than 64 MiB.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_PDF_BYTES + 1)
    except OSError as error:
        raise UnverifiableReport(f"{path}: can't be read ({error.strerror}); check its path") from error
    if len(content) > LARGEST_PDF_BYTES:
        raise UnverifiableReport(f"{path}: has more than {LARGEST_PDF_BYTES >> 20} MiB, no report has: give a report")
    if not content.startswith(b"%PDF-"):
        raise UnverifiableReport(f"{path}: isn't a PDF; give a slide's report.pdf, or a run folder")
    return content


def read_report_file(path: Path) -> ReportFile:
    """The text of a report's pages and what it encloses.

    Raises
    ------
    UnverifiableReport
        If it isn't a whole PDF, has a password, encloses nothing, or more than a report may.
    """
    content = read_report_bytes(path)
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted:
            raise UnverifiableReport(f"{path}: is encrypted, no report is; give the report as it was printed")
        if len(reader.pages) > MOST_PAGES:
            raise UnverifiableReport(f"{path}: has {len(reader.pages)} pages, no report has more than {MOST_PAGES}")
        enclosed = dict(_enclosed(path, reader))
        return ReportFile(
            tuple(page.extract_text() for page in reader.pages),
            enclosed,
            plain(str(reader.metadata.author or "") if reader.metadata else ""),
            plain(str(reader.metadata.producer or "") if reader.metadata else ""),
            reader.metadata.creation_date if reader.metadata else None,
            float(reader.pages[0].mediabox.width) if len(reader.pages) else 0.0,
            tuple(_foreign(reader, content)),
            str(reader.root_object.get("/Lang", "")),
            is_sealed(content),
        )
    # A hostile file brings any of these out of the library.
    except (PyPdfError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise UnverifiableReport(
            f"{path}: can't be read as a PDF ({type(error).__name__}: {plain(str(error))[:200]}); it is damaged: print "
            "it again with `batchscan report`"
        ) from error


def _enclosed(path: Path, reader: PdfReader) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    for number, attachment in enumerate(reader.attachment_list):
        name = plain(attachment.name)
        if name in seen or number >= MOST_ENCLOSED:
            many = f"two attachments have the name {name}" if name in seen else f"more than {MOST_ENCLOSED} attachments"
            raise UnverifiableReport(f"{path}: {many}, a report hasn't: print it again with `batchscan report`")
        seen.add(name)
        content = attachment.content
        if len(content) > LARGEST_ENCLOSED_BYTES:
            raise UnverifiableReport(f"{path}: {name} unpacks to more than {LARGEST_ENCLOSED_BYTES >> 20} MiB")
        yield name, content
    if not seen:
        raise UnverifiableReport(
            f"{path}: encloses no files, so that there is nothing to verify it by: it isn't a slide's report, or an "
            "older batchscan printed it; print it again with `batchscan report`"
        )


def _foreign(reader: PdfReader, content: bytes) -> Iterator[str]:
    root: Any = reader.root_object
    yield from (words for key, words in _ACTIVE.items() if key in root)
    if "/JavaScript" in root.get("/Names", {}):
        yield "scripts"
    kinds = {str(note.get_object().get("/Subtype")) for page in reader.pages for note in page.get("/Annots") or ()}
    if kinds - {"/Link"}:
        yield "notes laid over its pages"
    if content.count(_REVISION) > 1:
        yield "a revision that was added to it"
