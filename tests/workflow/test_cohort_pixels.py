"""A slide's pixels are looked at again only in the store that was scanned, wherever the run had it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from store_files import Pixels, noise, write_own

from batchscan.domain.errors import UnopenableSlide
from batchscan.domain.geometry import Spacing, SpacingSource
from batchscan.domain.records import SlideInfo, SlideRequest
from batchscan.stores.pyramids import open_store
from batchscan.stores.results import RunFolder
from batchscan.workflow.cohort_pixels import open_scanned

SPACING = Spacing(4.0, SpacingSource.MANIFEST)


def stored(path: Path, seed: int = 3) -> SlideInfo:
    """A store whose own spacing isn't the one that it was scanned with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = open_store(write_own(path, Pixels(noise(60, 80, seed)), 0.5))
    return SlideInfo("S", "P", store.width_px, store.height_px, SPACING, store.fingerprint)


def test_the_store_of_the_manifest_is_opened_with_the_spacing_of_the_scan(tmp_path: Path) -> None:
    slide = stored(tmp_path / "S.ome.zarr")
    store = open_scanned(SlideRequest("S", "P", tmp_path / "S.ome.zarr"), RunFolder(tmp_path / "run"), slide)
    assert (store.fingerprint, store.spacing) == (slide.fingerprint, SPACING)


def test_of_a_vendor_file_it_is_the_store_that_the_run_made(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    slide = stored(run.stores / "S.ome.zarr")
    (tmp_path / "S.svs").write_bytes(b"II*")
    for path in (tmp_path / "S.svs", tmp_path / "gone.svs"):
        assert open_scanned(SlideRequest("S", "P", path), run, slide).path == run.stores / "S.ome.zarr"


@pytest.mark.parametrize("path", ["gone.ome.zarr", "S.svs"])
def test_a_store_that_is_gone_is_named_by_its_slide(tmp_path: Path, path: str) -> None:
    slide = stored(tmp_path / "elsewhere" / "S.ome.zarr")
    with pytest.raises(UnopenableSlide, match=r"^S: the store that was scanned isn't there any more") as caught:
        open_scanned(SlideRequest("S", "P", tmp_path / path), RunFolder(tmp_path / "run"), slide)
    assert str(tmp_path) not in str(caught.value)


def test_a_store_that_has_changed_is_refused(tmp_path: Path) -> None:
    slide = stored(tmp_path / "S.ome.zarr")
    other = stored(tmp_path / "other" / "S.ome.zarr", seed=4)
    request, run = SlideRequest("S", "P", tmp_path / "S.ome.zarr"), RunFolder(tmp_path / "run")
    assert open_scanned(request, run, replace(other, fingerprint=slide.fingerprint)).fingerprint == slide.fingerprint
    with pytest.raises(UnopenableSlide, match=r"^S: the store has changed since the scan"):
        open_scanned(request, run, other)
