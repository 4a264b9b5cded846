"""A real whole mount -> a slide file of any size like a scanner's: tissue rearranged, enlarged, with fine texture.

The mount's pixels are of 8 um. Enlarged alone they would be smooth, and a JPEG of them a tenth of a scanner's: a seeded
texture as fine as the pixels gives a tile the bytes, and so the decoder the work, that a real one has.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from batchscan.domain.errors import OutputError, PatchSetError
from batchscan.domain.geometry import UM_PER_MM
from batchscan.domain.records import BoolArray, Uint8Array
from batchscan.stores.area import WHITE
from batchscan.stores.patchsets import PATCH_SIDE_PX, PATCH_UM_PER_PX, PatchRef, read_patch_set
from batchscan.stores.tiled_tiff import TILE_PX, TiffLevel, TiledTiff, jpeg_tile

# A scanner's pyramid: each level a quarter of the one before along a side. A square of so many level-0 pixels is a
# whole number of tiles of every level.
REDUCTION = 4
SCALES = (1, REDUCTION, REDUCTION * REDUCTION)
SQUARE_PX = TILE_PX * SCALES[-1]
# With the texture's strength, this comes to the bytes a pixel of real slides (docs/performance.md).
JPEG_QUALITY = 80
# So many cells of the mount along a side stay together, so that tissue has neighbours and foci as real tissue has.
_CLUMP_CELLS = 5
# Texture is taken from anywhere in a square of twice the side of the part it is laid on.
_PART_PX = 1024
_TEXTURE_PX = 2 * _PART_PX
# (grain in pixels, strength) of noise, chromatin and nuclei; little of it is left where the model looks, at 8 um.
_GRAINS = ((1, 9.0), (4, 24.0), (16, 8.0))
_TINT = 0.35
# Tissue fills this superellipse of the glass.
_FILLED, _POWER = 0.94, 4

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SyntheticSlide:
    """What to make: a square slide of `side_mm` at `um_per_px`, the same file for the same numbers."""

    side_mm: float
    um_per_px: float
    seed: int

    @property
    def side_px(self) -> int:
        """Level-0 pixels along a side: a whole number of the coarsest level's."""
        coarsest = SCALES[-1]
        return max(1, round(self.side_mm * UM_PER_MM / self.um_per_px / coarsest)) * coarsest

    @property
    def levels(self) -> tuple[TiffLevel, ...]:
        """Finest first."""
        return tuple(TiffLevel(self.side_px // each, self.side_px // each, self.um_per_px * each) for each in SCALES)

    @property
    def n_px(self) -> int:
        """Pixels of all levels."""
        return sum(level.width_px * level.height_px for level in self.levels)


def write_slide(
    path: Path, patches: Path, slide: SyntheticSlide, threads: int, on_px: Callable[[int], None] = lambda _: None
) -> None:
    """Make the slide file.

    Parameters
    ----------
    path
        The file; replaced if it is there.
    patches
        A patch set whose first patient's tissue is taken.
    slide
        What to make.
    threads
        How many enlarge and encode; the file is the same for any number.
    on_px
        Told how many more level-0 pixels are in the file.

    Raises
    ------
    OutputError
        If it can't be written.
    PatchSetError
        If the patch set can't be read, or has no compact piece of tissue.
    """
    n_squares = math.ceil(slide.side_px / SQUARE_PX)
    # Whatever the spacing, the last square has pixels under all of it.
    side = math.ceil(n_squares * SQUARE_PX * slide.um_per_px / PATCH_UM_PER_PX)
    maker = _Maker(slide, Image.fromarray(rearranged(patches, side, slide)), _texture(slide.seed))
    places = [(row, col) for row in range(n_squares) for col in range(n_squares)]
    try:
        with path.open("wb") as stream, ThreadPoolExecutor(threads, "synthetic") as pool:
            tiff = TiledTiff(stream, slide.levels)
            for (row, col), tiles in zip(places, _in_order(pool, maker.square, places, threads), strict=True):
                for tile in tiles:
                    tiff.add(*tile)
                on_px(maker.inside(row, col))
            tiff.finish()
    except OSError as error:
        raise OutputError(
            f"{path}: can't be written ({error.strerror}): make room, check permissions, or choose another folder"
        ) from error


def rearranged(patches: Path, side: int, slide: SyntheticSlide) -> Uint8Array:
    """Clumps of the mount's cells, each in one of its eight orientations, at random over the glass, at 8 um/px.

    Returns
    -------
    (side, side, 3) uint8, white where there is no tissue.
    """
    clumps = _clumps(patches)
    dice = np.random.default_rng(slide.seed)
    clump_px = _CLUMP_CELLS * PATCH_SIDE_PX
    glass = np.full((side, side, 3), WHITE, dtype=np.uint8)
    middle = slide.side_px * slide.um_per_px / PATCH_UM_PER_PX / 2
    for y, x in itertools.product(range(0, side, clump_px), repeat=2):
        clump = clumps[dice.integers(len(clumps))]
        turned = np.rot90(clump[:, ::-1] if dice.integers(2) else clump, int(dice.integers(4)))
        seen = glass[y : y + clump_px, x : x + clump_px]
        high, wide = seen.shape[:2]
        inside = _filled(x, y, wide, high, middle)
        seen[inside] = turned[:high, :wide][inside]
    return glass


def _filled(x: int, y: int, width: int, height: int, middle: float) -> BoolArray:
    """(height, width) bool: where a clump lies within the tissue's outline."""
    across = np.abs((np.arange(x, x + width) + 0.5) / middle - 1) / _FILLED
    down = np.abs((np.arange(y, y + height) + 0.5) / middle - 1) / _FILLED
    return np.asarray(across[None, :] ** _POWER + down[:, None] ** _POWER < 1)


def _clumps(patches: Path) -> list[Uint8Array]:
    """Every square of cells of the mount that has a whole patch in each of its places."""
    with read_patch_set(patches) as patch_set:
        patient = patch_set.patients[0]
        mount = patch_set.mount(patient)
        pixels = mount.read(0, 0, mount.width_px, mount.height_px)
        corners = {_cell(ref) for ref in patch_set.of(patient) if ref.width_px == ref.height_px == PATCH_SIDE_PX}
    around = list(itertools.product(range(_CLUMP_CELLS), repeat=2))
    full = [(r, c) for r, c in sorted(corners) if all((r + down, c + over) in corners for down, over in around)]
    if not full:
        raise PatchSetError(
            f"{patches}: patient {patient} has no {_CLUMP_CELLS} x {_CLUMP_CELLS} patches side by side to make a slide "
            "of; give a set with a whole mount"
        )
    side = _CLUMP_CELLS * PATCH_SIDE_PX
    return [pixels[r * PATCH_SIDE_PX :, c * PATCH_SIDE_PX :][:side, :side] for r, c in full]


def _cell(ref: PatchRef) -> tuple[int, int]:
    return ref.y_px // PATCH_SIDE_PX, ref.x_px // PATCH_SIDE_PX


def _texture(seed: int) -> NDArray[np.int16]:
    """(side, side, 3) int16 of 128ths by which tissue is darker or lighter there; mostly the same in all colours."""
    dice = np.random.default_rng([seed, 1])
    texture = np.zeros((_TEXTURE_PX, _TEXTURE_PX, 3), dtype=np.float32)
    for grain, strength in _GRAINS:
        side = _TEXTURE_PX // grain
        grey = dice.standard_normal((side, side), dtype=np.float32)
        coloured = dice.standard_normal((side, side, 3), dtype=np.float32)
        for channel in range(3):
            plane = Image.fromarray(grey + _TINT * coloured[..., channel])
            texture[..., channel] += strength * np.asarray(plane.resize((_TEXTURE_PX,) * 2, Image.Resampling.BICUBIC))
    # So that what it is multiplied by, at most 255, stays within 16 bits.
    return np.asarray(np.rint(texture.clip(-127, 127)), dtype=np.int16)


_Tile = tuple[int, int, int, bytes]


@dataclass(frozen=True)
class _Maker:
    """Makes the tiles of one square of the slide at a time, of all levels."""

    slide: SyntheticSlide
    glass: Image.Image
    texture: NDArray[np.int16]

    def inside(self, row: int, col: int) -> int:
        """Level-0 pixels of a square that lie on the slide."""
        high, wide = (min(SQUARE_PX, self.slide.side_px - index * SQUARE_PX) for index in (row, col))
        return high * wide

    def square(self, row: int, col: int) -> list[_Tile]:
        """(level, row, col, JPEG) of each of its tiles."""
        dice = np.random.default_rng([self.slide.seed, 2, row, col])
        tiles: list[_Tile] = []
        coarser: Uint8Array = np.empty((SQUARE_PX // REDUCTION, SQUARE_PX // REDUCTION, 3), dtype=np.uint8)
        for y, x in itertools.product(range(0, SQUARE_PX, _PART_PX), repeat=2):
            part = self._part(col * SQUARE_PX + x, row * SQUARE_PX + y, dice)
            tiles += self._tiles(0, row * SQUARE_PX + y, col * SQUARE_PX + x, part)
            small = (
                slice(y // REDUCTION, (y + _PART_PX) // REDUCTION),
                slice(x // REDUCTION, (x + _PART_PX) // REDUCTION),
            )
            coarser[small] = _reduced(part)
        for level, scale in list(enumerate(SCALES))[1:]:
            tiles += self._tiles(level, row * SQUARE_PX // scale, col * SQUARE_PX // scale, coarser)
            coarser = _reduced(coarser)
        return tiles

    def _part(self, x: int, y: int, dice: np.random.Generator) -> Uint8Array:
        scale = self.slide.um_per_px / PATCH_UM_PER_PX
        box = x * scale, y * scale, (x + _PART_PX) * scale, (y + _PART_PX) * scale
        smooth = np.asarray(self.glass.resize((_PART_PX, _PART_PX), Image.Resampling.BICUBIC, box=box))
        left, top = dice.integers(_TEXTURE_PX - _PART_PX, size=2)
        change = (WHITE - smooth).astype(np.int16)
        # Glass, which is white, stays as it is.
        change *= self.texture[top : top + _PART_PX, left : left + _PART_PX]
        change >>= 7
        change += smooth
        return change.clip(0, WHITE, out=change).astype(np.uint8)

    def _tiles(self, level: int, y: int, x: int, pixels: Uint8Array) -> Iterator[_Tile]:
        """Of pixels whose corner lies at (x, y) of a level, without those that lie wholly beyond it."""
        size = self.slide.levels[level]
        for down, over in itertools.product(range(0, len(pixels), TILE_PX), repeat=2):
            row, col = (y + down) // TILE_PX, (x + over) // TILE_PX
            if row < size.n_rows and col < size.n_cols:
                tile = pixels[down : down + TILE_PX, over : over + TILE_PX]
                yield level, row, col, jpeg_tile(tile, JPEG_QUALITY)


def _reduced(pixels: Uint8Array) -> Uint8Array:
    return np.asarray(Image.fromarray(pixels).reduce(REDUCTION))


def _in_order(
    pool: ThreadPoolExecutor, task: Callable[[int, int], T], places: Iterable[tuple[int, int]], threads: int
) -> Iterator[T]:
    """What the task makes of each place, in their order, with few of them waiting: memory is bounded."""
    under_way: deque[Future[T]] = deque()
    for place in places:
        if len(under_way) > threads:
            yield under_way.popleft().result()
        under_way.append(pool.submit(task, *place))
    while under_way:
        yield under_way.popleft().result()
