"""Small runs whose every figure can be counted by hand, and one that is as bad as can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from batchscan.domain.attempts import Attempt, AttemptEnd
from batchscan.domain.profile import PROFILE_EDGES, Profile
from batchscan.domain.records import SlideStatus
from batchscan.report.night import RunFigures, run_figures
from batchscan.report.remedies import reasons as known
from batchscan.stores.ledger_view import LedgerRow

HOSTILE = "<script>alert(1)</script>\"'&/../" + "\u202eW\u0416" * 90
STAGES = {"read": 2.0, "tissue": 1.0, "infer": 5.0, "write": 2.0}
EXTENT: Mapping[str, Any] = {
    "tissue_mm2": 241.2, "unreadable_mm2": 0.0, "idc_mm2": 23.46, "idc_fraction": 0.0973, "n_foci": 2,
    "largest_focus_mm": 7.41, "perpendicular_mm": 5.3, "field_extent_mm": 21.4, "touches_edge": True,
    "n_patches": 1642, "n_positive": 161, "n_borderline": 2, "n_unreadable": 0, "seconds_total": 5.3,
}  # fmt: skip


def facts(asked: int, **given: Any) -> dict[str, Any]:
    """run.json of an hour's run."""
    return {
        "name": "overnight",
        "started": "2025-11-23T01:00:00+00:00",
        "finished": "2025-11-23T02:00:00+00:00",
        "model": {"name": "idc-cnn", "version": "1.0.0", "sha256": "5e" * 32},
        "engine": {"name": "openvino", "precision": "bf16"},
        "threshold": 0.5,
        "orientations": 4,
        "aggregation": {"sigma": 0.8, "temperature": 1.0, "intercept": 0.0},
        "counts": {"asked": asked},
        "reports": True,
        "workers": {"most": 2, "seconds": 7000.0},
        **given,
    }


def done(slide_id: str, n_scanned: int = 1000, profile: Profile | None = None, **numbers: Any) -> LedgerRow:
    given = {**EXTENT, **numbers}
    return LedgerRow(slide_id, "P1", SlideStatus.DONE, "", "", given["n_patches"], n_scanned, given, profile or {})


def empty(slide_id: str) -> LedgerRow:
    """A slide without tissue: nothing is defined."""
    remark = "no tissue was found on the slide"
    numbers = {
        "tissue_mm2": 0.0,
        "idc_mm2": None,
        "n_patches": 0,
        "n_positive": 0,
        "n_unreadable": 0,
        "seconds_total": 1.5,
    }
    return LedgerRow(slide_id, "P1", SlideStatus.DONE, "no_tissue", remark, 0, 0, numbers)


def ended(slide_id: str, status: str, reason: str, sentence: str = "it could not be") -> LedgerRow:
    return LedgerRow(slide_id, "P1", SlideStatus(status), reason, f"{slide_id}: {sentence}", None, 0, {})


def attempt(
    slide_id: str,
    status: str = "done",
    reason: str = "",
    seconds: Mapping[str, float] = STAGES,
    *,
    worker: str = "w1",
    at: str = "01:10:00",
    until: str = "01:11:00",
    peak_rss_mb: float | None = 1536.0,
) -> Attempt:
    end = AttemptEnd(worker, None, seconds, peak_rss_mb)
    day = "2025-11-23T"
    return Attempt(slide_id, f"{day}{at}+00:00", f"{day}{until}+00:00", status, reason, None, end)


def training() -> Profile:
    """A thousand values in each bin."""
    return {name: (1000,) * (len(edges) - 1) for name, edges in PROFILE_EDGES.items()}


def in_first_half(n: int) -> Profile:
    """`n` values in each bin of the first half, none in the others."""
    return {
        name: (n,) * ((len(edges) - 1) // 2) + (0,) * ((len(edges) - 1) // 2) for name, edges in PROFILE_EDGES.items()
    }


def small_night(**given: Any) -> RunFigures:
    """Six slides: two done, one without tissue, one failed, two excluded for the same reason."""
    rows = [
        done("A1", 1000, in_first_half(500)),
        ended("B2", "failed", "unreadable"),
        done("C3", 3000, n_foci=1, n_borderline=20, n_positive=100, qc_grade="review", qc_findings="blur"),
        ended("D4", "excluded", "no_spacing"),
        empty("E5"),
        ended("F6", "excluded", "no_spacing"),
    ]
    attempts = [
        attempt("A1", at="00:10:00", until="00:20:00", seconds={"read": 999.0, "infer": 999.0}),
        attempt("A1"),
        attempt("B2", "failed", "unreadable", {"read": 4.0}, worker="w2"),
        attempt("C3", "retried", "worker_died", {}, worker="", peak_rss_mb=None),
        attempt("C3", seconds={stage: 3 * spent for stage, spent in STAGES.items()}, worker="w2"),
        attempt("E5", seconds={"read": 1.0, "tissue": 0.5, "write": 0.5}),
    ]
    return run_figures(facts(len(rows), **given), rows, attempts, training())


def worst_night(n_slides: int) -> RunFigures:
    """Hostile names, every concern, sixty reasons, stages of other programs, drift in everything, slides left."""
    reasons = [*sorted(known()), *(f"{HOSTILE}{i}" for i in range(60))]
    rows = []
    for i in range(n_slides):
        slide_id = f"{HOSTILE}{i}"
        if i % 7 == 0:
            rows.append(ended(slide_id, "failed" if i % 2 else "excluded", reasons[i // 7 % len(reasons)], HOSTILE))
        elif i % 7 == 1:
            rows.append(LedgerRow(slide_id, HOSTILE, SlideStatus.PENDING, "", "", None, 0, {}))
        elif i % 7 == 2:
            rows.append(empty(slide_id))
        else:
            grade = ("review", "not_analysable", None)[i % 3]
            bad = {"n_foci": 1, "n_borderline": 99, "n_unreadable": 99, "qc_grade": grade, "qc_findings": HOSTILE}
            rows.append(done(slide_id, 1642, in_first_half(50 + i), **bad))
    attempts = [
        one
        for row in rows
        for one in (
            attempt(row.slide_id, "retried", HOSTILE),
            attempt(row.slide_id, row.status.value, row.reason, {**STAGES, HOSTILE: 1.0}, worker=HOSTILE),
        )
    ]
    model = {"name": HOSTILE, "version": HOSTILE, "sha256": "5e" * 32}
    return run_figures(facts(n_slides, name=HOSTILE, finished=None, model=model), rows, attempts, training())


def words_of(items: Sequence[Any]) -> list[str]:
    """Label and value of facts."""
    return [f"{fact.label}: {fact.value}" for fact in items]
