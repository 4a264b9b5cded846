"""Pixels of any source become a whole OME-Zarr 0.5 pyramid with its final name, streamed shard by shard."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import LocalStore

from batchscan import __version__
from batchscan.domain.errors import OutputError
from batchscan.domain.geometry import Spacing
from batchscan.domain.records import Uint8Array
from batchscan.stores.area import padded, shrink
from batchscan.stores.crew import Crew, wait_for
from batchscan.stores.damage import DAMAGED_PX, Damage
from batchscan.stores.ngff import image_attributes
from batchscan.stores.pyramids import OWN_ATTRIBUTES, open_store
from batchscan.stores.staging import staged_folder

# One chunk has all three channels: whoever wants a pixel wants its colour, and a third of the chunks are decoded.
CHUNK = (3, 512, 512)
SHARD_PX = 4096
SHARD = (3, SHARD_PX, SHARD_PX)
ZSTD_LEVEL = 1
COARSEST_BELOW_PX = 1024
SHARDS_AT_ONCE = 2


class PixelSource(Protocol):
    """Where a pyramid's level 0 comes from; read from several threads at once."""

    @property
    def width_px(self) -> int:
        """Width of level 0."""
        ...

    @property
    def height_px(self) -> int:
        """Height of level 0."""
        ...

    @property
    def tile_px(self) -> int:
        """Side of the squares that are best read at once."""
        ...

    def read(self, x: int, y: int, width: int, height: int) -> Uint8Array:
        """(height, width, 3) uint8 RGB of a part that lies inside."""
        ...


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What a store says besides its pixels.

    Parameters
    ----------
    slide_id
        Its name.
    spacing
        Of level 0, with who said so.
    source
        Whitelisted facts of what it was made from; JSON values.
    """

    slide_id: str
    spacing: Spacing
    source: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Shard:
    """A shard's part of a level: its place among the shards, and the pixels it covers."""

    row: int
    col: int
    x: int
    y: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        return slice(None), slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


def write_pyramid(
    final: Path,
    pixels: PixelSource,
    facts: StoreFacts,
    crew: Crew,
    on_pixels: Callable[[int], None],
    damage: Callable[[], Damage] = Damage,
) -> None:
    """Write a store; it is read back and on the disk before it gets its name, and nothing stays if anything goes wrong.

    Memory: two shards of 48 MiB being filled and encoded, and a tile a thread, whatever the size of the slide.

    Parameters
    ----------
    final
        The store's folder; an old one of this name is replaced.
    pixels
        Level 0.
    facts
        What the store says of itself.
    crew
        Threads to work with.
    on_pixels
        Told, on any of the threads, how many more pixels of level 0 have been read; 0 when another step has ended.
    damage
        Asked once level 0 has been read: what of `pixels` isn't the slide's.

    Raises
    ------
    OutputError
        If it can't be written, or what is read back isn't what was written.
    SlideError
        What `pixels` and `damage` raise.
    """
    with staged_folder(final, lambda: on_pixels(0)) as folder:
        try:
            _PyramidWriter(folder, pixels, facts, crew, on_pixels).write(damage)
        except Exception:
            raise
        except BaseException:
            # Interrupted while threads still write into the folder that is about to be removed.
            crew.abandon()
            raise
        _check_opens(folder, final, pixels)


class _PyramidWriter:
    """Writes one store; `_written` holds the sha256 of each shard's pixels by level and place."""

    def __init__(
        self, folder: Path, pixels: PixelSource, facts: StoreFacts, crew: Crew, on_pixels: Callable[[int], None]
    ) -> None:
        self._folder = folder
        self._pixels = pixels
        self._facts = facts
        self._crew = crew
        self._on_pixels = on_pixels
        sizes = list(level_sizes(pixels.width_px, pixels.height_px))
        self._levels = [_create_level(folder / str(level), size) for level, size in enumerate(sizes)]
        self._written: list[dict[tuple[int, int], bytes]] = [{} for _ in sizes]
        self._damage = Damage()

    def write(self, damage: Callable[[], Damage]) -> None:
        self._write_finest()
        self._damage = damage()
        for level in range(1, len(self._levels)):
            self._crew.run(self._write_halved, ((level, shard) for shard in self._shards(level)), SHARDS_AT_ONCE)
        coarsest = len(self._levels) - 1
        self._crew.run(self._read_back, ((coarsest, shard) for shard in self._shards(coarsest)), SHARDS_AT_ONCE)
        # The group's document comes last: without it the folder is no image.
        self._write_group()

    def _shards(self, level: int) -> Iterator[_Shard]:
        _, height, width = self._levels[level].shape
        for row, col in itertools.product(range(math.ceil(height / SHARD_PX)), range(math.ceil(width / SHARD_PX))):
            yield self._shard(level, row, col)

    def _shard(self, level: int, row: int, col: int) -> _Shard:
        _, height, width = self._levels[level].shape
        x, y = col * SHARD_PX, row * SHARD_PX
        return _Shard(row, col, x, y, min(SHARD_PX, width - x), min(SHARD_PX, height - y))

    def _halves_of(self, level: int, shard: _Shard) -> Iterator[_Shard]:
        """The shards of the next finer level that cover the same part of the slide."""
        places = itertools.product((2 * shard.row, 2 * shard.row + 1), (2 * shard.col, 2 * shard.col + 1))
        return (self._shard(level - 1, *place) for place in places if place in self._written[level - 1])

    def _write_finest(self) -> None:
        """One shard is filled, tile by tile on all threads, while the one before is encoded."""
        encoding: list[Future[Any]] = []
        try:
            for shard in self._shards(0):
                block: Uint8Array = np.empty((3, shard.height, shard.width), dtype=np.uint8)
                tiles = _tiles(shard, self._pixels.tile_px)
                wait_for([self._crew.submit(self._fill, block, shard, *tile) for tile in tiles])
                wait_for(encoding)
                encoding = [self._crew.submit(self._store, 0, shard, block)]
        finally:
            wait_for(encoding)

    def _fill(self, block: Uint8Array, shard: _Shard, x: int, y: int, width: int, height: int) -> None:
        tile = self._pixels.read(shard.x + x, shard.y + y, width, height)
        block[:, y : y + height, x : x + width] = tile.transpose(2, 0, 1)
        self._on_pixels(width * height)

    def _store(self, level: int, shard: _Shard, block: Uint8Array) -> None:
        self._levels[level][shard.slices] = block
        self._written[level][shard.row, shard.col] = hashlib.sha256(block.data).digest()
        self._on_pixels(0)

    def _write_halved(self, level: int, shard: _Shard) -> None:
        """Read back the (up to four) shards that a shard of the next coarser level is made of, and average them."""
        block: Uint8Array = np.empty((3, shard.height, shard.width), dtype=np.uint8)
        for finer in self._halves_of(level, shard):
            x, y = finer.x // 2 - shard.x, finer.y // 2 - shard.y
            for channel, plane in enumerate(self._read_back(level - 1, finer)):
                half = shrink(padded(plane, _even(finer.height), _even(finer.width)), 2)
                block[channel, y : y + half.shape[0], x : x + half.shape[1]] = half
        self._store(level, shard, block)

    def _read_back(self, level: int, shard: _Shard) -> Uint8Array:
        try:
            block = np.ascontiguousarray(self._levels[level][shard.slices])
        except (ValueError, RuntimeError) as error:
            raise self._differs(level, shard) from error
        if hashlib.sha256(block.data).digest() != self._written[level][shard.row, shard.col]:
            raise self._differs(level, shard)
        self._on_pixels(0)
        return block

    def _differs(self, level: int, shard: _Shard) -> OutputError:
        return OutputError(
            f"{self._folder}: shard {shard.row}, {shard.col} of level {level} reads back other than it was written: "
            "disk or memory is faulty; check them before writing there again"
        )

    def _write_group(self) -> None:
        um_per_px = [self._facts.spacing.um_per_px * 2**level for level in range(len(self._levels))]
        attributes = {
            "ome": image_attributes(self._facts.slide_id, um_per_px),
            OWN_ATTRIBUTES: {
                "writer": __version__,
                "slide_id": self._facts.slide_id,
                "um_per_px_source": str(self._facts.spacing.source),
                "source": dict(self._facts.source),
                "fingerprint": self._fingerprint(),
                # Stores of whole slides stay as they were.
                **({DAMAGED_PX: self._damage.document()} if self._damage else {}),
            },
        }
        document = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        (self._folder / "zarr.json").write_text(json.dumps(document, indent=2), encoding="utf-8")

    def _fingerprint(self) -> str:
        """Of level 0's size, spacing, pixels and damage; the shards' order doesn't depend on that of the threads."""
        _, height, width = self._levels[0].shape
        digest = hashlib.sha256(f"{width} {height} {self._facts.spacing.um_per_px!r}".encode())
        for place in sorted(self._written[0]):
            digest.update(self._written[0][place])
        if self._damage:
            digest.update(repr(self._damage.document()).encode())
        return f"sha256:{digest.hexdigest()}"


def level_sizes(width_px: int, height_px: int) -> Iterator[tuple[int, int]]:
    """(width, height) of each level: halves, rounded up, until both sides are below 1,024 pixels."""
    yield width_px, height_px
    while max(width_px, height_px) >= COARSEST_BELOW_PX:
        width_px, height_px = math.ceil(width_px / 2), math.ceil(height_px / 2)
        yield width_px, height_px


def _create_level(folder: Path, size: tuple[int, int]) -> zarr.Array[Any]:
    width, height = size
    return zarr.create_array(
        LocalStore(folder),
        shape=(3, height, width),
        dtype="uint8",
        chunks=CHUNK,
        shards=SHARD,
        filters=(),
        compressors=(ZstdCodec(level=ZSTD_LEVEL), Crc32cCodec()),
        # A shard that got lost looks black in any viewer, not like empty glass.
        fill_value=0,
        dimension_names=("c", "y", "x"),
        config={"write_empty_chunks": True},
    )


def _tiles(shard: _Shard, side: int) -> list[tuple[int, int, int, int]]:
    """(x, y, width, height) within a shard."""
    return [
        (x, y, min(side, shard.width - x), min(side, shard.height - y))
        for y, x in itertools.product(range(0, shard.height, side), range(0, shard.width, side))
    ]


def _even(size: int) -> int:
    return size + size % 2


def _check_opens(folder: Path, final: Path, pixels: PixelSource) -> None:
    store = open_store(folder)
    expected = list(level_sizes(pixels.width_px, pixels.height_px))
    found = [(level.width_px, level.height_px) for level in store.levels]
    if found != expected:
        raise OutputError(f"{final}: read back with levels {found}, written with {expected}; report this as a defect")
