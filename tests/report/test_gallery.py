from __future__ import annotations

import numpy as np
from report_factory import UNREADABLE, make_result

from batchscan.report.gallery import choose_gallery


def test_highest_then_nearest_the_threshold() -> None:
    table = make_result(np.array([[0.1, 0.9, 0.52], [0.45, 0.95, 0.3]])).table
    assert choose_gallery(table, 0.5, n_each=2) == [
        (1, 1, "highest"),
        (0, 1, "highest"),
        (0, 2, "uncertain"),
        (1, 0, "uncertain"),
    ]


def test_no_patch_twice_even_if_the_highest_is_the_most_uncertain() -> None:
    table = make_result(np.array([[0.1, 0.499, 0.2]])).table
    chosen = choose_gallery(table, 0.5)
    assert [(patch.col, patch.why) for patch in chosen] == [(1, "highest"), (2, "highest"), (0, "highest")]


def test_unreadable_and_unscanned_patches_are_never_shown() -> None:
    table = make_result(np.array([[UNREADABLE, np.nan, 0.2]])).table
    assert choose_gallery(table, 0.5) == [(0, 2, "highest")]


def test_nothing_scanned_is_an_empty_gallery() -> None:
    assert choose_gallery(make_result(np.full((2, 2), np.nan)).table, 0.5) == []


def test_equal_values_keep_row_major_order() -> None:
    table = make_result(np.full((3, 3), 0.7)).table
    places = [(patch.row, patch.col) for patch in choose_gallery(table, 0.5, n_each=4)]
    assert places == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]
