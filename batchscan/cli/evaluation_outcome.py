"""An evaluation -> the lines that are printed of it."""

from __future__ import annotations

from collections.abc import Iterator

from batchscan.domain.evaluated import Evaluation
from batchscan.domain.levels import Level, Measured
from batchscan.evaluation.gates import missed_line

_SHOWN = ("sensitivity", "specificity", "balanced_accuracy", "f1", "auroc")


def outcome(evaluation: Evaluation) -> Iterator[str]:
    """What stands on standard output: who was judged, the main figures by level, what was missed."""
    flow = evaluation.flow
    yield (
        f"{flow.slides_analysed} of {flow.slides_asked} slides, {flow.patients_analysed} patients, "
        f"{flow.patches_analysed:,} labelled patches, {flow.patches_positive:,} with IDC"
    )
    for one in evaluation.exclusions:
        yield f"excluded: {one.slide_id}: {one.sentence}"
    levels = evaluation.levels
    units = (
        ("patch", "patches", levels.patch),
        ("slide", "slides", levels.slide),
        ("patient", "patients", levels.patient),
    )
    for unit, name, level in units:
        yield f"{name}: {_figures(level) if level else 'not defined: ' + levels.why.get(unit, '')}"
    yield f"area, found less labelled: {_one(evaluation.extent.bias_mm2, 'mm2')}"
    if any(not measured.trusted for level in (levels.patch,) if level for measured in level.metrics.values()):
        yield "(in brackets 95 % intervals over patients; ? marks one that rests on too few to be trusted)"
    if evaluation.leakage.found:
        yield f"SEEN IN TRAINING, and allowed: {len(evaluation.leakage.found)} findings; these figures say little"
    for gate in evaluation.gates:
        yield f"gate met: {gate.text}" if gate.passed else missed_line(gate)


def _figures(level: Level) -> str:
    return ", ".join(f"{name} {_one(level.metrics[name])}" for name in _SHOWN if name in level.metrics)


def _one(measured: Measured, unit: str = "") -> str:
    if measured.value is None:
        return "not defined"
    said = f"{measured.value:.3f}" if not unit else f"{measured.value:.1f} {unit}"
    if measured.low is None or measured.high is None:
        return f"{said} (no interval)"
    ends = f"{measured.low:.3f} to {measured.high:.3f}" if not unit else f"{measured.low:.1f} to {measured.high:.1f}"
    return f"{said} ({ends}{'' if measured.trusted else '?'})"
