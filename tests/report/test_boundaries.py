"""Dimensions that one patch more or less carries over a limit of tumour size; by hand, at the limits too."""

from __future__ import annotations

import numpy as np
import pytest
from report_factory import make_result

from batchscan.report.boundaries import boundary_flags, straddled


@pytest.mark.parametrize(
    ("dimension_mm", "patch_mm", "limits"),
    [
        (0.5, 0.4, ()),
        (0.6, 0.4, (1.0,)),  # 0.6 + 0.4 is 1.0: the end counts
        (0.59, 0.4, ()),
        (1.0, 0.4, (1.0,)),
        (1.4, 0.4, (1.0,)),  # 1.4 - 0.4 is 1.0
        (1.41, 0.4, ()),
        (4.6, 0.4, (5.0,)),
        (5.0, 0.4, (5.0,)),
        (9.61, 0.4, (10.0,)),
        (20.4, 0.4, (20.0,)),
        (20.5, 0.4, ()),
        (49.6, 0.4, (50.0,)),
        (50.41, 0.4, ()),
        (3.0, 2.5, (1.0, 5.0)),
        (0.0, 0.4, ()),
        (1.2, 0.2, (1.0,)),  # 1.2 - 0.2 is 0.9999999999999999 to a computer
    ],
)
def test_limits_within_one_patch(dimension_mm: float, patch_mm: float, limits: tuple[float, ...]) -> None:
    assert straddled(dimension_mm, patch_mm) == limits


def block(rows: int, cols: int) -> np.ndarray:
    p = np.full((30, 30), 0.1)
    p[4 : 4 + rows, 4 : 4 + cols] = 0.9
    return p


def test_a_dimension_near_a_limit_is_flagged_once() -> None:
    """10 x 8 cells of 0.4 mm are 4.0 x 3.2 mm: greatest 5.12 mm, perpendicular 2 x 4 x 3.2 / 5.12 = 5.00 mm."""
    assert list(boundary_flags(make_result(block(10, 8)))) == [
        (
            "Boundary: greatest dimension 5.1 mm and perpendicular dimension 5.0 mm, known to one patch "
            "(\u00b1 0.4 mm), straddle the limit of 5 mm."
        )
    ]


def test_the_field_of_two_foci_has_a_flag_of_its_own() -> None:
    """Single cells whose far corners are 25 cells apart along a row: hypot(10.0, 0.4) = 10.008 mm."""
    p = np.full((30, 30), 0.1)
    p[3, 2] = p[3, 26] = 0.9
    assert list(boundary_flags(make_result(p))) == [
        "Boundary: field extent 10.0 mm, known to one patch (\u00b1 0.4 mm), straddles the limit of 10 mm."
    ]


def test_nothing_is_flagged_far_from_limits_or_without_dimensions() -> None:
    assert list(boundary_flags(make_result(block(5, 6)))) == []
    assert list(boundary_flags(make_result(np.full((5, 5), 0.1)))) == []
    assert list(boundary_flags(make_result(np.full((5, 5), np.nan)))) == []


def test_foci_that_may_or_may_not_be_over_1_mm_are_counted() -> None:
    """Two cells side by side are hypot(0.8, 0.4) = 0.89 mm, four 1.65 mm, one 0.57 mm; the block is 3.39 x 3.39 mm."""
    p = block(6, 6)
    p[20, 3:5] = p[20, 10:14] = p[20, 20] = p[26, 3:5] = 0.9
    (about,) = (text for text in boundary_flags(make_result(p)) if "other" in text)
    assert about.startswith("The greatest dimensions of 2 other foci are within one patch (\u00b1 0.4 mm) of 1 mm")
    assert not any("other" in text for text in boundary_flags(make_result(block(2, 1))))
