"""A comparison -> the lines that are printed of it."""

from __future__ import annotations

from collections.abc import Iterator

from batchscan.domain.compared import ComparedLevel, Comparison, Difference
from batchscan.evaluation.margins import missed_line

_SHOWN = ("sensitivity", "specificity", "balanced_accuracy", "f1", "auroc")


def outcome(comparison: Comparison) -> Iterator[str]:
    """What stands on standard output: what was compared, the main differences by level, what the margins say."""
    levels = comparison.levels
    n_patches = levels.patch.n if levels.patch else 0
    yield (
        f"A {comparison.first.name}, B {comparison.second.name}: {comparison.n_slides} slides, "
        f"{comparison.n_patients} patients, {n_patches:,} patches; B less A"
    )
    left = comparison.unpaired
    if left.intersection:
        yield (
            f"left out: {len(left.slides_only_first)} and {len(left.slides_only_second)} slides, "
            f"{left.patches_only_first:,} and {left.patches_only_second:,} patches that only A and only B has"
        )
    for name, level in (("patches", levels.patch), ("slides", levels.slide), ("patients", levels.patient)):
        unit = {"patches": "patch", "slides": "slide", "patients": "patient"}[name]
        yield f"{name}: {_figures(level) if level else 'not compared: ' + levels.why.get(unit, '')}"
    found = [*levels.patch.differences.values()] if levels.patch else []
    if any(one.low is not None and not one.trusted for one in found):
        yield "(in brackets 95 % intervals over patients; ? marks one that rests on too few to be trusted)"
    for side, one in (("A", comparison.first), ("B", comparison.second)):
        if one.leakage.found:
            yield f"{side}: SEEN IN TRAINING, and allowed: {len(one.leakage.found)} findings; its figures say little"
    for verdict in comparison.noninferiority:
        if verdict.shown:
            yield f"non-inferiority shown: {verdict.figure}, margin {verdict.margin:g}"
        else:
            yield missed_line(verdict)


def _figures(level: ComparedLevel) -> str:
    return ", ".join(f"{name} {_one(level.differences[name])}" for name in _SHOWN)


def _one(found: Difference) -> str:
    if found.value is None:
        return "not defined"
    if found.low is None or found.high is None:
        return f"{found.value:+.3f} (no interval)"
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f}{'' if found.trusted else '?'})"
