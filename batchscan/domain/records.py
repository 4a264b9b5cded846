"""The frozen values that travel between the floors and into result.json; no behaviour beyond derived numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.aggregation import Aggregation, ScoredGrid
from batchscan.domain.errors import UnopenableSlide
from batchscan.domain.geometry import PatchGrid, PatchSpec, Spacing
from batchscan.domain.pixel_hash import Uint64Array
from batchscan.domain.places import Place
from batchscan.domain.plain_text import plain
from batchscan.domain.profile import Profile
from batchscan.domain.quality import NOT_JUDGED, Quality, QualitySettings

SCHEMA_VERSION = 4

BoolArray = NDArray[np.bool_]
Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
Int32Array = NDArray[np.int32]
Uint8Array = NDArray[np.uint8]
BoxPx = tuple[int, int, int, int]
"""(x, y, width, height), whole level-0 pixels."""


class SlideStatus(StrEnum):
    """What became of a slide; done + failed + excluded = slides asked for."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    EXCLUDED = "excluded"


ENDED = (SlideStatus.DONE, SlideStatus.FAILED, SlideStatus.EXCLUDED)


@dataclass(frozen=True, slots=True)
class SlideRequest:
    """One slide that somebody asked for: a manifest row, or a path given on the command line.

    Parameters
    ----------
    slide_id, patient_id
        Pseudonymous ids, `[A-Za-z0-9._-]+`.
    path
        The slide store, or a file that OpenSlide opens; absolute, or an address.
    spacing
        An override from the manifest or an option; None leaves it to the slide.
    reference
        Patch labels (.csv) or polygons (.geojson); absolute, or None.
    attributes
        The manifest's other columns, as text.
    named_references
        The same from readers that have a name, by it.
    slide_label
        Whether the slide has IDC; None when nobody says.
    """

    slide_id: str
    patient_id: str
    path: Place
    spacing: Spacing | None = None
    reference: Path | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    named_references: Mapping[str, Path] = field(default_factory=dict)
    slide_label: bool | None = None

    @property
    def references(self) -> Mapping[str, Path]:
        """Every reader's labels by the reader's name; `reference` is that of reader ""."""
        return {**({"": self.reference} if self.reference else {}), **self.named_references}

    @property
    def local_path(self) -> Path:
        """`path`, for who reads from disks only.

        Raises
        ------
        UnopenableSlide
            If it is an address.
        """
        if isinstance(self.path, Path):
            return self.path
        raise UnopenableSlide(f"{self.path}: is needed on a disk for this: copy it there first")


@dataclass(frozen=True, slots=True)
class SlideInfo:
    """A slide store as it was opened. Sizes are level-0 pixels; `fingerprint` is `sha256:<hex>` of its content.

    `source_downsample` is how many pixels of the file's own level 0 one of the store's is wide; 1.0 where the store
    has the file's own pixels, or its source isn't known.
    """

    slide_id: str
    patient_id: str
    width_px: int
    height_px: int
    spacing: Spacing
    fingerprint: str
    source_downsample: float = 1.0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model; `sha256` is that of its weights file (model.keras)."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What ran the model: `keras` or `openvino`, in `f32` or `bf16`."""

    name: str
    precision: str


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """Everything besides slide, model and engine that can change a number.

    Parameters
    ----------
    patch
        Patch side, spacing and stride.
    min_tissue
        A cell is scanned if at least this fraction of its part on the slide is tissue.
    max_unreadable
        A slide with a larger share of unreadable tissue patches fails.
    threshold
        A patch is positive when p_idc >= threshold.
    tolerance
        How far two engines may differ in p_raw; patches that this could flip are borderline.
    orientations
        How many of the eight ways that a patch can lie are looked at; p_raw is their mean.
    aggregation
        How p_raw becomes p_idc.
    quality
        Beyond which limits a slide has no numbers.
    """

    patch: PatchSpec
    min_tissue: float
    max_unreadable: float
    threshold: float
    tolerance: float
    orientations: int = 1
    aggregation: Aggregation = field(default_factory=Aggregation)
    quality: QualitySettings = field(default_factory=QualitySettings)


@dataclass(frozen=True)
class PatchTable:
    """The scanned patches of one slide, one element a patch, in row-major grid order.

    Parameters
    ----------
    grid
        The grid that rows and columns belong to.
    row, col
        (n,) int32, place in the grid.
    tissue_fraction
        (n,) float32 in 0-1: tissue in the patch's own cell over the area of the whole cell, what sticks out over the
        slide's edge included (`PatchGrid.cell_areas_px`); at stride 1 the whole cell is the patch.
    p_raw
        (n,) float32 in 0-1, the network's own (`domain/aggregation.py`); NaN where unreadable.
    p_idc
        (n,) float32 in 0-1, what p_raw comes to with its neighbours'; NaN where unreadable.
    readable
        (n,) bool.
    pixel_hash
        (n,) uint64 of what the network saw (`domain/pixel_hash.py`), 0 where unreadable; None where the table was made
        without pixels.
    sharpness
        (n,) float32 of the same pixels (`scan/sharpness.py`), NaN where not defined; None likewise.
    """

    grid: PatchGrid
    row: Int32Array
    col: Int32Array
    tissue_fraction: Float32Array
    p_raw: Float32Array
    p_idc: Float32Array
    readable: BoolArray
    pixel_hash: Uint64Array | None = None
    sharpness: Float32Array | None = None

    def __len__(self) -> int:
        return len(self.row)

    @property
    def x_px(self) -> Float64Array:
        """(n,) float64, left edge of each patch, level-0 pixels."""
        return np.asarray(self.col * self.grid.step_px, dtype=np.float64)

    @property
    def y_px(self) -> Float64Array:
        """(n,) float64, upper edge of each patch, level-0 pixels."""
        return np.asarray(self.row * self.grid.step_px, dtype=np.float64)

    def positive(self, threshold: float) -> BoolArray:
        """(n,) bool: p_idc >= threshold; unreadable patches are not positive."""
        return np.asarray(self.readable & (np.nan_to_num(self.p_idc, nan=-1.0) >= threshold), dtype=np.bool_)

    def borderline(self, settings: ScanSettings) -> BoolArray:
        """(n,) bool: readable, and an engine within the tolerance could decide otherwise."""
        return self._scored(settings).could_flip(
            settings.aggregation, threshold=settings.threshold, tolerance=settings.tolerance
        )

    def judged(self, settings: ScanSettings) -> PatchTable:
        """The same patches, p_idc made from p_raw as the settings say."""
        return replace(self, p_idc=self._scored(settings).p_idc(settings.aggregation))

    def _scored(self, settings: ScanSettings) -> ScoredGrid:
        return ScoredGrid(self.p_raw, self.row, self.col, self.readable, settings.patch.stride)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many patches: of the grid, with tissue (scanned), positive, borderline, unreadable; None: not analysable."""

    grid: int
    tissue: int
    positive: int | None
    borderline: int | None
    unreadable: int


@dataclass(frozen=True)
class Focus:
    """An 8-connected set of positive cells.

    Parameters
    ----------
    area_mm2
        Tissue area of its cells.
    greatest_mm
        Greatest caliper (Feret) diameter of its outline.
    perpendicular_mm
        Extent of the outline at right angles to the greatest diameter.
    bbox_px
        (x, y, width, height), level-0 pixels, whole.
    centroid_px
        (x, y) of its cells' area, level-0 pixels.
    mean_p
        Mean p_idc of its patches.
    n_patches
        How many patches it is made of.
    touches_edge
        Whether it reaches the slide's edge, so that it may go on beyond; also when only a sliver of tissue that is too
        narrow to be judged lies between.
    rings_px
        Outline: one list of closed rings (outer, then holes) a polygon, points (x, y) in level-0 pixels.
    """

    area_mm2: float
    greatest_mm: float
    perpendicular_mm: float
    bbox_px: tuple[int, int, int, int]
    centroid_px: tuple[float, float]
    mean_p: float
    n_patches: int
    touches_edge: bool
    rings_px: tuple[tuple[tuple[tuple[float, float], ...], ...], ...]


@dataclass(frozen=True)
class Extent:
    """A slide's numbers. None means not defined; `undefined` then says why, by field name.

    Parameters
    ----------
    tissue_mm2, idc_mm2
        Tissue area of all scanned cells, of the positive ones.
    unreadable_mm2
        Tissue area of the cells that couldn't be read: part of tissue_mm2, not analysed.
    idc_fraction
        idc_mm2 / (tissue_mm2 - unreadable_mm2).
    n_foci
        Number of foci.
    largest_focus_mm, perpendicular_mm
        Greatest diameter of the focus that has the greatest one, and the perpendicular of the same focus.
    field_extent_mm
        Greatest diameter over all positive cells together.
    touches_edge
        Whether any focus reaches the slide's edge.
    foci
        Largest area first.
    undefined
        Field name -> why it is None.
    """

    tissue_mm2: float | None
    unreadable_mm2: float | None
    idc_mm2: float | None
    idc_fraction: float | None
    n_foci: int | None
    largest_focus_mm: float | None
    perpendicular_mm: float | None
    field_extent_mm: float | None
    touches_edge: bool | None
    foci: tuple[Focus, ...]
    undefined: Mapping[str, str]


@dataclass(frozen=True)
class Pictures:
    """The stored pixels that a report is printed from, so that it can be printed again without the slide.

    Parameters
    ----------
    overview
        (rows, cols, 3) uint8 of the whole slide.
    overview_um_per_px
        Its spacing.
    tissue
        (rows, cols) bool, the tissue mask in the overview's frame.
    patches
        (row, col) of a patch -> its (side, side, 3) uint8 at the finest spacing stored.
    pen, dark
        (rows, cols) bool, marker pen and dark matter in the overview's frame; None where that isn't known.
    foci
        (x, y, width, height) of a part of the slide, level-0 pixels -> (rows, cols, 3) uint8 of it, where it was
        read finer than the overview.
    """

    overview: Uint8Array
    overview_um_per_px: float
    tissue: BoolArray
    patches: Mapping[tuple[int, int], Uint8Array]
    pen: BoolArray | None = None
    dark: BoolArray | None = None
    foci: Mapping[BoxPx, Uint8Array] = field(default_factory=dict)


@dataclass(frozen=True)
class SlideResult:
    """Everything known of one done slide: what result.json says, and the patch table beside it.

    `seconds` holds read, tissue, infer, write and total; `qc` holds named facts (numbers or None). `quality` says
    whether the numbers may be given at all; `profile` counts the slide's values, for comparison with other slides.
    """

    slide: SlideInfo
    model: ModelInfo
    engine: EngineInfo
    settings: ScanSettings
    counts: Counts
    extent: Extent
    qc: Mapping[str, Any]
    seconds: Mapping[str, float]
    scan_digest: str
    digest: str
    table: PatchTable
    quality: Quality = NOT_JUDGED
    profile: Profile = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SlideOutcome:
    """How a slide ended, as the ledger and summary.csv say it.

    Parameters
    ----------
    status
        done, failed or excluded.
    reason
        A short code (`no_spacing`, `unreadable`, ...); empty when done without remark.
    sentence
        What happened and the remedy, for people.
    """

    slide_id: str
    status: SlideStatus
    reason: str = ""
    sentence: str = ""


def without_path(outcome: SlideOutcome, *paths: Place) -> SlideOutcome:
    """The same outcome, to be printed: the slide's id stands for `paths`, which may tell who it is, in plain text."""
    sentence = outcome.sentence
    for path in paths:
        sentence = sentence.replace(str(path), outcome.slide_id)
    return replace(outcome, sentence=plain(sentence))
