"""Two models' runs of the same slides, evaluated against the same labels: what a comparison starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from cohort_runs import labels_csv, make_manifest, result
from judged_runs import run_with_card

from batchscan.domain.evaluated import Evaluation
from batchscan.domain.job import EvaluationSection
from batchscan.stores.evaluations import EvaluationFolder
from batchscan.workflow.evaluate import evaluate_runs

WHEN = datetime(2026, 1, 2, tzinfo=UTC)
Grid = Sequence[Sequence[float]]
Labels = Mapping[tuple[int, int], int]


def labels_and_scores(n_slides: int = 6, seed: int = 0) -> tuple[list[dict[tuple[int, int], int]], list[list[Grid]]]:
    """Each slide's labels, and the scores of two models; the second is better, and the last slide has no IDC."""
    random = np.random.default_rng(seed)
    labels: list[dict[tuple[int, int], int]] = []
    scores: list[list[Grid]] = []
    for i in range(n_slides):
        label = (random.random((3, 4)) < 0.4) & (i < n_slides - 1)
        shared = random.normal(0, 1.3, (3, 4))
        logits = [np.where(label, gain, -gain) + shared + random.normal(0, 0.3, (3, 4)) for gain in (1.0, 1.8)]
        labels.append({(row, col): int(label[row, col]) for row in range(3) for col in range(4)})
        scores.append([(1 / (1 + np.exp(-logit))).tolist() for logit in logits])
    return labels, scores


def evaluated(folder: Path, scores: Sequence[Grid], labels: Sequence[Labels]) -> Path:
    """The evaluation of slides S1, S2, ... each of its own patient."""
    folder.mkdir()
    names = [f"S{i}" for i in range(1, len(scores) + 1)]
    run = run_with_card(folder / "run", *(result(name, p) for name, p in zip(names, scores, strict=True)))
    rows = [
        {"slide_id": name, "reference": labels_csv(folder / f"{name}.csv", label)}
        for name, label in zip(names, labels, strict=True)
    ]
    section = EvaluationSection(manifest=make_manifest(folder, *rows), out=folder / "eval", replicates=200)
    for _ in evaluate_runs([run], section, (), created=WHEN, command="batchscan evaluate"):
        pass
    return folder / "eval"


def rewrite(folder: Path, evaluation: Evaluation, **of_rows: object) -> None:
    """Put other fields in all rows of an evaluation's slides; a function is given the row."""
    rows = tuple(
        row.model_copy(update={name: value(row) if callable(value) else value for name, value in of_rows.items()})
        for row in evaluation.extent.per_slide
    )
    extent = evaluation.extent.model_copy(update={"per_slide": rows})
    EvaluationFolder(folder).write(evaluation.model_copy(update={"extent": extent}))
