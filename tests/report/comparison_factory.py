"""Made-up comparisons, whose numbers a test can look for on the page."""

from __future__ import annotations

from typing import Any, Literal

from evaluation_parts import SHA, models

from batchscan.domain.card import ConfusionCounts
from batchscan.domain.compared import (
    MEASURED_AT,
    ComparedLevel,
    ComparedLevels,
    ComparedSlide,
    Comparison,
    CurvePair,
    Difference,
    Noninferiority,
    Rights,
    Side,
    Unpaired,
)
from batchscan.domain.evaluated import Leakage


def difference(first: float, second: float, half: float = 0.02, **more: Any) -> Difference:
    value = second - first
    fields = {"first": first, "second": second, "value": value, "low": value - half, "high": value + half}
    return Difference(**{**fields, "n": 400, "method": "bootstrap", **more})


def undefined(why: str) -> Difference:
    return Difference(first=None, second=None, value=None, n=0, trusted=False, why=why)


def level(unit: Literal["patch", "slide", "patient"] = "patch", **changes: Any) -> ComparedLevel:
    """Sensitivity 0.80 and 0.86, specificity 0.95 and 0.94, all other measures 0.90 and 0.91."""
    found = {name: difference(0.90, 0.91) for name in MEASURED_AT[unit]}
    found["sensitivity"] = difference(0.80, 0.86, n=100)
    found["specificity"] = difference(0.95, 0.94, n=300)
    if unit != "patch":
        found["sensitivity"] = difference(0.80, 0.86, 0.05, n=100, method="newcombe", p=0.031, test="mcnemar")
        found["auroc"] = undefined("all slides are of one class")
    macro = {name: difference(0.88, 0.89, 0.03, n=12) for name in MEASURED_AT["patch.macro"]} if unit == "patch" else {}
    fields: dict[str, Any] = {
        "unit": unit,
        "n": 400,
        "n_patients": 12,
        "independent": unit != "patch",
        "prevalence": 0.25,
        "first": ConfusionCounts(tp=80, fp=15, fn=20, tn=285),
        "second": ConfusionCounts(tp=86, fp=18, fn=14, tn=282),
        "idc": Rights(both=77, only_first=3, only_second=9, neither=11),
        "not_idc": Rights(both=279, only_first=6, only_second=3, neither=12),
        "differences": found,
        "macro": macro,
    }
    return ComparedLevel(**{**fields, **changes})


def side(name: str, **changes: Any) -> Side:
    fields: dict[str, Any] = {
        "name": name,
        "digest": f"sha256:{name[0] * 64}",
        "created": "2026-01-02T00:00:00+00:00",
        "models": models([], 1),
        "leakage": Leakage(allowed=False, found=(), checked=("patients",), not_checked=()),
        "positive_rule": "p_idc reaches the threshold",
        "slide_score": "area called IDC, mm2",
        "slide_called": "there is a focus",
        "tuned_on": "",
    }
    return Side(**{**fields, **changes})


def verdict(figure: str = "patch.auroc", limit: float | None = -0.01, **changes: Any) -> Noninferiority:
    fields = {"figure": figure, "margin": 0.02, "difference": 0.01, "limit": limit, "shown": True, "worse": False}
    return Noninferiority(**{**fields, **changes})


def slide(i: int, **changes: Any) -> ComparedSlide:
    measures = ("auroc", "f1", "balanced_accuracy", "sensitivity", "specificity")
    fields: dict[str, Any] = {
        "slide_id": f"S{i}",
        "patient_id": f"P{i}",
        "n": 33,
        "n_positive": 8,
        "n_changed": 2,
        "first": dict.fromkeys(measures, 0.81),
        "second": dict.fromkeys(measures, 0.85),
        "first_mm2": 10.0 + i,
        "second_mm2": 12.0 + i,
        "reference_mm2": 11.0 + i,
    }
    return ComparedSlide(**{**fields, **changes})


def make_comparison(**changes: Any) -> Comparison:
    fields: dict[str, Any] = {
        "name": "old-new",
        "created": "2026-01-03T00:00:00+00:00",
        "batchscan_version": "0.5.0",
        "command": "batchscan compare old new --out old-new",
        "first": side("old"),
        "second": side("new"),
        "interval": "95 % intervals by cluster bootstrap over patients.",
        "replicates": 2000,
        "seed": 7,
        "n_slides": 12,
        "n_patients": 12,
        "unpaired": Unpaired(
            intersection=False,
            slides_only_first=(),
            slides_only_second=(),
            patches_only_first=0,
            patches_only_second=0,
            patches_unreadable=0,
        ),
        "levels": ComparedLevels(
            patch=level(), slide=None, patient=None, why=dict.fromkeys(("slide", "patient"), "no slide has a label")
        ),
        "roc": CurvePair(first=((0.0, 0.0), (0.1, 0.7), (1.0, 1.0)), second=((0.0, 0.0), (0.1, 0.8), (1.0, 1.0))),
        "extent": {
            "area_error_mm2": difference(4.0, 3.0, 0.5, n=12),
            "dice": difference(0.80, 0.79, 0.02, n=12),
        },
        "per_slide": tuple(slide(i) for i in range(12)),
        "noninferiority": (),
        "digest": f"sha256:{SHA}",
    }
    return Comparison(**{**fields, **changes})
