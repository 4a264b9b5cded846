"""Slides of labelled patches in one row, by hand or drawn, and their tallies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from batchscan.domain.joined import JoinedSlide
from batchscan.evaluation.tallies import PatientTallies


def labelled(
    slide_id: str,
    patient_id: str,
    label: Sequence[int],
    p: Sequence[float],
    *,
    threshold: float = 0.5,
    not_scanned: Sequence[int] = (),
    unreadable: Sequence[int] = (),
) -> JoinedSlide:
    """Those at the places `not_scanned` and `unreadable` are so."""
    n = len(label)
    p_idc = np.array(p, dtype=np.float32)
    scanned, readable = np.ones(n, dtype=np.bool_), np.ones(n, dtype=np.bool_)
    scanned[list(not_scanned)], readable[list(unreadable)] = False, False
    p_idc[list(not_scanned)], p_idc[list(unreadable)] = 0.0, np.nan
    return JoinedSlide(
        slide_id=slide_id,
        patient_id=patient_id,
        row=np.zeros(n, dtype=np.int32),
        col=np.arange(n, dtype=np.int32),
        x_px=np.arange(n, dtype=np.float64) * 50.0,
        y_px=np.zeros(n),
        label=np.array(label, dtype=np.bool_),
        p_raw=np.where(scanned & readable, p_idc, np.nan).astype(np.float32),
        p_idc=p_idc,
        positive=np.asarray(scanned & readable & (np.nan_to_num(p_idc) >= threshold), dtype=np.bool_),
        scanned=scanned,
        readable=readable,
        tissue_mm2=np.full(n, 0.04),
        side_px=50.0,
        threshold=threshold,
    )


def drawn_slides(n_patients: int, seed: int = 0) -> list[JoinedSlide]:
    """One to three slides a patient, 60 to 200 patches each, with a few that were not scanned or not readable."""
    rng = np.random.default_rng(seed)
    slides = []
    for patient in range(n_patients):
        shift = rng.normal(0.0, 0.7)
        for number in range(rng.integers(1, 4)):
            n = int(rng.integers(60, 200))
            label = rng.random(n) < rng.uniform(0.1, 0.6)
            logit = np.where(label, 1.2, -1.4) + shift + rng.normal(0.0, 1.5, n)
            odd = rng.permutation(n)[:6].tolist()
            slides.append(
                labelled(
                    f"s{patient:03d}-{number}",
                    f"p{patient:03d}",
                    label.tolist(),
                    (1 / (1 + np.exp(-logit))).tolist(),
                    not_scanned=odd[:4],
                    unreadable=odd[4:],
                )
            )
    return slides


def tallied(slides: Sequence[JoinedSlide]) -> PatientTallies:
    """All of them, in their order."""
    tallies = PatientTallies()
    for slide in slides:
        tallies.add(slide)
    return tallies


def written_out(
    slides: Sequence[JoinedSlide], times: Mapping[str, int] | None = None
) -> tuple[list[float], list[bool], list[bool]]:
    """p, label and call of the readable patches, those of each patient as many times as said; once without."""
    p: list[float] = []
    label: list[bool] = []
    called: list[bool] = []
    for slide in slides:
        for _ in range(1 if times is None else times.get(slide.patient_id, 0)):
            p += slide.p_idc[slide.readable].astype(np.float64).tolist()
            label += slide.label[slide.readable].tolist()
            called += slide.positive[slide.readable].tolist()
    return p, label, called
