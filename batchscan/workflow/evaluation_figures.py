"""What was kept of a cohort's slides -> the record of the evaluation: every figure, and what it was made of."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Literal

from batchscan import __version__
from batchscan.domain.evaluated import Evaluation, Extents, Flow, Leakage, ModelUsed, Provenance, Settings
from batchscan.domain.job import EvaluationSection
from batchscan.domain.joined import CohortSlide
from batchscan.domain.levels import Level, Levels
from batchscan.evaluation.extent_agreement import extents
from batchscan.evaluation.failures import failures
from batchscan.evaluation.gates import Condition, judged_gates
from batchscan.evaluation.intervals import COVERAGE_WORDS, INTERVAL_WORDS, Bootstrap
from batchscan.evaluation.patch_level import patch_level
from batchscan.evaluation.readers import reader_name, rule_words
from batchscan.evaluation.subgroups import columns_of, subgroups
from batchscan.evaluation.unit_level import Units, patient_units, slide_units, unit_level, unit_words
from batchscan.stores.machine import versions_of
from batchscan.workflow.cohort_reviews import cohort_reviewed
from batchscan.workflow.judged_cohort import JudgedCohort

_N_WORST = 10
_NO_DIGEST = f"sha256:{'0' * 64}"
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "shapely", "pyarrow")
_POSITIVE = "a patch is called IDC when its p_idc reaches the threshold of the slide's own scan"


@dataclass(frozen=True)
class Made:
    """Of what, when and how: `runs` and `manifest` are paths, whose names alone are kept."""

    runs: Sequence[Path]
    manifest: Path
    out: Path
    created: datetime
    command: str


def evaluated(
    judged: JudgedCohort,
    leakage: Leakage,
    section: EvaluationSection,
    conditions: Sequence[Condition],
    made: Made,
) -> Evaluation:
    """Every figure of an evaluation, without pictures and digest."""
    bootstrap = Bootstrap(len(judged.tallies.patients), section.replicates, section.seed)
    levels = _levels(judged, section, bootstrap)
    extent = _with_scores(extents(judged.slides, judged.tallies, bootstrap), judged, section)
    figures = {
        "provenance": _provenance(judged, made),
        "settings": _settings(judged, section),
        "models": _models(judged),
        "flow": _flow(judged),
        "exclusions": judged.cohort.exclusions,
        "leakage": leakage,
        "levels": levels,
        "extent": extent,
        "readers": judged.readers.readers(section.readers, bootstrap),
        "subgroups": subgroups(
            judged.slides, judged.tallies, bootstrap, columns_of(judged.slides, section.by), section.min_patients
        ),
        "robustness": judged.robustness,
        "failures": failures(judged.failures, judged.tallies, extent.per_slide, _N_WORST),
        "gates": judged_gates(conditions, levels, extent),
        "reviewed": cohort_reviewed(judged.rows, bootstrap),
    }
    return Evaluation.model_validate({**figures, "digest": _NO_DIGEST})


def with_digest(evaluation: Evaluation) -> Evaluation:
    """The same with the digest of all that it says but when it was made and by which command."""
    said = evaluation.model_dump(mode="json", exclude={"digest": True, "provenance": {"created", "command"}})
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return evaluation.model_copy(update={"digest": digest})


def _levels(judged: JudgedCohort, section: EvaluationSection, bootstrap: Bootstrap) -> Levels:
    patch = patch_level(judged.tallies, bootstrap, section.prevalence)
    why = {} if patch else {"patch": "no labelled patch could be read"}
    score, called_from = section.slide_score, section.slide_threshold

    def of(unit: Literal["slide", "patient"], units: Units) -> Level | None:
        words = unit_words(unit, score, called_from)
        if units.left_out:
            n = len(units.left_out)
            lacking = f"{n} {unit}{'s' * (n > 1)} without a label of {'their' if n > 1 else 'its'} own or a score"
            words = replace(words, called=f"{words.called}; {lacking} left out here")
        found = unit_level(units, unit, bootstrap, section.prevalence, words)
        if found is None:
            why[unit] = "no slide has a label of its own, or patches labelled over all its tissue"
        return found

    return Levels(
        patch=patch,
        slide=of("slide", slide_units(judged.slides, score, called_from)),
        patient=of("patient", patient_units(judged.slides, score, called_from)),
        why=why,
    )


def _with_scores(extent: Extents, judged: JudgedCohort, section: EvaluationSection) -> Extents:
    """What each slide was ranked by and called, beside its own figures: a comparison goes by it."""
    units = slide_units(judged.slides, section.slide_score, section.slide_threshold)
    said = zip(units.ids, units.score.tolist(), units.called.tolist(), strict=True)
    of_slide = {slide_id: {"score": score, "called": called} for slide_id, score, called in said}
    rows = tuple(row.model_copy(update=of_slide.get(row.slide_id, {})) for row in extent.per_slide)
    return extent.model_copy(update={"per_slide": rows})


def _flow(judged: JudgedCohort) -> Flow:
    slides = judged.slides
    asked = [request for request in judged.cohort.asked if not judged.tuning.serves(request)]
    read = sum(slide.n_labelled for slide in slides)
    unreadable = sum(slide.n_unreadable for slide in slides)
    return Flow(
        slides_asked=len(asked),
        patients_asked=len({request.patient_id for request in asked}),
        slides_analysed=len(slides),
        patients_analysed=len({slide.patient_id for slide in slides}),
        patches_labelled=read + unreadable,
        patches_analysed=read,
        patches_positive=sum(slide.n_positive for slide in slides),
        patches_not_scanned=sum(slide.n_not_scanned for slide in slides),
        patches_unreadable=unreadable,
        cells_ambiguous=sum(slide.n_ambiguous for slide in slides),
        cells_unlabelled=sum(slide.n_unlabelled for slide in slides),
        slides_not_asked=len(judged.cohort.not_asked),
        slides_tuned_on=len(judged.cohort.asked) - len(asked),
    )


def _models(judged: JudgedCohort) -> tuple[ModelUsed, ...]:
    """Each model with each threshold and engine that it was used with."""
    used: dict[tuple[str, float, str], list[CohortSlide]] = {}
    for slide in judged.slides:
        engine = judged.engines[slide.slide_id]
        used.setdefault((slide.model.sha256, slide.threshold, f"{engine.name} {engine.precision}"), []).append(slide)
    return tuple(_model(judged, *key, slides) for key, slides in sorted(used.items()))


def _model(
    judged: JudgedCohort, sha256: str, threshold: float, engine: str, slides: Sequence[CohortSlide]
) -> ModelUsed:
    card, model = judged.cards[sha256], slides[0].model
    locked = threshold == card.threshold.value and judged.tuning.threshold is None
    if judged.tuning.threshold is not None:
        words = "chosen on the tuning split of this cohort, on none of these slides"
    elif locked:
        words = f"the package's own: {card.threshold.how_chosen}"
    else:
        words = f"given for the scan; the package's own is {card.threshold.value:g}"
    return ModelUsed(
        name=model.name,
        version=model.version,
        sha256=sha256,
        engine=engine,
        threshold=threshold,
        locked=locked,
        threshold_words=words,
        slides=tuple(slide.slide_id for slide in slides),
        n_training_patients=len({*card.training_patients, *card.validation_patients}),
    )


def _settings(judged: JudgedCohort, section: EvaluationSection) -> Settings:
    words = unit_words("slide", section.slide_score, section.slide_threshold)
    return Settings(
        positive_rule=_POSITIVE if judged.tuning.threshold is None else f"{_POSITIVE}, here the tuned one",
        slide_score=words.score,
        slide_called=words.called,
        reader_rule=rule_words(section.readers) if len(judged.cohort.readers) > 1 else "there is one reader",
        outline_rule=judged.cohort.options.outline_rule.words if judged.cohort.outlined else "there are no outlines",
        interval=f"{INTERVAL_WORDS} {COVERAGE_WORDS}",
        replicates=section.replicates,
        seed=section.seed,
        prevalences=section.prevalence,
        tuned_on=section.tune_on or "",
        tuned_threshold=judged.tuning.threshold,
        min_group_patients=section.min_patients,
    )


def _provenance(judged: JudgedCohort, made: Made) -> Provenance:
    return Provenance(
        name=made.out.name,
        created=made.created.isoformat(timespec="seconds"),
        batchscan_version=__version__,
        command=made.command,
        runs=tuple(run.resolve().name for run in made.runs),
        manifest=made.manifest.name,
        manifest_sha256=_file_sha256(made.manifest),
        references=_references(judged),
        versions={"python": platform.python_version(), **versions_of(_LIBRARIES)},
    )


def _references(judged: JudgedCohort) -> dict[str, str]:
    """Slide and reader -> sha256 of the file; a file's own name may tell who it is."""
    # One file may serve hundreds of slides.
    sha256_of = cache(_file_sha256)
    return {
        f"{row.request.slide_id}, {reader_name(reader)}": sha256_of(path)
        for row in judged.cohort.rows
        for reader, path in sorted(row.request.references.items())
    }


def _file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
