"""A rectangle of an open OpenSlide file becomes RGB, plane by plane, without the copies on the way to a picture.

OpenSlide's Python binding makes memory for each rectangle, turns its pixels round in it and wraps them in a Pillow
image, from which they are copied twice more. Here the memory of a thread is used again and again, and the planes are
taken from it at once. For that, the two functions are called that the binding's own `read_region` is made of.
"""

from __future__ import annotations

import ctypes
import threading

import numpy as np
import openslide
from numpy.typing import NDArray
from openslide import lowlevel
from PIL import Image

from batchscan.domain.records import Uint8Array

OPAQUE = 255
# In a pixel of OpenSlide's, a native number of alpha, red, green and blue.
_ALPHA_BITS = 24
_RED_GREEN_BLUE_BITS = (16, 8, 0)
# What is at work at once stays in the processor's cache.
_STRIP_PX = 1 << 14


class PixelReader:
    """Reads by OpenSlide's handles from any number of threads; each keeps the memory for its largest rectangle."""

    def __init__(self) -> None:
        self._own = threading.local()

    def fill(
        self,
        planes: Uint8Array,
        handle: openslide.OpenSlide,
        corner: tuple[int, int],
        level: int,
        background: tuple[int, int, int],
    ) -> None:
        """Fill (3, height, width) uint8 with what the handle's own `read_region` gives, on a background.

        Parameters
        ----------
        planes
            Red, green, blue; may be a part of something larger, rows and columns above 0.
        handle
            The slide.
        corner
            (x, y) in level-0 pixels.
        level
            Of the file.
        background
            RGB of where the slide has no pixels.

        Raises
        ------
        openslide.OpenSlideError
            As the handle's own; `planes` may then hold anything.
        """
        _, height, width = planes.shape
        argb = self._memory(width, height)
        pointer = argb.ctypes.data_as(ctypes.POINTER(ctypes.c_uint32))
        lowlevel._read_region(handle._osr, pointer, *corner, level, width, height)  # noqa: SLF001 - see above
        if int(np.bitwise_and.reduce(argb, axis=None)) >> _ALPHA_BITS == OPAQUE:
            _take_planes(planes, argb)
        else:
            # Turned round in its place, by which it isn't ARGB any more.
            region = lowlevel._load_image(argb, (width, height))  # noqa: SLF001 - see above
            planes[...] = _over(region, background).transpose(2, 0, 1)

    def _memory(self, width: int, height: int) -> NDArray[np.uint32]:
        held: NDArray[np.uint32] | None = getattr(self._own, "argb", None)
        if held is None or held.size < width * height:
            held = self._own.argb = np.empty(width * height, np.uint32)
        return held[: width * height].reshape(height, width)


def _take_planes(planes: Uint8Array, argb: NDArray[np.uint32]) -> None:
    """Of opaque pixels."""
    height, width = argb.shape
    step = max(1, _STRIP_PX // width)
    for row in range(0, height, step):
        strip = argb[row : row + step]
        for plane, bits in zip(planes, _RED_GREEN_BLUE_BITS, strict=True):
            plane[row : row + step] = strip >> bits


def _over(region: Image.Image, background: tuple[int, int, int]) -> Uint8Array:
    """RGBA on a background."""
    rgba = np.asarray(region)
    share = rgba[..., 3:].astype(np.float32) / OPAQUE
    blended = rgba[..., :3] * share + np.asarray(background, dtype=np.float32) * (1 - share)
    return np.asarray(np.rint(blended), dtype=np.uint8)
