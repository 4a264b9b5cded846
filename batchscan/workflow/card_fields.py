"""What was trained, chosen and measured -> the fields of a new package's card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from batchscan.domain.card import CrossValidation, Example, HeldOutPerformance
from batchscan.training.architecture import ARCHITECTURES, PATCH_PX
from batchscan.training.corrections import Corrected
from batchscan.training.dataset import LabelledPatches, Split
from batchscan.training.fit import Fitted
from batchscan.training.recipe import Recipe
from batchscan.training.transfer import ParentModel
from batchscan.workflow.judgement import How

INTENDED_USE = "Research use only: finds patches with invasive ductal carcinoma on H&E whole mounts. Not for diagnosis."
_LIMITS = (
    "Not a medical device; no figure here comes from a clinical study.",
    "DCIS, lobular carcinoma, metastases, frozen sections and stains other than H&E were not looked at.",
)
_ALONE = "A patch is judged alone, without its neighbours: it errs most at the borders of tumours."
_BESIDE = "A patch is judged with its neighbours: a focus of one or two patches may be averaged away, a border blurred."
_SCORE = "p_idc is not calibrated: read it as a score."
_CALIBRATED = (
    "p_idc is calibrated on a few slides: on slides of other laboratories, scanners or prevalence it may be too high "
    "or too low."
)


def made_fields(
    recipe: Recipe,
    seed: int,
    patches: LabelledPatches,
    joined: Corrected | None,
    split: Split,
    fitted: Fitted,
    parent: ParentModel | None,
) -> dict[str, Any]:
    """What the model is and how it was made; the recipe has the precision that `auto` came to."""
    architecture = ARCHITECTURES[recipe.network]
    return {
        "schema_version": 2,
        "name": recipe.name,
        "version": recipe.version,
        "licence": recipe.licence,
        "intended_use": INTENDED_USE,
        "classes": ["not IDC", "IDC"],
        "patch_px": PATCH_PX,
        "scale": {"um_per_px": recipe.um_per_px, "how_known": recipe.spacing_known},
        "input_px": parent.card.input_px if parent else architecture.input_px,
        "architecture": parent.card.architecture if parent else architecture.description,
        "recipe": {
            **recipe.model_dump(mode="json"),
            "network": parent.network_name if parent else recipe.network,
            "precision": fitted.precision,
            "seed": seed,
        },
        "training_data": _training_data(recipe, patches, joined, split, parent),
        "training_patients": sorted({*split.training, *(parent.seen if parent else ())}),
        "validation_patients": list(split.validation),
        "history": fitted.history.model_dump(mode="json"),
        "parent": parent.record.model_dump(mode="json") if parent else None,
        "engine_tolerance": recipe.engine_tolerance,
        "bf16_tolerance": recipe.bf16_tolerance,
    }


def _training_data(
    recipe: Recipe, patches: LabelledPatches, joined: Corrected | None, split: Split, parent: ParentModel | None
) -> str:
    used = patches.of((*split.training, *split.validation))
    text = f"{recipe.data}: {len(used)} patches ({int(used.label.sum())} IDC) of {len(used.patients())} patients"
    if split.validation:
        text += f", {len(split.validation)} of them for validation"
    if joined:
        text += f"; from labelled slides, held-out ones included: {joined}"
    if parent:
        text += (
            f"; started from {parent.card.name} {parent.card.version}, whose {len(parent.seen)} patients stand among "
            "the training patients here"
        )
    return text


def judged_fields(how: How) -> dict[str, Any]:
    """How its scores are read."""
    return {name: getattr(how, name).model_dump(mode="json") for name in ("context", "calibration", "threshold")}


def measured_fields(
    performance: Sequence[HeldOutPerformance], found: CrossValidation | None, examples: Sequence[Example]
) -> dict[str, Any]:
    """What came out on patients that weren't fitted to."""
    return {
        "performance": [one.model_dump(mode="json") for one in performance],
        "cross_validation": found.model_dump(mode="json") if found else None,
        "examples": [one.model_dump(mode="json") for one in examples],
        "examples_sha256": None,
    }


def limits(recipe: Recipe, training: LabelledPatches, how: How) -> list[str]:
    """What a reader is warned of, the recipe's own notes last."""
    return [
        *_LIMITS,
        _BESIDE if how.context.sigma else _ALONE,
        _SCORE if how.calibration.method == "none" else _CALIBRATED,
        recipe.labels_known,
        _confounding(training),
        *recipe.notes,
    ]


def _confounding(training: LabelledPatches) -> str:
    counts = training.counts().values()
    both = sum(all(count) for count in counts)
    return (
        f"{both} of the {len(counts)} training patients have patches of both classes; where few do, stain and class "
        "are confounded: stain jitter and weights by patient lessen that and can't remove it."
    )
