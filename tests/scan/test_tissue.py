from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from whole_mounts import SHARED, UM_PER_PX, whole_mount

from batchscan.domain.geometry import PatchGrid, PatchSpec
from batchscan.domain.job import MIN_TISSUE_FRACTION
from batchscan.domain.records import BoolArray, Float32Array, Uint8Array
from batchscan.domain.tissue_map import TissueMap
from batchscan.scan.grid import tissue_fractions
from batchscan.scan.tissue import OVERVIEW_UM_PER_PX, find_tissue, is_greyscale, qc_facts

Colour = tuple[float, float, float]
FACTOR = round(OVERVIEW_UM_PER_PX / UM_PER_PX)
# What passes through an ink, per channel.
INKS: dict[str, Colour] = {
    "green": (0.15, 0.60, 0.52),
    "blue": (0.30, 0.55, 0.85),
    "red": (0.80, 0.08, 0.08),
    "black": (0.12, 0.11, 0.12),
}
PEN_MARKS = SHARED / "slides" / "pen_marks"


@cache
def section() -> Uint8Array:
    """Whole mount 8863."""
    return whole_mount("8863").overview(FACTOR)


@cache
def section_map() -> TissueMap:
    return find_tissue(section(), OVERVIEW_UM_PER_PX)


def cell_fractions(pixels: Uint8Array, tissue: TissueMap) -> Float32Array:
    """Fractions of the cells of a whole mount at 8 um/px."""
    grid = PatchGrid.over(pixels.shape[1], pixels.shape[0], UM_PER_PX, PatchSpec(50, UM_PER_PX, 1.0))
    return tissue_fractions(tissue, grid, UM_PER_PX)


def through(overview: Uint8Array, passes: Colour | NDArray[np.float64]) -> Uint8Array:
    """The overview seen through something."""
    return np.rint(overview * np.asarray(passes)).astype(np.uint8)


def stroke(shape: tuple[int, ...], width: int) -> BoolArray:
    """From bare glass across the section and out again."""
    canvas = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(canvas).line([(60, 60), (500, 700), (1100, 500), (1330, 250)], fill=1, width=width, joint="curve")
    return np.asarray(canvas)


def agreement(one: BoolArray, other: BoolArray) -> float:
    """Area of both over area of either."""
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("patient", ["8863", "8865", "8867"])
def test_labelled_patches_are_kept_and_gaps_are_not(patient: str) -> None:
    slide = whole_mount(patient)
    tissue = find_tissue(slide.overview(FACTOR), OVERVIEW_UM_PER_PX)
    fractions = cell_fractions(slide.pixels, tissue)
    kept = fractions >= MIN_TISSUE_FRACTION
    assert kept[slide.labelled].mean() >= 0.97
    assert fractions[~slide.labelled].max() == 0.0
    assert not tissue.pen.any()


@pytest.mark.parametrize("factor", [3, 4])
def test_coarser_overviews_keep_them_too(factor: int) -> None:
    slide = whole_mount("8863")
    fractions = cell_fractions(slide.pixels, find_tissue(slide.overview(factor), factor * UM_PER_PX))
    assert (fractions >= MIN_TISSUE_FRACTION)[slide.labelled].mean() >= 0.97
    assert fractions[~slide.labelled].max() < MIN_TISSUE_FRACTION


@pytest.mark.parametrize("tint", [(0.7, 0.7, 0.7), (0.98, 0.93, 0.80), (0.92, 0.92, 0.90)])
def test_the_glass_may_be_grey_or_cream(tint: Colour) -> None:
    tissue = find_tissue(through(section(), tint), OVERVIEW_UM_PER_PX)
    # Where nothing was scanned is tinted here too, so that a rim along it, a closed gap wide, is no longer cut off.
    assert agreement(tissue.mask, section_map().mask) > 0.96
    assert not tissue.pen.any()
    brightest = np.array([255, 255, 255]) * tint
    assert np.all(np.abs(tissue.background_rgb - brightest) < 20)


def test_the_colour_of_the_glass_is_that_of_the_published_patches() -> None:
    # The commonest bright colour of 8863's patches, unpublished gaps left out.
    assert section_map().background_rgb == pytest.approx((243, 241, 243), abs=4)


def test_pale_sections_are_kept() -> None:
    slide = whole_mount("8863")
    pale = np.rint(255 * (section() / 255) ** 0.4).astype(np.uint8)
    fractions = cell_fractions(slide.pixels, find_tissue(pale, OVERVIEW_UM_PER_PX))
    assert (fractions >= MIN_TISSUE_FRACTION)[slide.labelled].mean() >= 0.97


def test_blue_haematoxylin_is_no_pen() -> None:
    # Half as much haematoxylin again, and bluer: red light absorbed as much as green.
    density = -np.log10((section() + 1.0) / 256)
    haematoxylin = np.clip(density[..., :1], 0, None)
    bluer = density + haematoxylin * np.array([0.5, 0.3, 0.1])
    tissue = find_tissue(np.clip(256 * 10**-bluer - 1, 0, 255).astype(np.uint8), OVERVIEW_UM_PER_PX)
    assert not tissue.pen.any()
    assert agreement(tissue.mask, section_map().mask) > 0.95


@pytest.mark.parametrize("ink", INKS.values(), ids=INKS)
def test_pen_is_cut_out_and_the_tissue_beside_it_kept(ink: Colour) -> None:
    marked = stroke(section().shape, width=30)
    blurred = ndimage.gaussian_filter(marked.astype(np.float64), 1.5)[..., None]
    tissue = find_tissue(through(section(), 1 - blurred * (1 - np.array(ink))), OVERVIEW_UM_PER_PX)
    assert tissue.pen[marked].mean() > 0.99
    assert (tissue.pen & ~marked).sum() < 0.5 * marked.sum()
    assert not (tissue.mask & tissue.pen).any()
    away = ndimage.distance_transform_edt(~marked) * OVERVIEW_UM_PER_PX > 700
    assert not tissue.pen[away].any()
    assert agreement(tissue.mask & away, section_map().mask & away) > 0.98


def painted(*squares: tuple[slice, slice, tuple[int, int, int]]) -> Uint8Array:
    """Colours painted one over the other on 6.4 mm x 6.4 mm of glass."""
    overview = np.full((400, 400, 3), 242, np.uint8)
    for rows, cols, colour in squares:
        overview[rows, cols] = colour
    return overview


def test_a_pale_stroke_is_followed_from_its_dark_end() -> None:
    line = slice(200, 220)
    overview = painted((line, slice(20, 380), (235, 120, 155)), (line, slice(20, 60), (205, 20, 25)))
    tissue = find_tissue(overview, OVERVIEW_UM_PER_PX)
    assert tissue.pen[line, 20:380].all()
    assert not tissue.mask.any()


def test_tissue_as_pink_as_pale_ink_is_lost_around_the_ink_only() -> None:
    section_like = slice(20, 380)
    overview = painted((section_like, section_like, (235, 120, 155)), (slice(180, 220), slice(20, 60), (205, 20, 25)))
    tissue = find_tissue(overview, OVERVIEW_UM_PER_PX)
    assert tissue.pen[180:220, 20:60].all()
    assert tissue.mask[100:300, 120:300].all()


def test_a_thin_dark_line_is_no_tissue_though_its_black_is_not_quite_grey() -> None:
    assert not find_tissue(painted((slice(200, 206), slice(20, 380), (30, 24, 28))), OVERVIEW_UM_PER_PX).mask.any()


def test_noise_on_the_glass_is_no_tissue() -> None:
    noise = np.random.default_rng(0).normal(0, 14, (400, 400, 3))
    piece = painted((slice(100, 200), slice(100, 200), (205, 130, 175))) - 10
    tissue = find_tissue((piece + noise).clip(0, 255).astype(np.uint8), OVERVIEW_UM_PER_PX)
    assert agreement(tissue.mask, np.pad(np.ones((100, 100), np.bool_), ((100, 200), (100, 200)))) > 0.9
    assert not tissue.mask[:, 220:].any()


def test_a_grey_speck_in_tissue_is_not_taken_for_glass() -> None:
    crop = section()[460:580, 580:700].copy()
    crop[50:60, 50:60] = (120, 118, 119)
    crop[np.all(crop > 200, axis=2)] = (150, 80, 140)  # no glass to be seen
    tissue = find_tissue(crop, OVERVIEW_UM_PER_PX)
    assert tissue.mask.mean() > 0.98
    assert min(tissue.background_rgb) > 170


def test_ink_on_a_specimens_margin_is_no_pen_mark() -> None:
    margin = stroke(section().shape, width=4)
    tissue = find_tissue(np.where(margin[..., None], through(section(), INKS["green"]), section()), OVERVIEW_UM_PER_PX)
    assert not tissue.pen.any()


def with_slide_edge(overview: Uint8Array) -> Uint8Array:
    """A dark frame below and to the left, slightly tilted, and a coverslip's edge across the slide."""
    height, width = overview.shape[:2]
    rows, cols = np.mgrid[:height, :width]
    passes = np.ones((height, width, 1))
    passes[rows + cols // 400 >= height - 8] = 0.12
    passes[cols < 5] = 0.3
    passes[np.abs(cols - rows // 100 - 1200) <= 1] *= 0.55
    return through(overview, passes)


def test_edges_of_slide_and_coverslip_are_neither_tissue_nor_pen() -> None:
    tissue = find_tissue(with_slide_edge(section()), OVERVIEW_UM_PER_PX)
    assert not tissue.pen.any()
    assert agreement(tissue.mask, section_map().mask) > 0.98
    empty = find_tissue(with_slide_edge(np.full_like(section(), 240)), OVERVIEW_UM_PER_PX)
    assert not empty.mask.any()
    assert not empty.pen.any()


def test_stripes_and_dust_change_nothing() -> None:
    rng = np.random.default_rng(0)
    dirty = section().astype(np.int16)
    dirty[::40] -= 5
    for row, col in zip(rng.integers(0, 1160, 80), rng.integers(0, 1390, 80), strict=True):
        dirty[row : row + 3, col : col + 3] //= 3
    tissue = find_tissue(dirty.clip(0, 255).astype(np.uint8), OVERVIEW_UM_PER_PX)
    assert not tissue.pen.any()
    assert agreement(tissue.mask, section_map().mask) > 0.97


COLOURS = [
    (255, 255, 255),
    (243, 240, 242),
    (180, 180, 180),
    (250, 238, 205),
    (0, 0, 0),
    (200, 100, 150),
    (30, 60, 200),
]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("sigma", [0, 1, 4, 10])
def test_one_colour_or_noise_is_no_tissue(colour: Colour, sigma: float) -> None:
    noise = np.random.default_rng(0).normal(0, sigma, (300, 400, 3))
    tissue = find_tissue(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8), OVERVIEW_UM_PER_PX)
    assert tissue.mask.shape == tissue.pen.shape == (300, 400)
    assert not tissue.mask.any()
    assert not tissue.pen.any()


def test_an_unevenly_lit_slide_without_tissue_is_empty() -> None:
    lamp = np.linspace(1.0, 0.85, 400)[None, :, None]
    noise = np.random.default_rng(0).normal(0, 2, (300, 400, 3))
    overview = ((245 + noise) * lamp).clip(0, 255).astype(np.uint8)
    assert not find_tissue(overview, OVERVIEW_UM_PER_PX).mask.any()


@pytest.mark.parametrize("shape", [(0, 0, 3), (1, 1, 3), (3, 500, 3)])
def test_an_overview_of_next_to_nothing_is_empty(shape: tuple[int, ...]) -> None:
    tissue = find_tissue(np.full(shape, 200, np.uint8), OVERVIEW_UM_PER_PX)
    assert tissue.mask.shape == shape[:2]
    assert qc_facts(tissue)["tissue_share"] == 0.0


@pytest.mark.parametrize("corner", [(460, 580), (560, 700), (700, 640)])
def test_tissue_all_over_is_tissue(corner: tuple[int, int]) -> None:
    row, col = corner
    crop = section()[row : row + 120, col : col + 120]
    assert find_tissue(crop, OVERVIEW_UM_PER_PX).mask.mean() > 0.98


def test_a_disc_has_its_area() -> None:
    rows, cols = np.mgrid[:400, :400]
    overview = np.full((400, 400, 3), (242, 240, 243), np.uint8)
    overview[np.hypot(rows - 200, cols - 200) < 100] = (205, 130, 175)
    tissue = find_tissue(overview, OVERVIEW_UM_PER_PX)
    assert tissue.mask.sum() == pytest.approx(np.pi * 100**2, rel=0.03)
    assert tissue.background_rgb == (242, 240, 243)


def test_fat_is_closed_and_wide_lumens_stay_open() -> None:
    overview = np.full((200, 200, 3), 242, np.uint8)
    overview[50:150, 50:150] = (215, 150, 190)
    overview[60:65, 60:65] = 242  # a fat cell, 80 um
    overview[100:114, 60:74] = 242  # a duct, 224 um
    overview[80:120, 100:140] = 242  # 640 um: glass
    mask = find_tissue(overview, OVERVIEW_UM_PER_PX).mask
    assert mask[60:65, 60:65].all()
    assert mask[100:114, 60:74].all()
    assert not mask[85:115, 105:135].any()


def test_qc_facts_are_shares_of_the_overview() -> None:
    mask, pen = np.zeros((4, 5), np.bool_), np.zeros((4, 5), np.bool_)
    mask[0], pen[1, :2] = True, True
    assert qc_facts(TissueMap(mask, pen, (240, 241, 242), 16.0)) == {
        "tissue_share": 0.25,
        "pen_share": 0.1,
        "background_rgb": [240, 241, 242],
        "overview_um_per_px": 16.0,
    }


def test_a_grey_section_is_greyscale_and_a_stained_one_is_not() -> None:
    grey = np.repeat(section()[..., 1:2], 3, axis=2)
    assert is_greyscale(grey)
    assert not is_greyscale(section())


@pytest.mark.parametrize("sigma", [0, 6])
def test_an_empty_slide_is_not_greyscale(sigma: float) -> None:
    noise = np.random.default_rng(0).normal(0, sigma, (200, 300, 1))
    assert not is_greyscale(np.repeat((240 + noise).clip(0, 255).astype(np.uint8), 3, axis=2))


@cache
def thumbnail(name: str) -> Uint8Array:
    path = PEN_MARKS / f"{name}.png"
    if not path.exists():
        pytest.skip(f"{path.name} isn't here")
    return np.asarray(Image.open(path).convert("RGB"))


def channels(overview: Uint8Array) -> NDArray[np.int16]:
    return np.moveaxis(overview.astype(np.int16), 2, 0)


def test_red_pen_on_a_real_slide() -> None:
    overview = thumbnail("tcga-red-pen")
    red, green, blue = channels(overview)
    ink = (red > 140) & (green < 60) & (blue < 60)
    tissue = find_tissue(overview, 5.0)
    assert ink.mean() > 0.1
    assert tissue.pen[ink].mean() > 0.99
    # The right half is section without pen.
    assert not tissue.pen[100:, 250:].any()
    assert tissue.mask[100:, 250:].mean() > 0.98


def test_green_pen_on_a_real_section() -> None:
    overview = thumbnail("tcga-green-pen")
    red, green, _ = channels(overview)
    ink = ndimage.binary_opening(ndimage.uniform_filter((green - red).astype(np.float32), 15) > 5, iterations=5)
    tissue = find_tissue(overview, 8.0)
    assert ink.mean() > 0.08
    assert tissue.pen[ink].mean() > 0.99
    assert not tissue.pen[:, 560:].any()
    assert tissue.mask[:, 560:].mean() > 0.99


def test_blue_pen_on_a_real_slide() -> None:
    overview = thumbnail("wsi-blue-pen")
    red, _, blue = channels(overview)
    ink = blue - red > 30
    tissue = find_tissue(overview, 32.0)
    assert ink.mean() > 0.02
    assert tissue.pen[ink].mean() > 0.97
    assert not tissue.pen[:, :130].any()
    assert not tissue.mask[ink].any()


def test_green_and_black_pen_on_a_real_slide() -> None:
    overview = thumbnail("diagnostic-slide-thumb-rgb")
    red, green, blue = channels(overview)
    on_glass = (green - red > 30) & (blue - red > 20)
    black = np.maximum(np.maximum(red, green), blue) < 90
    black[515:] = False  # the dark line at the slide's edge
    tissue = find_tissue(overview, 40.0)
    assert tissue.pen[on_glass].mean() > 0.98
    assert tissue.pen[black].mean() > 0.98
    assert not tissue.mask[515:].any()
    assert not tissue.pen[520:].any()
    # A piece of section between the marks.
    assert tissue.mask[145:175, 130:200].mean() > 0.98


def test_a_real_section_without_pen_has_none() -> None:
    tissue = find_tissue(thumbnail("tcga-lung-rgb"), OVERVIEW_UM_PER_PX)
    assert not tissue.pen.any()
    assert tissue.mask.mean() == pytest.approx(0.85, abs=0.05)
