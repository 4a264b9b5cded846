"""Two evaluations' patches beside one another: the same ones, or a word on the first that differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from joined_slides import joined

from batchscan.domain.errors import NotComparable
from batchscan.domain.joined import JoinedSlide
from batchscan.evaluation.pairing import LeftOver, PairedPatches, paired_patches

ONE = joined("S1", [1, 0, 1, 0], [0.9, 0.1, 0.8, 0.7])
OTHER = joined("S1", [1, 0, 1, 0], [0.6, 0.2, 0.3, 0.4])


def without(slide: JoinedSlide, *places: int) -> JoinedSlide:
    kept = np.setdiff1d(np.arange(len(slide)), places)
    arrays: dict[str, Any] = {name: value[kept] for name, value in vars(slide).items() if isinstance(value, np.ndarray)}
    return replace(slide, **arrays)


def paired(first: list[JoinedSlide], second: list[JoinedSlide]) -> tuple[list[PairedPatches], LeftOver]:
    left_over = LeftOver()
    return list(paired_patches(iter(first), iter(second), left_over)), left_over


def test_the_same_patches_stand_beside_one_another() -> None:
    (found,), left_over = paired([ONE], [OTHER])
    assert found.first.p_idc.tolist() == pytest.approx([0.9, 0.1, 0.8, 0.7])
    assert found.second.p_idc.tolist() == pytest.approx([0.6, 0.2, 0.3, 0.4])
    assert left_over == LeftOver()
    left_over.refuse()


def test_what_only_one_has_is_left_out_counted_and_refused() -> None:
    only_first, only_second = joined("S0", [1, 0], [1, 0]), joined("S2", [1, 0, 0], [1, 0, 0])
    found, left_over = paired([only_first, without(ONE, 0)], [without(OTHER, 2, 3), only_second])
    assert [one.first.slide_id for one in found] == ["S1"]
    assert (found[0].first.col.tolist(), found[0].second.col.tolist()) == ([1], [1])
    assert found[0].second.p_idc.tolist() == pytest.approx([0.2])
    assert (left_over.first, left_over.second) == (4, 4)
    assert (left_over.first_slides, left_over.second_slides) == (["S0", "S1"], ["S1", "S2"])
    with pytest.raises(NotComparable, match=r"only A has: 4 \(S0, S1\); .*only B has: 4 \(S1, S2\).*--intersection"):
        left_over.refuse()


def test_a_patch_that_either_could_not_read_is_left_out_of_both() -> None:
    one, other = joined("S1", [1, 0, 1], [0.9, np.nan, 0.8]), joined("S1", [1, 0, 1], [np.nan, 0.1, 0.7])
    (found,), left_over = paired([one], [other])
    assert (found.first.col.tolist(), found.second.col.tolist()) == ([2], [2])
    assert left_over.unreadable == 2
    left_over.refuse()


def test_another_label_is_named_with_its_place() -> None:
    other = replace(OTHER, label=np.array([True, True, True, True]))
    with pytest.raises(NotComparable) as caught:
        paired([ONE], [other])
    assert "2 of 4 patches of slide S1" in str(caught.value)
    assert "(row 0, col 1) at (50, 0) px, is not IDC in A and IDC in B" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x_px": np.array([0.0, 50.0, 101.0, 150.0])}, r"\(row 0, col 2\) .* \(100, 0\) px .* in A and at \(101, 0\)"),
        ({"side_px": 60.0}, r"side 50 px in A and .* side 60 px in B"),
        ({"patient_id": "P9"}, r"slide S1 is of patient 'P-S1' in A and of 'P9' in B"),
    ],
)
def test_another_grid_or_patient_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(NotComparable, match=said):
        paired([ONE], [replace(OTHER, **change)])


def test_rows_and_columns_beyond_thousands_keep_apart() -> None:
    far: dict[str, Any] = {
        "row": np.array([0, 1, 70_000, 70_000], np.int32),
        "col": np.array([70_000, 0, 0, 1], np.int32),
    }
    (found,), left_over = paired([replace(ONE, **far)], [without(replace(OTHER, **far), 2)])
    assert found.first.row.tolist() == [0, 1, 70_000]
    assert found.first.col.tolist() == [70_000, 0, 1]
    assert left_over.first == 1


def test_one_slide_of_each_is_read_at_a_time() -> None:
    read = []

    def slides(side: str) -> Any:
        for name in ("S1", "S2", "S3"):
            read.append(side + name)
            yield joined(name, [1, 0], [1, 0])

    pairs = paired_patches(slides("A"), slides("B"), LeftOver())
    next(pairs)
    assert read == ["AS1", "BS1"]
