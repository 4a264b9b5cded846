"""Two evaluations of the same patches -> the folder of their comparison; yields what happens meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from batchscan import __version__
from batchscan.domain.compared import ComparedLevels, Comparison, Side, Unpaired
from batchscan.domain.errors import NotComparable
from batchscan.domain.evaluated import Evaluation, SlideRow
from batchscan.evaluation.intervals import COVERAGE_WORDS, INTERVAL_WORDS, Bootstrap
from batchscan.evaluation.margins import Margin, judged, parsed_margins
from batchscan.evaluation.paired import PairedTallies, compared_slides, patch_differences, roc_pair
from batchscan.evaluation.paired_units import PairedUnits, extent_differences, paired_slides, unit_differences
from batchscan.evaluation.pairing import LeftOver, named, paired_patches
from batchscan.stores.comparisons import PAGE, REPORT, ComparisonFolder
from batchscan.stores.evaluations import EvaluationFolder
from batchscan.stores.staging import check_writable, staged_folder

NO_PATCHES = "the two have no readable labelled patch in common"
NO_LABELS = "no slide that both have is ranked, called and labelled in both"

_NOT_IN_DIGEST = {"name", "created", "batchscan_version", "command", "digest"}


@dataclass(frozen=True)
class CompareOptions:
    """How two evaluations are compared.

    Parameters
    ----------
    margins
        Such as `auroc=0.02`.
    replicates, seed
        Of the bootstrap over patients.
    intersection
        Leave out what only one of them has, instead of refusing it.
    """

    margins: tuple[str, ...] = ()
    replicates: int = 2000
    seed: int = 0
    intersection: bool = False


@dataclass(frozen=True, slots=True)
class ComparisonPlanned:
    """How many slides both have."""

    n_slides: int


@dataclass(frozen=True, slots=True)
class SlideCompared:
    """A slide's patches are counted."""

    slide_id: str
    n_patches: int


@dataclass(frozen=True, slots=True)
class FiguresBegun:
    """All patches are counted; the patients are redrawn."""

    n_patients: int


@dataclass(frozen=True, slots=True)
class ComparisonMade:
    """The folder is there, whole."""

    comparison: Comparison
    folder: Path


CompareEvent = ComparisonPlanned | SlideCompared | FiguresBegun | ComparisonMade


def compare_evaluations(
    first: Path, second: Path, out: Path, options: CompareOptions, command: str, created: datetime
) -> Iterator[CompareEvent]:
    """Compare the evaluation in `second` with that in `first`; `out` gets comparison.json, report.pdf and index.html.

    Raises
    ------
    UsageError
        If a margin can't be read; before anything else.
    OutputError
        If `out` holds something else than a comparison, or can't be written.
    DamagedResult
        If an evaluation can't be read.
    NotComparable
        If the two aren't of the same patches with the same labels, and it wasn't asked for their intersection, or have
        nothing in common.
    """
    margins = parsed_margins(options.margins)
    folder = ComparisonFolder(out)
    folder.check_free()
    sides = EvaluationFolder(first), EvaluationFolder(second)
    read = sides[0].read(), sides[1].read()
    rows = _rows(read[0]), _rows(read[1])
    only = _only(rows, intersection=options.intersection)
    yield ComparisonPlanned(len(rows[0]) - len(only[0]))
    tallies, left_over = PairedTallies(), LeftOver()
    for patches in paired_patches(sides[0].patches(), sides[1].patches(), left_over):
        tallies.add(patches)
        yield SlideCompared(patches.first.slide_id, len(patches.first))
    if not options.intersection:
        left_over.refuse()
    yield FiguresBegun(len(tallies.first.patients))
    unpaired = Unpaired(
        intersection=options.intersection,
        slides_only_first=only[0],
        slides_only_second=only[1],
        patches_only_first=left_over.first,
        patches_only_second=left_over.second,
        patches_unreadable=left_over.unreadable,
    )
    comparison = _compared(read, rows, tallies, unpaired, margins, options, (out.name, created.isoformat(), command))
    _write(folder, comparison)
    yield ComparisonMade(comparison, out)


def _rows(evaluation: Evaluation) -> dict[str, SlideRow]:
    return {row.slide_id: row for row in evaluation.extent.per_slide}


def _only(
    rows: tuple[Mapping[str, SlideRow], Mapping[str, SlideRow]], *, intersection: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The slides that only the first, and only the second, has."""
    one, other = (set(side) for side in rows)
    only = tuple(sorted(one - other)), tuple(sorted(other - one))
    if not one & other:
        raise NotComparable("A and B have no slide in common: evaluate both against the same manifest")
    said = [
        f"slides that only {side} has: {named(list(names))}" for side, names in zip("AB", only, strict=True) if names
    ]
    if said and not intersection:
        raise NotComparable(
            f"{'; '.join(said)}: expected the same slides in both; evaluate both against the same manifest, or compare "
            "with --intersection what both have"
        )
    return only


def _compared(
    read: tuple[Evaluation, Evaluation],
    rows: tuple[Mapping[str, SlideRow], Mapping[str, SlideRow]],
    tallies: PairedTallies,
    unpaired: Unpaired,
    margins: tuple[Margin, ...],
    options: CompareOptions,
    provenance: tuple[str, str, str],
) -> Comparison:
    common = [name for name in rows[0] if name in rows[1]]
    n_patients = len({rows[0][name].patient_id for name in common})
    bootstrap = Bootstrap(n_patients, options.replicates, options.seed)
    name, created, command = provenance
    comparison = Comparison(
        name=name,
        created=created,
        batchscan_version=__version__,
        command=command,
        first=_side(read[0]),
        second=_side(read[1]),
        interval=f"{INTERVAL_WORDS} {COVERAGE_WORDS}",
        replicates=options.replicates,
        seed=options.seed,
        n_slides=len(common),
        n_patients=n_patients,
        unpaired=unpaired,
        levels=_levels(tallies, paired_slides(*rows), bootstrap),
        roc=roc_pair(tallies) if tallies.first.patients else None,
        extent=extent_differences(*rows, bootstrap),
        per_slide=compared_slides(tallies, *rows),
        noninferiority=(),
        digest=f"sha256:{'0' * 64}",
    )
    verdicts = judged(margins, dict(comparison.figures()), n_patients, comparison.levels.why)
    comparison = comparison.model_copy(update={"noninferiority": verdicts})
    text = comparison.model_dump_json(exclude=_NOT_IN_DIGEST)
    return comparison.model_copy(update={"digest": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"})


def _levels(tallies: PairedTallies, slides: PairedUnits | None, bootstrap: Bootstrap) -> ComparedLevels:
    patch = patch_differences(tallies, bootstrap)
    why = {} if patch else {"patch": NO_PATCHES}
    if slides is None:
        return ComparedLevels(
            patch=patch, slide=None, patient=None, why=why | dict.fromkeys(("slide", "patient"), NO_LABELS)
        )
    return ComparedLevels(
        patch=patch,
        slide=unit_differences(slides, "slide", bootstrap),
        patient=unit_differences(slides.by_patient(), "patient", bootstrap),
        why=why,
    )


def _side(evaluation: Evaluation) -> Side:
    settings = evaluation.settings
    return Side(
        name=evaluation.provenance.name,
        digest=evaluation.digest,
        created=evaluation.provenance.created,
        models=evaluation.models,
        leakage=evaluation.leakage,
        positive_rule=settings.positive_rule,
        slide_score=settings.slide_score,
        slide_called=settings.slide_called,
        tuned_on=settings.tuned_on,
    )


def _write(folder: ComparisonFolder, comparison: Comparison) -> None:
    from batchscan.report.comparison import render_comparison  # noqa: PLC0415 - jinja2 and matplotlib are slow to import

    check_writable(folder.path.parent)
    with staged_folder(folder.path) as partial:
        ComparisonFolder(partial).write(comparison)
        render_comparison(comparison, html=partial / PAGE, pdf=partial / REPORT)
