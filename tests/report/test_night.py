"""The figures of a night, counted by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from night_factory import STAGES, attempt, done, empty, ended, facts, in_first_half, small_night, training

from batchscan.domain.errors import LedgerMismatch
from batchscan.domain.records import SlideStatus
from batchscan.report.attention import CONCERNS
from batchscan.report.night import N_LISTED, Counts, RunFigures, run_figures
from batchscan.report.toplist import TopList


def night(*rows: object, attempts: tuple[object, ...] = (), **given: object) -> RunFigures:
    return run_figures(facts(len(rows), **given), rows, attempts, training())  # type: ignore[arg-type]


def concerns(figures: RunFigures) -> dict[str, list[tuple[str, str]]]:
    return {one.concern.code: [(slide.slide_id, slide.found) for slide in one.slides] for one in figures.concerns}


def test_every_slide_is_counted_once() -> None:
    figures = small_night()
    assert figures.counts == Counts(asked=6, done=3, failed=1, excluded=2, remaining=0)
    waiting = [
        replace(ended(name, "failed", ""), status=status) for name, status in zip("ab", SlideStatus, strict=False)
    ]
    assert night(*waiting, done("c"), finished=None).counts == Counts(3, 1, 0, 0, 2)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"asked": 7}, "asked 7 and 6"),
        ({"asked": 6, "done": 2}, "done 2 and 3"),
        ({"asked": 6, "done": 3, "failed": 0, "excluded": 3}, "failed 0 and 1, excluded 3 and 2"),
    ],
)
def test_counts_that_differ_are_an_error(said: dict[str, int], words: str) -> None:
    with pytest.raises(LedgerMismatch, match=words):
        small_night(counts=said)


def test_counts_of_a_run_that_goes_on_may_differ_but_not_what_was_asked_for() -> None:
    assert small_night(counts={"asked": 6, "done": 0, "remaining": 6}, finished=None).counts.done == 3
    with pytest.raises(LedgerMismatch, match="asked 5 and 6"):
        small_night(counts={"asked": 5}, finished=None)


def test_reasons_are_counted_with_their_first_slides() -> None:
    most, other = small_night().reasons
    assert (most.status, most.reason, most.n, most.sentence) == ("excluded", "no_spacing", 2, "D4: it could not be")
    assert [(slide.slide_id, slide.position) for slide in most.examples] == [("D4", 3), ("F6", 5)]
    assert (other.status, other.reason, other.n) == ("failed", "unreadable", 1)


def test_concerns_are_found_by_their_rules() -> None:
    figures = small_night()
    assert concerns(figures) == {
        "review": [("C3", "blur")],
        "borderline": [("C3", "20 borderline, 100 positive")],
        "edge": [("C3", "7.4 \u00d7 5.3 mm")],
        "no_tissue": [("E5", "")],
        "retried": [("C3", "1 time: worker_died")],
    }
    assert figures.n_concerned == 2
    assert figures.grades == {"good": 0, "review": 1, "not_analysable": 0, "": 2}


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ({"n_borderline": 5, "n_positive": 100}, False),
        ({"n_borderline": 6, "n_positive": 100}, True),
        ({"n_borderline": 1, "n_positive": 0, "n_foci": 0, "touches_edge": False}, True),
        ({"n_borderline": 0, "n_positive": 0, "n_foci": 0, "touches_edge": False}, False),
    ],
)
def test_an_extent_hangs_on_borderline_patches_beyond_a_twentieth(numbers: dict[str, object], *, found: bool) -> None:
    assert ("borderline" in concerns(night(done("a", **numbers)))) == found


def test_only_a_single_focus_at_the_edge_counts() -> None:
    assert "edge" in concerns(night(done("a", n_foci=1)))
    assert "edge" not in concerns(night(done("a", n_foci=2), done("b", n_foci=1, touches_edge=False)))


def test_a_slide_that_is_not_analysable_is_named_whatever_its_status() -> None:
    figures = night(
        done("a", qc_grade="not_analysable", qc_findings=("blur", "pen")), ended("b", "excluded", "not_analysable")
    )
    assert concerns(figures)["not_analysable"] == [("a", "blur, pen"), ("b", "")]
    assert figures.n_concerned == 2


def test_missing_pixels_rank_by_their_share() -> None:
    rows = [done(str(n), n_unreadable=n, n_patches=1000) for n in range(1, 15)]
    (found,) = (one for one in night(*rows).concerns if one.concern.code == "unreadable")
    assert found.n == 14
    assert [slide.slide_id for slide in found.slides] == [str(n) for n in range(14, 14 - N_LISTED, -1)]
    assert found.slides[0].found == "14 patches, 1.4 %"


def test_time_is_of_this_run_and_rates_of_what_was_scanned_in_it() -> None:
    time = small_night().time
    assert [(stage.name, stage.seconds, stage.scanning_s) for stage in time.stages] == [
        ("read", 9.0, 8.0),
        ("tissue", 4.5, 4.0),
        ("infer", 20.0, 20.0),
        ("write", 8.5, 8.0),
    ]
    assert (time.lost_s, time.workers, time.span_s) == (4.0, 2, 3600.0)
    assert (time.there_s, time.rest_s) == (7000.0, 7000.0 - 46)
    assert (time.n_patches, time.n_timed_patches, time.n_slides) == (4000, 4000, 2)


def test_what_is_used_again_is_not_throughput() -> None:
    reused = night(done("a", 0), attempts=(attempt("a", seconds={"write": 0.5}),))
    assert (reused.time.n_patches, reused.time.n_timed_patches, reused.time.n_slides) == (0, 0, 0)
    assert [stage.scanning_s for stage in reused.time.stages] == [0.0] * 4


def test_a_stopped_run_lasts_until_its_last_attempt() -> None:
    figures = night(done("a"), attempts=(attempt("a", until="01:30:00"),), finished=None)
    assert figures.time.span_s == 1800.0
    assert night(done("a"), finished=None).time.span_s is None


def test_workers_that_nobody_counted_are_those_that_ended_something() -> None:
    attempts = (attempt("a", worker="w1"), attempt("b", worker="w2"), attempt("a", worker="w1"))
    time = night(done("a"), done("b"), attempts=attempts, workers=None).time
    assert (time.workers, time.there_s, time.rest_s) == (2, None, None)
    assert night(done("a"), workers={"most": 0, "seconds": 0.0}).time.workers is None


def test_more_time_in_stages_than_there_was_leaves_the_rest_undefined() -> None:
    assert night(done("a"), attempts=(attempt("a", seconds={"infer": 7001.0}),)).time.rest_s is None


def test_slow_slides_are_summed_over_their_attempts() -> None:
    figures = night(
        done("a"),
        done("b", n_patches=7),
        ended("c", "failed", "hung"),
        attempts=(
            attempt("b", "retried", "unexpected", {"read": 3.0}, peak_rss_mb=2048.0),
            attempt("a"),
            attempt("c", "failed", "hung", {}, at="01:10:00", until="01:10:12", peak_rss_mb=None),
            attempt("b", seconds={"read": 8.0, "infer": 2.0, "total": 10.0, "wait": 99.0}),
        ),
    )
    slow = [(one.slide.slide_id, one.took.seconds, one.took.longest_stage, one.took.share) for one in figures.slowest]
    assert slow == [("b", 13.0, "read", 11 / 13), ("c", 12.0, "", None), ("a", 10.0, "infer", 0.5)]
    assert [(one.took.timed, one.took.peak_rss_mb, one.n_patches) for one in figures.slowest[:2]] == [
        (True, 2048.0, 7),
        (False, None, None),
    ]


def test_what_steps_took_beside_the_stages_is_told_and_counted_once() -> None:
    took = {"read": 1.0, "infer": 2.0, "total": 3.0, "busy": 5.0}
    figures = night(done("a"), ended("b", "failed", "hung"), attempts=(
        attempt("a", seconds=took), attempt("b", "failed", "hung", {"read": 1.0, "tissue": 0.5, "busy": 7.0}),
    ))  # fmt: skip
    assert {stage.name: stage.seconds for stage in figures.time.stages if stage.seconds} == {
        "read": 1.0,
        "infer": 2.0,
        "other": 2.0,
    }
    assert figures.time.lost_s == 7.0


def test_drift_is_that_of_the_run_and_of_each_slide() -> None:
    drift = small_night().drift
    # By hand: 0.499 ln(0.0999 / 0.05) + 0.499 ln(0.05 / 0.0000998).
    assert [round(one.psi or 0, 3) for one in drift.things] == [3.447] * 4
    assert (drift.n_slides, drift.n_ranked) == (1, 1)
    ((slide, name, psi),) = drift.slides
    assert (slide.slide_id, name, round(psi, 3)) == ("A1", "haematoxylin_od", 3.447)


def test_a_slide_with_few_values_is_not_ranked_and_a_run_of_few_not_judged() -> None:
    drift = night(done("a", profile=in_first_half(30))).drift
    assert (drift.n_slides, drift.n_ranked) == (1, 0)
    # 300 values in 20 bins: chance alone gives (20 - 1)(1/300 + 1/20,000) = 0.064; 150 in 10 bins: 0.061.
    assert {one.enough for one in drift.things} == {False}
    # 400: 0.048; 200: 0.046.
    assert {one.enough for one in night(done("a", profile=in_first_half(40))).drift.things} == {True}


def test_without_training_or_with_other_bins_nothing_is_compared() -> None:
    rows = [done("a", profile=in_first_half(500))]
    assert run_figures(facts(1), rows, (), None).drift.measured is False
    other = run_figures(facts(1), rows, (), {"p_raw": (1, 2, 3)}).drift
    assert (other.measured, other.things) == (True, ())


def test_profiles_in_other_bins_are_left_out() -> None:
    odd = {"p_raw": (1, 2, 3)}
    assert night(done("a", profile=odd), done("b", profile=in_first_half(9))).drift.n_slides == 1


def test_rows_and_attempts_are_read_once() -> None:
    rows, attempts = iter([done("a"), empty("b")]), iter([attempt("a")])
    figures = run_figures(facts(2), rows, attempts, None)
    assert figures.counts.done == 2
    assert list(itertools.chain(rows, attempts)) == []


def test_a_slide_that_is_there_under_two_names_is_named_with_the_first() -> None:
    rows = (done("a", fingerprint="sha256:1"), done("b"), done("c", fingerprint="sha256:1"), done("d"))
    assert concerns(night(*rows)) == {"duplicate": [("c", "the same as a")]}


def test_every_concern_has_words_and_stages_their_order() -> None:
    assert len({one.title for one in CONCERNS}) == len(CONCERNS)
    figures = night(done("a"), attempts=(attempt("a", seconds={"ingest": 1.0, **STAGES}),))
    assert [stage.name for stage in figures.time.stages] == ["read", "tissue", "infer", "write", "ingest"]


def test_a_top_list_keeps_the_highest_and_the_first_of_equals() -> None:
    top = TopList[str](3)
    for rank, name in ((1, "a"), (5, "b"), (5, "c"), (2, "d"), (5, "e"), (5, "f")):
        top.add(rank, name)
    assert (top.n, top.things) == (6, ("b", "c", "e"))
