"""A paragraph's words become its lines on paper, measured in the shipped typeface before a page is laid out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal

from PIL import ImageFont

Weight = Literal["Regular", "SemiBold"]

_MM_PER_PT = 25.4 / 72
# Widths are measured at this size, at which the typeface itself counts in whole units: no rounding to dots.
_MEASURED_PT = 1000
# A letter that the typeface hasn't comes from another one: lines are taken to fill up a little sooner than they do.
_SAFETY = 1.02


@dataclass(frozen=True, slots=True)
class Setting:
    """How a paragraph is set.

    Parameters
    ----------
    size_pt
        Of its letters.
    line_height
        From one line to the next, in sizes of its letters, as in CSS.
    width_mm
        Of a line.
    weight
        Of its letters.
    """

    size_pt: float
    line_height: float
    width_mm: float
    weight: Weight = "Regular"

    @property
    def line_mm(self) -> float:
        """Height of a line."""
        return self.size_pt * self.line_height * _MM_PER_PT

    def height_mm(self, words: str) -> float:
        """Height of a paragraph; none without words."""
        return self.line_mm * self.n_lines(words)

    def n_lines(self, words: str) -> int:
        """How many lines the words fill: as many words on each as fit, broken at ordinary spaces alone.

        The printer may break at a hyphen too: it never needs more lines. A word wider than a line is broken anywhere.
        """
        scale = self.size_pt * _MM_PER_PT * _SAFETY / _MEASURED_PT
        space_mm = _width(" ", self.weight) * scale
        lines, filled_mm = 0, math.inf
        for word in words.split(" "):
            if not word:
                continue
            word_mm = _width(word, self.weight) * scale
            if filled_mm + space_mm + word_mm <= self.width_mm:
                filled_mm += space_mm + word_mm
            else:
                lines += max(1, math.ceil(word_mm / self.width_mm))
                filled_mm = word_mm % self.width_mm
        return lines


@lru_cache(maxsize=4096)
def _width(word: str, weight: Weight) -> float:
    """Width of a word at the measured size; reports have most of them in common."""
    return _typeface(weight).getlength(word)


@cache
def _typeface(weight: Weight) -> ImageFont.FreeTypeFont:
    path = files("batchscan.templates").joinpath(f"IBMPlexSans-{weight}.ttf")
    # Every build of Pillow has the basic layout, which kerns a little less than the printer: lines are hardly wider.
    return ImageFont.truetype(str(path), _MEASURED_PT, layout_engine=ImageFont.Layout.BASIC)
