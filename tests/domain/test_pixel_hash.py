"""The same pixels have the same number, other pixels another, and pixels that are no picture none."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from batchscan.domain.pixel_hash import NO_HASH, pixel_hashes

SIDE = 50


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3)).astype(np.uint8)


def test_it_is_the_beginning_of_each_patchs_blake2b() -> None:
    patches = noise(1100)
    expected = [int(hashlib.blake2b(patch.tobytes(), digest_size=8).hexdigest(), 16) for patch in patches]
    found = pixel_hashes(patches)
    assert found.dtype == np.uint64
    assert found.byteswap().tolist() == expected


def test_the_same_pixels_have_the_same_number_however_they_lie_in_memory() -> None:
    patches = noise(6)
    other = np.asfortranarray(patches)[::-1]
    assert pixel_hashes(other).tolist() == pixel_hashes(patches)[::-1].tolist()
    cut = np.pad(patches, ((0, 0), (3, 1), (2, 2), (0, 0)))[:, 3:-1, 2:-2]
    assert pixel_hashes(cut).tolist() == pixel_hashes(patches).tolist()


def test_one_value_more_is_another_number() -> None:
    patches = noise(1).repeat(SIDE, axis=0)
    patches[np.arange(SIDE), np.arange(SIDE), 7, 1] ^= 1
    assert len(np.unique(pixel_hashes(patches))) == SIDE


def plain(colour: tuple[int, int, int]) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.uint8), (1, SIDE, SIDE, 3)).copy()


def grainy(levels: int) -> np.ndarray:
    return plain((230, 210, 240)) + np.random.default_rng(1).integers(0, levels, (1, SIDE, SIDE, 3)).astype(np.uint8)


def edge() -> np.ndarray:
    """Glass up to the slide's edge, and the white beyond it."""
    patch = plain((243, 244, 242))
    patch[:, :, 33:] = 255
    return patch


@pytest.mark.parametrize(
    "patch",
    [plain((255, 255, 255)), plain((0, 0, 0)), plain((230, 120, 180)), grainy(8), edge()],
    ids=["white", "black", "one colour", "nearly one colour", "flat areas"],
)
def test_what_looks_alike_everywhere_has_none(patch: np.ndarray) -> None:
    assert pixel_hashes(patch).tolist() == [NO_HASH]


def test_a_little_picture_is_enough() -> None:
    # A range of 8 grey levels in one colour; tissue in a tenth of what else is white.
    faint, corner = grainy(9), plain((255, 255, 255))
    corner[:, :15, :18] = noise(1)[:, :15, :18]
    assert NO_HASH not in pixel_hashes(np.concatenate([faint, corner]))


def test_no_patches_have_no_numbers() -> None:
    assert pixel_hashes(noise(0)).shape == (0,)
