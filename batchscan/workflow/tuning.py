"""A cohort and the split to tune on -> the threshold chosen there, and which slides it isn't judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from batchscan.domain.errors import ManifestError
from batchscan.domain.records import SlideRequest
from batchscan.evaluation.leakage import check_tuning
from batchscan.evaluation.thresholds import Part, best_mean_threshold
from batchscan.workflow.cohort import AnalysedSlide, Cohort

SPLIT = "split"
"""The manifest's column."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Both None where nothing was tuned: slides are judged at the threshold that they were scanned with."""

    split: str | None
    threshold: float | None

    def serves(self, request: SlideRequest) -> bool:
        """Whether a slide is one that the threshold was chosen on."""
        return self.split is not None and request.attributes.get(SPLIT) == self.split


def check_split(split: str | None, requests: Sequence[SlideRequest]) -> None:
    """Refuse a split to tune on that no slide has; None is no split.

    Raises
    ------
    ManifestError
        Naming those that there are.
    """
    splits = sorted({request.attributes.get(SPLIT, "") for request in requests} - {""})
    if split is not None and split not in splits:
        raise ManifestError(
            f"--tune-on {split}: no slide that can be judged has {split!r} in the manifest's column {SPLIT}; it has "
            f"{', '.join(splits) or 'no split'}"
        )


def tuned_on(split: str | None, cohort: Cohort) -> Tuning:
    """Choose the threshold with the greatest mean balanced accuracy over the slides of a split; None chooses nothing.

    Raises
    ------
    ManifestError
        If no slide has the split, patients have slides in it and outside, more than one model scanned the slides, or
        none of the split has both classes.
    """
    if split is None:
        return Tuning(None, None)
    serves = Tuning(split, None).serves
    check_split(split, cohort.requests)
    tuning = {request.patient_id for request in cohort.requests if serves(request)}
    check_tuning(split, tuning, {request.patient_id for request in cohort.requests if not serves(request)})
    _check_one_model(split, cohort)
    parts = [part for slide in cohort.slides(keep=serves) if (part := _part(slide))]
    if not parts:
        raise ManifestError(
            f"--tune-on {split}: none of its slides has readable labelled patches of both classes: a threshold can't "
            "be chosen on them"
        )
    return Tuning(split, best_mean_threshold(parts, "balanced_accuracy"))


def _check_one_model(split: str, cohort: Cohort) -> None:
    """A threshold means something for the scores of the model that it was chosen with, and for no others."""
    models = {slide.result.model.sha256: slide.result.model for slide in cohort.slides()}
    if len(models) > 1:
        names = ", ".join(sorted(f"{model.name} {model.version}" for model in models.values()))
        raise ManifestError(
            f"--tune-on {split}: the slides were scanned with {len(models)} models ({names}): a threshold chosen with "
            "one says nothing of another's scores; scan all of them with the same model, or leave --tune-on out"
        )


def _part(slide: AnalysedSlide) -> Part | None:
    """Readable patches, where there are some of both classes."""
    joined = slide.joined
    if joined is None:
        return None
    label, p_idc = joined.label[joined.readable], joined.p_idc[joined.readable]
    return (label, p_idc) if label.any() and not label.all() else None
