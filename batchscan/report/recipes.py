"""A card's recipe becomes rows of key, value and meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from batchscan.report.blocks import Cell, Table

# What the card says elsewhere, or what is no setting.
_ELSEWHERE = {
    "name",
    "version",
    "licence",
    "um_per_px",
    "spacing_known",
    "data",
    "labels_known",
    "notes",
    "history",
    "engine_tolerance",
    "bf16_tolerance",
}

_LEAST_PLAIN = 1e-7

_MEANINGS = {
    "network": "which architecture",
    "epochs": "passes over the training patches",
    "batch": "patches a step",
    "learning_rate": "of Adam, at its highest",
    "final_learning_rate": "at the end, fallen to along half a cosine",
    "warmup_steps": "steps over which the rate rises first",
    "frozen_epochs": "first epochs in which only the last layer learns, where it started from another model",
    "weight_decay": "decoupled from the gradient (AdamW); 0 is plain Adam",
    "precision": "of the training\u2019s arithmetic; the saved network is float32",
    "keep": "last: the last epoch\u2019s weights; best: those with the least loss on validation patients",
    "patience": "epochs without a lesser loss after which it would have ended",
    "balance": "whether patches are weighted by class and patient; otherwise each counts 1",
    "patient_exponent": "a patient\u2019s n patches of a class weigh n to this power: 1 counts patches, 0 patients",
    "contrast": "how far a patient with both classes weighs the same in both, 0 to 1",
    "validation_patients": "never fitted to",
    "validation_share": "share of the patches for validation where no patients are named",
    "folds": "patients that cross-validation leaves out in turn; none named: all with 20 patches of each class",
    "cv_seeds": "seeds that cross-validation repeats everything with",
    "prevalence": "share of IDC for which a threshold is chosen without cross-validation",
    "calibration": "what is fitted to out-of-fold predictions",
    "threshold_for": "what the threshold serves best on out-of-fold predictions",
    "seed": "decides weights, order and augmentation",
    "best_epoch": "the epoch whose weights were kept",
    "augment.turns": "patches are turned and mirrored at random",
    "augment.stain": "amount of each stain is changed by up to this share, in optical density",
    "augment.brightness": "light is changed by up to this share",
    "augment.gaps": "share of patches with a white margin, as at a slide\u2019s edge",
    "augment.blur": "share of patches that are blurred",
    "augment.jpeg": "share of patches that are compressed as JPEG once more",
    "augment.hue": "optical density of each colour channel is changed by up to this share",
    "context.orientations": "ways of turning and mirroring a patch whose scores are averaged",
    "context.sigmas": "candidates for the reach of neighbours, in patch sides",
}


def recipe_table(recipe: Mapping[str, Any]) -> Table | None:
    """Every setting of the recipe that is a plain value; None where there is none."""
    rows = tuple(
        (Cell(key), Cell(_value(value)), Cell(_MEANINGS.get(key, "")))
        for key, value in _settings(recipe)
        if key not in _ELSEWHERE
    )
    return Table("Recipe", ("Setting", "Value", "Meaning"), rows, n_text=3) if rows else None


def _settings(recipe: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in recipe.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{prefix}{key}.")
        elif not (isinstance(value, list | tuple) and any(isinstance(one, Mapping | list | tuple) for one in value)):
            yield f"{prefix}{key}", value


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10f}".rstrip("0").rstrip(".") if abs(value) >= _LEAST_PLAIN else f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value)) or "none"
    return str(value)
