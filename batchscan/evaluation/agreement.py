"""What was found beside what is labelled, slide by slide -> how well areas, lengths and outlines agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.stats import norm, t

from batchscan.domain.geometry import Spacing
from batchscan.domain.levels import FEWEST_PATIENTS, Agreement, Measured, Within
from batchscan.domain.records import BoolArray, Extent, Float64Array
from batchscan.evaluation.interval_limits import Scale
from batchscan.evaluation.intervals import Bootstrap, Interval, Statistic, cluster_intervals, exact, wilson

Quantity = Literal["idc_mm2", "largest_focus_mm", "field_extent_mm"]
QUANTITIES: tuple[Quantity, ...] = ("idc_mm2", "largest_focus_mm", "field_extent_mm")

LIMITS: dict[Literal["mm2", "mm"], tuple[tuple[Literal["absolute", "relative"], float], ...]] = {
    "mm2": (("absolute", 10.0), ("relative", 0.1), ("relative", 0.25)),
    "mm": (("absolute", 2.0), ("absolute", 5.0), ("relative", 0.25)),
}
"""How near a prediction has to be to be counted as within; relative to the reference."""

_PAIR_SCALES: tuple[Scale, ...] = ("plain", "plain", "plain", "correlation", "correlation")
_STEP_MM = 0.05
_FAR = 0.95
_WITHIN_LIMITS = float(norm.ppf(0.975))
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Pairs:
    """Two measurements of the same slides.

    Parameters
    ----------
    found, reference
        (n,) float64, finite, in one unit.
    patient
        (n,) intp from 0 to P-1, every one of them at least once.
    """

    found: Float64Array
    reference: Float64Array
    patient: NDArray[np.intp]

    @staticmethod
    def of(found: Sequence[float], reference: Sequence[float], patient_ids: Sequence[str]) -> Pairs:
        """Pairs with patients numbered in the order of their ids."""
        _, patient = np.unique(np.asarray(patient_ids, dtype=np.str_), return_inverse=True)
        return Pairs(np.asarray(found, dtype=np.float64), np.asarray(reference, dtype=np.float64), patient)

    def __len__(self) -> int:
        return len(self.found)

    @property
    def n_patients(self) -> int:
        """P."""
        return int(self.patient.max(initial=-1)) + 1

    @property
    def one_a_patient(self) -> bool:
        """Whether the slides are independent."""
        return self.n_patients == len(self)


def dice(called: BoolArray, labelled: BoolArray, area_mm2: Float64Array) -> float | None:
    """2 |A and B| / (|A| + |B|) of two sets of cells by their areas (Dice 1945, doi:10.2307/1932409).

    Parameters
    ----------
    called, labelled
        (n,) bool: whether a cell is in A, in B.
    area_mm2
        (n,) float64, each cell's.

    Returns
    -------
    0-1, or None when both sets are empty or without area.
    """
    both = math.fsum(area_mm2[called & labelled].tolist())
    either = math.fsum(np.concatenate([area_mm2[called], area_mm2[labelled]]).tolist())
    return min(2 * both / either, 1.0) if either > 0 else None


def hausdorff95_mm(called: Extent, reference: Extent, spacing: Spacing) -> float | None:
    """95th percentile of the distances between the outlines of two extents of one slide.

    The greater of the two directed 95th percentiles (doi:10.1186/s12880-015-0068-x). Distances are exact, from points
    no more than 0.05 mm apart along one outline to the nearest point of the other; each length of outline, those of
    holes too, counts the same.

    Parameters
    ----------
    called, reference
        Two extents over the same slide.
    spacing
        Of level 0.

    Returns
    -------
    Millimetres; None when either has no focus.
    """
    one, other = _segments_px(called), _segments_px(reference)
    if not (len(one) and len(other)):
        return None
    step_px = _STEP_MM / spacing.mm(1.0)
    return spacing.mm(max(_far_px(one, other, step_px), _far_px(other, one, step_px)))


def _segments_px(extent: Extent) -> Float64Array:
    """(n, 2, 2) float64: both ends (x, y) of every straight piece of the foci's outlines."""
    rings = [np.asarray(ring) for focus in extent.foci for polygon in focus.rings_px for ring in polygon]
    return np.concatenate([np.empty((0, 2, 2)), *(np.stack([ring[:-1], ring[1:]], axis=1) for ring in rings)])


def _far_px(segments: Float64Array, others: Float64Array, step_px: float) -> float:
    """The distance to the `others` that 95 % of the segments' length doesn't exceed."""
    length = np.hypot(*(segments[:, 1] - segments[:, 0]).T)
    n_pieces = np.ceil(length / step_px).astype(np.intp)
    segment = np.repeat(np.arange(len(segments)), n_pieces)
    nth = np.arange(len(segment)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    share = ((nth + 0.5) / n_pieces[segment])[:, None]
    points = shapely.points(segments[segment, 0] * (1 - share) + segments[segment, 1] * share)
    tree = shapely.STRtree(np.asarray(shapely.linestrings(others), dtype=np.object_))
    (place, _), distance = tree.query_nearest(points, return_distance=True, all_matches=False)
    order = np.argsort(distance)
    covered = np.cumsum((length[segment] / n_pieces[segment])[place][order])
    return float(distance[order][np.searchsorted(covered, _FAR * covered[-1])])


def measured_length(extent: Extent, quantity: Quantity) -> float | None:
    """A slide's quantity for comparison: a length where nothing was found counts as 0 mm, so that misses weigh.

    None when the extent isn't defined at all: no tissue, or none that could be read.
    """
    if extent.n_foci == 0 and quantity != "idc_mm2":
        return 0.0
    found: float | None = getattr(extent, quantity)
    return found


def pair_statistic(pairs: Pairs) -> Statistic:
    """Bias, lower and upper limit of agreement, ICC(A,1) and Lin's concordance, in that order.

    found less reference. Limits: bias -+ 1.96 standard deviations (doi:10.1177/096228029900800204). ICC(A,1) is that
    of McGraw and Wong 1996 (doi:10.1037/1082-989X.1.1.30) with two columns; concordance has moments over n, as Lin
    1989 (doi:10.2307/2532051). NaN with fewer than two slides, and the last two where nothing varies.
    """
    difference = pairs.found - pairs.reference
    sum_ = pairs.found + pairs.reference
    # Around the middle, so that squares don't swallow the differences.
    middle = sum_.mean() / 2 if len(pairs) else 0.0
    shifted = difference - difference.mean() if len(pairs) else difference
    columns = np.column_stack([shifted, shifted**2, sum_ / 2 - middle, (sum_ / 2 - middle) ** 2])
    offset = float(difference.mean()) if len(pairs) else 0.0
    least = _ROUNDING * float((pairs.found**2 + pairs.reference**2).max(initial=0.0))

    def statistic(weights: Float64Array) -> Float64Array:
        weight = weights[:, pairs.patient]
        n = weight.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            d, d2, m, m2 = (weight @ columns).T / n
            bias = d + offset
            # Sums of squares over n: of the differences, and of the slides' means of both.
            of_difference, of_mean = np.maximum(d2 - d**2, 0.0), np.maximum(m2 - m**2, 0.0)
            unbiased = np.where(n > 1, n / (n - 1), np.nan)
            sd = np.sqrt(of_difference * unbiased)
            rows, error, column = 2 * of_mean * unbiased, of_difference * unbiased / 2, n * bias**2 / 2
            whole = rows + error + 2 * (column - error) / n
            icc = np.where(whole > least, (rows - error) / whole, np.nan)
            # var x + var y = 2 var mean + var difference / 2, and 2 cov = the same with a minus.
            spread = 2 * of_mean + of_difference / 2 + bias**2
            ccc = np.where((n > 1) & (spread > least), (2 * of_mean - of_difference / 2) / spread, np.nan)
        return np.column_stack([bias, bias - _WITHIN_LIMITS * sd, bias + _WITHIN_LIMITS * sd, icc, ccc])

    return statistic


def mean_statistic(values: Float64Array, patient: NDArray[np.intp]) -> Statistic:
    """The mean over slides; `values` (n,), `patient` (n,) as in `Pairs`."""

    def statistic(weights: Float64Array) -> Float64Array:
        weight = weights[:, patient]
        with np.errstate(invalid="ignore"):
            return np.asarray((weight @ values / weight.sum(axis=1))[:, None], dtype=np.float64)

    return statistic


def agreement(quantity: Quantity, pairs: Pairs, bootstrap: Bootstrap) -> Agreement:
    """How well a quantity of at least one slide agrees.

    Where no two slides are of one patient, bias and limits have Student's intervals as Bland and Altman give them;
    otherwise, and for both coefficients, patients are redrawn.

    Parameters
    ----------
    quantity
        What was measured.
    pairs
        Slides of one or several patients.
    bootstrap
        How patients are redrawn; only those of the pairs are.
    """
    unit: Literal["mm2", "mm"] = "mm2" if quantity == "idc_mm2" else "mm"
    drawn = replace(bootstrap, n_patients=pairs.n_patients)
    intervals = cluster_intervals(pair_statistic(pairs), drawn, _PAIR_SCALES)
    if pairs.one_a_patient:
        intervals = (*_student(pairs), *intervals[3:])
    bias, low, high, icc, ccc = (_explained(interval, len(pairs)) for interval in intervals)
    return Agreement(
        quantity=quantity,
        unit=unit,
        n=len(pairs),
        bias=bias,
        loa_low=low,
        loa_high=high,
        icc=icc,
        ccc=ccc,
        within=tuple(_within(pairs, kind, limit, drawn) for kind, limit in LIMITS[unit]),
    )


def mean_of(values: Sequence[float], patient_ids: Sequence[str], bootstrap: Bootstrap, scale: Scale) -> Measured:
    """Mean over slides, at least one, with its interval over patients; `scale` says where values can lie."""
    pairs = Pairs.of(values, values, patient_ids)
    drawn = replace(bootstrap, n_patients=pairs.n_patients)
    (interval,) = cluster_intervals(mean_statistic(pairs.found, pairs.patient), drawn, scale)
    return interval.measured(len(pairs))


def _student(pairs: Pairs) -> tuple[Interval, Interval, Interval]:
    """Bias and limits of independent slides: t with n - 1 degrees of freedom.

    Variance of the bias s2 / n, of a limit s2 (1 / n + 1.96^2 / (2 (n - 1))).
    """
    n = len(pairs)
    values = pair_statistic(pairs)(np.ones((1, n)))[0, :3]
    if n < 2:  # noqa: PLR2004 - no spread without two
        why = "there is one slide: differences have no spread"
        bias = Interval(float(values[0]), None, None, "none", trusted=False, why=why)
        none = Interval(None, None, None, "none", trusted=False, why=why)
        return bias, none, none
    sd = float(np.std(pairs.found - pairs.reference, ddof=1))
    if sd <= _ROUNDING * float(np.abs([pairs.found, pairs.reference]).max()):
        why = "the slides' differences are all the same: they say nothing about the spread"
        bias, low, high = (Interval(float(value), None, None, "none", trusted=False, why=why) for value in values)
        return bias, low, high
    few = f"it rests on {n} patients: fewer than {FEWEST_PATIENTS}" if n < FEWEST_PATIENTS else ""
    of_bias, of_limit = 1 / n, 1 / n + _WITHIN_LIMITS**2 / (2 * (n - 1))

    def interval(value: float, share: float) -> Interval:
        reach = float(t.ppf(0.975, n - 1)) * sd * math.sqrt(share)
        variance = sd**2 * share
        return Interval(value, value - reach, value + reach, "t", variance=variance, trusted=not few, why=few)

    shares = (of_bias, of_limit, of_limit)
    bias, low, high = (interval(float(value), share) for value, share in zip(values, shares, strict=True))
    return bias, low, high


def _explained(interval: Interval, n: int) -> Measured:
    if interval.value is None and n < 2:  # noqa: PLR2004 - no spread without two
        interval = replace(interval, why="there is one slide: differences have no spread")
    elif interval.value is None:
        interval = replace(interval, why="the slides don't differ in it: there is nothing to agree on")
    return interval.measured(n)


def _within(pairs: Pairs, kind: Literal["absolute", "relative"], limit: float, drawn: Bootstrap) -> Within:
    """Relative to a reference of 0, only 0 is within."""
    reach = limit * (pairs.reference if kind == "relative" else np.ones(len(pairs)))
    near = np.abs(pairs.found - pairs.reference) <= reach * (1 + _ROUNDING)
    return Within(limit=limit, kind=kind, share=_share(near, pairs, drawn).measured(len(pairs)))


def _share(near: BoolArray, pairs: Pairs, drawn: Bootstrap) -> Interval:
    """Where all or none of several slides a patient are, each patient counts as one unit: it can only be too wide."""
    if pairs.one_a_patient:
        return wilson(int(near.sum()), len(pairs))
    if near.all() or not near.any():
        found = exact(pairs.n_patients if near.all() else 0, pairs.n_patients)
        words = f"{'all' if near.all() else 'none'} of {len(pairs)} slides"
        why = f"{words}: the interval is as if each of {pairs.n_patients} patients were one unit"
        return replace(found, why=f"{why}; {found.why}" if found.why else why)
    (interval,) = cluster_intervals(mean_statistic(near.astype(np.float64), pairs.patient), drawn, "share")
    return interval
