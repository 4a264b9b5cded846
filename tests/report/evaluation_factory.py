"""An evaluation with everything in it, made up but consistent: figures follow from drawn patches, intervals don't."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from evaluation_parts import (
    SHA,
    exclusions,
    flow,
    measured,
    models,
    provenance,
    readers,
    robustness,
    settings,
    signed,
    subgroups,
)
from sklearn import metrics as sk

from batchscan.domain.card import ConfusionCounts, ReliabilityBin
from batchscan.domain.evaluated import Evaluation, Extents, Failure, Failures, Gate, Leakage, SlideRow
from batchscan.domain.levels import (
    CALLS,
    PROBABILITIES,
    RANKS,
    Agreement,
    AtPrevalence,
    BandPoint,
    ClassFigures,
    DecisionPoint,
    Level,
    Levels,
    Measured,
    OperatingPoint,
    Unit,
    Within,
)
from batchscan.domain.records import BoolArray, Float64Array


def confusion(label: BoolArray, called: BoolArray) -> ConfusionCounts:
    return ConfusionCounts(
        tp=int((label & called).sum()),
        fp=int((~label & called).sum()),
        fn=int((label & ~called).sum()),
        tn=int((~label & ~called).sum()),
    )


def _figures(label: BoolArray, score: Float64Array, called: BoolArray) -> dict[str, float | None]:
    both, found = bool(label.any() and not label.all()), confusion(label, called)
    positive, negative, yes = found.tp + found.fn, found.tn + found.fp, found.tp + found.fp
    return {
        "accuracy": float((label == called).mean()),
        "balanced_accuracy": float(sk.balanced_accuracy_score(label, called)) if both else None,
        "sensitivity": found.tp / positive if positive else None,
        "specificity": found.tn / negative if negative else None,
        "precision": found.tp / yes if yes else None,
        "npv": found.tn / (found.tn + found.fn) if found.tn + found.fn else None,
        "f1": 2 * found.tp / (positive + yes) if positive + yes else None,
        "mcc": float(sk.matthews_corrcoef(label, called)) if both else None,
        "kappa": float(sk.cohen_kappa_score(label, called)) if both else None,
        "auroc": float(sk.roc_auc_score(label, score)) if both else None,
        "auprc": float(sk.average_precision_score(label, score)) if both else None,
        "brier": float(((label - score) ** 2).mean()),
        "ece": 0.021,
        "calibration_slope": 0.93 if both else None,
        "calibration_intercept": -0.11 if both else None,
    }


def level(unit: Unit, label: BoolArray, score: Float64Array, called: BoolArray, n_patients: int) -> Level:
    """Of units that are labelled, scored and called so."""
    patch, found, n = unit == "patch", _figures(label, score, called), len(label)
    names = (*CALLS, *RANKS, *(PROBABILITIES if patch else ()))
    of = {"sensitivity": int(label.sum()), "specificity": n - int(label.sum())}
    half, trusted = 1.1 / max(4, n_patients) + 0.01, n_patients >= 5
    kind: Any = "bootstrap" if patch else "wilson"
    both = found["auroc"] is not None
    curve, pr = _curves(label, score) if both else ((), ())
    return Level(
        unit=unit,
        score="p(IDC) of the patch" if patch else "area called IDC, mm\u00b2, of all scanned tissue",
        called="p(IDC) at or above the slide\u2019s threshold" if patch else "at least one focus",
        n=n,
        n_patients=n_patients,
        prevalence=float(label.mean()) if n else None,
        confusion=confusion(label, called),
        metrics={
            name: measured(
                found[name], half, of.get(name, n), method=kind, trusted=trusted, design_effect=38.2 if patch else 1.1
            )
            for name in names
        },
        macro={name: measured(found[name], half * 1.1, n // 400) for name in names} if patch else {},
        per_class=tuple(
            ClassFigures(name=name, precision=p, recall=r, f1=found["f1"], support=s)
            for name, p, r, s in (
                ("not IDC", found["npv"], found["specificity"], n - int(label.sum())),
                ("IDC", found["precision"], found["sensitivity"], int(label.sum())),
            )
        ),
        at_prevalence=_predictive(half, n) if both else (),
        roc=curve,
        pr=pr,
        roc_band=tuple(BandPoint(x=x, low=max(0, y - half), high=min(1, y + half)) for x, y, _ in curve[::4]),
        pr_band=tuple(BandPoint(x=x, low=max(0, y - half), high=min(1, y + half)) for x, y, _ in pr[::4]),
        reliability=_reliability(label, score) if patch else (),
        operating=tuple(_operating(held, at, n) for held in ("specificity", "sensitivity") for at in (0.9, 0.95, 0.99))
        if both
        else (),
        decision=_decision() if patch and both else (),
    )


def _predictive(half: float, n: int) -> tuple[AtPrevalence, ...]:
    return tuple(
        AtPrevalence(prevalence=at, ppv=measured(0.4 + at, half, n), npv=measured(0.99 - at / 4, half, n))
        for at in (0.05, 0.2)
    )


def _decision() -> tuple[DecisionPoint, ...]:
    return tuple(
        DecisionPoint(threshold=t, net_benefit=0.2 - 0.13 * t, call_all=0.21 - 0.79 * t / (1 - t))
        for t in np.linspace(0.02, 0.9, 45).tolist()
    )


def _operating(held: Any, at: float, n: int) -> OperatingPoint:
    other = measured(1.2 - at / 2.4, 0.05, n)
    fixed = measured(at, 0.0, n, method="none", low=None, high=None, why="held")
    pair = {"specificity": fixed, "sensitivity": other} if held == "specificity" else {
        "specificity": other, "sensitivity": fixed}  # fmt: skip
    return OperatingPoint(held=held, at_least=at, threshold=0.31 if at < 0.99 else None, **pair)


def _curves(label: BoolArray, score: Float64Array) -> tuple[Any, Any]:
    fpr, tpr, at = sk.roc_curve(label, score)
    chosen = np.unique(np.linspace(0, len(fpr) - 1, min(101, len(fpr))).astype(int))
    roc = tuple((float(fpr[i]), float(tpr[i]), float(at[i]) if np.isfinite(at[i]) else None) for i in chosen)
    precision, recall, limit = sk.precision_recall_curve(label, score)
    chosen = np.unique(np.linspace(0, len(limit) - 1, min(101, len(limit))).astype(int))[::-1]
    return roc, tuple((float(recall[i]), float(precision[i]), float(limit[i])) for i in chosen)


def _reliability(label: BoolArray, score: Float64Array) -> tuple[ReliabilityBin, ...]:
    bins = np.minimum((score * 15).astype(int), 14)
    return tuple(
        ReliabilityBin(
            low=b / 15,
            high=(b + 1) / 15,
            n=int((bins == b).sum()),
            mean_p=float(score[bins == b].mean()),
            share_idc=float(label[bins == b].mean()),
        )
        for b in range(15)
        if (bins == b).any()
    )


def _row(i: int, patient: int, label: BoolArray, score: Float64Array, area: tuple[float, float] | None) -> SlideRow:
    found, reference = area or (12.0, None)
    called = score >= 0.5
    return SlideRow(
        slide_id=f"S{i:03d}",
        patient_id=f"P{patient:02d}",
        model=f"idc-best 3.{i % 2}",
        threshold=0.5,
        slide_label=bool(label.any()),
        n_labelled=len(label),
        n_positive=int(label.sum()),
        n_ambiguous=4,
        n_unlabelled=0,
        n_not_scanned=3,
        n_unreadable=int(i == 1),
        confusion=confusion(label, called),
        figures=_figures(label, score, called),
        found_mm2=found,
        reference_mm2=reference,
        found_largest_mm=found / 3,
        reference_largest_mm=None if reference is None else reference / 3,
        found_field_mm=found / 2,
        reference_field_mm=None if reference is None else reference / 2,
        dice=0.83 if reference else None,
        hausdorff95_mm=1.4 if reference else None,
        attributes={"site": "north" if patient % 2 else "south"},
        report=f"../run/slides/S{i:03d}/report.pdf" if i else None,
    )


def _agreement(quantity: Any, unit: Any, n: int, scale: float) -> Agreement:
    few = n >= 5
    return Agreement(
        quantity=quantity,
        unit=unit,
        n=n,
        bias=signed(3.1 * scale, 2.4 * scale, n, "t", trusted=few),
        loa_low=signed(-11.2 * scale, 3.9 * scale, n, "t", trusted=few),
        loa_high=signed(17.4 * scale, 3.9 * scale, n, "t", trusted=few),
        icc=measured(0.93, 0.06, n, trusted=few),
        ccc=measured(0.92, 0.06, n, trusted=few),
        within=(
            Within(limit=2.0, kind="absolute", share=measured(0.55, 0.2, n, method="wilson", trusted=few)),
            Within(limit=0.2, kind="relative", share=measured(0.7, 0.2, n, method="wilson", trusted=few)),
        ),
    )


def _extents(rows: Sequence[SlideRow], *, known: bool) -> Extents:
    area = _agreement("idc_mm2", "mm2", len(rows), 1.0)
    others = (_agreement("largest_focus_mm", "mm", len(rows), 0.1), _agreement("field_extent_mm", "mm", len(rows), 0.2))
    none = Measured(value=None, n=0, why="no slide\u2019s labels cover it")
    return Extents(
        n=len(rows) if known else 0,
        why="" if known else "no slide\u2019s labels cover at least 99 % of its scanned tissue",
        bias_mm2=area.bias if known else none,
        loa_low_mm2=area.loa_low if known else none,
        loa_high_mm2=area.loa_high if known else none,
        icc=area.icc if known else none,
        ccc=area.ccc if known else none,
        dice=measured(0.83, 0.05, len(rows)) if known else none,
        hausdorff95_mm=signed(1.4, 0.4, len(rows)) if known else none,
        quantities=(area, *others) if known else (),
        per_slide=tuple(rows),
    )


def _failures(rows: Sequence[SlideRow], n_pictures: int) -> Failures:
    patches = tuple(
        Failure(
            kind="false positive" if i % 2 else "false negative",
            slide_id=rows[i % len(rows)].slide_id,
            patient_id=rows[i % len(rows)].patient_id,
            row=i,
            col=2 * i,
            x_px=800.0 * i,
            y_px=1600.0 * i,
            p_idc=0.99 - i / 100 if i % 2 else 0.01 + i / 100,
            suspect=i % 5 == 0,
            picture=i if i < n_pictures else None,
        )
        for i in range(n_pictures + 1 if n_pictures else 0)
    )
    return Failures(
        worst_slides=tuple(row.slide_id for row in rows[:3]),
        worst_by="error of the area, mm\u00b2",
        patches=patches,
        n_discordant=sum(row.confusion.fp + row.confusion.fn for row in rows),
        n_suspect=31 if patches else 0,
        suspect_rule="the model is surer of the other class than it is, on average, of patches of that class",
    )


GATES = (
    Gate(text="sensitivity.low >= 0.7", value=0.79, passed=True),
    Gate(text="extent.icc.low >= 0.95", value=0.87, passed=False),
)


def make_evaluation(
    n_slides: int = 12,
    n_patients: int = 10,
    n_models: int = 2,
    n_pictures: int = 9,
    share_positive: float = 0.6,
    *,
    slide_level: bool = True,
    extent: bool = True,
    **changes: Any,
) -> Evaluation:
    """An evaluation of so many slides; `share_positive` of them have IDC, about a third of each one's patches."""
    random = np.random.default_rng(3)
    labels, scores, rows = [], [], []
    for i in range(n_slides):
        positive = i < share_positive * n_slides
        label = np.asarray(random.random(400) < (0.35 if positive else 0.0), dtype=np.bool_)
        score = 1 / (1 + np.exp(-(random.normal(np.where(label, 2.2, -2.2), 1.7))))
        true = float(label.sum() * 0.16)
        found = max(0.0, true + float(random.normal(2, 6))) if positive else float(random.random() * 0.5)
        rows.append(_row(i, i % n_patients, label, score, (found, true) if extent else None))
        labels.append(label)
        scores.append(score)
    label, score = map(np.concatenate, (labels, scores))
    of_slides = np.asarray([one.any() for one in labels], dtype=np.bool_)
    areas = np.asarray([row.found_mm2 for row in rows], dtype=np.float64)
    fields: dict[str, Any] = {
        "provenance": provenance(),
        "settings": settings(),
        "models": models(rows, n_models),
        "flow": flow(rows, n_patients),
        "exclusions": exclusions(),
        "leakage": Leakage(allowed=False, found=(), checked=("patients", "identical patches"), not_checked=()),
        "levels": Levels(
            patch=level("patch", label, score, score >= 0.5, n_patients),
            slide=level("slide", of_slides, areas, areas > 0.2, n_patients) if slide_level else None,
            patient=level("patient", of_slides[:n_patients], areas[:n_patients], (areas > 0.2)[:n_patients], n_patients)
            if slide_level
            else None,
            why={} if slide_level else dict.fromkeys(("slide", "patient"), "no slide has a label of its own"),
        ),
        "extent": _extents(rows, known=extent),
        "readers": readers(),
        "subgroups": subgroups(),
        "robustness": robustness(),
        "failures": _failures(rows, n_pictures),
        "gates": GATES,
        "digest": f"sha256:{SHA}",
    }
    return Evaluation(**{**fields, **changes})
