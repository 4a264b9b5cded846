"""Slides of a cohort with an extent of chosen size, for tests."""

from __future__ import annotations

from typing import Any

from batchscan.domain.joined import CohortSlide
from batchscan.domain.records import Extent, ModelInfo

LENGTHS = ("largest_focus_mm", "perpendicular_mm", "field_extent_mm")


def extent(idc_mm2: float | None, largest_mm: float | None = None, field_mm: float | None = None) -> Extent:
    """Without a largest focus: nothing was found; without an area: nothing is defined."""
    found = bool(idc_mm2)
    return Extent(
        tissue_mm2=100.0,
        unreadable_mm2=0.0,
        idc_mm2=idc_mm2,
        idc_fraction=None if idc_mm2 is None else idc_mm2 / 100.0,
        n_foci=None if idc_mm2 is None else int(found),
        largest_focus_mm=largest_mm,
        perpendicular_mm=largest_mm,
        field_extent_mm=field_mm or largest_mm,
        touches_edge=None if idc_mm2 is None else False,
        foci=(),
        undefined={} if found else dict.fromkeys(LENGTHS, "no patch reached the threshold"),
    )


def cohort_slide(
    slide_id: str, patient_id: str, predicted: Extent, reference: Extent | None, **changes: Any
) -> CohortSlide:
    fields: dict[str, Any] = {
        "slide_id": slide_id,
        "patient_id": patient_id,
        "model": ModelInfo("net", "2", "ab" * 32),
        "threshold": 0.5,
        "fingerprint": f"sha256:{slide_id}",
        "attributes": {},
        "slide_label": None,
        "label_source": "",
        "predicted": predicted,
        "reference": reference,
        "dice": None,
        "hausdorff95_mm": None,
        "n_labelled": 0,
        "n_positive": 0,
        "n_ambiguous": 0,
        "n_unlabelled": 0,
        "n_not_scanned": 0,
        "n_unreadable": 0,
        "max_p": None,
    }
    return CohortSlide(**{**fields, **changes})
