"""A model card with everything on it, made up but plausible, and the pictures of its examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from report_factory import WEIGHTS, make_card

from batchscan.domain.card import (
    Calibration,
    ConfusionCounts,
    Context,
    CrossValidation,
    Epoch,
    Example,
    FoldFigures,
    HeldOutPerformance,
    History,
    ModelCard,
    Parent,
    ReliabilityBin,
    Spread,
    Threshold,
    ThresholdPoint,
    parse_card,
)
from batchscan.domain.records import Uint8Array

VERSION_1 = Path(__file__).parent / "card_version_1.json"
"""The card of the package that shipped first: schema version 1, with a history in its recipe."""

PARENT_SHA = "a1" * 32
COMMAND = (
    "batchscan train --patches idc_patches.zip --holdout 8863 --cross-validate --recipe jobs/best.toml --out MODEL_DIR"
)


def spread(mean: float, half: float, n: int = 3) -> Spread:
    return Spread(mean=mean, low=mean - half, high=mean + half, n=n)


def fold(slide: str, n: int, positive: int, auroc: float, half: float = 0.012) -> FoldFigures:
    """Sensitivity and specificity follow from the counts of the three seeds, by hand in the tests."""
    tp = [round(positive * share) for share in (0.9, 0.88, 0.92)]
    fp = [round((n - positive) * share) for share in (0.05, 0.06, 0.04)]
    called = tuple(
        ConfusionCounts(tp=t, fp=f, fn=positive - t, tn=n - positive - f) for t, f in zip(tp, fp, strict=True)
    )
    x = np.linspace(0, 1, 40)
    power = (1 - auroc) / auroc
    figures = {
        "auroc": spread(auroc, half / 4),
        "auprc": spread(auroc - 0.06, half / 2),
        "f1": spread(auroc - 0.12, half),
        "balanced_accuracy": spread(auroc - 0.04, half),
        "sensitivity": spread(0.9, 0.02),
        "specificity": spread(0.95, 0.01),
        "brier": spread(0.041, 0.004),
        "ece": spread(0.032, 0.006),
        "idc_mm2_error": spread(-0.9 if positive < 100 else 2.4, 1.3),
        "idc_mm2_relative_error": spread(-0.1 if positive < 100 else 0.08, 0.05),
        "idc_mm2_absolute_error": spread(1.9 if positive < 100 else 2.6, 1.1),
    }
    if slide == "pooled":
        del figures["idc_mm2_error"], figures["idc_mm2_relative_error"]
    return FoldFigures(
        slide=slide,
        n_patches=n,
        n_positive=positive,
        thresholds=(0.412, 0.431, 0.398) if slide != "pooled" else (),
        figures=figures,
        confusions=called,
        roc=tuple((float(a), float(a**power)) for a in x),
    )


def cross_validation(**changes: Any) -> CrossValidation:
    found = CrossValidation(
        command=COMMAND,
        seconds=18_432.5,
        seeds=(0, 1, 2),
        note=(
            "Each slide was judged by networks that never saw it. Neighbours, calibration and threshold for it were "
            "chosen on the other 2, as networks scored them that had seen neither. Patches of one slide are not "
            "independent: the ranges are those over seeds, not what to expect on another slide."
        ),
        slides=(fold("8863", 979, 207, 0.957), fold("8865", 712, 55, 0.972, 0.03), fold("8867", 1642, 162, 0.995)),
        pooled=fold("pooled", 3333, 424, 0.981),
    )
    return found.model_copy(update=changes)


def history(watched: str = "held out", epochs: int = 15, **changes: Any) -> History:
    rows = tuple(
        Epoch(
            epoch=i + 1,
            training_loss=0.12 + 0.42 * float(np.exp(-i / 4)),
            training_accuracy=0.955 - 0.2 * float(np.exp(-i / 4)),
            watched_loss=0.24 + 0.3 * float(np.exp(-i / 3)) + 0.02 * (i % 3),
            watched_accuracy=0.915 - 0.15 * float(np.exp(-i / 3)) - 0.008 * (i % 2),
            watched_auroc=0.96,
            seconds=21.4,
        )
        for i in range(epochs)
    )
    record = History(
        kept_epoch=epochs,
        how_kept="the last: the schedule is fixed, and no epoch was chosen",
        watched=watched,
        watched_patients=("8863",),
        epochs=rows,
    )
    return record.model_copy(update=changes)


def curve() -> tuple[ThresholdPoint, ...]:
    return tuple(
        ThresholdPoint(
            threshold=i / 100,
            sensitivity=1 - (i / 100) ** 2.2,
            specificity=1 - (1 - i / 100) ** 5,
            f1=max(0.0, 0.88 - 1.6 * abs(i / 100 - 0.43) ** 1.8),
        )
        for i in range(101)
    )


def bins(bend: float) -> tuple[ReliabilityBin, ...]:
    return tuple(
        ReliabilityBin(
            low=i / 15,
            high=(i + 1) / 15,
            n=max(9, round(2400 * abs(i / 14 - 0.45) ** 2.6)),
            mean_p=(i + 0.5) / 15,
            share_idc=((i + 0.5) / 15) ** bend,
        )
        for i in range(15)
    )


def examples() -> tuple[Example, ...]:
    wrong = [
        Example(patient_id="8865", x_px=50.0 * i, y_px=1200.0 + 50 * i, label=0, p_idc=0.99 - 0.03 * i)
        for i in range(8)
    ]
    missed = [Example(patient_id="8863", x_px=2200.0, y_px=50.0 * i, label=1, p_idc=0.02 + 0.04 * i) for i in range(6)]
    return (*wrong, *missed)


def full_card(**changes: Any) -> ModelCard:
    return make_card(**{**SAID, **MADE, **measured(), **changes})


SAID: dict[str, Any] = {
    "name": "idc-best",
    "version": "3",
    "intended_use": (
        "Research use only: finds patches with invasive ductal carcinoma on H&E whole mounts of breast tissue. "
        "Not for diagnosis."
    ),
    "limits": (
        "Not a medical device; no figure here comes from a clinical study.",
        "Labels of the public patches come from outlines drawn at low magnification; single ones may be wrong.",
        "DCIS, lobular carcinoma, metastases, frozen sections and stains other than H&E were not looked at.",
        "4 of the 19 training patients have patches of both classes; where few do, stain and class are confounded.",
        "On 8865 it stays below Janowczyk's own network (AUROC .959, F1 .587), which was trained on that slide.",
    ),
}
MADE: dict[str, Any] = {
    "input_px": 50,
    "architecture": (
        "uint8 50x50x3 -> Rescaling to -1..1 -> Conv 32, 32 | 64, 64 | 128, 128 (3x3, same, ReLU), | is 2x2 "
        "max-pooling -> mean over the patch -> Dense 2 logits; p_raw = softmax(logits)[1]"
    ),
    "recipe": {
        "name": "idc-best", "network": "compact", "epochs": 15, "batch": 64, "learning_rate": 1e-3,
        "final_learning_rate": 1e-5, "precision": "mixed_bfloat16", "keep": "last", "patience": None,
        "validation_patients": [], "folds": ["8863", "8865", "8867"], "notes": ["x"],
        "augment": {"turns": True, "stain": 0.25, "brightness": 0.08, "blur": 0.1},
        "context": {"orientations": 4, "sigmas": [0.0, 0.6, 0.8]}, "seed": 0,
        "history": [{"epoch": 1, "training_loss": 0.4}], "of_another_kind": "kept",
    },
    "training_data": "Breast Histopathology Images (public IDC set, CC0): 6185 patches (3124 IDC) of 19 patients",
    "training_patients": tuple(f"{8950 + 3 * i}" for i in range(19)),
    "validation_patients": (),
    "parent": Parent(name="published-cnn", version="1", sha256=PARENT_SHA),
}  # fmt: skip


def measured() -> dict[str, Any]:
    return {
        "performance": (
            HeldOutPerformance(
                patient_id="8863", used_for="test", n_patches=979, n_positive=207,
                auroc=0.9612, f1=0.8231, balanced_accuracy=0.9112, sensitivity=0.9034, specificity=0.919,
            ),
            HeldOutPerformance(
                patient_id="8950", used_for="validation", n_patches=190, n_positive=190,
                auroc=None, f1=None, balanced_accuracy=None, sensitivity=0.7684, specificity=None,
            ),
        ),
        "cross_validation": cross_validation(),
        "history": history(),
        "context": Context(
            orientations=4, sigma=0.8,
            how_chosen="Of sigma 0, 0.6, 0.8 the one with the least log loss, 0.1123, over 8863, 8865, 8867",
        ),
        "threshold": Threshold(
            value=0.43, curve=curve(),
            how_chosen="Greatest mean F1 over 8863, 8865, 8867 and 3 seeds, as networks scored each that had not.",
        ),
        "calibration": Calibration(
            method="temperature", note="Least log loss over 8863, 8865, 8867 and the seeds 0, 1, 2.",
            temperature=1.3712, intercept=-0.2251, before=bins(1.7), after=bins(1.1),
        ),
        "examples": examples(),
        "examples_sha256": WEIGHTS,
    }  # fmt: skip


def example_pixels(card: ModelCard) -> Uint8Array:
    """Each of another colour."""
    n, side = len(card.examples), card.patch_px
    colours = np.random.default_rng(7).integers(120, 230, (n, 1, 1, 3))
    texture = np.random.default_rng(8).integers(-25, 25, (n, side, side, 1))
    return np.clip(colours + texture, 0, 255).astype(np.uint8)


def version_1_card() -> ModelCard:
    """An old card as it is read today."""
    return parse_card(VERSION_1.read_bytes())
