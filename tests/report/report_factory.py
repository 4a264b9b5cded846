"""A grid of probabilities becomes a whole SlideResult with its pictures, by ways of its own (nothing of evaluation)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import ndimage
from shapely.geometry import MultiPoint, MultiPolygon, box
from shapely.ops import unary_union

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.card import (
    Calibration,
    ConfusionCounts,
    Context,
    CrossValidation,
    FoldFigures,
    HeldOutPerformance,
    ModelCard,
    Scale,
    Spread,
    Threshold,
)
from batchscan.domain.geometry import PatchGrid, PatchSpec, Spacing, SpacingSource
from batchscan.domain.quality import NOT_JUDGED, Limits, Measured, Quality, QualitySettings, judged
from batchscan.domain.records import (
    Counts,
    EngineInfo,
    Extent,
    Focus,
    ModelInfo,
    PatchTable,
    Pictures,
    ScanSettings,
    SlideInfo,
    SlideResult,
    Uint8Array,
)

WEIGHTS = "5e" * 32
SIDE_PX, UM_PER_PX = 50, 8.0
CELL_MM = SIDE_PX * UM_PER_PX / 1000
UNREADABLE = -1.0


def make_table(p: np.ndarray, tissue_fraction: float | np.ndarray) -> PatchTable:
    rows, cols = p.shape
    grid = PatchGrid.over(cols * SIDE_PX, rows * SIDE_PX, UM_PER_PX, PatchSpec(SIDE_PX, UM_PER_PX, 1.0))
    row, col = np.nonzero(~np.isnan(p))
    values = p[row, col].astype(np.float32)
    readable = values != UNREADABLE
    p_idc = np.where(readable, values, np.nan).astype(np.float32)
    return PatchTable(
        grid=grid,
        row=row.astype(np.int32),
        col=col.astype(np.int32),
        tissue_fraction=np.broadcast_to(tissue_fraction, p.shape)[row, col].astype(np.float32),
        p_raw=p_idc,
        p_idc=p_idc,
        readable=readable,
    )


def make_result(
    p: np.ndarray,
    *,
    slide_id: str = "8867",
    threshold: float = 0.5,
    tolerance: float = 0.02,
    qc: Mapping[str, Any] | None = None,
    tissue_fraction: float | np.ndarray = 1.0,
    quality: Quality = NOT_JUDGED,
) -> SlideResult:
    """`p` is (rows, cols): p_idc, NaN where there is no tissue, -1 where the patch could not be read."""
    table = make_table(p, tissue_fraction)
    grid, readable = table.grid, table.readable
    settings = ScanSettings(PatchSpec(SIDE_PX, UM_PER_PX, 1.0), 0.1, 0.2, threshold, tolerance)
    return SlideResult(
        slide=SlideInfo(
            slide_id,
            slide_id,
            grid.width_px,
            grid.height_px,
            Spacing(UM_PER_PX, SpacingSource.OPTION),
            "sha256:" + "0f" * 32,
        ),
        model=ModelInfo("idc-cnn", "1.0.0", WEIGHTS),
        engine=EngineInfo("openvino", "bf16"),
        settings=settings,
        counts=Counts(
            grid=p.size,
            tissue=len(table),
            positive=int(table.positive(threshold).sum()),
            borderline=int((np.abs(table.p_idc[readable] - threshold) <= tolerance).sum()),
            unreadable=int((~readable).sum()),
        ),
        extent=make_extent(table, threshold),
        qc={"tissue_share": 0.55, "pen_share": 0.0, "background_rgb": [246, 245, 247], "overview_um_per_px": 32.0}
        if qc is None
        else qc,
        seconds={"read": 3.21, "tissue": 0.42, "infer": 1.5, "write": 0.12, "total": 5.3},
        scan_digest="sha256:" + "ab" * 32,
        digest="sha256:" + "c0ffee" * 10 + "0123",
        table=table,
        quality=quality,
    )


def make_quality(**values: float) -> Quality:
    """A slide on which all is well but for these values; limits are made up."""
    limits = {
        "sharpness": Limits(review_below=1.5, refuse_below=0.5),
        "blurred_share": Limits(review_above=0.1),
        "pen_share": Limits(review_above=0.02, refuse_above=0.25),
        "eosin_od": Limits(review_below=0.2, refuse_below=0.1, review_above=0.3, refuse_above=0.4),
        "tissue_mm2": Limits(review_below=10.0, refuse_below=1.0),
    }
    fine = {"sharpness": 4.0, "blurred_share": 0.0, "pen_share": 0.0, "eosin_od": 0.25, "tissue_mm2": 50.0}
    measured = [Measured(name, value) for name, value in {**fine, **values}.items()]
    undefined = Measured("haematoxylin_od", None, "no square of 0.4 mm is half tissue")
    return judged([*measured, undefined], QualitySettings(limits=limits))


def make_extent(table: PatchTable, threshold: float) -> Extent:
    tissue = table.tissue_fraction.astype(np.float64) * CELL_MM**2
    unreadable = float(tissue[~table.readable].sum())
    if not table.readable.any():
        reason = "no tissue was found" if len(table) == 0 else "no patch could be read"
        names = ("idc_mm2", "idc_fraction", "n_foci", "largest_focus_mm", "perpendicular_mm", "field_extent_mm")
        undefined = dict.fromkeys((*names, "touches_edge"), reason)
        return Extent(float(tissue.sum()), unreadable, None, None, None, None, None, None, None, (), undefined)
    positive = table.positive(threshold)
    foci = make_foci(table, positive)
    idc = float(tissue[positive].sum())
    undefined = {}
    largest = max(foci, key=lambda focus: focus.greatest_mm, default=None)
    if largest is None:
        reason = "there is no positive patch"
        undefined = dict.fromkeys(("largest_focus_mm", "perpendicular_mm", "field_extent_mm"), reason)
    return Extent(
        tissue_mm2=float(tissue.sum()),
        unreadable_mm2=unreadable,
        idc_mm2=idc,
        idc_fraction=idc / (float(tissue.sum()) - unreadable),
        n_foci=len(foci),
        largest_focus_mm=None if largest is None else largest.greatest_mm,
        perpendicular_mm=None if largest is None else largest.perpendicular_mm,
        field_extent_mm=None
        if largest is None
        else _diameter([point for focus in foci for point in _points(focus)])[0],
        touches_edge=any(focus.touches_edge for focus in foci),
        foci=foci,
        undefined=undefined,
    )


def make_foci(table: PatchTable, positive: np.ndarray) -> tuple[Focus, ...]:
    grid = table.grid
    mask = np.zeros((grid.n_rows, grid.n_cols), bool)
    mask[table.row[positive], table.col[positive]] = True
    labels, n = ndimage.label(mask, structure=np.ones((3, 3)))
    of_patch = labels[table.row, table.col]
    foci = [_focus(table, np.flatnonzero(of_patch == i)) for i in range(1, n + 1)]
    return tuple(sorted(foci, key=lambda focus: -focus.area_mm2))


def _focus(table: PatchTable, members: np.ndarray) -> Focus:
    grid = table.grid
    squares = [
        box(x, y, x + SIDE_PX, y + SIDE_PX) for x, y in zip(table.x_px[members], table.y_px[members], strict=True)
    ]
    union = unary_union(squares)
    polygons: list[Any] = list(union.geoms) if isinstance(union, MultiPolygon) else [union]
    rings = tuple(
        tuple(tuple((float(x), float(y)) for x, y in ring.coords) for ring in (polygon.exterior, *polygon.interiors))
        for polygon in polygons
    )
    left, top, right, bottom = union.bounds
    points = [point for polygon in rings for point in polygon[0]]
    greatest, perpendicular = _diameter(points)
    return Focus(
        area_mm2=float(table.tissue_fraction[members].sum()) * CELL_MM**2,
        greatest_mm=greatest,
        perpendicular_mm=perpendicular,
        bbox_px=(int(left), int(top), int(right - left), int(bottom - top)),
        centroid_px=(union.centroid.x, union.centroid.y),
        mean_p=float(table.p_idc[members].mean()),
        n_patches=len(members),
        touches_edge=left <= 0 or top <= 0 or right >= grid.width_px or bottom >= grid.height_px,
        rings_px=rings,
    )


def _points(focus: Focus) -> list[tuple[float, float]]:
    return [point for polygon in focus.rings_px for point in polygon[0]]


def _diameter(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Greatest distance and the extent at right angles to it, mm, over the corners of the convex hull."""
    outline: Any = MultiPoint(points).convex_hull
    hull = np.asarray(outline.exterior.coords)
    a, b = max(itertools.combinations(hull, 2), key=lambda pair: float(np.hypot(*(pair[0] - pair[1]))))
    along = (b - a) / np.hypot(*(b - a))
    across = hull @ np.array([-along[1], along[0]])
    return float(np.hypot(*(b - a))) * UM_PER_PX / 1000, float(np.ptp(across)) * UM_PER_PX / 1000


def make_pictures(result: SlideResult, overview: Uint8Array | None = None, shrink: int = 10) -> Pictures:
    grid = result.table.grid
    rows, cols = -(-grid.height_px // shrink), -(-grid.width_px // shrink)
    tissue = np.zeros((grid.n_rows, grid.n_cols), bool)
    tissue[result.table.row, result.table.col] = True
    cell = SIDE_PX // shrink
    mask = np.repeat(np.repeat(tissue, cell, 0), cell, 1)[:rows, :cols]
    if overview is None:
        texture = np.random.default_rng(3).integers(-18, 18, (rows, cols, 1))
        stained = np.where(mask[..., np.newaxis], np.array([214, 150, 188]) + texture, 244)
        overview = np.clip(stained, 0, 255).astype(np.uint8)
    patch = np.random.default_rng(4).integers(120, 230, (SIDE_PX, SIDE_PX, 3)).astype(np.uint8)
    places = zip(result.table.row.tolist(), result.table.col.tolist(), strict=True)
    return Pictures(overview, UM_PER_PX * shrink, mask, dict.fromkeys(places, patch))


def make_card(**changes: Any) -> ModelCard:
    card = ModelCard(
        schema_version=2,
        name="idc-cnn",
        version="1.0.0",
        licence="Apache-2.0",
        intended_use="Research on whole-mount breast slides; not for diagnosis.",
        limits=("Trained on slides of one laboratory.", "Does not separate DCIS from invasive carcinoma."),
        classes=("not IDC", "IDC"),
        patch_px=SIDE_PX,
        scale=Scale(um_per_px=UM_PER_PX, how_known="inferred from the slides' extent and the size of fat cells"),
        input_px=180,
        architecture="Rescaling, three convolutions with max-pooling, dense 128, dense 2",
        recipe={"epochs": 12},
        training_data="Breast Histopathology Images (CC0), 16 patients",
        training_patients=tuple(f"{8950 + i}" for i in range(16)),
        validation_patients=("8865",),
        performance=(
            HeldOutPerformance(
                patient_id="8865", used_for="validation", n_patches=712, n_positive=55,
                auroc=0.9531, f1=0.6042, balanced_accuracy=0.8712, sensitivity=0.8364, specificity=0.906,
            ),
            HeldOutPerformance(
                patient_id="8863", used_for="test", n_patches=979, n_positive=207,
                auroc=0.9412, f1=None, balanced_accuracy=0.8812, sensitivity=1.0, specificity=0.99996,
            ),
        ),
        cross_validation=None,
        history=None,
        context=Context(orientations=1, sigma=0.0, how_chosen="a patch is judged alone"),
        threshold=Threshold(value=0.5, how_chosen="fixed before training; not tuned on any slide", curve=()),
        calibration=Calibration(
            method="none", note="p(IDC) is the network's softmax score, not a calibrated risk",
            temperature=1.0, intercept=0.0, before=(), after=(),
        ),
        parent=None,
        examples=(),
        examples_sha256=None,
        weights_sha256=WEIGHTS,
        engine_tolerance=0.02,
    )  # fmt: skip
    return card.model_copy(update=changes)


def make_fold(slide: str, n_patches: int, n_positive: int, **means: float) -> FoldFigures:
    """Over three seeds; a measure that isn't given is not defined."""
    figures = {
        name: Spread(mean=mean, low=mean - 0.01, high=min(1.0, mean + 0.01), n=3) for name, mean in means.items()
    }
    confusion = ConfusionCounts(tp=n_positive, fp=0, fn=0, tn=n_patches - n_positive)
    return FoldFigures(
        slide=slide, n_patches=n_patches, n_positive=n_positive, thresholds=(0.4, 0.5, 0.6), figures=figures,
        confusions=(confusion,) * 3, roc=((0.0, 0.0), (0.0, 1.0), (1.0, 1.0)),
    )  # fmt: skip


def make_cross_validation() -> CrossValidation:
    return CrossValidation(
        command="batchscan train --cross-validate",
        seconds=3600.0,
        seeds=(1, 2, 3),
        note="a test",
        slides=(
            make_fold(
                "8863", 979, 207, auroc=0.95, f1=0.75, balanced_accuracy=0.88, sensitivity=0.85, specificity=0.91
            ),
            make_fold("8865", 712, 55, auroc=0.965, balanced_accuracy=0.875, sensitivity=0.925, specificity=0.655),
        ),
        pooled=make_fold("pooled", 1691, 262, auroc=0.957, f1=0.72, balanced_accuracy=0.87, sensitivity=0.86,
                         specificity=0.88),
    )  # fmt: skip


def tissue_grid(rows: int = 30, cols: int = 24, seed: int = 1) -> np.ndarray:
    """An ellipse of tissue with low probabilities, NaN outside."""
    y, x = np.mgrid[:rows, :cols]
    inside = ((y - rows / 2 + 0.5) / (rows / 2.2)) ** 2 + ((x - cols / 2 + 0.5) / (cols / 2.2)) ** 2 <= 1
    return np.where(inside, np.random.default_rng(seed).uniform(0.01, 0.3, (rows, cols)), np.nan)


def renamed(result: SlideResult, slide_id: str) -> SlideResult:
    return replace(result, slide=replace(result.slide, slide_id=slide_id, patient_id=slide_id))


def rejudged(result: SlideResult, aggregation: Aggregation, orientations: int = 1) -> SlideResult:
    """The same p_raw seen through other settings: table, positive count and extent anew."""
    settings = replace(result.settings, aggregation=aggregation, orientations=orientations)
    table = result.table.judged(settings)
    counts = replace(result.counts, positive=int(table.positive(settings.threshold).sum()))
    return replace(result, settings=settings, table=table, counts=counts, extent=make_extent(table, settings.threshold))
