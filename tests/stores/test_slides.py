from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pytest
from openslide import lowlevel
from PIL import Image
from slide_files import tissue_like, write_aperio

from batchscan.domain.errors import (
    ImplausibleSpacing,
    MissingSpacing,
    SlideError,
    SourceVanished,
    UnopenableSlide,
    UnreadableSlide,
)
from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.stores.slides import VendorSlide, shrunk_to, vendor_of


@pytest.fixture(scope="module")
def aperio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slides") / "s.svs"
    write_aperio(path, [tissue_like(1200, 1600), tissue_like(300, 400)])
    return path


def with_description(tmp_path: Path, description: str) -> Path:
    path = tmp_path / "s.svs"
    write_aperio(path, [tissue_like(100, 100)], description)
    return path


def test_levels_and_spacing(aperio: Path) -> None:
    with VendorSlide(aperio) as slide:
        assert [(level.width_px, level.height_px, level.downsample) for level in slide.levels] == [
            (1600, 1200, 1.0),
            (400, 300, 4.0),
        ]
        assert slide.spacing() == Spacing(0.5, SpacingSource.VENDOR)


def test_only_whitelisted_facts_leave_the_file(tmp_path: Path) -> None:
    secret = "|AppMag = 20|MPP = 0.5|Date = 12/29/09|User = b414003d|Title = Jane Doe|ScanScope ID = CPAPERIOCS"
    with VendorSlide(with_description(tmp_path, secret)) as slide:
        assert slide.facts() == {
            "format": "aperio",
            "objective_power": 20.0,
            "um_per_px_x": 0.5,
            "um_per_px_y": 0.5,
            "level_sizes_px": [[100, 100]],
        }


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("|AppMag = 20", MissingSpacing),
        ("|MPP = unknown", MissingSpacing),
        ("|MPP = 352.8", ImplausibleSpacing),
        ("|MPP = 0", ImplausibleSpacing),
    ],
)
def test_spacing_is_never_guessed(tmp_path: Path, said: str, error: type[SlideError]) -> None:
    path = with_description(tmp_path, said)
    with VendorSlide(path) as slide, pytest.raises(error) as caught:
        slide.spacing()
    assert str(path) in str(caught.value)
    assert "--um-per-px" in str(caught.value)


@pytest.mark.parametrize(("um_y", "is_square"), [("0.505", True), ("0.511", False)])
def test_pixels_must_be_square_within_2_percent(aperio: Path, um_y: str, is_square: bool) -> None:  # noqa: FBT001
    with VendorSlide(aperio) as slide:
        slide._properties[openslide.PROPERTY_NAME_MPP_Y] = um_y
        if is_square:
            assert slide.spacing().um_per_px == pytest.approx(0.5025)
        else:
            with pytest.raises(ImplausibleSpacing, match=r"0\.5 um/px along x and 0\.511 along y"):
                slide.spacing()


def test_boxes_are_in_pixels_of_their_level(aperio: Path) -> None:
    fine, coarse = tissue_like(1200, 1600), tissue_like(300, 400)
    with VendorSlide(aperio) as slide:
        # JPEG keeps smooth colours within a few grey levels.
        assert np.abs(slide.read(0, 700, 300, 90, 80).astype(int) - fine[300:380, 700:790]).max() <= 12
        assert np.abs(slide.read(1, 100, 200, 90, 80).astype(int) - coarse[200:280, 100:190]).max() <= 12


def half_there(_handle: object, pixels: Any, _x: int, _y: int, _level: int, width: int, height: int) -> None:
    """OpenSlide's own function where each pixel is (100, 0, 200), multiplied by its alpha, which is a fifth."""
    for index in range(width * height):
        pixels[index] = 51 << 24 | 20 << 16 | 0 << 8 | 40


@pytest.mark.parametrize(
    ("background", "expected"), [(None, (224, 204, 244)), ("000000", (20, 0, 40)), ("FF0000", (224, 0, 40))]
)
def test_transparent_pixels_lie_on_the_background(
    aperio: Path, background: str | None, expected: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    slide = VendorSlide(aperio)
    if background:
        slide._properties[openslide.PROPERTY_NAME_BACKGROUND_COLOR] = background
    monkeypatch.setattr(lowlevel, "_read_region", half_there)
    assert slide.read(0, 0, 0, 1, 1)[0, 0].tolist() == list(expected)


def test_pixels_are_those_of_openslides_own_pictures(aperio: Path) -> None:
    """Also when the memory has been used before, and where the slide ends: 1600 x 1200 px, and nothing beyond."""
    with VendorSlide(aperio) as slide, openslide.OpenSlide(aperio) as handle:
        slide._properties[openslide.PROPERTY_NAME_BACKGROUND_COLOR] = "0A6EFF"
        for level, x, y, size in ((0, 0, 0, (700, 300)), (0, 300, 40, (1, 1)), (0, 1500, 1100, (300, 200))):
            picture = handle.read_region((x, y), level, size)
            expected = Image.new("RGB", size, (10, 110, 255))
            expected.paste(picture.convert("RGB"), mask=picture.getchannel("A"))
            assert np.array_equal(slide.read(level, x, y, *size), np.asarray(expected))
        # The last one did reach beyond the end.
        assert picture.getextrema()[3] == (0, 255)


def test_a_cut_file_that_still_opens_fails_when_it_is_read_and_the_slide_stays_usable(
    tmp_path: Path, aperio: Path
) -> None:
    cut = tmp_path / "cut.svs"
    cut.write_bytes(aperio.read_bytes()[:-20_000])
    with VendorSlide(cut) as slide:
        for _ in range(2):
            with pytest.raises(UnreadableSlide) as caught:
                slide.read(0, 1500, 1100, 50, 50)
            assert str(cut) in str(caught.value)
            assert "level 0 can't be decoded within x 1500, y 1100, 50 x 50 px" in str(caught.value)
            assert "it may be cut off: copy the file again" in str(caught.value)
        assert slide.read(0, 0, 0, 50, 50).shape == (50, 50, 3)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_text("Dear pathologist"), "found text of 16 bytes"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_bytes(b"\0" * 99), "found a file of 99 bytes, it may be cut off"),
        (os.mkfifo, "found a pipe or device"),
        (lambda path: path.mkdir(), "found a folder"),
    ],
)
def test_what_is_no_slide_is_named_and_not_quoted(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    path = tmp_path / "s.svs"
    make(path)
    with pytest.raises(UnopenableSlide) as caught:
        VendorSlide(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "pathologist" not in str(caught.value)
    assert vendor_of(path) is None


def test_a_slide_whose_file_is_gone_is_not_damaged(tmp_path: Path, aperio: Path) -> None:
    path = tmp_path / "s.svs"
    with pytest.raises(SourceVanished, match=r"s.svs: can't be reached \(No such file or directory\)"):
        VendorSlide(path)
    content = bytearray(aperio.read_bytes())
    content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
    path.write_bytes(content)
    with VendorSlide(path) as slide:
        path.unlink()
        with pytest.raises(SourceVanished):
            slide.read(0, 0, 0, 1600, 1200)


@pytest.mark.parametrize(
    ("finest", "expected"),
    [
        (0.4, (0, 1, 1.0)),  # coarser than asked for: as it is
        (0.5, (0, 1, 1.0)),
        (0.99, (0, 2, 2.0)),  # 1.0 is within 2 % of it
        (0.97, (0, 1, 1.0)),
        (1.0, (0, 2, 2.0)),
        (1.6, (0, 3, 3.0)),
        (2.0, (1, 1, 4.0)),
        (8.0, (1, 4, 16.0)),
    ],
)
def test_the_best_level_and_the_largest_whole_factor(
    aperio: Path, finest: float, expected: tuple[int, int, float]
) -> None:
    with VendorSlide(aperio) as slide:
        shrunk = shrunk_to(slide, 0.5, finest)
        assert (shrunk.level, shrunk._factor, shrunk.downsample) == expected


def test_shrinking_is_exact_and_white_beyond_the_edge(aperio: Path) -> None:
    with VendorSlide(aperio) as slide:
        shrunk = shrunk_to(slide, 0.5, 1.5)
        assert (shrunk.width_px, shrunk.height_px) == (534, 400)
        level = np.full((1200, 1602, 3), 255.0)
        level[:, :1600] = np.asarray(openslide.OpenSlide(aperio).read_region((0, 0), 0, (1600, 1200)))[..., :3]
        expected = np.rint(level.reshape(400, 3, 534, 3, 3).mean(axis=(1, 3)))
        assert np.array_equal(shrunk.read(0, 0, 534, 400), expected)
        assert np.array_equal(shrunk.read(301, 207, 233, 100), expected[207:307, 301:534])


@pytest.mark.parametrize(
    ("name", "error"),
    [("boxes.tiff", ImplausibleSpacing), ("tcga-cr-7395-01a-01-ts1.svs", MissingSpacing)],
)
def test_real_files_without_a_usable_spacing(slides: Path, name: str, error: type[SlideError]) -> None:
    with VendorSlide(slides / name) as slide, pytest.raises(error, match=name):
        slide.spacing()


@pytest.mark.parametrize("name", ["broken.svs", "unopenable.tiff"])
def test_real_files_that_do_not_open(slides: Path, name: str) -> None:
    with pytest.raises(UnopenableSlide, match=name):
        VendorSlide(slides / name)


def test_a_real_file_that_opens_and_can_not_be_read(slides: Path) -> None:
    with VendorSlide(slides / "unreadable.svs") as slide, pytest.raises(UnreadableSlide, match=r"unreadable\.svs"):
        slide.read(0, 0, 0, 16, 16)


@pytest.mark.parametrize("name", ["boxes_0.dcm", "sm_image.dcm", "small.svs", "cmu-1-small-region.svs"])
def test_real_files_that_are_fine(slides: Path, name: str) -> None:
    assert vendor_of(slides / name)
    with VendorSlide(slides / name) as slide:
        assert slide.spacing().um_per_px == pytest.approx(0.499)
        level = slide.levels[0]
        pixels = slide.read(0, 0, 0, level.width_px, level.height_px)
        assert pixels.shape == (level.height_px, level.width_px, 3)
