from __future__ import annotations

import pytest
from cohort_slides import cohort_slide, extent
from sklearn.metrics import f1_score, recall_score
from tallied_slides import drawn_slides, labelled, tallied

from batchscan.domain.errors import ManifestError
from batchscan.domain.joined import CohortSlide
from batchscan.evaluation.intervals import Bootstrap
from batchscan.evaluation.subgroups import FIGURES, columns_of, subgroups

DRAWS = Bootstrap(n_patients=0, replicates=100)


def slide(slide_id: str, patient_id: str = "p", **attributes: str) -> CohortSlide:
    return cohort_slide(slide_id, patient_id, extent(1.0, 1.0), None, attributes=attributes)


def test_columns_with_two_to_twelve_values_group() -> None:
    slides = [
        slide(f"s{i}", site=f"site {i % 2}", month=str(i % 12), note=str(i), split="test", block="A" if i else "")
        for i in range(13)
    ]
    assert columns_of(slides) == ("month", "site")
    assert columns_of(slides, ["note", "site", "note"]) == ("note", "site")
    assert columns_of([]) == ()
    with pytest.raises(ManifestError, match=r"'sites' .*did you mean 'site'"):
        columns_of(slides, ["site", "sites"])
    with pytest.raises(ManifestError, match="it has none"):
        columns_of([slide("s")], ["zzz"])


def test_a_patients_slides_may_be_in_two_groups() -> None:
    patches = drawn_slides(12)
    scanner = {one.slide_id: "old" if one.slide_id.endswith("0") else "new" for one in patches}
    slides = [slide(one.slide_id, one.patient_id, scanner=scanner[one.slide_id]) for one in patches]
    new, old = subgroups(slides, tallied(patches), DRAWS, ["scanner"])
    for group in (new, old):
        own = [one for one in patches if scanner[one.slide_id] == group.value]
        label = [bool(x) for one in own for x in one.label[one.readable]]
        called = [bool(x) for one in own for x in one.positive[one.readable]]
        assert (group.n_slides, group.n_patches, group.n_positive) == (len(own), len(label), sum(label))
        assert group.n_patients == len({one.patient_id for one in own})
        assert tuple(group.figures) == FIGURES
        assert group.figures["sensitivity"].value == pytest.approx(recall_score(label, called))
        assert group.figures["f1"].value == pytest.approx(f1_score(label, called))
        assert group.figures["f1"].low is not None
        assert group.note == ""
    assert new.n_patients + old.n_patients > 12


def test_a_group_of_few_patients_has_no_figures() -> None:
    patches = [labelled(f"s{i}", f"p{i}", [1, 0], [0.9, 0.1 * i]) for i in range(5)]
    slides = [slide(f"s{i}", f"p{i}", site="a" if i < 4 else "") for i in range(5)]
    # A slide that is labelled as a whole only brings no patches of a fifth patient.
    slides.append(slide("whole", "p9", site="a"))
    of_a, rest = subgroups(slides, tallied(patches), DRAWS, ["site"])
    assert (of_a.value, of_a.n_slides, of_a.n_patients, of_a.n_patches, of_a.figures) == ("a", 5, 5, 8, {})
    assert of_a.note == "labelled patches of 4 patients: fewer than 5, so no figures"
    assert (rest.value, rest.note) == ("not stated", "labelled patches of 1 patient: fewer than 5, so no figures")
    enough = subgroups(slides, tallied(patches), DRAWS, ["site"], min_patients=4)[0]
    assert enough.figures["sensitivity"].value == 1.0
