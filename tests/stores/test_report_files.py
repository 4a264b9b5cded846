"""PDFs that are made to harm: each is refused in one line, without taking much time or memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from pypdf import PdfWriter

from batchscan.domain.errors import UnverifiableReport
from batchscan.stores import report_files
from batchscan.stores.report_files import read_report_file

HARMLESS = {"result.json": b"{}"}


def pdf(path: Path, *changes: Callable[[PdfWriter], object], pages: int = 1, **attached: bytes) -> Path:
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    for name, content in (attached or HARMLESS).items():
        writer.add_attachment(name, content)
    for change in changes:
        change(writer)
    writer.write(path)
    return path


def test_what_a_pdf_encloses_is_read(tmp_path: Path) -> None:
    found = read_report_file(pdf(tmp_path / "a.pdf"))
    assert (found.enclosed, len(found.pages), found.foreign) == (HARMLESS, 1, ())


def test_an_attachment_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    """A kilobyte of it unpacks to a megabyte, as nothing does that was printed."""
    path = pdf(tmp_path / "a.pdf", **{"result.json": b"PLACEHOLDER"})
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    old = path.read_bytes()
    start = old.index(b"stream\n", old.index(b"EmbeddedFile\n")) + len(b"stream\n")
    head = old[: start - len(b"stream\n")].rpartition(b"/Length ")
    new = head[0] + b"/Length %d" % len(bomb) + b"\n/Filter /FlateDecode\n>>\nstream\n" + bomb
    path.write_bytes(new + old[old.index(b"\nendstream", start) :])
    with pytest.raises(UnverifiableReport, match=r"can't be read as a PDF|unpacks to more"):
        read_report_file(path)


@pytest.mark.parametrize(
    ("name", "limit", "words"),
    [
        ("LARGEST_PDF_BYTES", 100, "has more than"),
        ("MOST_PAGES", 1, "has 2 pages"),
        ("MOST_ENCLOSED", 1, "more than 1 attachments"),
        ("LARGEST_ENCLOSED_BYTES", 2, "unpacks to more than"),
    ],
)
def test_nothing_is_taken_without_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: int, words: str
) -> None:
    path = pdf(tmp_path / "a.pdf", pages=2, a=b"12", b=b"345")
    assert len(read_report_file(path).enclosed) == 2
    monkeypatch.setattr(report_files, name, limit)
    with pytest.raises(UnverifiableReport, match=words):
        read_report_file(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda writer: writer.encrypt("secret", algorithm="RC4-128"), "is encrypted"),
        (lambda writer: writer.add_attachment("result.json", b"another"), "two attachments have the name result.json"),
        (lambda writer: writer.root_object.pop("/Names"), "encloses no files"),
    ],
)
def test_what_no_report_has_is_refused(tmp_path: Path, change: Callable[[PdfWriter], object], words: str) -> None:
    with pytest.raises(UnverifiableReport, match=words):
        read_report_file(pdf(tmp_path / "a.pdf", change))


def test_a_pdf_cut_anywhere_is_refused_or_read_and_nothing_else(tmp_path: Path) -> None:
    whole = pdf(tmp_path / "a.pdf").read_bytes()
    cut = tmp_path / "cut.pdf"
    refused = []
    for length in range(0, len(whole) - 10, 37):
        cut.write_bytes(whole[:length])
        try:
            read_report_file(cut)
        except UnverifiableReport as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert not any("\n" in words for words in refused)
