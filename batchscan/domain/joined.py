"""Labelled patches beside what a scan said of them: what every figure of an evaluation is counted from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batchscan.domain.records import BoolArray, Extent, Float32Array, Float64Array, Int32Array, ModelInfo

Int8Array = NDArray[np.int8]

IDC, NOT_IDC = 1, 0
AMBIGUOUS = -1
"""Outlines of IDC cover a share that is neither little nor most; an extent takes it as not IDC."""
UNDECIDED = -2
"""Somebody looked, but doesn't say: to be ignored, readers at a tie, or partly covered by outlines that aren't all."""
UNLABELLED = -3
"""Nobody says anything."""


@dataclass(frozen=True)
class CellLabels:
    """What a reader says, or several as one, of every cell of a slide's grid.

    Parameters
    ----------
    of
        (n_rows, n_cols) int8: `IDC`, `NOT_IDC`, `AMBIGUOUS`, `UNDECIDED` or `UNLABELLED`.
    """

    of: Int8Array

    @property
    def idc(self) -> BoolArray:
        """(n_rows, n_cols) bool: labelled IDC."""
        return np.asarray(self.of == IDC, dtype=np.bool_)

    @property
    def decided(self) -> BoolArray:
        """(n_rows, n_cols) bool: labelled IDC or not IDC."""
        return np.asarray(self.of >= NOT_IDC, dtype=np.bool_)


@dataclass(frozen=True)
class JoinedSlide:
    """The labelled patches of one slide, one element a patch, in row-major grid order.

    Parameters
    ----------
    slide_id, patient_id
        Whose they are.
    row, col
        (n,) int32, place in the scanned grid.
    x_px, y_px
        (n,) float64, upper left corner, level-0 pixels.
    label
        (n,) bool, True = IDC, by the reference.
    p_raw
        (n,) float32 in 0-1, the network's own; NaN where there is none.
    p_idc
        (n,) float32 in 0-1; 0 where the tissue mask dropped the patch, NaN where it couldn't be read.
    positive
        (n,) bool: p_idc reached the slide's threshold.
    scanned
        (n,) bool: False where the tissue mask dropped the patch; it counts as called negative.
    readable
        (n,) bool: False where the patch couldn't be read; it has no prediction and is left out of every measure.
    tissue_mm2
        (n,) float64: tissue area of the patch's own cell; of one that was not scanned, all of the cell on the slide.
    side_px
        Side of a patch, level-0 pixels.
    threshold
        What `positive` was decided at.
    """

    slide_id: str
    patient_id: str
    row: Int32Array
    col: Int32Array
    x_px: Float64Array
    y_px: Float64Array
    label: BoolArray
    p_raw: Float32Array
    p_idc: Float32Array
    positive: BoolArray
    scanned: BoolArray
    readable: BoolArray
    tissue_mm2: Float64Array
    side_px: float
    threshold: float

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class CohortSlide:
    """What is kept in memory of one analysed slide; its patches are in the evaluation's tables.

    Parameters
    ----------
    slide_id, patient_id
        Whose it is; the patient is the unit of independence.
    model
        Which model scanned it.
    threshold
        p_idc from which its patches counted as positive.
    fingerprint
        Of its store.
    attributes
        The manifest's other columns, `site`, `scanner`, `split` too, as text.
    slide_label
        Whether the slide has IDC; None when nobody says.
    label_source
        `manifest` (column slide_label), `patches` (any labelled patch is IDC), or "" when nobody says.
    predicted
        The extent at `threshold`, over all scanned cells.
    reference
        The extent of the cells labelled IDC, measured in the same way; None where the labels don't cover the slide.
    dice
        2 |A and B| / (|A| + |B|) of the tissue areas called and labelled IDC; None when both are empty or there is no
        reference.
    hausdorff95_mm
        95th percentile of the distances between the two outlines; None when one is empty or without reference.
    n_labelled, n_positive
        Labelled patches that could be read or were dropped by the tissue mask, and how many of them are labelled IDC.
    n_ambiguous, n_unlabelled, n_not_scanned, n_unreadable
        Cells that outlines or readers leave undecided; scanned cells without any label; labelled patches that the
        tissue mask dropped; labelled patches that couldn't be read.
    max_p
        Greatest p_idc of all readable scanned patches; None without any.
    run
        Name of the run folder; `report` is the slide's PDF relative to the evaluation folder, None without one.
    """

    slide_id: str
    patient_id: str
    model: ModelInfo
    threshold: float
    fingerprint: str
    attributes: Mapping[str, str]
    slide_label: bool | None
    label_source: str
    predicted: Extent
    reference: Extent | None
    dice: float | None
    hausdorff95_mm: float | None
    n_labelled: int
    n_positive: int
    n_ambiguous: int
    n_unlabelled: int
    n_not_scanned: int
    n_unreadable: int
    max_p: float | None
    run: str = ""
    report: str | None = None
    undefined: Mapping[str, str] = field(default_factory=dict)
