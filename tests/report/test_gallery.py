from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from report_factory import UNREADABLE, make_foci, make_result

from batchscan.report.gallery import choose_gallery, isolated


def test_highest_then_nearest_the_threshold() -> None:
    table = make_result(np.array([[0.1, 0.9, 0.52], [0.45, 0.95, 0.3]])).table
    assert choose_gallery(table, 0.5, n_each=2) == [
        (1, 1, "highest"),
        (0, 1, "highest"),
        (0, 2, "uncertain"),
        (1, 0, "uncertain"),
    ]


def test_positive_patches_without_positive_neighbours_are_isolated_the_highest_first() -> None:
    """The two of .9 touch by a corner; .6, .7 and .8 touch no positive one, .8 only patches that can't be read."""
    p = np.full((5, 9), 0.1)
    p[0, 0] = p[1, 1] = 0.9
    p[0, 4], p[4, 8], p[4, 0] = 0.6, 0.7, 0.8
    p[3, 0] = p[3, 1] = p[4, 1] = UNREADABLE
    table = make_result(p).table
    assert [(patch.row, patch.col) for patch in choose_gallery(table, 0.5) if patch.why == "isolated"] == [
        (4, 0),
        (4, 8),
        (0, 4),
    ]
    assert [patch.col for patch in choose_gallery(table, 0.5, n_each=1) if patch.why == "isolated"] == [0]
    assert [patch for patch in choose_gallery(table, 0.95) if patch.why == "isolated"] == []


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_isolated_patches_are_the_foci_of_one_patch(seed: int, threshold: float) -> None:
    table = make_result(np.random.default_rng(seed).random((7, 6)), threshold=threshold).table
    alone = {focus.centroid_px for focus in make_foci(table, table.positive(threshold)) if focus.n_patches == 1}
    found = isolated(table, threshold)
    assert {(table.x_px[i] + 25, table.y_px[i] + 25) for i in found} == alone
    assert np.all(np.diff(table.p_idc[found]) <= 0)


def test_the_most_uncertain_is_shown_even_if_it_is_among_the_highest() -> None:
    table = make_result(np.array([[0.1, 0.499, 0.2, 0.3, 0.05]])).table
    chosen = choose_gallery(table, 0.5, n_each=2)
    assert [(patch.col, patch.why) for patch in chosen] == [
        (1, "highest"),
        (3, "highest"),
        (1, "uncertain"),
        (3, "uncertain"),
    ]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 1), st.integers(1, 8))
def test_no_uncertain_patch_is_farther_from_the_threshold_than_one_not_shown(
    p: list[float], threshold: float, n_each: int
) -> None:
    table = make_result(np.array([p])).table
    chosen = choose_gallery(table, threshold, n_each=n_each)
    distance = np.abs(table.p_idc.astype(float) - threshold)
    shown = {patch.col for patch in chosen if patch.why != "isolated"}
    uncertain = [distance[patch.col] for patch in chosen if patch.why == "uncertain"]
    hidden = [distance[col] for col in range(len(p)) if col not in shown]
    assert not uncertain or not hidden or max(uncertain) <= min(hidden)
    assert bool(uncertain) == bool(len(p) > n_each)


def test_where_all_fit_in_one_row_none_is_shown_twice() -> None:
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
    assert places == [(0, 0), (0, 1), (0, 2), (1, 0)] * 2
