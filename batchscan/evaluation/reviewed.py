"""What reviewers said of a cohort's foci -> how many they saw, and what share they agree with, over patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from batchscan.domain.evaluated import DisputedFocus, FociReviewed
from batchscan.domain.levels import Measured
from batchscan.domain.records import Float64Array, Focus
from batchscan.domain.reviews import Review, SlideReviews, Standing, standing
from batchscan.evaluation.intervals import Bootstrap, cluster_intervals


@dataclass(frozen=True)
class ReviewedSlide:
    """An analysed slide with what was said of its foci.

    Parameters
    ----------
    slide_id, patient_id
        The slide.
    foci
        Id -> number in the report, and the focus: all of them.
    reviews
        What was said.
    """

    slide_id: str
    patient_id: str
    foci: dict[str, tuple[int, Focus]]
    reviews: SlideReviews

    @property
    def standings(self) -> dict[str, Standing]:
        """Id of each focus that was spoken of -> what its reviewers come to."""
        return {known: standing(one.verdict for one in said) for known, said in self.reviews.of_focus.items()}

    @property
    def reviewers(self) -> set[str]:
        """Who has spoken of the present result."""
        said = (*self.reviews.of_focus.values(), self.reviews.missed)
        return {one.reviewer for reviews in said for one in reviews}


def foci_reviewed(slides: Sequence[ReviewedSlide], bootstrap: Bootstrap) -> FociReviewed | None:
    """Count what was said; None where nobody has said anything.

    Foci of one patient are not independent: patients are redrawn, those with a focus that counts.
    """
    counts = Counter(of for slide in slides for of in slide.standings.values())
    reviewers = sorted({name for slide in slides for name in slide.reviewers})
    n_earlier = sum(slide.reviews.n_earlier for slide in slides)
    if not reviewers and not n_earlier:
        return None
    return FociReviewed(
        n_foci=sum(len(slide.foci) for slide in slides),
        n_slides=sum(bool(slide.reviewers) for slide in slides),
        n_reviewed=counts.total(),
        n_agreed=counts[Standing.AGREED],
        n_disagreed=counts[Standing.DISAGREED],
        n_divided=counts[Standing.DIVIDED],
        n_unsure=counts[Standing.UNSURE],
        n_missed=sum(len(slide.reviews.missed) for slide in slides),
        n_of_earlier_results=n_earlier,
        reviewers=tuple(reviewers),
        agreed=_share(slides, bootstrap),
        disputed=tuple(_disputed(slides)),
    )


def _share(slides: Sequence[ReviewedSlide], bootstrap: Bootstrap) -> Measured:
    agreed, decided = _by_patient(slides)
    n = int(decided.sum())
    if not n:
        why = "no reviewer is sure of any focus"
        return Measured(value=None, low=None, high=None, n=0, method="none", trusted=False, why=why)
    (share,) = cluster_intervals(
        lambda weights: _ratio(weights @ agreed, weights @ decided)[:, np.newaxis],
        replace(bootstrap, n_patients=len(decided)),
        "share",
    )
    return share.measured(n)


def _by_patient(slides: Sequence[ReviewedSlide]) -> tuple[Float64Array, Float64Array]:
    """Foci that are agreed with, and that anybody is sure of, of each patient who has one of these."""
    of_patient: dict[str, Counter[Standing]] = {}
    for slide in slides:
        of_patient.setdefault(slide.patient_id, Counter()).update(slide.standings.values())
    counts = [of for _, of in sorted(of_patient.items()) if of.total() > of[Standing.UNSURE]]
    agreed = np.array([of[Standing.AGREED] for of in counts], dtype=np.float64)
    return agreed, np.array([of.total() - of[Standing.UNSURE] for of in counts], dtype=np.float64)


def _ratio(part: Float64Array, whole: Float64Array) -> Float64Array:
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0), dtype=np.float64)


def _disputed(slides: Sequence[ReviewedSlide]) -> Iterator[DisputedFocus]:
    """Slide by slide, in the report's order."""
    for slide in slides:
        standings = slide.standings
        for known, (number, focus) in slide.foci.items():
            of = standings.get(known)
            if of is Standing.DISAGREED or of is Standing.DIVIDED:
                yield DisputedFocus(
                    slide_id=slide.slide_id,
                    patient_id=slide.patient_id,
                    number=number,
                    focus_id=known,
                    x_px=focus.centroid_px[0],
                    y_px=focus.centroid_px[1],
                    area_mm2=focus.area_mm2,
                    standing="divided" if of is Standing.DIVIDED else "disagreed",
                    words=tuple(_words(one) for one in slide.reviews.of_focus[known]),
                )


def _words(said: Review) -> str:
    return f"{said.reviewer}: {said.verdict.value}" + (f" ({said.comment})" if said.comment else "")
