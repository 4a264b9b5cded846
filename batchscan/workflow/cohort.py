"""Run folders and a manifest with reference labels -> the slides to judge, one at a time, and those that can't be."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from batchscan.domain.evaluated import Exclusion
from batchscan.domain.joined import AMBIGUOUS, UNDECIDED, UNLABELLED, CellLabels, CohortSlide, JoinedSlide
from batchscan.domain.records import Extent, SlideRequest, SlideResult
from batchscan.evaluation.agreement import dice, hausdorff95_mm
from batchscan.evaluation.extent import measure_extent
from batchscan.evaluation.joining import called_and_labelled, joined_slide, labelled_share, reference_table
from batchscan.evaluation.readers import RULES, check_rule, consensus, named_reader
from batchscan.stores.labelled_slides import OUTLINES
from batchscan.stores.manifest import read_manifest_lines
from batchscan.stores.outlined import OutlineRule
from batchscan.stores.results import REPORT, RunFolder, read_result
from batchscan.workflow.cohort_rows import Row, RowChecks, Runs

LEAST_COVERED = 0.99
"""Share of the scanned tissue that labels must cover for the labelled extent to be the slide's."""
NO_PATCH_LABELS = "no patch of the slide has a label"
NO_SLIDE_LABEL = "the manifest doesn't say it, and what is labelled of the slide has no IDC but doesn't cover it"


@dataclass(frozen=True)
class CohortOptions:
    """How references become labels.

    Parameters
    ----------
    reader_rule
        How several readers become one reference: `majority`, `any`, `all`, or a reader's name.
    outline_rule
        From which share of its tissue under outlines a cell is what.
    """

    reader_rule: str = "majority"
    outline_rule: OutlineRule = field(default_factory=OutlineRule)


@dataclass(frozen=True)
class AnalysedSlide:
    """One slide of the cohort with everything that is known of it.

    Parameters
    ----------
    request
        The manifest's row.
    joined
        Its labelled patches; None where only the slide as a whole has a label.
    slide
        What is kept of it.
    result
        As the scan left it, with the manifest's patient; `table.p_idc` doesn't depend on a threshold.
    run
        Where the result and the model's card are.
    by_reader
        What each reader says, before they became one; "" is the reader of the column `reference`.
    n_tied
        Cells that have no label because as many readers say one thing as the other.
    """

    request: SlideRequest
    joined: JoinedSlide | None
    slide: CohortSlide
    result: SlideResult
    run: RunFolder
    by_reader: Mapping[str, CellLabels]
    n_tied: int


@dataclass(frozen=True)
class Cohort:
    """The slides that a manifest asks for, checked; one byte a grid cell and reader is held, patches aren't.

    Parameters
    ----------
    asked
        Every row of the manifest.
    exclusions
        Rows that can't be judged, with the reason; in the manifest's order.
    not_asked
        Slides of the runs that the manifest doesn't name, sorted.
    readers
        Names of all readers of the manifest, sorted; "" is the reader of the column `reference`.
    outlined
        Whether any label comes from outlines.
    options
        How references became labels.
    rows
        What can be judged, sorted by slide_id.
    """

    asked: tuple[SlideRequest, ...]
    exclusions: tuple[Exclusion, ...]
    not_asked: tuple[str, ...]
    readers: tuple[str, ...]
    outlined: bool
    options: CohortOptions
    rows: tuple[Row, ...]

    @property
    def requests(self) -> tuple[SlideRequest, ...]:
        """The manifest's rows that can be judged, sorted by slide_id."""
        return tuple(row.request for row in self.rows)

    def slides(
        self,
        *,
        threshold: float | None = None,
        out: Path | None = None,
        keep: Callable[[SlideRequest], bool] = lambda _: True,
    ) -> Iterator[AnalysedSlide]:
        """Join the slides, one at a time, sorted by slide_id; may be called again.

        Parameters
        ----------
        threshold
            A readable patch is positive when p_idc >= threshold; None takes what each slide was scanned with.
        out
            The evaluation folder that links to reports are relative to; None leaves them out.
        keep
            Which rows are wanted.

        Raises
        ------
        DamagedResult
            If a result is no longer there.
        """
        for row in self.rows:
            if keep(row.request):
                yield _analysed(row, self.options.reader_rule, threshold, out)


def open_cohort(
    runs: Sequence[Path], manifest: Path, options: CohortOptions, on_checked: Callable[[str], None] = lambda _: None
) -> Cohort:
    """Find each slide of a manifest in the one run that has it, and read its labels; no pixel and no model is needed.

    A slide is left out, with the reason, that no run was asked for, that failed or was excluded there, that has
    neither a label of its own nor of patches. `on_checked` hears each slide_id.

    Raises
    ------
    ManifestError
        If rows are wrong, or what they name can't serve; all are named with their line: two runs have the slide, two
        slides are the same by their fingerprint, the result can't be read or an older version wrote it, the run says
        another patient or the store has changed since, a reference can't be read or doesn't lie on the grid, or the
        slide's label contradicts its patches'.
    UsageError
        If a run is named twice, runs looked at different patches, or no reader has the name of `reader_rule`.
    OutputError
        If a folder isn't a run's.
    """
    lines = read_manifest_lines(manifest, without_slides=True)
    requests = tuple(request for _, request in lines)
    readers = tuple(sorted({reader for request in requests for reader in request.references}))
    check_rule(options.reader_rule, readers)
    found = Runs.open(runs)
    checks = RowChecks(found, options.outline_rule, options.reader_rule)
    rows, exclusions = checks.check(manifest, lines, on_checked)
    files = [path for row in rows for path in row.request.references.values()]
    return Cohort(
        asked=requests,
        exclusions=tuple(exclusions),
        not_asked=tuple(sorted(set(found.of_slide) - {request.slide_id for request in requests})),
        readers=readers,
        outlined=any(path.suffix.lower() in OUTLINES for path in files),
        options=options,
        rows=tuple(sorted(rows, key=lambda row: row.request.slide_id)),
    )


def _analysed(row: Row, reader_rule: str, threshold: float | None, out: Path | None) -> AnalysedSlide:
    request, folder = row.request, row.run.slide(row.request.slide_id)
    result = read_result(folder)
    result = replace(result, slide=replace(result.slide, patient_id=request.patient_id))
    heard = row.by_reader
    if reader_rule not in RULES:
        heard = {name: heard[name] for name in heard if name == named_reader(reader_rule)}
    agreed = consensus(heard, reader_rule) if heard else None
    labels = agreed.labels if agreed and agreed.labels.decided.any() else None
    at = result.settings.threshold if threshold is None else threshold
    joined = None if labels is None else joined_slide(result.slide, result.table, labels, at)
    report = folder / REPORT
    link = Path(os.path.relpath(report, out)).as_posix() if out and report.is_file() else None
    return AnalysedSlide(
        request=request,
        joined=joined,
        slide=replace(_kept(request, result, labels, joined, at), run=row.run.path.resolve().name, report=link),
        result=result,
        run=row.run,
        by_reader=row.by_reader,
        n_tied=agreed.n_tied if agreed else 0,
    )


def _kept(
    request: SlideRequest, result: SlideResult, labels: CellLabels | None, joined: JoinedSlide | None, at: float
) -> CohortSlide:
    """What is kept of a slide."""
    table = result.table
    extents = _extents(result, labels, at)
    share = labelled_share(table, labels) if labels else None
    label, source = _slide_label(request, joined, share)
    said = labels.of if labels else np.full((table.grid.n_rows, table.grid.n_cols), UNLABELLED, dtype=np.int8)
    counted = joined.readable if joined else np.empty(0, dtype=np.bool_)
    p_idc = table.p_idc[table.readable]
    return CohortSlide(
        slide_id=request.slide_id,
        patient_id=request.patient_id,
        model=result.model,
        threshold=at,
        fingerprint=result.slide.fingerprint,
        attributes=request.attributes,
        slide_label=label,
        label_source=source,
        predicted=extents.predicted,
        reference=extents.reference,
        dice=extents.dice,
        hausdorff95_mm=extents.hausdorff95_mm,
        n_labelled=int(counted.sum()),
        n_positive=int(joined.label[counted].sum()) if joined else 0,
        n_ambiguous=int(np.isin(said, (AMBIGUOUS, UNDECIDED)).sum()),
        n_unlabelled=int((said[table.row, table.col] == UNLABELLED).sum()),
        n_not_scanned=int((~joined.scanned).sum()) if joined else 0,
        n_unreadable=int((~joined.readable).sum()) if joined else 0,
        max_p=float(p_idc.max()) if len(p_idc) else None,
        undefined={**extents.undefined, **({} if label is not None else {"slide_label": NO_SLIDE_LABEL})},
    )


def _slide_label(
    request: SlideRequest, joined: JoinedSlide | None, share: float | None
) -> tuple[bool | None, Literal["manifest", "patches", ""]]:
    """Whether the slide has IDC, and who says so; that none is labelled says so only where all tissue is."""
    if request.slide_label is not None:
        return request.slide_label, "manifest"
    if joined is not None and joined.label.any():
        return True, "patches"
    return (False, "patches") if share is not None and share >= LEAST_COVERED else (None, "")


@dataclass(frozen=True)
class _Extents:
    predicted: Extent
    reference: Extent | None
    dice: float | None
    hausdorff95_mm: float | None
    undefined: Mapping[str, str]


def _extents(result: SlideResult, labels: CellLabels | None, at: float) -> _Extents:
    """What was found and what is labelled, and how they lie on one another."""
    table, spacing = result.table, result.slide.spacing
    predicted = result.extent if at == result.settings.threshold else measure_extent(table, spacing, at)
    share = labelled_share(table, labels) if labels else None
    # A slide without any tissue is covered by whatever is labelled on it.
    if labels is None or (share is not None and share < LEAST_COVERED):
        why = NO_PATCH_LABELS if labels is None else _too_little(share or 0.0)
        return _Extents(predicted, None, None, None, dict.fromkeys(("reference", "dice", "hausdorff95_mm"), why))
    reference = measure_extent(reference_table(table, labels), spacing, 0.5)
    overlap = dice(*called_and_labelled(table, labels, spacing, at))
    apart = hausdorff95_mm(predicted, reference, spacing)
    undefined = {} if overlap is not None else {"dice": "nothing is called and nothing labelled IDC"}
    if apart is None:
        undefined["hausdorff95_mm"] = "nothing is called or nothing labelled IDC, so that an outline is missing"
    return _Extents(predicted, reference, overlap, apart, undefined)


def _too_little(share: float) -> str:
    return (
        f"labels cover {math.floor(1000 * share) / 10:g} % of the scanned tissue, less than {LEAST_COVERED:.0%}: its "
        "extent isn't known"
    )
