"""What decides whether a stored result may be used again: p_raw by the one digest, all else by the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from batchscan.domain.aggregation import Aggregation
from batchscan.domain.digest import result_digest, scan_digest
from batchscan.domain.geometry import PatchSpec, Spacing, SpacingSource
from batchscan.domain.records import EngineInfo, ModelInfo, ScanSettings, SlideInfo

SLIDE = SlideInfo("S", "P", 500, 400, Spacing(8.0, SpacingSource.VENDOR), "sha256:ab")
MODEL = ModelInfo("m", "1", "cd" * 32)
SETTINGS = ScanSettings(PatchSpec(50, 8.0, 1.0), 0.1, 0.01, 0.5, 0.02)


def digests(settings: ScanSettings) -> tuple[str, str]:
    scan = scan_digest(SLIDE, MODEL, EngineInfo("keras", "f32"), settings)
    return scan, result_digest(scan, SLIDE, MODEL, settings)


@pytest.mark.parametrize(
    "changed",
    [
        {"threshold": 0.6},
        {"tolerance": 0.01},
        {"max_unreadable": 0.5},
        {"aggregation": Aggregation(sigma=0.8)},
        {"aggregation": Aggregation(temperature=1.5)},
        {"aggregation": Aggregation(intercept=-0.1)},
    ],
)
def test_what_comes_after_p_raw_changes_the_result_and_not_the_scan(changed: dict[str, Any]) -> None:
    scan, result = digests(replace(SETTINGS, **changed))
    assert scan == digests(SETTINGS)[0]
    assert result != digests(SETTINGS)[1]


@pytest.mark.parametrize("changed", [{"orientations": 4}, {"min_tissue": 0.2}, {"patch": PatchSpec(50, 8.0, 0.5)}])
def test_what_decides_p_raw_changes_both(changed: dict[str, Any]) -> None:
    scan, result = digests(replace(SETTINGS, **changed))
    assert scan != digests(SETTINGS)[0]
    assert result != digests(SETTINGS)[1]
