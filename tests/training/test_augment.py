"""Augmentation changes how tissue looks, never how much there is, and is decided by its seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchscan.training.augment import (
    augmented,
    blurred,
    blurred_at_random,
    recompressed,
    recompressed_at_random,
    rescaled,
    restained,
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


def _stained(amounts: tuple[float, float, float]) -> Any:
    """A colour by Ruifrok and Johnston's densities of haematoxylin, eosin and DAB, rounded to whole grey levels."""
    stains = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
    return np.rint(256 * np.exp(-np.array(amounts) @ stains) - 1)


@pytest.mark.parametrize("factors", [(1.0, 1.0, 1.0), (0.75, 1.25, 1.0), (1.25, 1.0, 0.5)])
def test_each_stain_is_scaled_by_its_own_amount(factors: tuple[float, float, float]) -> None:
    amounts = [(0.6, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.4), (0.3, 0.4, 0.1)]
    before = np.array([_stained(one) for one in amounts], dtype=np.uint8)[None, None]
    after = restained(before, np.array([[factors]]), np.ones(1), np.ones((1, 1, 3)))
    scaled = [tuple(a * f for a, f in zip(one, factors, strict=True)) for one in amounts]
    # What was rounded before is amplified.
    assert np.abs(after[0, 0] - np.array([_stained(one) for one in scaled])).max() <= 2  # type: ignore[arg-type]
    if factors == (1.0, 1.0, 1.0):
        assert np.array_equal(after, before)


def test_light_and_colours_are_scaled_patch_by_patch_or_for_all() -> None:
    before = patches(4, 2)
    ones = np.ones((1, 1, 3))
    lit = restained(before, ones, np.array([0.9, 0.5]), ones)
    assert np.abs((lit[0] + 1.0) - 0.9 * (before[0] + 1.0)).max() <= 0.51
    assert np.abs((lit[1] + 1.0) - 0.5 * (before[1] + 1.0)).max() <= 0.51
    assert np.array_equal(restained(before, ones, np.array([0.9]), ones)[0], lit[0])
    redder = restained(before, ones, np.ones(1), np.array([[[0.5, 1.0, 1.0]]]))
    assert np.abs(redder[..., 0] - (np.sqrt(256 * (before[..., 0] + 1.0)) - 1)).max() <= 0.51
    assert np.array_equal(redder[..., 1:], before[..., 1:])


@pytest.mark.parametrize("sigma_px", [0.5, 1.0])
def test_a_blurred_patch_is_its_convolution_with_a_gaussian_by_hand(sigma_px: float) -> None:
    patch = patches(6, 1, 20)[0]
    steps = np.arange(-4, 5)
    weights = np.exp(-(steps**2) / (2 * sigma_px**2))
    kernel = np.outer(weights, weights) / weights.sum() ** 2
    padded = np.pad(patch.astype(float), ((4, 4), (4, 4), (0, 0)), mode="edge")
    expected = sum(kernel[y, x] * padded[y : y + 20, x : x + 20] for y in range(9) for x in range(9))
    assert np.abs(blurred(patch, sigma_px) - expected).max() < 0.6


def test_a_lower_jpeg_quality_loses_more_and_flat_colour_loses_nothing() -> None:
    patch = patches(7, 1, 48)[0]
    lost = [np.abs(recompressed(patch, quality).astype(int) - patch).mean() for quality in (95, 50, 10)]
    assert 0 < lost[0] < lost[1] < lost[2]
    flat = np.full((48, 48, 3), 128, dtype=np.uint8)
    assert np.array_equal(recompressed(flat, 50), flat)


def test_rescaling_stretches_a_ramp_and_leaves_the_right_size_alone() -> None:
    ramp = np.broadcast_to((4 * np.arange(45))[None, :, None], (45, 45, 3)).astype(np.uint8)
    larger = rescaled(ramp, 50)
    assert (larger.shape, str(larger.dtype)) == ((50, 50, 3), "uint8")
    # Middle of pixel i of 50 lies at (i + .5) x .9 of 45, where red is 4 times that less half a pixel.
    expected = 4 * ((np.arange(50) + 0.5) * 0.9 - 0.5)
    assert np.abs(larger[20, 2:-2, 0] - expected[2:-2]).max() <= 1
    assert rescaled(ramp, 45) is ramp
