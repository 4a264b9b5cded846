"""What measures of quality come to on real slides and on spoilt copies, and what spoils the model: a table on stdout.

    python benchmarks/quality_limits.py ARCHIVE [--overviews FOLDER] [--scores]

ARCHIVE holds slide stores with references (`batchscan ingest PATCHES --archive ARCHIVE`); FOLDER, thumbnails (.png) of
other slides, taken to be at 16 um/px. The complete whole mounts are spoilt in every way below. With --scores the model
judges each copy: sensitivity and specificity by the references, patch by patch, at the card's threshold.
"""
# ruff: noqa: INP001, T201 - a script, which prints

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from batchscan.domain.aggregation import ScoredGrid
from batchscan.domain.geometry import Box, PatchGrid, PatchSpec, Spacing, SpacingSource
from batchscan.domain.quality import MEASURES, Measured, judged
from batchscan.domain.quality_limits import quality_settings
from batchscan.domain.records import PatchTable, Uint8Array
from batchscan.scan.engines import Engine, open_engine
from batchscan.scan.grid import scanned_cells, tissue_fractions
from batchscan.scan.pipeline import raw_scores
from batchscan.scan.quality import overview_quality, with_sharpness
from batchscan.scan.sharpness import sharpness
from batchscan.scan.tissue import find_tissue
from batchscan.stores.packages import ModelPackage, open_package
from batchscan.stores.pyramids import is_store, open_store

COMPLETE = ("8863", "8865", "8867")
MODEL_UM_PER_PX, SIDE_PX, MIN_TISSUE = 8.0, 50, 0.1
COLUMNS = tuple(MEASURES)
Spoil = Callable[[Uint8Array], Uint8Array]


def blurred(sigma_px: float) -> Spoil:
    """Out of focus: a Gaussian at the model's spacing."""
    return lambda pixels: _levels(ndimage.gaussian_filter(pixels.astype(np.float32), (sigma_px, sigma_px, 0)))


def stained(haematoxylin: float, eosin: float) -> Spoil:
    """As if so many times as much of each stain had been taken."""
    stains = np.array([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105]])
    stains /= np.linalg.norm(stains, axis=1, keepdims=True)
    basis = np.vstack([stains, np.cross(*stains)])
    change = np.linalg.inv(basis) @ np.diag([haematoxylin, eosin, 1.0]) @ basis

    def spoil(pixels: Uint8Array) -> Uint8Array:
        density = -np.log10((pixels.astype(np.float32) + 1) / 256)
        return _levels(256 * 10 ** -(density @ change.astype(np.float32)) - 1)

    return spoil


def exposed(factor: float) -> Spoil:
    """So many times the light; what is beyond white is lost."""
    return lambda pixels: _levels(pixels * np.float32(factor))


def folded(share: float) -> Spoil:
    """Bands of the section lie three times over one another."""

    def spoil(pixels: Uint8Array) -> Uint8Array:
        out, step = pixels.copy(), 200
        for top in range(0, len(pixels), step):
            band = slice(top, top + round(share * step))
            out[band] = _levels(255 * (pixels[band] / np.float32(255)) ** 3)
        return out

    return spoil


def penned(share: float) -> Spoil:
    """Blue marker drawn over bands of the glass."""

    def spoil(pixels: Uint8Array) -> Uint8Array:
        out, step = pixels.copy(), 400
        for left in range(0, pixels.shape[1], step):
            band = slice(left, left + round(share * step))
            out[:, band] = _levels(pixels[:, band] * np.array([0.12, 0.25, 0.8], np.float32))
        return out

    return spoil


def partly(share: float, spoil: Spoil) -> Spoil:
    """Only the upper part of the slide is spoilt."""

    def part(pixels: Uint8Array) -> Uint8Array:
        cut = round(share * len(pixels))
        return np.concatenate([spoil(pixels[:cut]), pixels[cut:]])

    return part


WAYS: dict[str, Spoil] = {
    "as it is": lambda pixels: pixels,
    **{f"blur {sigma:g} px": blurred(sigma) for sigma in (0.5, 0.7, 1.0, 1.5, 2.0, 3.0)},
    "blur 2 px, upper third": partly(1 / 3, blurred(2.0)),
    **{f"stain {factor:.0%}": stained(factor, factor) for factor in (0.5, 0.75, 1.25, 1.5)},
    **{f"haematoxylin {factor:.0%}": stained(factor, 1.0) for factor in (0.5, 1.5)},
    **{f"eosin {factor:.0%}": stained(1.0, factor) for factor in (0.5, 1.5)},
    **{f"light {factor:.0%}": exposed(factor) for factor in (0.5, 0.7, 0.85, 1.1, 1.2, 1.4, 1.7)},
    **{f"folds over {share:.0%}": folded(share) for share in (0.1, 0.4)},
    **{f"pen over {share:.0%}": penned(share) for share in (0.1, 0.4)},
}


def _levels(values: np.ndarray) -> Uint8Array:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Looked:
    """A slide's pixels at the model's spacing as a scan would see them."""

    measured: tuple[Measured, ...]
    table: PatchTable
    patches: Uint8Array


def halved(pixels: Uint8Array) -> Uint8Array:
    """Every two by two pixels become their mean."""
    height, width = (side // 2 for side in pixels.shape[:2])
    blocks = pixels[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3)
    return _levels(blocks.mean(axis=(1, 3), dtype=np.float32))


def look(pixels: Uint8Array) -> Looked:
    """Measure a slide, (rows, cols, 3) uint8 at 8 um/px."""
    height, width = pixels.shape[:2]
    grid = PatchGrid.over(width, height, MODEL_UM_PER_PX, PatchSpec(SIDE_PX, MODEL_UM_PER_PX, 1.0))
    overview = halved(pixels)
    tissue = find_tissue(overview, 2 * MODEL_UM_PER_PX)
    fractions = tissue_fractions(tissue, grid, MODEL_UM_PER_PX)
    row, col = scanned_cells(fractions, grid, MIN_TISSUE)
    padded = np.full((grid.n_rows * SIDE_PX, grid.n_cols * SIDE_PX, 3), 255, np.uint8)
    padded[:height, :width] = pixels
    places = zip(row.tolist(), col.tolist(), strict=True)
    cut = [padded[r * SIDE_PX : (r + 1) * SIDE_PX, c * SIDE_PX : (c + 1) * SIDE_PX] for r, c in places]
    patches = np.stack(cut) if cut else np.empty((0, SIDE_PX, SIDE_PX, 3), np.uint8)
    ones = np.ones(len(row), np.float32)
    table = PatchTable(grid, row, col, fractions[row, col], ones, ones, ones > 0, None, sharpness(patches))
    return Looked(with_sharpness(overview_quality(overview, tissue).measured, table), table, patches)


def called(looked: Looked, labels: dict[tuple[int, int], int], package: ModelPackage, engine: Engine) -> str:
    """Sensitivity and specificity by the labels; a labelled patch that isn't scanned is called negative."""
    card, table = package.card, looked.table
    p_raw = raw_scores(looked.patches, card.context.orientations, engine)
    scored = ScoredGrid(p_raw, table.row, table.col, table.readable, stride=1.0)
    positive = scored.p_idc(card.aggregation) >= card.threshold.value
    found = {place for place, yes in zip(zip(table.row.tolist(), table.col.tolist(), strict=True), positive) if yes}  # noqa: B905 - as long as each other
    idc = {place for place, label in labels.items() if label}
    rest = labels.keys() - idc
    return f"{len(found & idc) / len(idc):.2f} | {1 - len(found & rest) / len(rest):.2f}"


def slides(archive: Path) -> Iterator[tuple[str, Uint8Array, dict[tuple[int, int], int]]]:
    """Each store's id, pixels at the model's spacing, and labels by place."""
    for path in sorted(filter(is_store, archive.iterdir())):
        store = open_store(path, Spacing(MODEL_UM_PER_PX, SpacingSource.OPTION))
        name = path.name.split(".")[0]
        with (archive / f"{name}.reference.csv").open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        labels = {(int(float(r["y_px"])) // SIDE_PX, int(float(r["x_px"])) // SIDE_PX): int(r["label"]) for r in rows}
        yield name, store.read_box(Box(0, 0, store.width_px, store.height_px), MODEL_UM_PER_PX), labels


def line(name: str, way: str, measured: tuple[Measured, ...], package: ModelPackage, scores: str) -> str:
    """A row of the table; * is beyond a limit of review, ** beyond one of refusal."""
    quality = judged(measured, quality_settings(package.profile()))
    stars = {None: "", "good": "", "review": "*", "not_analysable": "**"}
    cells = {one.name: "-" if one.value is None else f"{one.value:.3g}{stars[one.grade]}" for one in quality.measures}
    values = " | ".join(cells.get(column, "-") for column in COLUMNS)
    return f"| {name} | {way} | {values} | {quality.grade or '-'} | {scores or '- | -'} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("archive", type=Path)
    parser.add_argument("--overviews", type=Path)
    parser.add_argument("--scores", action="store_true")
    options = parser.parse_args()
    package = open_package("published-cnn")
    engine = open_engine(package) if options.scores else None
    print(f"| slide | way | {' | '.join(COLUMNS)} | grade | sens. | spec. |")
    print("|" + " --- |" * (len(COLUMNS) + 5))
    for name, pixels, labels in slides(options.archive):
        ways = WAYS if name in COMPLETE else {"as it is": WAYS["as it is"]}
        for way, spoil in ways.items():
            looked = look(spoil(pixels))
            judge = engine is not None and name in COMPLETE
            scores = called(looked, labels, package, engine) if judge and engine else ""
            print(line(name, way, looked.measured, package, scores), flush=True)
    for path in sorted(options.overviews.glob("*.png")) if options.overviews else ():
        overview = np.asarray(Image.open(path).convert("RGB"))
        measured = overview_quality(overview, find_tissue(overview, 2 * MODEL_UM_PER_PX)).measured
        print(line(path.stem, "thumbnail", measured, package, ""), flush=True)


if __name__ == "__main__":
    main()
