"""A left-out slide's labels, p_idc and calls -> the figures of cross-validation, one network or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from batchscan.domain.card import (
    ABSOLUTE_AREA,
    MEASURES,
    SIGNED_AREAS,
    ConfusionCounts,
    FoldFigures,
    HeldOutPerformance,
    Point,
    Spread,
)
from batchscan.domain.records import BoolArray, Float32Array, Float64Array
from batchscan.evaluation.calibration import brier, ece
from batchscan.evaluation.metrics import Confusion, auprc, auroc, confusion

# Chance is 0.5 in both; below these a network is of no use, whatever it was meant for.
LEAST_AUROC, LEAST_BALANCED_ACCURACY = 0.7, 0.6
ROC_POINTS = 101
_DIGITS = 9
_ROC_DIGITS = 5
_CARD_DIGITS = 4


@dataclass(frozen=True)
class Judged:
    """What one network said of a slide's patches, or of those of several slides.

    Parameters
    ----------
    label
        (n,) bool, True = IDC.
    p_idc
        (n,) float32 in 0-1.
    positive
        (n,) bool: p_idc reached the threshold, which may differ between slides.
    """

    label: BoolArray
    p_idc: Float32Array
    positive: BoolArray

    @staticmethod
    def at(label: BoolArray, p_idc: Float32Array, threshold: float) -> Judged:
        """Positive from the threshold up."""
        return Judged(label, p_idc, np.asarray(p_idc >= threshold, dtype=np.bool_))

    @staticmethod
    def together(parts: Sequence[Judged]) -> Judged:
        """All patches of several slides as one."""
        fields = ([getattr(part, name) for part in parts] for name in ("label", "p_idc", "positive"))
        return Judged(*map(np.concatenate, fields))

    def confusion(self) -> Confusion:
        """Patches called right and wrong."""
        return confusion(self.label, self.positive)


def measured(judged: Judged, cell_mm2: float) -> dict[str, float | None]:
    """`domain.card.MEASURES` of some patches, in that order; None where one isn't defined.

    Parameters
    ----------
    cell_mm2
        Area of a patch's cell. Areas of IDC are those of whole cells, found and labelled alike.
    """
    counts = judged.confusion()
    found, labelled = counts.tp + counts.fp, counts.tp + counts.fn
    values = (
        auroc(judged.label, judged.p_idc),
        auprc(judged.label, judged.p_idc),
        counts.f1,
        counts.balanced_accuracy,
        counts.sensitivity,
        counts.specificity,
        brier(judged.label, judged.p_idc),
        ece(judged.label, judged.p_idc),
        (found - labelled) * cell_mm2,
        (found - labelled) / labelled if labelled else None,
        abs(found - labelled) * cell_mm2,
    )
    return dict(zip(MEASURES, values, strict=True))


def measured_together(slides: Sequence[Judged], cell_mm2: float) -> dict[str, float | None]:
    """`domain.card.MEASURES` of the patches of several slides as one, but for the areas.

    What one slide has too much and another too little would cancel: only the absolute error is given, the mean over
    the slides.
    """
    errors = [measured(slide, cell_mm2)[ABSOLUTE_AREA] for slide in slides]
    mean = sum(error for error in errors if error is not None) / len(errors)
    together = measured(Judged.together(slides), cell_mm2)
    return together | dict.fromkeys(SIGNED_AREAS) | {ABSOLUTE_AREA: mean}


def fold_figures(slide: str, by_seed: Sequence[Judged], thresholds: Sequence[float], cell_mm2: float) -> FoldFigures:
    """What networks of several seeds said of the same slide, for the card.

    Parameters
    ----------
    slide
        Its name.
    by_seed
        At least one, all of the same patches.
    thresholds
        One a seed.
    cell_mm2
        Area of a patch's cell.
    """
    return _figures(slide, by_seed, [measured(judged, cell_mm2) for judged in by_seed], thresholds)


def pooled_figures(name: str, by_seed: Sequence[Sequence[Judged]], cell_mm2: float) -> FoldFigures:
    """What networks of several seeds said of the same slides, taken together; each slide has its own threshold."""
    rows = [measured_together(slides, cell_mm2) for slides in by_seed]
    return _figures(name, [Judged.together(slides) for slides in by_seed], rows, ())


def _figures(
    slide: str, by_seed: Sequence[Judged], rows: Sequence[Mapping[str, float | None]], thresholds: Sequence[float]
) -> FoldFigures:
    spreads = {name: spread([row[name] for row in rows]) for name in MEASURES}
    first = by_seed[0]
    return FoldFigures(
        slide=slide,
        n_patches=len(first.label),
        n_positive=int(first.label.sum()),
        thresholds=tuple(thresholds),
        figures={name: value for name, value in spreads.items() if value is not None},
        confusions=tuple(_counts(judged.confusion()) for judged in by_seed),
        roc=roc_points(first),
    )


def _counts(counts: Confusion) -> ConfusionCounts:
    return ConfusionCounts(tp=counts.tp, fp=counts.fp, fn=counts.fn, tn=counts.tn)


def spread(values: Sequence[float | None]) -> Spread | None:
    """Mean, least and greatest of those that are defined; None if none is."""
    defined = [value for value in values if value is not None]
    if not defined:
        return None
    mean, low, high = (round(value, _DIGITS) for value in (sum(defined) / len(defined), min(defined), max(defined)))
    return Spread(mean=mean, low=low, high=high, n=len(defined))


def roc_points(judged: Judged) -> tuple[Point, ...]:
    """(false-positive rate, sensitivity) from (0, 0) to (1, 1), 101 points at most; none when a class is missing.

    Of a longer curve those are kept that lie evenly along it; none is made up.
    """
    if judged.label.all() or not judged.label.any():
        return ()
    false_positive, sensitivity, _ = roc_curve(judged.label, judged.p_idc)
    along = false_positive + sensitivity
    wanted = np.linspace(0.0, along[-1], ROC_POINTS)
    kept = np.unique(_nearest(along, wanted)) if len(along) > ROC_POINTS else slice(None)
    points = np.round(np.column_stack([false_positive, sensitivity]), _ROC_DIGITS)[kept]
    return tuple((float(x), float(y)) for x, y in points)


def _nearest(rising: Float64Array, wanted: Float64Array) -> NDArray[np.intp]:
    """Place of the number next to each wanted one; of two as near, the first."""
    above = np.clip(np.searchsorted(rising, wanted), 1, len(rising) - 1)
    return above - (wanted - rising[above - 1] <= rising[above] - wanted)


def performance(patient_id: str, used_for: Literal["validation", "test"], judged: Judged) -> HeldOutPerformance:
    """What the packaged network says of one patient, for the card; what isn't defined is None."""
    counts = judged.confusion()
    both = counts.balanced_accuracy is not None
    return HeldOutPerformance(
        patient_id=patient_id,
        used_for=used_for,
        n_patches=counts.n,
        n_positive=counts.tp + counts.fn,
        auroc=_rounded(auroc(judged.label, judged.p_idc)),
        f1=_rounded(counts.f1) if both else None,
        balanced_accuracy=_rounded(counts.balanced_accuracy),
        sensitivity=_rounded(counts.sensitivity),
        specificity=_rounded(counts.specificity),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _CARD_DIGITS)


def near_chance(auroc: float | None, balanced_accuracy: float | None) -> bool:
    """Whether a figure that is defined says that the network hardly tells the classes apart."""
    ranks_badly = auroc is not None and auroc < LEAST_AUROC
    calls_badly = balanced_accuracy is not None and balanced_accuracy < LEAST_BALANCED_ACCURACY
    return ranks_badly or calls_badly


def worst_calls(judged: Judged, called: Literal["positive", "negative"], at_most: int) -> list[int]:
    """Places of the patches wrongly called so, the surest mistakes first (ties: in order), `at_most` of them."""
    positive = called == "positive"
    wrong = np.flatnonzero((judged.positive == positive) & (judged.label != positive))
    p_idc = judged.p_idc[wrong]
    order = np.argsort(-p_idc if positive else p_idc, kind="stable")
    return [int(place) for place in wrong[order[:at_most]]]
