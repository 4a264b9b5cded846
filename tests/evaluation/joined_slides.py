"""Slides of labelled patches as two models may judge them, made up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from batchscan.domain.card import ConfusionCounts
from batchscan.domain.evaluated import SlideRow
from batchscan.domain.joined import JoinedSlide


def joined(
    slide_id: str, label: ArrayLike, p_idc: ArrayLike, threshold: float = 0.5, patient_id: str = "", **changes: Any
) -> JoinedSlide:
    """Patches in one row of 10, 50 px wide; p_idc NaN means that a patch couldn't be read."""
    true, p = np.asarray(label, dtype=np.bool_), np.asarray(p_idc, dtype=np.float32)
    n = len(true)
    place = np.arange(n, dtype=np.int32)
    fields: dict[str, Any] = {
        "slide_id": slide_id,
        "patient_id": patient_id or f"P-{slide_id}",
        "row": place // 10,
        "col": place % 10,
        "x_px": (place % 10) * 50.0,
        "y_px": (place // 10) * 50.0,
        "label": true,
        "p_raw": p,
        "p_idc": p,
        "positive": p >= threshold,
        "scanned": np.ones(n, dtype=np.bool_),
        "readable": ~np.isnan(p),
        "tissue_mm2": np.full(n, 0.16),
        "side_px": 50.0,
        "threshold": threshold,
    }
    return JoinedSlide(**{**fields, **changes})


def cohort_pair(
    n_patients: int = 12, n: int = 60, gain: float = 0.0, seed: int = 0
) -> tuple[list[JoinedSlide], list[JoinedSlide]]:
    """One slide a patient judged by two; hard patients are hard for both. `gain` parts the second's classes further."""
    random = np.random.default_rng(seed)
    first: list[JoinedSlide] = []
    second: list[JoinedSlide] = []
    for i in range(n_patients):
        label = random.random(n) < 0.4
        ease, shared = random.normal(1.5, 0.8), random.normal(0, 1, n)
        logits = [np.where(label, 1, -1) * (ease + more) + shared + random.normal(0, 0.3, n) for more in (0, gain)]
        for side, logit in zip((first, second), logits, strict=True):
            side.append(joined(f"S{i:02d}", label, 1 / (1 + np.exp(-logit))))
    return first, second


def slide_row(slide_id: str, patient_id: str = "", **changes: Any) -> SlideRow:
    """A slide of an evaluation of which nothing is known but what is said."""
    unknown = (
        *("slide_label", "found_mm2", "reference_mm2", "found_largest_mm", "reference_largest_mm"),
        *("found_field_mm", "reference_field_mm", "dice", "hausdorff95_mm", "report"),
    )
    counts = ("n_labelled", "n_positive", "n_ambiguous", "n_unlabelled", "n_not_scanned", "n_unreadable")
    fields: dict[str, Any] = {
        "slide_id": slide_id,
        "patient_id": patient_id or f"P-{slide_id}",
        "model": "idc-best 3.0",
        "threshold": 0.5,
        "confusion": ConfusionCounts(tp=0, fp=0, fn=0, tn=0),
        "figures": {},
        "attributes": {},
        **dict.fromkeys(unknown),
        **dict.fromkeys(counts, 0),
    }
    return SlideRow(**{**fields, **changes})
