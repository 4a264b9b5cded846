"""What decides whether a stored result may be used again: p_raw by the one digest, all else by the other."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from batchscan.domain import digest
from batchscan.domain.aggregation import Aggregation
from batchscan.domain.card import ModelCard, parse_card
from batchscan.domain.digest import result_digest, scan_digest
from batchscan.domain.geometry import PatchSpec, Spacing, SpacingSource
from batchscan.domain.quality import Limits, QualitySettings
from batchscan.domain.records import EngineInfo, ModelInfo, ScanSettings, SlideInfo

SHIPPED = Path(digest.__file__).parents[1] / "models/published-cnn/card.json"


@dataclass(frozen=True)
class Made:
    """All that a result is made from."""

    slide: SlideInfo
    model: ModelInfo
    engine: EngineInfo
    settings: ScanSettings
    card: ModelCard

    def digests(self) -> tuple[str, str]:
        scan = scan_digest(self.slide, self.model, self.engine, self.settings)
        return scan, result_digest(scan, self.slide, self.model, self.settings, self.card)


MADE = Made(
    SlideInfo("S", "P", 500, 400, Spacing(8.0, SpacingSource.VENDOR), "sha256:ab"),
    ModelInfo("m", "1", "cd" * 32),
    EngineInfo("keras", "f32"),
    ScanSettings(PatchSpec(50, 8.0, 1.0), 0.1, 0.01, 0.5, 0.02),
    parse_card(SHIPPED.read_bytes()),
)
OF_P_RAW: list[tuple[str, dict[str, Any]]] = [
    ("slide", {"fingerprint": "sha256:cd"}),
    ("slide", {"spacing": Spacing(8.1, SpacingSource.VENDOR)}),
    ("model", {"sha256": "ef" * 32}),
    ("engine", {"name": "openvino"}),
    ("engine", {"precision": "bf16"}),
    ("settings", {"patch": PatchSpec(51, 8.0, 1.0)}),
    ("settings", {"patch": PatchSpec(50, 8.1, 1.0)}),
    ("settings", {"patch": PatchSpec(50, 8.0, 0.5)}),
    ("settings", {"min_tissue": 0.2}),
    ("settings", {"orientations": 4}),
]
OF_THE_REST: list[tuple[str, dict[str, Any]]] = [
    ("slide", {"slide_id": "T"}),
    ("slide", {"patient_id": "Q"}),
    ("slide", {"spacing": Spacing(8.0, SpacingSource.OPTION)}),
    ("model", {"name": "n"}),
    ("model", {"version": "2"}),
    ("settings", {"threshold": 0.6}),
    ("settings", {"tolerance": 0.01}),
    ("settings", {"max_unreadable": 0.5}),
    ("settings", {"aggregation": Aggregation(sigma=0.8)}),
    ("settings", {"aggregation": Aggregation(temperature=1.5)}),
    ("settings", {"aggregation": Aggregation(intercept=-0.1)}),
    ("settings", {"quality": QualitySettings(enabled=False)}),
    ("settings", {"quality": QualitySettings(limits={"sharpness": Limits(review_below=0.1)})}),
]


def changed(part: str, changes: dict[str, Any]) -> tuple[str, str]:
    return replace(MADE, **{part: replace(getattr(MADE, part), **changes)}).digests()


@pytest.mark.parametrize(("part", "changes"), OF_P_RAW)
def test_what_decides_p_raw_changes_both(part: str, changes: dict[str, Any]) -> None:
    scan, result = changed(part, changes)
    assert scan != MADE.digests()[0]
    assert result != MADE.digests()[1]


@pytest.mark.parametrize(("part", "changes"), OF_THE_REST)
def test_what_comes_after_p_raw_changes_the_result_and_not_the_scan(part: str, changes: dict[str, Any]) -> None:
    scan, result = changed(part, changes)
    assert scan == MADE.digests()[0]
    assert result != MADE.digests()[1]


@pytest.mark.parametrize(
    "changes", [{"limits": ("Another limit.",)}, {"cross_validation": None, "intended_use": "Research, nothing else."}]
)
def test_a_corrected_card_changes_the_result_and_not_the_scan(changes: dict[str, Any]) -> None:
    scan, result = replace(MADE, card=MADE.card.model_copy(update=changes)).digests()
    assert scan == MADE.digests()[0]
    assert result != MADE.digests()[1]
    again = parse_card(MADE.card.model_dump_json())
    assert replace(MADE, card=again).digests() == MADE.digests()


def test_another_version_of_the_arithmetic_changes_both(monkeypatch: pytest.MonkeyPatch) -> None:
    before = MADE.digests()
    monkeypatch.setattr(digest, "NUMBERS_VERSION", digest.NUMBERS_VERSION + 1)
    assert all(now != was for now, was in zip(MADE.digests(), before, strict=True))


def test_no_setting_is_left_out_above() -> None:
    tried = {name for part, changes in (*OF_P_RAW, *OF_THE_REST) if part == "settings" for name in changes}
    assert tried == {field.name for field in fields(ScanSettings)}
