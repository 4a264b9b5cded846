"""Runs and a manifest with reference labels -> the folder of an evaluation; yields what happens meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from batchscan.domain.errors import ManifestError, UsageError
from batchscan.domain.evaluated import Evaluation
from batchscan.domain.job import EvaluationSection
from batchscan.domain.records import Uint8Array
from batchscan.evaluation.failures import SuspectRule
from batchscan.evaluation.gates import Condition, parsed_gates
from batchscan.evaluation.readers import check_rule
from batchscan.evaluation.subgroups import check_columns
from batchscan.report.evaluation import render_evaluation
from batchscan.stores.evaluations import PAGE, REPORT, EvaluationFolder
from batchscan.stores.manifest import read_manifest_lines
from batchscan.stores.outlined import OutlineRule
from batchscan.stores.packages import open_package
from batchscan.stores.staging import staged_folder
from batchscan.workflow.cohort import Cohort, CohortOptions, open_cohort
from batchscan.workflow.cohort_pixels import wrong_calls
from batchscan.workflow.evaluation_figures import Made, evaluated, with_digest
from batchscan.workflow.judged_cohort import JudgedCohort, SlideJoined
from batchscan.workflow.robustness import PatchesRescored, SweepBegun, swept
from batchscan.workflow.tuning import Tuning, check_split, tuned_on

_NAMED = 5


@dataclass(frozen=True, slots=True)
class EvaluationPlanned:
    """So many slides are judged, so many of those asked for can't be; an older evaluation's digest is `replaced`."""

    n_slides: int
    n_excluded: int
    replaced: str = ""


@dataclass(frozen=True, slots=True)
class FiguresBegun:
    """All slides are in; what follows are redraws and pages."""

    n_patients: int


@dataclass(frozen=True, slots=True)
class EvaluationEnded:
    """The folder is there."""

    folder: Path
    evaluation: Evaluation


EvaluationEvent = EvaluationPlanned | SlideJoined | SweepBegun | PatchesRescored | FiguresBegun | EvaluationEnded


def check_evaluation(
    section: EvaluationSection, gates: Sequence[str]
) -> tuple[Path, EvaluationFolder, tuple[Condition, ...]]:
    """What can be known to be wrong before anything is scanned or joined.

    Returns
    -------
    The manifest, the folder to make, and the gates.

    Raises
    ------
    BatchscanError
        If manifest or folder isn't said, rows of the manifest are wrong in themselves, something else is in the
        folder's place, or a gate can't be read.
    """
    if section.manifest is None or section.out is None:
        raise UsageError("an evaluation needs a manifest with references and a folder to make")
    conditions = parsed_gates(gates)
    folder = EvaluationFolder(section.out)
    folder.check_free()
    requests = [request for _, request in read_manifest_lines(section.manifest, without_slides=True)]
    check_columns(section.by, {name for request in requests for name in request.attributes})
    check_rule(section.readers, sorted({reader for request in requests for reader in request.references}))
    check_split(section.tune_on, requests)
    return section.manifest, folder, conditions


def evaluate_runs(
    runs: Sequence[Path],
    section: EvaluationSection,
    gates: Sequence[str],
    *,
    created: datetime,
    command: str,
    threads: int = 1,
) -> Iterator[EvaluationEvent]:
    """Measure finished runs against reference labels; the folder is there when it is whole, and replaces an older one.

    Parameters
    ----------
    runs
        Run folders, each slide in one of them.
    section
        Manifest, where to, and how; `threads` are for its robustness sweep.
    gates
        What must be reached; that one is missed stands in the evaluation, it is no error here.
    created, command
        The date on the page, and what was typed, without folders.

    Yields
    ------
    EvaluationEvent
        EvaluationPlanned first, EvaluationEnded last, SlideJoined once for every slide that is judged.

    Raises
    ------
    BatchscanError
        If what is asked for is wrong (`check_evaluation`), a model has seen what it is measured on, or nothing is left.
    """
    manifest, folder, conditions = check_evaluation(section, gates)
    packages = tuple(map(open_package, section.models)) if section.robustness else ()
    cohort, tuning, n_slides = _asked(runs, manifest, section)
    yield EvaluationPlanned(n_slides, len(cohort.exclusions), folder.digest())
    made = Made(runs, manifest, folder.path, created, command)
    with staged_folder(folder.path) as staged:
        judged = JudgedCohort(cohort, tuning, folder.path, section.pictures)
        yield from judged.join(staged)
        guard = judged.guarded(allowed=section.allow_seen)
        if section.robustness:
            judged.robustness = yield from swept(judged.analysed(), judged.n_readable, packages, threads)
        yield FiguresBegun(len(judged.tallies.patients))
        evaluation = evaluated(judged, guard, section, conditions, made)
        failures, pictures = wrong_calls(evaluation.failures, judged.analysed())
        evaluation = with_digest(evaluation.model_copy(update={"failures": failures}))
        _write(EvaluationFolder(staged), evaluation, pictures, SuspectRule.of(judged.tallies))
    yield EvaluationEnded(folder.path, evaluation)


def _write(folder: EvaluationFolder, evaluation: Evaluation, pictures: Sequence[Uint8Array], rule: SuspectRule) -> None:
    """The record, the doubted labels, and the two pages."""
    folder.write(evaluation)
    folder.write_suspects(rule.doubted)
    render_evaluation(evaluation, pictures, html=folder.path / PAGE, pdf=folder.path / REPORT)


def _asked(runs: Sequence[Path], manifest: Path, section: EvaluationSection) -> tuple[Cohort, Tuning, int]:
    """Who is asked for, what is tuned on some of them, and how many others can be judged, one at least."""
    rule = OutlineRule(complete=section.outlines == "complete")
    cohort = open_cohort(runs, manifest, CohortOptions(reader_rule=section.readers, outline_rule=rule))
    tuning = tuned_on(section.tune_on, cohort)
    n_slides = sum(not tuning.serves(request) for request in cohort.requests)
    if not n_slides:
        raise ManifestError(f"{manifest}: none of its slides can be judged: {_why_none(cohort)}")
    return cohort, tuning, n_slides


def _why_none(cohort: Cohort) -> str:
    reasons = [f"{one.slide_id}: {one.sentence}" for one in cohort.exclusions]
    more = f"; and {len(reasons) - _NAMED} more" if len(reasons) > _NAMED else ""
    return "; ".join(reasons[:_NAMED]) + more if reasons else "--tune-on takes all of them: name a smaller split"
