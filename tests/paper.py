"""PDFs for tests that look at what is written beside them: printing takes longer than all else in an evaluation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from batchscan.report import model_card, render
from batchscan.report.render import print_pdf

BLANK = b"%PDF-1.7 a test that reads no paper\n"


@contextlib.contextmanager
def unprinted() -> Iterator[None]:
    """Every page is laid out up to its HTML; where the PDF would be, there is a token."""
    with _printing(_token):
        yield


@contextlib.contextmanager
def printed() -> Iterator[None]:
    """Within `unprinted`: on paper after all."""
    with _printing(print_pdf):
        yield


@contextlib.contextmanager
def _printing(way: object) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        for module in (render, model_card):
            patched.setattr(module, "print_pdf", way)
        yield


def _token(html: str, out_pdf: Path | IO[bytes]) -> None:
    assert html.rstrip().endswith("</html>")
    if isinstance(out_pdf, Path):
        out_pdf.write_bytes(BLANK)
    else:
        out_pdf.write(BLANK)
