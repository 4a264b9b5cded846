"""Cards of a model that looks at 10-pixel patches: of schema version 1, and of today's with two examples."""

from __future__ import annotations

from typing import Any

VERSION_1: dict[str, Any] = {
    "schema_version": 1,
    "name": "tiny",
    "version": "7",
    "licence": "CC0-1.0",
    "intended_use": "For the tests of this project.",
    "limits": [],
    "classes": ["not IDC", "IDC"],
    "patch_px": 10,
    "scale": {"um_per_px": 4.0, "how_known": "made up for a test"},
    "input_px": 10,
    "architecture": "none",
    "recipe": {},
    "training_data": "none",
    "training_patients": ["a"],
    "validation_patients": ["b"],
    "performance": [],
    "threshold": {"value": 0.5, "how_chosen": "made up for a test"},
    "calibration": {"method": "none", "note": ""},
    "engine_tolerance": 0.001,
}
TODAYS: dict[str, Any] = {
    **VERSION_1,
    "schema_version": 2,
    "threshold": {**VERSION_1["threshold"], "curve": []},
    "calibration": {**VERSION_1["calibration"], "temperature": 1.0, "intercept": 0.0, "before": [], "after": []},
    "cross_validation": None,
    "history": None,
    "context": {"orientations": 1, "sigma": 0.0, "how_chosen": "made up for a test"},
    "parent": None,
    "examples": [
        {"patient_id": "a", "x_px": 1.0, "y_px": 2.0, "label": label, "p_idc": 0.5 + label / 4} for label in (0, 1)
    ],
}
