"""Runs of a model whose card is kept, and a manifest with labels: a cohort that can be evaluated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cohort_runs import MODEL, labels_csv, make_manifest, make_run, result
from tiny_cards import TODAYS

from batchscan.domain.card import parse_card
from batchscan.stores.results import RunFolder

LOW = ((0.1, 0.2, 0.2, 0.1), (0.2, 0.6, 0.3, 0.1), (0.1, 0.0, 0.3, 0.2))
EVERY = {(row, col): 0 for row in range(3) for col in range(4)}
TWO_IDC = {**EVERY, (0, 0): 1, (1, 1): 1}


def run_with_card(folder: Path, *results: Any, **card: Any) -> Path:
    said = {**TODAYS, "name": MODEL.name, "version": MODEL.version, "weights_sha256": MODEL.sha256}
    said |= {"examples": [], "examples_sha256": None, **card}
    run = make_run(folder, results)
    RunFolder(run).keep_card(parse_card(json.dumps(said)))
    return run


def three_slides(folder: Path) -> tuple[list[Path], Path]:
    """Three slides of two patients in two runs, and one that nobody scanned."""
    runs = [
        run_with_card(folder / "north", result("S1", patient_id="P1"), result("S2", LOW, patient_id="P1")),
        run_with_card(folder / "south", result("S3", LOW, patient_id="P2")),
    ]
    names = {slide: labels_csv(folder / f"{slide}.csv", TWO_IDC) for slide in ("S1", "S2", "S3", "S4")}
    patient = {"S1": "P1", "S2": "P1", "S3": "P2", "S4": "P3"}
    manifest = make_manifest(
        folder,
        *({"slide_id": slide, "patient_id": patient[slide], "reference": name} for slide, name in names.items()),
    )
    return runs, manifest
