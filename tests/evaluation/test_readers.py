"""Several readers become one reference and are compared; expected votes by hand, kappa by scikit-learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

from batchscan.domain.errors import UsageError
from batchscan.domain.joined import AMBIGUOUS, IDC, NOT_IDC, UNDECIDED, UNLABELLED, CellLabels
from batchscan.evaluation.intervals import Bootstrap
from batchscan.evaluation.readers import ReaderTallies, check_rule, consensus, rule_words

BOOTSTRAP = Bootstrap(n_patients=99, replicates=200, seed=3)


def labels(*of: int) -> CellLabels:
    return CellLabels(np.array([of], dtype=np.int8))


def test_votes_are_counted_by_the_rule() -> None:
    by_reader = {
        "": labels(IDC, IDC, IDC, NOT_IDC, UNLABELLED, IDC),
        "ann": labels(IDC, IDC, NOT_IDC, NOT_IDC, UNLABELLED, AMBIGUOUS),
        "bo": labels(IDC, NOT_IDC, NOT_IDC, NOT_IDC, NOT_IDC, UNDECIDED),
    }
    expected = {
        "majority": [IDC, IDC, NOT_IDC, NOT_IDC, NOT_IDC, IDC],
        "any": [IDC, IDC, IDC, NOT_IDC, NOT_IDC, IDC],
        "all": [IDC, NOT_IDC, NOT_IDC, NOT_IDC, NOT_IDC, IDC],
        "ann": [IDC, IDC, NOT_IDC, NOT_IDC, UNLABELLED, AMBIGUOUS],
        "reference": [IDC, IDC, IDC, NOT_IDC, UNLABELLED, IDC],
    }
    for rule, of in expected.items():
        found = consensus(by_reader, rule)
        assert (found.labels.of[0].tolist(), found.n_tied) == (of, 0)


def test_a_tie_is_left_out_and_counted() -> None:
    by_reader = {"a": labels(IDC, IDC, NOT_IDC, UNLABELLED), "b": labels(NOT_IDC, IDC, IDC, NOT_IDC)}
    found = consensus(by_reader, "majority")
    assert found.labels.of[0].tolist() == [UNDECIDED, IDC, UNDECIDED, NOT_IDC]
    assert found.n_tied == 2
    assert consensus(by_reader, "any").n_tied == consensus(by_reader, "all").n_tied == 0


def test_where_nobody_decides_a_cell_is_as_near_to_it_as_any_reader_is() -> None:
    by_reader = {
        "a": labels(AMBIGUOUS, UNDECIDED, UNLABELLED, AMBIGUOUS),
        "b": labels(UNLABELLED, UNLABELLED, UNLABELLED, UNDECIDED),
    }
    for rule in ("majority", "any", "all"):
        found = consensus(by_reader, rule).labels.of[0].tolist()
        assert found == [AMBIGUOUS, UNDECIDED, UNLABELLED, AMBIGUOUS]


def test_a_rule_is_known_or_a_readers_name() -> None:
    for rule in ("majority", "any", "all", "ann", "reference"):
        check_rule(rule, ("", "ann"))
    with pytest.raises(UsageError, match=r"readers 'bo': .* expected one of majority, any, all, reference, ann"):
        check_rule("bo", ("", "ann"))
    assert rule_words("any").startswith("IDC where any")
    assert rule_words("ann") == "what reader ann says"


def test_two_readers_are_compared_on_what_both_labelled() -> None:
    rng = np.random.default_rng(8)
    tallies = ReaderTallies()
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    areas: list[tuple[float, float]] = []
    for slide in range(12):
        truth = rng.random(60) < rng.uniform(0.2, 0.6)
        one = np.where(rng.random(60) < 0.1, UNLABELLED, truth ^ (rng.random(60) < 0.1)).astype(np.int8)
        other = np.where(rng.random(60) < 0.1, AMBIGUOUS, truth ^ (rng.random(60) < 0.2)).astype(np.int8)
        tissue = rng.random((1, 60))
        by_reader = {"": labels(*one.tolist()), "ann": labels(*other.tolist())}
        tallies.add(f"P{slide // 2}", by_reader, tissue, n_tied=slide)
        both = (one >= 0) & (other >= 0)
        seen.append((one[both], other[both]))
        areas.append((float(tissue[0, both & (one == 1)].sum()), float(tissue[0, both & (other == 1)].sum())))
    found = tallies.readers("majority", BOOTSTRAP)
    assert found is not None
    assert (found.names, found.n_undecided) == (("reference", "ann"), 66)
    (pair,) = found.pairs
    first, second = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    assert (pair.first, pair.second, pair.n_patches, pair.n_slides) == ("reference", "ann", len(first), 12)
    assert pair.kappa.value == pytest.approx(cohen_kappa_score(first, second))
    assert pair.agreement.value == pytest.approx((first == second).mean())
    assert pair.dice.value == pytest.approx(f1_score(first, second))
    assert pair.area is not None
    assert pair.area.bias.value == pytest.approx(np.mean([one - other for one, other in areas]))
    assert (pair.area.n, pair.area.quantity) == (12, "idc_mm2")
    for measured in (pair.kappa, pair.agreement, pair.dice):
        assert measured.low is not None
        assert measured.high is not None
        assert measured.value is not None
        assert measured.low < measured.value < measured.high
        assert (measured.method, measured.trusted) == ("bootstrap", True)


def test_patients_are_redrawn_whole() -> None:
    """Redraws of two patients give what either comes to, or both: percentiles end at those of either."""
    tallies = ReaderTallies()
    ones, twos = ([IDC, IDC, NOT_IDC, NOT_IDC], [IDC, NOT_IDC, NOT_IDC, NOT_IDC])
    for patient, other in (("P1", ones), ("P1", ones), ("P2", twos)):
        tallies.add(patient, {"a": labels(*ones), "b": labels(*other)}, np.ones((1, 4)), 0)
    found = tallies.readers("any", replace(BOOTSTRAP, method="percentile"))
    assert found is not None
    (pair,) = found.pairs
    assert pair.agreement.value == pytest.approx(11 / 12)
    assert pair.agreement.low == pytest.approx(0.75)
    assert pair.agreement.high == pytest.approx(1.0)
    assert not pair.agreement.trusted


def test_every_two_of_three_readers_are_a_pair_and_one_alone_is_none() -> None:
    tallies = ReaderTallies()
    tallies.add("P1", {"a": labels(IDC)}, np.ones((1, 1)), 0)
    assert tallies.readers("any", BOOTSTRAP) is None
    tallies.add("P1", {"a": labels(IDC), "b": labels(IDC), "c": labels(UNLABELLED)}, np.ones((1, 1)), 0)
    found = tallies.readers("any", BOOTSTRAP)
    assert found is not None
    # Nothing is labelled by c and another.
    assert [(pair.first, pair.second, pair.n_slides) for pair in found.pairs] == [("a", "b", 1)]
    assert found.pairs[0].kappa.value is None
    assert found.pairs[0].kappa.why
