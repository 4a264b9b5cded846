"""The parts of a made-up evaluation that don't follow from its patches: who, with what, and what else was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from batchscan.domain.evaluated import (
    Evaluation,
    Exclusion,
    Flow,
    Leakage,
    ModelUsed,
    Perturbed,
    Provenance,
    ReaderPair,
    Readers,
    Seen,
    Settings,
    SlideRow,
    Subgroup,
)
from batchscan.domain.levels import Agreement, Measured
from batchscan.domain.records import Uint8Array

SHA = "5e" * 32


def measured(value: float | None, half: float = 0.03, n: int = 1000, **more: Any) -> Measured:
    if value is None:
        return Measured(value=None, n=n, why=more.pop("why", "no unit is labelled IDC"), **more)
    low, high = max(0.0, value - half), min(1.0, value + 0.8 * half)
    return Measured(**{"value": value, "low": low, "high": high, "n": n, "method": "bootstrap", **more})


def signed(value: float, half: float, n: int, method: Any = "bootstrap", *, trusted: bool = True) -> Measured:
    return Measured(value=value, low=value - half, high=value + half, n=n, method=method, trusted=trusted)


def models(rows: Sequence[SlideRow], n_models: int) -> tuple[ModelUsed, ...]:
    return tuple(
        ModelUsed(
            name="idc-best",
            version=f"3.{i}",
            sha256=f"{i:x}e" * 32,
            engine="openvino f32",
            threshold=0.5 if i else 0.41,
            locked=True,
            threshold_words="the package\u2019s own, chosen on validation patients",
            slides=tuple(row.slide_id for row in rows[i::n_models]),
            n_training_patients=19,
        )
        for i in range(n_models)
    )


def flow(rows: Sequence[SlideRow], n_patients: int) -> Flow:
    return Flow(
        slides_asked=len(rows) + 3,
        patients_asked=n_patients + 2,
        slides_analysed=len(rows),
        patients_analysed=n_patients,
        patches_labelled=sum(row.n_labelled + row.n_unreadable for row in rows),
        patches_analysed=sum(row.n_labelled for row in rows),
        patches_positive=sum(row.n_positive for row in rows),
        patches_not_scanned=sum(row.n_not_scanned for row in rows),
        patches_unreadable=sum(row.n_unreadable for row in rows),
        cells_ambiguous=sum(row.n_ambiguous for row in rows),
        cells_unlabelled=0,
        slides_not_asked=1,
    )


def exclusions() -> tuple[Exclusion, ...]:
    rows = (
        ("X1", "P90", "not_in_run", "No run has this slide."),
        ("X2", "P91", "failed", "The store could not be read: chunk 3/1 is damaged."),
        ("X3", "P03", "no_reference", "The manifest names neither patch labels nor a slide label."),
    )
    return tuple(Exclusion(slide_id=s, patient_id=p, reason=r, sentence=w) for s, p, r, w in rows)


def leaked(n: int = 2) -> Leakage:
    """A cohort of which `n` patients were seen, let pass."""
    return Leakage(
        allowed=True,
        found=tuple(
            Seen(
                kind="patient",
                slide_id=f"S{i:03d}",
                patient_id=f"P{i:02d}",
                model="idc-best 3.0",
                n=1,
                sentence=f"Patient P{i:02d} is among the training patients of idc-best 3.0.",
            )
            for i in range(n)
        ),
        checked=("patients", "slide fingerprints"),
        not_checked=("identical patches: the package of idc-best 3.1 has no seen.npz",),
    )


def readers() -> Readers:
    area = Agreement(
        quantity="idc_mm2",
        unit="mm2",
        n=12,
        bias=signed(0.8, 0.9, 12, "t"),
        loa_low=signed(-5.0, 1.6, 12, "t"),
        loa_high=signed(6.6, 1.6, 12, "t"),
        icc=measured(0.97, 0.02, 12),
        ccc=measured(0.97, 0.02, 12),
        within=(),
    )
    pair = ReaderPair(
        first="ann",
        second="ben",
        n_patches=4100,
        n_slides=12,
        kappa=measured(0.81, 0.05, 4100),
        agreement=measured(0.94, 0.02, 4100),
        dice=measured(0.86, 0.04, 12),
        area=area,
    )
    other = pair.model_copy(update={"second": "", "area": None, "n_slides": 4, "n_patches": 900})
    return Readers(names=("", "ann", "ben"), rule="majority", pairs=(pair, other), n_undecided=17)


def subgroups() -> tuple[Subgroup, ...]:
    def group(column: str, value: str, n: int, sensitivity: float | None, note: str = "") -> Subgroup:
        figures = {} if note else {
            "sensitivity": measured(sensitivity, 0.09, 40 * n),
            "specificity": measured(0.93, 0.05, 260 * n),
            "auroc": measured(0.96, 0.03, 300 * n),
            "f1": measured(0.84, 0.06, 300 * n),
        }  # fmt: skip
        return Subgroup(column=column, value=value, n_slides=n, n_patients=n, n_patches=300 * n, n_positive=40 * n,
                        figures=figures, note=note)  # fmt: skip

    return (
        group("site", "north", 7, 0.91),
        group("site", "south", 5, 0.78),
        group("scanner", "A", 10, 0.88),
        group("scanner", "B", 2, None, "2 patients: fewer than 5, no figures are given"),
    )


def robustness() -> tuple[Perturbed, ...]:
    def changed(name: str, words: str, auroc: float, sensitivity: float, flipped: float | None) -> Perturbed:
        return Perturbed(
            name=name,
            words=words,
            n_patches=4800,
            figures={"auroc": auroc, "sensitivity": sensitivity, "specificity": 0.93, "f1": None},
            change={"auroc": auroc - 0.965, "sensitivity": sensitivity - 0.89, "specificity": 0.0, "f1": None},
            flipped=flipped,
        )

    return (
        changed("unchanged", "the pixels as they are", 0.965, 0.89, None),
        changed("spacing-10", "read as if the spacing were 10 % finer than it is", 0.951, 0.84, 0.031),
        changed("jpeg30", "JPEG at quality 30", 0.944, 0.79, 0.052),
        changed("blur", "Gaussian blur, \u03c3 2 \u00b5m", 0.91, 0.93, 0.0871),
    )


def settings() -> Settings:
    return Settings(
        positive_rule="p(IDC) at or above the slide\u2019s threshold",
        slide_score="idc_mm2",
        slide_called="at least one focus",
        reader_rule="majority",
        outline_rule="a cell is IDC when outlines of IDC cover 50 % of its tissue or more, not IDC at 25 % or less",
        interval="percentile intervals of a bootstrap over patients, widened for few patients",
        replicates=2000,
        seed=7,
        prevalences=(0.05, 0.2),
        tuned_on="",
        tuned_threshold=None,
        min_group_patients=5,
    )


def provenance() -> Provenance:
    return Provenance(
        name="autumn-cohort",
        created="2025-11-24T05:00:00+00:00",
        batchscan_version="0.5.0",
        command="batchscan evaluate runs/a runs/b --manifest cohort.csv --out evaluation",
        runs=("a", "b"),
        manifest="cohort.csv",
        manifest_sha256=SHA,
        references={f"S{i:03d}, reference": f"{i:02x}" * 32 for i in range(12)},
        versions={"numpy": "2.1.0", "scikit-learn": "1.6.0"},
    )


def pictures(evaluation: Evaluation) -> Uint8Array:
    """As many as the evaluation's failures name, each of another colour."""
    n = sum(one.picture is not None for one in evaluation.failures.patches)
    random = np.random.default_rng(5)
    tint = random.integers(120, 250, (n, 1, 1, 3))
    return np.clip(tint + random.integers(-30, 30, (n, 50, 50, 1)), 0, 255).astype(np.uint8)
