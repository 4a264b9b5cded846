"""How far a run lies from its model's training -> drawings, verdicts and sentences; no layout."""

from __future__ import annotations

from dataclasses import dataclass

from batchscan.domain.profile import PROFILE_EDGES
from batchscan.report import numbers
from batchscan.report.drift import CHANGED, STABLE, Drift
from batchscan.report.histogram import Histogram, histogram_marks
from batchscan.report.morning_lists import Mention, Mentions
from batchscan.report.night import DriftFigures

_THINGS = {
    "haematoxylin_od": ("Haematoxylin", "optical density"),
    "eosin_od": ("Eosin", "optical density"),
    "tissue_fraction": ("Tissue in a patch", "share of its area"),
    "p_raw": ("Network\u2019s score", "p_raw"),
}
BANDS = f"below {STABLE:g} unchanged, {STABLE:g} to {CHANGED:g} somewhat changed, above {CHANGED:g} much changed"
"""The customary bands, in words."""


@dataclass(frozen=True, slots=True)
class DriftCard:
    """One thing in training and in the run: its drawing, its index and what that is taken for."""

    title: str
    unit: str
    low: str
    high: str
    psi: str
    verdict: str
    marks: Histogram
    alt: str


@dataclass(frozen=True, slots=True)
class DriftLine:
    """A slide that lies far from the training, and in what."""

    slide: Mention
    thing: str
    psi: str


def drift_cards(drift: DriftFigures) -> tuple[DriftCard, ...]:
    """A drawing of everything that both have counts of."""
    return tuple(_card(one) for one in drift.things)


def drift_lines(drift: DriftFigures, mentions: Mentions) -> tuple[DriftLine, ...]:
    """The slides furthest away."""
    return tuple(
        DriftLine(mentions.of(slide), _THINGS[name][0], numbers.probability(psi))
        for slide, name, psi in drift.slides[: mentions.room.drifting]
    )


def drift_headline(drift: DriftFigures) -> str:
    """The answer in one sentence."""
    if not drift.measured:
        return "Drift is not measured: the model does not say what its training slides looked like."
    if not drift.things:
        return "Drift is not measured: the model\u2019s training was counted in other bins than this program\u2019s."
    judged = {one.name: one.psi for one in drift.things if one.psi is not None and one.enough}
    if not judged:
        return "Drift is not defined: this run has too few values to compare with the training."
    changed = {name: psi for name, psi in judged.items() if psi >= STABLE}
    if not changed:
        index = numbers.probability(max(judged.values()))
        return f"Stain, tissue and scores lie as in the model\u2019s training (largest PSI {index})."
    said = ", ".join(
        f"{_THINGS[name][0].lower()} {_verdict(psi)} (PSI {numbers.probability(psi)})" for name, psi in changed.items()
    )
    return f"Against the model\u2019s training: {said}."


def drift_note(drift: DriftFigures) -> str:
    """How to read it."""
    slides = numbers.count(drift.n_slides, "slide")
    left_out = drift.n_slides - drift.n_ranked
    words = (
        f"Bars: this run ({slides}); line: the model\u2019s training; both as shares. PSI: population stability index, "
        f"by custom {BANDS}. Single slides differ more than a run does: their order counts, not the band."
    )
    if left_out:
        verb = "has" if left_out == 1 else "have"
        words += f" {numbers.count(left_out, 'slide')} {verb} too few values to be ranked."
    return words


def _card(one: Drift) -> DriftCard:
    title, unit = _THINGS[one.name]
    edges = PROFILE_EDGES[one.name]
    psi = numbers.probability(one.psi)
    verdict = _verdict(one.psi) if one.psi is not None and one.enough else "too few values to say"
    return DriftCard(
        title=title,
        unit=unit,
        low=f"{edges[0]:g}",
        high=f"{edges[-1]:g}",
        psi=psi,
        verdict=verdict,
        marks=histogram_marks(one.training, one.run),
        alt=f"{title}, {unit}, {edges[0]:g} to {edges[-1]:g}: run against training, PSI {psi}, {verdict}.",
    )


def _verdict(psi: float) -> str:
    if psi < STABLE:
        return "unchanged"
    return "somewhat changed" if psi <= CHANGED else "much changed"
