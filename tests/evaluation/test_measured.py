from __future__ import annotations

import numpy as np
import pytest

from batchscan.domain.levels import CALLS
from batchscan.evaluation.intervals import Bootstrap, Interval, cluster_intervals, exact
from batchscan.evaluation.measured import Outcomes, clustered, per_class, predictive
from batchscan.evaluation.metrics import Confusion

MANY = Outcomes("patches", np.array([[40, 5, 10, 45], [30, 2, 3, 60], [5, 9, 5, 80], [9, 1, 6, 30], [8, 0, 1, 12]]))
FOUND = Interval(0.8, 0.7, 0.9, "bootstrap", 2000, 2000, 0.0025)


def test_n_is_what_a_measure_rests_on() -> None:
    # TP 92, FP 17, FN 25, TN 227.
    expected = {"sensitivity": 117, "specificity": 244, "precision": 109, "npv": 252, "accuracy": 361, "f1": 361}
    assert {name: MANY.n(name) for name in expected} == expected
    assert MANY.confusion == Confusion(tp=92, fp=17, fn=25, tn=227)


def test_patients_are_those_that_have_what_a_measure_rests_on() -> None:
    few = Outcomes("patches", np.array([[0, 1, 0, 9], [0, 0, 0, 9], [2, 0, 0, 0], [0, 0, 1, 3]]))
    expected = {"sensitivity": 2, "specificity": 3, "precision": 2, "npv": 3, "accuracy": 4, "auroc": 2, "f1": 2}
    assert {name: few.n_patients(name) for name in expected} == expected


def test_design_effect_of_a_share() -> None:
    made = clustered(MANY, "sensitivity", FOUND, value=None)
    assert (made.value, made.low, made.high, made.n, made.method) == (92 / 117, 0.7, 0.9, 117, "bootstrap")
    assert made.design_effect == pytest.approx(0.0025 / (92 / 117 * 25 / 117 / 117))
    assert made.trusted


def test_few_patients_of_a_class_are_not_trusted_however_many_there_are() -> None:
    table = np.array([[0, 5, 0, 45]] * 50 + [[9, 1, 3, 30]] * 4)
    auroc = clustered(Outcomes("patches", table), "auroc", FOUND, value=0.81, independent=0.001)
    assert auroc.value == 0.81
    assert not auroc.trusted
    assert auroc.why == "it rests on 4 patients: fewer than 5"
    assert auroc.design_effect == pytest.approx(2.5)
    assert clustered(Outcomes("patches", table), "specificity", FOUND, value=None).trusted


@pytest.mark.parametrize(("tp", "fn", "words"), [(50, 0, "all of 150"), (0, 50, "none of 150")])
def test_all_right_in_three_patients_is_not_sure(tp: int, fn: int, words: str) -> None:
    outcomes = Outcomes("patches", np.array([[tp, 1, fn, 9]] * 3))
    (interval,) = cluster_intervals(outcomes.statistic(("sensitivity",)), Bootstrap(3, 200))
    made = clustered(outcomes, "sensitivity", interval, value=interval.value)
    peer = exact(3 if tp else 0, 3)
    assert (made.value, made.low, made.high, made.method) == (peer.value, peer.low, peer.high, "exact")
    assert not made.trusted
    assert made.why.startswith(f"{words} patches: the interval is as if each of 3 patients were one unit; ")
    assert made.design_effect is None


def test_all_right_in_ten_patients_has_the_interval_of_ten() -> None:
    outcomes = Outcomes("patches", np.array([[50, 0, 0, 50]] * 10))
    intervals = cluster_intervals(outcomes.statistic(CALLS), Bootstrap(10, 200))
    made = {
        name: clustered(outcomes, name, interval, value=interval.value)
        for name, interval in zip(CALLS, intervals, strict=True)
    }
    # The tenth root of 0.025.
    assert made["sensitivity"].low == pytest.approx(0.6915, abs=1e-4)
    assert made["sensitivity"].trusted
    for name in ("f1", "mcc", "kappa", "balanced_accuracy"):
        one = made[name]
        assert (one.value, one.low, one.high, one.method, one.trusted) == (1.0, None, None, "none", False)
        assert "redrawing the patients doesn't change it" in one.why


@pytest.mark.parametrize(
    ("row", "name", "why"),
    [
        ((0, 3, 0, 9), "sensitivity", "there are no slides with IDC"),
        ((0, 3, 0, 9), "auroc", "all slides are of one class"),
        ((5, 0, 2, 0), "specificity", "there are no slides without IDC"),
        ((0, 0, 2, 7), "precision", "there are no slides that were called IDC"),
        ((2, 7, 0, 0), "npv", "there are no slides that were called free of IDC"),
        ((0, 0, 2, 7), "mcc", "all slides were called the same"),
        ((0, 0, 0, 7), "f1", "there are no slides with IDC or called so"),
        ((0, 0, 0, 0), "brier", "there are no slides"),
        ((5, 1, 2, 7), "calibration_slope", "the scores part the classes wholly, or not at all: the fit has no answer"),
    ],
)
def test_what_is_undefined_says_why(row: tuple[int, int, int, int], name: str, why: str) -> None:
    undefined = Interval(None, None, None, "none", trusted=False, why="it isn't defined")
    made = clustered(Outcomes("slides", np.array([row])), name, undefined, value=None)
    assert (made.value, made.low, made.high, made.method, made.trusted, made.why) == (
        None,
        None,
        None,
        "none",
        False,
        why,
    )


def test_predictive_values_at_a_prevalence() -> None:
    one, half = predictive(MANY, Bootstrap(5, 300), (0.01, 0.5))
    sensitivity, specificity = 92 / 117, 227 / 244
    true, false = 0.01 * sensitivity, 0.99 * (1 - specificity)
    assert one.prevalence == 0.01
    assert one.ppv.value == pytest.approx(true / (true + false))
    assert one.npv.value == pytest.approx(0.99 * specificity / (0.99 * specificity + 0.01 * (1 - sensitivity)))
    assert half.ppv.value == pytest.approx(sensitivity / (sensitivity + 1 - specificity))
    assert half.ppv.low is not None
    assert half.ppv.high is not None
    assert half.ppv.low < sensitivity / (sensitivity + 1 - specificity) < half.ppv.high
    assert half.ppv.n == 361


def test_predictive_values_without_a_class_say_why() -> None:
    (made,) = predictive(Outcomes("patches", np.array([[0, 1, 0, 9]] * 6)), Bootstrap(6, 50), (0.2,))
    assert (made.ppv.value, made.npv.value) == (None, None)
    assert made.ppv.why == "all patches are of one class"


def test_nothing_called_has_no_predictive_value() -> None:
    (made,) = predictive(Outcomes("patches", np.array([[0, 0, 2, 9]] * 6)), Bootstrap(6, 50), (0.2,))
    assert made.ppv.value is None
    assert made.npv.value == pytest.approx(0.8)
    assert made.ppv.why == "no patches would be called so"


def test_both_classes_as_the_published_work_gives_them() -> None:
    idc, other = per_class(Confusion(tp=48, fp=5, fn=2, tn=45))
    assert (idc.name, other.name) == ("IDC", "not IDC")
    assert [idc.precision, idc.recall, idc.f1] == pytest.approx([48 / 53, 48 / 50, 96 / 103])
    assert [other.precision, other.recall, other.f1] == pytest.approx([45 / 47, 45 / 50, 90 / 97])
    assert (idc.support, other.support) == (50, 50)
