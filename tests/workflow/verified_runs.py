"""A run whose results have true digests and printed reports, and PDFs of it that somebody has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from cohort_runs import MODEL, make_run, result
from pypdf import PdfWriter
from tiny_cards import TODAYS

from batchscan.domain.card import ModelCard, parse_card
from batchscan.domain.digest import result_digest, scan_digest
from batchscan.domain.quality import judged
from batchscan.domain.records import SlideResult
from batchscan.scan.quality import with_sharpness
from batchscan.stores.pictures import read_pictures
from batchscan.stores.results import RunFolder, read_result, write_json
from batchscan.workflow.printing import print_slide

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def card() -> ModelCard:
    said = {**TODAYS, "name": MODEL.name, "version": MODEL.version, "weights_sha256": MODEL.sha256}
    return parse_card(json.dumps({**said, "examples": [], "examples_sha256": None}))


def true_result(slide_id: str) -> SlideResult:
    found = result(slide_id)
    found = replace(found, quality=judged(with_sharpness((), found.table), found.settings.quality))
    scan = scan_digest(found.slide, found.model, found.engine, found.settings)
    return replace(
        found, scan_digest=scan, digest=result_digest(scan, found.slide, found.model, found.settings, card())
    )


def verified_run(folder: Path, *slide_ids: str, printed: bool = True) -> RunFolder:
    run = RunFolder(make_run(folder, [true_result(slide_id) for slide_id in slide_ids]))
    run.keep_card(card())
    job = {"slides": {"sources": []}, "model": {"package": str(folder / "no-package")}}
    facts = {"name": folder.name, "job": job, "reports": printed, "model": asdict(MODEL), "threshold": 0.5}
    facts |= {"started": WHEN.isoformat(), "finished": None, "engine": None, "counts": {"asked": len(slide_ids)}}
    write_json(folder / "run.json", facts)
    for slide_id in slide_ids:
        print_again(run, slide_id, report=printed)
    return run


def print_again(run: RunFolder, slide_id: str, *, report: bool = True) -> Path:
    """The report of what the folder holds now."""
    folder = run.slide(slide_id)
    print_slide(read_result(folder), card(), read_pictures(folder), folder, WHEN, report=report)
    return folder / "report.pdf"


def rewritten(report: Path, change: Callable[[PdfWriter], object]) -> Path:
    """The same PDF with something changed, beside it."""
    writer = PdfWriter(clone_from=report)
    change(writer)
    out = report.with_name("changed.pdf")
    writer.write(out)
    return out


def with_enclosed(report: Path, name: str, content: bytes) -> Path:
    """The same PDF with one attachment replaced, or added."""

    def change(writer: PdfWriter) -> None:
        for attachment in writer.attachment_list:
            if attachment.name == name:
                attachment.content = content
                return
        writer.add_attachment(name, content)

    return rewritten(report, change)
