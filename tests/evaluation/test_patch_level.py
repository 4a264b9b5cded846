from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics
from tallied_slides import drawn_slides, labelled, tallied, written_out

from batchscan.domain.card import ConfusionCounts
from batchscan.domain.levels import MEASURES, Level
from batchscan.evaluation.calibration import reliability
from batchscan.evaluation.delong import areas_and_covariance
from batchscan.evaluation.intervals import Bootstrap, bootstrap_weights
from batchscan.evaluation.patch_level import patch_figures, patch_level
from batchscan.evaluation.tallies import SLIDE_FIGURES, PatientTallies

SLIDES = drawn_slides(9, seed=8)
DRAWS = Bootstrap(9, 200, seed=1)


@pytest.fixture(scope="module")
def level() -> Level:
    made = patch_level(tallied(SLIDES), DRAWS, (0.1,))
    assert made is not None
    return made


def test_the_published_table() -> None:
    # The published manual check: TP 48, FN 2, FP 5, TN 45. It prints precision and recall exchanged.
    label = [1] * 50 + [0] * 50
    p = [0.9] * 48 + [0.1] * 2 + [0.8] * 5 + [0.2] * 45
    level = patch_level(tallied([labelled("a", "x", label, p)]), Bootstrap(1, 50), ())
    assert level is not None
    assert level.confusion == ConfusionCounts(tp=48, fp=5, fn=2, tn=45)
    values = {name: level.metrics[name].value for name in ("accuracy", "precision", "sensitivity", "f1")}
    assert values == {
        "accuracy": pytest.approx(0.93),
        "precision": pytest.approx(0.906, abs=5e-4),
        "sensitivity": pytest.approx(0.96),
        "f1": pytest.approx(0.932, abs=5e-4),
    }
    assert level.per_class[0].f1 == values["f1"]
    accuracy = level.metrics["accuracy"]
    assert (accuracy.low, accuracy.high, accuracy.trusted, accuracy.n) == (None, None, False, 100)
    assert "one patient" in accuracy.why
    assert level.roc_band == ()


def test_figures_are_those_of_all_readable_patches(level: Level) -> None:
    p, label, called = written_out(SLIDES)
    true, said = np.array(label), np.array(called)
    assert set(level.metrics) == set(MEASURES)
    assert level.n == len(p)
    assert level.n_patients == 9
    assert level.prevalence == pytest.approx(true.mean())
    tn, fp, fn, tp = metrics.confusion_matrix(true, said).ravel()
    assert level.confusion == ConfusionCounts(tp=int(tp), fp=int(fp), fn=int(fn), tn=int(tn))
    # Scores are rounded down to millionths, which may tie a few pairs of many.
    assert level.metrics["auroc"].value == pytest.approx(metrics.roc_auc_score(true, p), abs=1e-6)
    assert level.metrics["auprc"].value == pytest.approx(metrics.average_precision_score(true, p), abs=1e-5)
    assert level.metrics["brier"].value == pytest.approx(metrics.brier_score_loss(true, p))
    assert level.metrics["mcc"].value == pytest.approx(metrics.matthews_corrcoef(true, said))


def test_every_measure_has_its_n_and_an_interval_over_patients(level: Level) -> None:
    table = level.confusion
    for name, one in level.metrics.items():
        assert one.value is not None
        assert one.low is not None
        assert one.high is not None
        assert one.low < one.value < one.high
        assert (one.method, one.trusted) == ("bootstrap", name != "ece"), name
    assert "36 to 97 %" in level.metrics["ece"].why
    assert level.metrics["sensitivity"].n == table.tp + table.fn
    assert level.metrics["precision"].n == table.tp + table.fp
    assert level.metrics["auroc"].n == level.n


def test_design_effect_compares_with_independent_patches(level: Level) -> None:
    # Patients were made to differ, so that patches are worth less than they number.
    effects = {name: one.design_effect for name, one in level.metrics.items() if one.design_effect is not None}
    assert set(effects) == {"accuracy", "sensitivity", "specificity", "precision", "npv", "auroc"}
    assert all(effect > 1.5 for name, effect in effects.items() if name in {"sensitivity", "specificity"})


def test_design_effect_of_the_area_is_that_of_patches_written_out(level: Level) -> None:
    areas = []
    for weights in next(bootstrap_weights(9, 200, DRAWS.seed, 200)):
        times = {f"p{i:03d}": int(weight) for i, weight in enumerate(weights)}
        p, label, _ = written_out(SLIDES, times)
        areas.append(metrics.roc_auc_score(label, p))
    p, label, _ = written_out(SLIDES)
    _, covariance = areas_and_covariance(np.array(label), np.array(p)[None])
    expected = np.var(areas, ddof=1) * 9 / 8 / float(covariance[0, 0])
    assert level.metrics["auroc"].design_effect == pytest.approx(expected, rel=1e-3)


def test_macro_is_the_mean_over_slides(level: Level) -> None:
    aurocs = [metrics.roc_auc_score(true, p) for p, true, _ in (written_out([slide]) for slide in SLIDES)]
    assert set(level.macro) == set(SLIDE_FIGURES)
    assert level.macro["auroc"].value == pytest.approx(np.mean(aurocs))
    assert level.macro["auroc"].n == len(SLIDES)
    assert level.macro["auroc"].low is not None


def test_macro_leaves_out_slides_without_a_class() -> None:
    slides = [labelled(f"s{i}", f"p{i}", [0, 0, 1], [0.2, 0.6 - i / 20, 0.9 - i / 8]) for i in range(6)]
    slides.append(labelled("none", "p9", [0, 0], [0.1, 0.2]))
    level = patch_level(tallied(slides), Bootstrap(7, 50), ())
    assert level is not None
    assert (level.macro["auroc"].n, level.macro["specificity"].n) == (6, 7)
    alone = patch_level(tallied(slides[-1:]), Bootstrap(1, 50), ())
    assert alone is not None
    assert (alone.macro["auroc"].value, alone.macro["auroc"].n) == (None, 0)
    assert alone.macro["auroc"].why == "it isn't defined on any slide"


def test_reliability_is_that_of_the_patches(level: Level) -> None:
    p, label, _ = written_out(SLIDES)
    for found, expected in zip(level.reliability, reliability(label, p), strict=True):
        assert found.n == expected.n
        assert (found.low, found.high) == (expected.low, expected.high)
        assert (found.mean_p, found.share_idc) == pytest.approx((expected.mean_p, expected.share_idc))


def test_curves_end_where_everything_is_called(level: Level) -> None:
    assert level.roc[0] == (0.0, 0.0, None)
    assert level.roc[-1][:2] == (1.0, 1.0)
    assert level.pr[0] == (0.0, 1.0, None)
    assert len(level.roc) <= 201
    assert len(level.roc_band) > 50
    assert len(level.decision) == 99
    assert len(level.operating) == 6
    assert [one.prevalence for one in level.at_prevalence] == [0.1]


def test_patches_not_scanned_are_called_by_no_threshold() -> None:
    # A tenth of the IDC patches were dropped by the tissue mask: no threshold reaches a sensitivity above 90 %.
    p = [*np.linspace(0.3, 0.95, 9), 0.0, *np.linspace(0.05, 0.5, 10)]
    slides = [labelled(f"s{i}", f"p{i}", [1] * 10 + [0] * 10, p, not_scanned=[9]) for i in range(6)]
    level = patch_level(tallied(slides), Bootstrap(6, 50), ())
    assert level is not None
    reached = {point.at_least: point.threshold for point in level.operating if point.held == "sensitivity"}
    assert reached == {0.9: pytest.approx(0.3, abs=1e-6), 0.95: None, 0.99: None}
    assert level.metrics["sensitivity"].n == 60


def test_words_name_every_threshold() -> None:
    slides = [labelled("a", "x", [1, 0], [0.9, 0.1]), labelled("b", "y", [1, 0], [0.9, 0.1], threshold=0.44)]
    level = patch_level(tallied(slides), Bootstrap(2, 20), ())
    assert level is not None
    assert level.called == "p_idc reaches the threshold (0.44, 0.5)"
    assert level.score == "p_idc"


def test_no_patch_no_level() -> None:
    unread = tallied([labelled("a", "x", [1], [0.5], unreadable=[0])])
    for tallies in (PatientTallies(), unread):
        assert patch_level(tallies, Bootstrap(1), (0.1,)) is None
        assert patch_figures(tallies, Bootstrap(1), ("auroc",)) == {}


def test_figures_of_a_subset_are_nearly_those_of_its_slides_alone() -> None:
    chosen = [slide for slide in SLIDES if slide.patient_id != "p000"]
    names = ("sensitivity", "auroc", "auprc", "calibration_slope")
    part = patch_figures(tallied(SLIDES).subset({slide.slide_id for slide in chosen}), DRAWS, names)
    alone = patch_figures(tallied(chosen), DRAWS, names)
    assert list(part) == list(names)
    assert part["sensitivity"] == alone["sensitivity"]
    assert part["calibration_slope"] == alone["calibration_slope"]
    assert part["auroc"].value == pytest.approx(alone["auroc"].value, abs=1e-4)
    assert part["auprc"].value == pytest.approx(alone["auprc"].value, abs=2e-3)
    assert part["auroc"].n == alone["auroc"].n


def test_undefined_measures_of_a_level_say_why() -> None:
    slides = [labelled(f"s{i}", f"p{i}", [0, 0, 0], [0.1, 0.2 + i / 50, 0.6]) for i in range(6)]
    level = patch_level(tallied(slides), Bootstrap(6, 50), (0.1,))
    assert level is not None
    undefined = {name: one.why for name, one in level.metrics.items() if one.value is None}
    assert undefined["sensitivity"] == "there are no patches with IDC"
    assert undefined["auroc"] == undefined["calibration_slope"] == "all patches are of one class"
    assert set(undefined) == {
        *("sensitivity", "balanced_accuracy", "mcc", "auroc", "auprc", "calibration_slope", "calibration_intercept")
    }
    assert (level.roc, level.pr, level.operating) == ((), (), ())
