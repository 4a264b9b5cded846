"""What a model was trained on, and what a job overrides -> the limits that slides' quality is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from batchscan.domain.profile import TrainingProfile
from batchscan.domain.quality import Limits, QualitySettings

DEFAULT_LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        "sharpness": Limits(review_below=1.6, refuse_below=0.5),
        # Where half the patches are blurred, sharpness is refused: it is their median.
        "blurred_share": Limits(review_above=0.1),
        "pen_share": Limits(review_above=0.01, refuse_above=0.25),
        "dark_share": Limits(review_above=0.02, refuse_above=0.25),
        "overexposed_share": Limits(review_above=0.05, refuse_above=0.25),
        "glass_level": Limits(review_below=0.87, refuse_below=0.72),
        "tissue_mm2": Limits(review_below=10.0, refuse_below=1.0),
    }
)
"""docs/quality.md has what they were chosen on; benchmarks/quality_limits.py measures it again."""

_PALEST, _DARKEST = 0.75, 1.2
"""Multiples of the ends of the training range, beyond which a stain is refused."""


def quality_settings(
    trained_on: TrainingProfile | None,
    *,
    enabled: bool = True,
    overrides: Mapping[str, Mapping[str, float]] | None = None,
) -> QualitySettings:
    """The limits in force.

    Parameters
    ----------
    trained_on
        None where the model says nothing of its training: stains then have no limits.
    enabled
        Whether slides are judged at all.
    overrides
        Measure -> field of `Limits` -> value.

    Raises
    ------
    ValueError
        If limits of a measure contradict one another.
    """
    limits = dict(DEFAULT_LIMITS)
    for name, (low, high) in (trained_on.ranges if trained_on else {}).items():
        limits[name] = Limits(
            review_below=low, review_above=high, refuse_below=_PALEST * low, refuse_above=_DARKEST * high
        )
    for name, changes in (overrides or {}).items():
        try:
            limits[name] = replace(limits.get(name, Limits()), **changes)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return QualitySettings(enabled, limits)
