from __future__ import annotations

import math

import numpy as np
import pytest

from batchscan.domain.profile import PROFILE_EDGES, histogram, population_stability, summed


def test_values_on_an_edge_beyond_the_ends_and_undefined_ones() -> None:
    counts = histogram("tissue_fraction", np.array([-1.0, 0.0, 0.05, 0.1, 0.95, 1.0, 7.0, np.nan]))
    assert counts == (3, 1, 0, 0, 0, 0, 0, 0, 0, 3)
    assert len(counts) == len(PROFILE_EDGES["tissue_fraction"]) - 1


def test_profiles_add_up_and_a_missing_name_stays_missing() -> None:
    assert summed([{"p_raw": (1, 2)}, {"p_raw": (3, 0)}, {}]) == {"p_raw": (4, 2)}


def test_the_index_by_hand() -> None:
    # (9.5, 0.5) / 10 against (0.5, 9.5) / 10: twice 0.9 ln 19.
    assert population_stability((9, 0), (0, 9)) == pytest.approx(1.8 * math.log(19))
    assert population_stability((5, 5), (5, 5)) == 0.0
    assert population_stability((0, 0), (1, 1)) is None
    assert population_stability((1, 1), (0, 0)) is None


def test_the_index_hardly_depends_on_how_many_there_are() -> None:
    few, many = (40, 60), (40_000, 60_000)
    assert population_stability(few, many) == pytest.approx(0.0, abs=1e-4)
