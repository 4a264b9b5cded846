"""An OME-Zarr pyramid (0.5 or 0.4) becomes RGB boxes at any spacing, by exact area averages."""

from __future__ import annotations

import contextlib
import functools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import zarr

from batchscan.domain.errors import UnopenableSlide, UnreadableSlide
from batchscan.domain.geometry import Box, Spacing, SpacingSource, round_px
from batchscan.domain.places import Address, Place
from batchscan.domain.records import BoolArray, Uint8Array
from batchscan.stores.absence import noticed_absence
from batchscan.stores.area import WHITE, AreaSum, Lattice
from batchscan.stores.damage import Damage, read_damage
from batchscan.stores.fingerprints import tree_fingerprint
from batchscan.stores.kept_chunks import KeptChunks, ReadPlanes
from batchscan.stores.levels import N_RGB, ZARR_ERRORS, Level, one_line, open_levels
from batchscan.stores.ngff import parse_image
from batchscan.stores.remote_trees import tree_of
from batchscan.stores.shard_reading import ShardedPlanes, own_layout
from batchscan.stores.sizes import check_content
from batchscan.stores.spacings import check_fine_enough, check_size
from batchscan.stores.store_files import LocalTree
from batchscan.stores.trees import Tree, check_shards
from batchscan.stores.zarr_documents import GROUP_DOCUMENTS, Json, read_group_attributes

OWN_ATTRIBUTES = "batchscan"
# A level counts as fine enough when it is at most this much coarser than asked for, and a given spacing as a store's
# own when it is at most this much off: rounding.
SAME_SPACING = 1e-3
# Pixels that are decoded at once, unless one chunk has more.
TILE_PX = 1 << 23
BLENDED_ROWS = 256

_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")


class SlideStore:
    """An open OME-Zarr slide; boxes are in its level-0 pixels. Safe to read from several threads.

    Parameters
    ----------
    tree
        The store's folder.
    spacing
        Of level 0.
    levels
        Finest first.
    arrays
        Their zarr arrays.
    direct
        What reads them without zarr, where something does.
    axes
        Letters of the arrays' axes.
    record
        What batchscan wrote about the store; empty if another program wrote it.
    damage
        What of it its source couldn't give.
    """

    def __init__(
        self,
        tree: Tree,
        spacing: Spacing,
        levels: Sequence[Level],
        arrays: Sequence[zarr.Array[Any]],
        direct: Sequence[ShardedPlanes | None],
        axes: tuple[str, ...],
        record: Mapping[str, Any],
        damage: Damage,
    ) -> None:
        self.path = tree.root
        self.spacing = spacing
        self.levels = tuple(levels)
        self.record = record
        self.damage = damage
        self.tree = tree
        self._arrays = tuple(arrays)
        self._direct = tuple(direct)
        self._axes = axes

    @property
    def width_px(self) -> int:
        """Width of level 0."""
        return self.levels[0].width_px

    @property
    def height_px(self) -> int:
        """Height of level 0."""
        return self.levels[0].height_px

    @functools.cached_property
    def fingerprint(self) -> str:
        """That of when it was first asked for; see `fingerprint_now`."""
        return self.fingerprint_now()

    def fingerprint_now(self) -> str:
        """`sha256:<hex>` of the content, wherever and whenever it lies.

        Of its files' names, sizes and ends, shards' chunks' ends, and its metadata; what those say of the pixels is
        part of it, but is not believed on its own.

        Raises
        ------
        UnreadableSlide, SourceVanished
            If a file can't be read; if the store is gone.
        """
        shards = {
            level.path: math.prod(array.shards) // math.prod(array.chunks)
            for level, array in zip(self.levels, self._arrays, strict=True)
            if array.shards
        }
        with noticed_absence(self.path):
            try:
                return tree_fingerprint(self.tree, shards)
            except (OSError, ValueError) as error:
                raise UnreadableSlide(
                    f"{self.path}: can't be read ({one_line(error)}): check its permissions and disk"
                ) from error

    def level_for(self, um_per_px: float) -> Level:
        """The coarsest level that is still as fine as `um_per_px`.

        Raises
        ------
        SpacingTooCoarse
            If level 0 is more than 1 % coarser.
        """
        check_fine_enough(self.path, self.spacing, um_per_px)
        fine_enough = [level for level in self.levels if level.um_per_px <= um_per_px * (1 + SAME_SPACING)]
        return max(fine_enough, key=lambda level: level.um_per_px, default=self.levels[0])

    def read_box(self, box: Box, um_per_px: float) -> Uint8Array:
        """Pixels of `um_per_px` from the box's upper left corner on; outside the slide is white.

        Parameters
        ----------
        box
            Level-0 pixels, not rounded.
        um_per_px
            Side of a pixel of the result.

        Returns
        -------
        (rows, cols, 3) uint8 RGB, rows = round(box.height * spacing / um_per_px) but at least 1, cols likewise; each
        the area average of the coarsest level that is still as fine.

        Raises
        ------
        SpacingTooCoarse
            If the slide is more than 1 % coarser than asked for.
        UnreadableSlide, SourceVanished
            If what is needed can't be decoded, or couldn't be when the slide was ingested; if the store is gone.
        """
        pixels, lost = self.read_around(box, um_per_px)
        if lost.any():
            raise UnreadableSlide(
                f"{self.path}: {int(lost.sum())} px of {um_per_px:g} um within x {box.x:g}, y {box.y:g}, {box.width:g} "
                f"x {box.height:g} px couldn't be decoded when the slide was ingested; its file is damaged: copy it "
                "again from the scanner, then ingest it again"
            )
        return pixels

    def read_around(self, box: Box, um_per_px: float) -> tuple[Uint8Array, BoolArray]:
        """The same, but what the slide's file couldn't give when it was ingested is black and told, and no error.

        Parameters
        ----------
        box, um_per_px
            As for `read_box`.

        Returns
        -------
        The pixels, and (rows, cols) bool: which of them have any of that under them.

        Raises
        ------
        SpacingTooCoarse, UnreadableSlide, SourceVanished
            As `read_box`, but for that.
        """
        return self._read_around(box, um_per_px, self.read_planes)

    def _read_around(self, box: Box, um_per_px: float, read: ReadPlanes) -> tuple[Uint8Array, BoolArray]:
        level = self.level_for(um_per_px)
        # Level-0 pixels a pixel of the result.
        step = um_per_px / self.spacing.um_per_px
        shape = max(1, round_px(box.height / step)), max(1, round_px(box.width / step))
        downsample = level.downsample_x, level.downsample_y
        lattice = Lattice.of(
            (box.x / level.downsample_x, box.y / level.downsample_y),
            (step / level.downsample_x, step / level.downsample_y),
            shape,
        )
        with noticed_absence(self.path), self._translated(level, box):
            pixels = _copied(level, lattice, read) if lattice.is_pixels else _averaged(level, lattice, read)
        return pixels, self.damage.lost(lattice, downsample)

    def read_each(self, boxes: Sequence[Box], um_per_px: float) -> list[Uint8Array]:
        """`read_around` of small boxes, without what is told; chunks that boxes have in common are decoded once.

        Raises
        ------
        SpacingTooCoarse, UnreadableSlide, SourceVanished
            As `read_around`.
        """
        kept = KeptChunks(self.read_planes)
        # Row by row of chunks, so that few need be kept.
        rows = max(1.0, self.levels[0].chunk_px[0] * self.levels[0].downsample_y)
        order = sorted(range(len(boxes)), key=lambda i: (boxes[i].y // rows, boxes[i].x))
        found = {i: self._read_around(boxes[i], um_per_px, kept.read_planes)[0] for i in order}
        return [found[i] for i in range(len(boxes))]

    def check(self, level: Level, box: Box) -> None:
        """Decode what a box, in whole pixels of `level` and inside it, needs.

        Raises
        ------
        UnreadableSlide, SourceVanished
            If it can't be decoded; if the store is gone.
        """
        with noticed_absence(self.path), self._translated(level, box):
            self.read_planes(level, int(box.x), int(box.y), int(box.width), int(box.height))

    def read_planes(self, level: Level, x: int, y: int, width: int, height: int) -> Uint8Array:
        """(3, height, width) uint8 as stored, of a part that lies inside the level; raises what zarr does."""
        direct = self._direct[self.levels.index(level)]
        if direct is not None:
            planes = np.empty((N_RGB, height, width), np.uint8)
            direct.fill(planes, x, y)
            return planes
        return self._read_by_zarr(level, x, y, width, height)

    def _read_by_zarr(self, level: Level, x: int, y: int, width: int, height: int) -> Uint8Array:
        place = {"c": slice(None), "y": slice(y, y + height), "x": slice(x, x + width)}
        array = self._arrays[self.levels.index(level)]
        found = np.asarray(array[tuple(place.get(axis, 0) for axis in self._axes)])
        stored = [axis for axis in self._axes if axis in place]
        planes = found.transpose([stored.index(axis) for axis in "cyx"])
        return planes if len(planes) == N_RGB else _over_white(planes)

    @contextlib.contextmanager
    def _translated(self, level: Level, box: Box) -> Iterator[None]:
        try:
            yield
        except ZARR_ERRORS as error:
            raise UnreadableSlide(
                f"{self.path}: level {level.path} can't be decoded within x {box.x:g}, y {box.y:g}, {box.width:g} x "
                f"{box.height:g} px ({one_line(error)}); the store is damaged: copy or ingest it again"
            ) from error


def _copied(level: Level, lattice: Lattice, read: ReadPlanes) -> Uint8Array:
    pixels = np.full((*lattice.shape, 3), WHITE, dtype=np.uint8)
    left, top = lattice.span_x[0], lattice.span_y[0]
    for x, y, width, height in lattice.parts(level.width_px, level.height_px, level.chunk_px, TILE_PX):
        part = pixels[y - top : y - top + height, x - left : x - left + width]
        # A third of the time that one copy of all channels takes.
        for channel, plane in enumerate(read(level, x, y, width, height)):
            part[..., channel] = plane
    return pixels


def _averaged(level: Level, lattice: Lattice, read: ReadPlanes) -> Uint8Array:
    total = AreaSum(lattice)
    for x, y, width, height in lattice.parts(level.width_px, level.height_px, level.chunk_px, TILE_PX):
        total.add(read(level, x, y, width, height), x, y)
    return total.pixels()


def is_store(path: Place) -> bool:
    """Whether a path is a zarr folder (and so for `open_store`), not a vendor's slide; an address can't be another."""
    try:
        return isinstance(path, Address) or (
            path.is_dir() and any((path / document).is_file() for document in GROUP_DOCUMENTS)
        )
    except OSError:
        # It may not be entered; opening will say so.
        return False


def open_store(path: Place, override: Spacing | None = None) -> SlideStore:
    """Open an OME-Zarr slide, of batchscan or of another program.

    Parameters
    ----------
    path
        The store's folder.
    override
        Spacing of level 0 that counts instead of the store's own.

    Raises
    ------
    UnopenableSlide
        If it isn't an OME-Zarr 0.4 or 0.5 image of uint8, its metadata are broken or unsafe, or there is anything but
        folders and regular files in it.
    UnsuitableColour
        If it isn't RGB or RGBA.
    MissingSpacing, ImplausibleSpacing
        If there is no override and the store's own spacing isn't one, or the slide is then larger than any glass.
    UnreadableSlide
        If batchscan wrote it and a part is missing.
    SourceVanished
        If it isn't there.
    """
    with noticed_absence(path):
        return _opened(tree_of(path), override)


def _opened(tree: Tree, override: Spacing | None) -> SlideStore:
    path = tree.root
    attributes = read_group_attributes(tree)
    if attributes is None:
        raise UnopenableSlide(f"{path}: no zarr group is there; expected an OME-Zarr folder: check the path")
    tree.check_plain()
    image = parse_image(path, attributes)
    record = attributes.get(OWN_ATTRIBUTES)
    record = record if isinstance(record, dict) else {}
    spacing = override or _own_source(image.spacing(path), record)
    is_own = _is_own(record)
    levels, arrays = open_levels(tree, image, spacing.um_per_px, complete=is_own)
    check_size(path, levels[0].width_px, levels[0].height_px, spacing)
    check_content(path, levels[0].width_px, levels[0].height_px, (tree.size(name) for name in tree.files()))
    if is_own:
        for level, array in zip(levels, arrays, strict=True):
            _, shard_rows, shard_cols = array.shards or array.chunks
            n_rows, n_cols = math.ceil(level.height_px / shard_rows), math.ceil(level.width_px / shard_cols)
            check_shards(tree, level.path, n_rows, n_cols)
    local = tree if is_own and isinstance(tree, LocalTree) and image.axes == ("c", "y", "x") else None
    direct = [
        own_layout(array, local.root / level.path) if local else None
        for level, array in zip(levels, arrays, strict=True)
    ]
    damage = _own_damage(tree, record, levels[0]) if is_own else Damage()
    return SlideStore(tree, spacing, levels, arrays, direct, image.axes, record, damage)


def contradicted_spacing(store: SlideStore, given: Spacing | None) -> Spacing | None:
    """The spacing that a store knows from its ingest, where the given one, which it is open with, isn't that."""
    if given is None or not _is_own(store.record):
        return None
    own = open_store(store.path).spacing
    return None if math.isclose(own.um_per_px, given.um_per_px, rel_tol=SAME_SPACING) else own


def _is_own(record: Json) -> bool:
    """Whether batchscan wrote the store: then every shard is there."""
    found = record.get("fingerprint")
    return isinstance(found, str) and _FINGERPRINT.fullmatch(found) is not None


def _own_damage(tree: Tree, record: Json, finest: Level) -> Damage:
    try:
        return read_damage(record, finest.width_px, finest.height_px)
    except ValueError as error:
        raise UnopenableSlide(f"{tree.root}: its attributes can't be believed: {error}: ingest it again") from error


def _own_source(spacing: Spacing, record: Json) -> Spacing:
    """A store of ours remembers who said what its spacing is."""
    source = record.get("um_per_px_source")
    return Spacing(spacing.um_per_px, SpacingSource(source)) if source in list(SpacingSource) else spacing


def _over_white(planes: Uint8Array) -> Uint8Array:
    """RGBA, not premultiplied, on white."""
    blended = np.empty((N_RGB, *planes.shape[1:]), dtype=np.uint8)
    for row in range(0, planes.shape[1], BLENDED_ROWS):
        part = planes[:, row : row + BLENDED_ROWS]
        alpha = part[3].astype(np.float32) / WHITE
        blended[:, row : row + BLENDED_ROWS] = np.rint(part[:3] * alpha + WHITE * (1 - alpha))
    return blended
