"""What cross-validation and the training's history say -> the tables beside a package; undefined is an empty cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from batchscan.domain.card import MEASURES, Epoch, History
from batchscan.evaluation.held_out import Judged, measured, measured_together
from batchscan.stores.atomic import write_atomically
from batchscan.stores.cells import TableWriter
from batchscan.training.dataset import LabelledPatches
from batchscan.workflow.cross_validation import CONTEXTS, POOLED, CrossValidated
from batchscan.workflow.judgement import How, Part

CROSS_VALIDATION_FILE, OUT_OF_FOLD_FILE, HISTORY_FILE = "cross_validation.csv", "out_of_fold.csv", "history.csv"

_HOW = ("sigma", "temperature", "intercept", "threshold")
_COUNTS = ("n_patches", "n_positive", "tp", "fp", "fn", "tn")
CROSS_VALIDATION_COLUMNS = ("slide", "seed", "context", *_HOW, *_COUNTS, *MEASURES)
OUT_OF_FOLD_COLUMNS = ("slide", "seed", "x_px", "y_px", "label", "p_raw", "p_idc", "left_out", "used_for")
_DIGITS = 6


def write_cross_validation(path: Path, found: CrossValidated, cell_mm2: float) -> None:
    """A row a left-out slide, seed and context, then all slides pooled; each judged as chosen without it.

    Pooled, `idc_mm2_absolute_error` is the mean over the slides; signed errors of the area, which cancel, are empty.
    """
    _write(path, CROSS_VALIDATION_COLUMNS, _figures(found, cell_mm2))


def _figures(found: CrossValidated, cell_mm2: float) -> Iterator[Sequence[Any]]:
    for context in CONTEXTS:
        for fold in found.folds:
            how = _how(fold.chosen[context].how)
            for seed, judged in zip(found.plan.seeds, fold.judged(context), strict=True):
                yield fold.slide.name, seed, context, *how, *_numbers(judged, measured(judged, cell_mm2))
        nothing_in_common = ("",) * len(_HOW)
        for seed, slides in zip(found.plan.seeds, found.by_seed(context), strict=True):
            numbers = _numbers(Judged.together(slides), measured_together(slides, cell_mm2))
            yield POOLED, seed, context, *nothing_in_common, *numbers


def _how(how: How) -> tuple[float, ...]:
    by = how.aggregation
    return by.sigma, by.temperature, by.intercept, how.threshold.value


def _numbers(judged: Judged, measures: Mapping[str, float | None]) -> Iterator[Any]:
    counts = judged.confusion()
    yield from (counts.n, counts.tp + counts.fn, counts.tp, counts.fp, counts.fn, counts.tn)
    yield from map(_cell, measures.values())


def write_out_of_fold(path: Path, found: CrossValidated, patches: LabelledPatches) -> None:
    """Each left-out patch as each network scored it, and whom that network had not seen.

    `used_for` is `measuring`, with p_idc as the slide was judged; or `choosing`: by these scores it was chosen how to
    judge the other patients of `left_out`, and, where p_idc stands as the package judges, the package's own way.
    """
    _write(path, OUT_OF_FOLD_COLUMNS, _scored(found, patches))


def _scored(found: CrossValidated, patches: LabelledPatches) -> Iterator[Sequence[Any]]:
    for fold in found.folds:
        for part in fold.parts:
            yield from _patches(part, fold.chosen["neighbours"].how, patches, "measuring")
    package = {(part.slide.name, part.training): part for part in found.package.parts}
    for part in package.values():
        yield from _patches(part, found.package.how, patches, "choosing")
    others = (part for fold in found.folds for part in fold.chosen["neighbours"].parts)
    for (name, training), part in {(part.slide.name, part.training): part for part in others}.items():
        if (name, training) not in package:
            yield from _patches(part, None, patches, "choosing")


def _patches(part: Part, how: How | None, patches: LabelledPatches, used_for: str) -> Iterator[Sequence[Any]]:
    rows = part.slide.rows
    left_out = " ".join(sorted(part.training.left_out))
    p_idc = map(_float32, part.slide.p_idc(part.scores, how.aggregation)) if how else ("" for _ in rows)
    columns = (patches.x_px[rows], patches.y_px[rows], patches.label[rows], part.scores.of(rows), p_idc)
    for x_px, y_px, label, p_raw, p in zip(*columns, strict=True):
        place = (f"{x_px:g}", f"{y_px:g}", label)
        yield part.slide.name, part.training.seed, *place, _float32(p_raw), p, left_out, used_for


def write_history(path: Path, history: History) -> None:
    """A row an epoch."""
    columns = tuple(Epoch.model_fields)
    _write(path, columns, ([_cell(getattr(epoch, name)) for name in columns] for epoch in history.epochs))


def _cell(value: float | None) -> Any:
    return "" if value is None else round(value, _DIGITS)


def _float32(value: np.float32) -> str:
    """As many digits as bring the very number back."""
    return np.format_float_positional(value, unique=True, trim="-")


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with write_atomically(path) as stream:
        writer = TableWriter(stream)
        writer.writerow(columns)
        writer.writerows(rows)
