from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from batchscan.domain.aggregation import Aggregation, ScoredGrid
from batchscan.domain.geometry import PatchGrid, PatchSpec
from batchscan.domain.records import PatchTable, ScanSettings

HALF = ScanSettings(PatchSpec(50, 8.0, 0.5), 0.1, 0.01, 0.5, 0.02, aggregation=Aggregation(0.8, 1.5, -0.25))


def a_table(seed: int = 2) -> PatchTable:
    random = np.random.default_rng(seed)
    row, col = (place.astype(np.int32) for place in np.nonzero(random.random((12, 9)) < 0.8))
    readable = random.random(len(row)) < 0.9
    p_raw = np.where(readable, random.random(len(row)), np.nan).astype(np.float32)
    fraction = np.ones(len(row), np.float32)
    return PatchTable(PatchGrid(225, 300, 25.0, 50.0), row, col, fraction, p_raw, np.zeros_like(p_raw), readable)


def test_p_idc_is_what_the_aggregation_gives_on_p_raw_at_the_settings_stride() -> None:
    table = a_table()
    judged = table.judged(HALF)
    parts = (table.p_raw, table.row, table.col, table.readable)
    expected = ScoredGrid(*parts, stride=0.5).p_idc(HALF.aggregation)
    assert judged.p_idc.tobytes() == expected.tobytes()
    other = ScoredGrid(*parts, stride=1.0).p_idc(HALF.aggregation)
    assert judged.p_idc.tobytes() != other.tobytes()
    assert judged.p_raw is table.p_raw


def test_judging_goes_by_p_raw_however_often() -> None:
    table = a_table()
    alone = table.judged(HALF).judged(replace(HALF, aggregation=Aggregation()))
    assert alone.p_idc.tobytes() == table.p_raw.tobytes()


def test_borderline_goes_by_stride_neighbours_and_calibration() -> None:
    """Two patches half a side apart, sigma 1: the neighbour weighs e^-1/8 and outweighs nobody until .1 is .5 or so."""
    p = np.array([0.1, 0.9, np.nan], np.float32)
    row, col, ones = np.zeros(3, np.int32), np.arange(3, dtype=np.int32), np.ones(3, np.float32)
    table = PatchTable(PatchGrid(100, 50, 25.0, 50.0), row, col, ones, p, p, ~np.isnan(p))
    near = math.exp(-1 / 8)
    for tolerance, borderline in ((0.05, True), (0.005, False)):
        settings = replace(HALF, aggregation=Aggregation(sigma=1.0), tolerance=tolerance)
        lifted = math.log((0.1 + tolerance) / (0.9 - tolerance)) + near * math.log(
            min(0.9 + tolerance, 0.9999) / max(0.1 - tolerance, 1e-4)
        )
        assert (lifted > 0) is borderline
        assert table.borderline(settings).tolist() == [borderline, borderline, False]
    # Calibrated so that p_idc is 1/2 where p_mean is that of the second patch, only that one is.
    second = (math.log(9) - near * math.log(9)) / (1 + near)
    settings = replace(HALF, aggregation=Aggregation(1.0, 1.0, -second), tolerance=0.005)
    assert table.borderline(settings).tolist() == [False, True, False]
