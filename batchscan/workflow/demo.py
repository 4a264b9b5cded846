"""The bundled slide -> the job that scans it, and how the result agrees with its ground truth."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchscan.domain.job import Job, ReportSection, RunSection, SlidesSection
from batchscan.evaluation.metrics import match_reference
from batchscan.stores.manifest import read_manifest
from batchscan.stores.references import read_reference
from batchscan.stores.results import RunFolder, read_result

DEMO_SLIDE = "8863"


@contextmanager
def demo_patches() -> Iterator[Path]:
    """The bundled patch set as a file, for as long as the block runs."""
    with importlib.resources.as_file(importlib.resources.files("batchscan.demo") / f"{DEMO_SLIDE}.zip") as path:
        yield path


def demo_job(folder: Path) -> Job:
    """The job that scans `folder`/archive into `folder`/run with the defaults of every setting."""
    folder = folder.resolve()
    return Job(
        slides=SlidesSection(sources=(folder / "archive",)),
        run=RunSection(out=folder / "run"),
        report=ReportSection(),
    )


def agreement(run: Path, archive: Path) -> str:
    """How the demo slide's result agrees with its reference labels, in two lines of text."""
    (request,) = read_manifest(archive / "manifest.csv")
    if request.reference is None:
        raise ValueError("the demo archive has reference labels")
    result = read_result(RunFolder(run).slide(DEMO_SLIDE))
    matched = match_reference(result.table, read_reference(request.reference), result.settings.threshold)
    counts, auroc = matched.confusion(), matched.auroc()
    measures = {"AUROC": auroc, "F1": counts.f1, "sensitivity": counts.sensitivity, "specificity": counts.specificity}
    cell_mm2 = result.slide.spacing.mm2(result.table.grid.side_px**2)
    labelled_mm2 = int(matched.label.sum()) * cell_mm2
    found_mm2 = "not defined" if result.extent.idc_mm2 is None else f"{result.extent.idc_mm2:.1f} mm2"
    said = ", ".join(f"{name} {'not defined' if value is None else f'{value:.3f}'}" for name, value in measures.items())
    return (
        f"IDC found: {found_mm2}; labelled: {labelled_mm2:.1f} mm2\n"
        f"against its ground truth ({len(matched.label)} labelled patches, {int(matched.label.sum())} IDC): {said} "
        "(one patient whom the model never saw; patches of one slide are not independent samples)"
    )
