"""Patches of made-up patients -> the profile of a training, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from batchscan.domain.profile import PROFILE_EDGES
from batchscan.training.dataset import LabelledPatches
from batchscan.workflow.training_profile import training_profile, whole_slides

SIDE = 50
PINK, WHITE = (200, 120, 170), (240, 240, 240)


def patches_of(**patients: tuple[int, int]) -> LabelledPatches:
    """Patient -> so many patches without and with IDC, five a row; each lower half is glass."""
    labels = [label for counts in patients.values() for label, n in enumerate(counts) for _ in range(n)]
    names = [name for name, counts in patients.items() for _ in range(sum(counts))]
    place = np.concatenate([np.arange(sum(counts)) for counts in patients.values()])
    pixels = np.full((len(labels), SIDE, SIDE, 3), PINK, np.uint8)
    pixels[:, SIDE // 2 :] = WHITE
    return LabelledPatches(
        pixels,
        np.array(labels),
        np.array(names),
        (place % 5 * SIDE + 100).astype(np.float64),
        (place // 5 * SIDE).astype(np.float64),
    )


def of_rows(rows: NDArray[np.int64]) -> NDArray[np.float32]:
    return (rows % 2 * 0.9 + 0.01).astype(np.float32)


def test_whole_slides_are_the_folds_or_those_with_both_classes() -> None:
    patches = patches_of(both=(25, 20), few=(30, 19), one=(40, 0))
    assert whole_slides(patches, ["few", "gone", "few"]) == ("few",)
    assert whole_slides(patches, []) == ("both",)


def test_stain_is_of_all_training_patients_and_scores_of_whole_slides_only() -> None:
    patches = patches_of(A=(20, 20), B=(30, 0), C=(0, 5))
    profile = training_profile(patches, 8.0, ["B", "C"], ["A"], of_rows)
    assert profile.patients == {
        "haematoxylin_od": ("B", "C"),
        "eosin_od": ("B", "C"),
        "tissue_fraction": ("A",),
        "p_raw": ("A",),
    }
    # Rows of A are 0 to 39; half are .01, half .91.
    p_raw = profile.counts["p_raw"]
    assert (p_raw[0], p_raw[18], sum(p_raw)) == (20, 20, 40)
    assert sum(profile.counts["tissue_fraction"]) == 40
    assert all(len(profile.counts[name]) == len(edges) - 1 for name, edges in PROFILE_EDGES.items())
    # B alone has 20 patches or more: both ends of the range are its own.
    low, high = profile.ranges["eosin_od"]
    assert low == pytest.approx(high)
    assert "of the 1 that have at least 20 patches" in profile.how_made


def test_the_same_patches_in_pieces_come_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    patches = patches_of(A=(20, 20), B=(30, 0))
    whole = training_profile(patches, 8.0, ["A", "B"], ["A"], of_rows)
    monkeypatch.setattr("batchscan.workflow.training_profile.PATCHES_AT_ONCE", 7)
    assert training_profile(patches, 8.0, ["A", "B"], ["A"], of_rows) == whole


def test_a_slide_that_was_trained_on_is_named() -> None:
    patches = patches_of(A=(20, 20), B=(30, 0))
    assert "trained on A" in training_profile(patches, 8.0, ["A", "B"], ["A"], of_rows).how_made
    assert "trained on" not in training_profile(patches, 8.0, ["B"], ["A"], of_rows).how_made


def test_without_whole_slides_scores_are_not_known() -> None:
    profile = training_profile(patches_of(B=(30, 0)), 8.0, ["B"], [], of_rows)
    assert set(profile.counts) == {"haematoxylin_od", "eosin_od"}
    assert "no patient's patches stand for a slide" in profile.how_made
