from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import shapely
from focus_shapes import EIGHT_UM, SIDE_PX, polygon_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from batchscan.domain.geometry import PatchGrid, Spacing, SpacingSource
from batchscan.domain.records import BoolArray, Extent, Float64Array, PatchTable
from batchscan.evaluation.agreement import (
    Pairs,
    agreement,
    dice,
    hausdorff95_mm,
    mean_of,
    measured_length,
    pair_statistic,
)
from batchscan.evaluation.extent import measure_extent
from batchscan.evaluation.intervals import Bootstrap

# Peak expiratory flow, l/min, of 17 subjects by Wright's large and by the mini meter, first readings: Bland and
# Altman 1986, doi:10.1016/S0140-6736(86)90837-8, table 1.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
DRAWS = Bootstrap(n_patients=0, replicates=400)


def pairs_of(found: list[float], reference: list[float], patients: list[str] | None = None) -> Pairs:
    return Pairs.of(found, reference, patients or [f"{i:02}" for i in range(len(found))])


def five(pairs: Pairs) -> list[float]:
    values: list[float] = pair_statistic(pairs)(np.ones((1, pairs.n_patients)))[0].tolist()
    return values


def icc_by_table(found: Float64Array, reference: Float64Array) -> float:
    """ICC(A,1) from the two-way table of variance, cell by cell."""
    table = np.column_stack([found, reference])
    n, k = table.shape
    grand = table.mean()
    rows = k * ((table.mean(axis=1) - grand) ** 2).sum() / (n - 1)
    columns = n * ((table.mean(axis=0) - grand) ** 2).sum() / (k - 1)
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + grand
    error = (rest**2).sum() / ((n - 1) * (k - 1))
    return float((rows - error) / (rows + (k - 1) * error + k / n * (columns - error)))


def test_bias_and_limits_are_those_that_bland_and_altman_printed() -> None:
    found = agreement("idc_mm2", pairs_of([float(x) for x in WRIGHT], [float(x) for x in MINI]), DRAWS)
    # Printed: mean difference -2.1, limits -79.7 and 75.5; intervals -22.0 to 17.8, -114.3 to -45.1, 40.9 to 110.1.
    # They took 1.96 as 2 for the limits and 3 s2 / n for their variance: hence the room.
    printed = [
        (found.bias, (-2.1, -22.0, 17.8), 0.1),
        (found.loa_low, (-79.7, -114.3, -45.1), 2.0),
        (found.loa_high, (75.5, 40.9, 110.1), 2.0),
    ]
    for measured, expected, room in printed:
        assert [measured.value, measured.low, measured.high] == pytest.approx(list(expected), abs=room)
    assert found.loa_low.value == pytest.approx(-2.1176 - 1.96 * 38.7651, abs=0.01)
    assert {each.method for each in (found.bias, found.loa_low, found.loa_high)} == {"t"}
    assert (found.n, found.unit, found.bias.n) == (17, "mm2", 17)


def test_icc_is_that_of_the_two_way_table() -> None:
    # The first two judges of Shrout and Fleiss 1979 (doi:10.1037/0033-2909.86.2.420), six targets.
    judges = np.array([[9, 2], [6, 1], [8, 4], [7, 1], [10, 5], [6, 2]], dtype=np.float64)
    # Targets' sums 11 7 12 8 15 8, judges' 46 and 15, squares' 417: 61^2 / 12 = 310.08333 is taken from each.
    # Targets 667 / 2 -> 23.41667, a fifth is 4.68333; judges (46^2 + 15^2) / 6 -> 80.08333; all 417 -> 106.91667,
    # which leaves 3.41667, a fifth is 0.68333.
    by_hand = (4.683333 - 0.683333) / (4.683333 + 0.683333 + 2 / 6 * (80.083333 - 0.683333))
    pairs = pairs_of(judges[:, 0].tolist(), judges[:, 1].tolist())
    assert five(pairs)[3] == pytest.approx(by_hand, abs=1e-6)
    assert icc_by_table(judges[:, 0], judges[:, 1]) == pytest.approx(by_hand, abs=1e-6)


def test_concordance_by_hand() -> None:
    # x 1 2 3, y 2 2 5: means 2 and 3, variances over n 2/3 and 2, covariance over n (1+0+2)/3 = 1.
    assert five(pairs_of([1, 2, 3], [2, 2, 5]))[4] == pytest.approx(2 * 1 / (2 / 3 + 2 + 1))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500), st.integers(0, 3)), min_size=4, max_size=12).filter(
        lambda rows: np.ptp([row[0] for row in rows]) > 0.1
    )
)
def test_a_weight_is_a_repetition(rows: list[tuple[float, float, int]]) -> None:
    found, reference, patient = (list(column) for column in zip(*rows, strict=True))
    pairs = Pairs.of(found, reference, [str(p) for p in patient])
    weights = np.arange(1, pairs.n_patients + 1, dtype=np.float64)
    again = np.repeat(np.arange(len(pairs)), weights[pairs.patient].astype(np.intp))
    x, y = pairs.found[again], pairs.reference[again]
    bias, low, high, icc, ccc = pair_statistic(pairs)(weights[None])[0]
    d = x - y
    assert bias == pytest.approx(d.mean(), abs=1e-9)
    assert (low, high) == pytest.approx(
        (d.mean() - 1.959964 * d.std(ddof=1), d.mean() + 1.959964 * d.std(ddof=1)), rel=1e-5
    )
    assert icc == pytest.approx(icc_by_table(x, y), abs=1e-6)
    assert ccc == pytest.approx(2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + d.mean() ** 2), abs=1e-6)


def test_several_slides_of_a_patient_are_redrawn_together() -> None:
    draw = np.random.default_rng(0)
    of_patient = np.repeat(draw.normal(0, 20, 12), 5)
    reference = draw.uniform(0, 300, 60)
    found = (reference + of_patient + draw.normal(0, 1, 60)).tolist()
    together = agreement("idc_mm2", pairs_of(found, reference.tolist(), [f"{i // 5}" for i in range(60)]), DRAWS)
    alone = agreement("idc_mm2", pairs_of(found, reference.tolist()), DRAWS)
    assert (together.bias.method, alone.bias.method) == ("bootstrap", "t")
    assert together.bias.value == alone.bias.value
    widths = [found.bias.high - found.bias.low for found in (together, alone) if found.bias.high and found.bias.low]
    # Five slides that err alike tell hardly more than one: sqrt(5) as wide.
    assert widths[0] > 1.6 * widths[1]
    assert {each.share.method for each in together.within} == {"bootstrap"}
    assert {each.share.method for each in alone.within} == {"wilson"}


def test_what_is_not_defined_says_why() -> None:
    one = agreement("largest_focus_mm", pairs_of([3.0], [4.0]), DRAWS)
    assert (one.unit, one.bias.value, one.bias.low) == ("mm", -1.0, None)
    assert (one.loa_low.value, one.icc.value, one.ccc.value) == (None, None, None)
    assert all("one slide" in each.why for each in (one.bias, one.loa_low, one.icc, one.ccc))
    same = agreement("idc_mm2", pairs_of([0.0] * 6, [0.0] * 6), DRAWS)
    assert (same.bias.value, same.bias.low, same.icc.value) == (0.0, None, None)
    assert "all the same" in same.bias.why
    assert "nothing to agree on" in same.icc.why
    # 0.1 and 1.1 differ by 1 but for rounding: no width 0 interval either.
    shifted = agreement("idc_mm2", pairs_of([0.1, 0.2, 0.3], [1.1, 1.2, 1.3]), DRAWS)
    assert shifted.bias.value == pytest.approx(-1.0)
    assert shifted.bias.low is None
    few = agreement("idc_mm2", pairs_of([1, 2, 3, 4], [1, 3, 2, 4]), DRAWS)
    assert few.bias.low is not None
    assert not few.bias.trusted
    assert "fewer than 5" in few.bias.why


def test_within_counts_slides_that_are_near() -> None:
    found, reference = [10.0, 20.0, 30.0, 0.0, 1.0, 130.0], [10.0, 30.0, 41.0, 0.0, 0.0, 100.0]
    within = {
        (each.kind, each.limit): each.share for each in agreement("idc_mm2", pairs_of(found, reference), DRAWS).within
    }
    # Off by 0, 10, 11, 0, 1, 30; relative to the reference 0, .33, .27, 0, none of 0, .3.
    assert within["absolute", 10.0].value == pytest.approx(4 / 6)
    assert within["relative", 0.1].value == within["relative", 0.25].value == pytest.approx(2 / 6)
    assert within["absolute", 10.0].n == 6


def test_all_slides_within_is_no_certainty() -> None:
    pairs = pairs_of([1.0] * 50, [2.0] * 50, [str(i % 3) for i in range(50)])
    share = agreement("idc_mm2", pairs, DRAWS).within[0].share
    # Clopper and Pearson for 3 of 3: low is (0.05 / 2)^(1 / 3).
    assert share.low == pytest.approx(0.025 ** (1 / 3))
    assert (share.value, share.high, share.n, share.trusted, share.method) == (1.0, 1.0, 50, False, "exact")
    assert "all of 50 slides" in share.why


def test_mean_of_slides_is_over_patients() -> None:
    found = mean_of([0.9, 0.8, 0.4], ["a", "a", "b"], DRAWS, "share")
    assert found.value == pytest.approx(0.7)
    assert (found.n, found.trusted) == (3, False)


def test_dice_by_hand() -> None:
    called, labelled = np.array([1, 1, 0, 0], dtype=np.bool_), np.array([1, 0, 1, 0], dtype=np.bool_)
    # Called 3 + 1, labelled 3 + 0.5, both 3.
    assert dice(called, labelled, np.array([3.0, 1.0, 0.5, 9.0])) == pytest.approx(6 / 7.5)
    assert dice(called & False, labelled & False, np.ones(4)) is None
    assert dice(called, labelled & False, np.ones(4)) == 0.0
    assert dice(called, called, np.array([0.1, 0.2, 0.3, 0.4])) == 1.0


def extent_of(cells: BoolArray, spacing: Spacing = EIGHT_UM) -> Extent:
    grid = PatchGrid(cells.shape[1] * SIDE_PX, cells.shape[0] * SIDE_PX, SIDE_PX, SIDE_PX)
    row, col = (each.astype(np.int32) for each in np.nonzero(np.ones(cells.shape)))
    p = np.where(cells.ravel(), 0.9, 0.1).astype(np.float32)
    return measure_extent(PatchTable(grid, row, col, np.ones_like(p), p, p, p > 0), spacing, 0.5)


def block(top: int, left: int, rows: int, cols: int) -> BoolArray:
    cells = np.zeros((12, 16), dtype=np.bool_)
    cells[top : top + rows, left : left + cols] = True
    return cells


def test_hausdorff_of_shifted_squares() -> None:
    one = extent_of(block(2, 2, 4, 4))
    # A side of 1.6 mm moved by one cell: its far side is 0.4 mm off, the near one too, the long ones 0.
    assert hausdorff95_mm(one, extent_of(block(2, 3, 4, 4)), EIGHT_UM) == pytest.approx(0.4)
    assert hausdorff95_mm(one, one, EIGHT_UM) == 0.0
    # A second focus of 1 in 17 of the outline's cell sides (4 of 20 sides) far away: more than 5 %, so it shows.
    both = block(2, 2, 4, 4) | block(2, 12, 1, 1)
    found = hausdorff95_mm(one, extent_of(both), EIGHT_UM)
    # Left side at 2.4 mm from the square's right side, right side at 2.8: the farthest 5 % of 8 mm is that right side.
    assert found == pytest.approx(2.8, abs=0.03)
    assert hausdorff95_mm(extent_of(both), one, EIGHT_UM) == found


def test_the_far_twentieth_does_not_count() -> None:
    # The speck has 4 of 104 sides of cells.
    big, speck = np.zeros((30, 40), dtype=np.bool_), np.zeros((30, 40), dtype=np.bool_)
    big[:25, :25] = True
    speck[5, 39] = True
    one, other = extent_of(big | speck), extent_of(big)
    assert hausdorff95_mm(one, other, EIGHT_UM) == 0.0
    assert max(shapely.distance(polygon_of(focus), polygon_of(other.foci[0])) for focus in one.foci) > 13 * SIDE_PX


def test_hausdorff_needs_two_outlines() -> None:
    nothing = extent_of(block(0, 0, 0, 0))
    assert hausdorff95_mm(nothing, extent_of(block(1, 1, 2, 2)), EIGHT_UM) is None
    assert hausdorff95_mm(extent_of(block(1, 1, 2, 2)), nothing, EIGHT_UM) is None


def test_millimetres_follow_the_spacing() -> None:
    one, other = block(2, 2, 4, 4), block(2, 5, 4, 4)
    fine = Spacing(4.0, SpacingSource.OPTION)
    wide = hausdorff95_mm(extent_of(one), extent_of(other), EIGHT_UM)
    assert wide == pytest.approx(1.2)
    assert hausdorff95_mm(extent_of(one, fine), extent_of(other, fine), fine) == pytest.approx(0.6)


def outline_points(extent: Extent, every_mm: float) -> Float64Array:
    """Points along all outlines, level-0 pixels, by shapely's own walk along a line."""
    rings = [ring for focus in extent.foci for polygon in focus.rings_px for ring in polygon]
    lines = [shapely.LineString(ring) for ring in rings]
    steps = [np.arange(0, line.length, every_mm * 125) for line in lines]
    return np.concatenate(
        [shapely.get_coordinates(line.interpolate(step)) for line, step in zip(lines, steps, strict=True)]
    )


@pytest.mark.parametrize("seed", range(5))
def test_hausdorff_is_that_of_all_pairs_of_points(seed: int) -> None:
    draw = np.random.default_rng(seed)
    one, other = (extent_of(draw.random((12, 16)) < share) for share in (0.3, 0.15))
    # 0.02 mm: 2.5 px.
    apart = cdist(outline_points(one, 0.02), outline_points(other, 0.02)) * 8 / 1000
    brute = max(np.percentile(apart.min(axis=1), 95), np.percentile(apart.min(axis=0), 95))
    assert hausdorff95_mm(one, other, EIGHT_UM) == pytest.approx(brute, abs=0.05)


def test_a_slide_where_nothing_was_found_measures_0_mm() -> None:
    nothing, something = extent_of(block(0, 0, 0, 0)), extent_of(block(1, 1, 1, 3))
    assert nothing.largest_focus_mm is None
    assert measured_length(nothing, "largest_focus_mm") == measured_length(nothing, "idc_mm2") == 0.0
    assert measured_length(something, "field_extent_mm") == pytest.approx(math.hypot(1.2, 0.4))
    undefined = replace(nothing, n_foci=None, idc_mm2=None)
    assert measured_length(undefined, "largest_focus_mm") is None
    assert measured_length(undefined, "idc_mm2") is None
