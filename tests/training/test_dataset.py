"""Patients never meet between the parts of a split, and weights keep a large one from ruling."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchscan.domain.errors import PatchSetError
from batchscan.training.dataset import LabelledPatches, Split, balanced_weights, split_patients


def labelled(**counts: tuple[int, int]) -> LabelledPatches:
    """Patients with (negatives, positives)."""
    patient = [name for name, both in counts.items() for _ in range(sum(both))]
    label = [value for both in counts.values() for value in (0,) * both[0] + (1,) * both[1]]
    x_px = 50.0 * np.arange(len(label))
    # Each patch is its own number.
    pixels = np.arange(len(label), dtype=np.uint8)[:, None, None, None].repeat(2, 1).repeat(2, 2).repeat(3, 3)
    return LabelledPatches(pixels, np.array(label, dtype=np.int64), np.array(patient), x_px, np.zeros(len(label)))


def split(
    patches: LabelledPatches, holdout: Any = (), validation: Any = (), seed: int = 0, *, choosing: bool = True
) -> Any:
    return split_patients(patches, holdout, validation, 0.2, seed, choosing=choosing)


def test_a_part_keeps_what_belongs_together() -> None:
    part = labelled(a=(2, 1), b=(1, 1), c=(1, 0)).of(["c", "a"])
    assert part.patient.tolist() == ["a", "a", "a", "c"]
    assert part.label.tolist() == [0, 0, 1, 0]
    assert (part.x_px / 50).tolist() == [0, 1, 2, 5]
    assert part.pixels[:][:, 0, 0, 0].tolist() == [0, 1, 2, 5]
    again = part.where(part.label == 0).where(np.array([2, 0]))
    assert again.pixels[np.array([True, False])][:, 1, 1, 2].tolist() == [5]
    assert (again.x_px / 50).tolist() == [5, 0]


def test_patches_are_counted_by_patient_and_class() -> None:
    assert labelled(b=(2, 1), a=(0, 3)).counts() == {"a": (0, 3), "b": (2, 1)}
    assert labelled(b=(2, 1), a=(0, 3)).of(["zz"]).counts() == {}


def test_the_digest_is_of_everything_that_can_change_a_training() -> None:
    patches = labelled(a=(3, 2), b=(2, 2))
    assert patches.digest() == labelled(a=(3, 2), b=(2, 2)).digest()
    pixels = np.array(patches.pixels)
    pixels[8, 1, 1, 2] += 1
    others = [
        replace(patches, pixels=pixels),
        replace(patches, label=1 - patches.label),
        replace(patches, patient=np.array(["a"] * 4 + ["b"] * 5)),
        replace(patches, x_px=patches.x_px + 50),
        patches.where(np.arange(9)[::-1]),
    ]
    assert len({patches.digest(), *(other.digest() for other in others)}) == 6


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1)), min_size=1, max_size=40),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, 0.3, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_weights_are_those_worked_out_group_by_group(rows: Any, exponent: float, contrast: float) -> None:
    count = Counter(rows)
    total = {label: sum(n**exponent for row, n in count.items() if row[1] == label) for label in (0, 1)}
    share = {row: n**exponent / total[row[1]] for row, n in count.items()}
    drawn = {row: s + contrast * (share.get((row[0], 1 - row[1]), s) - s) / 2 for row, s in share.items()}
    again = {label: sum(s for row, s in drawn.items() if row[1] == label) for label in (0, 1)}
    raw = np.array([drawn[row] / again[row[1]] / count[row] for row in rows])
    patient, label = (np.array(column) for column in zip(*rows, strict=True))
    nowhere = np.zeros(len(rows))
    patches = LabelledPatches(np.zeros((len(rows), 1, 1, 3), np.uint8), label, patient, nowhere, nowhere)
    np.testing.assert_allclose(balanced_weights(patches, exponent, contrast), raw / raw.mean())


def test_classes_weigh_the_same_and_patients_by_the_root_of_their_patches() -> None:
    patches = labelled(a=(16, 0), b=(4, 1), c=(0, 9))
    weights = balanced_weights(patches, 0.5)

    def of(patient: str, label: int) -> float:
        return float(weights[(patches.patient == patient) & (patches.label == label)].sum())

    assert weights.mean() == pytest.approx(1.0)
    assert weights[patches.label == 1].sum() == pytest.approx(weights[patches.label == 0].sum())
    assert of("a", 0) / of("b", 0) == pytest.approx(4 / 2)
    assert of("c", 1) / of("b", 1) == pytest.approx(3 / 1)


def test_exponent_one_counts_patches_and_zero_counts_patients() -> None:
    patches = labelled(a=(16, 0), b=(4, 5))
    assert np.ptp(balanced_weights(patches, 1.0)[patches.label == 0]) == pytest.approx(0.0)
    by_patient = balanced_weights(patches, 0.0)
    assert by_patient[:16].sum() == pytest.approx(by_patient[16:20].sum())


def test_without_balance_every_patch_counts_one() -> None:
    patches = labelled(a=(16, 0), b=(4, 5))
    assert balanced_weights(patches, 0.5, contrast=1.0, balance=False).tolist() == [1.0] * 25


def test_contrast_draws_a_patients_two_shares_together() -> None:
    # With exponent 1: of class 0, b has 1/4; of class 1, b has 3/4. Both become 1/2.
    patches = labelled(a=(6, 0), b=(2, 6), c=(0, 2))
    weights = balanced_weights(patches, 1.0, contrast=1.0)
    b = patches.patient == "b"
    # a keeps 3/4 and c 1/4 before each class is brought to the same total.
    assert weights[b & (patches.label == 0)].sum() / weights[patches.label == 0].sum() == pytest.approx(0.5 / 1.25)
    assert weights[b & (patches.label == 1)].sum() / weights[patches.label == 1].sum() == pytest.approx(0.5 / 0.75)
    assert weights[patches.label == 1].sum() == pytest.approx(weights[patches.label == 0].sum())


PATIENTS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2), st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=9
).map(lambda counts: {name: both for name, both in counts.items() if sum(both)})


@given(PATIENTS, st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_a_drawn_split_is_disjoint_whole_and_has_both_classes_or_is_refused(counts: Any, seed: int) -> None:
    patches = labelled(**counts)
    try:
        parts = split(patches, seed=seed)
    except PatchSetError:
        return
    assert not set(parts.training) & set(parts.validation)
    assert {*parts.training, *parts.validation} == set(counts)
    assert patches.of(parts.training).has_both_classes()
    assert patches.of(parts.validation).has_both_classes()


def test_two_patients_with_both_classes_are_enough() -> None:
    assert len(split(labelled(a=(3, 3), b=(3, 3))).validation) == 1


def test_the_seed_decides_the_draw() -> None:
    patches = labelled(**dict.fromkeys("abcdefghij", (5, 5)))
    assert split(patches, seed=1) == split(patches, seed=1)
    assert len({split(patches, seed=seed).validation for seed in range(8)}) > 1


def test_holdout_and_named_validation_are_kept() -> None:
    patches = labelled(a=(3, 3), b=(3, 3), c=(3, 3), d=(0, 4))
    parts = split(patches, holdout=("c",), validation=("b",))
    assert (parts.training, parts.validation, parts.test) == (("a", "d"), ("b",), ("c",))


def test_who_is_held_out_never_validates() -> None:
    patches = labelled(a=(3, 3), b=(3, 3), c=(3, 3), d=(3, 3))
    parts = split(patches, holdout=("c", "c"), validation=("c", "b"))
    assert (parts.training, parts.validation, parts.test) == (("a", "d"), ("b",), ("c",))


def test_with_all_named_ones_held_out_others_are_drawn() -> None:
    patches = labelled(a=(3, 3), b=(3, 3), c=(3, 3))
    parts = split(patches, holdout=("c",), validation=("c",))
    assert parts == split(patches, holdout=("c",))
    assert set(parts.validation) < {"a", "b"}


def test_with_nothing_to_choose_nobody_is_drawn() -> None:
    patches = labelled(a=(3, 0), b=(0, 3), c=(3, 3))
    assert split(patches, holdout=("c",), choosing=False) == Split(("a", "b"), (), ("c",))
    # Who is named is watched, whatever the class.
    assert split(patches, validation=("b",), choosing=False) == Split(("a", "c"), ("b",), ())


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"a": (3, 3)}, "single patient to train with"),
        ({"a": (3, 0), "b": (3, 0)}, "class 0 only"),
    ],
)
def test_one_patient_or_one_class_is_too_little_even_with_nothing_to_choose(counts: Any, told: str) -> None:
    with pytest.raises(PatchSetError, match=told):
        split(labelled(**counts), choosing=False)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ((("a", "b"), ("b",), ()), "^b: both training and validation; a patient serves for one"),
        ((("c", "a", "b"), (), ("a", "c")), "^a, c: both training and held out"),
        ((("a",), ("b",), ("b",)), "^b: both validation and held out"),
    ],
)
def test_a_patient_in_two_parts_is_named(parts: Any, told: str) -> None:
    with pytest.raises(PatchSetError, match=told):
        Split(*parts)


def test_many_patients_are_not_all_listed() -> None:
    patches = labelled(**{f"p{number:03d}": (1, 1) for number in range(100)})
    with pytest.raises(PatchSetError, match=r"it has p000, .*, p019 and 80 more: give"):
        split(patches, holdout=("zz",))


@pytest.mark.parametrize(
    ("counts", "holdout", "validation", "told"),
    [
        (
            {"a": (3, 3), "b": (3, 3)},
            ("zz",),
            (),
            "--holdout names zz, which the patch set doesn't have; it has a, b: give",
        ),
        ({"a": (3, 3), "b": (3, 3)}, (), ("zz",), r"validation_patients of the recipe \(--recipe\) names zz"),
        ({"a": (3, 0), "b": (3, 0)}, (), (), "patches of class 0 only: both classes, 0 and 1, are needed"),
        ({"a": (3, 3)}, (), (), "single patient to train with"),
        ({"a": (3, 3), "b": (3, 3)}, ("b",), (), "single patient to train with"),
        ({"a": (3, 3), "b": (3, 3)}, ("a", "b"), (), r"left for training \(none\)"),
        ({"a": (3, 0), "b": (0, 3)}, (), (), "aren't held out only a has patches of class 0.*fewer in --holdout"),
        ({"a": (3, 0), "b": (3, 3), "c": (3, 3)}, ("c",), (), "aren't held out only b has patches of class 1"),
        ({"a": (3, 3), "b": (0, 3), "c": (3, 3)}, (), ("b",), r"the validation patients \(b\) .* one class only"),
        ({"a": (3, 3), "b": (0, 3), "c": (3, 3)}, (), ("a", "c"), r"training patients \(b\).*a recipe \(--recipe\)"),
    ],
)
def test_what_cannot_serve_is_named(counts: Any, holdout: Any, validation: Any, told: str) -> None:
    with pytest.raises(PatchSetError, match=told):
        split(labelled(**counts), holdout, validation)
