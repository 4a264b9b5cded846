"""Values of cross-validation as they are printed: as many digits as the seeds bear out, signs where they matter."""

from __future__ import annotations

import pytest
from card_factory import fold, spread

from batchscan.domain.card import MEASURES, FoldFigures, Spread
from batchscan.report import measures
from batchscan.report.blocks import Cell


def with_figure(name: str, value: Spread | None) -> FoldFigures:
    figures = {} if value is None else {name: value}
    return fold("a", 100, 10, 0.9).model_copy(update={"figures": figures})


def one(name: str, value: Spread | None) -> Cell:
    (cell,) = measures.column(name, [with_figure(name, value)])
    return cell


def test_every_measure_of_the_card_has_its_label_and_formula() -> None:
    assert tuple(measures.LABELS) == tuple(measures.FORMULAS) == MEASURES


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("auroc", Spread(mean=0.9634, low=0.9612, high=0.9655, n=3), Cell("0.963", "0.961\u20130.966")),
        ("f1", Spread(mean=0.7056, low=0.683, high=0.7412, n=3), Cell("0.71", "0.68\u20130.74")),
        ("auroc", Spread(mean=0.99996, low=0.9999, high=1.0, n=3), Cell(">0.999", ">0.999\u20131.000")),
        ("f1", Spread(mean=0.7056, low=0.7056, high=0.7056, n=1), Cell("0.706", "")),
        ("ece", None, Cell("not defined")),
        ("idc_mm2_error", Spread(mean=-1.234, low=-2.5, high=0.4, n=3), Cell("\u22121.23", "\u22122.50 to +0.40")),
        ("idc_mm2_error", Spread(mean=0.0, low=0.0, high=0.0, n=3), Cell("0", "0 to 0")),
        ("idc_mm2_absolute_error", Spread(mean=1.234, low=0.4, high=2.5, n=3), Cell("1.23", "0.40\u20132.50")),
        ("idc_mm2_relative_error", Spread(mean=0.124, low=0.03, high=0.2, n=3), Cell("+12 %", "+3 % to +20 %")),
        ("idc_mm2_relative_error", Spread(mean=-0.001, low=-0.1, high=0.2, n=3), Cell("0 %", "\u221210 % to +20 %")),
    ],
)
def test_mean_and_range(name: str, value: Spread | None, expected: Cell) -> None:
    assert one(name, value) == expected


def test_a_column_has_the_same_decimals_throughout() -> None:
    """Two of three slides whose seeds are a tenth apart: the third's thousandths mean nothing beside them."""
    folds = [with_figure("f1", spread(mean, half)) for mean, half in ((0.9, 0.05), (0.8, 0.05), (0.95, 0.001))]
    assert [cell.value for cell in measures.column("f1", folds)] == ["0.90", "0.80", "0.95"]
    assert [cell.note for cell in measures.column("f1", folds)][2] == "0.95\u20130.95"


def test_a_measure_that_some_seeds_lack_says_how_many_have_it() -> None:
    folds = [with_figure("auroc", spread(0.9, 0.001, n)) for n in (3, 2, 1)]
    notes = [cell.note for cell in measures.column("auroc", folds)]
    assert notes == ["0.899\u20130.901", "0.899\u20130.901, 2 seeds", "1 seed"]


@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        ((), Cell("each its own")),
        ((0.4, 0.4, 0.4), Cell("0.400")),
        ((0.4, 0.5, 0.45), Cell("0.450", "0.400\u20130.500")),
    ],
)
def test_thresholds(thresholds: tuple[float, ...], expected: Cell) -> None:
    assert measures.thresholds(fold("a", 100, 10, 0.9).model_copy(update={"thresholds": thresholds})) == expected


def test_counts_are_the_first_seeds_with_the_range() -> None:
    assert measures.counts([1186, 1190, 1182]) == Cell("1,186", "1,182\u20131,190")
    assert measures.counts([7]) == Cell("7")
    assert measures.counts([]) == Cell("not defined")
