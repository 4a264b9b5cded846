"""Who and what a model has seen is found by patient, by slide and by pixels; nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from batchscan.domain.card import ModelCard, parse_card
from batchscan.domain.defaults import DEFAULT_MODEL
from batchscan.domain.errors import ManifestError, SeenInTraining
from batchscan.evaluation.leakage import SlideFacts, check_tuning, check_unseen, leakage, overlap, seen_by
from batchscan.stores.packages import open_package
from batchscan.stores.seen import SeenSet

MARK, OTHER = "sha256:" + "0f" * 32, "sha256:" + "a1" * 32
SEEN = SeenSet.of(np.array([11, 12, 13], np.uint64), [MARK])


@pytest.fixture(scope="module")
def card() -> ModelCard:
    shipped = open_package(DEFAULT_MODEL).card
    changes = {"name": "m", "version": "3", "training_patients": ("a", "b"), "validation_patients": ("c",)}
    return parse_card(shipped.model_copy(update=changes).model_dump_json())


def slide(patient: str = "new", fingerprint: str = OTHER, hashes: tuple[int, ...] = (1, 2, 0)) -> SlideFacts:
    return SlideFacts("S", patient, fingerprint, np.array(hashes, np.uint64))


def test_a_new_slide_is_not_seen(card: ModelCard) -> None:
    assert seen_by(card, SEEN, slide()) == ()
    # A held-out test patient of the card is nobody that the model was made with.
    assert seen_by(card, SEEN, slide(patient="8863")) == ()


@pytest.mark.parametrize(("patient", "part"), [("b", "training"), ("c", "validation")])
def test_a_patient_of_the_card_is_named_with_what_it_served_for(card: ModelCard, patient: str, part: str) -> None:
    (found,) = seen_by(card, None, slide(patient=patient))
    assert (found.kind, found.slide_id, found.patient_id, found.model, found.n) == ("patient", "S", patient, "m 3", 1)
    assert f"{part} patients of m 3" in found.sentence


def test_a_slide_is_known_again_under_any_name(card: ModelCard) -> None:
    (found,) = seen_by(card, SEEN, slide(fingerprint=MARK))
    assert (found.kind, found.patient_id, found.n) == ("slide", "new", 1)


def test_one_patch_that_is_the_same_counts_and_blank_ones_do_not(card: ModelCard) -> None:
    (found,) = seen_by(card, SEEN, slide(hashes=(1, 12, 0, 0)))
    assert (found.kind, found.n) == ("patches", 1)
    assert found.sentence.startswith("1 of 2 patches of slide S ")
    (found,) = seen_by(card, SEEN, slide(hashes=(11, 12, 12, 0)))
    assert found.n == 3


def test_everything_that_is_known_is_said_at_once(card: ModelCard) -> None:
    found = seen_by(card, SEEN, slide("a", MARK, (13,)))
    assert [one.kind for one in found] == ["patient", "slide", "patches"]
    assert [one.kind for one in seen_by(card, SEEN, SlideFacts("S", "a", MARK, None))] == ["patient", "slide"]


def test_what_was_seen_is_refused_and_every_patient_named(card: ModelCard) -> None:
    found = [one for name in ("b", "a", "c") for one in seen_by(card, SEEN, slide(patient=name))]
    found += seen_by(card, SEEN, slide(patient="renamed", hashes=(11,)))
    guard = leakage(found, [(card, SEEN)], allowed=False)
    assert guard.found == tuple(found)
    with pytest.raises(SeenInTraining, match=r"^a, b, c, renamed served to make .* --allow-seen") as caught:
        check_unseen(guard)
    assert "1 of 1 patches of slide S are, pixel by pixel" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_are_all_named_with_some_reasons(card: ModelCard) -> None:
    names = tuple(f"p{number:02d}" for number in range(30))
    known = card.model_copy(update={"training_patients": names})
    found = [one for name in names for one in seen_by(known, None, slide(patient=name))]
    with pytest.raises(SeenInTraining, match="and 22 more such findings") as caught:
        check_unseen(leakage(found, [(known, None)], allowed=False))
    assert all(name in str(caught.value) for name in names)


def test_what_is_allowed_or_not_seen_passes(card: ModelCard) -> None:
    found = seen_by(card, SEEN, slide(patient="a"))
    allowed = leakage(found, [(card, SEEN)], allowed=True)
    check_unseen(allowed)
    assert (allowed.allowed, len(allowed.found)) == (True, 1)
    check_unseen(leakage((), [(card, SEEN)], allowed=False))


def test_what_could_not_be_checked_is_said(card: ModelCard) -> None:
    whole = leakage((), [(card, SEEN)], allowed=False)
    assert [one.split(",")[0] for one in whole.checked] == [
        "patient ids",
        "patches pixel by pixel",
        "slide fingerprints",
    ]
    assert "against the 3 that m 3" in whole.checked[0]
    (still,) = whole.not_checked
    assert still.startswith("patches that were turned")
    none = leakage((), [(card, None)], allowed=False)
    assert [one.split(",")[0] for one in none.checked] == ["patient ids"]
    assert "slides and patches, as the package has no list" in none.not_checked[0]
    half = leakage((), [(card, SeenSet.of(np.array([5], np.uint64), [], complete=False))], allowed=False)
    assert [one.split(",")[0] for one in half.not_checked[:2]] == [
        "slide fingerprints",
        "patches of the package that it started from",
    ]
    assert leakage((), [], allowed=False).not_checked == ()


def test_a_threshold_is_not_tuned_on_who_is_measured() -> None:
    assert overlap(["b", "a", "a"], iter("cab")) == ("a", "b")
    check_tuning("val", ["a", "b"], ["c"])
    with pytest.raises(ManifestError, match=r"--tune-on val: a, b would be tuned on and measured"):
        check_tuning("val", ["b", "a", "d"], ["a", "b", "c"])
