"""Stain densities of pixels that were mixed here from known ones; squares and strips counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from batchscan.domain.tissue_map import TissueMap
from batchscan.scan.stain import stain_densities, tissue_stain

HAEMATOXYLIN = np.array([0.650, 0.704, 0.286])
EOSIN = np.array([0.072, 0.990, 0.105])
GLASS = (240, 238, 242)
SIDE = 25  # 400 um at 16 um/px


def mixed(haematoxylin: NDArray[np.floating] | float, eosin: NDArray[np.floating] | float) -> NDArray[np.uint8]:
    """Pixels through which light passed so much of each stain, by Beer and Lambert."""
    h, e = (np.asarray(one, dtype=np.float64)[..., None] for one in (haematoxylin, eosin))
    density = h * HAEMATOXYLIN / np.linalg.norm(HAEMATOXYLIN) + e * EOSIN / np.linalg.norm(EOSIN)
    return np.rint((np.asarray(GLASS) + 1) * 10**-density - 1).clip(0, 255).astype(np.uint8)


def tissue(mask: NDArray[np.bool_], um_per_px: float = 16.0) -> TissueMap:
    return TissueMap(mask, np.zeros_like(mask), GLASS, um_per_px)


def test_what_was_mixed_is_found_again() -> None:
    h, e = np.meshgrid(np.linspace(0.0, 0.6, 7), np.linspace(0.0, 0.4, 5))
    found = stain_densities(mixed(h, e), GLASS)
    # A grey level is up to .02 of density where pixels are dark.
    np.testing.assert_allclose(found[..., 0], h, atol=0.02)
    np.testing.assert_allclose(found[..., 1], e, atol=0.02)


def test_glass_has_no_stain() -> None:
    assert np.abs(stain_densities(np.array([GLASS], np.uint8), GLASS)).max() < 1e-6


def test_a_slide_is_as_dark_as_three_quarters_and_half_of_its_squares() -> None:
    # Five squares in a row, each of one colour: the 75th percentile of 5 is the 4th, the median the 3rd.
    columns = np.repeat([0.1, 0.2, 0.3, 0.4, 0.5], SIDE)
    overview = np.tile(mixed(columns, columns[::-1] / 2), (SIDE, 1, 1))
    stain = tissue_stain(overview, tissue(np.ones(overview.shape[:2], np.bool_)))
    assert stain.strength == pytest.approx((0.4, 0.15), abs=0.01)


def test_a_fold_in_one_square_changes_nothing() -> None:
    columns = np.full(8 * SIDE, 0.2)
    overview = np.tile(mixed(columns, columns), (SIDE, 1, 1))
    everywhere = tissue(np.ones(overview.shape[:2], np.bool_))
    before = tissue_stain(overview, everywhere).strength
    overview[:, 3:20] = mixed(0.6, 0.6)
    assert tissue_stain(overview, everywhere).strength == before


def test_squares_with_less_than_half_tissue_do_not_count_but_their_pixels_are_counted() -> None:
    overview = np.tile(mixed(np.repeat([0.1, 0.7], SIDE), 0.1), (SIDE, 1, 1))
    mask = np.zeros(overview.shape[:2], np.bool_)
    mask[:, :SIDE] = True
    mask[:10, SIDE:] = True
    stain = tissue_stain(overview, tissue(mask))
    assert stain.strength[0] == pytest.approx(0.1, abs=0.01)
    # Bins of .04: the 18th begins at .68.
    assert stain.profile["haematoxylin_od"][17] == 10 * SIDE
    assert sum(stain.profile["eosin_od"]) == mask.sum()


def test_scattered_tissue_has_no_strength() -> None:
    overview = np.tile(mixed(np.full(SIDE, 0.2), 0.1), (SIDE, 1, 1))
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[0] = True
    assert tissue_stain(overview, tissue(mask)).strength == ()
    assert tissue_stain(overview, tissue(np.zeros_like(mask))).profile == {}


def test_more_stain_is_as_much_more_density() -> None:
    once = stain_densities(mixed(0.2, 0.1), GLASS)
    twice = stain_densities(mixed(0.4, 0.2), GLASS)
    np.testing.assert_allclose(twice, 2 * once, atol=0.015)
