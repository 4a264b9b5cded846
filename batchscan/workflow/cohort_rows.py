"""A manifest's rows and run folders -> the rows that can be judged, with what readers say, and why others can't."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from batchscan.domain.errors import BatchscanError, ManifestError, ReferenceFileError, UsageError
from batchscan.domain.evaluated import Exclusion
from batchscan.domain.geometry import PatchSpec
from batchscan.domain.joined import CellLabels
from batchscan.domain.quality import Grade
from batchscan.domain.records import SlideRequest, SlideResult, SlideStatus
from batchscan.evaluation.joining import labelled_cells, scanned_cells
from batchscan.evaluation.readers import RULES, consensus, named_reader
from batchscan.stores.labelled_slides import OUTLINES
from batchscan.stores.ledger import Ledger
from batchscan.stores.ledger_view import LedgerRow
from batchscan.stores.manifest import refuse_rows
from batchscan.stores.outlined import OutlineRule, TissueMask, outlined_cells
from batchscan.stores.pictures import read_pictures
from batchscan.stores.pyramids import is_store, open_store
from batchscan.stores.references import Reference, read_reference, read_references
from batchscan.stores.results import RunFolder, read_result

NOT_IN_RUN, UNFINISHED, NO_LABELS = "not_in_run", "unfinished", "no_labels"

_ENDED_BADLY = (SlideStatus.FAILED, SlideStatus.EXCLUDED)
_STORE_SUFFIX = ".zarr"


@dataclass(frozen=True)
class Row:
    """A slide that can be judged: the manifest's row, the run that has its result, and what each reader says."""

    request: SlideRequest
    run: RunFolder
    by_reader: Mapping[str, CellLabels]


@dataclass
class Runs:
    """Which run has which slide.

    Parameters
    ----------
    of_slide
        Each run that was asked for a slide, with the slide's line in its ledger.
    """

    of_slide: dict[str, list[tuple[RunFolder, LedgerRow]]] = field(default_factory=dict)

    @classmethod
    def open(cls, folders: Sequence[Path]) -> Runs:
        """Read the ledgers.

        Raises
        ------
        UsageError
            If a run is named twice.
        OutputError
            If a folder isn't a run's.
        """
        runs = cls()
        for place, folder in enumerate(folders):
            if folder.resolve() in [other.resolve() for other in folders[:place]]:
                raise UsageError(f"{folder}: is named twice; name each run once")
            with Ledger.read(RunFolder(folder).ledger) as ledger:
                for row in ledger.rows():
                    runs.of_slide.setdefault(row.slide_id, []).append((RunFolder(folder), row))
        return runs

    def with_result(self, request: SlideRequest) -> RunFolder | Exclusion:
        """The run that has a slide's result, or why there is none.

        Raises
        ------
        ManifestError
            If several have.
        """
        asked = self.of_slide.get(request.slide_id, [])
        done = [(run, row) for run, row in asked if row.status is SlideStatus.DONE]
        if len(done) > 1:
            names = " and ".join(str(run.path) for run, _ in done)
            raise ManifestError(
                f"slide {request.slide_id} was scanned in {names}: evaluate runs that share no slide together, or each "
                "for itself and compare them"
            )
        if not done:
            return _why_not(request, [row for _, row in asked])
        run, row = done[0]
        # Its patches have scores, but no number of it is given anywhere: nor is it judged by one.
        refused = row.reason == Grade.NOT_ANALYSABLE
        return _excluded(request, row.reason, row.sentence) if refused else run


def _why_not(request: SlideRequest, rows: Sequence[LedgerRow]) -> Exclusion:
    for row in rows:
        if row.status in _ENDED_BADLY:
            return _excluded(request, row.reason or row.status.value, row.sentence or f"the slide {row.status.value}")
    if rows:
        return _excluded(request, UNFINISHED, "its scan hasn't finished: run the job again, it goes on by itself")
    return _excluded(request, NOT_IN_RUN, "no run was asked for it: scan it, or take it out of the manifest")


def _excluded(request: SlideRequest, reason: str, sentence: str) -> Exclusion:
    return Exclusion(slide_id=request.slide_id, patient_id=request.patient_id, reason=reason, sentence=sentence)


class RowChecks:
    """Rows one after the other; what is wrong is collected, and refused at the end.

    Parameters
    ----------
    runs
        Where results are.
    outline_rule, reader_rule
        How references become labels.
    """

    def __init__(self, runs: Runs, outline_rule: OutlineRule, reader_rule: str) -> None:
        self._runs, self._outline_rule, self._reader_rule = runs, outline_rule, reader_rule
        self._line_of_print: dict[str, int] = {}
        self._patches: tuple[RunFolder, PatchSpec] | None = None
        self._lines_of_file: dict[Path, list[int]] = {}
        self._reviews: dict[Path, Mapping[str, Reference]] = {}

    def check(
        self, manifest: Path, lines: Sequence[tuple[int, SlideRequest]], on_checked: Callable[[str], None]
    ) -> tuple[list[Row], list[Exclusion]]:
        """The rows that can be judged, and those that can't; raises as `cohort.open_cohort`."""
        rows: list[Row] = []
        exclusions: list[Exclusion] = []
        wrong = []
        for line, request in lines:
            for path in request.references.values():
                self._lines_of_file.setdefault(path, []).append(line)
        for line, request in lines:
            try:
                found = self._row(line, request)
            except UsageError:
                raise
            except BatchscanError as error:
                wrong.append(f"line {line}: {error}")
            else:
                rows += [found] if isinstance(found, Row) else []
                exclusions += [found] if isinstance(found, Exclusion) else []
            on_checked(request.slide_id)
        refuse_rows(manifest, wrong)
        return rows, exclusions

    def _row(self, line: int, request: SlideRequest) -> Row | Exclusion:
        run = self._runs.with_result(request)
        if isinstance(run, Exclusion):
            return run
        result = read_result(run.slide(request.slide_id))
        self._check_patches(run, result)
        _check_slide(request, run, result)
        first = self._line_of_print.setdefault(result.slide.fingerprint, line)
        if first != line:
            raise ManifestError(
                f"slide {request.slide_id} has the same pixels as the slide on line {first}: it would count twice; "
                "take one out"
            )
        by_reader = {
            reader: self._labels(line, request, path, run, result) for reader, path in request.references.items()
        }
        return self._judged(request, run, by_reader)

    def _judged(self, request: SlideRequest, run: RunFolder, by_reader: Mapping[str, CellLabels]) -> Row | Exclusion:
        """With labels, of patches or of the slide, that don't contradict one another."""
        named = None if self._reader_rule in RULES else named_reader(self._reader_rule)
        heard = by_reader if named is None else {name: by_reader[name] for name in by_reader if name == named}
        labels = consensus(heard, self._reader_rule).labels if heard else None
        if labels is not None and labels.idc.any() and request.slide_label is False:
            raise ManifestError(
                f"slide {request.slide_id} has slide_label 0, no IDC, but {int(labels.idc.sum())} patches that are "
                "labelled IDC: correct one"
            )
        if request.slide_label is None and (labels is None or not labels.decided.any()):
            said = f"its reference decides no patch ({self._reader_rule})" if by_reader else "it has no reference"
            return _excluded(request, NO_LABELS, f"{said} and no slide_label: there is nothing to judge it by")
        return Row(request, run, by_reader)

    def _check_patches(self, run: RunFolder, result: SlideResult) -> None:
        first, patches = self._patches = self._patches or (run, result.settings.patch)
        if patches != result.settings.patch:
            raise UsageError(
                f"{first.path} looked at {_words(patches)}, {run.path} at {_words(result.settings.patch)}: patches of "
                "different kinds can't be counted together; evaluate them apart"
            )

    def _labels(self, line: int, request: SlideRequest, path: Path, run: RunFolder, result: SlideResult) -> CellLabels:
        """What a file says of the slide's cells."""
        downsample = _downsample(request, result)
        table, shared = result.table, len(self._lines_of_file[path]) > 1
        if path.suffix.lower() in OUTLINES:
            if shared:
                raise self._is_shared(line, path)
            pictures = read_pictures(run.slide(request.slide_id))
            tissue = TissueMask(pictures.tissue, pictures.overview_um_per_px / result.slide.spacing.um_per_px)
            return outlined_cells(
                path, table.grid, scanned_cells(table), tissue, self._outline_rule, downsample=downsample
            )
        if path.suffix.lower() != ".csv":
            raise ReferenceFileError(f"{path.name} is neither .csv (patch labels) nor .geojson (outlines)")
        reference = self._shared(line, request, path) if shared else read_reference(path, request.slide_id)
        return labelled_cells(table, reference.shrunk(downsample))

    def _shared(self, line: int, request: SlideRequest, path: Path) -> Reference:
        """From a file that is the reference of several rows; read once."""
        if path not in self._reviews:
            self._reviews[path] = read_references(path)
        by_slide = self._reviews[path]
        if list(by_slide) == [""]:
            raise self._is_shared(line, path)
        if request.slide_id not in by_slide:
            raise ReferenceFileError(
                f"{path.name} has no row of slide {request.slide_id!r}: correct the slide_id or leave the reference out"
            )
        return by_slide[request.slide_id]

    def _is_shared(self, line: int, path: Path) -> ReferenceFileError:
        others = ", ".join(str(other) for other in self._lines_of_file[path] if other != line)
        return ReferenceFileError(
            f"{path.name} is also a reference on line {others}, but doesn't say which label is of which slide: give "
            "each slide a file of its own, or labels in a .csv with a column slide_id"
        )


def _check_slide(request: SlideRequest, run: RunFolder, result: SlideResult) -> None:
    """Patient and pixels are those that were scanned."""
    slide = result.slide
    if slide.patient_id not in (request.patient_id, slide.slide_id):
        raise ManifestError(
            f"slide {slide.slide_id} is of patient {request.patient_id!r} here and of {slide.patient_id!r} in "
            f"{run.path}: correct the patient_id; intervals rest on it"
        )
    if not is_store(request.path):
        return
    if open_store(request.path, request.spacing).fingerprint != slide.fingerprint:
        raise ManifestError(
            f"slide {slide.slide_id}: its store isn't the one that was scanned, so labels may lie elsewhere on it: "
            "scan it again, or name the store that was scanned"
        )


def _downsample(request: SlideRequest, result: SlideResult) -> float:
    """Pixels of the reference's frame, that of the manifest's slide, along a side of one that was scanned."""
    is_scanned = is_store(request.path) or request.path.suffix.lower() == _STORE_SUFFIX
    return 1.0 if is_scanned else result.slide.source_downsample


def _words(patch: PatchSpec) -> str:
    return f"{patch.patch_px} px patches of {patch.um_per_px:g} um/px, stride {patch.stride:g}"
