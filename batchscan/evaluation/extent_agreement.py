"""A cohort's slides -> a row for each, and how their extents agree with the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from batchscan.domain.card import ConfusionCounts
from batchscan.domain.evaluated import Extents, SlideRow
from batchscan.domain.joined import CohortSlide
from batchscan.domain.levels import Agreement, Measured
from batchscan.domain.records import Extent
from batchscan.evaluation.agreement import QUANTITIES, Pairs, Quantity, agreement, mean_of, measured_length
from batchscan.evaluation.interval_limits import Scale
from batchscan.evaluation.intervals import Bootstrap
from batchscan.evaluation.metrics import Confusion
from batchscan.evaluation.tallies import SLIDE_FIGURES, PatientTallies

NO_SLIDES = "no slide was analysed"
_NAMED = 3


def extents(slides: Sequence[CohortSlide], tallies: PatientTallies, bootstrap: Bootstrap) -> Extents:
    """Agreement over the slides whose reference has an extent, and a row for every slide.

    A length where nothing was found, or nothing is labelled, counts as 0 mm. Dice and the distance of the outlines are
    means over the slides where they are defined.

    Parameters
    ----------
    slides
        All that were analysed.
    tallies
        Of their patches.
    bootstrap
        How patients are redrawn; only those with such a slide are.
    """
    rows = tuple(slide_row(slide, tallies) for slide in slides)
    known = [slide for slide in slides if slide.reference is not None]
    found = {name: made for name in QUANTITIES if (made := _quantity(known, name, bootstrap))}
    area = found.get("idc_mm2")
    why = "" if area else _why_none(slides)
    none = Measured(value=None, n=0, trusted=False, why=why)
    return Extents(
        n=area.n if area else 0,
        why=why,
        bias_mm2=area.bias if area else none,
        loa_low_mm2=area.loa_low if area else none,
        loa_high_mm2=area.loa_high if area else none,
        icc=area.icc if area else none,
        ccc=area.ccc if area else none,
        dice=_mean(known, "dice", bootstrap, "share", why),
        hausdorff95_mm=_mean(known, "hausdorff95_mm", bootstrap, "positive", why),
        quantities=tuple(found.values()),
        per_slide=rows,
    )


def slide_row(slide: CohortSlide, tallies: PatientTallies) -> SlideRow:
    """One slide's counts, measures and both extents; what isn't defined is None."""
    tally = tallies.slides.get(slide.slide_id)
    table = tally.confusion if tally else Confusion(0, 0, 0, 0)
    found, reference = slide.predicted, slide.reference
    return SlideRow(
        slide_id=slide.slide_id,
        patient_id=slide.patient_id,
        model=f"{slide.model.name} {slide.model.version}",
        threshold=slide.threshold,
        slide_label=slide.slide_label,
        n_labelled=slide.n_labelled,
        n_positive=slide.n_positive,
        n_ambiguous=slide.n_ambiguous,
        n_unlabelled=slide.n_unlabelled,
        n_not_scanned=slide.n_not_scanned,
        n_unreadable=slide.n_unreadable,
        confusion=ConfusionCounts(tp=table.tp, fp=table.fp, fn=table.fn, tn=table.tn),
        figures=dict(tally.figures) if tally else dict.fromkeys(SLIDE_FIGURES),
        found_mm2=found.idc_mm2,
        reference_mm2=reference.idc_mm2 if reference else None,
        found_largest_mm=found.largest_focus_mm,
        reference_largest_mm=reference.largest_focus_mm if reference else None,
        found_field_mm=found.field_extent_mm,
        reference_field_mm=reference.field_extent_mm if reference else None,
        dice=slide.dice,
        hausdorff95_mm=slide.hausdorff95_mm,
        attributes=dict(slide.attributes),
        report=slide.report,
    )


def _quantity(slides: Sequence[CohortSlide], quantity: Quantity, bootstrap: Bootstrap) -> Agreement | None:
    both = list(_both(slides, quantity))
    if not both:
        return None
    found, reference, patients = zip(*both, strict=True)
    return agreement(quantity, Pairs.of(found, reference, patients), bootstrap)


def _both(slides: Sequence[CohortSlide], quantity: Quantity) -> Iterator[tuple[float, float, str]]:
    for slide in slides:
        found, reference = (_measured(extent, quantity) for extent in (slide.predicted, slide.reference))
        if found is not None and reference is not None:
            yield found, reference, slide.patient_id


def _measured(extent: Extent | None, quantity: Quantity) -> float | None:
    return None if extent is None else measured_length(extent, quantity)


def _mean(slides: Sequence[CohortSlide], field: str, bootstrap: Bootstrap, scale: Scale, why: str) -> Measured:
    there = [slide for slide in slides if getattr(slide, field) is not None]
    if not there:
        reasons = why or _listed(slides, field) or "it isn't defined on any slide"
        return Measured(value=None, n=0, trusted=False, why=reasons)
    values = [float(getattr(slide, field)) for slide in there]
    return mean_of(values, [slide.patient_id for slide in there], bootstrap, scale)


def _why_none(slides: Sequence[CohortSlide]) -> str:
    if not slides:
        return NO_SLIDES
    return (
        _listed(slides, "reference") or "the extent isn't defined on any slide: there is no tissue that could be read"
    )


def _listed(slides: Sequence[CohortSlide], field: str) -> str:
    """The reasons of the first few slides why a field is missing."""
    reasons = [f"{slide.slide_id}: {slide.undefined[field]}" for slide in slides if field in slide.undefined]
    more = f"; and {len(reasons) - _NAMED} more" if len(reasons) > _NAMED else ""
    return "; ".join(reasons[:_NAMED]) + more
