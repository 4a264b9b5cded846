"""What is foreseen of a run, by hand from slides and samples that are spelt out here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchscan.domain.plan import (
    Sample,
    SlideAction,
    SlidePlan,
    chosen_for_samples,
    duplicates,
    foreseen_bytes,
    foreseen_seconds,
    uncalibrated,
)

# 0.01 s a patch, and a last step that takes twice what the fitted shape says: 2 x (0.75 + 0.00125 x 200).
SAMPLE = Sample(
    n_patches=1250, tissue_mm2=200.0, n_scored=500, scan_s=5.0, finish_s=2.0, begin_s=3.0, result_bytes=1_581_250
)
# The same of a slide file, a millionth of a second and half a byte a stored pixel.
OF_A_FILE = replace(SAMPLE, store_px=4_000_000, store_s=4.0, store_bytes=2_000_000)


def slide(
    slide_id: str = "a", action: SlideAction = SlideAction.SCAN, n_patches: int = 1250, **given: object
) -> SlidePlan:
    plan = SlidePlan(
        slide_id,
        action,
        n_patches,
        n_blocks=4,
        tissue_mm2=n_patches * 0.16,
        predicted=False,
        store_px=0,
        survey_s=0.5,
        contents=(f"sha256:{slide_id}",),
    )
    return replace(plan, **given)  # type: ignore[arg-type]


def test_seconds_are_work_by_workers_after_what_each_worker_does_once() -> None:
    # Each slide: 0.5 + 1250 x 0.01 + 2.0 = 15.
    seconds = foreseen_seconds([slide(str(i)) for i in range(8)], [SAMPLE], workers=4, start_s=6.0)
    assert seconds.expected == pytest.approx(6 + 3 + 8 * 15 / 4)
    assert (seconds.low, seconds.high) == pytest.approx((39 * 0.75, 39 * 1.25))


def test_no_run_is_shorter_than_its_longest_slide() -> None:
    # One slide: its four blocks are shared by four workers at most, its other steps by none.
    seconds = foreseen_seconds([slide()], [SAMPLE], workers=16, start_s=0.0)
    assert seconds.expected == pytest.approx(3 + 0.5 + 12.5 / 4 + 2.0)


def test_the_range_spans_what_the_samples_disagree_on() -> None:
    slow = replace(SAMPLE, scan_s=10.0, finish_s=4.0)
    seconds = foreseen_seconds([slide()], [SAMPLE, slow], workers=1, start_s=0.0)
    # At the common rates, 15 / 1000 s a patch and scale 3, each sample would have taken 10.5; they took 7 and 14.
    expected = 0.5 + 1250 * 0.015 + 3.0
    assert seconds.expected == pytest.approx(3 + expected)
    assert seconds.low == pytest.approx((3 + expected * 7 / 10.5) * 0.75)
    assert seconds.high == pytest.approx((3 + expected * 14 / 10.5) * 1.25)


def test_what_is_done_takes_a_look_and_what_is_judged_anew_a_report() -> None:
    slides = [slide(action=SlideAction.NONE), slide("b", action=SlideAction.REPORT)]
    seconds = foreseen_seconds(slides, [SAMPLE], workers=1, start_s=0.0)
    assert seconds.expected == pytest.approx(3 + 0.5 + 0.5 + 2.0)
    nothing = foreseen_seconds([slide(action=SlideAction.NONE)], [], workers=1, start_s=4.0)
    assert nothing.expected == pytest.approx(4.5)


def test_a_slide_file_is_stored_first() -> None:
    file = slide(store_px=10_000_000)
    seconds = foreseen_seconds([file], [OF_A_FILE], workers=1, start_s=0.0)
    assert seconds.expected == pytest.approx(3 + 0.5 + 10 + 12.5 + 2.0)
    results, stores = foreseen_bytes([file], [OF_A_FILE])
    assert stores == 5_000_000
    # 450,000 + 5,500 x 200 mm2 + 25 x 1250 patches is just what the sample's took; and its lines in the tables.
    assert results == 1_581_250 + 4_000


def test_results_of_finer_slides_are_larger_by_their_pictures() -> None:
    # The sample's was 300,000 larger than the shape says; 100 patches of 16 mm2: 450,000 + 88,000 + 2,500.
    larger = replace(SAMPLE, result_bytes=1_881_250)
    assert foreseen_bytes([slide(n_patches=100)], [larger])[0] == 540_500 + 300_000 + 4_000
    smaller = replace(SAMPLE, result_bytes=581_250)
    assert foreseen_bytes([slide(n_patches=100)], [smaller])[0] == 4_000


def test_what_nobody_timed_is_not_made_up() -> None:
    assert "slide file" in uncalibrated([slide(store_px=1)], [SAMPLE])
    assert "timed" in uncalibrated([slide()], [])
    assert uncalibrated([slide(action=SlideAction.NONE), slide("b", n_patches=0)], []) == ""
    assert uncalibrated([slide(), slide("b", store_px=1)], [OF_A_FILE]) == ""


def test_the_same_slide_is_known_by_any_of_its_fingerprints() -> None:
    slides = [
        slide("a", contents=("store-a", "pixels", "file")),
        slide("b", contents=("store-b",)),
        slide("c", contents=("file",)),
        slide("d", contents=("store-d", "pixels")),
    ]
    found = list(duplicates(slides))
    assert [each.slide_id for each in found] == ["c", "d"]
    assert all(each.reason == "duplicate" and "the same slide as a," in each.sentence for each in found)


def test_small_and_large_slides_are_sampled_and_a_file_among_them() -> None:
    slides = [slide(str(n), n_patches=n) for n in (400, 100, 300, 200)]
    idle = [slide("none", n_patches=0), slide("done", action=SlideAction.NONE, n_patches=9)]
    assert [each.slide_id for each in chosen_for_samples([*slides, *idle], 2)] == ["200", "400"]
    assert [each.slide_id for each in chosen_for_samples(slides[:1], 3)] == ["400", "400", "400"]
    with_file = [*slides, slide("file", n_patches=50, store_px=1)]
    assert [each.slide_id for each in chosen_for_samples(with_file, 2)] == ["100", "file"]
    assert chosen_for_samples(idle, 2) == []
