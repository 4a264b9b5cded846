"""Which patches are kept as pictures, and how finely; the store here knows what it was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from slide_files import tissue_like, write_aperio

from batchscan.domain.errors import UnreadableSlide
from batchscan.domain.geometry import Box, PatchGrid, PatchSpec, Spacing, SpacingSource
from batchscan.domain.records import PatchTable, ScanSettings, SlideRequest, Uint8Array
from batchscan.report.gallery import choose_gallery
from batchscan.stores.foreseen import ForeseenStore
from batchscan.stores.pyramids import SlideStore, open_store
from batchscan.workflow.close_ups import close_ups
from batchscan.workflow.ingest import ingest_slide

MODEL_UM_PER_PX, PATCH_PX = 8.0, 50
SETTINGS = ScanSettings(PatchSpec(PATCH_PX, MODEL_UM_PER_PX, 1.0), 0.1, 0.5, 0.5, 0.02)
N = 20


class Store:
    """Gives black pictures of the right size, and counts."""

    def __init__(self, um_per_px: float) -> None:
        self.spacing = Spacing(um_per_px, SpacingSource.VENDOR)
        self.read: list[float] = []

    def read_each(self, boxes: list[Box], um_per_px: float) -> list[Uint8Array]:
        self.read += [um_per_px] * len(boxes)
        sides = [round(box.width * self.spacing.um_per_px / um_per_px) for box in boxes]
        return [np.zeros((side, side, 3), np.uint8) for side in sides]


def scores(um_per_px: float) -> PatchTable:
    side = round(N * SETTINGS.patch.side_um / um_per_px)
    grid = PatchGrid.over(side, side, um_per_px, SETTINGS.patch)
    row, col = (place.ravel().astype(np.int32) for place in np.mgrid[:N, :N])
    raw, p = np.random.default_rng(5).random((2, N * N)).astype(np.float32)
    return PatchTable(grid, row, col, np.ones(N * N, np.float32), raw, p, np.ones(N * N, np.bool_))


def shown_by(table: PatchTable, threshold: float) -> set[tuple[int, int]]:
    return {(item.row, item.col) for item in choose_gallery(table, threshold)}


def kept_by(store: Any, table: PatchTable, settings: ScanSettings = SETTINGS, kept: Any = None) -> Any:
    return close_ups(store, table, settings, kept or {})


def test_what_the_page_shows_is_as_fine_as_the_store_and_the_rest_as_the_network_saw_it() -> None:
    store, table = Store(1.0), scores(1.0)
    sides = {place: len(picture) for place, picture in kept_by(store, table).items()}
    shown = shown_by(table, 0.5)
    assert {place for place, side in sides.items() if side == 400} == shown
    assert {side for place, side in sides.items() if place not in shown} == {PATCH_PX}
    # Also patches that other neighbours, or other thresholds, would bring onto the page.
    assert shown_by(replace(table, p_idc=table.p_raw), 0.5) <= sides.keys()
    assert len(sides) > len(shown)


@pytest.mark.parametrize(("um_per_px", "fine"), [(1.0, 400), (8.0, PATCH_PX), (2.1, 190)])
def test_another_threshold_reads_only_what_is_too_coarse_for_its_page(um_per_px: float, fine: int) -> None:
    store, table, other = Store(um_per_px), scores(um_per_px), replace(SETTINGS, threshold=0.3)
    before = kept_by(store, table)
    store.read.clear()
    after = kept_by(store, table, other, before)
    shown = shown_by(table, 0.3)
    assert {len(after[place]) for place in shown} == {fine}
    finely = [place for place in shown if len(before.get(place, ())) < fine]
    if um_per_px < MODEL_UM_PER_PX:
        assert store.read.count(um_per_px) == len(finely) > 0
    assert all(after[place] is before[place] for place in shown if place not in finely)


def slide_file(path: Path, seed: int = 0) -> Path:
    """7 x 7 patches at 0.5 um/px, and as coarse as the model wants it."""
    fine = tissue_like(7 * 800, 7 * 800, seed)
    coarse = np.asarray(Image.fromarray(fine).reduce(16))
    write_aperio(path, [fine, coarse])
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SlideStore, SlideStore]:
    """A slide file, the store of it at the model's spacing, and the usual one."""
    folder = tmp_path_factory.mktemp("made")
    file = slide_file(folder / "S.svs")
    stores = []
    for um_per_px in (8.0, 1.0):
        archive = folder / f"{um_per_px:g}"
        archive.mkdir()
        stores.append(open_store(ingest_slide(SlideRequest("S", "S", file), archive, um_per_px)))
    return file, *stores


def table_of(store: SlideStore) -> PatchTable:
    n, grid = 7, PatchGrid.over(store.width_px, store.height_px, store.spacing.um_per_px, SETTINGS.patch)
    row, col = (place.ravel().astype(np.int32) for place in np.mgrid[:n, :n])
    raw, p = np.random.default_rng(5).random((2, n * n)).astype(np.float32)
    return PatchTable(grid, row, col, np.ones(n * n, np.float32), raw, p, np.ones(n * n, np.bool_))


def test_a_coarse_store_of_a_slide_file_has_close_ups_as_fine_as_the_usual_one(
    made: tuple[Path, SlideStore, SlideStore],
) -> None:
    file, coarse, fine = made
    table = table_of(coarse)
    found = close_ups(coarse, table, SETTINGS, {}, file)
    expected = close_ups(fine, table_of(fine), SETTINGS, {})
    shown = shown_by(table, 0.5)
    for place in shown:
        assert found[place].shape == (400, 400, 3)
        np.testing.assert_allclose(found[place].astype(int), expected[place].astype(int), atol=1)
    assert {len(picture) for place, picture in found.items() if place not in shown} == {PATCH_PX}


def test_another_file_of_that_name_is_not_shown(made: tuple[Path, SlideStore, SlideStore], tmp_path: Path) -> None:
    _, coarse, _ = made
    table = table_of(coarse)
    without = close_ups(coarse, table, SETTINGS, {})
    for file in (slide_file(tmp_path / "S.svs", seed=1), tmp_path / "is not there.svs"):
        found = close_ups(coarse, table, SETTINGS, {}, file)
        assert {len(picture) for picture in found.values()} == {PATCH_PX}
        assert all(np.array_equal(found[place], picture) for place, picture in without.items())


def test_where_the_file_is_damaged_the_store_has_to_do(
    made: tuple[Path, SlideStore, SlideStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: Any) -> Any:
        raise UnreadableSlide("S: more than 1 % of it")

    file, coarse, _ = made
    monkeypatch.setattr(ForeseenStore, "read_around", damaged)
    found = close_ups(coarse, table_of(coarse), SETTINGS, {}, file)
    assert {len(picture) for picture in found.values()} == {PATCH_PX}
