"""The tables beside a package say the same as its card, and can be worked out again from one another."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripted_trainings import Scripted, noisy, patches_of
from sklearn.metrics import f1_score, roc_auc_score

from batchscan.domain.aggregation import Aggregation, ScoredGrid
from batchscan.domain.card import MEASURES, Epoch, History
from batchscan.evaluation.held_out import Judged
from batchscan.evaluation.thresholds import best_mean_threshold
from batchscan.training.recipe import Context, Recipe
from batchscan.workflow.cross_validation import CrossValidated, card_record, cross_validated
from batchscan.workflow.folds import Slide, planned
from batchscan.workflow.package_files import worst_examples
from batchscan.workflow.training_tables import write_cross_validation, write_history, write_out_of_fold

RECIPE = Recipe(cv_seeds=2, context=Context(sigmas=(0.0, 0.5)))
PATCHES = patches_of(dict.fromkeys("abc", "0" * 21 + "1" * 21) | {"d": "0" * 20, "e": "1" * 20})
CELL_MM2 = 0.16


@pytest.fixture(scope="module")
def found() -> CrossValidated:
    return cross_validated(planned(PATCHES, RECIPE, ("b",), 0), PATCHES, Scripted(PATCHES, noisy), RECIPE)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_row_a_slide_seed_and_context(found: CrossValidated, tmp_path: Path) -> None:
    write_cross_validation(tmp_path / "cv.csv", found, CELL_MM2)
    rows = rows_of(tmp_path / "cv.csv")
    assert [(row["slide"], row["seed"]) for row in rows] == 2 * [
        (slide, seed) for slide in ("a", "b", "c", "pooled") for seed in "01"
    ]
    assert [row["context"] for row in rows] == ["alone"] * 8 + ["neighbours"] * 8
    record = card_record(found, CELL_MM2, "x")
    for figures in (*record.slides, record.pooled):
        own = [row for row in rows if row["slide"] == figures.slide and row["context"] == "neighbours"]
        for name in MEASURES:
            if name not in figures.figures:
                assert (figures.slide, {row[name] for row in own}) == ("pooled", {""})
                continue
            values = [float(row[name]) for row in own]
            spread = figures.figures[name]
            assert (min(values), max(values)) == (
                pytest.approx(spread.low, abs=1e-6),
                pytest.approx(spread.high, abs=1e-6),
            )
            assert float(np.mean(values)) == pytest.approx(spread.mean, abs=1e-6)
        counts = [tuple(int(row[name]) for name in ("tp", "fp", "fn", "tn")) for row in own]
        assert counts == [(one.tp, one.fp, one.fn, one.tn) for one in figures.confusions]
        assert {(row["n_patches"], row["n_positive"]) for row in own} == {
            (str(figures.n_patches), str(figures.n_positive))
        }
    assert {row["sigma"] for row in rows if row["context"] == "alone" and row["slide"] != "pooled"} == {"0.0"}
    assert {row["threshold"] for row in rows if row["slide"] == "pooled"} == {""}


def test_pooled_area_errors_are_the_mean_size_of_the_slides(found: CrossValidated, tmp_path: Path) -> None:
    write_cross_validation(tmp_path / "cv.csv", found, CELL_MM2)
    rows = rows_of(tmp_path / "cv.csv")
    for pooled in (row for row in rows if row["slide"] == "pooled"):
        slides = [
            abs(float(row["idc_mm2_error"]))
            for row in rows
            if row["slide"] != "pooled" and (row["seed"], row["context"]) == (pooled["seed"], pooled["context"])
        ]
        assert float(pooled["idc_mm2_absolute_error"]) == pytest.approx(sum(slides) / 3, abs=1e-6)
        assert (pooled["idc_mm2_error"], pooled["idc_mm2_relative_error"]) == ("", "")


def test_the_figures_can_be_worked_out_from_the_left_out_patches(found: CrossValidated, tmp_path: Path) -> None:
    write_cross_validation(tmp_path / "cv.csv", found, CELL_MM2)
    write_out_of_fold(tmp_path / "oof.csv", found, PATCHES)
    patches = rows_of(tmp_path / "oof.csv")
    for row in rows_of(tmp_path / "cv.csv"):
        if row["context"] == "alone":
            continue
        own: list[Any] = [
            one
            for one in patches
            if one["used_for"] == "measuring"
            and one["seed"] == row["seed"]
            and row["slide"] in (one["slide"], "pooled")
        ]
        label = [int(one["label"]) for one in own]
        p_idc = np.float32([one["p_idc"] for one in own])
        assert roc_auc_score(label, p_idc) == pytest.approx(float(row["auroc"]), abs=1e-6)
        if row["slide"] != "pooled":
            assert {one["left_out"] for one in own} == {row["slide"]}
            assert f1_score(label, p_idc >= np.float32(row["threshold"])) == pytest.approx(float(row["f1"]), abs=1e-6)


def test_what_the_package_was_chosen_on_is_told_apart(found: CrossValidated, tmp_path: Path) -> None:
    write_out_of_fold(tmp_path / "oof.csv", found, PATCHES)
    choosing = [row for row in rows_of(tmp_path / "oof.csv") if row["used_for"] == "choosing" and row["p_idc"]]
    assert {(row["slide"], row["left_out"]) for row in choosing} == {("a", "a b"), ("c", "b c")}
    assert len(choosing) == 2 * 2 * 42
    point = found.package.how.threshold.curve[50]
    f1 = []
    for slide in "ac":
        for seed in "01":
            own = [row for row in choosing if (row["slide"], row["seed"]) == (slide, seed)]
            f1.append(f1_score([int(row["label"]) for row in own], [float(row["p_idc"]) >= 0.5 for row in own]))
    assert np.mean(f1) == pytest.approx(point.f1, abs=1e-5)


@pytest.mark.parametrize("slide", "abc")
def test_a_slides_threshold_can_be_worked_out_from_the_scores_it_was_chosen_on(
    slide: str, found: CrossValidated, tmp_path: Path
) -> None:
    write_out_of_fold(tmp_path / "oof.csv", found, PATCHES)
    write_cross_validation(tmp_path / "cv.csv", found, CELL_MM2)
    choosing = [row for row in rows_of(tmp_path / "oof.csv") if row["used_for"] == "choosing"]
    (how,) = {
        tuple(float(row[name]) for name in ("sigma", "temperature", "intercept", "threshold"))
        for row in rows_of(tmp_path / "cv.csv")
        if (row["slide"], row["context"]) == (slide, "neighbours")
    }
    parts = []
    for other in set("abc") - {slide}:
        for seed in "01":
            own = [
                row
                for row in choosing
                if (row["slide"], row["seed"], set(row["left_out"].split())) == (other, seed, {slide, other})
            ]
            corners = (np.array([float(row[name]) for row in own]) for name in ("y_px", "x_px"))
            down, right = ((corner / 50).astype(np.int32) for corner in corners)
            p_raw, everywhere = np.float32([row["p_raw"] for row in own]), np.ones(len(own), np.bool_)
            p_idc = ScoredGrid(p_raw, down, right, everywhere, stride=1.0).p_idc(Aggregation(*how[:3]))
            parts.append((np.array([row["label"] == "1" for row in own]), p_idc))
    assert [len(label) for label, _ in parts] == [42] * 4
    assert best_mean_threshold(parts, "balanced_accuracy") == how[3]


def test_places_and_scores_are_written_exactly(found: CrossValidated, tmp_path: Path) -> None:
    write_out_of_fold(tmp_path / "oof.csv", found, PATCHES)
    first = rows_of(tmp_path / "oof.csv")[:42]
    p_raw = np.float32([row["p_raw"] for row in first])
    assert p_raw.tobytes() == found.folds[0].parts[0].scores.p_raw.tobytes()
    assert [(row["x_px"], row["y_px"]) for row in first[:7]] == [*((str(50 * i), "0") for i in range(6)), ("0", "50")]


def test_an_epoch_without_watched_patients_has_empty_cells(tmp_path: Path) -> None:
    epoch = Epoch(
        epoch=1,
        training_loss=0.5,
        training_accuracy=0.75,
        watched_loss=None,
        watched_accuracy=None,
        watched_auroc=None,
        seconds=3.25,
    )
    history = History(kept_epoch=1, how_kept="last", watched="nobody", watched_patients=(), epochs=(epoch,))
    write_history(tmp_path / "history.csv", history)
    assert (tmp_path / "history.csv").read_text() == (
        "epoch,training_loss,training_accuracy,watched_loss,watched_accuracy,watched_auroc,seconds\n1,0.5,0.75,,,,3.25\n"
    )


def judged(slide: Slide, *p_idc: float) -> tuple[Slide, Judged]:
    return slide, Judged.at(slide.label, np.float32(p_idc), 0.5)


def test_slides_show_their_surest_mistakes_in_turn() -> None:
    patches = patches_of({"a": "0001", "b": "01"}, width=2)
    a, b = Slide.of(patches, "a"), Slide.of(patches, "b")
    left_out = [judged(a, 0.6, 0.9, 0.8, 0.7), judged(b, 0.55, 0.1)]
    examples, rows = worst_examples(left_out, patches)
    assert [(one.patient_id, one.label, round(one.p_idc, 2)) for one in examples] == [
        ("a", 0, 0.9),
        ("b", 0, 0.55),
        ("a", 0, 0.8),
        ("a", 0, 0.6),
        ("b", 1, 0.1),
    ]
    assert rows.tolist() == [1, 4, 2, 0, 5]
    assert [(one.x_px, one.y_px) for one in examples[:3]] == [(50.0, 0.0), (0.0, 0.0), (0.0, 50.0)]


def test_twelve_of_a_kind_are_enough_and_none_is_fine() -> None:
    patches = patches_of({"a": "0" * 20, "b": "0" * 20})
    wrong = [judged(Slide.of(patches, name), *np.linspace(0.6, 0.9, 20)) for name in "ab"]
    examples, _ = worst_examples(wrong, patches)
    assert [one.patient_id for one in examples] == ["a", "b"] * 6
    right, rows = worst_examples([judged(Slide.of(patches, "a"), *[0.1] * 20)], patches)
    assert (right, len(rows)) == ([], 0)
