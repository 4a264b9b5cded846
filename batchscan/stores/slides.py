"""A vendor's slide file becomes levels, a spacing and RGB boxes."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import openslide

from batchscan.domain.errors import MissingSpacing, UnopenableSlide, UnreadableSlide
from batchscan.domain.geometry import Box, Spacing, SpacingSource, floor_px
from batchscan.domain.plain_text import plain
from batchscan.domain.records import Uint8Array
from batchscan.stores.absence import noticed_absence
from batchscan.stores.area import WHITE, shrink
from batchscan.stores.openslide_pixels import PixelReader
from batchscan.stores.sizes import check_content, check_levels, check_tile
from batchscan.stores.spacings import SPACING_REMEDY, square_spacing

WHITE_HEX = "FFFFFF"
SPACING_TOLERANCE = 0.02
READ_AT_ONCE_PX = 2048
SMALLEST_TILE_PX = 64
_VENDORS_OF_FOLDERS = frozenset({"dicom", "hamamatsu", "mirax", "trestle", "unknown"})
_PROPERTIES = (
    openslide.PROPERTY_NAME_VENDOR,
    openslide.PROPERTY_NAME_QUICKHASH1,
    openslide.PROPERTY_NAME_MPP_X,
    openslide.PROPERTY_NAME_MPP_Y,
    openslide.PROPERTY_NAME_OBJECTIVE_POWER,
    openslide.PROPERTY_NAME_BACKGROUND_COLOR,
)
_LONGEST_WORDS = 200
_QUOTED = re.compile(r"""(?<!\w)'[^']*'|"[^"]*"|‘[^’]*’|“[^”]*”""")  # noqa: RUF001 - GLib quotes so


@dataclass(frozen=True, slots=True)
class VendorLevel:
    """One level of the file: its own size, level-0 pixels a pixel of it, (width, height) of its tiles or (0, 0)."""

    width_px: int
    height_px: int
    downsample: float
    tile_px: tuple[int, int] = (0, 0)


class LevelReader(Protocol):
    """A slide file's levels and their pixels."""

    @property
    def levels(self) -> tuple[VendorLevel, ...]:
        """Finest first."""
        ...

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Uint8Array:
        """(height, width, 3) uint8 RGB of a part that lies inside a level, in its pixels."""
        ...

    def fill(self, planes: Uint8Array, level: int, x: int, y: int) -> None:
        """The same into (3, height, width) uint8, which may be a part of something larger."""
        ...


class VendorSlide:
    """An open slide file. Safe to read from several threads; closes as a context manager.

    Label, macro and thumbnail images, dates, comments and whatever else the file says are never touched.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    UnopenableSlide
        If OpenSlide doesn't recognise the file, or can't open it.
    SourceVanished
        If it isn't there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with noticed_absence(path):
            self._handle = _open(path)
        self._reopening = threading.Lock()
        self._reader = PixelReader()
        try:
            sizes, downsamples = self._handle.level_dimensions, self._handle.level_downsamples
            self._properties = dict(self._wanted(len(sizes)))
        except openslide.OpenSlideError as error:
            raise _unopenable(path, _plain(error, path)) from error
        self.levels = tuple(
            VendorLevel(width, height, down, self._tile_px(index))
            for index, ((width, height), down) in enumerate(zip(sizes, downsamples, strict=True))
        )
        try:
            self._check_sizes()
        except BaseException:
            self.close()
            raise

    @property
    def vendor(self) -> str:
        """OpenSlide's name of the format: `aperio`, `dicom`, ..."""
        return self._properties.get(openslide.PROPERTY_NAME_VENDOR, "unknown")

    @property
    def quickhash(self) -> str:
        """OpenSlide's own hash of the slide's coarsest level and layout, the same for each file of it; may be empty."""
        return self._properties.get(openslide.PROPERTY_NAME_QUICKHASH1, "")

    def spacing(self) -> Spacing:
        """Level-0 spacing as the scanner wrote it.

        Raises
        ------
        MissingSpacing
            If it wrote none.
        ImplausibleSpacing
            If it can't be one (a 72-dpi tag), or pixels aren't square within 2 %.
        """
        um_x, um_y = self._number(openslide.PROPERTY_NAME_MPP_X), self._number(openslide.PROPERTY_NAME_MPP_Y)
        if um_x is None or um_y is None:
            raise MissingSpacing(
                f"{self.path}: the {self.vendor} file doesn't say how many micrometres a pixel is: {SPACING_REMEDY}"
            )
        return square_spacing(self.path, um_x, um_y, SpacingSource.VENDOR)

    def facts(self) -> dict[str, Any]:
        """All that is ever kept of the file's metadata."""
        return {
            "format": self.vendor,
            "objective_power": self._number(openslide.PROPERTY_NAME_OBJECTIVE_POWER),
            "um_per_px_x": self._number(openslide.PROPERTY_NAME_MPP_X),
            "um_per_px_y": self._number(openslide.PROPERTY_NAME_MPP_Y),
            "level_sizes_px": [[level.width_px, level.height_px] for level in self.levels],
        }

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Uint8Array:
        """Pixels of one level, on the slide's background colour where it has none.

        Parameters
        ----------
        level
            Index into `levels`.
        x, y, width, height
            In pixels of that level. OpenSlide wants the corner in level-0 pixels: where a level's downsample isn't
            whole it is moved by up to half a level-0 pixel.

        Returns
        -------
        (height, width, 3) uint8 RGB.

        Raises
        ------
        UnreadableSlide, SourceVanished
            If the file can't be decoded there; if it is gone.
        """
        planes = np.empty((3, height, width), np.uint8)
        self.fill(planes, level, x, y)
        return planes.transpose(1, 2, 0)

    def fill(self, planes: Uint8Array, level: int, x: int, y: int) -> None:
        """The same into (3, height, width) uint8, which may be a part of something larger; raises the same."""
        downsample = self.levels[level].downsample
        corner = round(x * downsample), round(y * downsample)
        handle = self._handle
        with noticed_absence(self.path):
            try:
                self._reader.fill(planes, handle, corner, level, self._background)
            except openslide.OpenSlideError as error:
                self._reopen(handle)
                _, height, width = planes.shape
                raise UnreadableSlide(
                    f"{self.path}: level {level} can't be decoded within x {x}, y {y}, {width} x {height} px "
                    f"({_plain(error, self.path)}); expected an intact slide, it may be cut off: copy the "
                    "file again from the scanner and compare sizes"
                ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_sizes(self) -> None:
        check_levels(self.path, len(self.levels))
        for level in self.levels:
            check_tile(self.path, *level.tile_px)
        finest = self.levels[0]
        check_content(self.path, finest.width_px, finest.height_px, _file_bytes(self.path, self.vendor))

    def _tile_px(self, level: int) -> tuple[int, int]:
        sides = (self._number(f"openslide.level[{level}].tile-{side}") for side in ("width", "height"))
        width, height = (int(side or 0) for side in sides)
        return width, height

    def _wanted(self, n_levels: int) -> Iterator[tuple[str, str]]:
        """The few properties that are ever looked at; those that the file hasn't, or can't be read, are left out."""
        tiles = (f"openslide.level[{index}].tile-{side}" for index in range(n_levels) for side in ("width", "height"))
        for name in (*_PROPERTIES, *tiles):
            try:
                yield name, str(self._handle.properties[name])
            except (KeyError, UnicodeDecodeError):
                continue

    @property
    def _background(self) -> tuple[int, int, int]:
        text = self._properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR, WHITE_HEX)
        red, green, blue = bytes.fromhex(text)
        return red, green, blue

    def _number(self, name: str) -> float | None:
        try:
            number = float(self._properties[name])
        except (KeyError, ValueError):
            return None
        return number if math.isfinite(number) else None

    def _reopen(self, spoilt: openslide.OpenSlide) -> None:
        """After an error OpenSlide refuses everything on a handle; other threads may still be inside the old one."""
        with self._reopening:
            if self._handle is spoilt:
                self._handle = _open(self.path)


class ShrunkSlide:
    """One level of a slide, shrunk by a whole factor: what an archive keeps of it.

    Parameters
    ----------
    slide
        Open as long as this is read.
    level
        Index into its levels.
    factor
        Pixels of the level along a side of a pixel of this.
    """

    def __init__(self, slide: LevelReader, level: int, factor: int) -> None:
        self._slide = slide
        self.level = level
        self._factor = factor
        self.source = slide.levels[level]
        self.width_px = math.ceil(self.source.width_px / factor)
        self.height_px = math.ceil(self.source.height_px / factor)
        # Large enough that few of the scanner's tiles are decoded twice, small enough for many threads.
        self.tile_px = max(SMALLEST_TILE_PX, 1 << int(math.log2(READ_AT_ONCE_PX / factor)))

    @property
    def downsample(self) -> float:
        """The slide's level-0 pixels along a side of a pixel of this."""
        return self.source.downsample * self._factor

    def read(self, x: int, y: int, width: int, height: int) -> Uint8Array:
        """(height, width, 3) uint8 RGB: exact area averages; beyond the level's edge is white.

        Raises
        ------
        UnreadableSlide
            If the file can't be decoded there.
        """
        planes = np.empty((3, height, width), np.uint8)
        self.fill(planes, x, y)
        return planes.transpose(1, 2, 0)

    def fill(self, planes: Uint8Array, x: int, y: int) -> None:
        """The same into (3, height, width) uint8, which may be a part of something larger; raises the same."""
        if self._factor == 1:
            self._slide.fill(planes, self.level, x, y)
            return
        _, height, width = planes.shape
        left, top = x * self._factor, y * self._factor
        wide = min(width * self._factor, self.source.width_px - left)
        high = min(height * self._factor, self.source.height_px - top)
        finer = np.empty((3, height * self._factor, width * self._factor), np.uint8)
        finer[:, high:] = WHITE
        finer[:, :, wide:] = WHITE
        self._slide.fill(finer[:, :high, :wide], self.level, left, top)
        for plane, of_finer in zip(planes, finer, strict=True):
            plane[...] = shrink(of_finer, self._factor)

    def touched_by(self, box: Box) -> Box:
        """The whole pixels of this that have anything of a box in the level's pixels."""
        x, y = int(box.x) // self._factor, int(box.y) // self._factor
        right, bottom = (math.ceil(end / self._factor) for end in (box.right, box.bottom))
        return Box(x, y, right - x, bottom - y)

    def source_of(self, box: Box) -> Box:
        """What a box in whole pixels of this is made from, in the level's pixels."""
        return box.scaled(self._factor).clipped(self.source.width_px, self.source.height_px)


def shrunk_to(slide: LevelReader, um_per_px: float, finest_um_per_px: float) -> ShrunkSlide:
    """The slide at the coarsest spacing that is still as fine as asked for: its best level, shrunk by a whole factor.

    Parameters
    ----------
    slide
        The slide.
    um_per_px
        Its level-0 spacing.
    finest_um_per_px
        What is asked for; 2 % more counts as the same. A slide that is coarser stays as it is.
    """
    limit = finest_um_per_px * (1 + SPACING_TOLERANCE)
    fine_enough = [index for index, level in enumerate(slide.levels) if um_per_px * level.downsample <= limit]
    level = max(fine_enough, key=lambda index: slide.levels[index].downsample, default=0)
    factor = max(1, floor_px(limit / (um_per_px * slide.levels[level].downsample)))
    return ShrunkSlide(slide, level, factor)


def vendor_of(path: Path) -> str | None:
    """OpenSlide's name of the file's format, whatever the file's name ends with; None if it doesn't know it.

    A pipe or device is never read. Empty where OpenSlide knows the format, and what is wrong with the file: opening
    will say it.
    """
    try:
        if not path.is_file():
            return None
        vendor = openslide.OpenSlide.detect_format(path)
    except OSError:
        return None
    except openslide.OpenSlideError:
        return ""
    return None if vendor is None else str(vendor)


def _open(path: Path) -> openslide.OpenSlide:
    if _is_no_file(path):
        # Opening a pipe would wait for ever.
        raise _unopenable(path, "a slide is a file")
    try:
        return openslide.OpenSlide(path)
    except openslide.OpenSlideUnsupportedFormatError as error:
        raise _unopenable(path, "OpenSlide doesn't recognise it") from error
    except openslide.OpenSlideError as error:
        raise _unopenable(path, _plain(error, path)) from error


def _unopenable(path: Path, why: str) -> UnopenableSlide:
    return UnopenableSlide(
        f"{path}: can't be opened as a slide ({why}; {_found(path)}); expected a whole-slide image of a format that "
        "OpenSlide reads: copy the file again from the scanner, with all files that belong to it, or export OME-Zarr"
    )


def _is_no_file(path: Path) -> bool:
    try:
        return path.exists() and not path.is_file()
    except OSError:
        return False


def _found(path: Path) -> str:
    """What kind of thing lies there, without repeating any of it: it may name a patient."""
    try:
        if _is_no_file(path):
            return "found a folder" if path.is_dir() else "found a pipe or device"
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(1024)
    except OSError as error:
        return error.strerror or "it can't be read"
    if not head:
        return "the file is empty"
    is_text = b"\0" not in head and head.isascii()
    return f"found text of {size} bytes" if is_text else f"found a file of {size} bytes, it may be cut off"


def _file_bytes(path: Path, vendor: str) -> Iterator[int]:
    """Sizes of a slide's files; where it has several, of all that lie in its folder, which is more if anything."""
    yield path.stat().st_size
    if vendor in _VENDORS_OF_FOLDERS:
        yield from (file.lstat().st_size for file in path.parent.rglob("*"))


def _plain(error: Exception, path: Path) -> str:
    """Without the slide's path and without what it quotes: that is the file's own text."""
    return plain(_QUOTED.sub("'...'", str(error).replace(str(path), "the file")))[:_LONGEST_WORDS]
