"""A patch set, a recipe and a seed -> a model package that says on its card how it was made and what it can do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from batchscan.domain.errors import OutputError
from batchscan.domain.records import Float32Array
from batchscan.stores.packages import GOLDEN_AT_LEAST, Golden, ModelPackage, check_free, shipped_models, write_package
from batchscan.stores.patchsets import read_patch_set
from batchscan.training.architecture import DESCRIPTION, INPUT_PX, PATCH_PX
from batchscan.training.dataset import LabelledPatches, Split, balanced_weights, load_patches, split_patients
from batchscan.training.fit import Fitted, PartMeasured, Report, TrainingStarted, fit, predicted, steps_per_epoch
from batchscan.training.measures import auroc, balanced_accuracy, best_threshold, performance
from batchscan.training.recipe import Recipe

GOLDEN_SPREAD, GOLDEN_NEAR_THRESHOLD = 24, 8

INTENDED_USE = "Research use only: finds patches with invasive ductal carcinoma on H&E whole mounts. Not for diagnosis."
LIMITS = (
    "Not a medical device; no figure here comes from a clinical study.",
    "A patch is judged alone, without its neighbours: it errs most at the borders of tumours.",
    "DCIS, lobular carcinoma, metastases, frozen sections and stains other than H&E were not looked at.",
    "p_idc is the network's softmax and not calibrated: read it as a score.",
)


def train_package(
    patches: Path,
    out: Path,
    holdout: tuple[str, ...],
    recipe: Recipe,
    seed: int,
    report: Report,
    *,
    threads: int = 2,
) -> ModelPackage:
    """Train on a patch set, measure on patients that were not trained on, and write the package.

    Parameters
    ----------
    patches
        Folder or zip in the public layout.
    out
        Folder to make.
    holdout
        Patients that serve for nothing but being measured, whatever the recipe says of them.
    recipe
        How to train; what it doesn't say of the package, the folder's name and plain words do.
    seed
        Decides weights, order and augmentation; the same on one machine gives the same weights.
    report
        Is called with events while it goes on.

    Raises
    ------
    PatchSetError
        If the patches can't serve: unreadable, one class, one patient, a holdout that isn't there.
    OutputError
        If `out` is there already, can't be written, or would give the package a shipped model's name.
    """
    recipe = _completed(recipe, out)
    check_free(out)
    with read_patch_set(patches) as patch_set:
        data = load_patches(patch_set)
    split = split_patients(data, holdout, recipe.validation_patients, recipe.validation_share, seed)
    training, validation = data.of(split.training), data.of(split.validation)
    report(_started(split, recipe, len(training), len(validation)))
    fitted = fit(training, validation, recipe, seed=seed, report=report, threads=threads)
    threshold = _threshold(fitted, validation, recipe)
    performances = _measured(fitted.network, data, split, threshold["value"], recipe.patient_exponent, report)
    golden = _golden(fitted.network, training, threshold["value"], np.random.default_rng(seed))
    card = {**_origin(recipe, split, data, seed, fitted), "threshold": threshold, "performance": performances}
    return write_package(out, fitted.network.save, card, golden)


def _completed(recipe: Recipe, out: Path) -> Recipe:
    completed = recipe.completed(out)
    if recipe.name is None and completed.name in shipped_models():
        raise OutputError(
            f"{out} would call its model {completed.name}, as one that ships: name another folder, or give a name in a "
            "recipe (--recipe)"
        )
    return completed


def _started(split: Split, recipe: Recipe, n_training: int, n_validation: int) -> TrainingStarted:
    return TrainingStarted(
        split,
        n_training,
        n_validation,
        recipe.epochs,
        steps_per_epoch(n_training, recipe.batch),
        tuple(sorted(set(recipe.validation_patients) & set(split.test))),
    )


def _threshold(fitted: Fitted, validation: LabelledPatches, recipe: Recipe) -> dict[str, Any]:
    weights = balanced_weights(validation, recipe.patient_exponent)
    p_idc = predicted(fitted.network, validation.pixels)
    return {
        "value": best_threshold(validation.label, p_idc, weights, recipe.prevalence),
        "how_chosen": (
            f"greatest F1 on the validation patients alone, weighted by patient, at {recipe.prevalence:.0%} IDC; "
            "no test patient was looked at"
        ),
    }


def _origin(recipe: Recipe, split: Split, data: LabelledPatches, seed: int, fitted: Fitted) -> dict[str, Any]:
    """The card's fields that say what the model is and how it was made."""
    history = [
        {
            "epoch": event.epoch,
            "training_loss": round(event.training_loss, 5),
            "validation_loss": round(event.validation_loss, 5),
            "validation_auroc": round(event.validation_auroc, 5),
        }
        for event in fitted.history
    ]
    made = {**recipe.model_dump(mode="json"), "seed": seed, "best_epoch": fitted.best_epoch, "history": history}
    used = data.of((*split.training, *split.validation))
    return {
        "schema_version": 1,
        "name": recipe.name,
        "version": recipe.version,
        "licence": recipe.licence,
        "intended_use": INTENDED_USE,
        "limits": [*LIMITS, recipe.labels_known, _confounding(data.of(split.training)), *recipe.notes],
        "classes": ["not IDC", "IDC"],
        "patch_px": PATCH_PX,
        "scale": {"um_per_px": recipe.um_per_px, "how_known": recipe.spacing_known},
        "input_px": INPUT_PX,
        "architecture": DESCRIPTION,
        "recipe": made,
        "training_data": (
            f"{recipe.data}: {len(used)} patches ({int(used.label.sum())} IDC) of {len(used.patients())} patients, "
            f"{len(split.validation)} of them for validation"
        ),
        "training_patients": list(split.training),
        "validation_patients": list(split.validation),
        "calibration": {"method": "none", "note": "p_idc is the network's own softmax"},
        "engine_tolerance": recipe.engine_tolerance,
    }


def _confounding(training: LabelledPatches) -> str:
    patients = training.patients()
    both = sum(training.of([patient]).has_both_classes() for patient in patients)
    return (
        f"{both} of the {len(patients)} training patients have patches of both classes; where few do, stain and class "
        "are confounded: stain jitter and weights by patient lessen that and can't remove it."
    )


def _measured(
    network: Any, data: LabelledPatches, split: Split, threshold: float, exponent: float, report: Report
) -> list[dict[str, Any]]:
    """Each patient's figures for the card, test patients first (nothing was chosen on them); reports each part's."""
    parts: Sequence[tuple[Literal["test", "validation"], tuple[str, ...]]] = (
        ("test", split.test),
        ("validation", split.validation),
    )
    measured = []
    for used_for, patients in parts:
        part = data.of(patients)
        p_idc = np.zeros(len(part), dtype=np.float32)
        for patient in patients:
            own = part.patient == patient
            p_idc[own] = predicted(network, part.pixels[own])
            measured.append(performance(patient, used_for, part.label[own], p_idc[own], threshold).model_dump())
        if patients:
            weights = balanced_weights(part, exponent)
            area = auroc(part.label, p_idc, weights)
            balanced = balanced_accuracy(part.label, p_idc, threshold, weights)
            report(PartMeasured(used_for, patients, area, balanced))
    return measured


def _golden(network: Any, training: LabelledPatches, threshold: float, rng: np.random.Generator) -> Golden:
    """Training patches spread evenly over p_idc, and those nearest to the threshold."""
    drawn = training.pixels[rng.permutation(len(training))]
    if len(drawn) < GOLDEN_AT_LEAST:
        drawn = np.resize(drawn, (GOLDEN_AT_LEAST, *drawn.shape[1:]))
    p_idc = predicted(network, drawn)
    chosen = _spread_over(p_idc, threshold)
    # Probabilities as they are given for the patches that are stored, in the order that they are stored in.
    return Golden(drawn[chosen], predicted(network, drawn[chosen]))


def _spread_over(p_idc: Float32Array, threshold: float) -> list[int]:
    targets = [*np.linspace(0.0, 1.0, GOLDEN_SPREAD), *[threshold] * GOLDEN_NEAR_THRESHOLD]
    chosen: list[int] = []
    for target in targets[: len(p_idc)]:
        distance = np.abs(p_idc - target)
        distance[chosen] = np.inf
        chosen.append(int(np.argmin(distance)))
    return sorted(chosen)
