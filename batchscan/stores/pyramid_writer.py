"""Pixels of any source become a whole OME-Zarr 0.5 pyramid with its final name, streamed shard by shard."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import LocalStore

from batchscan import __version__
from batchscan.domain.errors import OutputError
from batchscan.domain.geometry import Spacing
from batchscan.domain.records import Uint8Array
from batchscan.stores.crew import Countdown, Crew, Errands
from batchscan.stores.damage import DAMAGED_PX, Damage
from batchscan.stores.ngff import image_attributes
from batchscan.stores.packed_levels import PackedLevels, Part, parts
from batchscan.stores.pyramids import OWN_ATTRIBUTES, open_store
from batchscan.stores.shards import ZSTD_LEVEL, shard_order
from batchscan.stores.staging import staged_folder

# One chunk has all three channels: whoever wants a pixel wants its colour, and a third of the chunks are decoded.
CHUNK = (3, 512, 512)
SHARD_PX = 4096
SHARD = (3, SHARD_PX, SHARD_PX)
COARSEST_BELOW_PX = 1024
BLOCKS_AT_ONCE = 2


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


@runtime_checkable
class FillsPlanes(Protocol):
    """A source that needs no memory of its own for what is read."""

    def fill(self, planes: Uint8Array, x: int, y: int) -> None:
        """Fill (3, height, width) uint8, a part of something larger, with what `read` would give."""
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


class _Block:
    """A shard's part of level 0 in memory, at a place (row, col) among the shards; what is still to be done with it."""

    def __init__(self, memory: Uint8Array, part: Part, tile_px: int, square_px: int) -> None:
        self.memory = memory
        self.planes = memory[: 3 * part.height * part.width].reshape(3, part.height, part.width)
        self.place = _place(part)
        self.part = part
        self.tiles = tuple(parts(part.width, part.height, tile_px))
        self.squares = tuple(parts(part.width, part.height, square_px))
        self.unread = Countdown(len(self.tiles))
        # The squares are packed, and all of it is hashed.
        self.unpacked = Countdown(len(self.squares) + 1)


class _PyramidWriter:
    """Writes one store in one pass: while a shard's block is hashed and packed, the next one is read already."""

    def __init__(
        self, folder: Path, pixels: PixelSource, facts: StoreFacts, crew: Crew, on_pixels: Callable[[int], None]
    ) -> None:
        self._folder = folder
        self._pixels = pixels
        self._facts = facts
        self._on_pixels = on_pixels
        self._sizes = list(level_sizes(pixels.width_px, pixels.height_px))
        for level, size in enumerate(self._sizes):
            _create_level(folder / str(level), size)
        block_bytes = 3 * math.prod(min(side, SHARD_PX) for side in self._sizes[0])
        self._errands = Errands(crew)
        self._levels = PackedLevels(folder, self._sizes, CHUNK[-1], SHARD_PX, self._errands, lambda: on_pixels(0))
        # Memory that no block has; and the places of blocks that are read.
        self._free = [np.empty(block_bytes, np.uint8) for _ in range(BLOCKS_AT_ONCE)]
        self._read: list[tuple[int, int]] = []
        # The sha256 of each block's pixels.
        self._hashes: dict[tuple[int, int], bytes] = {}
        self._damage = Damage()

    def write(self, damage: Callable[[], Damage]) -> None:
        blocks = sorted(parts(*self._sizes[0], SHARD_PX), key=lambda part: shard_order(_place(part)))
        with self._levels, self._errands:
            for part in blocks:
                self._errands.wait(lambda: bool(self._free))
                self._start(_Block(self._free.pop(), part, self._pixels.tile_px, self._levels.square_px))
            self._errands.wait(lambda: len(self._read) == len(blocks))
            self._damage = damage()
            self._errands.wait()
        # The group's document comes last: without it the folder is no image.
        self._write_group()

    def _start(self, block: _Block) -> None:
        for tile in block.tiles:
            self._errands.submit(self._fill, block, tile)

    def _fill(self, block: _Block, tile: Part) -> None:
        planes = block.planes[:, tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
        x, y = block.part.x + tile.x, block.part.y + tile.y
        if isinstance(self._pixels, FillsPlanes):
            self._pixels.fill(planes, x, y)
        else:
            planes[...] = self._pixels.read(x, y, tile.width, tile.height).transpose(2, 0, 1)
        self._on_pixels(tile.width * tile.height)
        if block.unread.is_last():
            self._read.append(block.place)
            self._errands.submit(self._hash, block)
            for square in block.squares:
                self._errands.submit(self._pack, block, square)

    def _hash(self, block: _Block) -> None:
        self._hashes[block.place] = hashlib.sha256(block.planes.data).digest()
        self._let_go(block)

    def _pack(self, block: _Block, square: Part) -> None:
        planes = block.planes[:, square.y : square.y + square.height, square.x : square.x + square.width]
        self._levels.add(0, planes, block.part.x + square.x, block.part.y + square.y)
        self._let_go(block)

    def _let_go(self, block: _Block) -> None:
        if block.unpacked.is_last():
            self._free.append(block.memory)

    def _write_group(self) -> None:
        um_per_px = [self._facts.spacing.um_per_px * 2**level for level in range(len(self._sizes))]
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
        width, height = self._sizes[0]
        digest = hashlib.sha256(f"{width} {height} {self._facts.spacing.um_per_px!r}".encode())
        for place in sorted(self._hashes):
            digest.update(self._hashes[place])
        if self._damage:
            digest.update(repr(self._damage.document()).encode())
        return f"sha256:{digest.hexdigest()}"


def level_sizes(width_px: int, height_px: int) -> Iterator[tuple[int, int]]:
    """(width, height) of each level: halves, rounded up, until both sides are below 1,024 pixels."""
    yield width_px, height_px
    while max(width_px, height_px) >= COARSEST_BELOW_PX:
        width_px, height_px = math.ceil(width_px / 2), math.ceil(height_px / 2)
        yield width_px, height_px


def _create_level(folder: Path, size: tuple[int, int]) -> None:
    """Its document; the shards are ours to write."""
    width, height = size
    zarr.create_array(
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


def _place(part: Part) -> tuple[int, int]:
    """(row, col) of a shard."""
    return part.y // SHARD_PX, part.x // SHARD_PX


def _check_opens(folder: Path, final: Path, pixels: PixelSource) -> None:
    store = open_store(folder)
    expected = list(level_sizes(pixels.width_px, pixels.height_px))
    found = [(level.width_px, level.height_px) for level in store.levels]
    if found != expected:
        raise OutputError(f"{final}: read back with levels {found}, written with {expected}; report this as a defect")
