"""A slide's quality, its limits and its profile <-> their parts of result.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from batchscan.domain.profile import Profile
from batchscan.domain.quality import NOT_JUDGED, Grade, Limits, Quality, QualityMeasure, QualitySettings


def quality_json(quality: Quality) -> dict[str, Any]:
    """`grade` and `measures`: value, unit, limits, grade, and why there is no value."""
    return {"grade": quality.grade, "measures": [asdict(measure) for measure in quality.measures]}


def read_quality(data: dict[str, Any]) -> Quality:
    """What `quality_json` wrote.

    Raises
    ------
    ValueError, KeyError, TypeError
        If it isn't what this version writes.
    """
    measures = tuple(
        QualityMeasure(**{**one, "limits": Limits(**one["limits"]), "grade": _grade(one["grade"])})
        for one in data["measures"]
    )
    return Quality(_grade(data["grade"]), measures) if measures else NOT_JUDGED


def _grade(text: str | None) -> Grade | None:
    return None if text is None else Grade(text)


def read_quality_settings(data: dict[str, Any]) -> QualitySettings:
    """What `asdict` made of settings; raises as `read_quality`."""
    return QualitySettings(data["enabled"], {name: Limits(**one) for name, one in data["limits"].items()})


def read_profile(data: dict[str, Any]) -> Profile:
    """Counts by name; raises as `read_quality`."""
    return {name: tuple(int(count) for count in counts) for name, counts in data.items()}
