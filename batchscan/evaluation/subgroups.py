"""A cohort's slides and the manifest's columns -> the figures of each group of slides."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from batchscan.domain.errors import ManifestError
from batchscan.domain.evaluated import Subgroup
from batchscan.domain.joined import CohortSlide
from batchscan.domain.levels import FEWEST_PATIENTS, Measured
from batchscan.evaluation.intervals import Bootstrap
from batchscan.evaluation.patch_level import patch_figures
from batchscan.evaluation.tallies import PatientTallies

FIGURES = ("sensitivity", "specificity", "precision", "f1", "balanced_accuracy", "auroc")
"""What is measured of a group's patches."""

MOST_VALUES = 12
"""A column with more different values groups nothing, unless it is asked for."""

NOT_STATED = "not stated"


def columns_of(slides: Sequence[CohortSlide], asked: Sequence[str] = ()) -> tuple[str, ...]:
    """The manifest's columns that slides are grouped by, sorted; those asked for, in that order, whatever they hold.

    Without any asked for: those with 2 to 12 different values, an empty cell not being one.

    Raises
    ------
    ManifestError
        If the manifest has no column that is asked for; the nearest is proposed.
    """
    known = {name for slide in slides for name in slide.attributes}
    check_columns(asked, known)
    return tuple(dict.fromkeys(asked)) or tuple(name for name in sorted(known) if _groups(slides, name))


def check_columns(asked: Sequence[str], known: Collection[str]) -> None:
    """Refuse a column to group by that the manifest doesn't have.

    Raises
    ------
    ManifestError
        Naming it; the nearest is proposed.
    """
    unknown = [name for name in asked if name not in known]
    if unknown:
        near = difflib.get_close_matches(unknown[0], sorted(known), n=1)
        has = ", ".join(sorted(known)) or "none besides the known ones"
        there = f"did you mean {near[0]!r}?" if near else f"it has {has}"
        raise ManifestError(f"no column {unknown[0]!r} to group by in the manifest: {there}")


def _groups(slides: Sequence[CohortSlide], column: str) -> bool:
    values = {slide.attributes.get(column, "") for slide in slides} - {""}
    return 1 < len(values) <= MOST_VALUES


def subgroups(
    slides: Sequence[CohortSlide],
    tallies: PatientTallies,
    bootstrap: Bootstrap,
    columns: Sequence[str],
    min_patients: int = FEWEST_PATIENTS,
) -> tuple[Subgroup, ...]:
    """Each column's groups, by value.

    A group is a set of slides: a patient whose slides differ is in several. Groups are looked at one by one, without
    any correction for how many there are.

    Parameters
    ----------
    slides
        All that were analysed.
    tallies
        Of their patches.
    bootstrap
        How patients are redrawn; within a group only its own are.
    columns
        From `columns_of`.
    min_patients
        A group with labelled patches of fewer has no figures.
    """
    return tuple(
        _subgroup(column, value, group, tallies, bootstrap, min_patients)
        for column in columns
        for value, group in _grouped(slides, column).items()
    )


def _grouped(slides: Sequence[CohortSlide], column: str) -> dict[str, list[CohortSlide]]:
    values = sorted({_value(slide, column) for slide in slides})
    return {value: [slide for slide in slides if _value(slide, column) == value] for value in values}


def _value(slide: CohortSlide, column: str) -> str:
    return slide.attributes.get(column) or NOT_STATED


def _subgroup(
    column: str, value: str, slides: Sequence[CohortSlide], tallies: PatientTallies, bootstrap: Bootstrap, least: int
) -> Subgroup:
    own = tallies.subset({slide.slide_id for slide in slides})
    n_patients, table = len(own.patients), own.confusion()
    enough = n_patients >= least
    patients = "1 patient" if n_patients == 1 else f"{n_patients} patients"
    figures: dict[str, Measured] = patch_figures(own, bootstrap, FIGURES) if enough else {}
    return Subgroup(
        column=column,
        value=value,
        n_slides=len(slides),
        n_patients=len({slide.patient_id for slide in slides}),
        n_patches=table.n,
        n_positive=table.tp + table.fn,
        figures=figures,
        note="" if enough else f"labelled patches of {patients}: fewer than {least}, so no figures",
    )
