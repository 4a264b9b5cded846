"""An evaluation becomes what must be known before its numbers are believed, the gravest first."""

from __future__ import annotations

from collections.abc import Iterator

from batchscan.domain.evaluated import Evaluation, Leakage
from batchscan.domain.levels import FEWEST_PATIENTS
from batchscan.report import numbers
from batchscan.report.evaluation_words import has, listed

_NOT_FEW = 0.01
_ALWAYS = (
    "The intervals cover chance among patients like these. They don\u2019t cover other laboratories, stains or "
    "scanners, "
    "other trainings of the network, or errors of the labels."
)


def mark(leakage: Leakage) -> str:
    """What stands on every page when the guard let through what it found; else empty."""
    if not leakage.allowed or not leakage.found:
        return ""
    people = {one.patient_id for one in leakage.found}
    return (
        f"Not independent: {numbers.count(len(people), 'patient')} of this cohort {has(len(people))} known to the "
        "model "
        "from its training (--allow-seen). The figures are too good."
    )


def cautions(evaluation: Evaluation) -> tuple[str, ...]:
    """A sentence or two each."""
    return (
        *_seen(evaluation.leakage),
        *_missed(evaluation),
        *_patients(evaluation),
        *_thresholds(evaluation),
        *_classes(evaluation),
        *_left_out(evaluation),
        *_without_extent(evaluation),
        *_reference(evaluation),
        *_several(evaluation),
        *_sites(evaluation),
        _ALWAYS,
    )


def _seen(leakage: Leakage) -> Iterator[str]:
    if leakage.found:
        people = sorted({one.patient_id for one in leakage.found})
        allowed = "let through by --allow-seen" if leakage.allowed else "found"
        yield (
            f"Not independent: the model was made with {numbers.count(len(people), 'patient')} of this cohort "
            f"({listed(people)}), {allowed}. On them it does better than on new patients, by how much isn\u2019t known."
        )
    if leakage.not_checked:
        yield (
            f"{numbers.count(len(leakage.checked), 'check')} for what the models have seen {has(len(leakage.checked))} "
            f"described under \u201cModels, gates and exclusions\u201d. Not possible: {'; '.join(leakage.not_checked)}."
        )


def _missed(evaluation: Evaluation) -> Iterator[str]:
    for gate in evaluation.gates:
        if not gate.passed:
            why = f"; {gate.why.rstrip('.')}" if gate.why else ""
            yield f"Acceptance gate missed: {gate.text} (found: {numbers.figure(gate.value)}{why})."


def _patients(evaluation: Evaluation) -> Iterator[str]:
    n = evaluation.flow.patients_analysed
    if n < FEWEST_PATIENTS:
        yield (
            f"Only {numbers.count(n, 'patient')}: intervals can\u2019t be trusted with fewer than {FEWEST_PATIENTS}, "
            "however many patches there are. Patches of one patient are alike."
        )


def _thresholds(evaluation: Evaluation) -> Iterator[str]:
    settings = evaluation.settings
    if settings.tuned_threshold is not None:
        yield (
            f"The threshold {numbers.threshold(settings.tuned_threshold)} was chosen after the fact, on "
            f"{settings.tuned_on or 'other slides'}; it is not the one that the model\u2019s package is locked to."
        )
    elif not all(one.locked for one in evaluation.models):
        yield "A threshold was used that is not the one that the model\u2019s package is locked to."
    if any(level and level.operating for level in vars(evaluation.levels).values() if not isinstance(level, dict)):
        yield "Operating points below were chosen on these very labels (post hoc): a new cohort will do worse at them."


def _classes(evaluation: Evaluation) -> Iterator[str]:
    for level in (evaluation.levels.patch, evaluation.levels.slide, evaluation.levels.patient):
        if level is None or not level.n:
            continue
        noun = "patch" if level.unit == "patch" else level.unit
        found = level.confusion
        if not found.tp + found.fn:
            yield f"No {noun} is labelled IDC: whether the model finds IDC was not measured on this kind of unit."
        if not found.fp + found.tn:
            yield f"Every {noun} is labelled IDC: how often the model calls other tissue IDC was not measured."


def _left_out(evaluation: Evaluation) -> Iterator[str]:
    flow = evaluation.flow
    lost = flow.slides_asked - flow.slides_analysed
    if lost:
        yield (
            f"{lost:,} of {numbers.count(flow.slides_asked, 'slide')} asked for {has(lost)} not in the figures: if "
            "these were hard slides, the figures are too good."
        )
    if flow.patches_unreadable > _NOT_FEW * max(1, flow.patches_labelled):
        share = numbers.percent(flow.patches_unreadable / flow.patches_labelled)
        yield f"{share} of the labelled patches could not be read and are in no figure."
    if flow.patches_not_scanned > _NOT_FEW * max(1, flow.patches_analysed):
        share = numbers.percent(flow.patches_not_scanned / flow.patches_analysed)
        yield (
            f"The tissue mask left out {share} of the labelled patches: they count as called not IDC. If it is more "
            "than a few percent of a slide, see whether its labels are another slide\u2019s."
        )
    if flow.cells_ambiguous:
        yield (
            f"{numbers.count(flow.cells_ambiguous, 'cell')} that outlines or readers leave undecided "
            f"{has(flow.cells_ambiguous)} in no figure: these are the hard ones."
        )


def _without_extent(evaluation: Evaluation) -> Iterator[str]:
    lost = [row.slide_id for row in evaluation.extent.per_slide if row.found_mm2 is None or row.reference_mm2 is None]
    if lost and evaluation.extent.n:
        yield (
            f"{numbers.count(len(lost), 'slide')} ({listed(lost)}) {has(len(lost))} in no figure of extents: the "
            "labels don\u2019t cover the tissue, or nothing could be measured. If these were hard slides, the "
            "agreement is too good."
        )


def _reference(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.readers is None or not evaluation.readers.pairs:
        yield "The labels are taken as the truth: no second reader says how far people would agree on them."
    if evaluation.failures.n_suspect:
        yield (
            f"{numbers.count(evaluation.failures.n_suspect, 'label')} may be wrong, or the model is: only its own p "
            "says so (suspects.csv). They count as they stand."
        )


def _several(evaluation: Evaluation) -> Iterator[str]:
    if len(evaluation.models) > 1:
        yield (
            f"{numbers.count(len(evaluation.models), 'model')} scanned this cohort, each its own slides: the figures "
            "describe models made in this way, not any one of them."
        )


def _sites(evaluation: Evaluation) -> Iterator[str]:
    found = {row.attributes.get("site", "") for row in evaluation.extent.per_slide}
    if len(found) == 1:
        (site,) = found
        if site:
            yield f"All slides come from one site ({site}): how the model does elsewhere was not measured."
        else:
            yield "The manifest doesn\u2019t say which sites the slides come from: other sites may differ."
