"""Limits from a model's training range and a job's overrides."""

from __future__ import annotations

import pytest

from batchscan.domain.profile import TrainingProfile
from batchscan.domain.quality import MEASURES, Limits
from batchscan.domain.quality_limits import DEFAULT_LIMITS, quality_settings

TRAINED = TrainingProfile({}, {}, {"eosin_od": (0.2, 0.4)}, "a test")


def test_a_stain_is_good_within_the_training_range_and_refused_well_beyond_it() -> None:
    limits = quality_settings(TRAINED).limits["eosin_od"]
    assert (limits.review_below, limits.review_above) == (0.2, 0.4)
    assert limits.refuse_below == pytest.approx(0.15)
    assert limits.refuse_above == pytest.approx(0.48)


def test_without_a_training_range_stains_have_no_limits() -> None:
    assert set(quality_settings(None).limits) == set(DEFAULT_LIMITS) == set(MEASURES) - {"eosin_od", "haematoxylin_od"}


def test_an_override_changes_one_limit_of_one_measure() -> None:
    settings = quality_settings(
        TRAINED, overrides={"pen_share": {"refuse_above": 0.9}, "eosin_od": {"review_above": 0.45}}
    )
    assert settings.limits["pen_share"] == Limits(
        review_above=DEFAULT_LIMITS["pen_share"].review_above, refuse_above=0.9
    )
    assert settings.limits["eosin_od"].review_above == 0.45
    assert settings.limits["eosin_od"].review_below == 0.2
    assert settings.limits["sharpness"] == DEFAULT_LIMITS["sharpness"]


def test_contradicting_limits_are_named_with_their_measure() -> None:
    with pytest.raises(ValueError, match=r"sharpness: expected refuse_below <= review_below"):
        quality_settings(None, overrides={"sharpness": {"review_below": 0.1}})


def test_switched_off_it_says_so() -> None:
    assert not quality_settings(None, enabled=False).enabled
