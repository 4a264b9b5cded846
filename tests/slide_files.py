"""RGB levels -> a tiled JPEG file in Aperio's form.

Directories, then coarse tiles, come first, so that a cut costs tiles of the finest level only.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Rgb = NDArray[np.uint8]
TILE_PX = 256
_SHORT, _LONG, _ASCII, _LONG8 = 3, 4, 2, 16


def tissue_like(rows: int, cols: int, seed: int = 0) -> Rgb:
    """Smooth random colours: JPEG keeps them well, and no two places are alike."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 250, (rows // 32 + 2, cols // 32 + 2, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((cols, rows), Image.Resampling.BICUBIC))


def write_aperio(path: Path, levels: Sequence[Rgb], description: str = "|AppMag = 20|MPP = 0.5") -> None:
    """Write levels, finest first; `description` follows the vendor's name."""
    tiles = [[jpeg_tile(tile) for tile in _tiles(level)] for level in levels]
    sizes = [(level.shape[1], level.shape[0]) for level in levels]
    write_tiles(path, sizes, tiles, description)


def write_spoilt(
    path: Path,
    levels: Sequence[Rgb],
    spoilt: Iterable[tuple[int, int]],
    description: str = "|AppMag = 20|MPP = 0.5",
    level: int = 0,
) -> Path:
    """The same, with the bytes of tiles (column, row) of one level gone: nothing there can be decoded."""
    tiles = [[jpeg_tile(tile) for tile in _tiles(each)] for each in levels]
    sizes = [(each.shape[1], each.shape[0]) for each in levels]
    for col, row in spoilt:
        place = row * -(-sizes[level][0] // TILE_PX) + col
        tiles[level][place] = bytes(len(tiles[level][place]))
    write_tiles(path, sizes, tiles, description)
    return path


def jpeg_tile(pixels: Rgb) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, subsampling=0)
    return stream.getvalue()


def write_tiles(
    path: Path, sizes: Sequence[tuple[int, int]], tiles: Sequence[Sequence[bytes]], description: str
) -> None:
    """Write a BigTIFF of encoded 256-px tiles, row by row; sizes are (width, height)."""
    text = f"Aperio Image Library\r\n{description}\0".encode()
    layouts = [_tags(size, len(own), text) for size, own in zip(sizes, tiles, strict=True)]
    start = 16
    places = []
    for layout in layouts:
        places.append(start)
        start += _directory_bytes(layout)
    with path.open("wb") as stream:
        stream.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16))
        for layout, own in zip(reversed(layouts), reversed(tiles), strict=True):
            layout[324] = (_LONG8, list(_offsets(start, own)))
            layout[325] = (_LONG, [len(tile) for tile in own])
            start += sum(map(len, own))
        for place, layout, after in zip(places, layouts, [*places[1:], 0], strict=True):
            stream.write(_directory(place, layout, after))
        for own in reversed(tiles):
            stream.writelines(own)


def _tiles(level: Rgb) -> Iterator[Rgb]:
    rows, cols = (-(-side // TILE_PX) for side in level.shape[:2])
    whole = np.full((rows * TILE_PX, cols * TILE_PX, 3), 255, dtype=np.uint8)
    whole[: level.shape[0], : level.shape[1]] = level
    for row in range(rows):
        for col in range(cols):
            yield whole[row * TILE_PX : (row + 1) * TILE_PX, col * TILE_PX : (col + 1) * TILE_PX]


Tags = dict[int, tuple[int, list[int] | bytes]]


def _tags(size: tuple[int, int], n_tiles: int, text: bytes) -> Tags:
    return {
        256: (_LONG, [size[0]]),
        257: (_LONG, [size[1]]),
        258: (_SHORT, [8, 8, 8]),
        259: (_SHORT, [7]),
        262: (_SHORT, [6]),
        270: (_ASCII, text),
        277: (_SHORT, [3]),
        284: (_SHORT, [1]),
        322: (_SHORT, [TILE_PX]),
        323: (_SHORT, [TILE_PX]),
        324: (_LONG8, [0] * n_tiles),
        325: (_LONG, [0] * n_tiles),
        530: (_SHORT, [1, 1]),
    }


def _packed(kind: int, values: list[int] | bytes) -> bytes:
    letter = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}.get(kind)
    return bytes(values) if letter is None else struct.pack(f"<{len(values)}{letter}", *values)


def _directory_bytes(tags: Tags) -> int:
    long_values = sum(len(data) for kind, values in tags.values() if len(data := _packed(kind, values)) > 8)
    return 8 + 20 * len(tags) + 8 + long_values


def _directory(place: int, tags: Tags, after: int) -> bytes:
    heap_place = place + 8 + 20 * len(tags) + 8
    entries, heap = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        data = _packed(kind, values)
        if len(data) > 8:
            field = struct.pack("<Q", heap_place + len(heap))
            heap += data
        else:
            field = data.ljust(8, b"\0")
        entries += struct.pack("<HHQ", tag, kind, len(values)) + field
    return struct.pack("<Q", len(tags)) + entries + struct.pack("<Q", after) + heap


def _offsets(start: int, tiles: Sequence[bytes]) -> Iterator[int]:
    for tile in tiles:
        yield start
        start += len(tile)
