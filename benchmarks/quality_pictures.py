"""One real slide, spoilt in several ways -> a sheet of what each measure of quality sees of it: docs/quality.jpg.

    python benchmarks/quality_pictures.py ARCHIVE docs/quality.jpg [--slide 8865]

Pen is outlined in white on blue, dark matter in white on orange. Below each overview a square of 1.6 mm as the network
gets it, and what the slide is graded for.
"""
# ruff: noqa: INP001, T201 - a script, which prints

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from quality_limits import MODEL_UM_PER_PX, WAYS, halved, look, slides
from scipy import ndimage

from batchscan.domain.quality import Quality, judged
from batchscan.domain.quality_limits import QualitySettings, quality_settings
from batchscan.domain.records import Uint8Array
from batchscan.scan.quality import overview_quality
from batchscan.scan.tissue import find_tissue
from batchscan.stores.packages import open_package

SHOWN = (
    "as it is", "blur 1 px", "blur 2 px, upper third", "pen over 10%", "folds over 40%",
    "stain 50%", "stain 150%", "light 70%", "light 140%",
)  # fmt: skip
N_COLS, GAP, CLOSE_UP = 3, 16, 200
WIDTH = 300
_FONT = Path(__file__).parents[1] / "templates" / "IBMPlexSans-SemiBold.ttf"
_PEN_RGB, _DARK_RGB = (0, 114, 178), (230, 120, 0)


def marked(pixels: Uint8Array) -> Uint8Array:
    """The overview of a slide at the model's spacing, with what counts as pen and as dark matter drawn in."""
    overview = halved(pixels)
    tissue = find_tissue(overview, 2 * MODEL_UM_PER_PX)
    for mask, rgb in ((tissue.pen, _PEN_RGB), (overview_quality(overview, tissue).dark, _DARK_RGB)):
        edge = ndimage.binary_dilation(mask, iterations=3) & ~mask
        overview[mask] = rgb
        overview[edge] = 255
    return overview


def busiest(pixels: Uint8Array) -> tuple[int, int]:
    """(top, left) of the square with the most haematoxylin-like darkness in the upper third, which all ways spoil."""
    grey = 255 - pixels[: len(pixels) // 3].mean(axis=2)
    means = ndimage.uniform_filter(grey, CLOSE_UP)
    half = CLOSE_UP // 2
    row, col = np.unravel_index(int(means[half:-half, half:-half].argmax()), means[half:-half, half:-half].shape)
    return int(row), int(col)


def verdict(quality: Quality) -> str:
    """The grade, and the measures that are to blame with their values."""
    blamed = [f"{one.name} {one.value:.2g}" for one in quality.measures if one.value is not None and one.code]
    return f"{(quality.grade or 'not judged').replace('_', ' ')}: {', '.join(blamed) or 'nothing found'}"


def cell(way: str, pixels: Uint8Array, at: tuple[int, int], limits: QualitySettings) -> Image.Image:
    """One spoilt slide: overview, square, words."""
    spoilt = WAYS[way](pixels)
    overview = Image.fromarray(marked(spoilt))
    overview = overview.resize((WIDTH, round(WIDTH * overview.height / overview.width)), Image.Resampling.BOX)
    close = Image.fromarray(spoilt[at[0] : at[0] + CLOSE_UP, at[1] : at[1] + CLOSE_UP])
    drawn = Image.new("RGB", (WIDTH + 8 + CLOSE_UP, max(overview.height, CLOSE_UP) + 58), "white")
    drawn.paste(overview, (0, 0))
    drawn.paste(close, (WIDTH + 8, 0))
    pen = ImageDraw.Draw(drawn)
    words = verdict(judged(look(spoilt).measured, limits))
    print(f"{way}: {words}")
    top = drawn.height - 54
    pen.text((0, top), way, fill="#1b1f24", font=ImageFont.truetype(_FONT, 19))
    pen.text((0, top + 27), words, fill="#1b1f24", font=ImageFont.truetype(_FONT, 14))
    return drawn


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("archive", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--slide", default="8865")
    asked = parser.parse_args()
    pixels = next(pixels for name, pixels, _ in slides(asked.archive) if name == asked.slide)
    limits = quality_settings(open_package("published-cnn").profile())
    at = busiest(pixels)
    cells = [cell(way, pixels, at, limits) for way in SHOWN]
    wide, high = cells[0].width + GAP, cells[0].height + GAP
    n_rows = -(-len(cells) // N_COLS)
    sheet = Image.new("RGB", (N_COLS * wide + GAP, n_rows * high + GAP), "white")
    for index, drawn in enumerate(cells):
        row, col = divmod(index, N_COLS)
        sheet.paste(drawn, (GAP + col * wide, GAP + row * high))
    sheet.save(asked.picture, quality=82)


if __name__ == "__main__":
    main()
