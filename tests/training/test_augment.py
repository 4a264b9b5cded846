"""Augmentation changes how tissue looks, never how much there is, and is decided by its seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchscan.training.augment import (
    augmented,
    blurred_at_random,
    recompressed_at_random,
    stain_jittered,
    turned_at_random,
    with_gaps,
)
from batchscan.training.recipe import Augmentation

NONE = Augmentation(turns=False, stain=0.0, brightness=0.0, gaps=0.0)

ALL = Augmentation(hue=0.1, blur=0.5, jpeg=0.5, gaps=0.5)


def patches(seed: int, count: int = 12, side: int = 7) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_nothing_asked_for_changes_nothing() -> None:
    assert np.array_equal(augmented(patches(1), NONE, rng()), patches(1))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_the_seed_decides_and_the_input_is_untouched(seed: int) -> None:
    given_patches = patches(seed)
    once, twice = (augmented(given_patches, ALL, rng(seed)) for _ in range(2))
    assert np.array_equal(once, twice)
    assert np.array_equal(given_patches, patches(seed))
    assert (str(once.dtype), once.shape) == ("uint8", given_patches.shape)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_turning_keeps_every_pixel(seed: int) -> None:
    before, after = patches(seed), turned_at_random(patches(seed), rng(seed))
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(np.sort(one.reshape(-1, 3), axis=0), np.sort(other.reshape(-1, 3), axis=0))


def test_all_eight_orientations_come_and_no_other() -> None:
    one = patches(3, 1, 5)
    expected = {np.rot90(base, turns).tobytes() for base in (one[0], one[0][:, ::-1]) for turns in range(4)}
    assert {patch.tobytes() for patch in turned_at_random(one.repeat(200, 0), rng())} == expected


def test_glass_stays_glass_but_for_the_light() -> None:
    glass = np.full((20, 16, 16, 3), 255, dtype=np.uint8)
    all_but_light = Augmentation(stain=0.5, hue=0.5, brightness=0.0, blur=1.0)
    assert np.array_equal(augmented(glass, all_but_light, rng()), glass)
    assert recompressed_at_random(glass, 1.0, rng()).min() >= 252


def test_hue_scales_the_density_of_each_colour_on_its_own() -> None:
    tissue = np.full((500, 1, 1, 3), (200, 100, 150), dtype=np.uint8)
    density = -np.log((stain_jittered(tissue, 0.0, 0.0, rng(), hue=0.2)[:, 0, 0].astype(float) + 1) / 256)
    factor = density / -np.log((tissue[0, 0, 0] + 1.0) / 256)
    # Each between 0.8 and 1.2 (grey levels are whole numbers), all of the range used, none following another.
    assert factor.min(axis=0) == pytest.approx([0.8] * 3, abs=0.02)
    assert factor.max(axis=0) == pytest.approx([1.2] * 3, abs=0.02)
    assert np.abs(np.corrcoef(factor.T) - np.eye(3)).max() < 0.15


def test_blur_spreads_a_point_as_a_gaussian_between_its_bounds() -> None:
    points = np.zeros((200, 11, 11, 3), dtype=np.uint8)
    points[:, 5, 5] = 250
    peaks = blurred_at_random(points, 1.0, rng())[:, 5, 5, 0].astype(float)
    # What is left in the middle: (sum over the row of exp(-x^2 / (2 sigma^2)))^-2 of it, for sigma 0.3 and 1.0.
    row = [np.exp(-(np.arange(-4, 5) ** 2) / (2 * sigma**2)).sum() for sigma in (0.3, 1.0)]
    assert peaks.max() == pytest.approx(250 / row[0] ** 2, abs=8)
    assert peaks.min() == pytest.approx(250 / row[1] ** 2, abs=3)


def test_blur_keeps_colours_apart_and_reaches_no_other_patch() -> None:
    red = np.zeros((2, 9, 9, 3), dtype=np.uint8)
    red[0, 4, 4, 0] = 255
    soft = blurred_at_random(red, 1.0, rng())
    assert soft[0, 4, 3, 0] > 0
    assert not soft[0, :, :, 1:].any()
    assert not soft[1].any()


def test_jpeg_changes_details_and_hardly_the_mean() -> None:
    noise = np.random.default_rng(0).integers(100, 200, (20, 48, 48, 3), dtype=np.uint8)
    after = recompressed_at_random(noise, 1.0, rng())
    assert (after != noise).any(axis=(1, 2, 3)).all()
    assert np.abs(after.mean(axis=(1, 2)) - noise.mean(axis=(1, 2))).max() < 4
    assert after.std(axis=(1, 2, 3)).max() < noise.std()


@pytest.mark.parametrize("change", [blurred_at_random, recompressed_at_random])
@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (1.0, 300, 300), (0.3, 60, 120)])
def test_blur_and_jpeg_come_as_often_as_asked(change: Any, share: float, low: int, high: int) -> None:
    before = patches(5, 300, 16)
    changed = (change(before, share, rng()) != before).any(axis=(1, 2, 3))
    assert low <= np.count_nonzero(changed) <= high


def test_more_stain_is_darker_and_less_is_lighter() -> None:
    tissue = np.full((400, 1, 1, 3), (180, 110, 165), dtype=np.uint8)
    jittered = stain_jittered(tissue, 0.2, 0.0, rng()).astype(float)
    # Optical density is linear in the amounts, so it stays within 20 % where all three are positive, and centred.
    density = -np.log((jittered + 1) / 256)
    expected = -np.log((tissue[0, 0, 0] + 1.0) / 256)
    assert np.abs(density.mean(axis=(0, 1, 2)) / expected - 1).max() < 0.03
    assert density[..., 1].std() > 0.02


def test_brightness_is_a_factor() -> None:
    grey = np.full((300, 1, 1, 3), 120, dtype=np.uint8)
    lit = stain_jittered(grey, 0.0, 0.1, rng())
    assert np.array_equal(lit[..., 0], lit[..., 2])
    assert lit.min() >= 0.9 * 121 - 2
    assert lit.max() <= 1.1 * 121
    assert np.ptp(lit) > 15


@pytest.mark.parametrize(("probability", "low", "high"), [(0.0, 0, 0), (1.0, 300, 300), (0.3, 60, 120)])
def test_gaps_come_as_often_as_asked(probability: float, low: int, high: int) -> None:
    dark = np.zeros((300, 10, 10, 3), dtype=np.uint8)
    white = (with_gaps(dark, probability, rng()) == 255).all(axis=3)
    assert low <= np.count_nonzero(white.any(axis=(1, 2))) <= high
    # A gap is whole rows or whole columns at one side, and at most half of the patch.
    for mask in white[white.any(axis=(1, 2))]:
        assert mask.mean() <= 0.5
        assert mask.all(axis=0).any() != mask.all(axis=1).any()
